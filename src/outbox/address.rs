//! From what the panel wants said to one row for each recipient.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Message, Recipient};
use crate::alarm::{Action, IncidentId, Ladder, Notice};
use crate::clock::Stamp;
use crate::config::{Config, Contact};

/// Threads of mails are remembered for so many incidents; only those that go on need one.
const THREADS: usize = 16;

/// The configured ways to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channels {
    /// Names of the contacts that are mailed.
    pub emails: Vec<String>,
    /// Those of them who are mailed, alone, in a silent alarm.
    pub duress: Vec<String>,
    /// Names of the webhooks.
    pub webhooks: Vec<String>,
    /// There is a telephone.
    pub phone: bool,
    /// A message is tried for so long.
    pub give_up: Duration,
    /// The house, for people.
    pub site: String,
    /// The house, in `Message-ID`s.
    pub site_id: String,
}

impl From<&Config> for Channels {
    fn from(config: &Config) -> Self {
        let mailed = |all: bool| match config.email {
            Some(_) => mailed(&config.contacts, all),
            None => Vec::new(),
        };
        Channels {
            emails: mailed(true),
            duress: mailed(false),
            webhooks: config.webhooks.iter().map(|it| it.name.clone()).collect(),
            phone: config.phone.is_some(),
            give_up: config.messages.give_up,
            site: config.site.name.clone(),
            site_id: config.site.id.clone(),
        }
    }
}

impl Channels {
    pub(super) fn reach(&self, to: &Recipient) -> bool {
        match to {
            Recipient::Email { contact } => self.emails.contains(contact),
            Recipient::Webhook { name } => self.webhooks.contains(name),
            Recipient::Phone => self.phone,
        }
    }
}

/// What the mails of an incident share, so that they form a thread, also after a restart: belongs
/// into what is committed of the panel's state.
///
/// An incident's number alone would not do: one that was never committed (the card was full) has
/// its number used again, and a mail with a `Message-ID` that was seen before is thrown away.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Threads(BTreeMap<IncidentId, String>);

/// The numbers of silent messages have this bit, and are random: counted with the others they
/// would leave a gap that tells of them. In the store they are negative.
pub(super) const SILENT: u64 = 1 << 63;

/// Makes the rows. The panel owns it.
#[derive(Debug)]
pub struct AddressBook {
    channels: Channels,
    threads: Threads,
    next_id: u64,
    rng: fastrand::Rng,
}

impl AddressBook {
    /// `next_id` is the first number that no stored message has; `threads` what
    /// [`AddressBook::threads`] gave before the restart; `rng` need not be secret, only fresh.
    pub fn new(channels: Channels, threads: Threads, next_id: u64, rng: fastrand::Rng) -> Self {
        AddressBook {
            channels,
            threads,
            next_id,
            rng,
        }
    }

    /// The rows of an action, to be committed with it and given to the outbox: one for each
    /// mailed contact and each webhook of a `Send`, one for the ladder of a `Call`.
    pub fn rows(&mut self, action: &Action, now: &Stamp) -> Vec<Message> {
        match action {
            Action::Send(notice) => self.letters(notice, now),
            Action::Call {
                incident,
                notice,
                rungs,
                rounds,
                ack_time,
            } => {
                let mut message = self.message(Recipient::Phone, notice, now);
                message.incident = *incident;
                let expires = message.expires;
                let mut ladder = Ladder::new(rungs.clone(), *rounds, *ack_time, now.boot, expires);
                // The row is the record that a call is about to be placed: one commit, not two,
                // between the reading and the call.
                ladder.about_to_place();
                message.ladder = Some(ladder);
                message.about_to_call = Some(now.clone());
                vec![message]
            }
            Action::Buzzer(_)
            | Action::Chirp(_)
            | Action::Exhaust(_)
            | Action::TakePhotos { .. }
            | Action::Save(_)
            | Action::Record { .. }
            | Action::Attach { .. }
            | Action::StopCalls { .. }
            | Action::SaveRecording(_)
            | Action::AcknowledgeEnded { .. }
            | Action::RecordDuress { .. }
            | Action::TryCamera
            | Action::Prove { .. } => Vec::new(),
        }
    }

