//! What is handed to the store: the rows of one step.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::logins::LoginChange;
use super::people::PeopleChange;
use crate::alarm::{Actor, Incident, IncidentId, PhotoId, Record};
use crate::clock::{Stamp, WallTime};

/// The number of an event; only grows, over restarts and over a lost store too.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct EventId(pub u64);

/// Everything of one step: committed together or not at all. Every row replaces the one with its
/// number, so that a batch may be written twice: a commit that failed may still have reached the
/// disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// When the step was taken.
    pub at: Stamp,
    /// JSON of what must survive of the panel.
    pub state: Option<String>,
    /// Incidents as they are now.
    pub incidents: Vec<Incident>,
    /// Who acknowledged all incidents before this one, as far as they are over and nobody has.
    pub acknowledged: Option<(Actor, IncidentId)>,
    /// Lines of history; they happened at `at`.
    pub events: Vec<EventRow>,
    /// Messages as they are now.
    pub messages: Vec<MessageRow>,
    /// Photos whose files are written.
    pub photos: Vec<PhotoRow>,
    /// JSON of what the sensors did, for each incident.
    pub recordings: Vec<(IncidentId, String)>,
    /// Names of paths that were proven just now.
    pub proven: Vec<String>,
    /// The text of a configuration that passed.
    pub config: Option<String>,
    /// Changes of who is known, in their order.
    pub people: Vec<PeopleChange>,
    /// Changes of who may log in, in their order.
    pub logins: Vec<LoginChange>,
    /// Who was forced to show a finger or PIN at `at`.
    pub duress: Vec<Actor>,
    /// Note that the service was alive at `at`.
    pub sign_of_life: bool,
}

impl Batch {
    /// Nothing yet.
    pub fn new(at: Stamp) -> Self {
        Batch {
            at,
            state: None,
            incidents: Vec::new(),
            acknowledged: None,
            events: Vec::new(),
            messages: Vec::new(),
            photos: Vec::new(),
            recordings: Vec::new(),
            proven: Vec::new(),
            config: None,
            people: Vec::new(),
            logins: Vec::new(),
            duress: Vec::new(),
            sign_of_life: false,
        }
    }

    /// There is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.state.is_none()
            && self.incidents.is_empty()
            && self.acknowledged.is_none()
            && self.events.is_empty()
            && self.messages.is_empty()
            && self.photos.is_empty()
            && self.recordings.is_empty()
            && self.proven.is_empty()
            && self.config.is_none()
            && self.people.is_empty()
            && self.logins.is_empty()
            && self.duress.is_empty()
            && !self.sign_of_life
    }

    /// What this batch and a later one leave behind, as one. Lines of history are given up (a
    /// batch has one time for all of them); returns how many.
    pub(super) fn absorb(&mut self, later: Batch) -> usize {
        let lost = self.events.len() + later.events.len();
        self.events.clear();
        if self.duress.is_empty() || !later.duress.is_empty() {
            self.at = later.at;
        }
        self.state = later.state.or_else(|| self.state.take());
        self.acknowledged = later.acknowledged.or_else(|| self.acknowledged.take());
        self.config = later.config.or_else(|| self.config.take());
        self.sign_of_life |= later.sign_of_life;
        self.people.extend(later.people);
        self.logins.extend(later.logins);
        self.duress.extend(later.duress);
        replace(&mut self.incidents, later.incidents, |row| row.id);
        replace(&mut self.messages, later.messages, |row| row.id);
        replace(&mut self.photos, later.photos, |row| row.id);
        replace(&mut self.recordings, later.recordings, |row| row.0);
        replace(&mut self.proven, later.proven, String::clone);
        lost
    }

    /// The highest number that any row of the batch carries.
    pub(super) fn highest_id(&self) -> u64 {
        let events = self.events.iter().map(|row| row.id.0);
        // Those of silent messages are random, and count for nothing.
        let counted = |id: &u64| id.cast_signed() >= 0;
        let messages = self.messages.iter().map(|row| row.id).filter(counted);
        let photos = self.photos.iter().map(|row| row.id.0);
        let incidents = self.incidents.iter().map(|row| row.id.0);
        let all = events.chain(messages).chain(photos).chain(incidents);
        all.max().unwrap_or(0)
    }

    /// Its last line of history.
    pub(super) fn last_event(&self) -> EventId {
        (self.events.iter().map(|row| row.id).max()).unwrap_or_default()
    }

    /// The last line of history with which the panel was armed.
    pub(super) fn armed(&self) -> Option<EventId> {
        let arms = |what: &Record| matches!(what, Record::State { from, to, .. } if from == DISARMED && to != DISARMED);
        let armed = self.events.iter().rev().find(|row| arms(&row.what));
        armed.map(|row| row.id)
    }
}

