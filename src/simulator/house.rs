//! The house and the world around it, as `sim/` and the page drive them.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::AbortHandle;
use tracing::{error, info, warn};

use super::memory::Memory;
use super::{Answers, Faults, Finger, PhoneFault, Scenario, SimulatedClock, Stage, World};
use super::{faces, shipped};
use crate::alarm::{Actor, BootTime, Command, Event, Mode, Origin, SensorName};
use crate::clock::Clock;
use crate::config::Active;
use crate::daemon::SharedSensors;
use crate::inbox::Inbox;
use crate::web::Sim;

/// What tells the process around this one to cut its power, on standard output.
pub const CUT: &str = "power off";

/// The house and the world around it.
pub struct SimulatedHouse {
    world: World,
    sensors: SharedSensors,
    /// Somebody holds the power switch.
    switch: bool,
    now: Mutex<Now>,
}

/// What the page did, and a power cut does not undo.
#[derive(Default)]
struct Now {
    active: BTreeSet<String>,
    faces: Option<PathBuf>,
    /// The scenario that is played.
    playing: Option<(String, AbortHandle)>,
}

const NO_READER: &str =
    "this house has no finger reader on a port: [access] finger = { port = \"/dev/serial0\" }";
const NO_SWITCH: &str =
    "nobody holds the power switch of this simulator: start it without --headless";
