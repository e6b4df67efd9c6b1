//! Reading what happened, beside the running writer. Everything here blocks.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use serde::Serialize;
use serde_json::{Value, json};

use super::error::{StoreError, StoreFailure};
use super::photos::photo_path;
use super::rows::EventRow;
use super::schema::{self, DATABASE};
use super::writing::key;
use crate::alarm::{Actor, BootTime, Incident, IncidentId, PhotoId, Record};
use crate::clock::{Stamp, WallTime};

/// Answers questions about the past. Each opens its own connection: that takes less than a
/// millisecond, holds no memory at rest, and finds a database that was started anew.
#[derive(Debug, Clone)]
pub struct History {
    dir: PathBuf,
}

/// A line of history. Serialises to the API's
/// `{"id", "at", "clock_set", "boot_id", "kind", "incident", "data"}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredEvent {
    /// Its number.
    pub id: u64,
    /// When.
    #[serde(serialize_with = "as_rfc3339")]
    pub at: WallTime,
    /// `at` can be believed: the clock was set by then, or has been since, in the same boot.
    pub clock_set: bool,
    /// In which boot.
    pub boot_id: String,
    /// The word for what happened.
    pub kind: String,
    /// The incident it belongs to.
    pub incident: Option<u64>,
    /// Particulars.
    pub data: Value,
}

impl StoredEvent {
    /// The event as it will be read back, before it is stored: for the live stream.
    pub fn of(row: &EventRow, at: &Stamp) -> Self {
        let (kind, data) = kind_and_data(&row.what);
        StoredEvent {
            id: row.id.0,
            at: at.wall,
            clock_set: at.wall.is_set(),
            boot_id: at.boot_id.clone(),
            kind,
            incident: row.incident.map(|id| id.0),
            data,
        }
    }

    /// As the API shows it.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("events serialise")
    }

    /// What happened, in the alarm's words; `None` for a line of an older version whose words are
    /// no longer known.
    pub fn what(&self) -> Option<Record> {
        serde_json::from_value(json!({ "kind": self.kind, "data": self.data })).ok()
    }
}

/// An incident and the wall times of its milestones.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredIncident {
    /// The incident as last saved. Its boot times belong to `saved`.
    pub incident: Incident,
    /// The first trigger.
    pub since: WallTime,
    /// When it was acknowledged.
    pub acknowledged: Option<WallTime>,
    /// When it ended.
    pub ended: Option<WallTime>,
    /// The wall times can be believed.
    pub clock_set: bool,
    /// When it was last saved.
    pub saved: Stamp,
}

impl StoredIncident {
    /// The wall time of one of the incident's boot times (a cause's first or last trigger).
    pub fn wall_of(&self, at: BootTime) -> WallTime {
        self.saved.wall_of(at)
    }
}

/// A photo in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPhoto {
    /// Its number.
    pub id: PhotoId,
    /// When it was taken.
    pub taken: WallTime,
    /// The file's length.
    pub bytes: u64,
}

/// A message in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its number.
    pub id: u64,
    /// `email`, `phone`, `webhook`.
    pub channel: String,
    /// A contact's or webhook's name.
    pub to: String,
    /// Not yet delivered, refused or given up.
    pub waiting: bool,
}

/// Somebody was forced to show a finger or PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDuress {
    /// When.
    pub at: WallTime,
    /// `at` can be believed.
    pub clock_set: bool,
    /// Whose it was, which, and where.
    pub by: Actor,
}

/// Everything known of one incident.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentDetail {
    /// The incident.
    pub incident: StoredIncident,
    /// Its lines of history, oldest first.
    pub events: Vec<StoredEvent>,
    /// Its photos, oldest first.
    pub photos: Vec<StoredPhoto>,
    /// Its messages, oldest first.
    pub messages: Vec<StoredMessage>,
    /// JSON of what the sensors did.
    pub recording: Option<String>,
}

impl History {
    /// The history of the store in this directory. Whether there is one shows when it is asked.
    pub fn open(dir: &Path) -> Self {
        History {
            dir: dir.to_owned(),
        }
    }

    /// Lines of history with a number above `after`, oldest first.
    pub fn events(&self, after: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        self.ask(|connection| {
            let sql = "SELECT * FROM events WHERE id > ?1 ORDER BY id LIMIT ?2";
            collect(connection, sql, params![asked(after), many(limit)], event)
        })
    }

    /// The newest lines of history, oldest first.
    pub fn latest(&self, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        self.ask(|connection| {
            let sql = "SELECT * FROM (SELECT * FROM events ORDER BY id DESC LIMIT ?1) ORDER BY id";
            collect(connection, sql, params![many(limit)], event)
        })
    }

