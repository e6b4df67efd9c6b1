//! The file as it is written -> a [`Scenario`], or what is wrong with it.

use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{Answers, Cue, ExtraSensor, Happening, Scenario, ScenarioError, Source, owner};
use crate::alarm::{Command, Entry, Factor, Mode, SensorKind, SensorName, Who};
use crate::config::{At, Diagnostic, Time, explain, write_duration};
use crate::simulator::Faults;

/// Whose finger, face or PIN nobody knows.
const STRANGER: &str = "a stranger";

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    title: String,
    mode: RawMode,
    starts: At<String>,
    ends: At<Time>,
    #[serde(default)]
    answers: RawAnswers,
    #[serde(default)]
    extra_sensor: Vec<RawSensor>,
    #[serde(default)]
    step: Vec<At<RawStep>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawMode {
    Away,
    Home,
    Night,
    Disarmed,
}

#[derive(Default, Deserialize)]
enum RawAnswers {
    #[default]
    #[serde(rename = "nobody")]
    Nobody,
    #[serde(rename = "the first")]
    TheFirst,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSensor {
    name: String,
    kind: SensorKind,
    #[serde(default)]
    entry: Entry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    at: At<Time>,
    sensor: Option<At<String>>,
    active: Option<At<bool>>,
    pulse: Option<At<Time>>,
    command: Option<At<String>>,
    by: Option<At<String>>,
    pin: Option<At<String>>,
    finger: Option<At<String>>,
    face: Option<At<String>>,
    fault: Option<At<toml::Table>>,
}

pub(super) fn read(source: Source) -> Result<Scenario, ScenarioError> {
    let written: Written = toml::from_str(&source.text).map_err(|error| {
        let (message, help) = explain(error.message());
        let span = error.span().unwrap_or(0..0);
        ScenarioError::Refused(vec![source.error(span, message, help)])
    })?;
    let mut reading = Reading {
        source: &source,
        errors: Vec::new(),
        cues: Vec::new(),
        named: Vec::new(),
        shown: Vec::new(),
    };
    let starts = reading.starts(&written.starts);
    let ends = written.ends.value.0;
    let mut before = Duration::ZERO;
    for step in &written.step {
        reading.step(step, before, ends);
        before = before.max(step.value.at.value.0);
    }
    let Reading {
        errors,
        mut cues,
        named,
        shown,
        ..
    } = reading;
    if !errors.is_empty() {
        return Err(ScenarioError::Refused(errors));
    }
    cues.retain(|cue| cue.at <= ends);
    // A stable sort: what the file has first happens first.
    cues.sort_by_key(|cue| cue.at);
    Ok(Scenario {
        title: written.title,
        mode: match written.mode {
            RawMode::Away => Some(Mode::Away),
            RawMode::Home => Some(Mode::Home),
            RawMode::Night => Some(Mode::Night),
            RawMode::Disarmed => None,
        },
        starts,
        ends,
        answers: match written.answers {
            RawAnswers::Nobody => Answers::Nobody,
            RawAnswers::TheFirst => Answers::TheFirst,
        },
        extra_sensors: (written.extra_sensor.into_iter())
            .map(|extra| ExtraSensor {
                name: extra.name.as_str().into(),
                kind: extra.kind,
                entry: extra.entry,
            })
            .collect(),
        cues,
        named,
        shown,
        source,
    })
}

struct Reading<'a> {
    source: &'a Source,
    errors: Vec<Diagnostic>,
    cues: Vec<Cue>,
    named: Vec<(SensorName, Range<usize>)>,
    shown: Vec<(Factor, Range<usize>)>,
}

