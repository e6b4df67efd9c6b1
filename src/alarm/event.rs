//! What can happen to the panel.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::access::{Factor, Who};
use super::incident::{IncidentId, PhotoId};
use super::policy::{Mode, Policy, SensorName};

/// One thing that happened. Handed to [`Alarm::step`](super::Alarm::step) with its time.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The service has started. First event of every run.
    Started(Started),
    /// A sensor said something; a repeated reading is its sign of life.
    Reading(Reading),
    /// A sensor's device is gone (port closed, chip vanished, broker says it is offline).
    Lost {
        /// Which sensor.
        sensor: SensorName,
    },
    /// Somebody wants something.
    Command {
        /// What.
        command: Command,
        /// Who, and from where.
        by: Actor,
    },
    /// A reader saw a face or felt a finger.
    Shown {
        /// Which factor.
        factor: Factor,
        /// Whose it is.
        who: Who,
        /// Where.
        origin: Origin,
        /// It is one that is shown under duress.
        duress: bool,
    },
    /// Somebody wants something, and typed a PIN.
    Typed {
        /// What.
        command: Command,
        /// Who, with the right that they have without the PIN.
        by: Actor,
        /// Whose PIN it is.
        who: Who,
        /// It is one that is typed under duress.
        duress: bool,
    },
    /// A photo is there.
    PhotoTaken {
        /// The incident it was asked for.
        incident: IncidentId,
        /// Its number; the bytes are the camera's.
        photo: PhotoId,
    },
    /// The camera gave up on a photo.
    PhotoFailed {
        /// The incident it was asked for.
        incident: IncidentId,
        /// Why, as a sentence for people.
        why: String,
    },
    /// The phone ladder of this incident was climbed to its end and nobody acknowledged.
    NobodyAnswered {
        /// The incident; `None` for a ladder that belongs to none (an unwatched sensor).
        incident: Option<IncidentId>,
    },
    /// Some part noticed something that lessens protection.
    TroubleRaised(Trouble),
    /// ... and that it is over.
    TroubleCleared {
        /// The trouble's code.
        code: TroubleCode,
        /// Its subject.
        subject: String,
    },
    /// How long the service was away, as far as it is known by now: at the start, and again when
    /// the clock was set.
    Away(Away),
    /// The owner changed the configuration.
    PolicyChanged(Box<Policy>),
    /// Nothing happened; deadlines that are due run. A stray one changes nothing.
    Tick,
}

/// What the service found when it started.
#[derive(Debug, Clone, PartialEq)]
pub struct Started {
    /// The machine was switched on since the state was saved (or there was none).
    pub new_boot: bool,
    /// What the store held.
    pub store: StoreFound,
    /// How long there was no sign of life, as well as it is known.
    pub gap: Option<Duration>,
    /// Messages that still wait.
    pub waiting: u32,
    /// `on-boot = "away"`, and this is a new boot: a panel that is disarmed arms itself.
    pub arm_away: bool,
}

/// How long before this start things had happened, as far as the clocks tell.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Away {
    /// The last sign of life.
    pub gap: Option<Duration>,
    /// The oldest message that waits.
    pub oldest_waiting: Option<Duration>,
    /// The first triggers of incidents that go on.
    pub incidents: Vec<(IncidentId, Duration)>,
}

/// What the store held at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFound {
    /// State of an earlier run.
    Restored,
    /// Nothing: it never was in use.
    Fresh,
    /// It was in use and cannot be read: the panel arms away.
    Unreadable,
}

/// One reading of one sensor, already in the sensor's own terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Which sensor.
    pub sensor: SensorName,
    /// Motion, broken, open, gas, pressed.
    pub active: bool,
    /// A level found rather than a change seen: at start, or a retained MQTT message. It says
    /// nothing new about kinds that are momentary.
    pub found: bool,
    /// The raw value where there is one (an MQ-6's 0..=1023).
    pub raw: Option<u16>,
}

