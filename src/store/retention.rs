//! What is kept, and what goes first.
//!
//! By age: settled incidents (over, and somebody knows of them) with all that belongs to them, and
//! what belongs to no incident. By size: settled incidents, oldest first; then photos of the
//! others, oldest first; at last lines of history that belong to no incident. What an incident that
//! nobody has acknowledged was, when, and by which sensors, never goes. Neither does a message that
//! still waits.
//!
//! A photo's file goes before its row: after a power cut in between the row is still there to
//! finish the work, and no file is forgotten.

use std::fs;
use std::io;
use std::ops::AddAssign;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, ToSql, Transaction};

use super::error::StoreError;
use super::photos::{photo_files, remove_photo};
use super::schema::DATABASE;
use super::writing::key;
use super::{Link, Store};
use crate::alarm::PhotoId;

/// What retention took away.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Settled incidents.
    pub incidents: u64,
    /// Lines of history, those of these incidents included.
    pub events: u64,
    /// Messages that no longer waited.
    pub messages: u64,
    /// Photos of settled incidents or of none.
    pub photos: u64,
    /// Photos of incidents that are not settled: evidence that was given up for space.
    pub thinned: u64,
    /// Everything that may go is gone, and it is still too much.
    pub still_over: bool,
}

impl Removed {
    /// Nothing was.
    pub fn is_nothing(&self) -> bool {
        let Removed {
            incidents,
            events,
            messages,
            photos,
            thinned,
            still_over: _,
        } = *self;
        incidents + events + messages + photos + thinned == 0
    }
}

impl AddAssign for Removed {
    fn add_assign(&mut self, more: Removed) {
        self.incidents += more.incidents;
        self.events += more.events;
        self.messages += more.messages;
        self.photos += more.photos;
        self.thinned += more.thinned;
        self.still_over = more.still_over;
    }
}

/// In one step, so that a commit never waits for long.
const ROWS_PER_STEP: i64 = 1_000;
const PHOTOS_PER_STEP: i64 = 32;
/// What a full disk is relieved of at once, in bytes: a commit takes some 10 kB, and a log is written
/// back at 1 MB.
const ROOM: u64 = 2 << 20;
/// 1 MB.
const FREE_PAGES_WORTH_IT: i64 = 256;

/// A row that belongs to no incident that is still there.
const LOOSE: &str = "(incident IS NULL OR incident NOT IN (SELECT id FROM incidents))";

/// A row from before `?1`. One whose clock was never set is older than the rows that follow it.
fn aged(table: &str, wall: &str) -> String {
    format!(
        "iif(clock_set, {wall} < ?1,
             id < (SELECT max(id) FROM {table} WHERE clock_set AND {wall} < ?1))"
    )
}

impl Store {
    /// Takes away what is older than `keep`, and then what is beyond `max_size` bytes of photos and
    /// history. Nothing counts as old while the clock is not set.
    pub fn retain(&mut self, keep: Duration, max_size: u64) -> Result<Removed, StoreError> {
        let mut removed = Removed::default();
        loop {
            let step = self.retain_some(keep, max_size)?;
            removed += step;
            if step.is_nothing() {
                return Ok(removed);
            }
        }
    }

    /// The disk is full, by us or by others: some photos go at once, so that there is room to commit
    /// and to remove rows. Those of settled incidents or of none first, then the others, oldest
    /// first. Nothing else is touched.
    pub fn make_room(&mut self) -> Result<Removed, StoreError> {
        let Link::Open(connection) = &self.link else {
            return Ok(Removed::default());
        };
        let shelf = Shelf {
            connection,
            dir: &self.dir,
            first_photo: self.first_photo,
        };
        let room = shelf.make_room();
        room.map_err(|failure| self.explain(failure))
    }

    /// One step of it; the last one removes nothing.
    pub(super) fn retain_some(
        &mut self,
        keep: Duration,
        max_size: u64,
    ) -> Result<Removed, StoreError> {
        let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        let now = self.clock.wall();
        let cutoff = if now.is_set() {
            now.0.saturating_sub(keep)
        } else {
            i64::MIN
        };
        self.open_again_if_due()?;
        let Link::Open(connection) = &self.link else {
            unreachable!("open_again_if_due opened it or returned why not");
        };
        let shelf = Shelf {
            connection,
            dir: &self.dir,
            first_photo: self.first_photo,
        };
        let step = shelf.clear_some(cutoff, max_size);
        step.map_err(|failure| self.explain(failure))
    }

    fn explain(&self, failure: Failure) -> StoreError {
        let database = self.dir.join(DATABASE);
        match failure {
            Failure::Sql(error) => StoreError::sql("removing what is old from", &database, &error),
            Failure::Io(error) => StoreError::io("removing old photos from", &self.dir, &error),
        }
    }
}

