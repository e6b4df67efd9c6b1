//! Time as the decisions see it: an instant on the boot clock, handed in with every event.
//!
//! The Pi has no clock battery, so wall time may be wrong by fifty years and may jump. Everything
//! that is *decided* runs on `CLOCK_BOOTTIME`; wall time is added where something is written for
//! people.

use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant on the boot clock: nanoseconds since the machine was switched on.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct BootTime(u64);

impl BootTime {
    /// The moment the machine was switched on.
    pub const ZERO: BootTime = BootTime(0);

    /// The instant `nanos` nanoseconds after boot.
    pub const fn from_nanos(nanos: u64) -> Self {
        BootTime(nanos)
    }

    /// The instant `millis` milliseconds after boot.
    pub const fn from_millis(millis: u64) -> Self {
        BootTime(millis * 1_000_000)
    }

    /// The instant `secs` seconds after boot.
    pub const fn from_secs(secs: u64) -> Self {
        BootTime(secs * 1_000_000_000)
    }

    /// Nanoseconds since boot.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it is still to come.
    pub fn since(self, earlier: BootTime) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// How long until `later`; zero if it has passed.
    pub fn until(self, later: BootTime) -> Duration {
        later.since(self)
    }

    /// The same distance from `to` as this instant has from `from`: how a deadline of one boot is
    /// carried into another. What lay before the new boot began becomes [`BootTime::ZERO`].
    #[must_use]
    pub fn rebased(self, from: BootTime, to: BootTime) -> BootTime {
        BootTime(to.0.saturating_add(self.0).saturating_sub(from.0))
    }
}

impl Add<Duration> for BootTime {
    type Output = BootTime;

    fn add(self, rhs: Duration) -> BootTime {
        let nanos = u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX);
        BootTime(self.0.saturating_add(nanos))
    }
}

impl Sub<Duration> for BootTime {
    type Output = BootTime;

    fn sub(self, rhs: Duration) -> BootTime {
        let nanos = u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX);
        BootTime(self.0.saturating_sub(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_keeps_what_was_left_in_another_boot() {
        let saved_at = BootTime::from_secs(1_000);
        let deadline = BootTime::from_secs(1_012);
        let now = BootTime::from_secs(9);
        assert_eq!(deadline.rebased(saved_at, now), BootTime::from_secs(21));
    }

    #[test]
    fn what_lay_before_this_boot_is_its_beginning() {
        let saved_at = BootTime::from_secs(1_000);
        let long_ago = BootTime::from_secs(10);
        assert_eq!(
            long_ago.rebased(saved_at, BootTime::from_secs(9)),
            BootTime::ZERO
        );
    }

    #[test]
    fn time_never_runs_below_zero_or_past_the_end() {
        assert_eq!(
            BootTime::from_secs(1).since(BootTime::from_secs(2)),
            Duration::ZERO
        );
        assert_eq!(
            BootTime::from_secs(1) - Duration::from_secs(2),
            BootTime::ZERO
        );
        let end = BootTime::from_nanos(u64::MAX);
        assert_eq!(end + Duration::from_secs(1), end);
    }
}
