//! The rows that wait, and what is tried when. Pure: time, outcomes and chance are handed in.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::{Channels, Message, Recipient, Update};
use crate::alarm::{BootTime, Event, IncidentId, PhotoId, Record, Rung, TroubleCode};
use crate::clock::{Stamp, WallTime};
use crate::notify::{CallSid, CallStatus, Delivered, Failure, PlaceFailure};

/// Deliveries under way at once. Calls, and the first try of what is urgent, are not held up.
const AT_ONCE: usize = 16;

/// Messages until they are delivered or given up.
#[derive(Debug)]
pub struct Outbox {
    pub(super) channels: Channels,
    pub(super) rows: BTreeMap<u64, Entry>,
    /// Which troubles the panel was told of: began (`true`) or over.
    pub(super) told: BTreeMap<(TroubleCode, String), bool>,
    /// The latest calls, the newest last: a look-up lists those of rows that are done with, too.
    pub(super) recent_calls: VecDeque<CallSid>,
    pub(super) rng: fastrand::Rng,
}

/// One row, and what is going on with it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) message: Arc<Message>,
    /// A try is under way.
    pub(super) busy: bool,
    /// Never tried: its row says "about to call", but this process knows that it has not.
    pub(super) fresh: bool,
    /// The panel was told that nobody answered; the row waits until what it says of it is on its
    /// way into the store.
    pub(super) announced: bool,
}

/// Something to try now; report with [`Outbox::finished`].
#[derive(Debug, Clone)]
pub struct Start {
    /// The message's number.
    pub id: u64,
    /// The message.
    pub message: Arc<Message>,
    /// What to do with it.
    pub job: Job,
}

/// What to do with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// Mail or webhook: deliver it.
    Deliver,
    /// Call this contact, once the row is committed (or the store was too slow).
    Place(Rung),
    /// Find out whether this contact has been called since then.
    LookUp(Rung, WallTime),
    /// Ask where this call stands.
    Poll(CallSid),
}

/// What became of a [`Job`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Of [`Job::Deliver`].
    Delivered(Result<Delivered, Failure>),
    /// Of [`Job::Place`].
    Placed(Result<CallSid, PlaceFailure>),
    /// Of [`Job::LookUp`].
    LookedUp(Result<Vec<CallSid>, Failure>),
    /// Of [`Job::Poll`].
    Polled(Result<CallStatus, Failure>),
}

/// What has to be done about what changed.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Changes {
    /// To be committed.
    pub update: Update,
    /// For the panel.
    pub events: Vec<Event>,
    /// Calls to end.
    pub hang_up: Vec<CallSid>,
    /// What happens now is about a silent message: it leaves no trace but its row.
    pub(super) silent: bool,
}

/// What still waits, for `status`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// How many messages.
    pub count: u32,
    /// When the oldest of them happened.
    pub oldest: Option<Stamp>,
}

impl Outbox {
    /// An empty one. `rng` spreads the retries of many.
    pub fn new(channels: Channels, rng: fastrand::Rng) -> Self {
        Outbox {
            channels,
            rows: BTreeMap::new(),
            told: BTreeMap::new(),
            recent_calls: VecDeque::new(),
            rng,
        }
    }

    /// The house's name, for people.
    pub fn site(&self) -> &str {
        &self.channels.site
    }

    /// Takes up what waited when the last process ended: exactly in the same boot, with what was
    /// left of every deadline in another one.
    pub fn restore(&mut self, messages: impl IntoIterator<Item = Message>, now: &Stamp) {
        for mut message in messages {
            if message.saved.boot_id != now.boot_id {
                message.rebase(now);
                let latest = now.boot + self.back_off(message.attempts.max(1), None);
                message.next_at = message.next_at.min(latest);
            }
            self.insert(message, false);
        }
    }

    /// Takes new rows from the address book.
    pub fn accept(&mut self, messages: impl IntoIterator<Item = Message>) {
        for message in messages {
            self.insert(message, true);
        }
    }

