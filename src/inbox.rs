//! The one queue into the panel: every part of the program may put an event in, the panel alone
//! takes them out, in order.

use std::sync::mpsc;

use tokio::sync::oneshot;

use crate::alarm::{Answer, BootTime, Event};
use crate::clock::SharedClock;

/// An event on its way to the panel.
#[derive(Debug)]
pub struct Letter {
    /// What happened.
    pub event: Event,
    /// When.
    pub at: BootTime,
    /// Who waits for the answer.
    pub reply: Option<Reply>,
}

/// Where the answer to a command goes: sent when its effect is committed, or after 20 ms.
pub type Reply = oneshot::Sender<Answer>;

/// Puts events into the panel's queue. Cheap to clone; never blocks.
#[derive(Clone)]
pub struct Inbox {
    sender: mpsc::Sender<Letter>,
    clock: SharedClock,
}

impl Inbox {
    /// A queue: the inbox for everybody, the receiver for the panel.
    pub fn new(clock: SharedClock) -> (Inbox, mpsc::Receiver<Letter>) {
        let (sender, receiver) = mpsc::channel();
        (Inbox { sender, clock }, receiver)
    }

    /// Something happened just now.
    pub fn send(&self, event: Event) {
        self.send_at(event, self.clock.boot());
    }

    /// Something happened at a known moment (a kernel timestamp). A panel that is gone takes
    /// nothing any more; then the program is ending anyway.
    pub fn send_at(&self, event: Event, at: BootTime) {
        let _ = self.sender.send(Letter {
            event,
            at,
            reply: None,
        });
    }

    /// Somebody wants something, and waits for what became of it. `None`: the panel is gone.
    pub async fn ask(&self, event: Event) -> Option<Answer> {
        let (reply, answer) = oneshot::channel();
        let letter = Letter {
            event,
            at: self.clock.boot(),
            reply: Some(reply),
        };
        self.sender.send(letter).ok()?;
        answer.await.ok()
    }

    /// The clock that stamps the events.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }
}
