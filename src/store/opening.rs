//! Opening the store: what was there, what to do with what cannot be read, and the mark beside it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row};
use serde::de::IgnoredAny;

use super::error::{StoreError, StoreFailure};
use super::logins::{self, Logins};
use super::people::{self, Credential};
use super::photos::{make_private_dir, write_whole};
use super::rows::{EventId, MessageRow, NextIds, Saved};
use super::schema::{self, DATABASE};
use super::{FIRST_PAUSE, Link, Store};
use crate::alarm::{BootTime, IncidentId, PhotoId};
use crate::clock::{SharedClock, Stamp, WallTime};

/// An opened store and what it held.
pub struct Opened {
    /// The store; [`Store::failure`] says whether it takes anything.
    pub store: Store,
    /// What it held.
    pub found: Found,
    /// The last configuration that passed: kept from the first start, before there is a state.
    pub config: Option<String>,
    /// The people who are known.
    pub people: Vec<Credential>,
    /// Who may log in.
    pub logins: Logins,
    /// Where numbers go on.
    pub next: NextIds,
}

/// What a store held when it was opened.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Nothing: it never was in use.
    Fresh,
    /// What an earlier run left.
    Restored(Box<Saved>),
    /// It was in use and cannot be read.
    Unreadable {
        /// Why not.
        why: String,
        /// Where the damaged database is now, if there was one to move.
        moved_to: Option<PathBuf>,
    },
}

impl Store {
    /// Opens the store in this directory; creates it if there is none. Never fails outright: a
    /// damaged database is moved aside, and a store that cannot be written still tells what it
    /// holds if that can be read.
    pub fn open(dir: &Path, clock: SharedClock) -> Opened {
        let in_use = InUse::read(dir);
        let now = clock.boot();
        let (link, loaded, fault) = match open_or_start_anew(dir) {
            Ok((connection, loaded, moved)) => (Link::Open(connection), Some(loaded), moved),
            Err(why) => {
                let loaded = schema::open_frozen(&dir.join(DATABASE))
                    .and_then(|connection| load(&connection, dir))
                    .ok();
                let fault = Some((why.to_string(), None));
                let link = Link::Broken {
                    why,
                    retry_at: now + FIRST_PAUSE,
                    pause: FIRST_PAUSE,
                };
                (link, loaded, fault)
            }
        };
        let mut loaded = loaded.unwrap_or_else(Loaded::nothing);
        // A card that lost what it had taken: the state, or all of the log, is older than the mark.
        if let Some(saved) = &mut loaded.saved {
            saved.outdated = in_use.armed_after(loaded.state_event);
        }
        let found = match (loaded.saved, &in_use, fault) {
            (Some(saved), _, _) => Found::Restored(Box::new(saved)),
            (None, InUse::Never, _) => Found::Fresh,
            (None, InUse::Below { .. } | InUse::Unknown, fault) => {
                let (why, moved_to) = fault.unwrap_or_else(|| {
                    let why = "it was in use, and now holds no state".to_owned();
                    (why, None)
                });
                Found::Unreadable { why, moved_to }
            }
        };
        let next = match &found {
            // What it lost had numbers as well.
            Found::Restored(saved) if saved.outdated => NextIds::all(in_use.first_free()),
            Found::Restored(_) | Found::Fresh => loaded.next,
            Found::Unreadable { .. } => NextIds::all(in_use.first_free()),
        };
        let last_state = match &found {
            Found::Restored(saved) if !saved.outdated => {
                Some((saved.state.clone(), saved.saved_at.clone()))
            }
            Found::Restored(_) | Found::Fresh | Found::Unreadable { .. } => None,
        };
        let store = Store {
            dir: dir.to_owned(),
            clock,
            link,
            in_use,
            stateless: last_state.is_none(),
            last_state,
            known: loaded.people.clone(),
            logins: loaded.logins.clone(),
            last_stamp: loaded.last_stamp,
            last_event: EventId(next.event.0 - 1),
            first_photo: next.photo.0,
            armed_at: None,
            untidy: 0,
            damaged_commits: 0,
        };
        Opened {
            store,
            found,
            config: loaded.config,
            people: loaded.people,
            logins: loaded.logins,
            next,
        }
    }
}

/// Everything read at the start.
pub(super) struct Loaded {
    pub(super) saved: Option<Saved>,
    pub(super) config: Option<String>,
    pub(super) people: Vec<Credential>,
    pub(super) logins: Logins,
    pub(super) next: NextIds,
    /// The last line of history when the state was saved.
    state_event: EventId,
    /// The clocks as of the last save.
    pub(super) last_stamp: Option<Stamp>,
}

impl Loaded {
    fn nothing() -> Self {
        Loaded {
            saved: None,
            config: None,
            people: Vec::new(),
            logins: Logins::default(),
            next: NextIds::all(1),
            state_event: EventId(0),
            last_stamp: None,
        }
    }
}

