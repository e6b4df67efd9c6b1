//! Sensors on wires: a board's edges -> readings with the edges' own times.

use crate::alarm::{Event, Reading, SensorName};
use crate::config::{InputLine, Line, Sensor, Source};
use crate::gpio::{Board, Edge, GpioError, Signal, Unwatched, Watch};
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
    let mut unwatched = Unwatched::default();
    let sink = Box::new(move |signal| {
        if unwatched.note(&signal) {
            inbox.send(unwatched.event(SUBJECT, "sensors on GPIO lines"));
        }
        match signal {
            Signal::Found(edge) => send(&inbox, &wired, edge, true),
            Signal::Changed(edge) => send(&inbox, &wired, edge, false),
            Signal::Gone { lines, .. } => {
                for (sensor, _) in (wired.iter()).filter(|(_, it)| lines.contains(&it.line)) {
                    let sensor = sensor.clone();
                    inbox.send(Event::Lost { sensor });
                }
            }
        }
    });
    board.watch(&lines, sink).map(Some)
}

/// Of the trouble that they are not watched.
pub const SUBJECT: &str = "";

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
    use crate::alarm::TroubleCode;
    use crate::clock::SystemClock;
    use crate::config::{Active, Bias};
    use crate::gpio::SimulatedBoard;
    use crate::gpio::fixtures::ToldBoard;
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
    fn of_two_chips_each_loses_its_own_sensors_and_the_trouble_ends_with_the_last() {
        let clock = SystemClock::shared();
        let (inbox, letters) = Inbox::new(clock.clone());
        let sensors = [
            sensor("hall", Source::Gpio(wire(18))),
            sensor("door", Source::Gpio(wire(23))),
        ];
        let board = ToldBoard::default();
        let _watch = watch(&board, &sensors, inbox).unwrap();
        let told = |signal| {
            board.tell(signal);
            letters.try_iter().map(|it| it.event).collect::<Vec<_>>()
        };
        let gone = |number: u32, why: &str| Signal::Gone {
            lines: vec![Line::Number(number)],
            why: why.to_owned(),
        };
        let found = |number: u32| {
            Signal::Found(Edge {
                line: Line::Number(number),
                active: false,
                at: clock.boot(),
            })
        };
        let says = |event: &Event, why: &str| matches!(event, Event::TroubleRaised(it) if it.text.ends_with(why));

        let seen = told(gone(18, "the first"));
        let sensor = SensorName::from("hall");
        assert!(says(&seen[0], "the first"), "{seen:?}");
        assert_eq!(seen[1..], [Event::Lost { sensor }]);
        assert_eq!(told(found(23)).len(), 1, "a reading, and no end");
        assert!(says(&told(gone(23, "the second"))[0], "the second"));
        let seen = told(found(23));
        assert!(says(&seen[0], "the first"), "what is left: {seen:?}");
        let seen = told(found(18));
        let over = Event::TroubleCleared {
            code: TroubleCode::GpioGone,
            subject: String::new(),
        };
        assert_eq!(seen[0], over);
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
