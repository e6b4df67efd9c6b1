//! What a failure leads to: another try, a refusal, giving up, and what the panel is told.

use std::sync::Arc;
use std::time::Duration;

use super::queue::Outbox;
use super::{Changes, Recipient};
use crate::alarm::{BootTime, Event, Trouble, TroubleCode};
use crate::clock::Stamp;

/// After the first failure; doubled with each further one.
const FIRST_BACK_OFF: Duration = Duration::from_secs(5);
/// Never longer than this, unless the other side asks for it.
const LAST_BACK_OFF: Duration = Duration::from_secs(15 * 60);
/// So many failures in a row are a trouble: one or two are the Internet as it is.
const TROUBLE_AFTER: u32 = 3;
/// What is not worth another try for so long (a password that is refused) is one at once.
const TROUBLE_FOR: Duration = Duration::from_secs(60);

impl Outbox {
    /// Another try, later; or none when its time is up.
    pub(super) fn retry(
        &mut self,
        id: u64,
        why: String,
        after: Option<Duration>,
        now: &Stamp,
        changes: &mut Changes,
    ) {
        let Some(message) = self.message(id) else {
            return;
        };
        message.attempts += 1;
        let (attempts, expires, to) = (message.attempts, message.expires, message.to.clone());
        if expires <= now.boot {
            return self.give_up(
                id,
                format!("{attempts} tries; the last: {why}"),
                now,
                changes,
            );
        }
        let next_at = now.boot + self.back_off(attempts, after);
        let Some(message) = self.message(id) else {
            return;
        };
        // One last try before it is given up.
        message.next_at = next_at.min(expires);
        if message.last_failure.as_ref() != Some(&why) {
            changes.record(message, message.to.name(), "retrying", why.clone());
            message.last_failure = Some(why.clone());
        }
        changes.save(message, now);
        self.unreachable(&to, attempts, after, &why, changes);
    }

    /// A path does not work; a trouble once it has not for a while, or will not for a while.
    pub(super) fn unreachable(
        &mut self,
        to: &Recipient,
        attempts: u32,
        after: Option<Duration>,
        why: &str,
        changes: &mut Changes,
    ) {
        let mends_itself = after.is_none_or(|after| after < TROUBLE_FOR);
        if attempts < TROUBLE_AFTER && mends_itself {
            return;
        }
        let (subject, what) = match to {
            Recipient::Email { .. } => ("", "mail cannot leave".to_owned()),
            Recipient::Webhook { name } => (
                name.as_str(),
                format!("the webhook {name} cannot be reached"),
            ),
            Recipient::Phone => ("", "calls cannot be placed".to_owned()),
        };
        let text = format!("{what}: {why}; it is tried again until it can");
        self.raise(path_code(to), subject, text, changes);
    }

    pub(super) fn give_up(&mut self, id: u64, why: String, now: &Stamp, changes: &mut Changes) {
        let Some(message) = self.message(id) else {
            return;
        };
        let to = message.to.clone();
        self.raise_given_up(&to, &why, changes);
        self.settle(id, "given-up", why, now, changes);
    }

    pub(super) fn raise_given_up(&mut self, to: &Recipient, why: &str, changes: &mut Changes) {
        let subject = trouble_subject(to).to_owned();
        let text = match to {
            Recipient::Email { contact } => format!("a mail to {contact} was given up: {why}"),
            Recipient::Webhook { name } => {
                format!("a message to the webhook {name} was given up: {why}")
            }
            Recipient::Phone => format!("calling was given up: {why}"),
        };
        self.raise(TroubleCode::GivenUp, &subject, text, changes);
    }