/// Why a database was given up, and where it is now.
type MovedAside = (String, Option<PathBuf>);

type OpenedAnew = (Connection, Loaded, Option<MovedAside>);

/// Opens and reads the database. A damaged one is moved aside, and an empty one takes its place.
pub(super) fn open_or_start_anew(dir: &Path) -> Result<OpenedAnew, StoreError> {
    make_private_dir(dir)
        .map_err(|error| StoreError::io("creating the store's directory", dir, &error))?;
    match open_and_load(dir) {
        Ok((connection, loaded)) => Ok((connection, loaded, None)),
        Err(damage) if damage.kind == StoreFailure::Corrupt => start_anew(dir, &damage),
        Err(error) => Err(error),
    }
}

/// Moves the database aside; an empty one takes its place.
pub(super) fn start_anew(dir: &Path, damage: &StoreError) -> Result<OpenedAnew, StoreError> {
    let to = move_aside(dir)
        .map_err(|error| StoreError::io("moving aside the damaged store in", dir, &error))?;
    let (connection, loaded) = open_and_load(dir)?;
    Ok((connection, loaded, Some((damage.to_string(), Some(to)))))
}

fn open_and_load(dir: &Path) -> Result<(Connection, Loaded), StoreError> {
    let connection = schema::open(&dir.join(DATABASE))?;
    let loaded = load(&connection, dir)?;
    Ok((connection, loaded))
}

/// Reads what the start needs: a few pages, as the service shall be ready in 50 ms. Damage further
/// in is found by [`History::deep_check`](super::History::deep_check) later.
fn load(connection: &Connection, dir: &Path) -> Result<Loaded, StoreError> {
    let path = dir.join(DATABASE);
    let failed = |error| StoreError::sql("reading the state from", &path, &error);
    let next = next_ids(connection).map_err(failed)?;
    let config = connection
        .query_row("SELECT text FROM config", [], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    let people = people::read(connection).map_err(failed)?;
    let logins = logins::read(connection).map_err(failed)?;
    let panel = connection
        .query_row("SELECT * FROM panel", [], |row| {
            let state: Option<String> = row.get("state")?;
            let event = EventId(row.get::<_, i64>("event")?.cast_unsigned());
            Ok((state, event, stamp(row, "saved")?, stamp(row, "life")?))
        })
        .optional()
        .map_err(failed)?;
    let Some((Some(state), state_event, saved_at, life)) = panel else {
        return Ok(Loaded {
            saved: None,
            config,
            people,
            logins,
            next,
            state_event: EventId(0),
            last_stamp: None,
        });
    };
    if let Err(error) = serde_json::from_str::<IgnoredAny>(&state) {
        let why = format!("the panel's state is damaged: {error}");
        return Err(StoreError::new(
            StoreFailure::Corrupt,
            "reading the state from",
            &path,
            why,
        ));
    }
    let last_event = connection
        .query_row(
            "SELECT boot_id AS at_boot_id, at_boot_ns, at_wall_ms FROM events
             ORDER BY id DESC LIMIT 1",
            [],
            |row| stamp(row, "at"),
        )
        .optional()
        .map_err(failed)?;
    let last_life = match last_event {
        Some(event) if is_later(&event, &life) => event,
        Some(_) | None => life,
    };
    let saved = Saved {
        state,
        outdated: false,
        saved_at,
        messages: waiting_messages(connection).map_err(failed)?,
        proven: proven(connection).map_err(failed)?,
        last_life: last_life.clone(),
    };
    Ok(Loaded {
        saved: Some(saved),
        config,
        people,
        logins,
        next,
        state_event,
        last_stamp: Some(last_life),
    })
}

fn next_ids(connection: &Connection) -> rusqlite::Result<NextIds> {
    let next = |kind: &str, table: &str| -> rusqlite::Result<u64> {
        let sql = format!(
            "SELECT 1 + max(coalesce((SELECT max(id) FROM {table}), 0),
                            coalesce((SELECT {kind} FROM taken), 0))"
        );
        let next: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
        Ok(next.cast_unsigned())
    };
    Ok(NextIds {
        event: EventId(next("event", "events")?),
        message: next("message", "messages")?,
        photo: PhotoId(next("photo", "photos")?),
        incident: IncidentId(next("incident", "incidents")?),
    })
}

fn waiting_messages(connection: &Connection) -> rusqlite::Result<Vec<MessageRow>> {
    connection
        .prepare(
            "SELECT id, incident, channel, recipient, body FROM messages WHERE waiting ORDER BY id",
        )?
        .query_map([], |row| {
            let incident: Option<i64> = row.get(1)?;
            Ok(MessageRow {
                id: row.get::<_, i64>(0)?.cast_unsigned(),
                incident: incident.map(|id| IncidentId(id.cast_unsigned())),
                channel: row.get(2)?,
                to: row.get(3)?,
                waiting: true,
                body: row.get(4)?,
            })
        })?
        .collect()
}

