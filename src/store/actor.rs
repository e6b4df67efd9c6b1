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
use super::error::{StoreError, StoreFailure};
use super::retention::Removed;
use super::rows::Batch;

/// While commits fail, or one hangs, so many batches are kept whole in memory; at 100 triggers a
/// second that is 40 s of everything. Of older ones stays what they leave behind: the panel's
/// state, incidents, messages, photos, recordings and configuration, each as it last was. Their
/// lines of history are given up, and counted in the log.
const BATCHES_KEPT: usize = 4_096;
/// What could not be committed is tried again with the next batch, or after this.
const RETRY_AFTER: Duration = Duration::from_secs(5);

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
    shared: Arc<Shared>,
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
        let shared = Arc::new(Shared::default());
        thread::Builder::new().name("store".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                let ended = catch_unwind(AssertUnwindSafe(|| {
                    run(store, &shared, options, &on_health);
                }));
                shared.end();
                if ended.is_err() {
                    on_health(Err("the store's thread failed: restart asfaleia".to_owned()));
                }
            }
        })?;
        Ok(StoreActor {
            handle: StoreHandle { shared },
        })
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
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    batches: VecDeque<Batch>,
    waiters: Vec<Waiter>,
    clearings: VecDeque<Clearing>,
    /// Something was handed over since the thread last looked.
    fresh: bool,
    /// Lines of history that were given up since the last commit.
    lost: usize,
    closing: bool,
    ended: bool,
}

type Waiter = oneshot::Sender<Result<(), StoreError>>;

/// A retention that goes on step by step.
struct Clearing {
    keep: Duration,
    max_size: u64,
    removed: Removed,
    reply: oneshot::Sender<Result<Removed, StoreError>>,
}

/// What the thread does next.
enum Work {
    Commit(VecDeque<Batch>, Vec<Waiter>),
    Clear(Clearing),
    End,
}

impl Shared {
    /// Nothing that holds the lock can fail half way.
    fn queue(&self) -> MutexGuard<'_, Queue> {
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
    fn end(&self) {
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

    fn next_work(&self) -> Work {
        let mut retry_in = RETRY_AFTER;
        let asleep = Instant::now();
        let mut queue = self.queue();
        loop {
            if queue.fresh || (!queue.batches.is_empty() && retry_in.is_zero()) {
                queue.fresh = false;
                return Work::Commit(mem::take(&mut queue.batches), mem::take(&mut queue.waiters));
            }
            if let Some(clearing) = queue.clearings.pop_front() {
                return Work::Clear(clearing);
            }
            if queue.closing {
                return Work::End;
            }
            queue = if queue.batches.is_empty() {
                self.changed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner)
            } else {
                self.wait(queue, retry_in)
            };
            retry_in = RETRY_AFTER.saturating_sub(asleep.elapsed());
        }
    }

    fn wait<'a>(&'a self, queue: MutexGuard<'a, Queue>, left: Duration) -> MutexGuard<'a, Queue> {
        self.changed
            .wait_timeout(queue, left)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// Puts back what could not be committed, before what came since.
    fn put_back(&self, mut batches: VecDeque<Batch>) {
        let mut queue = self.queue();
        batches.append(&mut queue.batches);
        queue.batches = batches;
        queue.shorten();
    }
}

impl Queue {
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

fn run(mut store: Store, shared: &Shared, options: StoreOptions, on_health: &OnHealth) {
    let mut failing = false;
    // What a full disk cost; told with the next retention.
    let mut given_up = Removed::default();
    if let Some(why) = store.failure() {
        failing = true;
        on_health(Err(why.to_string()));
    }
    loop {
        match shared.next_work() {
            Work::Commit(mut batches, waiters) => {
                let batches_now = batches.make_contiguous();
                let mut outcome = commit(&mut store, batches_now, options);
                if is_full(&outcome) && make_room(&mut store, &mut given_up) {
                    outcome = commit(&mut store, batches_now, options);
                }
                if outcome.is_err() {
                    shared.put_back(batches);
                }
                for waiter in waiters {
                    // Who no longer waits for the receipt has dropped it.
                    let _ = waiter.send(outcome.clone());
                }
                match outcome {
                    Ok(()) => {
                        let lost = mem::take(&mut shared.queue().lost);
                        if lost > 0 {
                            tracing::error!(
                                lost,
                                "lines of history were lost while the store failed"
                            );
                        }
                        if failing && store.failure().is_none() {
                            failing = false;
                            on_health(Ok(()));
                        }
                        store.tidy();
                    }
                    Err(error) => {
                        if !mem::replace(&mut failing, true) {
                            on_health(Err(error.to_string()));
                        }
                    }
                }
            }
            Work::Clear(mut clearing) => {
                clearing.removed += mem::take(&mut given_up);
                match store.retain_some(clearing.keep, clearing.max_size) {
                    Ok(step) => {
                        clearing.removed += step;
                        if step.is_nothing() {
                            let _ = clearing.reply.send(Ok(clearing.removed));
                        } else {
                            shared.queue().clearings.push_front(clearing);
                        }
                    }
                    // To remove rows takes space too.
                    Err(error)
                        if error.kind == StoreFailure::Full
                            && make_room(&mut store, &mut clearing.removed) =>
                    {
                        shared.queue().clearings.push_front(clearing);
                    }
                    Err(error) => {
                        let _ = clearing.reply.send(Err(error));
                    }
                }
            }
            Work::End => return,
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

fn commit(store: &mut Store, batches: &[Batch], options: StoreOptions) -> Result<(), StoreError> {
    if batches.is_empty() {
        return Ok(());
    }
    if let Some(stall) = options.stall {
        thread::sleep(stall);
    }
    store.commit(batches)
}
