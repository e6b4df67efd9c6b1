//! The house at one moment, as `GET status` shows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::House;
use crate::alarm::{
    BootTime, GasStatus, IncidentId, IncidentKind, SensorKind, SensorName, SensorState, Status,
    TroubleCode,
};
use crate::clock::{Stamp, WallTime};

/// Everything that the parts of the program show of themselves, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The panel.
    pub status: Status,
    /// When.
    pub stamp: Stamp,
    /// Messages under way.
    pub outbox: OutboxSummary,
    /// When each path (`email`, `phone`, `webhook:NAME`) last delivered something.
    pub proven: BTreeMap<String, WallTime>,
    /// When incidents began that an earlier boot left: the boot clock knows no such time.
    pub began_before: BTreeMap<IncidentId, WallTime>,
    /// Bad lines and readings for each sensor, since the start.
    pub errors: BTreeMap<String, u64>,
}

/// Messages under way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct OutboxSummary {
    /// How many wait.
    pub waiting: u32,
    /// When the oldest of them happened.
    pub oldest: Option<WallTime>,
}

/// The body of `GET status`. Times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusBody {
    /// `[site] name`
    pub site: String,
    /// The program's.
    pub version: String,
    /// The panel's state.
    pub state: String,
    /// `disarmed`, or what the panel is armed (or being armed) for.
    pub mode: String,
    /// The end of a delay, a pause or the siren.
    pub until: Option<String>,
    /// The gas machine.
    pub gas: GasStatus,
    /// Incidents that go on.
    pub incidents: Vec<IncidentBody>,
    /// Every sensor.
    pub sensors: Vec<SensorBody>,
    /// Buzzer and exhaust fan.
    pub outputs: OutputsBody,
    /// What lessens protection now.
    pub troubles: Vec<TroubleBody>,
    /// Messages under way.
    pub outbox: OutboxBody,
    /// When each path last delivered something; `null`: never.
    pub proven: BTreeMap<String, Option<String>>,
    /// A walk test is on: triggers beep and are listed, nothing else.
    pub walk_test: bool,
}

/// An incident that goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentBody {
    /// Its number.
    pub id: u64,
    /// Intrusion or gas.
    pub kind: IncidentKind,
    /// Names, in the order in which they joined.
    pub sensors: Vec<SensorName>,
    /// The first trigger.
    pub since: String,
    /// A second sensor confirmed it.
    pub confirmed: bool,
    /// Who acknowledged it.
    pub acknowledged_by: Option<String>,
}

/// A sensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SensorBody {
    /// Its name.
    pub name: SensorName,
    /// What it senses.
    pub kind: SensorKind,
    /// In one word.
    pub state: SensorState,
    /// Since when.
    pub since: String,
    /// Bad lines and readings since the start.
    pub errors: u64,
}

/// Buzzer and exhaust fan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputsBody {
    /// Sounds.
    pub buzzer: OnOff,
    /// Runs.
    pub exhaust: OnOff,
}

/// An output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnOff {
    /// On.
    pub active: bool,
}

/// Something that lessens protection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TroubleBody {
    /// Which kind.
    pub code: TroubleCode,
    /// What has it.
    pub subject: String,
    /// Since when.
    pub since: String,
    /// What is wrong and what mends it.
    pub text: String,
}

/// Messages under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboxBody {
    /// How many wait.
    pub waiting: u32,
    /// When the oldest of them happened.
    pub oldest: Option<String>,
}

impl House {
    /// The body of `GET status`.
    pub fn status_body(&self) -> StatusBody {
        let snapshot = self.status.borrow().clone();
        let Snapshot {
            status,
            stamp,
            outbox,
            proven,
            began_before,
            errors,
        } = &*snapshot;
        let time = |at: BootTime| stamp.wall_of(at).rfc3339();
        // What a house usually has is there from the start, so that "never proven" can be seen.
        let mut paths = BTreeMap::from([("email".to_owned(), None), ("phone".to_owned(), None)]);
        let config = self.config.borrow();
        paths.extend(config.paths().into_iter().map(|path| (path, None)));
        paths.extend(
            proven
                .iter()
                .map(|(path, at)| (path.clone(), Some(at.rfc3339()))),
        );
        StatusBody {
            site: config.site.name.clone(),
            version: self.version.to_owned(),
            state: status.state.to_owned(),
            mode: status
                .mode
                .map_or("disarmed", |mode| mode.state_name())
                .to_owned(),
            until: status.until.map(time),
            gas: status.gas,
            incidents: status
                .incidents
                .iter()
                .map(|incident| IncidentBody {
                    id: incident.id.0,
                    kind: incident.kind,
                    sensors: incident
                        .causes
                        .iter()
                        .map(|cause| cause.sensor.clone())
                        .collect(),
                    since: (began_before.get(&incident.id).copied())
                        .map_or_else(|| time(incident.since), WallTime::rfc3339),
                    confirmed: incident.confirmed,
                    acknowledged_by: incident
                        .acknowledged
                        .as_ref()
                        .map(|(by, _)| by.who().to_owned()),
                })
                .collect(),
            sensors: status
                .sensors
                .iter()
                .map(|sensor| SensorBody {
                    name: sensor.name.clone(),
                    kind: sensor.kind,
                    state: sensor.state,
                    since: time(sensor.since),
                    errors: errors.get(sensor.name.as_str()).copied().unwrap_or(0),
                })
                .collect(),
            outputs: OutputsBody {
                buzzer: OnOff {
                    active: self.outputs.buzzer().active,
                },
                exhaust: OnOff {
                    active: self.outputs.exhaust().active,
                },
            },
            troubles: status
                .troubles
                .iter()
                .map(|(trouble, since)| TroubleBody {
                    code: trouble.code,
                    subject: trouble.subject.clone(),
                    since: time(*since),
                    text: trouble.text.clone(),
                })
                .collect(),
            outbox: OutboxBody {
                waiting: outbox.waiting,
                oldest: outbox.oldest.map(WallTime::rfc3339),
            },
            proven: paths,
            walk_test: status.walk_test,
        }
    }
}
