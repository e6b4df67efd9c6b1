//! The phone ladder of one incident: who is called next, and when it ends.
//!
//! Driven from outside: ask [`Ladder::next`] what to do now, do it, and report what became of it.
//! Every ladder ends: every report moves it on or waits for a bounded time, a call that never
//! ends is given up, and after `expires` no call is placed any more.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::incident::IncidentId;
use super::policy::Rung;
use super::time::BootTime;

/// How often a call is asked for its status.
const POLL_EVERY: Duration = Duration::from_secs(2);
/// A call that has not ended by then is not followed any further: ringing is limited, and the
/// words, said twice, take less than a minute.
const CALL_AT_MOST: Duration = Duration::from_secs(5 * 60);
/// A breath between one contact and the next.
const RUNG_PAUSE: Duration = Duration::from_secs(1);
/// Before the ladder is climbed again: who was busy may have hung up.
const ROUND_PAUSE: Duration = Duration::from_secs(5);

/// The contacts to call, in order, and how far up we are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    rungs: Vec<Rung>,
    rounds: u32,
    ack_time: Duration,
    expires: BootTime,
    round: u32,
    rung: usize,
    stage: Stage,
}

/// Where the present rung stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stage {
    /// The call may be placed from then on.
    Ready { at: BootTime },
    /// The request may have left; what became of it is unknown until it is reported.
    Placing,
    /// The request left and nothing came back: look the call up.
    LookUp { at: BootTime },
    /// There is a call.
    Calling {
        poll_at: BootTime,
        lost_at: BootTime,
    },
    /// The call ended with a person; somebody may acknowledge until then.
    Heard { until: BootTime },
    /// Nothing more happens.
    Ended(End),
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Call [`Ladder::contact`]: record [`Ladder::about_to_place`], place the call, report.
    Place,
    /// A call to [`Ladder::contact`] may have been placed: find out, report with
    /// [`Ladder::looked_up`].
    LookUp,
    /// Ask for the status of the call under way, report.
    Poll,
    /// Nothing before this time.
    Wait {
        /// Ask again then.
        until: BootTime,
    },
    /// Over.
    Ended(End),
}

/// How a ladder ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Somebody acknowledged.
    Acknowledged,
    /// The reason to call is gone: disarmed, clear.
    Canceled,
    /// It was climbed as often as configured, and nobody acknowledged.
    NobodyAnswered,
    /// No call could be placed until it expired.
    GaveUp,
}

/// Which calls are to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// Somebody acknowledged: all of them, also those about what is over by now.
    All,
    /// The reason is gone: those about this incident.
    Of(IncidentId),
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallEnd {
    /// A person answered and heard it.
    Completed,
    /// The line was busy.
    Busy,
    /// It rang and nobody picked up.
    NoAnswer,
    /// It could not be put through.
    Failed,
    /// It was canceled at the provider.
    Canceled,
    /// A machine answered.
    Machine,
    /// The provider never said how it ended.
    Lost,
}

/// Why a call could not be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// For now: the same contact again after this long.
    Temporary(Duration),
    /// For good: the next contact.
    Permanent,
    /// Nothing came back, the call may have been placed: look it up after this long.
    Uncertain(Duration),
}

impl Ladder {
    /// A ladder whose first call may be placed at once, and whose last before `expires`.
    pub fn new(
        rungs: Vec<Rung>,
        rounds: u32,
        ack_time: Duration,
        now: BootTime,
        expires: BootTime,
    ) -> Self {
        let stage = if rungs.is_empty() || rounds == 0 {
            Stage::Ended(End::NobodyAnswered)
        } else {
            Stage::Ready { at: now }
        };
        Ladder {
            rungs,
            rounds,
            ack_time,
            expires,
            round: 0,
            rung: 0,
            stage,
        }
    }

    /// Who is being called, or called next; `None` when nobody is any more.
    pub fn contact(&self) -> Option<&Rung> {
        match self.stage {
            Stage::Ended(_) => None,
            Stage::Ready { .. }
            | Stage::Placing
            | Stage::LookUp { .. }
            | Stage::Calling { .. }
            | Stage::Heard { .. } => self.rungs.get(self.rung),
        }
    }

    /// Who was not called, or not to an end, in this round.
    pub fn left(&self) -> &[Rung] {
        match self.round < self.rounds {
            true => &self.rungs[self.rung..],
            false => &[],
        }
    }

    /// How many contacts there are.
    pub fn contacts(&self) -> usize {
        self.rungs.len()
    }

    /// What to do now. Asking twice changes nothing.
    pub fn next(&mut self, now: BootTime) -> Step {
        if let Stage::Heard { until } = self.stage
            && until <= now
        {
            self.climb(until);
        }
        match self.stage {
            Stage::Ready { .. } | Stage::LookUp { .. } if self.expires <= now => {
                self.end(End::GaveUp);
                Step::Ended(End::GaveUp)
            }
            Stage::Ready { at } if at <= now => Step::Place,
            Stage::LookUp { at } if at <= now => Step::LookUp,
            Stage::Ready { at } | Stage::LookUp { at } => Step::Wait {
                until: at.min(self.expires),
            },
            // Nobody reported: the process died in between.
            Stage::Placing => Step::LookUp,
            Stage::Calling { poll_at, .. } if poll_at <= now => Step::Poll,
            Stage::Calling { poll_at, .. } => Step::Wait { until: poll_at },
            Stage::Heard { until } => Step::Wait { until },
            Stage::Ended(end) => Step::Ended(end),
        }
    }

