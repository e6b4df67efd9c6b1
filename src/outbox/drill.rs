//! What becomes of a drill's messages, path by path.

use super::queue::Outbox;
use super::{Changes, Message, Recipient};
use crate::alarm::{Proof, Record};
use crate::clock::Stamp;

impl Outbox {
    /// A ladder that is no drill has somebody to call.
    pub(super) fn is_calling_for_real(&self) -> bool {
        (self.rows.values())
            .filter(|entry| !entry.message.is_drill() && !entry.message.is_silent())
            .filter_map(|entry| entry.message.ladder.as_ref())
            .any(|ladder| ladder.ended().is_none())
    }

    /// An alarm came in between: the drill keeps nobody's line busy.
    pub(super) fn end_drill(&mut self, id: u64, now: &Stamp, changes: &mut Changes) {
        let Some((message, mut ladder)) = self.ladder(id) else {
            return;
        };
        if ladder.cancel() {
            changes.hang_up.extend(message.calls.last().cloned());
        }
        message.ladder = Some(ladder);
        self.settle(
            id,
            "canceled",
            "an alarm came in between".into(),
            now,
            changes,
        );
    }
}

impl Changes {
    /// Writes down what this line of a drill's message says of its path.
    pub(super) fn prove(&mut self, message: &Message, to: &str, outcome: &str, detail: &str) {
        let proof = match outcome {
            "delivered" | "completed" => Proof::Delivered,
            "calling" | "retrying" => Proof::Pending,
            _ => Proof::Failed,
        };
        // What a server replied says more than our word for it.
        let detail = match (proof, detail) {
            (Proof::Delivered, _) | (Proof::Pending, "") => detail.to_owned(),
            (Proof::Failed, "") => outcome.to_owned(),
            (Proof::Pending | Proof::Failed, _) => format!("{outcome}: {detail}"),
        };
        let whole_ladder = matches!(outcome, "acknowledged" | "canceled" | "given-up" | "tested");
        let paths = match (&message.to, &message.ladder) {
            (Recipient::Phone, Some(ladder)) if whole_ladder => {
                // Those who were not called any more.
                let left = ladder.left().iter();
                left.map(|rung| format!("phone:{}", rung.contact)).collect()
            }
            _ => vec![format!("{}:{to}", message.to.channel())],
        };
        for path in paths {
            let record = Record::Proof {
                path,
                outcome: proof,
                detail: detail.clone(),
            };
            self.update.records.push((None, record));
        }
    }
}
