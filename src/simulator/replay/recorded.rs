//! A recorded incident, as `GET /api/v1/incidents/{id}` tells it, played again.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::timeline::Timeline;
use super::world::{Next, World};
use super::{Answers, Script, armed};
use crate::alarm::{BootTime, Command, Record, Recording, Seen, SensorName};
use crate::clock::WallTime;
use crate::config::Config;
use crate::simulator::{Cue, Happening};

/// Readings before this are no part of the story: nobody knows whether the panel was armed then.
/// They only say how the sensors stood when it begins.
const BEFORE: Duration = Duration::from_secs(120);
/// After the last reading: every delay and hold has passed, and the siren's time.
const AFTER: Duration = Duration::from_secs(300);

/// What was recorded of an incident.
#[derive(Debug, Clone)]
pub struct Recorded {
    recording: Recording,
    /// The wall time of `recording.since`.
    since: WallTime,
    /// What people did during the incident.
    commands: Vec<Cue>,
    alarm: Option<Alarmed>,
}

/// An alarm: when, and which sensor raised it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarmed {
    /// When.
    pub at: WallTime,
    /// By which sensor.
    pub by: SensorName,
}

/// The text is no recorded incident.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// It is not even JSON.
    #[error("reading the recorded incident: {0}")]
    Json(#[from] serde_json::Error),
    /// What the sensors did is not in it.
    #[error(
        "this JSON has no recording of an incident ({0}); save what \
         GET /api/v1/incidents/ID answers"
    )]
    NoRecording(String),
}

impl Recorded {
    /// Reads the answer of `GET /api/v1/incidents/{id}`: its `recording`, and as far as they are
    /// there `since` and `events`.
    pub fn parse(text: &str) -> Result<Recorded, RecordedError> {
        let incident: Value = serde_json::from_str(text)?;
        let recording = match &incident["recording"] {
            Value::String(text) => serde_json::from_str::<Recording>(text),
            value => serde_json::from_value(value.clone()),
        };
        let recording = recording.map_err(|why| RecordedError::NoRecording(why.to_string()))?;
        let events = || incident["events"].as_array().into_iter().flatten();
        // A record without its time: as good as the first line of its history.
        let since = wall(&incident["since"]).or_else(|| wall(&events().next()?["at"]));
        let mut recorded = Recorded {
            recording,
            since: since.unwrap_or(WallTime(0)),
            commands: Vec::new(),
            alarm: None,
        };
        for event in events() {
            recorded.event(event);
        }
        Ok(recorded)
    }

    /// The alarm that it was; `None`: the record does not say.
    pub fn alarm(&self) -> Option<&Alarmed> {
        self.alarm.as_ref()
    }

    /// Sensors that were read and are not in this configuration: their readings are left out.
    pub fn unknown_sensors(&self, config: &Config) -> Vec<SensorName> {
        let mut names: Vec<SensorName> = (self.recording.seen.iter())
            .map(|seen| seen.sensor.clone())
            .filter(|name| !config.sensors.iter().any(|sensor| sensor.name == *name))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// What happens in this house when the sensors do again what they did.
    pub fn play(&self, config: &Config) -> Timeline {
        let begins = self.begins();
        let (before, seen): (Vec<&Seen>, Vec<&Seen>) =
            (self.recording.seen.iter()).partition(|seen| seen.at < begins);
        let mut active: Vec<SensorName> = Vec::new();
        for seen in before {
            active.retain(|name| *name != seen.sensor);
            if seen.active {
                active.push(seen.sensor.clone());
            }
        }
        let readings = seen.into_iter().map(|seen| {
            let (name, active) = (seen.sensor.clone(), seen.active);
            let next = match seen.found {
                true => Next::Found(name, active),
                false => Next::Cue(Happening::Sensor { name, active }),
            };
            (seen.at.since(begins), next)
        });
        let commands = (self.commands.iter()).map(|cue| (cue.at, Next::Cue(cue.what.clone())));
        let plan: Vec<(Duration, Next)> = readings.chain(commands).collect();
        let last = plan.iter().map(|(at, _)| *at).max().unwrap_or_default();
        let id = self.recording.incident;
        let armed = armed(self.recording.mode);
        let script = Script {
            title: format!("Incident {id} as the sensors saw it ({armed})"),
            mode: self.recording.mode,
            begins: self.wall(begins),
            lasts: last + AFTER,
            answers: Answers::Nobody,
            plan,
            active,
            zone: TimeZone::system(),
        };
        World::new(script, config).run()
    }

    fn begins(&self) -> BootTime {
        let first = self
            .recording
            .seen
            .first()
            .map_or(BootTime::ZERO, |it| it.at);
        (self.recording.since - BEFORE).max(first)
    }

    fn wall(&self, at: BootTime) -> WallTime {
        let ahead = at.since(self.recording.since).as_millis();
        let ago = self.recording.since.since(at).as_millis();
        let millis = |time: u128| i64::try_from(time).unwrap_or(i64::MAX);
        WallTime(self.since.0 + millis(ahead) - millis(ago))
    }

    /// What people did, and how it began, from a line of history.
    fn event(&mut self, event: &Value) {
        let Some(at) = wall(&event["at"]) else { return };
        let record = json!({ "kind": event["kind"], "data": event["data"] });
        let (command, by) = match serde_json::from_value(record) {
            Ok(Record::State {
                to, by: Some(by), ..
            }) if to == "disarmed" => (Command::Disarm, by),
            Ok(Record::State {
                to, by: Some(by), ..
            }) if to == "paused" => (Command::Pause, by),
            Ok(Record::Acknowledged { by }) => (Command::Acknowledge, by),
            Ok(Record::Silenced { by }) => (Command::Silence, by),
            Ok(Record::IncidentOpened { sensor: by, .. }) => {
                self.alarm.get_or_insert(Alarmed { at, by });
                return;
            }
            Ok(_) | Err(_) => return,
        };
        let since_begin = at.0 - self.wall(self.begins()).0;
        self.commands.push(Cue {
            at: Duration::from_millis(u64::try_from(since_begin).unwrap_or(0)),
            what: Happening::Command { command, by },
        });
    }
}

fn wall(value: &Value) -> Option<WallTime> {
    let time: Timestamp = value.as_str()?.parse().ok()?;
    Some(WallTime(time.as_millisecond()))
}
