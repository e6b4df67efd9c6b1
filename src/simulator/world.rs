//! The world around a simulated house: its peers on loopback, and what `sim/` does to it.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use tracing::{info, warn};

use super::faces;
use super::{
    Answers, Faults, Finger, MailServer, Model, PhoneFault, Scenario, SimulatedNode,
    SimulatedReader, Stage, TelephoneService,
};
use crate::alarm::{Event, SensorName};
use crate::config::{
    Active, Camera, CameraDevice, Config, FingerInput, GpioBackend, Login, ModulePassword, NodeKey,
    NodePort, SmtpSecurity, Source,
};
use crate::daemon::SharedSensors;
use crate::inbox::Inbox;
use crate::web::Sim;

/// What the telephone service knows us by.
const TOKEN: &str = "simulator";

/// Mail server, telephone service and nodes of one simulated house.
pub struct World {
    faults: Faults,
    mail: MailServer,
    telephone: TelephoneService,
    on_nodes: OnNodes,
    reader: Option<SimulatedReader>,
}

impl World {
    /// Starts the peers and points the configuration at them. `directory` is where the ports of
    /// nodes and finger reader appear.
    pub async fn start(config: &mut Config, directory: &Path) -> io::Result<World> {
        let faults = Faults::default();
        let mail = MailServer::start(&faults).await?;
        if let Some(email) = &mut config.email {
            email.host = mail.address().ip().to_string();
            email.port = mail.address().port();
            email.security = SmtpSecurity::Plaintext;
            email.login = None;
            email.ca_file = None;
        }
        let sid = (config.phone.as_ref()).map_or("ACsimulator", |phone| &phone.account_sid);
        let telephone = TelephoneService::start(&faults, sid, (sid, TOKEN)).await?;
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
        no_real_devices(config);
        Ok(World {
            faults,
            mail,
            telephone,
            on_nodes,
            reader,
        })
    }

    /// What breaks things.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What `sim/` drives.
    pub fn with(self, sensors: SharedSensors) -> SimulatedHouse {
        SimulatedHouse {
            world: self,
            sensors,
        }
    }
}

const NO_READER: &str =
    "this house has no finger reader on a port: [access] finger = { port = \"/dev/serial0\" }";

/// Sensors of nodes: which node's line, and which way round.
type OnNodes = HashMap<String, (Arc<SimulatedNode>, NodeKey, Active)>;

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

/// The house and the world around it, as `sim/` drives them.
pub struct SimulatedHouse {
    world: World,
    sensors: SharedSensors,
}

impl Sim for SimulatedHouse {
    fn set_sensor(&self, name: &str, active: bool) -> Result<(), String> {
        match self.world.on_nodes.get(name) {
            Some((node, key, high)) => {
                node.set(*key, active == (*high == Active::High));
                Ok(())
            }
            None => (self.sensors.set(name, active)).map_err(|error| error.to_string()),
        }
    }

    fn pulse(&self, name: &str, length: Duration) -> Result<(), String> {
        match self.world.on_nodes.get(name) {
            Some((node, key, high)) => {
                let (node, key, high) = (node.clone(), *key, *high == Active::High);
                node.set(key, high);
                tokio::spawn(async move {
                    tokio::time::sleep(length).await;
                    node.set(key, !high);
                });
                Ok(())
            }
            None => (self.sensors.pulse(name, length)).map_err(|error| error.to_string()),
        }
    }

    fn faults(&self) -> Value {
        self.world.faults.json()
    }

    fn set_faults(&self, faults: Value) -> Result<Value, String> {
        self.world.faults.put(faults)
    }

    fn lay_finger(&self, finger: Option<&str>) -> Result<(), String> {
        let reader = self.world.reader.as_ref().ok_or(NO_READER)?;
        match finger {
            None => reader.lift(),
            Some("dirty") => reader.lay(Finger::Dirty),
            Some(name) => reader.lay(Finger::Of(name.to_owned())),
        }
        Ok(())
    }

    fn mails(&self) -> Value {
        self.world.mail.mails()
    }

    fn attachment(&self, mail: usize, number: usize) -> Option<(String, Vec<u8>)> {
        let number = u32::try_from(number).ok()?;
        let attachment = self.world.mail.attachment(mail, number)?;
        Some((attachment.kind, attachment.content))
    }

    fn calls(&self) -> Value {
        self.world.telephone.calls()
    }

    fn show_faces(&self, from: Option<&Path>) -> Result<usize, String> {
        let frames = from.map_or(Ok(Vec::new()), faces::frames)?;
        let count = frames.len();
        self.world.faults.show_faces(frames);
        Ok(count)
    }
}

impl SimulatedHouse {
    /// Plays a scenario in real time, to its end.
    pub async fn play(&self, scenario: &Scenario, inbox: &Inbox) {
        if scenario.answers == Answers::Nobody {
            let nobody = Some(PhoneFault::NoAnswer);
            self.world.faults.change(|faults| faults.phone = nobody);
        }
        scenario.play(&Player { house: self, inbox }).await;
    }
}

/// Plays a scenario's parts on the running house.
struct Player<'a> {
    house: &'a SimulatedHouse,
    inbox: &'a Inbox,
}

impl Stage for Player<'_> {
    fn sensor(&self, name: &SensorName, active: bool) {
        if let Err(why) = self.house.set_sensor(name.as_str(), active) {
            warn!(why, "the scenario's sensor");
        }
    }

    async fn ask(&self, what: Event) {
        let answer = self.inbox.ask(what).await;
        info!(?answer, "the scenario's people");
    }

    fn fault(&self, fault: Value) {
        if let Err(why) = self.house.set_faults(fault) {
            warn!(why, "the scenario's fault");
        }
    }
}

/// Simulated devices of a real service: sensors alone, no world around them.
pub struct SimulatedDevices(pub SharedSensors);

impl Sim for SimulatedDevices {
    fn set_sensor(&self, name: &str, active: bool) -> Result<(), String> {
        self.0.set(name, active).map_err(|error| error.to_string())
    }

    fn pulse(&self, name: &str, length: Duration) -> Result<(), String> {
        (self.0.pulse(name, length)).map_err(|error| error.to_string())
    }

    fn faults(&self) -> Value {
        Value::Null
    }

    fn set_faults(&self, _: Value) -> Result<Value, String> {
        Err("faults are the simulator's: asfaleia simulate".to_owned())
    }

    fn lay_finger(&self, _: Option<&str>) -> Result<(), String> {
        Err("fingers are the simulator's: asfaleia simulate".to_owned())
    }

    fn mails(&self) -> Value {
        Value::Array(Vec::new())
    }

    fn attachment(&self, _: usize, _: usize) -> Option<(String, Vec<u8>)> {
        None
    }

    fn calls(&self) -> Value {
        Value::Array(Vec::new())
    }

    fn show_faces(&self, _: Option<&Path>) -> Result<usize, String> {
        Err("the camera is real".to_owned())
    }
}
