//! Messages until they are delivered: rows, retries, the phone ladder.
//!
//! The panel asks the [`AddressBook`] for the rows of an action, has them committed with the
//! incident, and hands them to [`run`] as [`Command::Accept`]. [`Outbox`] holds them and decides,
//! without clock or I/O, what is tried when; [`run`] does it over the [`Paths`].

mod address;
mod calls;
mod drill;
mod driver;
mod failures;
mod paths;
mod queue;

pub use address::{AddressBook, Channels, Threads};
pub use driver::{Command, Parts, run};
pub use paths::{Paths, Receipt, Row, Store, Update};
pub use queue::{Changes, Job, Outbox, Outcome, Start, Waiting};

use serde::{Deserialize, Serialize};

use crate::alarm::{About, BootTime, IncidentId, Ladder, Notice, PhotoId};
use crate::clock::{Stamp, WallTime};
use crate::notify::CallSid;

/// One thing to tell one recipient (or, by phone, one after the other), until it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its number; only grows.
    pub id: u64,
    /// The incident it belongs to.
    pub incident: Option<IncidentId>,
    /// Who is told, and how.
    pub to: Recipient,
    /// What.
    pub notice: Notice,
    /// When it happened, and in which boot.
    pub happened: Stamp,
    /// When this row was last written: what its deadlines are relative to in another boot.
    pub saved: Stamp,
    /// Without angle brackets. Made once, so that a repeated mail can be told for one.
    pub message_id: String,
    /// The first mail of the incident to this contact.
    pub in_reply_to: Option<String>,
    /// Tries that failed since the last success.
    pub attempts: u32,
    /// Not tried before.
    pub next_at: BootTime,
    /// Given up then.
    pub expires: BootTime,
    /// To attach.
    pub photos: Vec<PhotoId>,
    /// Why there is none.
    pub photo_missing: Option<String>,
    /// Held for a photo until then.
    pub wait_for_photo: Option<BootTime>,
    /// What went wrong in the last try.
    pub last_failure: Option<String>,
    /// By phone: who is called when.
    pub ladder: Option<Ladder>,
    /// By phone: every call that was placed; the last one may be under way.
    pub calls: Vec<CallSid>,
    /// By phone: when the last request to place a call was about to leave.
    pub about_to_call: Option<Stamp>,
    /// By phone: when the first call was placed.
    #[serde(default)]
    pub first_call: Option<Stamp>,
}

/// Who is told, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "channel", rename_all = "kebab-case")]
pub enum Recipient {
    /// Mail to a contact.
    Email {
        /// The contact's name.
        contact: String,
    },
    /// An HTTP request.
    Webhook {
        /// The webhook's name.
        name: String,
    },
    /// The phone ladder.
    Phone,
}

impl Recipient {
    /// `email`, `webhook`, `phone`.
    pub fn channel(&self) -> &'static str {
        match self {
            Recipient::Email { .. } => "email",
            Recipient::Webhook { .. } => "webhook",
            Recipient::Phone => "phone",
        }
    }

    /// The contact's or webhook's name; empty for the phone.
    pub fn name(&self) -> &str {
        match self {
            Recipient::Email { contact: name } | Recipient::Webhook { name } => name,
            Recipient::Phone => "",
        }
    }

    /// The path whose last proof is kept: `email`, `phone`, `webhook:NAME`.
    pub fn path(&self) -> String {
        match self {
            Recipient::Email { .. } => "email".into(),
            Recipient::Webhook { name } => format!("webhook:{name}"),
            Recipient::Phone => "phone".into(),
        }
    }
}

impl Message {
    /// As the store keeps it.
    pub fn row(&self, waiting: bool) -> Row {
        Row {
            id: self.id,
            incident: self.incident,
            channel: self.to.channel(),
            to: self.to.name().to_owned(),
            waiting,
            body: serde_json::to_string(self)
                .expect("a message is made of maps with text keys, numbers and text"),
        }
    }

    /// Reads a [`Row`]'s body.
    ///
    /// # Errors
    ///
    /// When it was not written by [`Message::row`].
    pub fn from_body(body: &str) -> Result<Message, serde_json::Error> {
        serde_json::from_str(body)
    }

    /// When it happened, for people, and whether that can be trusted: a time from before the
    /// clock was set is corrected once it is, within the same boot.
    pub fn happened_at(&self, now: &Stamp) -> (WallTime, bool) {
        corrected(&self.happened, now)
    }

    /// When the first call of the ladder was placed, for people.
    pub fn first_call_at(&self, now: &Stamp) -> Option<WallTime> {
        self.first_call.as_ref().map(|then| corrected(then, now).0)
    }

    /// It is a part of a drill.
    pub(crate) fn is_drill(&self) -> bool {
        matches!(self.notice.about, About::Drill { .. })
    }

    /// It tells of duress: whoever looks on must not learn of it.
    pub fn is_silent(&self) -> bool {
        self.notice.is_silent()
    }

    /// Somebody has to know now: goes out before all else.
    pub fn is_urgent(&self) -> bool {
        match (&self.to, &self.notice.about) {
            (Recipient::Phone, _)
            | (_, About::Alarm { .. } | About::Unwatched { .. } | About::Duress { .. }) => true,
            (
                Recipient::Email { .. } | Recipient::Webhook { .. },
                About::FollowUp { .. }
                | About::AllClear { .. }
                | About::Disarmed { .. }
                | About::NobodyAnswered { .. }
                | About::ArmedWithOpen { .. }
                | About::Inhibited { .. }
                | About::Troubles { .. }
                | About::BootReport(_)
                | About::Drill { .. }
                | About::Test { .. },
            ) => false,
        }
    }

    /// Carries every deadline from the boot it was written in into this one.
    fn rebase(&mut self, now: &Stamp) {
        let (from, to) = (self.saved.boot, now.boot);
        let carry = |at: &mut BootTime| *at = at.rebased(from, to);
        carry(&mut self.next_at);
        carry(&mut self.expires);
        self.wait_for_photo.iter_mut().for_each(carry);
        if let Some(ladder) = &mut self.ladder {
            ladder.rebase(from, to);
        }
        self.saved = now.clone();
    }
}

/// The wall time of a moment, and whether it can be trusted: one from before the clock was set is
/// corrected once it is, within the same boot.
pub fn corrected(then: &Stamp, now: &Stamp) -> (WallTime, bool) {
    if !then.wall.is_set() && now.wall.is_set() && then.boot_id == now.boot_id {
        return (now.wall_of(then.boot), true);
    }
    (then.wall, then.wall.is_set())
}
