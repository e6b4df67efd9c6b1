//! SQLite: the panel's state, incidents, history and messages, committed together; photos beside it.
//!
//! [`Store`] is synchronous, so that a simulation can run it inline under its own clock. In the
//! program [`StoreActor`] gives it a thread: whoever hands over a [`Batch`] never waits, and gets a
//! [`Receipt`]. [`History`] reads beside it.
//!
//! In its directory: `asfaleia.db` (with `-wal` and `-shm`), `photos/<id>.jpg`, and `in-use`, a mark
//! outside the database that says that there was something to lose. What cannot be read is moved
//! aside to `asfaleia.db.corrupt-<n>`.

mod actor;
mod error;
mod history;
mod logins;
mod opening;
mod people;
mod photos;
mod retention;
mod rows;
mod schema;
mod worker;
mod writing;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use crate::alarm::BootTime;
use crate::clock::{SharedClock, Stamp};

pub use actor::{NotCommitted, OnHealth, Receipt, StoreActor, StoreHandle, StoreOptions};
pub use error::{StoreError, StoreFailure};
pub use history::{
    History, IncidentDetail, StoredDuress, StoredEvent, StoredIncident, StoredMessage, StoredPhoto,
};
pub use logins::{Account, Hash, LoginChange, Logins, Session, Token};
pub use opening::{Found, Opened};
pub use people::{Credential, KnownBy, PeopleChange, TEMPLATE, known_after};
pub use photos::{photo_path, read_photo, write_photo, write_whole_photo};
pub use retention::Removed;
pub use rows::{Batch, EventId, EventRow, MessageRow, NextIds, PhotoRow, Saved};
pub use worker::{Disk, StoreWorker};

use opening::{InUse, Loaded};
use writing::{Carried, Last};

/// After so many commits the log is written back into the database: rarely, as each time costs two
/// more syncs, and often enough that little is read back after a power cut.
const COMMITS_PER_TIDY: u32 = 32;
/// A store that cannot be opened is tried again after this, then twice as long, ...
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// ... but never later than after this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The one writer. It works on when its directory does not: commits fail, and at later commits it
/// tries to open it again.
pub struct Store {
    dir: PathBuf,
    clock: SharedClock,
    link: Link,
    in_use: InUse,
    /// What the panel last was, for a database that had to be started anew.
    last_state: Option<(String, Stamp)>,
    /// Who is known, for the same.
    known: Vec<Credential>,
    /// Who may log in, for the same.
    logins: Logins,
    /// The database holds no state yet.
    stateless: bool,
    /// The clocks as of the last commit, to notice that the wall clock was set.
    last_stamp: Option<Stamp>,
    /// The highest event that was committed.
    last_event: EventId,
    /// The first photo number of this run.
    first_photo: u64,
    untidy: u32,
    /// The panel was armed with this line of history, and the mark does not know it yet.
    armed_at: Option<EventId>,
    /// Commits in a row that met damage.
    damaged_commits: u32,
}

enum Link {
    Open(Connection),
    Broken {
        why: StoreError,
        retry_at: BootTime,
        pause: Duration,
    },
}

impl Store {
    /// Why nothing can be committed at present.
    pub fn failure(&self) -> Option<&StoreError> {
        match &self.link {
            Link::Open(_) => None,
            Link::Broken { why, .. } => Some(why),
        }
    }

    /// Where the store lives.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Commits all of these, in one transaction and with one sync: when this returns `Ok`, they
    /// survive a power cut; otherwise none of them is in the store. The same batches may be handed
    /// in again.
    pub fn commit(&mut self, batches: &[Batch]) -> Result<(), StoreError> {
        self.open_again_if_due()?;
        let Link::Open(connection) = &mut self.link else {
            unreachable!("open_again_if_due opened it or returned why not");
        };
        let carried = match &self.last_state {
            Some((state, saved_at)) if self.stateless => Some(Carried {
                state,
                saved_at,
                known: &self.known,
                logins: &self.logins,
            }),
            Some(_) | None => None,
        };
        let was_carried = carried.is_some();
        let last = Last {
            clocks: self.last_stamp.as_ref(),
            event: self.last_event,
        };
        let written = writing::write(connection, batches, carried, last);
        if let Err(error) = written {
            let error = StoreError::sql("committing to", &self.dir.join(schema::DATABASE), &error);
            self.link_failed(&error);
            return Err(error);
        }
        self.stateless &= !was_carried;
        self.damaged_commits = 0;
        for batch in batches {
            self.last_stamp = Some(batch.at.clone());
            self.last_event = self.last_event.max(batch.last_event());
            self.armed_at = batch.armed().or(self.armed_at);
            for change in &batch.logins {
                self.logins.change(change);
            }
            if !batch.people.is_empty() {
                self.known = known_after(&self.known, &batch.people);
            }
            if let Some(state) = &batch.state {
                self.last_state = Some((state.clone(), batch.at.clone()));
                self.stateless = false;
            }
        }
        self.untidy += 1;
        if !self.stateless {
            let highest = batches.iter().map(Batch::highest_id).max().unwrap_or(0);
            self.in_use.cover(&self.dir, highest);
        }
        Ok(())
    }

