//! What the output lines are right now, for `status` and for another process that times them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::clock;

/// The record of all output lines: written by the panel's thread, read by anyone.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Something sounds until it is stopped; a chirp does not count.
    pub buzzer: Switched,
    /// The fan's relay.
    pub exhaust: Switched,
    /// What the buzzer plays, chirps too.
    pub heard: Heard,
}

/// The rhythm that the buzzer began last, for whoever plays it elsewhere.
#[derive(Debug, Default)]
pub struct Heard(Mutex<Rhythm>);

/// A rhythm that began.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Rhythm {
    /// Counts what began since the start, silence too.
    pub number: u64,
    /// Milliseconds on, off, on, ... from the beginning, which is on; none: silence.
    pub steps: &'static [u16],
    /// Again and again, until another number.
    pub repeats: bool,
}

impl Heard {
    /// This begins now. The lock is held for a copy.
    pub(super) fn begin(&self, steps: &'static [u16], repeats: bool) {
        let mut rhythm = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *rhythm = Rhythm {
            number: rhythm.number + 1,
            steps,
            repeats,
        };
    }

    /// What began last.
    pub fn last(&self) -> Rhythm {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One output: on or off, and since when. One atomic word, so that the two always match.
#[derive(Debug, Default)]
pub struct Switched(AtomicU64);

/// The top bit: the other 63 hold 292 years of nanoseconds.
const ACTIVE: u64 = 1 << 63;

impl Switched {
    /// The line was switched just now. Call it right after the line, and only on a change.
    pub fn record(&self, active: bool) {
        let word = clock::monotonic_nanos() | if active { ACTIVE } else { 0 };
        self.0.store(word, Ordering::Release);
    }

    /// On or off.
    pub fn active(&self) -> bool {
        self.read().0
    }

    /// On or off, and the last change in nanoseconds of `CLOCK_MONOTONIC`; 0 before the first.
    pub fn read(&self) -> (bool, u64) {
        let word = self.0.load(Ordering::Acquire);
        (word & ACTIVE != 0, word & !ACTIVE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_recorded_with_its_time() {
        let switched = Switched::default();
        assert_eq!(switched.read(), (false, 0));
        let before = clock::monotonic_nanos();
        switched.record(true);
        let (active, changed) = switched.read();
        assert!(active);
        assert!(before <= changed && changed <= clock::monotonic_nanos());
        switched.record(false);
        assert!(!switched.active());
        assert!(switched.read().1 >= changed);
    }
}
