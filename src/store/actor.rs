//! The store on a thread of its own: whoever hands something over never waits for the disk.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::oneshot;

use super::Store;
use super::error::StoreError;
use super::retention::Removed;
use super::rows::Batch;
use super::worker::StoreWorker;

/// While commits fail, or one hangs, so many batches are kept whole in memory; at 100 triggers a
/// second that is 40 s of everything. Of older ones stays what they leave behind: the panel's
/// state, incidents, messages, photos, recordings and configuration, each as it last was. Their
/// lines of history are given up, and counted in the log.
const BATCHES_KEPT: usize = 4_096;
/// What could not be committed is tried again with the next batch, or after this.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Tidying takes syncs of its own, behind which an alarm would wait: it waits until nothing has come
/// for so long, ...
const QUIET_BEFORE_TIDY: Duration = Duration::from_millis(50);
/// ... or until so long after there was reason to.
const UNTIDY_AT_MOST: Duration = Duration::from_secs(1);

/// Told when the store begins to fail (why, in a sentence), and when all is written again.
pub type OnHealth = Box<dyn Fn(Result<(), String>) + Send>;

/// How the store's thread behaves.
#[derive(Debug, Default, Clone, Copy)]
pub struct StoreOptions {
    /// Every commit first takes this long, as on a slow card. For tests and benches only.
    pub stall: Option<Duration>,
}

/// Owns the store's thread. Dropped, it lets the thread commit what was handed over, and end.
pub struct StoreActor {
    handle: StoreHandle,
}

/// Hands things to the store's thread. Cheap to clone.
#[derive(Clone)]
pub struct StoreHandle {
    pub(super) shared: Arc<Shared>,
}

/// What becomes of a batch, for whoever wants to know.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Result<(), StoreError>>);

/// A batch is not on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotCommitted {
    /// The commit failed. The batch is kept in memory and tried again.
    #[error(transparent)]
    Failed(#[from] StoreError),
    /// The store's thread has ended; the program is stopping.
    #[error("committing to the store: it has been closed already")]
    Closed,
}

impl StoreActor {
    /// Gives the store a thread.
    pub fn start(
        store: Store,
        options: StoreOptions,
        on_health: OnHealth,
    ) -> io::Result<StoreActor> {
        let mut worker = StoreWorker::new(store, options, on_health);
        let handle = worker.handle();
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                let ended = catch_unwind(AssertUnwindSafe(|| worker.run()));
                worker.end(ended.is_ok());
            })?;
        Ok(StoreActor { handle })
    }

    /// How others reach it.
    pub fn handle(&self) -> StoreHandle {
        self.handle.clone()
    }

    /// Commits what was handed over so far, closes the database, and ends the thread. A disk that
    /// hangs is waited for only so long. Blocks.
    pub fn stop(self, at_most: Duration) -> Result<(), NotCommitted> {
        let deadline = Instant::now() + at_most;
        let last = self.handle.flush();
        self.handle.shared.close();
        let outcome = last.wait(at_most).unwrap_or(Err(NotCommitted::Closed));
        self.handle.shared.wait_until_ended(deadline);
        outcome
    }
}

impl Drop for StoreActor {
    fn drop(&mut self) {
        self.handle.shared.close();
    }
}

impl StoreHandle {
    /// Hands over a batch. Never waits for the disk. While commits fail or hang, the newest 4,096
    /// batches are kept whole; of older ones, all but their lines of history.
    pub fn commit(&self, batch: Batch) -> Receipt {
        self.shared.hand_over(Some(batch))
    }

    /// A receipt for everything handed over so far.
    pub fn flush(&self) -> Receipt {
        self.shared.hand_over(None)
    }

    /// Batches that are handed over and not committed yet, as far as they wait in the queue.
    pub fn waiting(&self) -> usize {
        self.shared.queue().batches.len()
    }

    /// [`Store::retain`], in steps between which commits are served.
    pub async fn retain(&self, keep: Duration, max_size: u64) -> Result<Removed, NotCommitted> {
        let (reply, outcome) = oneshot::channel();
        let clearing = Clearing {
            keep,
            max_size,
            removed: Removed::default(),
            reply,
        };
        {
            let mut queue = self.shared.queue();
            if !queue.ended {
                queue.clearings.push_back(clearing);
            }
        }
        self.shared.changed.notify_all();
        Ok(outcome.await.map_err(|_| NotCommitted::Closed)??)
    }
}

impl Receipt {
    /// Waits until the batch is on the disk, or it is clear that it is not.
    pub async fn committed(self) -> Result<(), NotCommitted> {
        Ok(self.0.await.map_err(|_| NotCommitted::Closed)??)
    }

