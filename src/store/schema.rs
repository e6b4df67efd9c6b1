//! The tables, their versions, and how a connection is set up.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::{StoreError, StoreFailure};

/// The database's name in the store's directory.
pub(super) const DATABASE: &str = "asfaleia.db";

/// What leads from each version to the next; `PRAGMA user_version` counts those applied. Released
/// ones are never edited: a frozen file of every version is opened by the tests for ever.
pub(super) const MIGRATIONS: &[&str] = &[V1, V2, V3];

// No foreign keys: a photo may be committed after its incident was lost with a damaged store, and
// must not make everything that is committed with it fail. `retain` removes what belongs together.
//
// Wall times are milliseconds since 1970, boot times nanoseconds. `clock_set` is 0 while the wall
// time cannot be true.
const V1: &str = "
CREATE TABLE panel (            -- one row
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    state         TEXT,         -- JSON; NULL: never saved
    saved_boot_id TEXT NOT NULL,
    saved_boot_ns INTEGER NOT NULL,
    saved_wall_ms INTEGER NOT NULL,
    life_boot_id  TEXT NOT NULL,
    life_boot_ns  INTEGER NOT NULL,
    life_wall_ms  INTEGER NOT NULL
) STRICT;
CREATE TABLE config (           -- one row: the last configuration that passed
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    text       TEXT NOT NULL,
    at_wall_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE taken (            -- one row: numbers that removed rows have had
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    event    INTEGER NOT NULL,
    message  INTEGER NOT NULL,
    photo    INTEGER NOT NULL,
    incident INTEGER NOT NULL
) STRICT;
CREATE TABLE proven (
    path       TEXT PRIMARY KEY,
    at_wall_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE events (
    id         INTEGER PRIMARY KEY,
    at_wall_ms INTEGER NOT NULL,
    at_boot_ns INTEGER NOT NULL,
    boot_id    TEXT NOT NULL,
    clock_set  INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    incident   INTEGER,
    data       TEXT NOT NULL    -- JSON
) STRICT;
CREATE INDEX events_by_incident ON events (incident) WHERE incident IS NOT NULL;
CREATE TABLE incidents (
    id                   INTEGER PRIMARY KEY,
    kind                 TEXT NOT NULL,
    since_wall_ms        INTEGER NOT NULL,
    acknowledged_wall_ms INTEGER,
    ended_wall_ms        INTEGER,
    settled              INTEGER NOT NULL, -- over, and somebody knows of it
    clock_set            INTEGER NOT NULL,
    boot_id              TEXT NOT NULL,    -- the boot whose times `data` holds, ...
    saved_boot_ns        INTEGER NOT NULL, -- ... one moment of it, ...
    saved_wall_ms        INTEGER NOT NULL, -- ... and its wall time
    data                 TEXT NOT NULL     -- JSON
) STRICT;
CREATE TABLE recordings (
    incident INTEGER PRIMARY KEY,
    data     TEXT NOT NULL      -- JSON
) STRICT;
CREATE TABLE photos (
    id         INTEGER PRIMARY KEY,
    incident   INTEGER,
    bytes      INTEGER NOT NULL,
    at_wall_ms INTEGER NOT NULL,
    at_boot_ns INTEGER NOT NULL,
    boot_id    TEXT NOT NULL,
    clock_set  INTEGER NOT NULL
) STRICT;
CREATE INDEX photos_by_incident ON photos (incident) WHERE incident IS NOT NULL;
CREATE TABLE messages (
    id         INTEGER PRIMARY KEY,
    incident   INTEGER,
    channel    TEXT NOT NULL,
    recipient  TEXT NOT NULL,
    waiting    INTEGER NOT NULL,
    at_wall_ms INTEGER NOT NULL,
    clock_set  INTEGER NOT NULL,
    body       TEXT NOT NULL    -- JSON
) STRICT;
CREATE INDEX messages_by_incident ON messages (incident) WHERE incident IS NOT NULL;
CREATE INDEX messages_waiting ON messages (id) WHERE waiting;
";

// The last line of history when the panel's state was saved: a log that is damaged in its middle lays
// old pages over newer ones, and the state then is older than the history beside it. The people who
// are known. And, apart from the history, when somebody was forced to show a finger
// or PIN: nothing that shows or counts history meets it.
const V2: &str = "
ALTER TABLE panel ADD COLUMN event INTEGER NOT NULL DEFAULT 0;
UPDATE panel SET event = coalesce((SELECT max(id) FROM events), 0);
CREATE TABLE credentials (
    id               INTEGER PRIMARY KEY,
    person           TEXT NOT NULL,
    enrolled_wall_ms INTEGER NOT NULL,
    kind             TEXT NOT NULL,    -- pin, finger, face
    duress           INTEGER NOT NULL,
    slot             INTEGER,          -- of a finger: where the module keeps it
    secret           BLOB              -- of a PIN: a PHC string; of a face: 128 floats of 4 bytes, little-endian
) STRICT;
CREATE TABLE duress (
    boot_id    TEXT NOT NULL,
    at_boot_ns INTEGER NOT NULL,
    at_wall_ms INTEGER NOT NULL,
    clock_set  INTEGER NOT NULL,
    data       TEXT NOT NULL,          -- JSON
    PRIMARY KEY (boot_id, at_boot_ns)
) STRICT, WITHOUT ROWID;
";

// Who may log in. What browsers and programs show is kept as its SHA-256.
const V3: &str = "
CREATE TABLE accounts (
    name          TEXT PRIMARY KEY,
    role          TEXT NOT NULL,       -- owner, guest
    since_wall_ms INTEGER NOT NULL,
    hash          TEXT NOT NULL        -- of the password: a PHC string
) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
    hash          BLOB PRIMARY KEY,
    account       TEXT NOT NULL,
    since_wall_ms INTEGER NOT NULL,
    used_wall_ms  INTEGER NOT NULL     -- to the day
) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (
    name          TEXT PRIMARY KEY,
    role          TEXT NOT NULL,
    since_wall_ms INTEGER NOT NULL,
    hash          BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Opens the database for writing, creates or migrates its tables.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |error| StoreError::sql("opening the store", path, &error);
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    prepare(&connection).map_err(failed)?;
    migrate(&mut connection, path, MIGRATIONS)?;
    Ok(connection)
}

/// Opens the database for reading beside a running writer.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |error| StoreError::sql("opening the history", path, &error);
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection
        .execute_batch("PRAGMA cache_size = -256; PRAGMA temp_store = MEMORY;")
        .map_err(failed)?;
    connection
        .busy_timeout(Duration::from_secs(2))
        .map_err(failed)?;
    Ok(connection)
}

