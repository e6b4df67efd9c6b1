//! The program's own hands and journal, and beside them somebody who writes down what passes.

use std::sync::Arc;

use asfaleia::alarm::{Calls, IncidentId, PhotoId, Status};
use asfaleia::daemon::{Executor, Journal};
use asfaleia::outbox::{self, Receipt, Update};
use asfaleia::panel::{Handover, Hands, Reconfigured};
use asfaleia::store::PhotoRow;

use crate::clock::PiClock;
use crate::outside::Outside;

/// The panel's hands.
pub(crate) struct Witness {
    pub(crate) hands: Executor,
    pub(crate) outside: Outside,
    pub(crate) clock: Arc<PiClock>,
}

impl Witness {
    /// The process takes a step; what comes after its death never happens.
    fn alive(&self) -> bool {
        self.outside.things().step()
    }
}

impl Hands for Witness {
    fn take_photos(&mut self, incident: IncidentId, count: u32) {
        if self.alive() {
            let wanted = (incident, count);
            self.outside.things().photos_wanted.push(wanted);
        }
    }

    fn try_camera(&mut self) {}

    fn photo(&self, incident: IncidentId, photo: PhotoId) -> Option<PhotoRow> {
        self.hands.photo(incident, photo)
    }

    fn hand_over(&mut self, handover: Handover) {
        if !self.alive() {
            return;
        }
        let now = self.clock.now();
        {
            let things = &mut *self.outside.things();
            things.ledger.panel_hands_over(now, &handover);
            for (incident, record) in &handover.records {
                let of = incident.map_or(String::new(), |id| format!("[{id}] "));
                things.log.line(now, format_args!("{of}{record:?}"));
            }
            for message in &handover.messages {
                let (channel, name) = (message.to.channel(), message.to.name());
                let id = &message.message_id;
                things
                    .log
                    .line(now, format_args!("{channel} to {name:?}: {id}"));
            }
        }
        self.hands.hand_over(handover);
    }

    fn attach(&mut self, incident: IncidentId, photo: Result<PhotoId, String>) {
        if self.alive() {
            self.hands.attach(incident, photo);
        }
    }

    fn stop_calls(&mut self, whose: Calls) {
        if self.alive() {
            self.hands.stop_calls(whose);
        }
    }

    fn show(&mut self, status: Status) {
        self.hands.show(status);
    }

    fn reconfigured(&mut self) -> Option<Reconfigured> {
        self.hands.reconfigured()
    }
}

/// The outbox's way into the store.
pub(crate) struct WitnessedJournal {
    pub(crate) journal: Journal,
    pub(crate) outside: Outside,
    pub(crate) clock: Arc<PiClock>,
}

impl outbox::Store for WitnessedJournal {
    fn commit(&self, update: Update) -> Receipt {
        let now = self.clock.now();
        {
            let things = &mut *self.outside.things();
            if !things.step() {
                return Box::pin(std::future::pending());
            }
            things.ledger.outbox_hands_over(now, &update);
            for (_, record) in &update.records {
                things.log.line(now, format_args!("{record:?}"));
            }
        }
        self.journal.commit(update)
    }
}