/// The state's word in a [`Record`].
const DISARMED: &str = "disarmed";

/// A line of history.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// Its number.
    pub id: EventId,
    /// The incident it belongs to.
    pub incident: Option<IncidentId>,
    /// What happened.
    pub what: Record,
}

/// A message to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// Its number.
    pub id: u64,
    /// The incident it is about.
    pub incident: Option<IncidentId>,
    /// `email`, `phone`, `webhook`.
    pub channel: String,
    /// The contact's or webhook's name.
    pub to: String,
    /// Not yet delivered, refused or given up.
    pub waiting: bool,
    /// JSON, the outbox's own.
    pub body: String,
}

/// A photo whose file is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoRow {
    /// Its number; the file is `photos/<id>.jpg`.
    pub id: PhotoId,
    /// The incident it shows.
    pub incident: Option<IncidentId>,
    /// The file's length.
    pub bytes: u64,
    /// When it was taken.
    pub taken: Stamp,
}

/// The first number of each kind that was never given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextIds {
    /// Events.
    pub event: EventId,
    /// Messages.
    pub message: u64,
    /// Photos.
    pub photo: PhotoId,
    /// Incidents.
    pub incident: IncidentId,
}

impl NextIds {
    /// Every kind starts at this number.
    pub(super) fn all(first: u64) -> Self {
        NextIds {
            event: EventId(first),
            message: first,
            photo: PhotoId(first),
            incident: IncidentId(first),
        }
    }
}

/// What an earlier run left behind.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// JSON of the panel.
    pub state: String,
    /// The panel was armed after that, and the card has lost it: `state` counts for nothing.
    pub outdated: bool,
    /// When `state` was committed.
    pub saved_at: Stamp,
    /// The last moment at which the service is known to have been alive.
    pub last_life: Stamp,
    /// Messages that wait, oldest first.
    pub messages: Vec<MessageRow>,
    /// When each path was last proven.
    pub proven: BTreeMap<String, WallTime>,
}

/// Replaces the rows with the same key and adds the others.
fn replace<R, K: Ord>(rows: &mut Vec<R>, later: Vec<R>, key: impl Fn(&R) -> K) {
    let mut merged: BTreeMap<K, R> = rows.drain(..).map(|row| (key(&row), row)).collect();
    merged.extend(later.into_iter().map(|row| (key(&row), row)));
    rows.extend(merged.into_values());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn who_is_known_and_who_may_log_in_are_kept_when_a_disk_hangs_for_long() {
        let batch = |name: &str| Batch {
            people: vec![PeopleChange::Forgotten(name.to_owned())],
            logins: vec![LoginChange::TokenGone(name.to_owned())],
            duress: vec![Actor::owner(crate::alarm::Origin::Reader)],
            ..Batch::new(Stamp::now(&*SystemClock::shared()))
        };
        let mut oldest = batch("Anna");
        oldest.absorb(batch("Ben"));
        assert_eq!(
            (
                oldest.people.len(),
                oldest.logins.len(),
                oldest.duress.len()
            ),
            (2, 2, 2)
        );
    }
}
