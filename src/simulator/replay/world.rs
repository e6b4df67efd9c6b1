//! The world around the panel in a replay: what is due next happens next, at once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::Script;
use super::backstage::{Backstage, VirtualClock, Wish, lines};
use super::timeline::{Timeline, What, asked};
use super::ways::{Tried, Ways};
use crate::alarm::{
    Alarm, BootTime, Durable, End, Event, IncidentId, Panel as Armed, Pattern, PhotoId, Reading,
    Record, SensorKind, SensorName, Started, StoreFound, Trouble, TroubleCode,
};
use crate::camera::CameraFault;
use crate::clock::{Clock, Stamp};
use crate::config::{Config, Source};
use crate::inbox::Letter;
use crate::outbox::{AddressBook, Changes, Channels, Outbox, Outcome, Threads};
use crate::panel::Panel;
use crate::simulator::{FaultSet, Faults, Happening, NodeFault};

/// The house has been up for so long: every sensor is warm.
const UP: BootTime = BootTime::from_secs(86_400);
/// From the trigger to the first photo.
const SHUTTER: Duration = Duration::from_millis(50);
/// A burst is spread over this.
const BURST: Duration = Duration::from_secs(2);
/// The camera's task waits so long for a picture.
const CAMERA_PATIENCE: Duration = Duration::from_secs(4);
/// Makes `Message-ID`s and spreads retries; the same in every replay.
const SEED: u64 = 0xA5FA_1E1A;

/// Everything that is played, and everything that it is played with.
pub(super) struct World {
    clock: Arc<VirtualClock>,
    /// What will happen: by time, then in the order in which it was planned.
    plan: BTreeMap<(BootTime, u64), Next>,
    planned: u64,
    panel: Panel<Backstage>,
    wishes: Receiver<Wish>,
    outbox: Outbox,
    ways: Ways,
    faults: Faults,
    sensors: BTreeMap<SensorName, Device>,
    nodes: Vec<String>,
    photos: u64,
    camera_in_trouble: bool,
    buzzer: Option<Pattern>,
    until: BootTime,
    timeline: Timeline,
}

/// Something that will happen.
enum Next {
    Cue(Happening),
    Heartbeat(SensorName),
    Shutter(IncidentId),
    Photo(IncidentId, Result<(), &'static str>),
    Tell(Event),
    Tried(u64, Tried),
}

/// A sensor's device.
struct Device {
    kind: SensorKind,
    active: bool,
    /// It sends a sign of life this often.
    heartbeat: Option<Duration>,
    /// The node whose cable it hangs on.
    node: Option<String>,
}

impl World {
    pub(super) fn new(script: &Script<'_>, config: &Config) -> Self {
        let clock = Arc::new(VirtualClock::new(UP, script.begins));
        let (wish, wishes) = channel();
        let channels = Channels::from(config);
        let book = AddressBook::new(
            channels.clone(),
            Threads::default(),
            1,
            fastrand::Rng::with_seed(SEED),
        );
        let alarm = Alarm::new(config.policy(), before(script, config), UP);
        let lines = lines(config, &wish);
        let panel = Panel::new(alarm, lines, book, clock.clone(), Backstage(wish));
        let ring_time = (config.phone.as_ref()).map_or(Duration::ZERO, |phone| phone.ring_time);
        let sensors = config.sensors.iter().map(|sensor| {
            let device = Device {
                kind: sensor.kind,
                active: script.active.contains(&sensor.name),
                // Often enough that one may get lost.
                heartbeat: sensor.silent_after.map(|after| after / 2),
                node: match &sensor.source {
                    Source::NodeMcu { node, .. } => Some(node.clone()),
                    Source::Gpio(_) | Source::Mqtt(_) | Source::Simulated => None,
                },
            };
            (sensor.name.clone(), device)
        });
        let mut world = World {
            clock,
            plan: BTreeMap::new(),
            planned: 0,
            panel,
            wishes,
            outbox: Outbox::new(channels, fastrand::Rng::with_seed(SEED)),
            ways: Ways::new(
                script.answers,
                ring_time,
                &config.site.name,
                script.zone.clone(),
            ),
            faults: Faults::default(),
            sensors: sensors.collect(),
            nodes: config.nodemcus.iter().map(|it| it.name.clone()).collect(),
            photos: 0,
            camera_in_trouble: false,
            buzzer: None,
            until: UP + script.lasts,
            timeline: Timeline::new(script.title.clone(), script.lasts, script.zone.clone()),
        };
        for cue in script.cues {
            world.plan(UP + cue.at, Next::Cue(cue.what.clone()));
        }
        world
    }

    /// From the beginning to the end.
    pub(super) fn run(mut self) -> Timeline {
        self.tell(Event::Started(Started {
            new_boot: false,
            store: StoreFound::Restored,
            gap: None,
            waiting: 0,
            arm_away: false,
        }));
        for name in self.sensors.keys().cloned().collect::<Vec<_>>() {
            self.report(&name, true);
            self.plan_heartbeat(name);
        }
        while let Some(at) = self.next().filter(|at| *at <= self.until) {
            self.clock.set(at.max(self.clock.boot()));
            self.panel.tick();
            self.grant();
            while let Some(next) = self.due() {
                self.happens(next);
            }
            self.deliver();
        }
        self.timeline
    }

