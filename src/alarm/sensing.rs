//! One sensor's filters against false alarms: from a level to "this counts".

use std::collections::VecDeque;

use super::policy::SensorPolicy;
use super::time::BootTime;

/// What a sensor is doing. Not saved: its level is read again at the start.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sensing {
    /// Its level; `None` until it has said something in this run.
    pub(super) level: Option<bool>,
    /// Since when it has counted as being at this level: never before what was decided already.
    pub(super) since: BootTime,
    /// Since when it has been at this level, by the reading's own time: an edge's is the kernel's.
    pub(super) began: BootTime,
    /// Its last sign of life, or the start of this run.
    pub(super) heard: BootTime,
    /// It is active, but that was only found, never seen to begin.
    pub(super) only_found: bool,
    /// Since when it is silent.
    pub(super) silent: Option<BootTime>,
    /// It is active and counts from then on.
    hold_until: Option<BootTime>,
    /// Activations within the window.
    pulses: VecDeque<BootTime>,
    /// When it last counted.
    last_counted: Option<BootTime>,
    /// Its raw value, and since when.
    raw: Option<(u16, BootTime)>,
}

impl Sensing {
    pub(super) fn new(now: BootTime) -> Self {
        Sensing {
            level: None,
            since: now,
            began: now,
            heard: now,
            only_found: false,
            silent: None,
            hold_until: None,
            pulses: VecDeque::new(),
            last_counted: None,
            raw: None,
        }
    }

    /// Known to be active, and alive.
    pub(super) fn is_active(&self) -> bool {
        self.level == Some(true) && self.silent.is_none()
    }

    /// Known to be inactive, and alive.
    pub(super) fn is_clear(&self) -> bool {
        self.level == Some(false) && self.silent.is_none()
    }

    /// Takes a level that was read at `read`. `true` if it changed.
    pub(super) fn level(&mut self, active: bool, read: BootTime, now: BootTime) -> bool {
        if self.level == Some(active) {
            return false;
        }
        self.level = Some(active);
        self.since = now;
        self.began = read;
        if !active {
            self.hold_until = None;
        }
        true
    }

    /// It has become active (or may count from now on). `true` if that counts at once; with a
    /// `hold` it counts later, see [`Sensing::hold_deadline`].
    pub(super) fn activated(&mut self, policy: &SensorPolicy, now: BootTime) -> bool {
        if policy.hold.is_zero() {
            return self.counts(policy, now);
        }
        self.hold_until = Some(now + policy.hold);
        false
    }

    /// When the hold is over.
    pub(super) fn hold_deadline(&self) -> Option<BootTime> {
        self.hold_until
    }

    /// The hold is over. `true` if the activation counts.
    pub(super) fn held(&mut self, policy: &SensorPolicy, now: BootTime) -> bool {
        self.hold_until = None;
        self.counts(policy, now)
    }

    fn counts(&mut self, policy: &SensorPolicy, now: BootTime) -> bool {
        let cooling = self
            .last_counted
            .is_some_and(|last| now.since(last) < policy.cooldown);
        if cooling {
            return false;
        }
        if policy.pulses > 1 {
            self.pulses.push_back(now);
            while let Some(first) = self.pulses.front() {
                if now.since(*first) <= policy.within {
                    break;
                }
                self.pulses.pop_front();
            }
            if self.pulses.len() < policy.pulses as usize {
                return false;
            }
            self.pulses.clear();
        }
        self.last_counted = Some(now);
        true
    }

    /// Forgets half-counted activity, and what it may have used up: what was sensed while nobody
    /// watched neither counts nor keeps later activity from counting.
    pub(super) fn forget_activity(&mut self) {
        self.hold_until = None;
        self.last_counted = None;
        self.pulses.clear();
    }

    /// Takes a raw value.
    pub(super) fn raw(&mut self, raw: u16, now: BootTime) {
        if self.raw.is_none_or(|(last, _)| last != raw) {
            self.raw = Some((raw, now));
        }
    }

    /// The raw value and since when it has not moved.
    pub(super) fn frozen(&self) -> Option<(u16, BootTime)> {
        self.raw
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::alarm::fixtures::sensor;
    use crate::alarm::policy::SensorKind;

    const fn at(secs: u64) -> BootTime {
        BootTime::from_secs(secs)
    }

    #[test]
    fn two_pulses_in_ten_seconds_count_once() {
        let mut policy = sensor("hall", SensorKind::Motion);
        policy.pulses = 2;
        policy.within = Duration::from_secs(10);
        let mut sensing = Sensing::new(at(0));
        assert!(!sensing.activated(&policy, at(1)));
        assert!(
            !sensing.activated(&policy, at(12)),
            "the first is too long ago"
        );
        assert!(sensing.activated(&policy, at(20)));
        assert!(!sensing.activated(&policy, at(21)), "counted anew");
    }

    #[test]
    fn a_hold_counts_only_when_it_is_over() {
        let mut policy = sensor("hall", SensorKind::Motion);
        policy.hold = Duration::from_secs(2);
        let mut sensing = Sensing::new(at(0));
        sensing.level(true, at(1), at(1));
        assert!(!sensing.activated(&policy, at(1)));
        assert_eq!(sensing.hold_deadline(), Some(at(3)));
        assert!(sensing.held(&policy, at(3)));
        sensing.level(false, at(4), at(4));
        sensing.level(true, at(5), at(5));
        assert!(!sensing.activated(&policy, at(5)));
        sensing.level(false, at(6), at(6));
        assert_eq!(sensing.hold_deadline(), None, "it let go too early");
    }

    #[test]
    fn a_cooldown_swallows_what_follows_too_soon() {
        let mut policy = sensor("hall", SensorKind::Motion);
        policy.cooldown = Duration::from_secs(5);
        let mut sensing = Sensing::new(at(0));
        assert!(sensing.activated(&policy, at(1)));
        assert!(!sensing.activated(&policy, at(5)));
        assert!(sensing.activated(&policy, at(6)));
    }
}
