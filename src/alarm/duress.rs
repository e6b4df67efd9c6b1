//! Duress: a finger or PIN that does what it seems to do, and alerts silently.

use std::time::Duration;

use super::access::Factor;
use super::action::{About, Action, Notice};
use super::event::{Actor, Origin, Right};
use super::step::Alarm;
use super::time::BootTime;

impl Alarm {
    /// Tells those who are to hear of it, and nobody else. Nothing of it is in the state: whoever
    /// looks on sees what an ordinary finger or PIN does.
    pub(super) fn alert_silently(
        &mut self,
        person: &str,
        factor: Factor,
        origin: Origin,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        let by = Actor {
            name: Some(person.to_owned()),
            origin,
            right: Right::Owner,
            with: vec![factor],
        };
        let notice = Notice::plain(About::Duress { by: by.clone() }, now);
        out.push(Action::RecordDuress { by });
        out.push(Action::Send(notice.clone()));
        let rung = (self.volatile.no_silent_call_before).is_none_or(|before| before <= now);
        if let Some(phone) = &self.policy.phone
            && !phone.duress.is_empty()
            && rung
        {
            // Somebody who is made to type it again and again is called for once.
            self.volatile.no_silent_call_before = Some(now + phone.ladder_every);
            out.push(Action::Call {
                incident: None,
                notice,
                rungs: phone.duress.clone(),
                rounds: phone.rounds,
                // Nobody is asked to acknowledge: that could be seen.
                ack_time: Duration::ZERO,
            });
        }
    }
}

impl Action {
    /// Of a silent alarm: whoever shows, counts or publishes anything leaves it out.
    pub fn is_silent(&self) -> bool {
        match self {
            Action::RecordDuress { .. } => true,
            Action::Send(notice) | Action::Call { notice, .. } => notice.is_silent(),
            Action::Buzzer(_)
            | Action::Chirp(_)
            | Action::Exhaust(_)
            | Action::TakePhotos { .. }
            | Action::Save(_)
            | Action::Record { .. }
            | Action::Attach { .. }
            | Action::StopCalls { .. }
            | Action::SaveRecording(_)
            | Action::TryCamera
            | Action::AcknowledgeEnded { .. }
            | Action::Prove { .. } => false,
        }
    }
}

impl Notice {
    /// It tells of duress.
    pub fn is_silent(&self) -> bool {
        matches!(self.about, About::Duress { .. })
    }
}
