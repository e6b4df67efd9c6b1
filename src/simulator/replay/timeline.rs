//! What happened in a replay, line by line, for people and for programs.

use std::fmt;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};

use crate::alarm::{
    Command, Factor, IncidentId, IncidentKind, Pattern, Record, SensorKind, SensorName, Who,
};
use crate::clock::WallTime;
use crate::config::write_duration;
use crate::simulator::Happening;
use crate::web::sentence;

/// A night, played.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// The scenario's.
    pub title: String,
    /// In order of time.
    pub lines: Vec<Line>,
    /// How long the night was.
    pub lasted: Duration,
    zone: TimeZone,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// When.
    pub at: WallTime,
    /// The incident it belongs to.
    pub incident: Option<IncidentId>,
    /// What.
    pub what: What,
}

/// What can happen in a replay. Serialises to `kind` and `data`, as lines of history do.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum What {
    /// A sensor's surroundings changed.
    Sensor {
        /// Which.
        sensor: SensorName,
        /// What it senses.
        sensor_kind: SensorKind,
        /// Motion, broken, open, gas, pressed.
        active: bool,
    },
    /// Somebody asked the panel for something.
    Command {
        /// In words.
        command: String,
        /// Who.
        by: String,
    },
    /// A reader saw somebody.
    Shown {
        /// Which reader.
        factor: Factor,
        /// Whom.
        by: String,
    },
    /// Something broke, or was mended.
    Fault(Value),
    /// What the buzzer sounds from now on.
    Buzzer {
        /// `None`: it is silent.
        pattern: Option<Pattern>,
    },
    /// A mail was delivered.
    Mail {
        /// To whom.
        to: String,
        /// Its subject.
        subject: String,
        /// Its sentences.
        text: String,
        /// How many photos it carried.
        photos: usize,
    },
    /// A webhook was called.
    Webhook {
        /// Its name.
        to: String,
        /// The headline.
        title: String,
    },
    /// A call was placed.
    Call {
        /// To whom.
        to: String,
        /// What the voice says.
        words: String,
    },
    /// A line of history.
    #[serde(untagged)]
    History(Record),
}

/// The night in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Incidents that began.
    pub incidents: usize,
    /// Mails that were delivered.
    pub mails: usize,
    /// Calls that were placed.
    pub calls: usize,
    /// Seconds that were simulated.
    pub seconds: u64,
}

impl Timeline {
    pub(super) fn new(title: String, lasted: Duration, zone: TimeZone) -> Self {
        Timeline {
            title,
            lines: Vec::new(),
            lasted,
            zone,
        }
    }

    /// Adds a line.
    pub(super) fn note(&mut self, at: WallTime, incident: Option<IncidentId>, what: What) {
        self.lines.push(Line { at, incident, what });
    }

    /// The incidents that began: when, by which sensor, and of which kind.
    pub fn alarms(&self) -> impl Iterator<Item = (WallTime, &SensorName, IncidentKind)> {
        self.lines.iter().filter_map(|line| match &line.what {
            What::History(Record::IncidentOpened {
                incident_kind,
                sensor,
            }) => Some((line.at, sensor, *incident_kind)),
            _ => None,
        })
    }

    /// The night in numbers.
    pub fn summary(&self) -> Summary {
        let count = |which: fn(&What) -> bool| {
            let lines = self.lines.iter();
            lines.filter(|line| which(&line.what)).count()
        };
        Summary {
            incidents: self.alarms().count(),
            mails: count(|what| matches!(what, What::Mail { .. })),
            calls: count(|what| matches!(what, What::Call { .. })),
            seconds: self.lasted.as_secs(),
        }
    }

    /// One JSON object a line, the last one the summary.
    pub fn json(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let mut object = serde_json::to_value(&line.what).expect("lines serialise");
            object["at"] = line.at.rfc3339().into();
            object["incident"] = json!(line.incident);
            object["text"] = line.what.text().into();
            text.push_str(&format!("{object}\n"));
        }
        let summary = json!({ "kind": "summary", "data": self.summary() });
        text.push_str(&format!("{summary}\n"));
        text
    }

    /// The local time of day of a moment.
    pub fn clock(&self, at: WallTime) -> String {
        let zoned = at.timestamp().to_zoned(self.zone.clone());
        zoned.strftime("%H:%M:%S").to_string()
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.title)?;
        for line in &self.lines {
            let (label, text) = (line.what.label(), line.what.text());
            writeln!(f, "{}  {label:<8}  {text}", self.clock(line.at))?;
        }
        writeln!(f, "\n{}", self.summary())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {}, {} in {}",
            counted(self.incidents, "incident"),
            counted(self.mails, "mail"),
            counted(self.calls, "call"),
            write_duration(Duration::from_secs(self.seconds)),
        )
    }
}

