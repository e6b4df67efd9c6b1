//! What goes to many is put into words once: two hundred streams, and whoever asks for the status
//! again and again, share the same bytes.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use serde_json::Value;

use super::{House, Snapshot};
use crate::config::Config;

/// A line of history as a stream sends it. Clones share the bytes.
#[derive(Debug, Clone)]
pub struct Line {
    pub(super) id: u64,
    pub(super) frame: Bytes,
}

impl Line {
    /// From an object of `GET events`.
    pub fn of(event: &Value) -> Self {
        let id = event["id"].as_u64().expect("an event has a number");
        // JSON on one line: it has no line breaks outside of strings, and `\n` within.
        Line {
            id,
            frame: format!("id: {id}\ndata: {event}\n\n").into(),
        }
    }
}

const BEFORE: &str = "event: status\ndata: ";
const BEHIND: &str = "\n\n";

/// The status as it was told last.
#[derive(Default)]
pub(super) struct Told(Mutex<Option<(Moment, Bytes)>>);

/// What the status is made of.
struct Moment {
    snapshot: Arc<Snapshot>,
    config: Arc<Config>,
    /// Buzzer and exhaust, which are read where they are switched.
    outputs: [bool; 2],
}

impl Moment {
    fn now(house: &House) -> Self {
        Moment {
            snapshot: Arc::clone(&house.status.borrow()),
            config: Arc::clone(&house.config.borrow()),
            outputs: [
                house.outputs.buzzer().active,
                house.outputs.exhaust().active,
            ],
        }
    }

    fn is(&self, other: &Moment) -> bool {
        Arc::ptr_eq(&self.snapshot, &other.snapshot)
            && Arc::ptr_eq(&self.config, &other.config)
            && self.outputs == other.outputs
    }
}

impl Told {
    /// The status as an event of the stream.
    pub(super) fn status_event(&self, house: &House) -> Bytes {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at before the body is made: a body that is newer than its moment is made again, an
        // older one would stay.
        let now = Moment::now(house);
        if let Some((moment, frame)) = &*told
            && moment.is(&now)
        {
            return frame.clone();
        }
        let body = serde_json::to_string(&house.status_body()).expect("it is plain data");
        let frame = Bytes::from(format!("{BEFORE}{body}{BEHIND}"));
        *told = Some((now, frame.clone()));
        frame
    }

    /// The status as JSON.
    pub(super) fn status(&self, house: &House) -> Bytes {
        let frame = self.status_event(house);
        frame.slice(BEFORE.len()..frame.len() - BEHIND.len())
    }
}
