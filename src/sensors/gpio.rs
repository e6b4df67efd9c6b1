//! Sensors on wires: a board's edges -> readings with the edges' own times.

use crate::alarm::{Event, Reading, SensorName, Trouble, TroubleCode};
use crate::config::{InputLine, Line, Sensor, Source};
use crate::gpio::{Board, Edge, GpioError, Signal, Watch};
use crate::inbox::Inbox;

/// Watches all sensors that are wires, until the watch is dropped. Their levels are told first.
/// `None`: no sensor is a wire.
pub fn watch(
    board: &dyn Board,
    sensors: &[Sensor],
    inbox: Inbox,
) -> Result<Option<Watch>, GpioError> {
    let wired: Vec<(SensorName, InputLine)> = sensors
        .iter()
        .filter_map(|sensor| match &sensor.source {
            Source::Gpio(input) => Some((sensor.name.clone(), input.clone())),
            Source::NodeMcu { .. } | Source::Mqtt(_) | Source::Simulated => None,
        })
        .collect();
    if wired.is_empty() {
        return Ok(None);
    }
    let lines: Vec<InputLine> = wired.iter().map(|(_, input)| input.clone()).collect();
    let mut gone = false;
    let sink = Box::new(move |signal| match signal {
        Signal::Found(edge) => {
            if std::mem::take(&mut gone) {
                inbox.send(Event::TroubleCleared {
                    code: TroubleCode::GpioGone,
                    subject: String::new(),
                });
            }
            send(&inbox, &wired, edge, true);
        }
        Signal::Changed(edge) => send(&inbox, &wired, edge, false),
        Signal::Gone { why } => {
            gone = true;
            inbox.send(Event::TroubleRaised(Trouble {
                code: TroubleCode::GpioGone,
                subject: String::new(),
                text: format!("the sensors on GPIO lines are not watched: {why}"),
            }));
            for (sensor, _) in &wired {
                let sensor = sensor.clone();
                inbox.send(Event::Lost { sensor });
            }
        }
    });
    board.watch(&lines, sink).map(Some)
}

fn send(inbox: &Inbox, wired: &[(SensorName, InputLine)], edge: Edge, found: bool) {
    let Some(sensor) = sensor_of(wired, &edge.line) else {
        return;
    };
    let reading = Reading {
        sensor,
        active: edge.active,
        found,
        raw: None,
    };
    inbox.send_at(Event::Reading(reading), edge.at);
}

fn sensor_of(wired: &[(SensorName, InputLine)], line: &Line) -> Option<SensorName> {
    wired
        .iter()
        .find(|(_, input)| input.line == *line)
        .map(|(sensor, _)| sensor.clone())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::SystemClock;
    use crate::config::{Active, Bias};
    use crate::gpio::SimulatedBoard;
    use crate::sensors::tests::sensor;

    fn wire(number: u32) -> InputLine {
        InputLine {
            line: Line::Number(number),
            active: Active::High,
            bias: Bias::PullDown,
            debounce: Duration::from_millis(2),
        }
    }

    #[test]
    fn levels_are_found_edges_are_seen_at_their_time_and_a_lost_board_loses_its_sensors() {
        let clock = SystemClock::shared();
        let board = SimulatedBoard::new(clock.clone());
        let (inbox, letters) = Inbox::new(clock);
        let sensors = [
            sensor("hall", Source::Gpio(wire(18))),
            sensor("attic", Source::Simulated),
            sensor("door", Source::Gpio(wire(23))),
        ];
        board.set(&wire(23), true);
        let _watch = watch(&board, &sensors, inbox).unwrap();
        let next = || letters.recv_timeout(Duration::from_secs(5)).unwrap();

        let found = |name, active| {
            Event::Reading(Reading {
                found: true,
                ..Reading::seen(name, active)
            })
        };
        assert_eq!(next().event, found("hall", false));
        assert_eq!(next().event, found("door", true));

        board.set(&wire(18), true);
        let letter = next();
        assert_eq!(letter.event, Event::Reading(Reading::seen("hall", true)));

        board.vanish();
        assert!(matches!(
            next().event,
            Event::TroubleRaised(trouble) if trouble.code == TroubleCode::GpioGone
        ));
        for name in ["hall", "door"] {
            let sensor = SensorName::from(name);
            assert_eq!(next().event, Event::Lost { sensor });
        }
    }

    #[test]
    fn without_a_wire_nothing_is_watched() {
        let clock = SystemClock::shared();
        let board = SimulatedBoard::new(clock.clone());
        let (inbox, _letters) = Inbox::new(clock);
        let sensors = [sensor("attic", Source::Simulated)];
        assert!(watch(&board, &sensors, inbox).unwrap().is_none());
    }
}
