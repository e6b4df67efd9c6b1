//! The sensors of a replayed house, and the cable that some of them hang on.

use std::collections::BTreeMap;
use std::time::Duration;

use super::timeline::What;
use crate::alarm::{Event, Reading, SensorKind, SensorName, Trouble, TroubleCode};
use crate::config::{Config, Source};
use crate::simulator::NodeFault;

/// What every sensor sees, and what it says of it.
pub(super) struct Devices {
    sensors: BTreeMap<SensorName, Device>,
    nodes: Vec<String>,
}

struct Device {
    kind: SensorKind,
    active: bool,
    /// It sends a sign of life this often.
    heartbeat: Option<Duration>,
    /// It hangs on a node's cable.
    on_node: bool,
}

impl Devices {
    pub(super) fn new(config: &Config, active: &[SensorName]) -> Self {
        let sensors = config.sensors.iter().map(|sensor| {
            let device = Device {
                kind: sensor.kind,
                active: active.contains(&sensor.name),
                // Often enough that one may get lost.
                heartbeat: sensor.silent_after.map(|after| after / 2),
                on_node: match &sensor.source {
                    Source::NodeMcu { .. } => true,
                    Source::Gpio(_) | Source::Mqtt(_) | Source::Simulated => false,
                },
            };
            (sensor.name.clone(), device)
        });
        Devices {
            sensors: sensors.collect(),
            nodes: config.nodemcus.iter().map(|it| it.name.clone()).collect(),
        }
    }

    /// All sensors.
    pub(super) fn names(&self) -> Vec<SensorName> {
        self.sensors.keys().cloned().collect()
    }

    /// How often the sensor sends a sign of life, if it does.
    pub(super) fn heartbeat(&self, name: &SensorName) -> Option<Duration> {
        self.sensors.get(name)?.heartbeat
    }

    /// Its surroundings are now so. A line for the timeline if that is news.
    pub(super) fn sees(&mut self, name: &SensorName, active: bool) -> Option<What> {
        let device = self.sensors.get_mut(name)?;
        let changed = std::mem::replace(&mut device.active, active) != active;
        changed.then(|| What::Sensor {
            sensor: name.clone(),
            sensor_kind: device.kind,
            active,
        })
    }

    /// What the sensor says now, if its cable is in.
    pub(super) fn says(
        &self,
        name: &SensorName,
        found: bool,
        cable: Option<NodeFault>,
    ) -> Option<Event> {
        let device = self.sensors.get(name)?;
        let cut = device.on_node && cable == Some(NodeFault::Unplugged);
        (!cut).then(|| {
            Event::Reading(Reading {
                found,
                ..Reading::seen(name.as_str(), device.active)
            })
        })
    }

    /// What the panel hears when the nodes' cable is pulled, put back, disturbed.
    pub(super) fn cable(&self, was: Option<NodeFault>, is: Option<NodeFault>) -> Vec<Event> {
        if was == is {
            return Vec::new();
        }
        let mut events = Vec::new();
        let hanging = || self.sensors.iter().filter(|(_, device)| device.on_node);
        match was {
            Some(NodeFault::Unplugged) => {
                events.extend(self.over(TroubleCode::NodeGone));
                events.extend(hanging().filter_map(|(name, _)| self.says(name, true, is)));
            }
            Some(NodeFault::Garbage) => events.extend(self.over(TroubleCode::LinkNoisy)),
            None => {}
        }
        match is {
            Some(NodeFault::Unplugged) => {
                let sensors = hanging().map(|(name, _)| name.clone());
                events.extend(sensors.map(|sensor| Event::Lost { sensor }));
                let text = "the node is gone: the cable was pulled";
                events.extend(self.trouble(TroubleCode::NodeGone, text));
            }
            Some(NodeFault::Garbage) => {
                let text = "more than one line in ten from the node is damaged";
                events.extend(self.trouble(TroubleCode::LinkNoisy, text));
            }
            None => {}
        }
        events
    }

    fn trouble(&self, code: TroubleCode, text: &str) -> impl Iterator<Item = Event> {
        self.nodes.iter().map(move |node| {
            Event::TroubleRaised(Trouble {
                code,
                subject: node.clone(),
                text: text.to_owned(),
            })
        })
    }

    fn over(&self, code: TroubleCode) -> impl Iterator<Item = Event> {
        self.nodes.iter().map(move |node| Event::TroubleCleared {
            code,
            subject: node.clone(),
        })
    }
}
