//! What happened, written down: numbers in the order of writing, and the live stream behind it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, timeout_at};

use super::away::step_ms;
use crate::alarm::{BootTime, IncidentId, PhotoId, Proof, Record};
use crate::clock::{SharedClock, Stamp};
use crate::outbox::{self, Update};
use crate::panel::message_row;
use crate::store::{
    Batch, EventId, EventRow, LoginChange, PeopleChange, PhotoRow, StoreHandle, StoredEvent,
};
use crate::web::Line;

/// The stream shows an event when it can be read back; a disk that hangs is waited for only so
/// long.
const SHOWN_AFTER: Duration = Duration::from_secs(2);
/// Listeners that are slower than so many events catch up from the store.
const LIVE_EVENTS: usize = 1_024;

/// Resolves when a batch is on the disk (`true`), or it is clear that it is not yet.
pub type Committed = Shared<BoxFuture<'static, bool>>;

/// The one way into the store. Lines of history get their numbers here, under one lock with the
/// queue into the store, so that whoever reads "after number N" misses none. Nothing slow ever
/// happens under that lock.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Mutex<Inner>>,
    clock: SharedClock,
    live: broadcast::Sender<Line>,
}

struct Inner {
    store: StoreHandle,
    next: EventId,
    written: mpsc::UnboundedSender<Written>,
    proven: tokio::sync::watch::Sender<Proven>,
}

/// Events, when they are committed, and until when that is waited for.
type Written = (Vec<Line>, Committed, Instant);

/// When each path last delivered something.
pub type Proven = std::collections::BTreeMap<String, crate::clock::WallTime>;

impl Journal {
    /// Also returns the task that feeds the live stream.
    pub fn new(
        store: StoreHandle,
        next: EventId,
        clock: SharedClock,
        proven: tokio::sync::watch::Sender<Proven>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (written, queue) = mpsc::unbounded_channel();
        let live = broadcast::Sender::new(LIVE_EVENTS);
        let feed = feed(queue, live.clone());
        let inner = Inner {
            store,
            next,
            written,
            proven,
        };
        let journal = Journal {
            inner: Arc::new(Mutex::new(inner)),
            clock,
            live,
        };
        (journal, feed)
    }

    /// History as it grows.
    pub(super) fn live(&self) -> broadcast::Sender<Line> {
        self.live.clone()
    }

    /// Commits the batch with these lines of history, whether or not somebody waits for it. Never
    /// waits itself.
    pub fn write(&self, mut batch: Batch, records: Vec<(Option<IncidentId>, Record)>) -> Committed {
        // Numbers are never half given out: what a panicking thread left is right.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let at = batch.at.clone();
        if !batch.photos.is_empty() {
            batch.proven.push("camera".to_owned());
        }
        let is_drill = |what: &Record| matches!(what, Record::Drill { .. });
        if records.iter().any(|(_, what)| is_drill(what)) {
            batch.proven.push("drill".to_owned());
        }
        let mut shown = Vec::with_capacity(records.len());
        for (incident, what) in records {
            let row = EventRow {
                id: inner.next,
                incident,
                what,
            };
            inner.next = EventId(inner.next.0 + 1);
            shown.push(Line::of(&StoredEvent::of(&row, &at).to_json()));
            batch.events.push(row);
        }
        if !batch.proven.is_empty() {
            inner.proven.send_modify(|proven| {
                for path in &batch.proven {
                    proven.insert(path.clone(), at.wall);
                }
            });
        }
        let receipt = inner.store.commit(batch);
        let committed = async move { receipt.committed().await.is_ok() };
        let committed = committed.boxed().shared();
        if !shown.is_empty() {
            // The feed ends with the program; then nobody listens either.
            let at_latest = Instant::now() + SHOWN_AFTER;
            let _ = inner.written.send((shown, committed.clone(), at_latest));
        }
        committed
    }

    /// Writes down a photo that belongs to no incident.
    pub(super) fn photo(&self, row: Option<PhotoRow>, photo: PhotoId) {
        let mut batch = Batch::new(Stamp::now(&*self.clock));
        batch.photos.extend(row);
        drop(self.write(batch, vec![(None, Record::Photo { photo })]));
    }

    /// Writes down what a drill's test on this path came to.
    pub(super) fn proof(&self, path: &str, outcome: Result<String, String>) {
        let mut batch = Batch::new(Stamp::now(&*self.clock));
        let (outcome, detail) = match outcome {
            Ok(detail) => (Proof::Delivered, detail),
            Err(why) => (Proof::Failed, why),
        };
        if outcome == Proof::Delivered {
            batch.proven.push(path.to_owned());
        }
        let path = path.to_owned();
        let record = Record::Proof {
            path,
            outcome,
            detail,
        };
        drop(self.write(batch, vec![(None, record)]));
    }

    /// Notes that we are alive.
    pub fn sign_of_life(&self) -> Committed {
        let mut batch = Batch::new(Stamp::now(&*self.clock));
        batch.sign_of_life = true;
        self.write(batch, Vec::new())
    }

    /// What was written down in this boot until `from` gets its right time: in memory here, on the
    /// disk with the next commit, which is made now.
    pub(super) fn clock_was_set(&self, from: &Stamp, to: &Stamp) -> Committed {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let this_boot = from.wall_of(BootTime::ZERO)..=from.wall;
        inner.proven.send_modify(|proven| {
            for at in proven.values_mut().filter(|at| this_boot.contains(at)) {
                at.0 += step_ms(from, to);
            }
        });
        drop(inner);
        self.sign_of_life()
    }

    /// Keeps the text of a configuration that passed.
    pub(super) fn passed(&self, text: String) {
        let mut batch = Batch::new(Stamp::now(&*self.clock));
        batch.config = Some(text);
        drop(self.write(batch, Vec::new()));
    }

    /// Writes down who is known from now on, with a line of history that says so.
    pub(super) fn people(&self, changes: Vec<PeopleChange>, says: Record) -> Committed {
        let mut batch = Batch::new(Stamp::now(&*self.clock));
        batch.people = changes;
        self.write(batch, vec![(None, says)])
    }

    /// Writes down who may log in from now on, and what history says of it.
    pub(super) fn logins(&self, changes: Vec<LoginChange>, says: Option<Record>) -> Committed {
        let mut batch = Batch::new(Stamp::now(&*self.clock));
        batch.logins = changes;
        self.write(batch, says.map(|says| (None, says)).into_iter().collect())
    }

    /// Writes one line of history.
    pub(super) fn record(&self, what: Record) {
        let batch = Batch::new(Stamp::now(&*self.clock));
        drop(self.write(batch, vec![(None, what)]));
    }
}

async fn feed(mut queue: mpsc::UnboundedReceiver<Written>, live: broadcast::Sender<Line>) {
    while let Some((events, committed, at_latest)) = queue.recv().await {
        let _ = timeout_at(at_latest, committed).await;
        for event in events {
            let _ = live.send(event); // nobody listens
        }
    }
}

impl outbox::Store for Journal {
    fn commit(&self, update: Update) -> outbox::Receipt {
        let mut batch = Batch::new(Stamp::now(&*self.clock));
        batch.messages = update.messages.into_iter().map(message_row).collect();
        batch.proven = update.proven;
        Box::pin(self.write(batch, update.records))
    }
}