/// Opens a database that nobody can write: on a card that turned read-only, or a full one. No lock
/// can be taken and no shared index be created there, so the log beside it is read into memory.
pub(super) fn open_frozen(path: &Path) -> Result<Connection, StoreError> {
    let failed =
        |error| StoreError::sql("reading the store, which cannot be written,", path, &error);
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?mode=ro&vfs=unix-none");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags).map_err(failed)?;
    connection
        .pragma_update(None, "locking_mode", "EXCLUSIVE")
        .map_err(failed)?;
    let version = version(&connection).map_err(failed)?;
    if version != MIGRATIONS.len() {
        let why = format!("its schema has version {version} and it cannot be migrated there");
        return Err(StoreError::new(
            StoreFailure::ReadOnly,
            "reading the store, which cannot be written,",
            path,
            why,
        ));
    }
    Ok(connection)
}

/// - `FULL` with WAL: a commit is on the disk when it returns; one fsync.
/// - The log is written back by [`Store::tidy`](super::Store::tidy) after those who wait for a
///   commit have been answered; a log of 256 pages (1 MB) is written back by the commit itself, so
///   that neither the card's space nor the time to read the log after a power cut grows.
/// - 512 KiB of pages in memory are plenty for rows this small; the Pi has little.
/// - `auto_vacuum` counts only before the first table exists: removed rows give space back.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_millis(500))?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 256;
         PRAGMA journal_size_limit = 1048576;
         PRAGMA cache_size = -512;
         PRAGMA temp_store = MEMORY;",
    )
}