fn proven(connection: &Connection) -> rusqlite::Result<BTreeMap<String, WallTime>> {
    connection
        .prepare("SELECT path, at_wall_ms FROM proven")?
        .query_map([], |row| Ok((row.get(0)?, WallTime(row.get(1)?))))?
        .collect()
}

fn stamp(row: &Row<'_>, prefix: &str) -> rusqlite::Result<Stamp> {
    let boot: i64 = row.get(format!("{prefix}_boot_ns").as_str())?;
    Ok(Stamp {
        boot: BootTime::from_nanos(boot.cast_unsigned()),
        wall: WallTime(row.get(format!("{prefix}_wall_ms").as_str())?),
        boot_id: row.get(format!("{prefix}_boot_id").as_str())?,
    })
}

fn is_later(one: &Stamp, other: &Stamp) -> bool {
    if one.boot_id == other.boot_id {
        one.boot > other.boot
    } else {
        one.wall > other.wall
    }
}

/// Moves the database out of the way, with its log under the name that belongs to it. The database
/// goes first: a log that a power cut leaves behind is discarded with the empty one that follows.
fn move_aside(dir: &Path) -> io::Result<PathBuf> {
    let aside = (1..)
        .map(|n| dir.join(format!("{DATABASE}.corrupt-{n}")))
        .find(|path| !path.exists())
        .expect("there are more numbers than files");
    for suffix in ["", "-wal", "-shm"] {
        let mut to = aside.as_os_str().to_owned();
        to.push(suffix);
        match fs::rename(dir.join(format!("{DATABASE}{suffix}")), to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(aside)
}

const MARK: &str = "in-use";
/// Numbers are covered by the mark in steps, so that it is written once in a lifetime or two.
const STEP: u64 = 1_000_000;
/// Where numbers go on when not even the mark can be read: beyond what any mark reaches.
const BEYOND: u64 = 1 << 40;
/// No house comes so far, even from there: a mark that is higher is damaged. SQLite's numbers end
/// at 2^63.
const HIGHEST: u64 = 1 << 60;

/// The file `in-use`, outside the database: that there was a state to lose; below which number
/// everything may have been given out, so that numbers only grow even when the database is lost;
/// and the line of history with which the panel was last armed: a state from before it has been
/// disarmed by a card that lost what it had taken, and by nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InUse {
    Never,
    Below {
        number: u64,
        armed_at: u64,
    },
    /// It cannot be read; taken as in use, which is the careful reading.
    Unknown,
}

impl InUse {
    fn read(dir: &Path) -> Self {
        match fs::read_to_string(dir.join(MARK)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Never,
            Err(_) => Self::Unknown,
            Ok(text) => {
                let mut lines = text.lines();
                let number = lines.next().and_then(|line| line.parse().ok());
                // A mark from before version 0.1 has no second number.
                let armed_at = lines.next().and_then(|line| line.parse().ok());
                match number {
                    Some(number) if number <= HIGHEST => Self::Below {
                        number,
                        armed_at: armed_at.unwrap_or(0),
                    },
                    Some(_) | None => Self::Unknown,
                }
            }
        }
    }

    fn first_free(self) -> u64 {
        match self {
            Self::Never => 1,
            Self::Below { number, .. } => number,
            Self::Unknown => BEYOND,
        }
    }

    /// The panel was armed after a state that was saved with this line of history.
    fn armed_after(self, event: EventId) -> bool {
        match self {
            Self::Never | Self::Unknown => false,
            Self::Below { armed_at, .. } => armed_at > event.0,
        }
    }

    /// Sees to it that the mark is there and covers this number.
    pub(super) fn cover(&mut self, dir: &Path, highest: u64) {
        match *self {
            Self::Below { number, .. } if highest < number => {}
            Self::Below { armed_at, .. } => self.write(dir, highest, armed_at),
            Self::Never | Self::Unknown => self.write(dir, highest, 0),
        }
    }

    /// Notes the line of history with which the panel was armed. It is committed already.
    pub(super) fn armed(&mut self, dir: &Path, event: EventId) {
        self.write(dir, event.0.max(self.first_free() - 1), event.0);
    }

    fn write(&mut self, dir: &Path, highest: u64, armed_at: u64) {
        let number = (highest / STEP + 1) * STEP;
        let text = format!(
            "{number}\n{armed_at}\n\
             asfaleia's store in this directory is in use: if its database is missing or damaged,\n\
             the panel arms itself at the next start. The first number above: every event, message,\n\
             photo and incident so far has a lower one. The second: the event with which the panel\n\
             was last armed; a state from before it is not the last one. Remove this file only to begin anew.\n"
        );
        match write_whole(&dir.join(MARK), text.as_bytes()) {
            Ok(()) => *self = Self::Below { number, armed_at },
            // Tried again at the next commit.
            Err(error) => tracing::warn!(%error, "writing the mark that the store is in use"),
        }
    }
}
