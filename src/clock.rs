//! Where time comes from: the boot clock for decisions, wall time for people.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::alarm::BootTime;

/// Reads the clocks. The daemon has the real one; a simulation makes its own.
pub trait Clock: Send + Sync {
    /// Now, since the machine was switched on.
    fn boot(&self) -> BootTime;
    /// Now, for people.
    fn wall(&self) -> WallTime;
    /// Which boot of the machine this is.
    fn boot_id(&self) -> &str;
    /// How long a thread has to wait for so much of the boot clock to pass. It is the same, but for
    /// a simulation that runs fast.
    fn lasts(&self, wait: Duration) -> Duration {
        wait
    }
}

/// A clock that can be handed around.
pub type SharedClock = Arc<dyn Clock>;

/// Wall time: milliseconds since 1970 in UTC, as far as the machine knows.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct WallTime(pub i64);

impl WallTime {
    /// Before this the clock was certainly not set: the program did not exist.
    const PROGRAM_WRITTEN: WallTime = WallTime(1_767_225_600_000); // 2026-01-01

    /// Milliseconds since 1970.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// The clock has been set: this can be a true time.
    pub fn is_set(self) -> bool {
        self >= Self::PROGRAM_WRITTEN
    }

    /// As a timestamp that can be printed.
    pub fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// RFC 3339 in UTC with milliseconds, such as `2026-11-23T09:51:11.123Z`.
    pub fn rfc3339(self) -> String {
        format!("{:.3}", self.timestamp())
    }
}

/// Two clocks that are read within this tell the same millisecond.
const SAME_MOMENT: Duration = Duration::from_millis(1);

/// One moment on both clocks, with the boot it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// On the boot clock.
    pub boot: BootTime,
    /// On the wall.
    pub wall: WallTime,
    /// Which boot.
    pub boot_id: String,
}

impl Stamp {
    /// Now. On a busy machine time may pass between one clock and the other: they are read again
    /// then, as everything that is shown with a time would be wrong by as much.
    pub fn now(clock: &dyn Clock) -> Self {
        let mut tries = 0..4;
        loop {
            let (boot, wall) = (clock.boot(), clock.wall());
            if tries.next().is_none() || clock.boot().since(boot) < SAME_MOMENT {
                let boot_id = clock.boot_id().to_owned();
                return Stamp {
                    boot,
                    wall,
                    boot_id,
                };
            }
        }
    }

    /// Wall time of another moment of the same boot.
    pub fn wall_of(&self, at: BootTime) -> WallTime {
        let past = i64::try_from(self.boot.since(at).as_millis()).unwrap_or(i64::MAX);
        let ahead = i64::try_from(at.since(self.boot).as_millis()).unwrap_or(i64::MAX);
        WallTime(self.wall.0.saturating_sub(past).saturating_add(ahead))
    }
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    boot_id: String,
}

impl SystemClock {
    /// Reads which boot this is. A system that does not tell gets a random one: what was saved
    /// then counts as saved in another boot, which is the careful reading.
    pub fn new() -> Self {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map(|id| id.trim().to_owned())
            .unwrap_or_else(|_| format!("{:032x}", fastrand::u128(..)));
        SystemClock { boot_id }
    }

    /// A real clock that can be handed around.
    pub fn shared() -> SharedClock {
        Arc::new(SystemClock::new())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn boot(&self) -> BootTime {
        #[cfg(target_os = "linux")]
        let id = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let id = rustix::time::ClockId::Monotonic;
        nanos(id)
    }

    fn wall(&self) -> WallTime {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        WallTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn boot_id(&self) -> &str {
        &self.boot_id
    }
}

/// Nanoseconds of `CLOCK_MONOTONIC`: what another process reads as well, to time us.
pub fn monotonic_nanos() -> u64 {
    nanos(rustix::time::ClockId::Monotonic).as_nanos()
}

fn nanos(id: rustix::time::ClockId) -> BootTime {
    let time = rustix::time::clock_gettime(id);
    let secs = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    BootTime::from_nanos(secs * 1_000_000_000 + nanos)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn wall_times_print_as_rfc_3339_with_milliseconds() {
        assert_eq!(
            WallTime(1_795_427_471_123).rfc3339(),
            "2026-11-23T09:51:11.123Z"
        );
    }

    #[test]
    fn the_clocks_of_a_stamp_are_read_at_the_same_moment() {
        /// Each look at the wall takes long, but for the third.
        struct Interrupted(Mutex<(u32, u64)>);
        impl Clock for Interrupted {
            fn boot(&self) -> BootTime {
                BootTime::from_nanos(self.0.lock().unwrap().1 * 1_000_000)
            }
            fn wall(&self) -> WallTime {
                let (looks, now) = &mut *self.0.lock().unwrap();
                *looks += 1;
                if *looks != 3 {
                    *now += 500;
                }
                WallTime(1_795_427_471_000 + i64::try_from(*now).unwrap())
            }
            fn boot_id(&self) -> &str {
                "b"
            }
        }
        let stamp = Stamp::now(&Interrupted(Mutex::default()));
        let switched_on = stamp.wall_of(BootTime::ZERO);
        assert_eq!(switched_on, WallTime(1_795_427_471_000));
    }

    #[test]
    fn a_clock_that_says_1970_is_not_set() {
        assert!(!WallTime(1_000).is_set());
        assert!(WallTime(1_795_427_471_123).is_set());
    }

    #[test]
    fn the_wall_time_of_an_earlier_moment_is_earlier_by_as_much() {
        let now = Stamp {
            boot: BootTime::from_secs(100),
            wall: WallTime(1_795_427_471_000),
            boot_id: "b".into(),
        };
        assert_eq!(
            now.wall_of(BootTime::from_secs(40)),
            WallTime(1_795_427_411_000)
        );
        assert_eq!(
            now.wall_of(BootTime::from_secs(101)),
            WallTime(1_795_427_472_000)
        );
    }
}
