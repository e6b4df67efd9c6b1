//! The world around the panel in a replay: what is due next happens next, at once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::Script;
use super::backstage::{Backstage, VirtualClock, Wish, lines};
use super::devices::Devices;
use super::timeline::{Timeline, What, asked};
use super::ways::{Tried, Ways};
use crate::alarm::{
    Alarm, BootTime, Durable, Event, IncidentId, Panel as Armed, Pattern, PhotoId, Record,
    SensorName, Started, StoreFound, Trouble, TroubleCode,
};
use crate::camera::CameraFault;
use crate::clock::{Clock, Stamp};
use crate::config::Config;
use crate::inbox::Letter;
use crate::outbox::{AddressBook, Changes, Channels, Outbox, Outcome, Threads};
use crate::panel::Panel;
use crate::simulator::{Faults, Happening};

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
    devices: Devices,
    photos: u64,
    camera_in_trouble: bool,
    buzzer: Option<Pattern>,
    until: BootTime,
    timeline: Timeline,
}

/// Something that will happen.
pub(super) enum Next {
    Cue(Happening),
    /// A level that was found rather than a change that was seen.
    Found(SensorName, bool),
    Heartbeat(SensorName),
    Shutter(IncidentId),
    Photo(IncidentId, Result<(), &'static str>),
    Tell(Event),
    Tried(u64, Tried),
}

impl World {
    pub(super) fn new(script: Script, config: &Config) -> Self {
        let clock = Arc::new(VirtualClock::new(UP, script.begins));
        let (wish, wishes) = channel();
        let channels = Channels::from(config);
        let book = AddressBook::new(
            channels.clone(),
            Threads::default(),
            1,
            fastrand::Rng::with_seed(SEED),
        );
        let alarm = Alarm::new(config.policy(), before(&script, config), UP);
        let lines = lines(config, &wish);
        let panel = Panel::new(alarm, lines, book, clock.clone(), Backstage(wish));
        let ring_time = (config.phone.as_ref()).map_or(Duration::ZERO, |phone| phone.ring_time);
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
            devices: Devices::new(config, &script.active),
            photos: 0,
            camera_in_trouble: false,
            buzzer: None,
            until: UP + script.lasts,
            timeline: Timeline::new(script.title.clone(), script.lasts, script.zone.clone()),
        };
        for (at, next) in script.plan {
            world.plan(UP + at, next);
        }
        world
    }

    /// From the beginning to the end.
    pub(super) fn run(mut self) -> Timeline {
        self.tell(Event::Started(Started {
            new_boot: false,
            // Nobody was away: there is nothing to report of the start.
            store: StoreFound::Fresh,
            gap: None,
            waiting: 0,
            arm_away: false,
        }));
        for name in self.devices.names() {
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
            Next::Cue(Happening::Sensor { name, active }) => self.sensed(&name, active, false),
            Next::Found(name, active) => self.sensed(&name, active, true),
            Next::Cue(
                what @ (Happening::Command { .. }
                | Happening::Shown { .. }
                | Happening::Typed { .. }),
            ) => {
                if let Some((what, heard)) = asked(&what).zip(what.heard()) {
                    self.note(None, what);
                    self.tell(heard);
                }
            }
            Next::Cue(Happening::Fault(change)) => {
                let before = self.faults.now();
                self.note(None, What::Fault(change.clone()));
                (self.faults.put(change))
                    .expect("a scenario's faults were checked when it was read");
                let now = self.faults.now();
                for event in self.devices.cable(before.nodemcu, now.nodemcu) {
                    self.tell(event);
                }
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

    // ---- what the panel hears --------------------------------------------------------------

    fn sensed(&mut self, name: &SensorName, active: bool, found: bool) {
        if let Some(what) = self.devices.sees(name, active) {
            self.note(None, what);
        }
        self.report(name, found);
    }

    /// The sensor says what it sees.
    fn report(&mut self, name: &SensorName, found: bool) {
        let cable = self.faults.now().nodemcu;
        if let Some(event) = self.devices.says(name, found, cable) {
            self.tell(event);
        }
    }

    fn plan_heartbeat(&mut self, name: SensorName) {
        if let Some(every) = self.devices.heartbeat(&name) {
            self.plan_in(every, Next::Heartbeat(name));
        }
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
            let (code, subject) = (TroubleCode::Camera, "camera".to_owned());
            self.tell(match why {
                Some(why) => Event::TroubleRaised(Trouble {
                    code,
                    subject,
                    text: why.to_owned(),
                }),
                None => Event::TroubleCleared { code, subject },
            });
        }
        self.tell(event);
    }

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
                Wish::StopCalls(whose) => {
                    let now = self.now();
                    let changes = self.outbox.stop_calls(whose, &now);
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
fn before(script: &Script, config: &Config) -> Durable {
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