    /// Incidents with a number below `before` (`None`: all), newest first.
    pub fn incidents(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StoredIncident>, StoreError> {
        let before = before.map_or(i64::MAX, asked);
        self.ask(|connection| {
            let sql = "SELECT * FROM incidents WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
            collect(connection, sql, params![before, many(limit)], incident)
        })
    }

    /// One incident with all that belongs to it.
    pub fn incident(&self, id: IncidentId) -> Result<Option<IncidentDetail>, StoreError> {
        let id = key(id.0);
        self.ask(|connection| {
            // One transaction: no commit falls between these questions.
            let moment = connection.unchecked_transaction()?;
            let sql = "SELECT * FROM incidents WHERE id = ?1";
            let Some(incident) = moment.query_row(sql, [id], incident).optional()? else {
                return Ok(None);
            };
            let events = "SELECT * FROM events WHERE incident = ?1 ORDER BY id";
            let photos = "SELECT * FROM photos WHERE incident = ?1 ORDER BY id";
            let messages = "SELECT * FROM messages WHERE incident = ?1 ORDER BY id";
            let recording = "SELECT data FROM recordings WHERE incident = ?1";
            Ok(Some(IncidentDetail {
                incident,
                events: collect(&moment, events, [id], event)?,
                photos: collect(&moment, photos, [id], photo)?,
                messages: collect(&moment, messages, [id], message)?,
                recording: moment
                    .query_row(recording, [id], |row| row.get(0))
                    .optional()?,
            }))
        })
    }

    /// When somebody was forced to show a finger or PIN, newest first: for whoever may see it.
    pub fn duress(&self, limit: usize) -> Result<Vec<StoredDuress>, StoreError> {
        self.ask(|connection| {
            let sql = "SELECT * FROM duress ORDER BY at_wall_ms DESC LIMIT ?1";
            collect(connection, sql, params![many(limit)], duress)
        })
    }

    /// Where this photo's file is, or would be.
    pub fn photo_path(&self, id: PhotoId) -> PathBuf {
        photo_path(&self.dir, id)
    }

    /// Looks through the whole database for damage, without holding up the writer. Reads every
    /// page: for after the start, not for before it.
    pub fn deep_check(&self) -> Result<(), StoreError> {
        let verdict: String = self.ask(|connection| {
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        })?;
        if verdict == "ok" {
            return Ok(());
        }
        Err(StoreError::new(
            StoreFailure::Corrupt,
            "checking",
            &self.dir.join(DATABASE),
            verdict,
        ))
    }

    fn ask<T>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let path = self.dir.join(DATABASE);
        let connection = schema::open_to_read(&path)?;
        question(&connection)
            .map_err(|error| StoreError::sql("reading the history from", &path, &error))
    }
}

/// A number that somebody asks for: one that none of ours can reach is greater than all of them.
fn asked(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

/// A record as two columns, or as the API's `kind` and `data`.
pub(super) fn kind_and_data(what: &Record) -> (String, Value) {
    let mut record = serde_json::to_value(what).expect("records serialise");
    let kind = record["kind"]
        .as_str()
        .expect("records are tagged")
        .to_owned();
    (kind, record["data"].take())
}

fn collect<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    row: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare(sql)?.query_map(params, row)?.collect()
}

fn event(row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    Ok(StoredEvent {
        id: number(row, "id")?,
        at: WallTime(row.get("at_wall_ms")?),
        clock_set: row.get("clock_set")?,
        boot_id: row.get("boot_id")?,
        kind: row.get("kind")?,
        incident: row
            .get::<_, Option<i64>>("incident")?
            .map(i64::cast_unsigned),
        data: json_column(row, "data")?,
    })
}

pub(super) fn incident(row: &Row<'_>) -> rusqlite::Result<StoredIncident> {
    let wall = |column: &str| -> rusqlite::Result<Option<WallTime>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(WallTime))
    };
    Ok(StoredIncident {
        incident: json_column(row, "data")?,
        since: WallTime(row.get("since_wall_ms")?),
        acknowledged: wall("acknowledged_wall_ms")?,
        ended: wall("ended_wall_ms")?,
        clock_set: row.get("clock_set")?,
        saved: Stamp {
            boot: BootTime::from_nanos(number(row, "saved_boot_ns")?),
            wall: WallTime(row.get("saved_wall_ms")?),
            boot_id: row.get("boot_id")?,
        },
    })
}

fn photo(row: &Row<'_>) -> rusqlite::Result<StoredPhoto> {
    Ok(StoredPhoto {
        id: PhotoId(number(row, "id")?),
        taken: WallTime(row.get("at_wall_ms")?),
        bytes: number(row, "bytes")?,
    })
}

fn message(row: &Row<'_>) -> rusqlite::Result<StoredMessage> {
    Ok(StoredMessage {
        id: number(row, "id")?,
        channel: row.get("channel")?,
        to: row.get("recipient")?,
        waiting: row.get("waiting")?,
    })
}

fn duress(row: &Row<'_>) -> rusqlite::Result<StoredDuress> {
    Ok(StoredDuress {
        at: WallTime(row.get("at_wall_ms")?),
        clock_set: row.get("clock_set")?,
        by: json_column(row, "data")?,
    })
}

fn number(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

fn json_column<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn many(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn as_rfc3339<S: serde::Serializer>(at: &WallTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.rfc3339())
}
