//! What the owner decided, in the alarm's own terms. Built from the configuration, never edited.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::access::Factor;

/// The name of a sensor, as the owner wrote it. Cheap to copy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SensorName(Arc<str>);

impl SensorName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SensorName {
    fn from(name: &str) -> Self {
        SensorName(name.into())
    }
}

impl fmt::Display for SensorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a sensor senses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SensorKind {
    /// A PIR: somebody moves.
    Motion,
    /// An infrared break-beam: active while it is broken.
    Beam,
    /// A door or window: active while it is open.
    Contact,
    /// A gas sensor such as an MQ-6: active while there is gas.
    Gas,
    /// A sabotage contact: counts in every mode, armed or not.
    Tamper,
    /// A panic button: counts in every mode, armed or not.
    Panic,
}

impl SensorKind {
    /// Counts whatever the mode is, `disarmed` included.
    pub fn always_counts(self) -> bool {
        matches!(self, Self::Gas | Self::Tamper | Self::Panic)
    }

    /// A momentary event rather than a state: a level that was there before we looked (a retained
    /// MQTT message) says nothing about now.
    pub fn is_momentary(self) -> bool {
        matches!(self, Self::Motion | Self::Panic)
    }

    /// May rest in its active state: a door left open, a beam with something in it.
    pub fn may_stay_open(self) -> bool {
        matches!(self, Self::Beam | Self::Contact)
    }

    /// The lower-case word for it in configuration, API and speech.
    pub fn word(self) -> &'static str {
        match self {
            Self::Motion => "motion",
            Self::Beam => "beam",
            Self::Contact => "contact",
            Self::Gas => "gas",
            Self::Tamper => "tamper",
            Self::Panic => "panic",
        }
    }
}

/// Which sensors count: what the panel is armed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Nobody is at home.
    #[serde(rename = "armed_away", alias = "away")]
    Away,
    /// Somebody is at home and about.
    #[serde(rename = "armed_home", alias = "home")]
    Home,
    /// Somebody is at home and asleep.
    #[serde(rename = "armed_night", alias = "night")]
    Night,
}

impl Mode {
    /// All modes.
    pub const ALL: [Mode; 3] = [Mode::Away, Mode::Home, Mode::Night];

    /// The name of the armed state, as Home Assistant's `alarm_control_panel` has it.
    pub fn state_name(self) -> &'static str {
        match self {
            Self::Away => "armed_away",
            Self::Home => "armed_home",
            Self::Night => "armed_night",
        }
    }

    /// The short word people write: `away`, `home`, `night`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Home => "home",
            Self::Night => "night",
        }
    }
}

/// What a trigger does while the panel is armed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Entry {
    /// Alarm at once.
    #[default]
    Instant,
    /// Start the entry delay.
    Delayed,
    /// Delayed only while an entry delay runs, otherwise instant.
    Follower,
}

/// What an alarm may be made to hold back until a second sensor confirms it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Held {
    /// The siren.
    Buzzer,
    /// Mails and webhooks.
    Email,
    /// The phone ladder.
    Phone,
}

/// Which other sensors make an alarm of this one confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirm {
    /// Any of these.
    pub sensors: Vec<SensorName>,
    /// Both triggers within this time, in either order.
    pub within: Duration,
    /// What waits for it; nothing by default.
    pub holds_back: Vec<Held>,
}

/// Where a sensor's warm-up is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerOn {
    /// Powered by the Pi: its boot.
    Boot,
    /// Powered by a node of its own: the node's first line in this boot.
    FirstReading,
}

