//! Phone calls by Twilio's REST API, version 2010-04-01 (SignalWire and others speak it too).
//!
//! 201 means queued, no more: a call is followed with [`Telephone::status`]. There is no
//! idempotency key, so a request whose answer did not come is looked up before it is repeated.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::words::escaped;
use super::{Failure, SetupError, http, on_one_line, shortened};
use crate::clock::WallTime;
use crate::config;

/// Twilio refuses longer TwiML.
const LONGEST_TWIML: usize = 4_000;
/// The service answers within this, or not at all.
const PATIENCE: Duration = Duration::from_secs(15);
/// A connection that was used so recently is still open.
const STILL_WARM: Duration = Duration::from_secs(30);
/// Our clock and theirs differ by less.
const CLOCKS_DIFFER_MS: i64 = 5_000;

/// Places calls.
pub struct Telephone {
    client: Client,
    account: Url,
    phone: config::Phone,
    patience: Duration,
    last_request: Mutex<Option<Instant>>,
}

/// Twilio's name for a call: `CA…`
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallSid(pub String);

/// Why a call was not placed, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceFailure {
    /// Not placed; worth another try on the same rung.
    #[error("{why}")]
    Temporary {
        /// What went wrong.
        why: String,
        /// Not sooner than this, where the service says so.
        after: Option<Duration>,
    },
    /// Not placed; another try would fare the same: the next rung.
    #[error("{why}")]
    Permanent {
        /// What the service said.
        why: String,
        /// Twilio's error code, such as 21217.
        code: Option<u32>,
    },
    /// The request left and no answer came: look for the call before another try.
    #[error("{why}")]
    Uncertain {
        /// What went wrong.
        why: String,
    },
}

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallStatus {
    /// Queued, ringing, over, …
    pub progress: Progress,
    /// A machine or a fax answered (only where `machine-detection` asks for it).
    pub by_machine: bool,
}

/// Twilio's words for the progress of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// Waits for its turn.
    Queued,
    /// Is being dialled.
    Initiated,
    /// Rings.
    Ringing,
    /// Somebody, or something, has answered.
    InProgress,
    /// Was answered and is over.
    Completed,
    /// The line is busy.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// Could not be connected.
    Failed,
    /// Was taken back while it rang.
    Canceled,
}

impl Progress {
    /// Nothing more will come.
    pub fn is_over(self) -> bool {
        match self {
            Self::Queued | Self::Initiated | Self::Ringing | Self::InProgress => false,
            Self::Completed | Self::Busy | Self::NoAnswer | Self::Failed | Self::Canceled => true,
        }
    }
}

#[derive(Deserialize)]
struct Call {
    sid: String,
    to: Option<String>,
    date_created: Option<String>,
    start_time: Option<String>,
}

#[derive(Deserialize)]
struct Calls {
    calls: Vec<Call>,
}

#[derive(Deserialize)]
struct Followed {
    status: Progress,
    answered_by: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    code: Option<u32>,
    message: Option<String>,
}

impl Telephone {
    /// A telephone on this account. Reads `ca-file`; connects to nothing yet.
    pub fn new(phone: &config::Phone) -> Result<Telephone, SetupError> {
        let value = |why: String| SetupError::Value {
            key: "phone.base-url",
            value: phone.base_url.clone(),
            why,
        };
        let mut account = Url::parse(&phone.base_url).map_err(|e| value(e.to_string()))?;
        account
            .path_segments_mut()
            .map_err(|()| value("this cannot be the beginning of an address".into()))?
            .pop_if_empty()
            .extend(["2010-04-01", "Accounts", &phone.account_sid]);
        Ok(Telephone {
            client: http::client(phone.ca_file.as_deref())?,
            account,
            phone: phone.clone(),
            patience: PATIENCE,
            last_request: Mutex::default(),
        })
    }

