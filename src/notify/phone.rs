//! Phone calls by Twilio's REST API, version 2010-04-01 (SignalWire and others speak it too).
//!
//! 201 means queued, no more: a call is followed with [`Telephone::status`]. There is no
//! idempotency key, so a request whose answer did not come is looked up before it is repeated.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, Url};
use secrecy::ExposeSecret;

use super::http::{self, Answer};
use super::twilio::{Account, Asked, CLOCKS_DIFFER_MS, CallSid, CallStatus, Caller, PlaceFailure};
use super::words::escaped;
use super::{Failure, SetupError, on_one_line};
use crate::clock::WallTime;
use crate::config;

/// Twilio refuses longer TwiML.
const LONGEST_TWIML: usize = 4_000;
/// The service answers within this, or not at all.
const PATIENCE: Duration = Duration::from_secs(15);
/// A connection that was used so recently is still open.
const STILL_WARM: Duration = Duration::from_secs(30);

/// Places calls.
pub struct Telephone {
    client: Client,
    account: Url,
    phone: config::Phone,
    patience: Duration,
    last_request: Mutex<Option<Instant>>,
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
            let _ = Answer::of(answer).await;
        }
    }

    /// Whether the account is one that may call: asked, and nothing done.
    pub async fn account(&self) -> Result<Account, Failure> {
        let mut account = self.account.clone();
        account.set_path(&format!("{}.json", account.path()));
        let doing = "asking for the account";
        let answer = self.ask(doing, self.client.get(account)).await?;
        self.asked(doing, "").account(&answer)
    }

    /// Whether calls may come from our number: it is the account's own, or one that the service has
    /// verified.
    pub async fn caller(&self) -> Result<Caller, Failure> {
        let doing = format!("looking up {}", masked(&self.phone.from));
        let query = [("PhoneNumber", &self.phone.from)];
        for list in ["IncomingPhoneNumbers.json", "OutgoingCallerIds.json"] {
            let request = self.client.get(self.resource(&[list])).query(&query);
            let answer = self.ask(&doing, request).await?;
            if let Some(caller) = self.asked(&doing, "").caller(&answer)? {
                return Ok(caller);
            }
        }
        Ok(Caller::Unknown)
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
        let answer = Answer::of(answer).await;
        self.asked(&doing, to).placed(&answer)
    }

    /// The calls to this number since then, the latest first: after [`PlaceFailure::Uncertain`],
    /// `since` is when that request was made. Some may be another request's.
    pub async fn find(&self, to: &str, since: WallTime) -> Result<Vec<CallSid>, Failure> {
        let since = since.as_millis().saturating_sub(CLOCKS_DIFFER_MS);
        // The service filters by day; the moment is compared here.
        let day = WallTime(since).timestamp().strftime("%Y-%m-%d").to_string();
        let query = [("To", to), ("From", &self.phone.from), ("StartTime>", &day)];
        let request = self
            .client
            .get(self.resource(&["Calls.json"]))
            .query(&query);
        let doing = format!("looking up the call to {}", masked(to));
        let answer = self.ask(&doing, request).await?;
        self.asked(&doing, to).found(&answer, WallTime(since))
    }

    /// How far this call has come.
    pub async fn status(&self, call: &CallSid) -> Result<CallStatus, Failure> {
        let request = self.client.get(self.resource(&["Calls", &call.json()]));
        let doing = "asking for the call's progress";
        let answer = self.ask(doing, request).await?;
        self.asked(doing, "").followed(&answer)
    }

    /// Ends this call, whether it is queued, rings or is being listened to.
    pub async fn cancel(&self, call: &CallSid) -> Result<(), Failure> {
        let request = self
            .client
            .post(self.resource(&["Calls", &call.json()]))
            .form(&[("Status", "completed")]);
        let doing = "ending the call";
        let answer = self.ask(doing, request).await?;
        self.asked(doing, "").ended(&answer)
    }

    async fn ask(&self, doing: &str, request: RequestBuilder) -> Result<Answer, Failure> {
        let unanswered = |e| Failure::Temporary {
            why: format!("{doing}: {}", http::explain(e)),
            after: None,
        };
        let answer = self.send(request).await.map_err(unanswered)?;
        Ok(Answer::of(answer).await)
    }

    fn asked<'a>(&'a self, doing: &'a str, to: &'a str) -> Asked<'a> {
        Asked {
            doing,
            to,
            from: &self.phone.from,
            account_sid: &self.phone.account_sid,
        }
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
