//! The store over real files: what survives, what is refused, what goes.

#![allow(
    clippy::unwrap_used,
    reason = "tests may, and clippy sees none in the helpers here"
)]

mod actor;
mod damage;
mod fixture;
mod restore;
mod retention;
mod rights;

use std::path::Path;
use std::sync::{Arc, Mutex};

use asfaleia::alarm::{
    Actor, BootTime, Ending, Incident, IncidentId, IncidentKind, Mode, Origin, PhotoId, Record,
    SensorKind,
};
use asfaleia::clock::{Clock, Stamp, WallTime};
use asfaleia::store::{
    Batch, EventId, EventRow, Found, MessageRow, Opened, PhotoRow, Saved, Store, write_photo,
};

/// 2026-11-23T09:51:11Z
const MORNING: i64 = 1_795_427_471_000;
const DAY_MS: i64 = 86_400_000;

/// A clock that the test turns.
struct TestClock {
    now: Mutex<(BootTime, WallTime)>,
    boot_id: String,
}

impl TestClock {
    fn new(boot_id: &str, boot_secs: u64, wall: i64) -> Arc<TestClock> {
        Arc::new(TestClock {
            now: Mutex::new((BootTime::from_secs(boot_secs), WallTime(wall))),
            boot_id: boot_id.to_owned(),
        })
    }

    fn advance_ms(&self, millis: i64) {
        let mut now = self.now.lock().unwrap();
        now.0 = BootTime::from_nanos(now.0.as_nanos() + millis.unsigned_abs() * 1_000_000);
        now.1 = WallTime(now.1.0 + millis);
    }

    fn set_wall(&self, wall: i64) {
        self.now.lock().unwrap().1 = WallTime(wall);
    }

    fn stamp(&self) -> Stamp {
        Stamp::now(self)
    }
}

impl Clock for TestClock {
    fn boot(&self) -> BootTime {
        self.now.lock().unwrap().0
    }
    fn wall(&self) -> WallTime {
        self.now.lock().unwrap().1
    }
    fn boot_id(&self) -> &str {
        &self.boot_id
    }
}

fn open(dir: &Path, clock: &Arc<TestClock>) -> Opened {
    Store::open(dir, clock.clone())
}

fn restored(opened: &Opened) -> &Saved {
    match &opened.found {
        Found::Restored(saved) => saved,
        other @ (Found::Fresh | Found::Unreadable { .. }) => panic!("not restored: {other:?}"),
    }
}

fn anna() -> Actor {
    Actor {
        name: Some("Anna".to_owned()),
        ..Actor::owner(Origin::Dashboard)
    }
}

fn state(text: &str) -> Option<String> {
    Some(format!("{{\"state\":\"{text}\"}}"))
}

fn event(id: u64, incident: Option<u64>) -> EventRow {
    EventRow {
        id: EventId(id),
        incident: incident.map(IncidentId),
        what: Record::Exhaust { on: true },
    }
}

fn incident(id: u64, since: BootTime) -> Incident {
    Incident::begin(
        IncidentId(id),
        IncidentKind::Intrusion,
        Some(Mode::Away),
        "hall".into(),
        SensorKind::Motion,
        since,
    )
}

fn disarmed(id: u64, since: BootTime) -> Incident {
    Incident {
        ended: Some((Ending::Disarmed(anna()), since)),
        ..incident(id, since)
    }
}

fn message(id: u64, waiting: bool) -> MessageRow {
    MessageRow {
        id,
        incident: Some(IncidentId(1)),
        channel: "email".to_owned(),
        to: "Anna".to_owned(),
        waiting,
        body: format!("{{\"tries\":{id}}}"),
    }
}

/// Writes the photo's file, and returns its row.
fn photo(dir: &Path, id: u64, incident: Option<u64>, bytes: usize, taken: Stamp) -> PhotoRow {
    write_photo(dir, PhotoId(id), &vec![0xd8; bytes]).unwrap();
    PhotoRow {
        id: PhotoId(id),
        incident: incident.map(IncidentId),
        bytes: bytes as u64,
        taken,
    }
}

/// A batch of the panel's state alone.
fn state_batch(clock: &TestClock, text: &str) -> Batch {
    Batch {
        state: state(text),
        ..Batch::new(clock.stamp())
    }
}