    /// The owner changed the configuration.
    pub fn reconfigure(&mut self, channels: Channels) {
        self.channels = channels;
    }

    /// To be saved with the panel's state.
    pub fn threads(&self) -> &Threads {
        &self.threads
    }

    /// The number the next row will have.
    pub fn next_id(&self) -> u64 {
        self.next_id
    }

    fn letters(&mut self, notice: &Notice, now: &Stamp) -> Vec<Message> {
        let thread = notice.incident.map(|incident| self.thread(incident));
        let (contacts, webhooks) = match notice.is_silent() {
            true => (self.channels.duress.clone(), Vec::new()),
            false => (self.channels.emails.clone(), self.channels.webhooks.clone()),
        };
        let mails = contacts.into_iter().map(|contact| {
            let root = thread
                .as_ref()
                .map(|(begins, thread)| (*begins, self.root(thread, &contact)));
            let mut mail = self.message(Recipient::Email { contact }, notice, now);
            match root {
                Some((true, root)) => mail.message_id = root,
                Some((false, root)) => mail.in_reply_to = Some(root),
                None => {}
            }
            if notice.photos.is_empty() {
                mail.wait_for_photo = notice.wait_for_photo;
            }
            mail.photos.clone_from(&notice.photos);
            mail
        });
        let mut rows: Vec<Message> = mails.collect();
        rows.extend(
            webhooks
                .into_iter()
                .map(|name| self.message(Recipient::Webhook { name }, notice, now)),
        );
        rows
    }

    fn message(&mut self, to: Recipient, notice: &Notice, now: &Stamp) -> Message {
        let id = match notice.is_silent() {
            true => SILENT | self.rng.u64(..),
            false => {
                self.next_id += 1;
                self.next_id - 1
            }
        };
        Message {
            id,
            incident: notice.incident,
            to,
            notice: notice.clone(),
            happened: Stamp {
                boot: notice.happened,
                wall: now.wall_of(notice.happened),
                boot_id: now.boot_id.clone(),
            },
            saved: now.clone(),
            message_id: format!(
                "{id}.{:016x}@{}.asfaleia",
                self.rng.u64(..),
                self.channels.site_id
            ),
            in_reply_to: None,
            attempts: 0,
            next_at: now.boot,
            expires: now.boot + self.channels.give_up,
            photos: Vec::new(),
            photo_missing: None,
            wait_for_photo: None,
            last_failure: None,
            ladder: None,
            calls: Vec::new(),
            about_to_call: None,
            first_call: None,
        }
    }

    /// The incident's thread, and whether it begins now.
    fn thread(&mut self, incident: IncidentId) -> (bool, String) {
        if let Some(thread) = self.threads.0.get(&incident) {
            return (false, thread.clone());
        }
        let thread = format!("incident-{incident}.{:016x}", self.rng.u64(..));
        self.threads.0.insert(incident, thread.clone());
        while self.threads.0.len() > THREADS {
            self.threads.0.pop_first();
        }
        (true, thread)
    }

    /// The `Message-ID` of the first mail of a thread to this contact.
    fn root(&self, thread: &str, contact: &str) -> String {
        format!(
            "{thread}.{:08x}@{}.asfaleia",
            fnv1a(contact),
            self.channels.site_id
        )
    }
}

/// Tells contacts apart in a `Message-ID` without naming them; the same in every version (FNV-1a).
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// Who gets a mail; of a silent alarm not all.
fn mailed(contacts: &[Contact], all: bool) -> Vec<String> {
    (contacts.iter())
        .filter(|contact| contact.email.is_some() && (all || contact.duress))
        .map(|contact| contact.name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_address_is_not_mailed() {
        let contact = |name: &str, email: Option<&str>, duress| Contact {
            name: name.into(),
            email: email.map(str::to_owned),
            phone: Some("+302101234567".into()),
            duress,
        };
        let contacts = [
            contact("Anna", Some("anna@example.org"), false),
            contact("Bob", None, false),
            contact("the guard", Some("guard@example.org"), true),
        ];
        assert_eq!(mailed(&contacts, true), ["Anna", "the guard"]);
        assert_eq!(mailed(&contacts, false), ["the guard"]);
    }
}
