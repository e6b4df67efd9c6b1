//! Does what the [`Outbox`] decides: a task for each delivery, nothing waits for something slower.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Shared;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::address::SILENT;
use super::{
    Changes, Channels, Job, Message, Outbox, Outcome, Paths, Receipt, Recipient, Start, Store,
    Waiting, corrected,
};
use crate::alarm::{BootTime, Calls, IncidentId, PhotoId};
use crate::clock::{SharedClock, Stamp};
use crate::inbox::Inbox;
use crate::notify::{CallSid, Failure, Outgoing, PlaceFailure};

/// A store that is slower than this after the trigger is not waited for. A message leaves at most
/// 20 ms later because of it; the timer and the wake-up have the last millisecond.
const STORE_MAY_TAKE: Duration = Duration::from_millis(19);
/// The paths have their own, shorter limits; this one keeps a path that hangs nevertheless from
/// holding its message for ever.
const TRY_AT_MOST: Duration = Duration::from_secs(120);
/// Deliveries that are under way at an ordered stop may finish, so that they are not repeated.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// What the outbox is told.
pub enum Command {
    /// New rows, and when they are committed; `None`: they need not be, deliver.
    Accept {
        /// From [`AddressBook::rows`](super::AddressBook::rows).
        rows: Vec<Message>,
        /// Of the commit that has them.
        receipt: Option<Receipt>,
    },
    /// The incident's photo, or why there is none.
    Attach {
        /// The incident.
        incident: IncidentId,
        /// The photo.
        photo: Result<PhotoId, String>,
    },
    /// The camera was tried in a drill: the photo for its mails, or why there is none.
    Tried(Result<PhotoId, String>),
    /// Nobody else is called, and the call under way ends.
    StopCalls(Calls),
    /// The owner changed the configuration.
    Reconfigured(Channels),
}

/// What the outbox works with.
pub struct Parts<P, S> {
    /// The ways to people.
    pub paths: Arc<P>,
    /// Where rows, history and proofs go.
    pub store: Arc<S>,
    /// The panel: troubles, and that nobody answered.
    pub inbox: Inbox,
    /// What waits, for `status`.
    pub waiting: watch::Sender<Waiting>,
}

/// Runs until the commands' senders are gone; then lets what is under way finish for a moment.
pub async fn run<P: Paths, S: Store>(
    outbox: Outbox,
    mut commands: mpsc::UnboundedReceiver<Command>,
    parts: Parts<P, S>,
) {
    let mut driver = Driver {
        clock: parts.inbox.clock().clone(),
        outbox,
        parts,
        under_way: JoinSet::new(),
        receipts: HashMap::new(),
    };
    loop {
        driver.start_due();
        let deadline = driver.outbox.next_deadline();
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(command) => driver.obey(command),
                None => break,
            },
            Some(done) = driver.under_way.join_next() => driver.finished(done),
            () = until(deadline, &driver.clock) => {}
        }
    }
    let finish = async {
        while let Some(done) = driver.under_way.join_next().await {
            driver.finished(done);
        }
    };
    if timeout(STOP_WITHIN, finish).await.is_err() {
        warn!("stopping while messages are under way: they are repeated after the start");
    }
}

struct Driver<P, S> {
    clock: SharedClock,
    outbox: Outbox,
    parts: Parts<P, S>,
    under_way: JoinSet<(u64, Outcome)>,
    /// Commits that deliveries wait for, until their deadline.
    receipts: HashMap<u64, Committed>,
}

/// A commit that several deliveries wait for, and no longer than until then.
#[derive(Clone)]
struct Committed {
    receipt: Shared<Receipt>,
    at_latest: BootTime,
}

impl<P: Paths, S: Store> Driver<P, S> {
    fn obey(&mut self, command: Command) {
        match command {
            Command::Accept { rows, receipt } => self.accept(rows, receipt),
            Command::Attach { incident, photo } => {
                let now = self.now();
                let changes = self.outbox.attach(incident, &photo, &now);
                // The delivery first: the store may be busy with what came before.
                self.start_due();
                self.apply(changes);
            }
            Command::Tried(photo) => {
                let now = self.now();
                let changes = self.outbox.tried(&photo, &now);
                self.apply(changes);
            }
            Command::StopCalls(whose) => {
                let now = self.now();
                let changes = self.outbox.stop_calls(whose, &now);
                self.apply(changes);
            }
            Command::Reconfigured(channels) => {
                self.outbox.reconfigure(channels, self.clock.boot());
            }
        }
    }

    fn accept(&mut self, rows: Vec<Message>, receipt: Option<Receipt>) {
        let mails = (rows.iter())
            .filter(|row| matches!(row.to, Recipient::Email { .. }))
            .count();
        if rows.iter().any(|row| row.to == Recipient::Phone) {
            let paths = self.parts.paths.clone();
            tokio::spawn(async move { paths.prepare_phone().await });
        }
        if mails > 0 {
            let paths = self.parts.paths.clone();
            tokio::spawn(async move { paths.prepare_email(mails).await });
        }
        if let Some(receipt) = receipt {
            let receipt = receipt.shared();
            for row in &rows {
                let committed = Committed {
                    receipt: receipt.clone(),
                    at_latest: row.saved.boot + STORE_MAY_TAKE,
                };
                self.receipts.insert(row.id, committed);
            }
        }
        self.outbox.accept(rows);
    }

