//! The outbox's phone rows: the ladder's steps, and what comes back from the provider.

use std::sync::Arc;
use std::time::Duration;

use super::queue::Outbox;
use super::{Changes, Job, Message, Recipient, Start, corrected};
use crate::alarm::{About, CallEnd, Calls, End, Event, Ladder, Refusal, Rung, Step, TroubleCode};
use crate::clock::{Stamp, WallTime};
use crate::notify::{CallSid, CallStatus, Failure, PlaceFailure, Progress};

/// A call is looked up so long after its request got lost: the provider needs a moment to list it.
const LOOK_UP_AFTER: Duration = Duration::from_secs(2);
/// The panel says that nobody answered long before this: its mail is in the store's queue before the
/// ladder's row is done with.
const ANNOUNCED_FOR: Duration = Duration::from_secs(2);
/// More calls are not placed within the minutes that a look-up reaches back.
const RECENT_CALLS: usize = 32;

impl Outbox {
    /// Somebody acknowledged, or the reason to call is gone: nobody else is called, and the call
    /// under way ends.
    pub fn stop_calls(&mut self, whose: Calls, now: &Stamp) -> Changes {
        let mut changes = Changes::default();
        let concerned = |message: &Message| match whose {
            Calls::All => true,
            Calls::Of(incident) => message.incident == Some(incident),
        };
        let ids: Vec<u64> = (self.rows.iter())
            .filter(|(_, it)| it.message.ladder.is_some() && concerned(&it.message))
            // Whoever forces somebody to disarm may acknowledge, too.
            .filter(|(_, it)| !it.message.is_silent())
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            let Some((message, mut ladder)) = self.ladder(id) else {
                continue;
            };
            if ladder.ended().is_some() {
                continue;
            }
            let to = ladder.contact().map(|rung| rung.contact.clone());
            let (outcome, calling) = match whose {
                Calls::All => ("acknowledged", ladder.acknowledge()),
                Calls::Of(_) => ("canceled", ladder.cancel()),
            };
            if calling {
                changes.hang_up.extend(message.calls.last().cloned());
            }
            message.ladder = Some(ladder);
            message.saved = now.clone();
            changes.update.messages.push(message.row(false));
            changes.record(message, &to.unwrap_or_default(), outcome, String::new());
            // A request that is under way may still come back with a call; it is ended then.
            if !self.rows.get(&id).is_some_and(|entry| entry.busy) {
                self.rows.remove(&id);
            }
        }
        changes
    }

    /// What this ladder wants done now, if anything.
    pub(super) fn next_of_ladder(
        &mut self,
        id: u64,
        now: &Stamp,
        changes: &mut Changes,
    ) -> Option<Start> {
        let fresh = std::mem::take(&mut self.rows.get_mut(&id)?.fresh);
        if self.ladder(id)?.0.is_drill() && self.is_calling_for_real() {
            self.end_drill(id, now, changes);
            return None;
        }
        let (message, mut ladder) = self.ladder(id)?;
        let mut step = ladder.next(now.boot);
        if step == Step::LookUp && !fresh && since(message, now).is_none() {
            // Without a clock the call cannot be told from older ones: rather twice than never.
            ladder.looked_up(false, now.boot);
            step = ladder.next(now.boot);
        }
        let rung = ladder.contact().cloned();
        let job = match (step, rung) {
            // The row that says so was committed with the incident.
            (Step::LookUp, Some(rung)) if fresh => Some(Job::Place(rung)),
            (Step::Place, Some(rung)) => {
                ladder.about_to_place();
                message.about_to_call = Some(now.clone());
                message.ladder = Some(ladder.clone());
                changes.save(message, now);
                Some(Job::Place(rung))
            }
            (Step::LookUp, Some(rung)) => since(message, now).map(|since| Job::LookUp(rung, since)),
            (Step::Poll, _) => {
                if message.calls.is_empty() {
                    ladder.call_ended(CallEnd::Lost, now.boot);
                }
                message.calls.last().cloned().map(Job::Poll)
            }
            (Step::Wait { until }, _) => {
                message.next_at = until;
                None
            }
            (Step::Ended(_) | Step::Place | Step::LookUp, _) => None,
        };
        let ended = ladder.ended();
        message.ladder = Some(ladder);
        if let Some(end) = ended {
            self.ladder_ended(id, end, now, changes);
        }
        let entry = self.rows.get_mut(&id)?;
        entry.busy = job.is_some();
        Some(Start {
            id,
            message: entry.message.clone(),
            job: job?,
        })
    }

    pub(super) fn placed(
        &mut self,
        id: u64,
        result: Result<CallSid, PlaceFailure>,
        now: &Stamp,
        changes: &mut Changes,
    ) {
        let Some((message, mut ladder)) = self.ladder(id) else {
            return;
        };
        let Some(rung) = ladder.contact().cloned() else {
            return self.stopped_meanwhile(id, result.ok(), changes);
        };
        match result {
            Ok(call) => self.calling(id, ladder, &rung, call, now, changes),
            Err(PlaceFailure::Temporary { why, after }) => {
                let after = self.failed(id, why, after, changes);
                ladder.place_failed(Refusal::Temporary(after), now.boot);
                self.keep(id, ladder, now, changes);
            }
            Err(PlaceFailure::Uncertain { why }) => {
                let first = message.attempts == 0;
                let after = self.failed(id, why, None, changes);
                let after = if first { LOOK_UP_AFTER } else { after };
                ladder.place_failed(Refusal::Uncertain(after), now.boot);
                self.keep(id, ladder, now, changes);
            }
            Err(PlaceFailure::Permanent { why, code }) => {
                let code = code.map_or(String::new(), |code| format!(" (code {code})"));
                changes.record(message, &rung.contact, "refused", format!("{why}{code}"));
                message.attempts = 0;
                message.last_failure = None;
                let text = format!(
                    "the call to {} was refused: {why}{code}; check the contact's number and the \
                     account in [phone]",
                    rung.contact
                );
                self.raise(TroubleCode::Phone, &rung.contact, text, changes);
                ladder.place_failed(Refusal::Permanent, now.boot);
                self.keep(id, ladder, now, changes);
            }
        }
    }

    pub(super) fn looked_up(
        &mut self,
        id: u64,
        result: Result<Vec<CallSid>, Failure>,
        now: &Stamp,
        changes: &mut Changes,
    ) {
        // Two ladders may call the same person at once: the other's call is not this one's.
        let result = result.map(|calls| calls.into_iter().find(|call| !self.knows(call)));
        let Some((_, mut ladder)) = self.ladder(id) else {
            return;
        };
        let Some(rung) = ladder.contact().cloned() else {
            return self.stopped_meanwhile(id, result.ok().flatten(), changes);
        };
        match result {
            Ok(Some(call)) => self.calling(id, ladder, &rung, call, now, changes),
            // A provider that will not tell is no reason not to call.
            Ok(None) | Err(Failure::Permanent { .. }) => {
                ladder.looked_up(false, now.boot);
                self.keep(id, ladder, now, changes);
            }
            Err(Failure::Temporary { why, after }) => {
                let after = self.failed(id, why, after, changes);
                ladder.look_up_failed(after, now.boot);
                self.keep(id, ladder, now, changes);
            }
        }
    }

    pub(super) fn polled(
        &mut self,
        id: u64,
        result: Result<CallStatus, Failure>,
        now: &Stamp,
        changes: &mut Changes,
    ) {
        let Some((message, mut ladder)) = self.ladder(id) else {
            return;
        };
        let Some(rung) = ladder.contact().cloned() else {
            self.rows.remove(&id);
            return;
        };
        let (ended, after) = match result {
            Ok(status) => (how_it_ended(status), None),
            Err(Failure::Temporary { after, .. }) => (None, after),
            Err(Failure::Permanent { .. }) => (Some(CallEnd::Lost), None),
        };
        let ended = match ended {
            Some(how) => {
                ladder.call_ended(how, now.boot);
                how
            }
            None if ladder.still_calling(after.unwrap_or_default(), now.boot) => {
                // Nothing that a later process could not find out: not worth a write.
                message.next_at = now.boot;
                message.ladder = Some(ladder);
                return;
            }
            None => CallEnd::Lost,
        };
        changes.record(message, &rung.contact, word(ended), String::new());
        match ended {
            CallEnd::Failed => {
                let text = format!(
                    "the call to {} could not be put through; check the contact's number",
                    rung.contact
                );
                self.raise(TroubleCode::Phone, &rung.contact, text, changes);
            }
            CallEnd::Completed => {
                self.clear(TroubleCode::Phone, &rung.contact, changes);
                self.path_works(&Recipient::Phone, now.boot, changes);
                if !changes.silent {
                    let path = format!("phone:{}", rung.contact);
                    changes.update.proven.push(path);
                }
            }
            CallEnd::Busy | CallEnd::NoAnswer | CallEnd::Machine => {
                self.clear(TroubleCode::Phone, &rung.contact, changes);
            }
            CallEnd::Canceled | CallEnd::Lost => {}
        }
        self.keep(id, ladder, now, changes);
    }

    /// The row and a copy of its ladder, to be put back.
    pub(super) fn ladder(&mut self, id: u64) -> Option<(&mut Message, Ladder)> {
        let message = self.message(id)?;
        let ladder = message.ladder.clone()?;
        Some((message, ladder))
    }

    fn calling(
        &mut self,
        id: u64,
        mut ladder: Ladder,
        rung: &Rung,
        call: CallSid,
        now: &Stamp,
        changes: &mut Changes,
    ) {
        ladder.placed(now.boot);
        self.remember(call.clone());
        if let Some(message) = self.message(id) {
            changes.record(message, &rung.contact, "calling", String::new());
            message.calls.push(call);
            message.attempts = 0;
            message.last_failure = None;
            message.first_call.get_or_insert_with(|| now.clone());
        }
        self.clear(TroubleCode::Phone, "", changes);
        self.keep(id, ladder, now, changes);
    }

    /// It is this or another row's call, or was one's that is done with.
    fn knows(&self, call: &CallSid) -> bool {
        let mut rows = self.rows.values();
        self.recent_calls.contains(call) || rows.any(|entry| entry.message.calls.contains(call))
    }

    /// The ladder was stopped while the request was under way that became this call.
    fn stopped_meanwhile(&mut self, id: u64, call: Option<CallSid>, changes: &mut Changes) {
        if let Some(call) = call {
            self.remember(call.clone());
            changes.hang_up.push(call);
        }
        self.rows.remove(&id);
    }

    fn remember(&mut self, call: CallSid) {
        if self.recent_calls.len() == RECENT_CALLS {
            self.recent_calls.pop_front();
        }
        self.recent_calls.push_back(call);
    }

    /// Counts a failure for now; how long to wait.
    fn failed(
        &mut self,
        id: u64,
        why: String,
        after: Option<Duration>,
        changes: &mut Changes,
    ) -> Duration {
        let Some((message, ladder)) = self.ladder(id) else {
            return LOOK_UP_AFTER;
        };
        message.attempts += 1;
        let attempts = message.attempts;
        if message.last_failure.as_ref() != Some(&why) {
            let contact = ladder.contact().map_or("", |rung| &rung.contact);
            changes.record(message, contact, "retrying", why.clone());
            message.last_failure = Some(why.clone());
        }
        self.unreachable(&Recipient::Phone, attempts, after, &why, changes);
        self.back_off(attempts, after)
    }

    /// Puts the ladder back: its next step is due.
    fn keep(&mut self, id: u64, ladder: Ladder, now: &Stamp, changes: &mut Changes) {
        let ended = ladder.ended();
        let Some(message) = self.message(id) else {
            return;
        };
        message.ladder = Some(ladder);
        message.next_at = now.boot;
        match ended {
            Some(end) => self.ladder_ended(id, end, now, changes),
            None => changes.save(message, now),
        }
    }

    fn ladder_ended(&mut self, id: u64, end: End, now: &Stamp, changes: &mut Changes) {
        let Some(message) = self.message(id) else {
            return;
        };
        // They ask nobody to acknowledge.
        let about = &message.notice.about;
        let test = matches!(
            about,
            About::Test { .. } | About::Drill { .. } | About::Duress { .. }
        );
        let why = message.last_failure.clone();
        let why = why.unwrap_or_else(|| "no call could be placed in time".into());
        match end {
            End::NobodyAnswered if test => {
                self.settle(id, "tested", String::new(), now, changes);
            }
            End::NobodyAnswered | End::GaveUp if !test && self.announce(id, now, changes) => {
                if end == End::GaveUp {
                    self.raise_given_up(&Recipient::Phone, &why, changes);
                }
            }
            End::NobodyAnswered => {
                self.settle(id, "nobody-answered", String::new(), now, changes);
            }
            End::GaveUp => self.give_up(id, why, now, changes),
            End::Acknowledged | End::Canceled => {
                self.rows.remove(&id);
            }
        }
    }

    /// Tells the panel that nobody answered, once. The row stays until the panel's own words are
    /// sure to be committed before its end: a kill in between tells the panel again.
    fn announce(&mut self, id: u64, now: &Stamp, changes: &mut Changes) -> bool {
        let Some(entry) = self.rows.get_mut(&id) else {
            return false;
        };
        let first = !std::mem::replace(&mut entry.announced, true);
        if first {
            let message = Arc::make_mut(&mut entry.message);
            message.next_at = now.boot + ANNOUNCED_FOR;
            let incident = message.incident;
            changes.events.push(Event::NobodyAnswered { incident });
            changes.save(message, now);
        }
        first
    }
}

/// Since when to look for the call that may have been placed; `None` if no clock can say.
fn since(message: &Message, now: &Stamp) -> Option<WallTime> {
    let (wall, sure) = corrected(message.about_to_call.as_ref()?, now);
    sure.then_some(wall)
}

fn how_it_ended(status: CallStatus) -> Option<CallEnd> {
    match status.progress {
        Progress::InProgress | Progress::Completed if status.by_machine => Some(CallEnd::Machine),
        Progress::Queued | Progress::Initiated | Progress::Ringing | Progress::InProgress => None,
        Progress::Completed => Some(CallEnd::Completed),
        Progress::Busy => Some(CallEnd::Busy),
        Progress::NoAnswer => Some(CallEnd::NoAnswer),
        Progress::Failed => Some(CallEnd::Failed),
        Progress::Canceled => Some(CallEnd::Canceled),
    }
}

fn word(how: CallEnd) -> &'static str {
    match how {
        CallEnd::Completed => "completed",
        CallEnd::Busy => "busy",
        CallEnd::NoAnswer => "no-answer",
        CallEnd::Failed => "failed",
        CallEnd::Canceled => "canceled",
        CallEnd::Machine => "machine",
        CallEnd::Lost => "lost",
    }
}