impl Reading {
    /// A change seen just now, without a raw value.
    pub fn seen(sensor: impl Into<SensorName>, active: bool) -> Self {
        Reading {
            sensor: sensor.into(),
            active,
            found: false,
            raw: None,
        }
    }
}

/// What somebody may ask of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Arm, after the exit delay.
    Arm {
        /// Which sensors shall count.
        mode: Mode,
        /// Inhibit what stands in the way.
        force: bool,
    },
    /// Disarm; ends an intrusion incident. Never touches gas.
    Disarm,
    /// Halt intrusion detection for the configured time.
    Pause,
    /// Stop the buzzer, not the incident.
    Silence,
    /// "I have seen it": stops the calls.
    Acknowledge,
    /// Every trigger beeps and is listed, nothing else happens; on or off.
    WalkTest(bool),
    /// Try one output for real.
    Test(Test),
    /// Send a marked test along every path to people, for real, and prove the camera.
    Drill {
        /// The buzzer too, for a moment.
        buzzer: bool,
        /// The exhaust relay too, for a moment.
        relay: bool,
    },
}

impl Command {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Command::Arm { .. } => "arm",
            Command::Disarm => "disarm",
            Command::Pause => "pause",
            Command::Silence => "silence",
            Command::Acknowledge => "acknowledge",
            Command::WalkTest(_) => "walk-test",
            Command::Test(_) => "test",
            Command::Drill { .. } => "drill",
        }
    }

    /// The least right that may ask for it.
    pub fn needs(&self) -> Right {
        match self {
            Command::Acknowledge => Right::Guest,
            Command::Arm { .. } => Right::Bridge,
            Command::Disarm
            | Command::Pause
            | Command::Silence
            | Command::WalkTest(_)
            | Command::Test(_)
            | Command::Drill { .. } => Right::Owner,
        }
    }
}

/// One output to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Test {
    /// A mail to every contact.
    Email,
    /// A call to every contact.
    Call,
    /// One photo.
    Photo,
    /// The buzzer, for a moment.
    Buzzer,
    /// The exhaust relay, for a moment.
    Relay,
}

/// Who asks, from where, and with what right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The person, where one is known.
    pub name: Option<String>,
    /// Where the command came in.
    pub origin: Origin,
    /// With what right.
    pub right: Right,
    /// What they proved who they are by, where they did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<Factor>,
}

impl Actor {
    /// An unnamed owner at this origin.
    pub fn owner(origin: Origin) -> Self {
        Actor {
            name: None,
            origin,
            right: Right::Owner,
            with: Vec::new(),
        }
    }

    /// Who it was and by what, in a sentence: `Anna (face and finger)`.
    pub fn described(&self) -> String {
        let with: Vec<&str> = self.with.iter().map(|factor| factor.word()).collect();
        match with.is_empty() {
            true => self.who().to_owned(),
            false => format!("{} ({})", self.who(), with.join(" and ")),
        }
    }

    /// How to call them in a sentence: the name, or where they came from.
    pub fn who(&self) -> &str {
        match (&self.name, self.origin) {
            (Some(name), _) => name,
            (None, Origin::Socket) => "the command line",
            (None, Origin::Dashboard) => "the dashboard",
            (None, Origin::Token) => "a program",
            (None, Origin::Mqtt) => "MQTT",
            (None, Origin::Reader) => "the reader at the door",
            (None, Origin::Schedule) => "the schedule",
        }
    }
}

/// Where a command or a try at access came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The Unix socket.
    Socket,
    /// A session on the dashboard.
    Dashboard,
    /// An API token.
    Token,
    /// The MQTT broker, which many share.
    Mqtt,
    /// Face, finger or PIN at the door.
    Reader,
    /// Nobody: `[drill] every` says so.
    Schedule,
}

/// What the origin has shown the right to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// May see and acknowledge.
    Guest,
    /// May arm and acknowledge: a bridge that many share and that showed no PIN.
    Bridge,
    /// May everything.
    Owner,
}

