//! A night as a script: what the sensors, the people and the world do, and when.
//!
//! [`Scenario::play`] plays it on a [`Stage`], at its pace; `replay` plays it in virtual time.

mod written;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use jiff::civil::Time;
use serde_json::Value;

use crate::alarm::{Actor, Command, Entry, Mode, Origin, Right, SensorKind, SensorName};
use crate::config::{Config, Diagnostic, Severity};

/// A script that can be played.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it is called.
    pub title: String,
    /// What the panel is armed for when it begins; `None`: disarmed.
    pub mode: Option<Mode>,
    /// The time of day when it begins.
    pub starts: Time,
    /// How long it lasts.
    pub ends: Duration,
    /// Who picks up the phone.
    pub answers: Answers,
    /// Sensors that it needs beside those of the configuration.
    pub extra_sensors: Vec<ExtraSensor>,
    cues: Vec<Cue>,
    /// Where each sensor is named, for [`Scenario::cast`].
    named: Vec<(SensorName, Range<usize>)>,
    source: Source,
}

/// Who picks up the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// It rings in vain.
    Nobody,
    /// Whoever is called first does; all others do not.
    TheFirst,
}

/// A sensor that a scenario brings with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraSensor {
    /// Its name.
    pub name: SensorName,
    /// What it senses.
    pub kind: SensorKind,
    /// What its trigger does while armed.
    pub entry: Entry,
}

/// Something that happens at a time of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Cue {
    /// So long after the beginning.
    pub at: Duration,
    /// What.
    pub what: Happening,
}

/// What can happen in a house.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// A sensor's surroundings change.
    Sensor {
        /// Which sensor.
        name: SensorName,
        /// Motion, broken, open, gas, pressed.
        active: bool,
    },
    /// Somebody wants something of the panel.
    Command {
        /// What.
        command: Command,
        /// Who.
        by: Actor,
    },
    /// Something breaks, or is mended: as `PUT sim/faults` takes it.
    Fault(Value),
}

/// Where a scenario is played.
pub trait Stage {
    /// Waits until so much time has passed since the beginning.
    fn reach(&self, at: Duration) -> impl Future<Output = ()> + Send;
    /// The sensor's surroundings change.
    fn sensor(&self, name: &SensorName, active: bool);
    /// Somebody asks the panel for something.
    fn command(&self, command: Command, by: Actor) -> impl Future<Output = ()> + Send;
    /// Something breaks, or is mended: an object as `PUT sim/faults` takes it.
    fn fault(&self, change: Value);
}

/// A scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file is not there, or no text.
    #[error("reading the scenario {file}: {why}")]
    Unreadable {
        /// Which file.
        file: String,
        /// What the system said.
        why: String,
    },
    /// Its content is wrong: all that was found.
    #[error("{}", refused(.0))]
    Refused(Vec<Diagnostic>),
}

impl Scenario {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Scenario, ScenarioError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|why| ScenarioError::Unreadable {
            file: file.clone(),
            why: why.to_string(),
        })?;
        Scenario::parse(&text, &file)
    }

    /// Reads a text; `name` is what its errors call it. Whether its sensors exist is another
    /// question: [`Scenario::cast`].
    pub fn parse(text: &str, name: &str) -> Result<Scenario, ScenarioError> {
        let source = Source {
            name: name.to_owned(),
            text: text.to_owned(),
        };
        written::read(source)
    }

    /// Every sensor of the scenario is in this configuration.
    pub fn cast(&self, config: &Config) -> Result<(), ScenarioError> {
        let has = |name: &SensorName| config.sensors.iter().any(|sensor| sensor.name == *name);
        let names: Vec<String> = (config.sensors.iter())
            .map(|sensor| format!("{:?}", sensor.name.as_str()))
            .collect();
        let missing = (self.named.iter()).filter(|(name, _)| !has(name));
        let missing: Vec<Diagnostic> = missing
            .map(|(name, span)| {
                let message = format!("the configuration has no sensor {:?}", name.as_str());
                let help = format!(
                    "allowed: {}, or an [[extra-sensor]] of this name",
                    names.join(", ")
                );
                self.source.error(span.clone(), message, Some(help))
            })
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(ScenarioError::Refused(missing))
    }

    /// What happens, in order. A pulse is two cues: it begins, it ends.
    pub fn cues(&self) -> &[Cue] {
        &self.cues
    }

    /// Plays it at the stage's pace, to its end.
    pub async fn play(&self, stage: &impl Stage) {
        for cue in &self.cues {
            stage.reach(cue.at).await;
            match &cue.what {
                Happening::Sensor { name, active } => stage.sensor(name, *active),
                Happening::Command { command, by } => {
                    stage.command(command.clone(), by.clone()).await;
                }
                Happening::Fault(change) => stage.fault(change.clone()),
            }
        }
        stage.reach(self.ends).await;
    }
}

/// The person of this name, who lives here.
fn owner(name: Option<String>) -> Actor {
    Actor {
        name,
        origin: Origin::Dashboard,
        right: Right::Owner,
        with: Vec::new(),
    }
}

/// The text, to point into it.
#[derive(Debug, Clone)]
struct Source {
    name: String,
    text: String,
}

impl Source {
    fn error(&self, span: Range<usize>, message: String, help: Option<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, &self.name, &self.text, span, message, help)
    }
}

fn refused(found: &[Diagnostic]) -> impl fmt::Display {
    let mut text = String::new();
    for one in found {
        text.push_str(&format!("{one}\n\n"));
    }
    let s = if found.len() == 1 { "" } else { "s" };
    format!("{text}the scenario was refused: {} error{s}", found.len())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const NIGHT: &str = r#"
title = "Night"
mode = "night"
starts = "23:30"
ends = "1m"
answers = "the first"
[[step]]
at = "1s"
sensor = "hall"
pulse = "10s"
[[step]]
at = "5s"
sensor = "hall"
active = true
[[step]]
at = "20s"
fault = { smtp = "down", network = "up" }
[[step]]
at = "30s"
command = "arm home"
by = "Anna"
"#;

    #[derive(Default)]
    struct Notes(Mutex<Vec<(u64, String)>>, Option<tokio::time::Instant>);

    impl Notes {
        fn note(&self, what: String) {
            let began = self.1.unwrap();
            let secs = began.elapsed().as_secs();
            self.0.lock().unwrap().push((secs, what));
        }
    }

    impl Stage for Notes {
        async fn reach(&self, at: Duration) {
            tokio::time::sleep_until(self.1.unwrap() + at).await;
        }
        fn sensor(&self, name: &SensorName, active: bool) {
            self.note(format!("{name} {active}"));
        }
        async fn command(&self, command: Command, by: Actor) {
            self.note(format!("{command:?} by {}", by.who()));
        }
        fn fault(&self, change: Value) {
            self.note(change.to_string());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_scenario_is_played_at_its_times_and_to_its_end() {
        let scenario = Scenario::parse(NIGHT, "night.toml").unwrap();
        let began = tokio::time::Instant::now();
        let notes = Notes(Mutex::default(), Some(began));
        scenario.play(&notes).await;
        assert_eq!(began.elapsed(), Duration::from_secs(60));
        let notes = notes.0.into_inner().unwrap();
        let notes: Vec<(u64, &str)> = notes.iter().map(|(at, it)| (*at, it.as_str())).collect();
        assert_eq!(
            notes,
            [
                (1, "hall true"),
                // The second step is the later word: the first one's pulse does not end.
                (5, "hall true"),
                (20, r#"{"network":null,"smtp":"down"}"#),
                (30, "Arm { mode: Home, force: false } by Anna"),
            ]
        );
    }
}
