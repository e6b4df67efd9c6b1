//! The world around a simulated house: its peers on loopback, and what `sim/` does to it.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::memory::Memory;
use super::{
    Faults, MailServer, Model, SimulatedClock, SimulatedHouse, SimulatedNode, SimulatedReader,
    TelephoneService,
};
use crate::config::{
    Active, Camera, CameraDevice, Config, FingerInput, GpioBackend, Login, ModulePassword, NodeKey,
    NodePort, SmtpSecurity, Source,
};
use crate::daemon::SharedSensors;

/// What the telephone service knows us by.
const TOKEN: &str = "simulator";

/// Mail server, telephone service and nodes of one simulated house.
pub struct World {
    pub(super) faults: Faults,
    pub(super) mail: MailServer,
    pub(super) telephone: TelephoneService,
    pub(super) on_nodes: OnNodes,
    pub(super) reader: Option<SimulatedReader>,
    pub(super) clock: Arc<SimulatedClock>,
    /// What it keeps over a power cut is written here.
    pub(super) directory: PathBuf,
    pub(super) config: Config,
    is_new: bool,
    /// What else was before a power cut.
    pub(super) before: Memory,
}

impl World {
    /// Starts the peers and points the configuration at them. `directory` is where the ports of
    /// nodes and finger reader appear. After a power cut the world is as it was before.
    pub async fn start(config: &mut Config, directory: &Path) -> io::Result<World> {
        let recalled = Memory::recall(directory);
        let clock = Arc::new(match &recalled {
            Some(before) => SimulatedClock::after_power_cut(before.ahead, before.speed),
            None => SimulatedClock::new(),
        });
        let is_new = recalled.is_none();
        let mut before = recalled.unwrap_or_default();
        let faults = Faults::default();
        faults.change(|set| *set = before.faults);
        let mail = MailServer::start(&faults).await?;
        mail.recall(std::mem::take(&mut before.mails));
        if let Some(email) = &mut config.email {
            email.host = mail.address().ip().to_string();
            email.port = mail.address().port();
            email.security = SmtpSecurity::Plaintext;
            email.login = None;
            email.ca_file = None;
        }
        let sid = (config.phone.as_ref()).map_or("ACsimulator", |phone| &phone.account_sid);
        let telephone = TelephoneService::start(&faults, sid, (sid, TOKEN)).await?;
        telephone.recall(std::mem::take(&mut before.calls));
        if let Some(phone) = &mut config.phone {
            phone.base_url = format!("http://{}", telephone.address());
            phone.login = Login {
                username: phone.account_sid.clone(),
                password: SecretString::from(TOKEN),
            };
            phone.ca_file = None;
        }
        let on_nodes = nodes(config, directory, &faults)?;
        let reader = reader(config, directory, &faults)?;
        for (page, finger) in &before.fingers {
            reader.iter().for_each(|it| it.plant(*page, finger));
        }
        no_real_devices(config);
        Ok(World {
            faults,
            mail,
            telephone,
            on_nodes,
            reader,
            clock,
            directory: directory.to_owned(),
            config: config.clone(),
            is_new,
            before,
        })
    }

    /// What breaks things.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// It begins here: the power was not cut.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Its time.
    pub fn clock(&self) -> Arc<SimulatedClock> {
        self.clock.clone()
    }

    /// What `sim/` drives.
    pub fn with(self, sensors: SharedSensors) -> SimulatedHouse {
        SimulatedHouse::new(self, sensors)
    }
}

/// Sensors of nodes: which node's line, and which way round.
pub(super) type OnNodes = HashMap<String, (Arc<SimulatedNode>, NodeKey, Active)>;

/// Starts a node for each `[[nodemcu]]`, and finds its port for the configuration.
fn nodes(config: &mut Config, directory: &Path, faults: &Faults) -> io::Result<OnNodes> {
    let mut on_nodes = HashMap::new();
    for node in &mut config.nodemcus {
        let bound: Vec<(String, NodeKey, Active)> = (config.sensors.iter())
            .filter_map(|sensor| match &sensor.source {
                Source::NodeMcu {
                    node: of,
                    key,
                    active,
                } if *of == node.name => Some((sensor.name.to_string(), *key, *active)),
                Source::NodeMcu { .. } | Source::Gpio(_) | Source::Mqtt(_) | Source::Simulated => {
                    None
                }
            })
            .collect();
        let keys: Vec<NodeKey> = bound.iter().map(|(_, key, _)| *key).collect();
        let simulated = SimulatedNode::start(&node.name, &keys, directory, faults)?;
        node.port = NodePort::Path(simulated.port().to_owned());
        let simulated = Arc::new(simulated);
        for (name, key, active) in bound {
            simulated.set(key, active == Active::Low); // at rest
            on_nodes.insert(name, (simulated.clone(), key, active));
        }
    }
    Ok(on_nodes)
}

/// Starts a finger reader if the house has one, and finds its port for the configuration.
fn reader(
    config: &mut Config,
    directory: &Path,
    faults: &Faults,
) -> io::Result<Option<SimulatedReader>> {
    let access = config.access.as_mut();
    let Some(FingerInput::Serial { port, password, .. }) =
        access.and_then(|access| access.finger.as_mut())
    else {
        return Ok(None);
    };
    let simulated = SimulatedReader::start(Model::R503, directory, faults)?;
    *port = simulated.port().to_owned();
    *password = ModulePassword::default();
    Ok(Some(simulated))
}

/// Nothing of a simulation may reach a real wire, broker or person.
fn no_real_devices(config: &mut Config) {
    config.gpio.backend = GpioBackend::Simulated;
    config.mqtt = None;
    config.webhooks.clear();
    config.messages.heartbeat = None;
    for sensor in &mut config.sensors {
        match sensor.source {
            Source::Mqtt(_) => {
                sensor.source = Source::Simulated;
                sensor.silent_after = None;
            }
            Source::Gpio(_) | Source::NodeMcu { .. } | Source::Simulated => {}
        }
        // What is simulated is warm.
        sensor.warm_up = Duration::ZERO;
    }
    if let Some(Camera { device, .. }) = &mut config.camera {
        *device = CameraDevice::Simulated;
    }
}
