//! A trouble of the camera's: raised once, cleared by the next success.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::alarm::{Event, Trouble, TroubleCode};
use crate::inbox::Inbox;

/// Raises and clears one trouble, each only once. Clones are the same trouble.
#[derive(Clone)]
pub(super) struct OwnTrouble {
    code: TroubleCode,
    subject: &'static str,
    inbox: Inbox,
    raised: Arc<AtomicBool>,
}

impl OwnTrouble {
    pub(super) fn new(code: TroubleCode, subject: &'static str, inbox: Inbox) -> Self {
        OwnTrouble {
            code,
            subject,
            inbox,
            raised: Arc::default(),
        }
    }

    pub(super) fn raise(&self, text: String) {
        if !self.raised.swap(true, Ordering::AcqRel) {
            self.inbox.send(Event::TroubleRaised(Trouble {
                code: self.code,
                subject: self.subject.into(),
                text,
            }));
        }
    }

    pub(super) fn clear(&self) {
        if self.raised.swap(false, Ordering::AcqRel) {
            self.inbox.send(Event::TroubleCleared {
                code: self.code,
                subject: self.subject.into(),
            });
        }
    }
}