/// The answer to who cuts the power leaves before it is gone.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// A scenario notices so soon that the clock runs faster.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl SimulatedHouse {
    pub(super) fn new(world: World, sensors: SharedSensors) -> Self {
        let before = world.before.active.clone();
        let faces = world.before.faces.clone();
        let house = SimulatedHouse {
            world,
            sensors,
            switch: false,
            now: Mutex::default(),
        };
        house.pace(house.world.clock.speed());
        for sensor in before {
            if let Err(why) = house.set_sensor(&sensor, true) {
                warn!(why, "a sensor as it was before the power cut");
            }
        }
        if let Err(why) = house.show_faces(faces.as_deref()) {
            warn!(why, "the faces that were before the camera");
        }
        house
    }

    /// Somebody reads our standard output, and cuts the power when it says [`CUT`].
    pub fn with_power_switch(mut self) -> Self {
        self.switch = true;
        self
    }

    /// Plays a scenario from its first moment to its end.
    pub async fn play(&self, scenario: &Scenario, inbox: &Inbox) {
        if scenario.answers == Answers::Nobody {
            let nobody = Some(PhoneFault::NoAnswer);
            self.world.faults.change(|faults| faults.phone = nobody);
        }
        scenario.play(&Player::new(self, inbox)).await;
    }

    /// Arms for the scenario, waits until that is done, and plays it.
    async fn perform(&self, scenario: &Scenario, state: &str, inbox: &Inbox) {
        // As another scenario may have left it.
        self.world.faults.change(|faults| faults.phone = None);
        if state != scenario.mode.map_or("disarmed", Mode::state_name) {
            let player = Player::new(self, inbox);
            let by = Actor::owner(Origin::Dashboard);
            let asks = |command| Event::Command {
                command,
                by: by.clone(),
            };
            player.ask(asks(Command::Disarm)).await;
            if let Some(mode) = scenario.mode {
                player.ask(asks(Command::Arm { mode, force: true })).await;
                player.reach(self.world.config.panel.exit_delay).await;
            }
        }
        self.play(scenario, inbox).await;
        self.world.faults.change(|faults| faults.phone = None);
        self.now().playing = None;
    }

    fn pace(&self, speed: u32) {
        for (node, _, _) in self.world.on_nodes.values() {
            node.set_speed(speed);
        }
    }

    fn memory(&self) -> Memory {
        let now = self.now();
        let reader = self.world.reader.as_ref();
        Memory {
            mails: self.world.mail.remembered(),
            calls: self.world.telephone.remembered(),
            faults: self.world.faults.now(),
            active: now.active.iter().cloned().collect(),
            fingers: reader.map(|it| it.templates()).unwrap_or_default(),
            faces: now.faces.clone(),
            speed: self.world.clock.speed(),
            ahead: self.world.clock.ahead(),
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sim for SimulatedHouse {
    fn set_sensor(&self, name: &str, active: bool) -> Result<(), String> {
        match self.world.on_nodes.get(name) {
            Some((node, key, high)) => node.set(*key, active == (*high == Active::High)),
            None => (self.sensors.set(name, active)).map_err(|error| error.to_string())?,
        }
        let mut now = self.now();
        if active {
            now.active.insert(name.to_owned());
        } else {
            now.active.remove(name);
        }
        Ok(())
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

    fn decide_call(&self, call: usize, decision: &str) -> Result<(), String> {
        self.world.telephone.decide(call, decision)
    }

    fn show_faces(&self, from: Option<&Path>) -> Result<usize, String> {
        let frames = from.map_or(Ok(Vec::new()), faces::frames)?;
        let count = frames.len();
        self.world.faults.show_faces(frames);
        self.now().faces = from.map(Path::to_owned);
        Ok(count)
    }

    fn surroundings(&self) -> Value {
        let now = self.now();
        json!({
            "active": now.active,
            "finger_reader": self.world.reader.is_some(),
            "faults": Faults::choices(),
            "faces": faces::offered(&self.world.directory.join("faces")),
            "faces_shown": now.faces,
            "power_switch": self.switch,
        })
    }

    fn speed(&self) -> Value {
        json!({"speed": self.world.clock.speed(), "now": self.world.clock.wall().rfc3339()})
    }

    fn set_speed(&self, speed: u32) -> Result<(), String> {
        let fastest = SimulatedClock::FASTEST;
        if !(1..=fastest).contains(&speed) {
            return Err(format!("the clock runs 1 to {fastest} times as fast"));
        }
        self.world.clock.set_speed(speed);
        self.pace(speed);
        Ok(())
    }

    fn cut_power(self: Arc<Self>) -> Result<(), String> {
        if !self.switch {
            return Err(NO_SWITCH.to_owned());
        }
        tokio::spawn(async move {
            tokio::time::sleep(LAST_WORDS).await;
            if let Err(error) = self.memory().keep(&self.world.directory) {
                return error!(%error, "the power stays on: the world could not be kept");
            }
            // The next thing that this process meets is SIGKILL.
            let _ = writeln!(std::io::stdout(), "{CUT}");
            let _ = std::io::stdout().flush();
        });
        Ok(())
    }

    fn scenarios(&self) -> Value {
        let listed = shipped::scenarios().map(|(name, about, scenario)| {
            json!({
                "name": name,
                "title": scenario.title,
                "about": about,
                "mode": scenario.mode.map_or("disarmed", Mode::word),
                "minutes": scenario.ends.as_secs() / 60,
                "fits": scenario.cast(&self.world.config).is_ok(),
            })
        });
        let listed: Value = listed.collect();
        let now = self.now();
        let playing = now.playing.as_ref().map(|(name, _)| name);
        json!({ "scenarios": listed, "playing": playing })
    }

    fn play(self: Arc<Self>, name: &str, state: &str, inbox: &Inbox) -> Result<(), String> {
        let mut all = shipped::scenarios();
        let found = all.find(|(shipped, _, _)| *shipped == name);
        let Some((_, _, scenario)) = found else {
            return Err(format!("there is no scenario {name:?}"));
        };
        (scenario.cast(&self.world.config)).map_err(|why| why.to_string())?;
        let (house, state, inbox) = (self.clone(), state.to_owned(), inbox.clone());
        let playing = tokio::spawn(async move { house.perform(&scenario, &state, &inbox).await });
        let playing = (name.to_owned(), playing.abort_handle());
        if let Some((_, earlier)) = self.now().playing.replace(playing) {
            earlier.abort();
        }
        Ok(())
    }
}

/// Plays a scenario's parts on the running house.
struct Player<'a> {
    house: &'a SimulatedHouse,
    inbox: &'a Inbox,
    began: BootTime,
}

impl<'a> Player<'a> {
    fn new(house: &'a SimulatedHouse, inbox: &'a Inbox) -> Self {
        let began = house.world.clock.boot();
        Player {
            house,
            inbox,
            began,
        }
    }
}

impl Stage for Player<'_> {
    async fn reach(&self, at: Duration) {
        let clock = &self.house.world.clock;
        loop {
            let left = clock.boot().until(self.began + at);
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(clock.lasts(left).min(LOOK_EVERY)).await;
        }
    }

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
