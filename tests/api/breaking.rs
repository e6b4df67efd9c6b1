//! What breaks in the house of fakes, and what its history is about.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use asfaleia::access::face::TakeFrame;
use asfaleia::camera::Frame;
use asfaleia::clock::Stamp;
use asfaleia::web::{History, Reload};
use serde_json::{Value, json};

use super::house::{FakeHistory, TestClock, event};

/// The history, until it breaks.
pub(crate) struct BreakingHistory {
    pub(crate) history: Arc<FakeHistory>,
    pub(crate) broken: Arc<AtomicBool>,
}

impl BreakingHistory {
    fn read(&self) -> io::Result<&FakeHistory> {
        match self.broken.load(Relaxed) {
            true => Err(io::Error::other("the disk is gone")),
            false => Ok(&self.history),
        }
    }
}

impl History for BreakingHistory {
    fn events(&self, after: u64, limit: usize) -> io::Result<Vec<Value>> {
        self.read()?.events(after, limit)
    }

    fn latest(&self, limit: usize) -> io::Result<Vec<Value>> {
        self.read()?.latest(limit)
    }

    fn incidents(&self, before: Option<u64>, limit: usize) -> io::Result<Vec<Value>> {
        self.read()?.incidents(before, limit)
    }

    fn incident(&self, id: u64) -> io::Result<Option<Value>> {
        self.read()?.incident(id)
    }

    fn duress(&self, limit: usize) -> io::Result<Vec<Value>> {
        self.read()?.duress(limit)
    }

    fn photo(&self, id: u64) -> io::Result<Option<Vec<u8>>> {
        self.read()?.photo(id)
    }
}

/// Reads the configuration again, and comes to this.
pub(crate) fn reloading(
    outcome: &Arc<Mutex<Result<String, String>>>,
    broken: &Arc<AtomicBool>,
) -> Reload {
    let (outcome, broken) = (Arc::clone(outcome), Arc::clone(broken));
    Arc::new(move || {
        let outcome = outcome.lock().unwrap().clone();
        let broken = broken.load(Relaxed);
        Box::pin(async move {
            assert!(!broken, "a house that is broken: this panic is a test's");
            outcome
        })
    })
}

/// Gives a picture.
pub(crate) fn camera(broken: &Arc<AtomicBool>) -> TakeFrame {
    let broken = Arc::clone(broken);
    Arc::new(move || {
        let broken = broken.load(Relaxed);
        Box::pin(async move {
            let jpeg = Arc::from(b"\xff\xd8 a frame".as_slice());
            let taken = Stamp::now(&TestClock::default());
            match broken {
                true => Err("the camera is gone".to_owned()),
                false => Ok(Frame { jpeg, taken }),
            }
        })
    })
}

/// An incident as `GET incidents` has it.
pub(crate) fn incident(id: u64) -> Value {
    let at = "2026-11-23T09:51:11.123Z";
    json!({
        "id": id, "kind": "intrusion", "mode": "armed_away", "since": at, "clock_set": true,
        "sensors": [{"name": "hall", "kind": "motion", "first": at, "last": at, "count": 1}],
        "triggers": 1, "confirmed": false, "acknowledged_by": null, "acknowledged_at": null,
        "ended": null, "ended_at": null, "photos": [8],
    })
}

/// The incident with all that belongs to it.
pub(crate) fn detail(id: u64) -> Value {
    let mut detail = incident(id);
    detail["photos"] = json!([{"id": 8, "taken": "2026-11-23T09:51:11.123Z", "bytes": 10}]);
    detail["messages"] = json!([]);
    detail["events"] = json!([event(1)]);
    detail["recording"] = Value::Null;
    detail
}