    fn next(&mut self) -> Option<BootTime> {
        let planned = self.plan.keys().next().map(|(at, _)| *at);
        let panel = self.panel.deadline();
        let outbox = self.outbox.next_deadline();
        [planned, panel, outbox].into_iter().flatten().min()
    }

    fn due(&mut self) -> Option<Next> {
        let first = self.plan.first_entry()?;
        (first.key().0 <= self.clock.boot()).then(|| first.remove())
    }

    fn plan(&mut self, at: BootTime, next: Next) {
        self.planned += 1;
        self.plan.insert((at, self.planned), next);
    }

    fn plan_in(&mut self, time: Duration, next: Next) {
        self.plan(self.clock.boot() + time, next);
    }

    fn happens(&mut self, next: Next) {
        match next {
            Next::Cue(Happening::Sensor { name, active }) => self.sensed(&name, active),
            Next::Cue(Happening::Command { command, by }) => {
                let (command_words, who) = (asked(&command), by.who().to_owned());
                self.note(
                    None,
                    What::Command {
                        command: command_words,
                        by: who,
                    },
                );
                self.tell(Event::Command { command, by });
            }
            Next::Cue(Happening::Fault(change)) => {
                let before = self.faults.now();
                self.note(None, What::Fault(change.clone()));
                self.faults
                    .put(change)
                    .expect("a scenario's faults were checked when it was read");
                self.node_changed(&before);
            }
            Next::Heartbeat(name) => {
                self.report(&name, false);
                self.plan_heartbeat(name);
            }
            Next::Shutter(incident) => {
                let (after, photo) = match self.faults.now().camera {
                    None => (SHUTTER, Ok(())),
                    Some(CameraFault::Gone) => {
                        (Duration::ZERO, Err("the camera is gone: check its cable"))
                    }
                    Some(CameraFault::Stalled) => {
                        (CAMERA_PATIENCE, Err("the camera gave no picture in 4 s"))
                    }
                };
                self.plan_in(after, Next::Photo(incident, photo));
            }
            Next::Photo(incident, photo) => self.photo(incident, photo),
            Next::Tell(event) => self.tell(event),
            Next::Tried(id, tried) => self.tried(id, tried),
        }
    }

    // ---- sensors ---------------------------------------------------------------------------

    fn sensed(&mut self, name: &SensorName, active: bool) {
        let Some(device) = self.sensors.get_mut(name) else {
            return; // of another configuration: what was recorded there
        };
        let sensor_kind = device.kind;
        if std::mem::replace(&mut device.active, active) != active {
            let sensor = name.clone();
            self.note(
                None,
                What::Sensor {
                    sensor,
                    sensor_kind,
                    active,
                },
            );
        }
        self.report(name, false);
    }

    /// The sensor says what it sees, if its cable is in.
    fn report(&mut self, name: &SensorName, found: bool) {
        let unplugged = self.faults.now().nodemcu == Some(NodeFault::Unplugged);
        let device = &self.sensors[name];
        if unplugged && device.node.is_some() {
            return;
        }
        self.tell(Event::Reading(Reading {
            found,
            ..Reading::seen(name.as_str(), device.active)
        }));
    }

    fn plan_heartbeat(&mut self, name: SensorName) {
        if let Some(every) = self.sensors[&name].heartbeat {
            self.plan_in(every, Next::Heartbeat(name));
        }
    }

    /// The nodes' cable was pulled or put back, or has become noisy or clear.
    fn node_changed(&mut self, before: &FaultSet) {
        let now = self.faults.now().nodemcu;
        if before.nodemcu == now {
            return;
        }
        let hanging: Vec<SensorName> = (self.sensors.iter())
            .filter(|(_, device)| device.node.is_some())
            .map(|(name, _)| name.clone())
            .collect();
        match before.nodemcu {
            Some(NodeFault::Unplugged) => {
                self.nodes_trouble(TroubleCode::NodeGone, None);
                hanging.iter().for_each(|name| self.report(name, true));
            }
            Some(NodeFault::Garbage) => self.nodes_trouble(TroubleCode::LinkNoisy, None),
            None => {}
        }
        match now {
            Some(NodeFault::Unplugged) => {
                for sensor in hanging {
                    self.tell(Event::Lost { sensor });
                }
                let text = "the node is gone: the cable was pulled";
                self.nodes_trouble(TroubleCode::NodeGone, Some(text));
            }
            Some(NodeFault::Garbage) => {
                let text = "more than one line in ten from the node is damaged";
                self.nodes_trouble(TroubleCode::LinkNoisy, Some(text));
            }
            None => {}
        }
    }

    fn nodes_trouble(&mut self, code: TroubleCode, text: Option<&str>) {
        for subject in self.nodes.clone() {
            self.trouble(code, subject, text);
        }
    }