    /// The incident's photo, or why there is none: goes to the mails that wait for the first one,
    /// and to those that had to do without and have not left yet.
    pub fn attach(
        &mut self,
        incident: IncidentId,
        photo: &Result<PhotoId, String>,
        now: &Stamp,
    ) -> Changes {
        self.attach_to(Some(incident), photo, now)
    }

    /// The camera was tried in a drill: the photo goes to the drill's mails.
    pub fn tried(&mut self, photo: &Result<PhotoId, String>, now: &Stamp) -> Changes {
        self.attach_to(None, photo, now)
    }

    fn attach_to(
        &mut self,
        incident: Option<IncidentId>,
        photo: &Result<PhotoId, String>,
        now: &Stamp,
    ) -> Changes {
        let mut changes = Changes::default();
        for entry in self.rows.values_mut() {
            let message = &entry.message;
            let wants = message.wait_for_photo.is_some() || message.photo_missing.is_some();
            if message.incident != incident || !wants || !message.photos.is_empty() {
                continue;
            }
            let message = Arc::make_mut(&mut entry.message);
            message.wait_for_photo = None;
            match photo {
                Ok(photo) => {
                    message.photos.push(*photo);
                    message.photo_missing = None;
                }
                Err(why) => message.photo_missing = Some(why.clone()),
            }
            changes.save(message, now);
        }
        changes
    }

    /// The owner changed the configuration: everything that waits is looked at again, now.
    pub fn reconfigure(&mut self, channels: Channels, now: BootTime) {
        self.channels = channels;
        // The ways are new: what was said of the old ones is said again, or over with the next message.
        self.told.clear();
        for entry in self.rows.values_mut() {
            Arc::make_mut(&mut entry.message).next_at = now;
        }
    }

    /// What is to be tried now, the urgent first.
    pub fn take_due(&mut self, now: &Stamp) -> (Vec<Start>, Changes) {
        let mut changes = Changes::default();
        let mut room = self.room();
        let mut due: Vec<(bool, u64)> = (self.rows.iter())
            .filter(|(_, entry)| !entry.busy && entry.due_at() <= now.boot)
            .map(|(id, entry)| (!entry.message.is_urgent(), *id))
            .collect();
        due.sort_unstable();
        let mut starts = Vec::with_capacity(due.len());
        for (_, id) in due {
            let Some(entry) = self.rows.get_mut(&id) else {
                continue;
            };
            changes.silent = entry.message.is_silent();
            if !self.channels.reach(&entry.message.to) {
                self.orphaned(id, now, &mut changes);
            } else if entry.message.to == Recipient::Phone {
                starts.extend(self.next_of_ladder(id, now, &mut changes));
            } else if room > 0 || entry.goes_anyway() {
                room = room.saturating_sub(1);
                entry.busy = true;
                entry.fresh = false;
                if entry.message.wait_for_photo.is_some() {
                    let message = Arc::make_mut(&mut entry.message);
                    message.photo_missing = Some(no_photo_in_time(message));
                    message.wait_for_photo = None;
                }
                starts.push(Start {
                    id,
                    message: entry.message.clone(),
                    job: Job::Deliver,
                });
            }
        }
        (starts, changes)
    }

    /// When to ask again with [`Outbox::take_due`], if nothing happens before.
    pub fn next_deadline(&self) -> Option<BootTime> {
        let room = self.room() > 0;
        (self.rows.values())
            .filter(|entry| !entry.busy && (room || entry.goes_anyway()))
            .map(Entry::due_at)
            .min()
    }

