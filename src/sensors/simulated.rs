//! Sensors without a device: tests, the simulator and `PUT sim/sensors/{name}` drive them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::alarm::{Event, Reading, SensorName};
use crate::config::{InputLine, Sensor, Source};
use crate::gpio::SimulatedBoard;
use crate::inbox::Inbox;

/// The sensors that can be driven: those with `simulated = true`, and the wires of a simulated
/// board. Clones drive the same sensors.
#[derive(Clone)]
pub struct SimulatedSensors {
    inbox: Inbox,
    drives: Arc<HashMap<SensorName, Drive>>,
    /// How often each sensor was set, so that a pulse does not end what came after it.
    turns: Arc<Mutex<HashMap<SensorName, u64>>>,
}

enum Drive {
    Directly,
    Wire(SimulatedBoard, InputLine),
}

/// Nothing simulated has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no simulated sensor \"{0}\"; simulated are those with `simulated = true`, and wires under `[gpio] backend = \"simulated\"`"
)]
pub struct NoSuchSensor(String);

impl SimulatedSensors {
    /// The sensors of a configuration, and other inputs by their names, which a sensor of the same
    /// name hides; wires only if the board is a simulated one.
    pub fn new(
        sensors: &[Sensor],
        others: &[(SensorName, InputLine)],
        board: Option<&SimulatedBoard>,
        inbox: Inbox,
    ) -> Self {
        let wire = |input: &InputLine| Some(Drive::Wire(board?.clone(), input.clone()));
        let sensors = sensors.iter().filter_map(|sensor| {
            let drive = match &sensor.source {
                Source::Simulated => Drive::Directly,
                Source::Gpio(input) => wire(input)?,
                Source::NodeMcu { .. } | Source::Mqtt(_) => return None,
            };
            Some((sensor.name.clone(), drive))
        });
        let others = others.iter();
        let others = others.filter_map(|(name, input)| Some((name.clone(), wire(input)?)));
        let drives = others.chain(sensors).collect();
        SimulatedSensors {
            inbox,
            drives: Arc::new(drives),
            turns: Arc::default(),
        }
    }

    /// Tells the panel the levels at the start: all inactive. (A board tells its wires itself.)
    pub fn announce(&self) {
        for (name, drive) in self.drives.iter() {
            match drive {
                Drive::Directly => self.inbox.send(Event::Reading(Reading {
                    found: true,
                    ..Reading::seen(name.clone(), false)
                })),
                Drive::Wire(..) => {}
            }
        }
    }

    /// Makes a sensor active or inactive.
    pub fn set(&self, name: &str, active: bool) -> Result<(), NoSuchSensor> {
        self.turn(name, active).map(drop)
    }

    /// Makes a sensor active, and inactive again after `length`, unless it was set meanwhile.
    /// Must be called inside the runtime.
    pub fn pulse(&self, name: &str, length: Duration) -> Result<(), NoSuchSensor> {
        let turn = self.turn(name, true)?;
        let sensors = self.clone();
        let name = SensorName::from(name);
        tokio::spawn(async move {
            tokio::time::sleep(length).await;
            let latest = sensors.turns().get(&name).copied();
            if latest == Some(turn) {
                let _ = sensors.turn(name.as_str(), false);
            }
        });
        Ok(())
    }

    /// Sets a sensor and returns which turn of it this was.
    fn turn(&self, name: &str, active: bool) -> Result<u64, NoSuchSensor> {
        let sensor = SensorName::from(name);
        let drive = self
            .drives
            .get(&sensor)
            .ok_or_else(|| NoSuchSensor(name.to_owned()))?;
        match drive {
            Drive::Directly => {
                let reading = Reading::seen(sensor.clone(), active);
                self.inbox.send(Event::Reading(reading));
            }
            Drive::Wire(board, input) => board.set(input, active),
        }
        let mut turns = self.turns();
        let turn = turns.entry(sensor).or_default();
        *turn += 1;
        Ok(*turn)
    }

    fn turns(&self) -> std::sync::MutexGuard<'_, HashMap<SensorName, u64>> {
        // A counter is never half written.
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::BootTime;
    use crate::clock::{Clock, SystemClock};
    use crate::inbox::Letter;
    use crate::sensors::tests::sensor;
    use std::sync::mpsc::Receiver;

    fn hall() -> (SimulatedSensors, Receiver<Letter>) {
        let (inbox, letters) = Inbox::new(SystemClock::shared());
        let sensors = [
            sensor("hall", Source::Simulated),
            sensor("attic", Source::Simulated),
        ];
        (SimulatedSensors::new(&sensors, &[], None, inbox), letters)
    }

    fn levels_of_hall(letters: &Receiver<Letter>) -> Vec<(bool, bool)> {
        letters
            .try_iter()
            .filter_map(|letter| match letter.event {
                Event::Reading(reading) if reading.sensor.as_str() == "hall" => {
                    Some((reading.found, reading.active))
                }
                _other => None,
            })
            .collect()
    }

    #[test]
    fn what_is_set_is_read_at_once_after_the_level_at_the_start() {
        let (sensors, letters) = hall();
        sensors.announce();
        sensors.set("hall", true).unwrap();
        sensors.set("hall", false).unwrap();
        assert_eq!(
            levels_of_hall(&letters),
            [(true, false), (false, true), (false, false)]
        );
    }

    #[test]
    fn a_sensor_that_is_not_simulated_is_refused_by_name() {
        let (sensors, _letters) = hall();
        let error = sensors.set("cellar", true).unwrap_err();
        assert!(error.to_string().contains("\"cellar\""), "{error}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_pulse_ends_by_itself_but_not_what_came_after_it() {
        let (sensors, letters) = hall();
        let next = || letters.recv_timeout(Duration::from_secs(5)).unwrap().event;
        let hall = |active| Event::Reading(Reading::seen("hall", active));
        sensors.pulse("hall", Duration::from_millis(5)).unwrap();
        assert_eq!(next(), hall(true));
        assert_eq!(next(), hall(false));

        sensors.pulse("hall", Duration::from_millis(5)).unwrap();
        sensors.set("hall", true).unwrap();
        assert_eq!((next(), next()), (hall(true), hall(true)));
        // A later, longer pulse ends: the first one would have ended before it.
        sensors.pulse("attic", Duration::from_millis(50)).unwrap();
        assert_eq!(next(), Event::Reading(Reading::seen("attic", true)));
        assert_eq!(next(), Event::Reading(Reading::seen("attic", false)));
    }

    #[test]
    fn a_wire_of_a_simulated_board_is_driven_by_its_sensors_name() {
        use crate::config::{Active, Bias, Line};
        let clock = SystemClock::shared();
        let board = SimulatedBoard::new(clock.clone());
        let (inbox, letters) = Inbox::new(clock);
        let door = InputLine {
            line: Line::Number(23),
            active: Active::Low,
            bias: Bias::PullUp,
            debounce: Duration::from_millis(1),
        };
        let sensors = [sensor("front door", Source::Gpio(door))];
        let driven = SimulatedSensors::new(&sensors, &[], Some(&board), inbox.clone());
        let _watch = crate::sensors::gpio::watch(&board, &sensors, inbox).unwrap();
        let next = || letters.recv_timeout(Duration::from_secs(5)).unwrap();
        assert!(matches!(next().event, Event::Reading(found) if found.found && !found.active));
        driven.set("front door", true).unwrap();
        let letter = next();
        assert!(letter.at > BootTime::ZERO && letter.at <= SystemClock::new().boot());
        assert_eq!(
            letter.event,
            Event::Reading(Reading::seen("front door", true))
        );
    }
}
