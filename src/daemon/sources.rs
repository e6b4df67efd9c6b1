//! Starts the sensors' drivers, and stops them for a new configuration.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::hands::CameraSlot;
use super::health::cleared;
use crate::access::face::{self, Start};
use crate::access::finger::{Asks, FingerReader, ReaderPort};
use crate::access::{self, Access};
use crate::alarm::{Actor, Origin, PhotoId, Status, TroubleCode};
use crate::camera::PhotoShelf;
use crate::config::{CameraDevice, Config, FaceInput, FingerInput, Mqtt, Source};
use crate::gpio::{Board, SimulatedBoard, Watch};
use crate::inbox::Inbox;
use crate::mqtt::{Broker, Kept, Verify};
use crate::sensors::mqtt::MqttSensors;
use crate::sensors::nodemcu::Node;
use crate::sensors::port::Ports;
use crate::sensors::simulated::{NoSuchSensor, SimulatedSensors};
use crate::sensors::{self, Errors};
use crate::supervisor::{Part, Pulses, Stakes, Supervisor, Watched};

/// What the drivers of every configuration share.
pub(super) struct Wiring {
    pub(super) inbox: Inbox,
    pub(super) pulses: Pulses,
    pub(super) errors: Errors,
    pub(super) ports: Ports,
    pub(super) board: Arc<dyn Board>,
    /// The board again, if it is a simulated one.
    pub(super) simulated_board: Option<SimulatedBoard>,
    pub(super) simulated: SharedSensors,
    pub(super) status: watch::Receiver<Arc<Status>>,
    pub(super) last_photo: watch::Receiver<Option<PhotoId>>,
    pub(super) shelf: PhotoShelf,
    pub(super) broker: BrokerSlot,
    pub(super) kept_at_broker: Mutex<Kept>,
    pub(super) access: Access,
    pub(super) asks: Asks,
    pub(super) camera: CameraSlot,
}

impl Wiring {
    /// What looks for faces, given how its child is started.
    fn faces(&self) -> impl Fn(Start) -> face::Watch + Send + 'static {
        let (frame, access) = (frames(&self.camera), self.access.clone());
        let (status, inbox) = (self.status.clone(), self.inbox.clone());
        move |start| face::Watch {
            start,
            frame: frame.clone(),
            access: access.clone(),
            status: status.clone(),
            inbox: inbox.clone(),
        }
    }

    /// Checks the codes that come over MQTT.
    fn verify(&self) -> Verify {
        let access = self.access.clone();
        Arc::new(move |code| {
            let access = access.clone();
            async move { access.whose(code, &Actor::owner(Origin::Mqtt)).await }.boxed()
        })
    }
}

impl Wiring {
    /// The fingerprint module on a port, if there is one.
    fn finger_reader(&self, config: &Config) -> Option<Arc<FingerReader>> {
        let access = config.access.as_ref()?;
        let (port, baud, password) = match access.finger.as_ref()? {
            FingerInput::Serial {
                port,
                baud,
                password,
            } => (port.clone(), *baud, *password),
            FingerInput::Gpio(_) => return None,
        };
        Some(Arc::new(FingerReader::new(
            ReaderPort {
                port,
                baud,
                password,
            },
            self.ports.clone(),
            self.access.follow(),
            self.asks.clone(),
            self.inbox.clone(),
        )))
    }
}

/// The broker in use; a reload may put another one in.
pub type BrokerSlot = Arc<Mutex<Option<Broker>>>;

/// The drivers of one configuration; dropped, they stop.
pub(super) struct Sources {
    stop: CancellationToken,
    _wires: [Option<(Arc<Watch>, Watched)>; 2],
    /// Closed when the broker has been told that we are offline.
    goodbye: mpsc::Receiver<()>,
}

impl Drop for Sources {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The simulated sensors of the configuration that is in force.
#[derive(Clone)]
pub struct SharedSensors(Arc<RwLock<SimulatedSensors>>);

impl SharedSensors {
    pub(super) fn new(config: &Config, board: Option<&SimulatedBoard>, inbox: Inbox) -> Self {
        let sensors = simulated(config, board, inbox);
        SharedSensors(Arc::new(RwLock::new(sensors)))
    }

