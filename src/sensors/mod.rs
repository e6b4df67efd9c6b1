//! IN: device -> Event. A pure parser and a short loop each.

pub mod gpio;
pub mod line;
mod listen;
pub mod mqtt;
pub mod nodemcu;
pub mod port;
pub mod simulated;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::alarm::{BootTime, Reading, SensorName};

pub use listen::{Heard, listen};

/// What could not be understood, counted for each sensor: `errors` in the status. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Errors {
    counts: Arc<Mutex<HashMap<SensorName, u64>>>,
    counted: Arc<Notify>,
}

impl Errors {
    /// How much of what this sensor sent could not be understood.
    pub fn of(&self, sensor: &SensorName) -> u64 {
        self.counts().get(sensor).copied().unwrap_or(0)
    }

    /// One more.
    pub fn count(&self, sensor: &SensorName) {
        *self.counts().entry(sensor.clone()).or_default() += 1;
        self.counted.notify_one();
    }

    /// Waits until something was counted since this was last waited for. Somebody alone may wait.
    pub async fn counted(&self) {
        self.counted.notified().await;
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<SensorName, u64>> {
        // A count is never half written: what a panicking thread left is right.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds back repeated readings: a change passes at once, the same again once a second, as the
/// sign of life it is. (The original's gas sketch repeats itself in a tight loop.)
#[derive(Debug, Default)]
struct Fold {
    last: Option<Passed>,
}

#[derive(Debug)]
struct Passed {
    active: bool,
    found: bool,
    at: BootTime,
}

impl Fold {
    /// A little less than a second, so that a line each second passes each time for all its jitter.
    const REPEAT: Duration = Duration::from_millis(900);

    /// Whether this reading of the sensor goes to the panel.
    fn passes(&mut self, reading: &Reading, at: BootTime) -> bool {
        let passes = self.last.as_ref().is_none_or(|last| {
            // Seen after found is news: motion now, where a retained level said nothing of now.
            last.active != reading.active
                || (last.found && !reading.found)
                || at.since(last.at) >= Self::REPEAT
        });
        if passes {
            self.last = Some(Passed {
                active: reading.active,
                found: reading.found,
                at,
            });
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Depth, Sensor, Source};

    /// A motion sensor with this source and the defaults of the configuration.
    pub(super) fn sensor(name: &str, source: Source) -> Sensor {
        let text = format!("[[sensor]]\nname = \"{name}\"\nkind = \"motion\"\nsimulated = true\n");
        let loaded = config::parse(&text, "test", Depth::Shape).unwrap();
        let sensor = loaded.config.sensors.into_iter().next().unwrap();
        Sensor { source, ..sensor }
    }

    fn reading(active: bool, found: bool) -> Reading {
        Reading {
            found,
            ..Reading::seen("hall", active)
        }
    }

    #[test]
    fn a_tight_loop_is_folded_to_one_reading_a_second_and_no_change_is_lost() {
        let mut fold = Fold::default();
        let passed = (0..3_000)
            .filter(|ms| fold.passes(&reading(true, false), BootTime::from_millis(*ms)))
            .count();
        assert_eq!(passed, 4);
        for ms in 3_000..4_000 {
            assert!(fold.passes(&reading(ms % 2 == 1, false), BootTime::from_millis(ms)));
        }
    }

    #[test]
    fn a_line_each_second_with_jitter_passes_each_time() {
        let mut fold = Fold::default();
        for second in 0..100_u64 {
            let jitter = second * 7_919 % 80;
            let at = BootTime::from_millis(1_000 * second + jitter);
            assert!(fold.passes(&reading(false, false), at), "second {second}");
        }
    }

    #[test]
    fn motion_seen_right_after_a_retained_motion_passes() {
        let mut fold = Fold::default();
        assert!(fold.passes(&reading(true, true), BootTime::from_millis(1)));
        assert!(fold.passes(&reading(true, false), BootTime::from_millis(2)));
        assert!(!fold.passes(&reading(true, true), BootTime::from_millis(3)));
    }

    #[test]
    fn errors_are_counted_for_each_sensor() {
        let errors = Errors::default();
        let shared = errors.clone();
        shared.count(&"hall".into());
        shared.count(&"hall".into());
        assert_eq!(errors.of(&"hall".into()), 2);
        assert_eq!(errors.of(&"door".into()), 0);
    }
}