impl What {
    /// Who it is about, in one word.
    fn label(&self) -> &'static str {
        match self {
            What::Sensor { .. } => "sensor",
            What::Command { .. } | What::Shown { .. } => "person",
            What::Fault(_) => "fault",
            What::Buzzer { .. } => "buzzer",
            What::Mail { .. } => "mail",
            What::Webhook { .. } => "webhook",
            What::Call { .. } => "phone",
            What::History(Record::Exhaust { .. }) => "fan",
            What::History(Record::Photo { .. } | Record::PhotoFailed { .. }) => "camera",
            What::History(Record::Message { channel, .. }) => match channel.as_str() {
                "email" => "mail",
                "phone" => "phone",
                _ => "webhook",
            },
            What::History(_) => "panel",
        }
    }

    /// The line in words.
    pub fn text(&self) -> String {
        match self {
            What::Sensor {
                sensor,
                sensor_kind,
                active,
            } => sensed(sensor, *sensor_kind, *active),
            What::Command { command, by } => format!("{by}: {command}"),
            What::Shown { factor, by } => format!("{by}: shows a {}", factor.word()),
            What::Fault(change) => faults(change),
            What::Buzzer { pattern } => match pattern {
                None => "silent".to_owned(),
                Some(Pattern::Alarm) => "sounds the alarm".to_owned(),
                Some(Pattern::Gas) => "sounds the gas alarm".to_owned(),
                Some(Pattern::ExitDelay) => "ticks: the exit delay runs".to_owned(),
                Some(Pattern::EntryDelay) => "ticks: the entry delay runs".to_owned(),
                Some(
                    Pattern::Start
                    | Pattern::OwnerRecognised
                    | Pattern::ArmFailed
                    | Pattern::WalkTest,
                ) => "chirps".to_owned(),
            },
            What::Mail {
                to,
                subject,
                photos,
                ..
            } => {
                let photos = match photos {
                    0 => String::new(),
                    n => format!(" [{}]", counted(*n, "photo")),
                };
                format!("to {to}: {subject}{photos}")
            }
            What::Webhook { to, title } => format!("to {to}: {title}"),
            What::Call { to, words } => format!("calling {to}: {words:?}"),
            What::History(Record::Message {
                channel,
                to,
                outcome,
                detail,
            }) => became_of(channel, to, outcome, detail),
            What::History(record) => sentence(record),
        }
    }
}

fn sensed(sensor: &SensorName, kind: SensorKind, active: bool) -> String {
    let (starts, ends) = match kind {
        SensorKind::Motion => ("motion", "quiet"),
        SensorKind::Beam => ("beam broken", "beam whole"),
        SensorKind::Contact => ("open", "closed"),
        SensorKind::Gas => ("gas", "no gas"),
        SensorKind::Tamper => ("tampered with", "left alone"),
        SensorKind::Panic => ("pressed", "released"),
    };
    format!("{sensor}: {}", if active { starts } else { ends })
}

fn faults(change: &Value) -> String {
    let words = change.as_object().into_iter().flatten();
    let words: Vec<String> = words
        .map(|(what, how)| match how.as_str() {
            Some(how) => format!("{what}: {how}"),
            None => format!("{what}: in order again"),
        })
        .collect();
    words.join(", ")
}

fn became_of(channel: &str, to: &str, outcome: &str, detail: &str) -> String {
    let what = match (channel, outcome) {
        ("phone", "acknowledged" | "canceled") => "no more calls".to_owned(),
        ("phone", "completed") => format!("{to} has heard it"),
        ("phone", "no-answer") => format!("{to} does not answer"),
        ("phone", "busy") => format!("{to}'s line is busy"),
        ("phone", "retrying") => format!("{to} cannot be called now, tried again"),
        (_, "retrying") => format!("to {to}: not delivered, tried again"),
        (_, outcome) => format!("to {to}: {outcome}"),
    };
    match detail {
        "" => what,
        detail => format!("{what} ({detail})"),
    }
}

/// What people do, as a line; `None`: it is not theirs.
pub(super) fn asked(what: &Happening) -> Option<What> {
    let whose = |who: &Who| match who {
        Who::Person(name) => name.clone(),
        Who::Anybody => "somebody".to_owned(),
        Who::Stranger => "a stranger".to_owned(),
    };
    match what {
        Happening::Command { command, by } => Some(What::Command {
            command: words(command),
            by: by.who().to_owned(),
        }),
        Happening::Typed { command, who } => Some(What::Command {
            command: format!("{}, with a PIN", words(command)),
            by: whose(who),
        }),
        Happening::Shown { factor, who } => Some(What::Shown {
            factor: *factor,
            by: whose(who),
        }),
        Happening::Sensor { .. } | Happening::Fault(_) => None,
    }
}

/// A command in words.
fn words(command: &Command) -> String {
    match command {
        Command::Arm { mode, .. } => format!("arm {}", mode.word()),
        Command::Disarm => "disarm".to_owned(),
        Command::Pause => "pause".to_owned(),
        Command::Silence => "silence".to_owned(),
        Command::Acknowledge => "acknowledge".to_owned(),
        Command::WalkTest(on) => format!("walk test {}", if *on { "on" } else { "off" }),
        Command::Test(_) => "test an output".to_owned(),
        Command::Drill { .. } => "drill".to_owned(),
    }
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