    fn current(&self) -> SimulatedSensors {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Makes one active or inactive.
    pub fn set(&self, name: &str, active: bool) -> Result<(), NoSuchSensor> {
        self.current().set(name, active)
    }

    /// Makes one active for so long.
    pub fn pulse(&self, name: &str, length: Duration) -> Result<(), NoSuchSensor> {
        self.current().pulse(name, length)
    }
}

impl Sources {
    /// Stops, and waits for the last words to the broker.
    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        while self.goodbye.recv().await.is_some() {}
    }

    /// Starts a driver for everything that the configuration's sensors need.
    pub(super) fn start(config: &Config, wiring: &Wiring, supervisor: &mut Supervisor) -> Sources {
        let stop = CancellationToken::new();
        let inbox = &wiring.inbox;

        // Who watches wires from now on says at once what is wrong; who did before says no more.
        for subject in [sensors::gpio::SUBJECT, access::wires::SUBJECT] {
            inbox.send(cleared(TroubleCode::GpioGone, subject));
        }
        let wires = sensors::gpio::watch(&*wiring.board, &config.sensors, inbox.clone());
        let wires = super::or_trouble(
            wires.map_err(Into::into),
            TroubleCode::TaskFailed,
            "gpio",
            inbox,
        );
        let authenticators =
            access::wires::watch(&*wiring.board, config.access.as_ref(), inbox.clone());
        let authenticators = super::or_trouble(
            authenticators.map_err(Into::into),
            TroubleCode::TaskFailed,
            "gpio access",
            inbox,
        );

        if let Some((start, wiring)) = faces(config).zip(Some(wiring.faces())) {
            let stop = stop.clone();
            supervisor.spawn("faces", move || {
                let watch = wiring(start.clone());
                until(stop.clone(), watch.run())
            });
        }

        let simulated = simulated(config, wiring.simulated_board.as_ref(), inbox.clone());
        simulated.announce();
        *(wiring.simulated.0.write()).unwrap_or_else(PoisonError::into_inner) = simulated;

        for node in &config.nodemcus {
            let (stop, node) = (stop.clone(), node.clone());
            let sensors = config.sensors.clone();
            let (ports, inbox) = (wiring.ports.clone(), inbox.clone());
            let errors = wiring.errors.clone();
            supervisor.spawn(format!("node {}", node.name), move || {
                let driver = Node::new(
                    &node,
                    &sensors,
                    ports.clone(),
                    inbox.clone(),
                    errors.clone(),
                );
                until(stop.clone(), driver.watch())
            });
        }

        match wiring.finger_reader(config) {
            Some(reader) => {
                let stop = stop.clone();
                supervisor.spawn("finger reader", move || {
                    let reader = reader.clone();
                    until(stop.clone(), async move { reader.watch().await })
                });
            }
            // Of one that is no longer configured nothing is wrong.
            None => FingerReader::clear_troubles(inbox),
        }

        let (connected, goodbye) = mpsc::channel(1);
        let broker = Self::broker(config, wiring);
        let server = config.mqtt.as_ref().map(Mqtt::server).unwrap_or_default();
        let broker = super::or_trouble(broker, TroubleCode::Mqtt, &server, inbox);
        *wiring.broker.lock().unwrap_or_else(PoisonError::into_inner) = broker.clone();
        if let Some(broker) = broker {
            let (photos, shelf) = (wiring.last_photo.clone(), wiring.shelf.clone());
            let (shown, ended) = (broker.clone(), stop.clone());
            supervisor.spawn("mqtt photos", move || {
                until(
                    ended.clone(),
                    show_photos(shown.clone(), photos.clone(), shelf.clone()),
                )
            });
            let stop = stop.clone();
            supervisor.spawn("mqtt", move || {
                let (broker, stop) = (broker.clone(), stop.clone());
                let connected = connected.clone();
                async move {
                    broker.run(stop).await;
                    drop(connected);
                    Ok(())
                }
            });
        }
        Sources {
            stop,
            _wires: [
                wires.map(|wires| watched("gpio", wires, &wiring.pulses)),
                authenticators.map(|wires| watched("gpio access", wires, &wiring.pulses)),
            ],
            goodbye,
        }
    }

