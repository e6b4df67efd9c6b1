//! What the panel shows of itself: a snapshot for `status`, the stream, MQTT and metrics.

use serde::{Deserialize, Serialize};

use super::action::Pattern;
use super::event::Trouble;
use super::incident::Incident;
use super::policy::{Mode, SensorKind, SensorName, SensorPolicy};
use super::sensing::Sensing;
use super::step::Alarm;
use super::time::BootTime;
use super::tries::Tries;

/// The panel at one moment. Times are on the boot clock; who shows it to people converts them.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// `disarmed`, `arming`, `armed_away`, `armed_home`, `armed_night`, `pending`, `triggered`,
    /// `paused`.
    pub state: &'static str,
    /// What the panel is armed, or being armed, for.
    pub mode: Option<Mode>,
    /// The end of a delay, a pause or the siren.
    pub until: Option<BootTime>,
    /// The gas machine.
    pub gas: GasStatus,
    /// Incidents that go on.
    pub incidents: Vec<Incident>,
    /// Every sensor, in the order of the configuration.
    pub sensors: Vec<SensorStatus>,
    /// Something sounds until silenced or over (a chirp does not count).
    pub buzzer: bool,
    /// What sounds.
    pub buzzer_pattern: Option<Pattern>,
    /// The fan is wanted on.
    pub exhaust: bool,
    /// What lessens protection now.
    pub troubles: Vec<(Trouble, BootTime)>,
    /// A walk test is on.
    pub walk_test: bool,
    /// Somebody's face would be of use now.
    pub face_awaited: bool,
    /// Ways in that were tried in vain.
    pub tries: Vec<Tries>,
}

/// The gas machine in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GasStatus {
    /// No gas (or no gas sensor).
    Clear,
    /// A sensor is still warming up.
    WarmingUp,
    /// A gas sensor is silent.
    Unwatched,
    /// Gas.
    Alarm,
}

/// One sensor at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct SensorStatus {
    /// Its name.
    pub name: SensorName,
    /// What it senses.
    pub kind: SensorKind,
    /// In one word.
    pub state: SensorState,
    /// Since when.
    pub since: BootTime,
}

/// A sensor in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SensorState {
    /// Nothing.
    Inactive,
    /// Motion, broken, open, gas, pressed.
    Active,
    /// No sign of life: neither active nor fine.
    Silent,
    /// Not trusted yet.
    WarmingUp,
    /// Takes no part for now.
    Inhibited,
    /// On trial: logged only.
    Soak,
}

/// What became of an event that somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Done, or there was nothing to do.
    Done,
    /// Not now, for these reasons.
    Refused(Vec<String>),
    /// Not you.
    Forbidden(String),
    /// Not so soon after wrong tries.
    TooSoon(String),
}

impl Alarm {
    /// The panel as it is.
    pub fn status(&self) -> Status {
        let incidents = [&self.durable.intrusion, &self.durable.gas.open]
            .into_iter()
            .flatten()
            .map(|open| open.incident.clone())
            .collect();
        Status {
            state: self.durable.panel.name(),
            mode: self.durable.panel.mode(),
            until: self.durable.panel.until(),
            gas: self.gas_status(),
            incidents,
            sensors: self
                .policy
                .sensors
                .iter()
                .map(|sensor| self.sensor_status(sensor))
                .collect(),
            buzzer: self.volatile.buzzer.is_some(),
            buzzer_pattern: self.volatile.buzzer,
            exhaust: self.volatile.exhaust == Some(true),
            troubles: self.volatile.troubles.list(),
            walk_test: self.volatile.walk_test.is_some(),
            face_awaited: self.face_awaited(),
            tries: self.durable.tries.clone(),
        }
    }

    fn sensor_status(&self, sensor: &SensorPolicy) -> SensorStatus {
        let fresh = Sensing::new(self.volatile.started);
        let sensing = self.sensing(&sensor.name).unwrap_or(&fresh);
        let warming = self
            .warm_up_end(sensor)
            .is_some_and(|end| self.volatile.now < end);
        let (state, since) = if let Some(silent) = sensing.silent {
            (SensorState::Silent, silent)
        } else if self.is_inhibited(&sensor.name) {
            (SensorState::Inhibited, sensing.began)
        } else if warming {
            (SensorState::WarmingUp, sensing.began)
        } else if sensor.soak {
            (SensorState::Soak, sensing.began)
        } else if sensing.is_active() {
            (SensorState::Active, sensing.began)
        } else {
            (SensorState::Inactive, sensing.began)
        };
        SensorStatus {
            name: sensor.name.clone(),
            kind: sensor.kind,
            state,
            since,
        }
    }

    fn gas_status(&self) -> GasStatus {
        let mut gas = self
            .policy
            .sensors
            .iter()
            .filter(|sensor| sensor.kind == SensorKind::Gas);
        if self.durable.gas.open.is_some() {
            return GasStatus::Alarm;
        }
        let silent = |sensor: &SensorPolicy| {
            self.sensing(&sensor.name)
                .is_some_and(|sensing| sensing.silent.is_some())
        };
        if gas.clone().any(silent) {
            return GasStatus::Unwatched;
        }
        let warming = |sensor: &SensorPolicy| {
            self.warm_up_end(sensor)
                .is_some_and(|end| self.volatile.now < end)
        };
        if gas.any(warming) {
            return GasStatus::WarmingUp;
        }
        GasStatus::Clear
    }
}
