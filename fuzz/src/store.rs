//! A store's files, damaged or written by another version.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use asfaleia::alarm::{BootTime, IncidentId, PhotoId, Record};
use asfaleia::clock::{Clock, Stamp, WallTime};
use asfaleia::outbox::Message;
use asfaleia::store::{
    Batch, EventRow, Found, History, MessageRow, NextIds, Opened, PhotoRow, Store, StoredEvent,
};
use rusqlite::Connection;

/// As version 1 of the schema wrote it.
const V1: &[u8] = include_bytes!("../../tests/fixtures/store/v1.db");

/// What a store's rows hold, and which of them are numbers.
const COLUMNS: &[(&str, bool)] = &[
    ("panel SET state", false),
    ("panel SET saved_boot_id", false),
    ("panel SET saved_boot_ns", true),
    ("panel SET saved_wall_ms", true),
    ("panel SET life_wall_ms", true),
    ("config SET text", false),
    ("taken SET event", true),
    ("taken SET message", true),
    ("taken SET photo", true),
    ("taken SET incident", true),
    ("proven SET at_wall_ms", true),
    ("events SET data", false),
    ("events SET kind", false),
    ("events SET at_wall_ms", true),
    ("events SET at_boot_ns", true),
    ("incidents SET data", false),
    ("incidents SET since_wall_ms", true),
    ("incidents SET saved_boot_ns", true),
    ("recordings SET data", false),
    ("photos SET bytes", true),
    ("photos SET at_wall_ms", true),
    ("messages SET body", false),
    ("messages SET channel", false),
];

/// A store's directory. First byte: what the rest is.
pub fn store(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else {
        return;
    };
    let dir = tempfile::tempdir().expect("there is room for a store");
    let dir = dir.path();
    let database = dir.join("asfaleia.db");
    match how % 6 {
        0 => write(&database, rest),
        1 => write(&database, &patched(V1.to_vec(), rest)),
        2 => {
            let (length, patches) = rest.split_at(rest.len().min(2));
            let length = length
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
            write(
                &database,
                &patched(V1[..length.min(V1.len())].to_vec(), patches),
            );
        }
        3 => {
            write(&database, V1);
            write(&dir.join("asfaleia.db-wal"), rest);
        }
        4 => write(&dir.join("in-use"), rest),
        _column => {
            write(&database, V1);
            change_a_column(&database, rest);
        }
    }
    let was_in_use = how & 0x80 != 0;
    if was_in_use {
        write(&dir.join("in-use"), b"1000000\n");
    }
    let opened = live(dir);
    assert!(
        !was_in_use || opened != Found::Fresh,
        "what was in use is not fresh"
    );
    // What a run commits, the next one finds.
    match live(dir) {
        Found::Restored(_) => {}
        other @ (Found::Fresh | Found::Unreadable { .. }) => {
            let newer = Connection::open(&database)
                .and_then(|it| it.query_row("PRAGMA user_version", [], |row| row.get(0)));
            assert!(newer.is_ok_and(|version: i64| version != 1), "{other:?}");
        }
    }
}

/// Three bytes a patch: where, where, what.
fn patched(mut bytes: Vec<u8>, patches: &[u8]) -> Vec<u8> {
    for patch in patches.chunks_exact(3) {
        let at = usize::from(patch[0]) << 8 | usize::from(patch[1]);
        if let Some(byte) = bytes.get_mut(at) {
            *byte = patch[2];
        }
    }
    bytes
}

fn change_a_column(database: &Path, data: &[u8]) {
    let Some((column, value)) = data.split_first() else {
        return;
    };
    let (column, is_number) = COLUMNS[usize::from(*column) % COLUMNS.len()];
    let sql = format!("UPDATE {column} = ?1");
    let connection = Connection::open(database).expect("it is a database");
    let changed = if is_number {
        let number = value
            .iter()
            .take(8)
            .fold(0, |number, byte| number << 8 | i64::from(*byte));
        connection.execute(&sql, [number])
    } else {
        connection.execute(&sql, [String::from_utf8_lossy(value)])
    };
    changed.expect("the row takes it");
}

/// A run of the program on this store: opens it, reads everything, commits, tidies up.
fn live(dir: &Path) -> Found {
    let clock = Arc::new(Stopped);
    let Opened {
        mut store,
        found,
        next,
        config: _,
        people: _,
        logins: _,
    } = Store::open(dir, clock.clone());
    if let Found::Restored(saved) = &found {
        for row in &saved.messages {
            let _ = Message::from_body(&row.body);
        }
    }
    let history = History::open(dir);
    let events = history.events(0, 100).unwrap_or_default();
    for event in &events {
        let _ = (event.to_json(), StoredEvent::what(event));
    }
    let _ = history.latest(10);
    let _ = history.duress(10);
    for incident in history.incidents(None, 10).unwrap_or_default() {
        let _ = incident.wall_of(BootTime::from_secs(5));
        let _ = history.incident(incident.incident.id);
    }
    let _ = history.incident(IncidentId(1));
    let at = Stamp::now(&*clock);
    // A damaged database is opened again at the next commit, and moved aside at the one after it.
    let committed = (0..3).any(|_| store.commit(&[batch(at.clone(), next)]).is_ok());
    let _ = store.retain(Duration::from_secs(86_400), 1 << 20);
    store.tidy();
    let _ = history.deep_check();
    assert_eq!(
        committed,
        store.failure().is_none(),
        "{:?}",
        store.failure()
    );
    found
}

fn batch(at: Stamp, next: NextIds) -> Batch {
    Batch {
        state: Some("{}".into()),
        events: vec![EventRow {
            id: next.event,
            incident: Some(next.incident),
            what: Record::Exhaust { on: true },
        }],
        messages: vec![MessageRow {
            id: next.message,
            incident: Some(next.incident),
            channel: "email".into(),
            to: "Anna".into(),
            waiting: true,
            body: "{}".into(),
        }],
        photos: vec![PhotoRow {
            id: PhotoId(next.photo.0),
            incident: None,
            bytes: 3,
            taken: at.clone(),
        }],
        sign_of_life: true,
        ..Batch::new(at)
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("there is room for a store");
}

/// A clock that stands still.
struct Stopped;

impl Clock for Stopped {
    fn boot(&self) -> BootTime {
        BootTime::from_secs(1_000)
    }

    fn wall(&self) -> WallTime {
        WallTime(1_795_427_471_000)
    }

    fn boot_id(&self) -> &str {
        "this"
    }
}
