//! The simulator's clock: the machine's, which can be made to run faster.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::alarm::BootTime;
use crate::clock::{Clock, SystemClock, WallTime};

/// A clock that runs up to sixty times as fast as the machine's. What decides by the boot clock
/// (the panel, the outbox, the camera's bursts) goes along; what talks to others (SMTP, HTTP,
/// serial lines) keeps the machine's time.
#[derive(Debug)]
pub struct SimulatedClock {
    machine: SystemClock,
    boot_id: String,
    pace: Mutex<Pace>,
}

/// From when on it runs how fast.
#[derive(Debug, Clone, Copy)]
struct Pace {
    speed: u32,
    /// On the machine's boot clock ...
    since: BootTime,
    /// ... and what this clock showed then.
    boot: BootTime,
    /// How far this clock's wall was ahead of the machine's then.
    ahead: Duration,
}

impl SimulatedClock {
    /// The most it is sped up: a minute a second.
    pub const FASTEST: u32 = 60;
    /// A Pi takes so long from its power to the service.
    const BOOTED: BootTime = BootTime::from_secs(20);

    /// The machine's clock.
    pub fn new() -> Self {
        let machine = SystemClock::new();
        let (boot_id, now) = (machine.boot_id().to_owned(), machine.boot());
        Self::from(machine, boot_id, now, Duration::ZERO, 1)
    }

    /// A machine that has just been switched on again; its wall clock is `ahead` of the real one.
    pub fn after_power_cut(ahead: Duration, speed: u32) -> Self {
        let boot_id = format!("{:032x}", fastrand::u128(..));
        Self::from(SystemClock::new(), boot_id, Self::BOOTED, ahead, speed)
    }

    fn from(
        machine: SystemClock,
        boot_id: String,
        boot: BootTime,
        ahead: Duration,
        speed: u32,
    ) -> Self {
        let pace = Pace {
            speed: speed.clamp(1, Self::FASTEST),
            since: machine.boot(),
            boot,
            ahead,
        };
        SimulatedClock {
            machine,
            boot_id,
            pace: Mutex::new(pace),
        }
    }

    /// How many seconds pass in one.
    pub fn speed(&self) -> u32 {
        self.pace().speed
    }

    /// How far the wall clock is ahead of the machine's.
    pub fn ahead(&self) -> Duration {
        let pace = *self.pace();
        pace.ahead + self.machine.boot().since(pace.since) * (pace.speed - 1)
    }

    /// From now on so many seconds pass in one: 1 to [`FASTEST`](Self::FASTEST).
    pub fn set_speed(&self, speed: u32) {
        let mut pace = self.pace();
        let now = self.machine.boot();
        let passed = now.since(pace.since);
        *pace = Pace {
            speed: speed.clamp(1, Self::FASTEST),
            since: now,
            boot: pace.boot + passed * pace.speed,
            ahead: pace.ahead + passed * (pace.speed - 1),
        };
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for SimulatedClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SimulatedClock {
    fn boot(&self) -> BootTime {
        let pace = self.pace();
        pace.boot + self.machine.boot().since(pace.since) * pace.speed
    }

    fn wall(&self) -> WallTime {
        let ahead = i64::try_from(self.ahead().as_millis()).unwrap_or(i64::MAX);
        WallTime(self.machine.wall().0.saturating_add(ahead))
    }

    fn boot_id(&self) -> &str {
        &self.boot_id
    }

    fn lasts(&self, wait: Duration) -> Duration {
        // Rounded up: who wakes too early finds nothing due.
        (wait + Duration::from_nanos(u64::from(self.speed()) - 1)) / self.speed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_machines_clock_until_it_is_sped_up() {
        let (ours, machine) = (SimulatedClock::new(), SystemClock::new());
        assert_eq!(ours.boot_id(), machine.boot_id());
        let before = machine.boot();
        let now = ours.boot();
        assert!(before <= now && now <= machine.boot());
        assert_eq!(ours.lasts(Duration::from_secs(7)), Duration::from_secs(7));
        assert_eq!(ours.ahead(), Duration::ZERO);
    }

    #[test]
    fn it_runs_faster_from_where_it_is_and_never_jumps() {
        let clock = SimulatedClock::new();
        let start = clock.boot();
        clock.set_speed(60);
        assert_eq!(clock.lasts(Duration::from_secs(60)), Duration::from_secs(1));
        let machine = SystemClock::new();
        let (fast, real) = (clock.boot(), machine.boot());
        std::thread::sleep(Duration::from_millis(20));
        let (passed, truly) = (clock.boot().since(fast), machine.boot().since(real));
        assert!(passed >= Duration::from_millis(60 * 20), "{passed:?}");
        assert!(passed <= (truly + Duration::from_millis(20)) * 60);
        clock.set_speed(1);
        let ahead = clock.ahead();
        assert!(ahead >= Duration::from_millis(59 * 20), "{ahead:?}");
        assert!(clock.boot() >= fast + passed && fast >= start);
        let wall = clock.wall().0 - machine.wall().0;
        assert!(wall >= 59 * 20, "the wall goes along: {wall}");
    }

    #[test]
    fn after_a_power_cut_it_is_another_boot_and_the_wall_goes_on() {
        let ahead = Duration::from_secs(3600);
        let clock = SimulatedClock::after_power_cut(ahead, 10);
        assert_ne!(clock.boot_id(), SystemClock::new().boot_id());
        assert_eq!(clock.speed(), 10);
        assert!(clock.boot() < BootTime::from_secs(600));
        assert!(clock.ahead() >= ahead);
    }
}