    fn trouble(&mut self, code: TroubleCode, subject: String, text: Option<&str>) {
        self.tell(match text {
            Some(text) => Event::TroubleRaised(Trouble {
                code,
                subject,
                text: text.to_owned(),
            }),
            None => Event::TroubleCleared { code, subject },
        });
    }

    fn photo(&mut self, incident: IncidentId, photo: Result<(), &'static str>) {
        let (event, why) = match photo {
            Ok(()) => {
                self.photos += 1;
                let photo = PhotoId(self.photos);
                (Event::PhotoTaken { incident, photo }, None)
            }
            Err(why) => {
                let failed = Event::PhotoFailed {
                    incident,
                    why: why.to_owned(),
                };
                (failed, Some(why))
            }
        };
        if std::mem::replace(&mut self.camera_in_trouble, why.is_some()) != why.is_some() {
            self.trouble(TroubleCode::Camera, "camera".to_owned(), why);
        }
        self.tell(event);
    }

    // ---- the panel -------------------------------------------------------------------------

    fn tell(&mut self, event: Event) {
        self.panel.turn(Letter {
            event,
            at: self.clock.boot(),
            reply: None,
        });
        self.grant();
    }

    /// Does what the panel wants done.
    fn grant(&mut self) {
        let wishes: VecDeque<Wish> = self.wishes.try_iter().collect();
        for wish in wishes {
            match wish {
                Wish::TakePhotos { incident, count } => {
                    for n in 0..count {
                        let after = BURST * n / count.saturating_sub(1).max(1);
                        self.plan_in(after, Next::Shutter(incident));
                    }
                }
                Wish::HandOver(handover) => {
                    for (incident, record) in handover.records {
                        self.history(incident, record);
                    }
                    self.outbox.accept(handover.messages);
                }
                Wish::Attach { incident, photo } => {
                    let now = self.now();
                    let changes = self.outbox.attach(incident, &photo, &now);
                    self.apply(changes);
                }
                Wish::StopCalls { incident } => {
                    let now = self.now();
                    let changes = self.outbox.stop_calls(incident, End::Canceled, &now);
                    self.apply(changes);
                }
                Wish::Show(status) => {
                    let pattern = status.buzzer_pattern;
                    if std::mem::replace(&mut self.buzzer, pattern) != pattern {
                        self.note(None, What::Buzzer { pattern });
                    }
                }
                Wish::Exhaust(on) => self.note(None, What::History(Record::Exhaust { on })),
            }
        }
    }

    // ---- messages --------------------------------------------------------------------------

    fn deliver(&mut self) {
        let now = self.now();
        let (starts, changes) = self.outbox.take_due(&now);
        self.apply(changes);
        for start in starts {
            let tried = self.ways.attempt(&start, &self.faults.now(), &now);
            self.plan_in(tried.takes, Next::Tried(start.id, tried));
        }
    }

    fn tried(&mut self, id: u64, tried: Tried) {
        let now = self.now();
        let placed = matches!(tried.outcome, Outcome::Placed(_));
        let changes = self.outbox.finished(id, tried.outcome, &now);
        // A call that was placed after somebody acknowledged is ended before it rings.
        let unwanted = placed && !changes.hang_up.is_empty();
        if let Some(what) = tried.worth_telling.filter(|_| !unwanted) {
            let incident = changes.update.records.first().and_then(|(id, _)| *id);
            self.note(incident, what);
        }
        self.apply(changes);
    }

    /// Everything counts as committed at once. Who is hung up on needs no simulating.
    fn apply(&mut self, changes: Changes) {
        for (incident, record) in changes.update.records {
            self.history(incident, record);
        }
        for event in changes.events {
            self.plan_in(Duration::ZERO, Next::Tell(event));
        }
    }

    // ---- the timeline ----------------------------------------------------------------------

    fn history(&mut self, incident: Option<IncidentId>, record: Record) {
        let told_already = match &record {
            // The title says how it begins; the wire tells what the fan does.
            Record::Started { .. } | Record::Exhaust { .. } => true,
            // Mails and calls have lines that say more; that nobody answered is the panel's.
            Record::Message { outcome, .. } => {
                matches!(
                    outcome.as_str(),
                    "delivered" | "calling" | "nobody-answered"
                )
            }
            _ => false,
        };
        if !told_already {
            self.note(incident, What::History(record));
        }
    }

    fn note(&mut self, incident: Option<IncidentId>, what: What) {
        self.timeline.note(self.clock.wall(), incident, what);
    }

    fn now(&self) -> Stamp {
        Stamp::now(&*self.clock)
    }
}

/// What the panel is when the night begins.
fn before(script: &Script<'_>, config: &Config) -> Durable {
    let mut durable = Durable {
        ever_armed: true,
        ..Durable::default()
    };
    if let Some(mode) = script.mode {
        durable.panel = Armed::Armed { mode };
    }
    for sensor in &config.sensors {
        let marks = durable.marks.entry(sensor.name.clone()).or_default();
        marks.powered = Some(BootTime::ZERO);
    }
    durable
}
