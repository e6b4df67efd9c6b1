//! What was played, in one line.

use std::fmt;
use std::time::Duration;

#[derive(Debug, Default, Clone)]
pub(crate) struct Summary {
    pub(crate) steps: u64,
    pub(crate) kills: u64,
    pub(crate) torn: u64,
    pub(crate) incidents: u64,
    pub(crate) messages: u64,
    pub(crate) delivered: u64,
    pub(crate) given_up: u64,
    pub(crate) duplicates: u64,
    pub(crate) answers_lost: u64,
    pub(crate) calls: u64,
    /// Incidents that were lost before their commit.
    pub(crate) lost: u64,
    pub(crate) longest_window: Duration,
    /// The same while the card took nothing at all.
    pub(crate) lost_by_the_card: u64,
}

impl Summary {
    pub(crate) fn lost(&mut self, window: Duration, card_failed: bool) {
        if card_failed {
            self.lost_by_the_card += 1;
        } else {
            self.lost += 1;
            self.longest_window = self.longest_window.max(window);
        }
    }

    pub(crate) fn add(&mut self, other: &Summary) {
        self.steps += other.steps;
        self.kills += other.kills;
        self.torn += other.torn;
        self.incidents += other.incidents;
        self.messages += other.messages;
        self.delivered += other.delivered;
        self.given_up += other.given_up;
        self.duplicates += other.duplicates;
        self.answers_lost += other.answers_lost;
        self.calls += other.calls;
        self.lost += other.lost;
        self.longest_window = self.longest_window.max(other.longest_window);
        self.lost_by_the_card += other.lost_by_the_card;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills ({} in mid-write), {} incidents, {} messages, {} delivered, {} given up, \
             {} duplicates ({} answers lost), {} calls, {} incidents lost before their commit \
             (at most {} ms), {} while the card took nothing",
            self.kills,
            self.torn,
            self.incidents,
            self.messages,
            self.delivered,
            self.given_up,
            self.duplicates,
            self.answers_lost,
            self.calls,
            self.lost,
            self.longest_window.as_millis(),
            self.lost_by_the_card,
        )
    }
}