    fn start_due(&mut self) {
        let now = self.now();
        let (starts, changes) = self.outbox.take_due(&now);
        // "About to call" of calls that were not accepted just now.
        let recorded = self.apply(changes).map(|receipt| Committed {
            receipt: receipt.shared(),
            at_latest: now.boot + STORE_MAY_TAKE,
        });
        for start in starts {
            let committed = self.receipts.remove(&start.id);
            let committed = match &start.job {
                Job::Place(_) => committed.or_else(|| recorded.clone()),
                Job::Deliver => committed,
                Job::LookUp(..) | Job::Poll(_) => None,
            };
            let paths = self.parts.paths.clone();
            let clock = self.clock.clone();
            let site = self.outbox.site().to_owned();
            self.under_way.spawn(async move {
                let id = start.id;
                let attempt = attempt(&*paths, &clock, site, &start, committed);
                let attempt = timeout(TRY_AT_MOST, AssertUnwindSafe(attempt).catch_unwind());
                let outcome = match attempt.await {
                    Ok(Ok(outcome)) => outcome,
                    Ok(Err(_)) => broken(&start.job, "the program failed while delivering it"),
                    Err(_) => broken(&start.job, "nothing came back in two minutes"),
                };
                (id, outcome)
            });
        }
    }

    fn finished(&mut self, done: Result<(u64, Outcome), tokio::task::JoinError>) {
        // A task of ours catches its panics, and nobody cancels it.
        let Ok((id, outcome)) = done else { return };
        if id & SILENT == 0 {
            debug!(message = id, ?outcome, "tried");
        }
        let now = self.now();
        let changes = self.outbox.finished(id, outcome, &now);
        self.apply(changes);
    }

    /// Commits, reports, hangs up. The receipt of the commit, if there was something to commit.
    fn apply(&mut self, changes: Changes) -> Option<Receipt> {
        for call in changes.hang_up {
            self.hang_up(call);
        }
        for event in changes.events {
            self.parts.inbox.send(event);
        }
        let waiting = self.outbox.waiting();
        self.parts.waiting.send_if_modified(|shown| {
            let modified = *shown != waiting;
            *shown = waiting;
            modified
        });
        (!changes.update.is_empty()).then(|| self.parts.store.commit(changes.update))
    }

    fn hang_up(&self, call: CallSid) {
        let paths = self.parts.paths.clone();
        tokio::spawn(async move {
            if let Err(Failure::Temporary { why, .. } | Failure::Permanent { why }) =
                paths.cancel(&call).await
            {
                warn!(why, "a call that is not needed any more goes on ringing");
            }
        });
    }

    fn now(&self) -> Stamp {
        Stamp::now(&*self.clock)
    }
}

async fn attempt<P: Paths>(
    paths: &P,
    clock: &SharedClock,
    site: String,
    start: &Start,
    committed: Option<Committed>,
) -> Outcome {
    let message = &*start.message;
    match &start.job {
        Job::Deliver => {
            let outgoing = outgoing(paths, clock, site, message).await;
            wait_for(committed, clock).await;
            Outcome::Delivered(match &message.to {
                Recipient::Email { contact } => paths.email(contact, &outgoing).await,
                Recipient::Webhook { name } => paths.webhook(name, &outgoing).await,
                Recipient::Phone => unreachable!("a phone row has a ladder, which places calls"),
            })
        }
        Job::Place(rung) => {
            let outgoing = outgoing(paths, clock, site, message).await;
            wait_for(committed, clock).await;
            Outcome::Placed(paths.place(&rung.number, &outgoing).await)
        }
        Job::LookUp(rung, since) => Outcome::LookedUp(paths.find(&rung.number, *since).await),
        Job::Poll(call) => Outcome::Polled(paths.status(call).await),
    }
}

async fn outgoing<P: Paths>(
    paths: &P,
    clock: &SharedClock,
    site: String,
    message: &Message,
) -> Outgoing {
    let now = Stamp::now(&**clock);
    let (happened, clock_set) = corrected(&message.happened, &now);
    let mut photos = Vec::with_capacity(message.photos.len());
    for id in &message.photos {
        photos.extend(paths.photo(*id).await);
    }
    let mut photo_missing = message.photo_missing.clone();
    if photos.is_empty() && !message.photos.is_empty() {
        photo_missing = Some("the photo was taken, but can no longer be read".into());
    }
    Outgoing {
        notice: message.notice.clone(),
        site,
        happened,
        now: now.wall,
        clock_set,
        photos,
        photo_missing,
        message_id: message.message_id.clone(),
        in_reply_to: message.in_reply_to.clone(),
        first_call: message.first_call_at(&now),
    }
}

/// Until the commit is decided, or the store has had its time.
async fn wait_for(committed: Option<Committed>, clock: &SharedClock) {
    if let Some(Committed { receipt, at_latest }) = committed {
        let left = clock.boot().until(at_latest);
        let _ = timeout(left, receipt).await;
    }
}

/// What a try that came to no end counts as.
fn broken(job: &Job, why: &str) -> Outcome {
    let why = why.to_owned();
    let failure = Failure::Temporary {
        why: why.clone(),
        after: None,
    };
    match job {
        Job::Deliver => Outcome::Delivered(Err(failure)),
        Job::Place(_) => Outcome::Placed(Err(PlaceFailure::Uncertain { why })),
        Job::LookUp(..) => Outcome::LookedUp(Err(failure)),
        Job::Poll(_) => Outcome::Polled(Err(failure)),
    }
}

/// A message that waits is looked at so often: the clock of a simulation may run faster by then.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

async fn until(deadline: Option<BootTime>, clock: &SharedClock) {
    match deadline {
        Some(deadline) => {
            let wait = clock.lasts(clock.boot().until(deadline));
            sleep(wait.min(LOOK_AGAIN)).await;
        }
        None => std::future::pending().await,
    }
}
