//! What the store's thread does, a step at a time. A simulation takes the steps itself, under its
//! own clock and with a disk that fails as it likes.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::actor::{Clearing, OnHealth, Shared, StoreHandle, StoreOptions, Waiter, Work};
use super::error::{StoreError, StoreFailure};
use super::retention::Removed;
use super::rows::Batch;
use super::{Store, schema};

/// Commits what is handed over through its [`StoreHandle`].
pub struct StoreWorker {
    store: Store,
    shared: Arc<Shared>,
    options: StoreOptions,
    on_health: OnHealth,
    failing: bool,
    /// What a full disk cost; told with the next retention.
    given_up: Removed,
}

/// How the disk takes what is written in one turn. The program's simply is as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// As it is.
    Real,
    /// Nothing is written, and it says so.
    Refuses(StoreFailure),
    /// All is written, and it says that it is not: a sync that failed.
    Denies(StoreFailure),
}

impl StoreWorker {
    /// A worker for this store. Tells at once if the store cannot be written.
    pub fn new(store: Store, options: StoreOptions, on_health: OnHealth) -> StoreWorker {
        let failing = store.failure().is_some();
        if let Some(why) = store.failure() {
            on_health(Err(why.to_string()));
        }
        StoreWorker {
            store,
            shared: Arc::default(),
            options,
            on_health,
            failing,
            given_up: Removed::default(),
        }
    }

    /// How others hand things over.
    pub fn handle(&self) -> StoreHandle {
        StoreHandle {
            shared: Arc::clone(&self.shared),
        }
    }

    /// One step of what there is to do now, without waiting for more: all that was handed over is
    /// committed, or retention goes on. `false`: there was nothing.
    pub fn turn(&mut self, disk: Disk) -> bool {
        let work = self.shared.queue().work(true);
        let worked = work.map(|work| self.work(work, disk)).is_some();
        self.store.tidy();
        worked
    }

    /// Works until it is closed. What only the store itself needs waits until nobody else does.
    pub(super) fn run(&mut self) {
        let mut untidy_since = None;
        loop {
            let untidy = self.store.is_untidy();
            untidy_since = untidy.then(|| untidy_since.unwrap_or_else(Instant::now));
            if !self.work(self.shared.next_work(untidy_since), Disk::Real) {
                return;
            }
        }
    }

    /// Whoever still waits is told that nothing comes any more.
    pub(super) fn end(&self, in_order: bool) {
        self.shared.end();
        if !in_order {
            (self.on_health)(Err("the store's thread failed: restart asfaleia".to_owned()));
        }
    }

    /// `false`: that was the end.
    fn work(&mut self, work: Work, disk: Disk) -> bool {
        match work {
            Work::Commit(batches, waiters) => self.commit(batches, waiters, disk),
            Work::Clear(clearing) => self.clear(clearing),
            Work::Tidy => self.store.tidy(),
            Work::End => return false,
        }
        true
    }

    fn commit(&mut self, mut batches: VecDeque<Batch>, waiters: Vec<Waiter>, disk: Disk) {
        let mut outcome = self.write(batches.make_contiguous(), disk);
        if is_full(&outcome) && make_room(&mut self.store, &mut self.given_up) {
            outcome = self.write(batches.make_contiguous(), disk);
        }
        if outcome.is_err() {
            self.shared.put_back(batches);
        }
        for waiter in waiters {
            // Who no longer waits for the receipt has dropped it.
            let _ = waiter.send(outcome.clone());
        }
        match outcome {
            Ok(()) => {
                let lost = mem::take(&mut self.shared.queue().lost);
                if lost > 0 {
                    tracing::error!(lost, "lines of history were lost while the store failed");
                }
                if self.failing && self.store.failure().is_none() {
                    self.failing = false;
                    (self.on_health)(Ok(()));
                }
            }
            Err(error) => {
                if !mem::replace(&mut self.failing, true) {
                    (self.on_health)(Err(error.to_string()));
                }
            }
        }
    }

    fn write(&mut self, batches: &[Batch], disk: Disk) -> Result<(), StoreError> {
        if batches.is_empty() {
            return Ok(());
        }
        if let Some(stall) = self.options.stall {
            thread::sleep(stall);
        }
        let failed = |kind| {
            let path = self.store.dir().join(schema::DATABASE);
            StoreError::new(kind, "committing to", &path, "the simulated disk says so")
        };
        match disk {
            Disk::Real => self.store.commit(batches),
            Disk::Refuses(kind) => Err(failed(kind)),
            Disk::Denies(kind) => {
                let denied = failed(kind);
                self.store.commit(batches).and(Err(denied))
            }
        }
    }

    fn clear(&mut self, mut clearing: Clearing) {
        clearing.removed += mem::take(&mut self.given_up);
        match (self.store).retain_some(clearing.keep, clearing.max_size) {
            Ok(step) => {
                clearing.removed += step;
                if step.is_nothing() {
                    let _ = clearing.reply.send(Ok(clearing.removed));
                } else {
                    self.shared.queue().clearings.push_front(clearing);
                }
            }
            // To remove rows takes space too.
            Err(error)
                if error.kind == StoreFailure::Full
                    && make_room(&mut self.store, &mut clearing.removed) =>
            {
                self.shared.queue().clearings.push_front(clearing);
            }
            Err(error) => {
                let _ = clearing.reply.send(Err(error));
            }
        }
    }
}

fn is_full<T>(outcome: &Result<T, StoreError>) -> bool {
    (outcome.as_ref().err()).is_some_and(|error| error.kind == StoreFailure::Full)
}

/// Relieves a full disk. `false`: there is nothing that may go.
fn make_room(store: &mut Store, given_up: &mut Removed) -> bool {
    match store.make_room() {
        Ok(removed) => {
            *given_up += removed;
            tracing::warn!(?removed, "the disk is full: photos had to go");
            !removed.is_nothing()
        }
        Err(error) => {
            tracing::warn!(%error, "the disk is full, and no photos can go");
            false
        }
    }
}