/// The store as something that fills up.
struct Shelf<'a> {
    connection: &'a Connection,
    dir: &'a Path,
    first_photo: u64,
}

enum Failure {
    Sql(rusqlite::Error),
    Io(io::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Sql(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

impl Shelf<'_> {
    fn clear_some(&self, cutoff: i64, max_size: u64) -> Result<Removed, Failure> {
        let aged_incident = format!("settled AND {}", aged("incidents", "ended_wall_ms"));
        if let Some(incident) = self.oldest_incident(&aged_incident, &[&cutoff])? {
            return self.remove_incident(incident);
        }
        let removed = self.remove_loose(cutoff)?;
        if !removed.is_nothing() {
            return Ok(removed);
        }
        let excess = self.size()?.saturating_sub(max_size);
        if excess > 0 {
            if let Some(incident) = self.oldest_incident("settled", &[])? {
                return self.remove_incident(incident);
            }
            let removed = self.thin_photos(excess)?;
            if !removed.is_nothing() {
                return Ok(removed);
            }
            let removed = self.remove_loose_events()?;
            if !removed.is_nothing() {
                return Ok(removed);
            }
        }
        self.connection.execute(
            "DELETE FROM duress WHERE clock_set AND at_wall_ms < ?1",
            [cutoff],
        )?;
        self.remove_forgotten_files()?;
        if let Err(error) = self.give_space_back() {
            // It takes space to give space back, and free pages are used again anyway.
            tracing::debug!(%error, "shortening the database");
        }
        Ok(Removed {
            still_over: excess > 0,
            ..Removed::default()
        })
    }

    fn oldest_incident(&self, which: &str, cutoff: &[&dyn ToSql]) -> Result<Option<i64>, Failure> {
        let sql = format!("SELECT id FROM incidents WHERE {which} ORDER BY id LIMIT 1");
        Ok(self
            .connection
            .query_row(&sql, cutoff, |row| row.get(0))
            .optional()?)
    }

    /// An incident with all that belongs to it, but for messages that wait.
    fn remove_incident(&self, id: i64) -> Result<Removed, Failure> {
        let photos = self.photos("SELECT id, bytes FROM photos WHERE incident = ?1", &[&id])?;
        self.remove_files(&photos)?;
        let removal = self.begin()?;
        let removed = Removed {
            incidents: 1,
            events: count(removal.execute("DELETE FROM events WHERE incident = ?1", [id])?),
            messages: count(removal.execute(
                "DELETE FROM messages WHERE incident = ?1 AND NOT waiting",
                [id],
            )?),
            photos: count(removal.execute("DELETE FROM photos WHERE incident = ?1", [id])?),
            ..Removed::default()
        };
        removal.execute("DELETE FROM recordings WHERE incident = ?1", [id])?;
        removal.execute("DELETE FROM incidents WHERE id = ?1", [id])?;
        removal.commit()?;
        Ok(removed)
    }

    /// What belongs to no incident and is from before the cutoff.
    fn remove_loose(&self, cutoff: i64) -> Result<Removed, Failure> {
        let aged_photos = format!(
            "SELECT id, bytes FROM photos WHERE {LOOSE} AND {} ORDER BY id LIMIT {PHOTOS_PER_STEP}",
            aged("photos", "at_wall_ms")
        );
        let photos = self.photos(&aged_photos, &[&cutoff])?;
        self.remove_files(&photos)?;
        let removal = self.begin()?;
        delete_photos(&removal, &photos)?;
        let delete = |table: &str, which: &str| {
            removal.execute(
                &format!(
                    "DELETE FROM {table} WHERE id IN (SELECT id FROM {table}
                         WHERE {which} AND {LOOSE} AND {} LIMIT {ROWS_PER_STEP})",
                    aged(table, "at_wall_ms")
                ),
                [cutoff],
            )
        };
        let removed = Removed {
            events: count(delete("events", "TRUE")?),
            messages: count(delete("messages", "NOT waiting")?),
            photos: count(photos.len()),
            ..Removed::default()
        };
        if !removed.is_nothing() {
            removal.commit()?;
        }
        Ok(removed)
    }

    /// Those that matter least first.
    fn make_room(&self) -> Result<Removed, Failure> {
        let settled = "SELECT id FROM incidents WHERE settled";
        self.remove_photos(
            &format!("coalesce(incident IN ({settled}), TRUE) DESC, id"),
            ROOM,
        )
    }

    /// As many of the oldest photos as make up the excess.
    fn thin_photos(&self, excess: u64) -> Result<Removed, Failure> {
        self.remove_photos("id", excess)
    }

    /// The first photos in this order, until so much is freed.
    fn remove_photos(&self, order: &str, excess: u64) -> Result<Removed, Failure> {
        let first =
            format!("SELECT id, bytes FROM photos ORDER BY {order} LIMIT {PHOTOS_PER_STEP}");
        let mut freed = 0;
        let mut photos = self.photos(&first, &[])?;
        photos.retain(|(_, bytes)| {
            let wanted = freed < excess;
            freed += bytes;
            wanted
        });
        if photos.is_empty() {
            return Ok(Removed::default());
        }
        self.remove_files(&photos)?;
        let removal = self.begin()?;
        let evidence = delete_photos(&removal, &photos)?;
        removal.commit()?;
        Ok(Removed {
            thinned: evidence,
            photos: count(photos.len()) - evidence,
            ..Removed::default()
        })
    }

    fn remove_loose_events(&self) -> Result<Removed, Failure> {
        let removal = self.begin()?;
        let events = removal.execute(
            &format!(
                "DELETE FROM events WHERE id IN
                     (SELECT id FROM events WHERE {LOOSE} ORDER BY id LIMIT {ROWS_PER_STEP})"
            ),
            [],
        )?;
        removal.commit()?;
        Ok(Removed {
            events: count(events),
            ..Removed::default()
        })
    }

    /// Files that an earlier run wrote and did not come to commit. (This run's are on their way.)
    fn remove_forgotten_files(&self) -> Result<(), Failure> {
        let mut known = self
            .connection
            .prepare("SELECT EXISTS (SELECT 1 FROM photos WHERE id = ?1)")?;
        for (id, path) in photo_files(self.dir)? {
            let part = path
                .extension()
                .is_some_and(|extension| extension == "part");
            let is_known: bool = known.query_row([key(id.0)], |row| row.get(0))?;
            if id.0 < self.first_photo && (part || !is_known) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Bytes of photos and history. Pages that are free already count as gone.
    fn size(&self) -> Result<u64, Failure> {
        let bytes: i64 = self.connection.query_row(
            "SELECT (page_count - freelist_count) * page_size
                 + (SELECT coalesce(sum(bytes), 0) FROM photos)
             FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
            [],
            |row| row.get(0),
        )?;
        Ok(bytes.cast_unsigned())
    }

    /// Shortens the database's file once there is something to gain; a step moves each page once.
    fn give_space_back(&self) -> rusqlite::Result<()> {
        let free: i64 = self
            .connection
            .query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
        if free >= FREE_PAGES_WORTH_IT {
            let mut vacuum = self.connection.prepare("PRAGMA incremental_vacuum(4096)")?;
            let mut steps = vacuum.query([])?;
            while steps.next()?.is_some() {}
        }
        Ok(())
    }

    /// Begins a removal. The numbers that go with it stay taken.
    fn begin(&self) -> Result<Transaction<'_>, Failure> {
        let removal = self.connection.unchecked_transaction()?;
        removal.execute(
            "INSERT OR REPLACE INTO taken SELECT 1,
                 max(coalesce((SELECT max(id) FROM events), 0), coalesce((SELECT event FROM taken), 0)),
                 max(coalesce((SELECT max(id) FROM messages), 0), coalesce((SELECT message FROM taken), 0)),
                 max(coalesce((SELECT max(id) FROM photos), 0), coalesce((SELECT photo FROM taken), 0)),
                 max(coalesce((SELECT max(id) FROM incidents), 0), coalesce((SELECT incident FROM taken), 0))",
            [],
        )?;
        Ok(removal)
    }

    fn photos(&self, sql: &str, params: &[&dyn ToSql]) -> Result<Vec<(PhotoId, u64)>, Failure> {
        let mut statement = self.connection.prepare(sql)?;
        let photos = statement.query_map(params, |row| {
            let (id, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok((PhotoId(id.cast_unsigned()), bytes.cast_unsigned()))
        })?;
        Ok(photos.collect::<rusqlite::Result<_>>()?)
    }

    fn remove_files(&self, photos: &[(PhotoId, u64)]) -> Result<(), Failure> {
        for (id, _) in photos {
            remove_photo(self.dir, *id)?;
        }
        Ok(())
    }
}

/// Deletes the rows; returns how many belonged to an incident that is not settled.
fn delete_photos(removal: &Connection, photos: &[(PhotoId, u64)]) -> Result<u64, Failure> {
    let mut evidence = 0;
    let mut delete = removal.prepare(
        "DELETE FROM photos WHERE id = ?1 RETURNING
             EXISTS (SELECT 1 FROM incidents WHERE id = incident AND NOT settled)",
    )?;
    for (id, _) in photos {
        let unsettled: bool = delete.query_row([key(id.0)], |row| row.get(0))?;
        evidence += u64::from(unsettled);
    }
    Ok(evidence)
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