/// One sensor, as the decisions need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SensorPolicy {
    /// Its name; unique.
    pub name: SensorName,
    /// What it senses.
    pub kind: SensorKind,
    /// The modes it takes part in. Kinds that always count ignore this.
    pub modes: Vec<Mode>,
    /// What its trigger does while armed.
    pub entry: Entry,
    /// Active for this long before it counts.
    pub hold: Duration,
    /// So many activations ...
    pub pulses: u32,
    /// ... within this time, before it counts. Unused when `pulses` is 1.
    pub within: Duration,
    /// No second trigger sooner than this after one.
    pub cooldown: Duration,
    /// After so many incidents of its own in one arming it is inhibited; 0 is no limit.
    pub max_triggers: u32,
    /// Which other sensors confirm it.
    pub confirm: Option<Confirm>,
    /// Logged, never alarms: a new sensor on trial.
    pub soak: bool,
    /// Time after power-on in which it is not trusted.
    pub warm_up: Duration,
    /// From when `warm_up` is counted.
    pub power_on: PowerOn,
    /// Without a sign of life for this long it is silent. `None`: it sends no heartbeat.
    pub silent_after: Option<Duration>,
    /// A gas sensor silent for this long is announced by a call.
    pub unwatched_call_after: Duration,
}

/// Delays of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PanelPolicy {
    /// From the command to arm until the panel is armed.
    pub exit_delay: Duration,
    /// From a delayed sensor's trigger to the alarm. EN 50131 allows 45 s at most.
    pub entry_delay: Duration,
    /// How long the siren sounds.
    pub siren_time: Duration,
    /// How long all must be quiet before an incident ends.
    pub clear_after: Duration,
    /// How long an owner recognised at the door halts detection.
    pub pause_for: Duration,
}

/// The exhaust fan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExhaustPolicy {
    /// It goes off when the gas has been clear for this long.
    pub run_on: Duration,
    /// On for longer than this is a trouble (it stays on).
    pub max_run: Duration,
}

/// One step of the phone ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// The contact's name.
    pub contact: String,
    /// The number in E.164 form, such as `+302101234567`.
    pub number: String,
}

/// Who is let in, by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessPolicy {
    /// Any of these sets, of one and the same person. Never empty, no empty set.
    pub require: Vec<Vec<Factor>>,
    /// The factors of a set within this time.
    pub within: Duration,
    /// What they grant.
    pub grant: Grant,
    /// The dashboard stands behind a proxy: it cannot be told who tries there.
    pub proxied: bool,
}

impl Default for AccessPolicy {
    /// A PIN disarms: whoever has one was given it by an owner.
    fn default() -> Self {
        AccessPolicy {
            require: vec![vec![Factor::Pin]],
            within: Duration::from_secs(30),
            grant: Grant::Disarm,
            proxied: false,
        }
    }
}

/// What access grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Disarm.
    Disarm,
    /// Disarm, or arm away.
    Toggle,
    /// Halt detection.
    Pause,
}

/// The phone ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhonePolicy {
    /// Who is called, in order.
    pub rungs: Vec<Rung>,
    /// Those of them who are called, alone, in a silent alarm.
    pub duress: Vec<Rung>,
    /// How often the ladder is climbed.
    pub rounds: u32,
    /// Nobody acknowledged so long after a call ended: the next rung.
    pub ack_time: Duration,
    /// At most one new ladder in this time, over all intrusion incidents; zero is no limit.
    pub ladder_every: Duration,
    /// A gas alarm calls again in this interval until acknowledged or clear.
    pub gas_again_every: Duration,
}

/// Everything the owner decided that the alarm needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Delays.
    pub panel: PanelPolicy,
    /// All sensors, in the order of the configuration.
    pub sensors: Vec<SensorPolicy>,
    /// The exhaust fan, if there is one.
    pub exhaust: Option<ExhaustPolicy>,
    /// The phone ladder, if there is a telephone and somebody to call.
    pub phone: Option<PhonePolicy>,
    /// Who is let in.
    pub access: AccessPolicy,
    /// Photos in a burst; 0 when there is no camera.
    pub burst: u32,
    /// An alarm mail leaves without a photo after this long.
    pub photo_wait: Duration,
    /// At most one follow-up mail of an incident in this time.
    pub follow_up: Duration,
    /// At most one mail of troubles in this time.
    pub trouble_mail_every: Duration,
}

impl Policy {
    /// The sensor of this name.
    pub fn sensor(&self, name: &SensorName) -> Option<&SensorPolicy> {
        self.sensors.iter().find(|sensor| sensor.name == *name)
    }
}