    /// Waits so long for an answer, instead of 15 s.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Opens a connection for a call that is about to come, unless there is one: the account is
    /// asked for, and the answer ignored. Nobody needs to wait for it: spawn it at the trigger.
    pub async fn prepare(&self) {
        let warm = |last: Instant| last.elapsed() < STILL_WARM;
        if self.last_request().is_some_and(warm) {
            return;
        }
        let mut account = self.account.clone();
        account.set_path(&format!("{}.json", account.path()));
        if let Ok(answer) = self.send(self.client.get(account)).await {
            // Read to its end, or the connection cannot be used again.
            let _ = answer.bytes().await;
        }
    }

    /// Places a call in which these words are said twice.
    pub async fn place(&self, to: &str, words: &str) -> Result<CallSid, PlaceFailure> {
        let ring_time = self.phone.ring_time.as_secs().to_string();
        let twiml = twiml(words);
        let mut form = vec![
            ("To", to),
            ("From", &self.phone.from),
            ("Twiml", &twiml),
            ("Timeout", &ring_time),
        ];
        if self.phone.machine_detection {
            form.push(("MachineDetection", "Enable"));
        }
        let doing = format!("calling {}", masked(to));
        let request = self.client.post(self.resource(&["Calls.json"])).form(&form);
        let answer = self.send(request).await.map_err(|e| {
            let sent = !(e.is_connect() || e.is_builder());
            let why = format!("{doing}: {}", http::explain(e));
            if sent {
                PlaceFailure::Uncertain { why }
            } else {
                PlaceFailure::Temporary { why, after: None }
            }
        })?;
        if !answer.status().is_success() {
            let (failure, code) = self.refused(&doing, to, answer).await;
            return Err(match failure {
                Failure::Temporary { why, after } => PlaceFailure::Temporary { why, after },
                Failure::Permanent { why } => PlaceFailure::Permanent { why, code },
            });
        }
        match answer.json::<Call>().await {
            Ok(call) => Ok(CallSid(call.sid)),
            Err(e) => Err(PlaceFailure::Uncertain {
                why: format!("{doing}: reading the answer: {}", http::explain(e)),
            }),
        }
    }

    /// The latest call to this number since then, if one was placed: after
    /// [`PlaceFailure::Uncertain`], `since` is when that request was made.
    pub async fn find(&self, to: &str, since: WallTime) -> Result<Option<CallSid>, Failure> {
        let since = since.as_millis().saturating_sub(CLOCKS_DIFFER_MS);
        // The service filters by day; the moment is compared here.
        let day = WallTime(since).timestamp().strftime("%Y-%m-%d").to_string();
        let query = [("To", to), ("From", &self.phone.from), ("StartTime>", &day)];
        let request = self
            .client
            .get(self.resource(&["Calls.json"]))
            .query(&query);
        let doing = format!("looking up the call to {}", masked(to));
        let found: Calls = self.ask(&doing, to, request).await?;
        let recent = |call: &Call| {
            let when = call.date_created.as_ref().or(call.start_time.as_ref());
            when.and_then(|when| moment(when))
                .is_none_or(|when| when.as_millisecond() >= since)
        };
        let this = |call: &Call| call.to.as_deref().is_none_or(|number| number == to);
        let call = found
            .calls
            .into_iter()
            .find(|call| this(call) && recent(call));
        Ok(call.map(|call| CallSid(call.sid)))
    }

    /// How far this call has come.
    pub async fn status(&self, call: &CallSid) -> Result<CallStatus, Failure> {
        let request = self.client.get(self.resource(&["Calls", &call.json()]));
        let followed: Followed = self
            .ask("asking for the call's progress", "", request)
            .await?;
        let answered_by = followed.answered_by.as_deref().unwrap_or_default();
        Ok(CallStatus {
            progress: followed.status,
            by_machine: answered_by.starts_with("machine") || answered_by == "fax",
        })
    }