    /// The same on a thread, which it blocks. `None`: it is still on its way.
    pub fn wait(mut self, at_most: Duration) -> Option<Result<(), NotCommitted>> {
        let deadline = Instant::now() + at_most;
        let waker = Arc::new(Unpark(thread::current())).into();
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(outcome) = Pin::new(&mut self.0).poll(&mut context) {
                return Some(match outcome {
                    Ok(outcome) => outcome.map_err(NotCommitted::Failed),
                    Err(_) => Err(NotCommitted::Closed),
                });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            thread::park_timeout(left);
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Between the handles and the thread. The lock is held to move things in memory, never longer.
#[derive(Default)]
pub(super) struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
pub(super) struct Queue {
    batches: VecDeque<Batch>,
    waiters: Vec<Waiter>,
    pub(super) clearings: VecDeque<Clearing>,
    /// Something was handed over since the thread last looked.
    fresh: bool,
    /// Lines of history that were given up since the last commit.
    pub(super) lost: usize,
    closing: bool,
    ended: bool,
}

pub(super) type Waiter = oneshot::Sender<Result<(), StoreError>>;

/// A retention that goes on step by step.
pub(super) struct Clearing {
    pub(super) keep: Duration,
    pub(super) max_size: u64,
    pub(super) removed: Removed,
    pub(super) reply: oneshot::Sender<Result<Removed, StoreError>>,
}

/// What the thread does next.
pub(super) enum Work {
    Commit(VecDeque<Batch>, Vec<Waiter>),
    Clear(Clearing),
    /// [`Store::tidy`].
    Tidy,
    End,
}

impl Shared {
    /// Nothing that holds the lock can fail half way.
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_over(&self, batch: Option<Batch>) -> Receipt {
        let (waiter, receipt) = oneshot::channel();
        {
            let mut queue = self.queue();
            if !queue.ended {
                queue.batches.extend(batch);
                queue.shorten();
                queue.waiters.push(waiter);
                queue.fresh = true;
            }
        }
        self.changed.notify_all();
        Receipt(receipt)
    }

    fn close(&self) {
        self.queue().closing = true;
        self.changed.notify_all();
    }

    /// Drops whatever still waits: its receipts say so.
    pub(super) fn end(&self) {
        *self.queue() = Queue {
            ended: true,
            ..Queue::default()
        };
        self.changed.notify_all();
    }

    fn wait_until_ended(&self, deadline: Instant) {
        let mut queue = self.queue();
        while !queue.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            queue = self.wait(queue, left);
        }
    }

    /// Waits for it. `untidy`: since when there is something to tidy.
    pub(super) fn next_work(&self, untidy: Option<Instant>) -> Work {
        let asleep = Instant::now();
        let retry_at = asleep + RETRY_AFTER;
        let tidy_at = untidy.map(|since| (asleep + QUIET_BEFORE_TIDY).min(since + UNTIDY_AT_MOST));
        let mut queue = self.queue();
        loop {
            let now = Instant::now();
            if tidy_at.is_some_and(|at| at <= now) {
                return Work::Tidy;
            }
            if let Some(work) = queue.work(retry_at <= now) {
                return work;
            }
            if queue.closing {
                return tidy_at.map_or(Work::End, |_| Work::Tidy);
            }
            let retry_at = (!queue.batches.is_empty()).then_some(retry_at);
            queue = match retry_at.into_iter().chain(tidy_at).min() {
                Some(at) => self.wait(queue, at.saturating_duration_since(now)),
                None => (self.changed.wait(queue)).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn wait<'a>(&'a self, queue: MutexGuard<'a, Queue>, left: Duration) -> MutexGuard<'a, Queue> {
        self.changed
            .wait_timeout(queue, left)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// Puts back what could not be committed, before what came since.
    pub(super) fn put_back(&self, mut batches: VecDeque<Batch>) {
        let mut queue = self.queue();
        batches.append(&mut queue.batches);
        queue.batches = batches;
        queue.shorten();
    }
}

impl Queue {
    /// What is there to do, if anything; `again`: what failed before is tried once more.
    pub(super) fn work(&mut self, again: bool) -> Option<Work> {
        if self.fresh || (again && !self.batches.is_empty()) {
            self.fresh = false;
            let (batches, waiters) = (mem::take(&mut self.batches), mem::take(&mut self.waiters));
            return Some(Work::Commit(batches, waiters));
        }
        self.clearings.pop_front().map(Work::Clear)
    }

    /// Keeps memory bounded however long the disk hangs.
    fn shorten(&mut self) {
        if self.waiters.len() > BATCHES_KEPT {
            self.waiters.retain(|waiter| !waiter.is_closed());
        }
        while self.batches.len() > BATCHES_KEPT {
            let oldest = self.batches.pop_front();
            let (Some(mut oldest), Some(next)) = (oldest, self.batches.front_mut()) else {
                return;
            };
            let next_at = next.at.clone();
            self.lost += oldest.absorb(mem::replace(next, Batch::new(next_at)));
            *next = oldest;
        }
    }
}
