//! What the telephone service answers, read: Twilio's JSON and status codes. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::http::Answer;
use super::{Failure, masked, on_one_line, shortened};
use crate::clock::WallTime;

/// Our clock and theirs differ by less.
pub(super) const CLOCKS_DIFFER_MS: i64 = 5_000;

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

/// An account, as the service describes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// `active`, `suspended` or `closed`.
    #[serde(default)]
    pub status: String,
    /// `Full` or `Trial`: a trial account calls verified numbers alone.
    #[serde(default, rename = "type")]
    pub kind: String,
}

/// Whether a number may be the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The account has it, and may call from it.
    Own,
    /// Somebody else's that the service has verified.
    Verified,
    /// The account has it, for messages alone.
    WithoutVoice,
    /// The account does not have it.
    Unknown,
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

/// One request, in the words in which its failure is told: without account and numbers, which the
/// service repeats in its answers.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What was being done, such as `calling +30…4567`.
    pub doing: &'a str,
    /// The number that was asked for; empty if none was.
    pub to: &'a str,
    /// Our number.
    pub from: &'a str,
    /// Our account.
    pub account_sid: &'a str,
}

impl Asked<'_> {
    /// The call that was placed.
    ///
    /// # Errors
    ///
    /// Uncertain, if the service took the request and its words cannot be understood.
    pub fn placed(&self, answer: &Answer) -> Result<CallSid, PlaceFailure> {
        if !answer.is_success() {
            let (failure, code) = self.refused(answer);
            return Err(match failure {
                Failure::Temporary { why, after } => PlaceFailure::Temporary { why, after },
                Failure::Permanent { why } => PlaceFailure::Permanent { why, code },
            });
        }
        match serde_json::from_slice::<Call>(&answer.body) {
            Ok(call) => Ok(CallSid(call.sid)),
            Err(error) => Err(PlaceFailure::Uncertain {
                why: self.misunderstood(&error),
            }),
        }
    }

    /// The calls to the number since `since` (milliseconds since 1970), the latest first.
    pub fn found(&self, answer: &Answer, since: WallTime) -> Result<Vec<CallSid>, Failure> {
        let listed: Calls = self.said(answer)?;
        let recent = |call: &Call| {
            let when = call.date_created.as_ref().or(call.start_time.as_ref());
            when.and_then(|when| moment(when))
                .is_none_or(|when| when.as_millisecond() >= since.as_millis())
        };
        let this = |call: &Call| call.to.as_deref().is_none_or(|number| number == self.to);
        let calls = listed.calls.into_iter();
        let calls = calls.filter(|call| this(call) && recent(call));
        Ok(calls.map(|call| CallSid(call.sid)).collect())
    }

    /// How far the call has come.
    pub fn followed(&self, answer: &Answer) -> Result<CallStatus, Failure> {
        let followed: Followed = self.said(answer)?;
        let answered_by = followed.answered_by.as_deref().unwrap_or_default();
        Ok(CallStatus {
            progress: followed.status,
            by_machine: answered_by.starts_with("machine") || answered_by == "fax",
        })
    }

    /// The call was ended.
    pub fn ended(&self, answer: &Answer) -> Result<(), Failure> {
        let _: serde::de::IgnoredAny = self.said(answer)?;
        Ok(())
    }

    /// What the account is.
    pub fn account(&self, answer: &Answer) -> Result<Account, Failure> {
        self.said(answer)
    }

    /// Whether the list that was asked for has our number; `None`: it has not.
    pub fn caller(&self, answer: &Answer) -> Result<Option<Caller>, Failure> {
        let listed: Numbers = self.said(answer)?;
        let ours = |number: &&Number| number.phone_number == self.from;
        let own = listed.incoming_phone_numbers.iter().find(ours);
        let verified = listed.outgoing_caller_ids.iter().find(ours);
        Ok(match (own, verified) {
            (Some(number), _) if number.capabilities.as_ref().is_some_and(|it| !it.voice) => {
                Some(Caller::WithoutVoice)
            }
            (Some(_), _) => Some(Caller::Own),
            (None, Some(_)) => Some(Caller::Verified),
            (None, None) => None,
        })
    }

    fn said<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, Failure> {
        if !answer.is_success() {
            return Err(self.refused(answer).0);
        }
        serde_json::from_slice(&answer.body).map_err(|error| Failure::Temporary {
            why: self.misunderstood(&error),
            after: None,
        })
    }

    fn misunderstood(&self, error: &serde_json::Error) -> String {
        // What serde_json quotes of the answer may be anything.
        let error = shortened(&on_one_line(&self.without_names(&error.to_string())), 300);
        format!("{}: reading the answer: {error}", self.doing)
    }

    /// What the service says against it, with its code.
    fn refused(&self, answer: &Answer) -> (Failure, Option<u32>) {
        let refusal: Option<Refusal> = serde_json::from_slice(&answer.body).ok();
        let code = refusal.as_ref().and_then(|refusal| refusal.code);
        let said = (refusal.and_then(|refusal| refusal.message))
            .unwrap_or_else(|| String::from_utf8_lossy(&answer.body).into_owned());
        let code_text = code
            .map(|code| format!(", code {code}"))
            .unwrap_or_default();
        let why = format!(
            "{}: the telephone service answered {}{code_text}: {}",
            self.doing,
            answer.status,
            shortened(&on_one_line(&self.without_names(&said)), 300)
        );
        (answer.failure(why), code)
    }

    fn without_names(&self, said: &str) -> String {
        let mut said = said.replace(self.account_sid, "AC…");
        for number in [self.to, self.from] {
            if !number.is_empty() {
                said = said.replace(number, &masked(number));
            }
        }
        said
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
struct Numbers {
    #[serde(default)]
    incoming_phone_numbers: Vec<Number>,
    #[serde(default)]
    outgoing_caller_ids: Vec<Number>,
}

#[derive(Deserialize)]
struct Number {
    phone_number: String,
    capabilities: Option<Capabilities>,
}

#[derive(Deserialize)]
struct Capabilities {
    #[serde(default)]
    voice: bool,
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

/// Twilio writes RFC 2822 (`Tue, 31 Aug 2010 20:36:28 +0000`), some that speak its API RFC 3339.
fn moment(text: &str) -> Option<Timestamp> {
    let rfc2822 = jiff::fmt::rfc2822::parse(text).map(|zoned| zoned.timestamp());
    rfc2822.or_else(|_| text.parse()).ok()
}
