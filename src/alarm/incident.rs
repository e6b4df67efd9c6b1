//! An incident: everything from the first trigger to the all-clear.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::event::Actor;
use super::policy::{Mode, SensorKind, SensorName};
use super::time::BootTime;

/// The number of an incident; only grows.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a photo; only grows.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct PhotoId(pub u64);

impl fmt::Display for PhotoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an incident is about. One of each may run side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentKind {
    /// Somebody is where nobody should be, or needs help.
    Intrusion,
    /// Gas.
    Gas,
}

/// One sensor's part in an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Which sensor.
    pub sensor: SensorName,
    /// What it senses.
    pub kind: SensorKind,
    /// Its first trigger.
    pub first: BootTime,
    /// Its latest trigger.
    pub last: BootTime,
    /// How many triggers.
    pub count: u32,
}

impl Cause {
    /// Counts one trigger of this sensor among others. `true` if it is the sensor's first.
    pub fn count(
        causes: &mut Vec<Cause>,
        sensor: SensorName,
        kind: SensorKind,
        at: BootTime,
    ) -> bool {
        if let Some(cause) = causes.iter_mut().find(|cause| cause.sensor == sensor) {
            cause.last = at;
            cause.count += 1;
            return false;
        }
        causes.push(Cause {
            sensor,
            kind,
            first: at,
            last: at,
            count: 1,
        });
        true
    }

    /// Moves its times, into another boot.
    pub(super) fn shift(&mut self, shift: impl Fn(&mut BootTime)) {
        shift(&mut self.first);
        shift(&mut self.last);
    }
}

/// Everything from the first trigger to the all-clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number.
    pub id: IncidentId,
    /// Intrusion or gas.
    pub kind: IncidentKind,
    /// The first trigger.
    pub since: BootTime,
    /// What the panel was armed for; `None` if it was disarmed.
    pub mode: Option<Mode>,
    /// The sensors, in the order in which they joined. Never empty.
    pub causes: Vec<Cause>,
    /// A second, different sensor confirmed it.
    pub confirmed: bool,
    /// Who acknowledged it, and when.
    pub acknowledged: Option<(Actor, BootTime)>,
    /// When and how it ended; `None` while it goes on.
    pub ended: Option<(Ending, BootTime)>,
    /// Photos taken.
    pub photos: Vec<PhotoId>,
}

impl Incident {
    /// A new incident that this sensor's trigger begins.
    pub fn begin(
        id: IncidentId,
        kind: IncidentKind,
        mode: Option<Mode>,
        sensor: SensorName,
        sensor_kind: SensorKind,
        at: BootTime,
    ) -> Self {
        let mut incident = Incident {
            id,
            kind,
            since: at,
            mode,
            causes: Vec::new(),
            confirmed: false,
            acknowledged: None,
            ended: None,
            photos: Vec::new(),
        };
        incident.count(sensor, sensor_kind, at);
        incident
    }

    /// Counts one trigger of this sensor. `true` if the sensor is new to the incident.
    pub fn count(&mut self, sensor: SensorName, kind: SensorKind, at: BootTime) -> bool {
        Cause::count(&mut self.causes, sensor, kind, at)
    }

    /// Moves all its times, into another boot.
    pub(super) fn shift(&mut self, shift: impl Fn(&mut BootTime)) {
        shift(&mut self.since);
        for cause in &mut self.causes {
            cause.shift(&shift);
        }
        if let Some((_, at)) = &mut self.acknowledged {
            shift(at);
        }
        if let Some((_, at)) = &mut self.ended {
            shift(at);
        }
    }

    /// All triggers of all sensors.
    pub fn triggers(&self) -> u32 {
        self.causes.iter().map(|cause| cause.count).sum()
    }

    /// It goes on and nobody has acknowledged it.
    pub fn wants_attention(&self) -> bool {
        self.ended.is_none() && self.acknowledged.is_none()
    }
}

/// How an incident ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Everything has been quiet for long enough.
    Cleared,
    /// Somebody disarmed.
    Disarmed(Actor),
    /// Somebody paused detection.
    Paused(Actor),
}