    /// The request is about to leave. Recorded before it does, so that after a power cut the call
    /// is looked up instead of repeated.
    pub fn about_to_place(&mut self) {
        if let Stage::Ready { .. } = self.stage {
            self.stage = Stage::Placing;
        }
    }

    /// The provider took the call.
    pub fn placed(&mut self, now: BootTime) {
        if let Stage::Placing | Stage::LookUp { .. } = self.stage {
            self.stage = Stage::Calling {
                poll_at: now + POLL_EVERY,
                lost_at: now + CALL_AT_MOST,
            };
        }
    }

    /// The provider did not take the call, or did not say.
    pub fn place_failed(&mut self, refusal: Refusal, now: BootTime) {
        if self.stage != Stage::Placing {
            return;
        }
        match refusal {
            Refusal::Temporary(after) => self.stage = Stage::Ready { at: now + after },
            Refusal::Permanent => self.climb(now + RUNG_PAUSE),
            Refusal::Uncertain(after) => self.stage = Stage::LookUp { at: now + after },
        }
    }

    /// The look-up's result: a call that was placed goes on as one, otherwise it is placed again.
    pub fn looked_up(&mut self, found: bool, now: BootTime) {
        match self.stage {
            Stage::Placing | Stage::LookUp { .. } if found => self.placed(now),
            Stage::Placing | Stage::LookUp { .. } => self.stage = Stage::Ready { at: now },
            Stage::Ready { .. } | Stage::Calling { .. } | Stage::Heard { .. } | Stage::Ended(_) => {
            }
        }
    }

    /// The look-up did not work: again after this long.
    pub fn look_up_failed(&mut self, after: Duration, now: BootTime) {
        if let Stage::Placing | Stage::LookUp { .. } = self.stage {
            self.stage = Stage::LookUp { at: now + after };
        }
    }

    /// The call has not ended, or its status is not known; ask again, at the earliest `after`.
    /// `false`: it has been too long, the call counts as [`CallEnd::Lost`].
    #[must_use]
    pub fn still_calling(&mut self, after: Duration, now: BootTime) -> bool {
        let Stage::Calling { lost_at, .. } = self.stage else {
            return true;
        };
        if lost_at <= now {
            self.call_ended(CallEnd::Lost, now);
            return false;
        }
        let poll_at = now + after.max(POLL_EVERY);
        self.stage = Stage::Calling { poll_at, lost_at };
        true
    }

    /// The call is over. A person who answered has `ack_time` to acknowledge; in all other cases
    /// the next contact follows at once.
    pub fn call_ended(&mut self, how: CallEnd, now: BootTime) {
        if let Stage::Calling { .. } = self.stage {
            match how {
                CallEnd::Completed => {
                    self.stage = Stage::Heard {
                        until: now + self.ack_time,
                    }
                }
                CallEnd::Busy
                | CallEnd::NoAnswer
                | CallEnd::Failed
                | CallEnd::Canceled
                | CallEnd::Machine
                | CallEnd::Lost => self.climb(now + RUNG_PAUSE),
            }
        }
    }

    /// Somebody acknowledged: nobody else is called. `true` if a call is under way.
    pub fn acknowledge(&mut self) -> bool {
        self.end(End::Acknowledged)
    }

    /// The reason to call is gone. `true` if a call is under way.
    pub fn cancel(&mut self) -> bool {
        self.end(End::Canceled)
    }

    /// How it ended; `None` while it goes on.
    pub fn ended(&self) -> Option<End> {
        match self.stage {
            Stage::Ended(end) => Some(end),
            Stage::Ready { .. }
            | Stage::Placing
            | Stage::LookUp { .. }
            | Stage::Calling { .. }
            | Stage::Heard { .. } => None,
        }
    }

    /// Carries every deadline into another boot: what was left at `from` is left at `to`.
    pub fn rebase(&mut self, from: BootTime, to: BootTime) {
        let carry = |at: &mut BootTime| *at = at.rebased(from, to);
        carry(&mut self.expires);
        match &mut self.stage {
            Stage::Ready { at } | Stage::LookUp { at } => carry(at),
            Stage::Calling { poll_at, lost_at } => {
                carry(poll_at);
                carry(lost_at);
            }
            Stage::Heard { until } => carry(until),
            Stage::Placing | Stage::Ended(_) => {}
        }
    }

    fn climb(&mut self, at: BootTime) {
        self.rung += 1;
        let mut at = at;
        if self.rung == self.rungs.len() {
            self.rung = 0;
            self.round += 1;
            at = at + ROUND_PAUSE;
        }
        self.stage = if self.round < self.rounds {
            Stage::Ready { at }
        } else {
            Stage::Ended(End::NobodyAnswered)
        };
    }

    fn end(&mut self, how: End) -> bool {
        let calling = matches!(self.stage, Stage::Calling { .. });
        if self.ended().is_none() {
            self.stage = Stage::Ended(how);
        }
        calling
    }
}