    /// Ends this call, whether it is queued, rings or is being listened to.
    pub async fn cancel(&self, call: &CallSid) -> Result<(), Failure> {
        let request = self
            .client
            .post(self.resource(&["Calls", &call.json()]))
            .form(&[("Status", "completed")]);
        let _: serde::de::IgnoredAny = self.ask("ending the call", "", request).await?;
        Ok(())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        doing: &str,
        to: &str,
        request: RequestBuilder,
    ) -> Result<T, Failure> {
        let unanswered = |e| Failure::Temporary {
            why: format!("{doing}: {}", http::explain(e)),
            after: None,
        };
        let answer = self.send(request).await.map_err(unanswered)?;
        if !answer.status().is_success() {
            return Err(self.refused(doing, to, answer).await.0);
        }
        answer.json().await.map_err(unanswered)
    }

    async fn send(&self, request: RequestBuilder) -> Result<reqwest::Response, reqwest::Error> {
        let answer = request
            .basic_auth(
                &self.phone.login.username,
                Some(self.phone.login.password.expose_secret()),
            )
            .timeout(self.patience)
            .send()
            .await?;
        *self
            .last_request
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(answer)
    }

    /// What the service says against it, with its code, without account and numbers.
    async fn refused(
        &self,
        doing: &str,
        to: &str,
        answer: reqwest::Response,
    ) -> (Failure, Option<u32>) {
        let status: StatusCode = answer.status();
        let headers = answer.headers().clone();
        let body = answer.text().await.unwrap_or_default();
        let refusal: Option<Refusal> = serde_json::from_str(&body).ok();
        let code = refusal.as_ref().and_then(|refusal| refusal.code);
        let said = refusal.and_then(|refusal| refusal.message).unwrap_or(body);
        let mut said = said.replace(&self.phone.account_sid, "AC…");
        for number in [to, &self.phone.from] {
            if !number.is_empty() {
                said = said.replace(number, &masked(number));
            }
        }
        let code_text = code
            .map(|code| format!(", code {code}"))
            .unwrap_or_default();
        let why = format!(
            "{doing}: the telephone service answered {}{code_text}: {}",
            status.as_u16(),
            shortened(&on_one_line(&said), 300)
        );
        (http::failure(status, &headers, why), code)
    }

    fn last_request(&self) -> Option<Instant> {
        *self
            .last_request
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn resource(&self, path: &[&str]) -> Url {
        let mut url = self.account.clone();
        url.path_segments_mut()
            .expect("checked when the telephone was made")
            .extend(path);
        url
    }
}

impl CallSid {
    fn json(&self) -> String {
        format!("{}.json", self.0)
    }
}

/// The words as TwiML: said twice, because who picks up is listening only by the second time.
pub fn twiml(words: &str) -> String {
    const HEAD: &str = "<Response><Say>";
    const AGAIN: &str = "</Say><Pause length=\"1\"/><Say>";
    const TAIL: &str = "</Say></Response>";
    let room = (LONGEST_TWIML - HEAD.len() - AGAIN.len() - TAIL.len()) / 2;
    let mut said = String::new();
    let mut length = 0;
    for c in on_one_line(words).chars() {
        let next = escaped(c.encode_utf8(&mut [0; 4]));
        length += next.chars().count();
        if length > room {
            break;
        }
        said.push_str(&next);
    }
    format!("{HEAD}{said}{AGAIN}{said}{TAIL}")
}

/// A number that may be logged: `+30…4567`.
pub fn masked(number: &str) -> String {
    let digits: Vec<char> = number.chars().collect();
    let (head, tail) = if digits.len() >= 10 {
        (3, 4)
    } else {
        (0, 2.min(digits.len()))
    };
    let first: String = digits[..head].iter().collect();
    let last: String = digits[digits.len() - tail..].iter().collect();
    format!("{first}…{last}")
}

/// Twilio writes RFC 2822 (`Tue, 31 Aug 2010 20:36:28 +0000`), some that speak its API RFC 3339.
fn moment(text: &str) -> Option<Timestamp> {
    let rfc2822 = jiff::fmt::rfc2822::parse(text).map(|zoned| zoned.timestamp());
    rfc2822.or_else(|_| text.parse()).ok()
}
