//! The card: what is on it, and what a kill or a power cut in mid-write leaves.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use fastrand::Rng;
use rusqlite::{Connection, OpenFlags};

const DATABASE: &str = "asfaleia.db";
const LOG: &str = "asfaleia.db-wal";
const MARK: &str = "in-use";
/// What a card writes whole or not at all.
const SECTOR: usize = 512;

/// Everything in the store that must not be lost.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Image {
    pub(crate) state: Option<String>,
    pub(crate) incidents: BTreeMap<u64, String>,
    /// Whether it waits, and its body.
    pub(crate) messages: BTreeMap<u64, (bool, String)>,
}

impl Image {
    /// Read past the program's own code.
    pub(crate) fn read(directory: &Path) -> rusqlite::Result<Image> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(directory.join(DATABASE), flags)?;
        let mut image = Image::default();
        let mut states = database.prepare("SELECT state FROM panel")?;
        for state in states.query_map([], |row| row.get(0))? {
            image.state = state?;
        }
        let mut incidents = database.prepare("SELECT id, data FROM incidents")?;
        for row in incidents.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))? {
            let (id, data) = row?;
            image.incidents.insert(id.cast_unsigned(), data);
        }
        let mut messages = database.prepare("SELECT id, waiting, body FROM messages")?;
        let rows = messages.query_map([], |row| {
            Ok((row.get::<_, i64>(0)?, (row.get(1)?, row.get(2)?)))
        })?;
        for row in rows {
            let (id, message) = row?;
            image.messages.insert(id.cast_unsigned(), message);
        }
        Ok(image)
    }

    /// In what the two differ, for people.
    pub(crate) fn difference(&self, other: &Image) -> String {
        let mut found = Vec::new();
        if self.state != other.state {
            found.push(format!("state {:?} / {:?}", self.state, other.state));
        }
        let (mine, theirs) = (&self.incidents, &other.incidents);
        for id in mine.keys().chain(theirs.keys()) {
            if mine.get(id) != theirs.get(id) {
                found.push(format!("incident {id}"));
            }
        }
        let (mine, theirs) = (&self.messages, &other.messages);
        for id in mine.keys().chain(theirs.keys()) {
            if mine.get(id) != theirs.get(id) {
                let waits = |it: Option<&(bool, String)>| it.map(|(waits, _)| *waits);
                found.push(format!(
                    "message {id} (waits: {:?} / {:?})",
                    waits(mine.get(id)),
                    waits(theirs.get(id))
                ));
            }
        }
        found.join("; ")
    }
}

/// The bytes of the store's files.
pub(crate) struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
    mark: Option<Vec<u8>>,
}

impl Files {
    pub(crate) fn read(directory: &Path) -> Files {
        let bytes = |name| match fs::read(directory.join(name)) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => panic!("reading {name}: {error}"),
        };
        Files {
            database: bytes(DATABASE).unwrap_or_default(),
            log: bytes(LOG).unwrap_or_default(),
            mark: bytes(MARK),
        }
    }

    pub(crate) fn write(&self, directory: &Path) {
        let put = |name, bytes: &[u8]| {
            fs::write(directory.join(name), bytes).expect("the directory is ours");
        };
        fs::create_dir_all(directory).expect("the directory is ours");
        if !self.database.is_empty() {
            put(DATABASE, &self.database);
            put(LOG, &self.log);
        }
        if let Some(mark) = &self.mark {
            put(MARK, mark);
        }
    }

    /// What a power cut leaves on the way from here to `after`. SQLite syncs its log before it
    /// writes it back into the database: one of the two was being written.
    pub(crate) fn torn(self, after: Files, rng: &mut Rng) -> Files {
        if self.database == after.database {
            Files {
                log: torn(&self.log, &after.log, rng),
                ..self
            }
        } else {
            Files {
                database: torn(&self.database, &after.database, rng),
                log: after.log,
                mark: after.mark,
            }
        }
    }
}

/// Some of the sectors that differ are written: the first ones, or any.
fn torn(before: &[u8], after: &[u8], rng: &mut Rng) -> Vec<u8> {
    let sector = |bytes: &[u8], n: usize| {
        let end = bytes.len().min((n + 1) * SECTOR);
        bytes.get(n * SECTOR..end).unwrap_or_default().to_vec()
    };
    let sectors = before.len().max(after.len()).div_ceil(SECTOR);
    let changed: Vec<usize> = (0..sectors)
        .filter(|n| sector(before, *n) != sector(after, *n))
        .collect();
    let in_order = rng.bool();
    let cut = rng.usize(..=changed.len());
    let mut bytes = before.to_vec();
    for (nth, n) in changed.into_iter().enumerate() {
        let written = if in_order { nth < cut } else { rng.bool() };
        if !written {
            continue;
        }
        let new = sector(after, n);
        let end = n * SECTOR + new.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[n * SECTOR..end].copy_from_slice(&new);
    }
    // A page that was being written when the power went.
    if in_order && rng.bool() && before.len() < bytes.len() {
        let shorter = rng.usize(before.len()..=bytes.len());
        bytes.truncate(shorter);
    }
    bytes
}
