//! OUT, to people: email, phone, webhook. One message to one recipient -> delivered, or why not.
//!
//! Nothing here retries or remembers: the outbox does, and calls. [`words`] turns the facts of a
//! [`Notice`] into text, the other modules carry it.

mod email;
mod heartbeat;
pub mod http;
mod mime;
mod phone;
pub mod smtp;
mod tls;
pub mod twilio;
mod webhook;
pub mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::alarm::{Notice, PhotoId};
use crate::clock::WallTime;

pub use email::{Mailer, Patience};
pub use heartbeat::Heartbeat;
pub use phone::{Telephone, masked, twiml};
pub use twilio::{Account, CallSid, CallStatus, Caller, PlaceFailure, Progress};
pub use webhook::Webhook;

/// One message to one recipient: all that words need.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The facts.
    pub notice: Notice,
    /// The site's name.
    pub site: String,
    /// When it happened, for people.
    pub happened: WallTime,
    /// When it is being delivered.
    pub now: WallTime,
    /// The clock was set when it happened; otherwise the text says that the time is not known.
    pub clock_set: bool,
    /// Photos to attach; the first is shown.
    pub photos: Vec<Photo>,
    /// Why there is no photo where one was waited for.
    pub photo_missing: Option<String>,
    /// Bare, without `<>`: the same at every try, so that a duplicate can be told.
    pub message_id: String,
    /// Bare: the first mail of the thread.
    pub in_reply_to: Option<String>,
    /// By phone: when the first call of the ladder was placed. What follows comes at the ladder's
    /// own pace, and is not late.
    pub first_call: Option<WallTime>,
}

/// A photo to attach.
#[derive(Debug, Clone)]
pub struct Photo {
    /// Its number.
    pub id: PhotoId,
    /// When it was taken.
    pub taken: WallTime,
    /// The picture.
    pub jpeg: Arc<[u8]>,
}

/// A message has reached the next server, which now answers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// What the server said.
    pub reply: String,
}

/// A message was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Worth another try.
    #[error("{why}")]
    Temporary {
        /// What was being done, and what went wrong.
        why: String,
        /// Not sooner than this, where the other side or the cause says so.
        after: Option<Duration>,
    },
    /// Another try would fare the same.
    #[error("{why}")]
    Permanent {
        /// What was being done, and what went wrong.
        why: String,
    },
}

/// A channel cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A certificate file cannot be read.
    #[error(
        "reading the certificates in {path}: {why} (ca-file wants one or more PEM certificates)"
    )]
    Certificates {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A value that the configuration let through is of no use.
    #[error("{key} = {value:?}: {why}")]
    Value {
        /// Which key.
        key: &'static str,
        /// What it says.
        value: String,
        /// What is wrong.
        why: String,
    },
    /// The HTTP client does not start.
    #[error("setting up HTTP: {why}")]
    Http {
        /// What is wrong.
        why: String,
    },
}

/// Text of others (names, servers' replies) on one line: control characters could break out of a
/// header, a log line or a spoken text.
pub(crate) fn on_one_line(text: &str) -> String {
    let breaks =
        |c: char| c.is_control() || c.is_whitespace() || matches!(c, '\u{2028}' | '\u{2029}');
    text.split(breaks)
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// At most `limit` characters of it.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
