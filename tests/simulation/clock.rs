//! Time: the true one, which only runs, and the Pi's clocks, which do not always agree with it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use asfaleia::alarm::BootTime;
use asfaleia::clock::{Clock, WallTime};
use tokio::time::Instant;

/// What a right clock shows when the simulation begins.
const BEGINS: i64 = 1_795_427_471_000;

/// What a right clock shows so long after the beginning.
pub(crate) fn right(at: Duration) -> WallTime {
    WallTime(BEGINS + millis(at))
}

pub(crate) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The Pi's clocks during one life of the process: tokio's paused time since the process started.
pub(crate) struct PiClock {
    process_started: Duration,
    since: Instant,
    switched_on: Duration,
    /// How wrong the wall clock is, in milliseconds.
    wrong_by: AtomicI64,
    boot_id: String,
}

impl PiClock {
    pub(crate) fn new(
        process_started: Duration,
        switched_on: Duration,
        wrong_by: i64,
        boot: u32,
    ) -> Self {
        PiClock {
            process_started,
            since: Instant::now(),
            switched_on,
            wrong_by: AtomicI64::new(wrong_by),
            boot_id: format!("boot-{boot}"),
        }
    }

    /// True time since the simulation began.
    pub(crate) fn now(&self) -> Duration {
        self.process_started + self.since.elapsed()
    }

    /// The true time of an instant of this boot.
    pub(crate) fn true_time(&self, at: BootTime) -> Duration {
        self.switched_on + Duration::from_nanos(at.as_nanos())
    }

    /// When tokio's clock shows this true time.
    pub(crate) fn instant(&self, at: Duration) -> Instant {
        self.since + at.saturating_sub(self.process_started)
    }

    pub(crate) fn set_wrong_by(&self, millis: i64) {
        self.wrong_by.store(millis, Ordering::Relaxed);
    }
}

impl Clock for PiClock {
    fn boot(&self) -> BootTime {
        BootTime::ZERO + self.now().saturating_sub(self.switched_on)
    }

    fn wall(&self) -> WallTime {
        WallTime(right(self.now()).0 + self.wrong_by.load(Ordering::Relaxed))
    }

    fn boot_id(&self) -> &str {
        &self.boot_id
    }
}

/// How wrong a wall clock is that began in 1970 when the machine was switched on.
pub(crate) fn without_battery(switched_on: Duration) -> i64 {
    -right(switched_on).0
}