    /// Notes beside the database that the panel was armed, and writes the log back into the database
    /// if it is time to. Takes syncs of its own: for when nobody waits.
    pub fn tidy(&mut self) {
        if let Some(event) = self.armed_at.take() {
            self.in_use.armed(&self.dir, event);
        }
        let Link::Open(connection) = &self.link else {
            return;
        };
        if self.untidy < COMMITS_PER_TIDY {
            return;
        }
        self.untidy = 0;
        let done = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = done {
            // Nothing is lost: the log holds it, and the next commit meets the same fault.
            tracing::warn!(%error, "writing the store's log back");
        }
    }

    /// There is something to [`tidy`](Store::tidy).
    pub(super) fn is_untidy(&self) -> bool {
        self.armed_at.is_some() || self.untidy >= COMMITS_PER_TIDY
    }

    /// A damaged database is opened again, which moves it aside if its head is damaged; if the
    /// damage is further in and the next commit meets it too, it is moved aside all the same: what
    /// happens from now on matters more, and nothing is thrown away. After any other failure the
    /// connection stays, whose next commit may succeed.
    fn link_failed(&mut self, error: &StoreError) {
        if error.kind == StoreFailure::Corrupt {
            self.damaged_commits += 1;
            self.link = Link::Broken {
                why: error.clone(),
                retry_at: self.clock.boot(),
                pause: FIRST_PAUSE,
            };
        }
    }

    fn open_again_if_due(&mut self) -> Result<(), StoreError> {
        let Link::Broken {
            why,
            retry_at,
            pause,
        } = &self.link
        else {
            return Ok(());
        };
        let now = self.clock.boot();
        if now < *retry_at {
            return Err(why.clone());
        }
        let pause = (*pause * 2).min(LONGEST_PAUSE);
        let opened = if self.damaged_commits > 1 {
            opening::start_anew(&self.dir, why)
        } else {
            opening::open_or_start_anew(&self.dir)
        };
        match opened {
            Ok((connection, loaded, moved)) => {
                if let Some((why, to)) = moved {
                    tracing::error!(%why, moved_to = ?to, "the store was damaged and is started anew");
                }
                self.linked(connection, &loaded);
                Ok(())
            }
            Err(why) => {
                let error = why.clone();
                self.link = Link::Broken {
                    why,
                    retry_at: now + pause,
                    pause,
                };
                Err(error)
            }
        }
    }

    fn linked(&mut self, connection: Connection, loaded: &Loaded) {
        self.stateless = loaded.saved.is_none();
        self.last_stamp = self.last_stamp.take().or_else(|| loaded.last_stamp.clone());
        self.link = Link::Open(connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn a_full_disk_fails_the_commit_whole_and_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let clock = SystemClock::shared();
        let mut store = Store::open(dir.path(), clock.clone()).store;
        let armed = Batch {
            state: Some("\"armed\"".to_owned()),
            ..Batch::new(Stamp::now(&*clock))
        };
        store.commit(std::slice::from_ref(&armed)).unwrap();
        let limit = |store: &Store, pages: i64| {
            let Link::Open(connection) = &store.link else {
                panic!("{:?}", store.failure());
            };
            let sql = format!("PRAGMA max_page_count = {pages}");
            connection.query_row(&sql, [], |_| Ok(())).unwrap();
        };
        limit(&store, 1);
        let large = Batch {
            state: Some("\"pending\"".to_owned()),
            config: Some("x".repeat(100_000)),
            ..Batch::new(Stamp::now(&*clock))
        };

        let error = store.commit(std::slice::from_ref(&large)).unwrap_err();

        assert_eq!(error.kind, StoreFailure::Full);
        assert!(error.to_string().contains("free some space"), "{error}");
        let Found::Restored(saved) = Store::open(dir.path(), clock.clone()).found else {
            panic!("the state is there");
        };
        assert_eq!(Some(saved.state), armed.state);
        limit(&store, 1_000_000);
        store.commit(&[large]).unwrap();
    }
}