fn version(connection: &Connection) -> rusqlite::Result<usize> {
    connection
        .query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
        .map(|version| usize::try_from(version).unwrap_or(usize::MAX))
}

fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &[&str],
) -> Result<(), StoreError> {
    let failed = |error| StoreError::sql("preparing the tables of", path, &error);
    let found = version(connection).map_err(failed)?;
    let known = migrations.len();
    if found > known {
        // Not moved aside: it is sound, and moving it would lose the history.
        let why = format!("its schema has version {found}, this asfaleia knows {known}");
        return Err(StoreError::new(
            StoreFailure::Newer,
            "opening the store",
            path,
            why,
        ));
    }
    for (step, sql) in migrations.iter().enumerate().skip(found) {
        let migration = connection.transaction().map_err(failed)?;
        migration.execute_batch(sql).map_err(failed)?;
        let version = i64::try_from(step + 1).expect("there are few migrations");
        migration
            .pragma_update(None, "user_version", version)
            .map_err(failed)?;
        migration.commit().map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_migration_keeps_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(DATABASE);
        let mut connection = open(&path).unwrap();
        connection
            .execute("INSERT INTO proven VALUES ('email', 7)", [])
            .unwrap();

        let colour = "ALTER TABLE proven ADD COLUMN colour TEXT DEFAULT 'red'";
        let with_colour = [MIGRATIONS, &[colour]].concat();
        migrate(&mut connection, &path, &with_colour).unwrap();

        let row: (i64, String) = connection
            .query_row("SELECT at_wall_ms, colour FROM proven", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(row, (7, "red".to_owned()));
        assert_eq!(version(&connection).unwrap(), with_colour.len());
    }

    #[test]
    fn a_migration_that_fails_leaves_the_version_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(DATABASE);
        let mut connection = open(&path).unwrap();
        let half = "CREATE TABLE half (a); CREATE TABLE events (a);";
        let broken = [MIGRATIONS, &[half]].concat();
        migrate(&mut connection, &path, &broken).unwrap_err();
        assert_eq!(version(&connection).unwrap(), MIGRATIONS.len());
        let half: i64 = connection
            .query_row(
                "SELECT count(*) FROM sqlite_schema WHERE name = 'half'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(half, 0);
    }

    #[test]
    fn a_store_of_a_newer_asfaleia_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(DATABASE);
        open(&path)
            .unwrap()
            .pragma_update(None, "user_version", 99)
            .unwrap();
        let error = open(&path).unwrap_err();
        assert_eq!(error.kind, StoreFailure::Newer);
        assert!(error.to_string().contains("version 99"), "{error}");
    }

    #[test]
    fn a_database_nobody_can_write_is_read_with_the_log_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("50% of #1?.db");
        let writer = open(&path).unwrap();
        writer
            .execute("INSERT INTO proven VALUES ('email', 7)", [])
            .unwrap();
        // What a power cut leaves: the row is in the log only, and there is no index of the log.
        let frozen = dir.path().join("50% of #2?.db");
        std::fs::copy(&path, &frozen).unwrap();
        std::fs::copy(
            dir.path().join("50% of #1?.db-wal"),
            dir.path().join("50% of #2?.db-wal"),
        )
        .unwrap();

        let reader = open_frozen(&frozen).unwrap();

        let at: i64 = reader
            .query_row("SELECT at_wall_ms FROM proven", [], |row| row.get(0))
            .unwrap();
        assert_eq!(at, 7);
        assert!(!dir.path().join("50% of #2?.db-shm").exists());
    }
}