/// Something that lessens protection and is not an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Which kind; documented.
    pub code: TroubleCode,
    /// What has it: a sensor's name, a mail server, a task. May be empty.
    pub subject: String,
    /// What is wrong and what mends it, in a sentence.
    pub text: String,
}

/// The kinds of trouble. Their names are a contract; `docs/troubles.md` says what mends each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TroubleCode {
    /// A sensor sends no sign of life.
    SensorSilent,
    /// A gas sensor's value cannot be.
    SensorImplausible,
    /// A sensor alarmed too often, or stays open, and is inhibited.
    SensorInhibited,
    /// More than one bad line in ten from a node.
    LinkNoisy,
    /// A node's serial port is not there.
    NodeGone,
    /// GPIO lines cannot be watched.
    GpioGone,
    /// The finger reader does not answer.
    FingerReader,
    /// The finger reader has templates that nobody enrolled here.
    FingerUnknown,
    /// The finger reader has lost templates that were enrolled here.
    FingerMissing,
    /// The camera gives no pictures.
    Camera,
    /// Faces cannot be recognised.
    Face,
    /// Mail cannot leave.
    Mail,
    /// Calls cannot be placed.
    Phone,
    /// A webhook cannot be reached.
    Webhook,
    /// The MQTT broker cannot be reached.
    Mqtt,
    /// The store does not take what happened.
    Store,
    /// The disk is nearly full.
    Disk,
    /// The clock was not set yet.
    Clock,
    /// The Pi's supply is too weak.
    UnderVoltage,
    /// The Pi is throttled.
    Throttled,
    /// The configuration file is refused; the last good one runs.
    ConfigRejected,
    /// The panel was never armed on this store.
    NeverArmed,
    /// The store was unreadable at the start; the panel armed itself.
    StateLost,
    /// A part of the program failed and was restarted.
    TaskFailed,
    /// A part of the program does not turn.
    TaskHangs,
    /// The socket or the web's port could not be opened.
    Web,
    /// A bounded queue was full and something was dropped.
    QueueFull,
    /// Simulated devices in a real service.
    Simulated,
    /// The exhaust fan has run for longer than `max-run`.
    ExhaustLong,
    /// An output line could not be switched.
    Output,
    /// A message was given up.
    GivenUp,
    /// A path to people was not proven for longer than the drills' schedule allows.
    Unproven,
    /// The outside service that watches us cannot be reached.
    Heartbeat,
    /// Somebody tries faces, fingers or PINs that are nobody's.
    AccessTries,
}

impl TroubleCode {
    /// The documented name.
    pub fn word(self) -> &'static str {
        match self {
            Self::SensorSilent => "sensor-silent",
            Self::SensorImplausible => "sensor-implausible",
            Self::SensorInhibited => "sensor-inhibited",
            Self::LinkNoisy => "link-noisy",
            Self::NodeGone => "node-gone",
            Self::GpioGone => "gpio-gone",
            Self::FingerReader => "finger-reader",
            Self::FingerUnknown => "finger-unknown",
            Self::FingerMissing => "finger-missing",
            Self::Camera => "camera",
            Self::Face => "face",
            Self::Mail => "mail",
            Self::Phone => "phone",
            Self::Webhook => "webhook",
            Self::Mqtt => "mqtt",
            Self::Store => "store",
            Self::Disk => "disk",
            Self::Clock => "clock",
            Self::UnderVoltage => "under-voltage",
            Self::Throttled => "throttled",
            Self::ConfigRejected => "config-rejected",
            Self::NeverArmed => "never-armed",
            Self::StateLost => "state-lost",
            Self::TaskFailed => "task-failed",
            Self::TaskHangs => "task-hangs",
            Self::Web => "web",
            Self::QueueFull => "queue-full",
            Self::Simulated => "simulated",
            Self::ExhaustLong => "exhaust-long",
            Self::Output => "output",
            Self::GivenUp => "given-up",
            Self::Unproven => "unproven",
            Self::Heartbeat => "heartbeat",
            Self::AccessTries => "access-tries",
        }
    }
}