impl Reading<'_> {
    fn wrong(&mut self, span: &Range<usize>, message: impl Into<String>, help: &str) {
        let help = Some(help.to_owned());
        let error = self.source.error(span.clone(), message.into(), help);
        self.errors.push(error);
    }

    fn starts(&mut self, written: &At<String>) -> jiff::civil::Time {
        written.value.parse().unwrap_or_else(|_| {
            let message = format!("{:?} is no time of day", written.value);
            self.wrong(&written.span, message, r#"allowed: such as "02:13""#);
            jiff::civil::Time::midnight()
        })
    }

    fn step(&mut self, step: &At<RawStep>, before: Duration, ends: Duration) {
        const FORM: &str = "allowed: `sensor` with `active` or `pulse`, or `command` (with `by` \
                            or `pin`), or `finger`, or `face`, or `fault`";
        let At { value: step, span } = step;
        let at = step.at.value.0;
        if at < before {
            let message = format!(
                "this step is out of order: the one before it is at {}",
                write_duration(before)
            );
            self.wrong(&step.at.span, message, "steps stand in the order of time");
        }
        if at > ends {
            let message = format!("the scenario ends at {}", write_duration(ends));
            self.wrong(&step.at.span, message, "move the step, or `ends`");
        }
        match step {
            RawStep {
                sensor: Some(sensor),
                active,
                pulse,
                command: None,
                by: None,
                pin: None,
                finger: None,
                face: None,
                fault: None,
                ..
            } => match (active, pulse) {
                (Some(active), None) => self.sensor(at, sensor, active.value),
                (None, Some(pulse)) if pulse.value.0.is_zero() => {
                    self.wrong(
                        &pulse.span,
                        "a pulse takes some time",
                        "allowed: 1ms and more",
                    );
                }
                (None, Some(pulse)) => {
                    self.sensor(at, sensor, true);
                    self.sensor(at + pulse.value.0, sensor, false);
                }
                (Some(_), Some(_)) | (None, None) => {
                    let help =
                        r#"allowed: one of `active = true`, `active = false` and `pulse = "3s"`"#;
                    self.wrong(&sensor.span, "what does this sensor do?", help);
                }
            },
            RawStep {
                sensor: None,
                active: None,
                pulse: None,
                command: Some(command),
                by,
                pin,
                finger: None,
                face: None,
                fault: None,
                ..
            } if by.is_none() || pin.is_none() => {
                self.command(at, command, by.as_ref(), pin.as_ref())
            }
            RawStep {
                sensor: None,
                active: None,
                pulse: None,
                command: None,
                by: None,
                pin: None,
                finger: Some(whose),
                face: None,
                fault: None,
                ..
            } => self.show(at, Factor::Finger, whose),
            RawStep {
                sensor: None,
                active: None,
                pulse: None,
                command: None,
                by: None,
                pin: None,
                finger: None,
                face: Some(whose),
                fault: None,
                ..
            } => self.show(at, Factor::Face, whose),
            RawStep {
                sensor: None,
                active: None,
                pulse: None,
                command: None,
                by: None,
                pin: None,
                finger: None,
                face: None,
                fault: Some(fault),
                ..
            } => {
                let change = read_fault(&fault.value);
                match Faults::default().put(change.clone()) {
                    Ok(_) => self.cue(at, Happening::Fault(change)),
                    Err(why) => {
                        let (message, help) = explain(&why);
                        let help = help.unwrap_or_else(|| "see docs/scenarios.md".to_owned());
                        let help = format!("{help}; \"ok\" mends");
                        self.wrong(&fault.span, message, &help);
                    }
                }
            }
            RawStep { .. } => self.wrong(span, "a step is one thing", FORM),
        }
    }

    fn command(
        &mut self,
        at: Duration,
        command: &At<String>,
        by: Option<&At<String>>,
        pin: Option<&At<String>>,
    ) {
        let Some(wanted) = read_command(&command.value) else {
            let message = format!("unknown command {:?}", command.value);
            let help = r#"allowed: "arm away", "arm home", "arm night", "disarm", "pause", "silence", "ack""#;
            self.wrong(&command.span, message, help);
            return;
        };
        let what = match pin {
            Some(whose) => Happening::Typed {
                command: wanted,
                who: self.who(Factor::Pin, whose),
            },
            None => Happening::Command {
                command: wanted,
                by: owner(by.map(|by| by.value.clone())),
            },
        };
        self.cue(at, what);
    }

    fn show(&mut self, at: Duration, factor: Factor, whose: &At<String>) {
        let who = self.who(factor, whose);
        self.cue(at, Happening::Shown { factor, who });
    }

    fn who(&mut self, factor: Factor, whose: &At<String>) -> Who {
        self.shown.push((factor, whose.span.clone()));
        match whose.value.as_str() {
            STRANGER => Who::Stranger,
            name => Who::Person(name.to_owned()),
        }
    }

    fn sensor(&mut self, at: Duration, sensor: &At<String>, active: bool) {
        let name = SensorName::from(sensor.value.as_str());
        // The later word counts: a pulse that is cut short by another step does not end any more.
        self.cues.retain(|cue| {
            let same = matches!(&cue.what, Happening::Sensor { name: of, .. } if *of == name);
            !same || cue.at <= at
        });
        if !self.named.iter().any(|(named, _)| *named == name) {
            self.named.push((name.clone(), sensor.span.clone()));
        }
        self.cue(at, Happening::Sensor { name, active });
    }

    fn cue(&mut self, at: Duration, what: Happening) {
        self.cues.push(Cue { at, what });
    }
}

fn read_command(text: &str) -> Option<Command> {
    let arm = |mode| Command::Arm { mode, force: false };
    Some(match text {
        "arm away" => arm(Mode::Away),
        "arm home" => arm(Mode::Home),
        "arm night" => arm(Mode::Night),
        "disarm" => Command::Disarm,
        "pause" => Command::Pause,
        "silence" => Command::Silence,
        "ack" => Command::Acknowledge,
        _ => return None,
    })
}

/// TOML has no `null`: "ok" and "up" mend.
fn read_fault(table: &toml::Table) -> Value {
    let changes = table.iter().map(|(what, how)| {
        let how = match how.as_str() {
            Some("ok" | "up") => Value::Null,
            Some(word) => word.into(),
            None => how.to_string().into(),
        };
        (what.clone(), how)
    });
    Value::Object(changes.collect())
}