    /// The configuration has no way to this recipient any more.
    pub(super) fn orphaned(&mut self, id: u64, now: &Stamp, changes: &mut Changes) {
        let Some(message) = self.message(id) else {
            return;
        };
        if message.ladder.is_some() && !message.is_silent() {
            let incident = message.incident;
            changes.events.push(Event::NobodyAnswered { incident });
        }
        let why = match &message.to {
            Recipient::Email { contact } => {
                format!("the configuration has no mail to {contact} any more")
            }
            Recipient::Webhook { name } => {
                format!("the configuration has no webhook {name} any more")
            }
            Recipient::Phone => "the configuration has no telephone any more".into(),
        };
        self.give_up(id, why, now, changes);
    }

    /// A path's word that another try is no use.
    pub(super) fn refused(&mut self, id: u64, why: String, now: &Stamp, changes: &mut Changes) {
        let Some(message) = self.message(id) else {
            return;
        };
        let to = message.to.clone();
        let text = match &to {
            Recipient::Email { contact } => format!(
                "the mail to {contact} was refused: {why}; check the contact's address and the \
                 account in [email]"
            ),
            Recipient::Webhook { name } => {
                format!("the webhook {name} was refused: {why}; check its url, headers and body")
            }
            Recipient::Phone => format!("the call was refused: {why}"),
        };
        self.raise(path_code(&to), to.name(), text, changes);
        self.settle(id, "refused", why, now, changes);
    }

    /// Something was delivered: what was wrong with the path is over.
    /// Others that failed on it are tried again now rather than when their patience is over.
    pub(super) fn path_works(&mut self, to: &Recipient, now: BootTime, changes: &mut Changes) {
        if changes.silent {
            return;
        }
        self.clear(path_code(to), "", changes);
        self.clear(path_code(to), to.name(), changes);
        self.clear(TroubleCode::GivenUp, trouble_subject(to), changes);
        changes.update.proven.push(to.path());
        if let Recipient::Email { contact } = to {
            changes.update.proven.push(format!("email:{contact}"));
        }
        for entry in self.rows.values_mut() {
            let waits = !entry.busy && entry.message.attempts > 0;
            if waits && entry.message.to.path() == to.path() && entry.message.ladder.is_none() {
                Arc::make_mut(&mut entry.message).next_at = now;
            }
        }
    }

    /// Exponential, spread by a fifth either way, and at least what the other side asked for.
    pub(super) fn back_off(&mut self, attempts: u32, after: Option<Duration>) -> Duration {
        let doublings = attempts.saturating_sub(1).min(16);
        let pause = (FIRST_BACK_OFF * 2_u32.pow(doublings)).min(LAST_BACK_OFF);
        let spread = pause.mul_f64(0.8 + 0.4 * self.rng.f64());
        spread.max(after.unwrap_or_default())
    }

    pub(super) fn raise(
        &mut self,
        code: TroubleCode,
        subject: &str,
        text: String,
        changes: &mut Changes,
    ) {
        if changes.silent {
            return;
        }
        if self.told.insert((code, subject.to_owned()), true) != Some(true) {
            let subject = subject.to_owned();
            let trouble = Trouble {
                code,
                subject,
                text,
            };
            changes.events.push(Event::TroubleRaised(trouble));
        }
    }

    /// Also told the first time after a start, when an earlier process may have raised it.
    pub(super) fn clear(&mut self, code: TroubleCode, subject: &str, changes: &mut Changes) {
        if changes.silent {
            return;
        }
        if self.told.insert((code, subject.to_owned()), false) != Some(false) {
            let subject = subject.to_owned();
            changes.events.push(Event::TroubleCleared { code, subject });
        }
    }
}

/// The trouble of a path that does not work.
fn path_code(to: &Recipient) -> TroubleCode {
    match to {
        Recipient::Email { .. } => TroubleCode::Mail,
        Recipient::Webhook { .. } => TroubleCode::Webhook,
        Recipient::Phone => TroubleCode::Phone,
    }
}

/// What a given-up message is called among the troubles.
fn trouble_subject(to: &Recipient) -> &str {
    match to {
        Recipient::Email { contact: name } | Recipient::Webhook { name } => name,
        Recipient::Phone => "phone",
    }
}