    fn broker(config: &Config, wiring: &Wiring) -> anyhow::Result<Option<Broker>> {
        let inbox = &wiring.inbox;
        let sensors = MqttSensors::new(&config.sensors, inbox.clone(), wiring.errors.clone());
        let topics = sensors.topics().to_vec();
        let mut kept = (wiring.kept_at_broker.lock()).unwrap_or_else(PoisonError::into_inner);
        Ok(Broker::new(
            config,
            &topics,
            Box::new(move |message| sensors.take(message)),
            wiring.verify(),
            inbox.clone(),
            wiring.status.clone(),
            &mut kept,
        )?)
    }
}

/// How the child that recognises faces is started, if the camera shall recognise any.
fn faces(config: &Config) -> Option<Start> {
    let access = config.access.as_ref()?;
    match access.face {
        Some(FaceInput::Camera) => Some(Start::of(config)),
        Some(FaceInput::Gpio(_)) | None => None,
    }
}

/// Frames of the camera in use, for whoever looks for faces.
pub(super) fn frames(camera: &CameraSlot) -> face::TakeFrame {
    let camera = camera.clone();
    Arc::new(move || {
        let camera = camera
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        async move {
            match camera {
                Some(camera) => camera.look().await,
                None => Err("there is no camera, or it could not be started".to_owned()),
            }
        }
        .boxed()
    })
}

/// What `sim/` drives: simulated sensors, and the authenticators on wires as `face` and `finger`.
fn simulated(config: &Config, board: Option<&SimulatedBoard>, inbox: Inbox) -> SimulatedSensors {
    let authenticators = access::wires::of(config.access.as_ref()).into_iter();
    let wires = authenticators.map(|(factor, line)| (factor.word().into(), line));
    SimulatedSensors::new(&config.sensors, &wires.collect::<Vec<_>>(), board, inbox)
}

/// A board tells a change within milliseconds.
const WIRES_WITHIN: Duration = Duration::from_secs(5);

/// Whoever watches the wires has to turn.
fn watched(name: &str, wires: Watch, pulses: &Pulses) -> (Arc<Watch>, Watched) {
    let wires = Arc::new(wires);
    let asked = Arc::downgrade(&wires);
    let watched = pulses.watch(Part {
        name: name.to_owned(),
        within: WIRES_WITHIN,
        stakes: Stakes::Protection,
        ask: Box::new(move |question| {
            if let Some(wires) = asked.upgrade() {
                wires.ask(question);
            }
        }),
    });
    (wires, watched)
}

/// The broker shows the last photo.
async fn show_photos(
    broker: Broker,
    mut photos: watch::Receiver<Option<PhotoId>>,
    shelf: PhotoShelf,
) {
    while photos.changed().await.is_ok() {
        let last = *photos.borrow_and_update();
        if let Some(photo) = last.and_then(|id| shelf.in_memory(id)) {
            broker.publish_photo(photo.jpeg);
        }
    }
}

async fn until(stop: CancellationToken, driver: impl Future<Output = ()>) -> anyhow::Result<()> {
    tokio::select! {
        () = stop.cancelled() => {}
        () = driver => {}
    }
    Ok(())
}

/// What of a real service is simulated, in words: a house that is watched by nothing real must
/// say so. `board`: the GPIO lines in use are simulated.
pub(super) fn simulated_devices(config: &Config, board: bool) -> Vec<String> {
    let mut simulated: Vec<String> = (config.sensors.iter())
        .filter(|sensor| sensor.source == Source::Simulated)
        .map(|sensor| format!("the sensor \"{}\"", sensor.name))
        .collect();
    if board && config.has_wires() {
        simulated.push("all GPIO lines".to_owned());
    }
    if let Some(camera) = &config.camera
        && camera.device == CameraDevice::Simulated
    {
        simulated.push("the camera".to_owned());
    }
    simulated
}