    /// What became of a [`Start`].
    pub fn finished(&mut self, id: u64, outcome: Outcome, now: &Stamp) -> Changes {
        let mut changes = Changes::default();
        let Some(entry) = self.rows.get_mut(&id) else {
            return changes;
        };
        entry.busy = false;
        changes.silent = entry.message.is_silent();
        match outcome {
            Outcome::Delivered(Ok(delivered)) => {
                let to = entry.message.to.clone();
                self.path_works(&to, now.boot, &mut changes);
                self.settle(id, "delivered", delivered.reply, now, &mut changes);
            }
            Outcome::Delivered(Err(Failure::Temporary { why, after })) => {
                self.retry(id, why, after, now, &mut changes);
            }
            Outcome::Delivered(Err(Failure::Permanent { why })) => {
                self.refused(id, why, now, &mut changes);
            }
            Outcome::Placed(result) => self.placed(id, result, now, &mut changes),
            Outcome::LookedUp(result) => self.looked_up(id, result, now, &mut changes),
            Outcome::Polled(result) => self.polled(id, result, now, &mut changes),
        }
        changes
    }

    /// What still waits.
    pub fn waiting(&self) -> Waiting {
        let mut waiting = Waiting::default();
        for Entry { message, .. } in self.rows.values() {
            let ladder = message.ladder.as_ref();
            if message.is_silent() || ladder.is_some_and(|it| it.ended().is_some()) {
                continue;
            }
            waiting.count += 1;
            if waiting.oldest.is_none() {
                waiting.oldest = Some(message.happened.clone());
            }
        }
        waiting
    }

    fn insert(&mut self, message: Message, fresh: bool) {
        let entry = Entry {
            message: Arc::new(message),
            busy: false,
            fresh,
            announced: false,
        };
        self.rows.insert(entry.message.id, entry);
    }

    /// How many more deliveries may start.
    fn room(&self) -> usize {
        let busy = (self.rows.values())
            .filter(|entry| entry.busy && entry.message.to != Recipient::Phone)
            .count();
        AT_ONCE.saturating_sub(busy)
    }

    /// Nothing more is done with this row.
    pub(super) fn settle(
        &mut self,
        id: u64,
        outcome: &str,
        detail: String,
        now: &Stamp,
        changes: &mut Changes,
    ) {
        let Some(mut entry) = self.rows.remove(&id) else {
            return;
        };
        let message = Arc::make_mut(&mut entry.message);
        message.saved = now.clone();
        changes.update.messages.push(message.row(false));
        changes.record(message, message.to.name(), outcome, detail);
    }

    pub(super) fn message(&mut self, id: u64) -> Option<&mut Message> {
        let entry = self.rows.get_mut(&id)?;
        Some(Arc::make_mut(&mut entry.message))
    }
}

impl Entry {
    fn due_at(&self) -> BootTime {
        let next_at = self.message.next_at;
        (self.message.wait_for_photo).map_or(next_at, |until| until.max(next_at))
    }

    /// Starts however many others are under way.
    fn goes_anyway(&self) -> bool {
        self.message.to == Recipient::Phone || (self.fresh && self.message.is_urgent())
    }
}

impl Changes {
    pub(super) fn save(&mut self, message: &mut Message, now: &Stamp) {
        message.saved = now.clone();
        // In another boot nobody could tell any more.
        let (happened, sure) = message.happened_at(now);
        if sure {
            message.happened.wall = happened;
        }
        self.update.messages.push(message.row(true));
    }

    pub(super) fn record(&mut self, message: &Message, to: &str, outcome: &str, detail: String) {
        if message.is_silent() {
            return;
        }
        let record = Record::Message {
            channel: message.to.channel().to_owned(),
            to: to.to_owned(),
            outcome: outcome.to_owned(),
            detail: detail.clone(),
        };
        self.update.records.push((message.incident, record));
        if message.is_drill() {
            self.prove(message, to, outcome, &detail);
        }
    }
}

fn no_photo_in_time(message: &Message) -> String {
    let notice = &message.notice;
    let waited = notice
        .wait_for_photo
        .map_or(Duration::ZERO, |until| until.since(notice.happened));
    format!("the camera gave no photo within {} s", waited.as_secs())
}
