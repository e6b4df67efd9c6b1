//! One life of the process: the program's parts, wired as `daemon::run` wires them, and one
//! scheduler that takes their steps in an order that the seed decides.

mod card;
mod surroundings;
mod turns;

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::task::Poll;
use std::time::Duration;

use asfaleia::actuators::{Buzzer, Exhaust, Outputs};
use asfaleia::alarm::{Actor, Origin};
use asfaleia::alarm::{
    Alarm, BootTime, Command, Durable, Event, Pattern, PhotoId, Reading, SensorKind, SensorState,
    Status,
};
use asfaleia::camera::PhotoShelf;
use asfaleia::clock::{Clock, SharedClock, Stamp};
use asfaleia::daemon::{
    BrokerSlot, CameraSlot, ChangeSlot, Composer, Executor, Journal, restore, store_health,
};
use asfaleia::inbox::{Inbox, Letter};
use asfaleia::outbox::{self, AddressBook, Channels, Outbox, Parts, Waiting};
use asfaleia::panel::{Lines, Panel};
use asfaleia::sensors::Errors;
use asfaleia::store::{Disk, Found, Store, StoreHandle, StoreOptions, StoreWorker};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::yield_now;
use tokio::time::{sleep_until, timeout};

use crate::clock::{PiClock, without_battery};
use crate::disk::{Files, Image};
use crate::house::{DEVICES, is_instant};
use crate::ledger::siren_sounds;
use crate::outside::{Camera, Faults};
use crate::people::People;
use crate::plan::{Happening, SIGN_OF_LIFE};
use crate::witness::{Witness, WitnessedJournal};
use crate::world::World;

/// What failed is tried again by the store's thread after this.
const STORE_RETRIES: Duration = Duration::from_secs(5);
/// A trouble mail settles for less.
const RESTS_FOR: Duration = Duration::from_secs(120);
/// Longer than any back-off and any ladder.
const CALM_AT_MOST: Duration = Duration::from_secs(6 * 3600);

/// Sizes of what could grow, each calm morning.
#[derive(Debug, Default, Clone)]
pub(crate) struct Growth {
    /// For each day: bytes of the panel's state, waiting rows, batches.
    pub(crate) days: Vec<[usize; 3]>,
    /// Resident memory in kB, for each day.
    pub(crate) resident: Vec<usize>,
}

/// Runs until the process is killed (`false`) or everything is over (`true`).
pub(crate) async fn live(world: &mut World) -> bool {
    let clock = Arc::new(PiClock::new(
        world.now,
        world.switched_on,
        world.clock_wrong,
        world.boot,
    ));
    let mut life = Life::begin(world, clock);
    let over = life.run().await;
    life.end(over)
}

struct Life<'w> {
    world: &'w mut World,
    clock: Arc<PiClock>,
    panel: Panel<Witness>,
    letters: Receiver<Letter>,
    inbox: Inbox,
    outbox: Pin<Box<dyn Future<Output = ()>>>,
    store: StoreWorker,
    handle: StoreHandle,
    journal: Journal,
    died: Arc<Notify>,
    fan: Arc<AtomicBool>,
    status: watch::Receiver<Arc<Status>>,
    waiting: watch::Receiver<Waiting>,
    /// The commit that is under way ends then.
    commit: Option<(Duration, Disk)>,
    /// Batches that failed before, and when they are tried again.
    failed: Option<(usize, Duration)>,
    calm_since: Option<Duration>,
    rests_since: Option<Duration>,
    _to_outbox: mpsc::UnboundedSender<outbox::Command>,
}

impl<'w> Life<'w> {
    /// As `daemon::run` begins.
    fn begin(world: &'w mut World, clock: Arc<PiClock>) -> Life<'w> {
        let shared: SharedClock = clock.clone();
        let config = world.config.clone();
        let directory = world.directory();
        let opened = Store::open(&directory, shared.clone());
        let image = Image::read(&directory).expect("a database that was opened can be read");
        let torn = std::mem::take(&mut world.torn);
        {
            let things = &mut *world.outside.things();
            let life = world.life;
            (things.log).line(world.now, format_args!("---- process {life} starts"));
            if life > 0 {
                things.ledger.reopened(&image, world.died, torn);
                let found = matches!(opened.found, Found::Restored(_));
                if found != image.state.is_some() {
                    let what = &opened.found;
                    things
                        .ledger
                        .violation(format!("the store was found {what:?}"));
                }
            }
        }

        let now = Stamp::now(&*shared);
        let (inbox, letters) = Inbox::new(shared.clone());
        let saved_at = match &opened.found {
            Found::Restored(saved) => Some(saved.saved_at.clone()),
            Found::Fresh | Found::Unreadable { .. } => None,
        };
        let (restored, mut started) = restore(opened.found, &config, &now, Durable::default());
        // From when the delays of the state count on.
        let counts_from = (saved_at.filter(|saved| saved.boot_id != now.boot_id))
            .map_or(now.boot, |saved| saved.boot);
        let new_boot = started.new_boot;
        let health = Box::new(store_health(&inbox));
        let store = StoreWorker::new(opened.store, StoreOptions::default(), health);
        let (proven, proven_now) = watch::channel(restored.proven);
        let (journal, feed) =
            Journal::new(store.handle(), opened.next.event, shared.clone(), proven);
        tokio::spawn(feed);

        let channels = Channels::from(&*config);
        let mut outbox = Outbox::new(channels.clone(), world.rng.fork());
        outbox.restore(restored.messages, &now);
        started.waiting = outbox.waiting().count;
        let (to_outbox, outbox_commands) = mpsc::unbounded_channel();
        let (waiting, waiting_now) = watch::channel(outbox.waiting());
        let died = Arc::new(Notify::new());
        let people = People {
            outside: world.outside.clone(),
            clock: clock.clone(),
            died: died.clone(),
        };
        let witnessed = WitnessedJournal {
            journal: journal.clone(),
            outside: world.outside.clone(),
            clock: clock.clone(),
        };
        let parts = Parts {
            paths: Arc::new(people),
            store: Arc::new(witnessed),
            inbox: inbox.clone(),
            waiting,
        };
        let outbox = Box::pin(outbox::run(outbox, outbox_commands, parts));

        let fan = Arc::new(AtomicBool::new(false));
        let alarm = Alarm::new(config.policy(), restored.state.alarm, now.boot);
        let book = AddressBook::new(
            channels,
            restored.state.threads,
            opened.next.message,
            world.rng.fork(),
        );
        let (status, status_now) = watch::channel(Arc::new(alarm.status()));
        let (last_photo, _) = watch::channel(None);
        let composer = Composer {
            status: status_now.clone(),
            began_before: BTreeMap::new(),
            waiting: waiting_now.clone(),
            proven: proven_now,
            errors: Errors::default(),
            clock: shared.clone(),
        };
        let (shown, _) = composer.show();
        let hands = Executor {
            journal: journal.clone(),
            outbox: to_outbox.clone(),
            camera: CameraSlot::default(),
            broker: BrokerSlot::default(),
            shelf: PhotoShelf::new(directory.join("photos")),
            status,
            shown,
            last_photo,
            changes: ChangeSlot::default(),
            runtime: tokio::runtime::Handle::current(),
        };
        let witness = Witness {
            hands,
            outside: world.outside.clone(),
            clock: clock.clone(),
        };
        let panel = Panel::new(alarm, lines(&fan), book, shared, witness);
        let mut life = Life {
            handle: store.handle(),
            world,
            clock,
            panel,
            letters,
            inbox,
            outbox,
            store,
            journal,
            died,
            fan,
            status: status_now,
            waiting: waiting_now,
            commit: None,
            failed: None,
            calm_since: None,
            rests_since: None,
            _to_outbox: to_outbox,
        };
        life.first_turn(Event::Started(started), new_boot, counts_from);
        life
    }

    async fn run(&mut self) -> bool {
        loop {
            if self.is_dead() {
                return false;
            }
            if self.step().await {
                if self.is_over() {
                    return true;
                }
                continue;
            }
            let now = self.clock.now();
            self.world.outside.things().ledger.at_rest(now);
            let next = [
                self.panel.deadline().map(|at| self.clock.true_time(at)),
                self.commit.map(|(at, _)| at),
                self.failed
                    .map(|(_, at)| at)
                    .filter(|_| self.commit.is_none()),
                self.world.plan.due(),
            ];
            let next = next.into_iter().flatten().min();
            let next = next.unwrap_or(self.clock.now() + Duration::from_secs(60));
            let letter = {
                let mut sleep = pin!(sleep_until(self.clock.instant(next)));
                let mut died = pin!(self.died.notified());
                poll_fn(|cx| {
                    let waits = self.handle.waiting();
                    assert!(
                        self.outbox.as_mut().poll(cx).is_pending(),
                        "the outbox ended"
                    );
                    if let Ok(letter) = self.letters.try_recv() {
                        return Poll::Ready(Some(letter));
                    }
                    let written = self.handle.waiting() != waits;
                    let wakes = died.as_mut().poll(cx).is_ready()
                        || sleep.as_mut().poll(cx).is_ready()
                        || written;
                    if wakes {
                        Poll::Ready(None)
                    } else {
                        Poll::Pending
                    }
                })
                .await
            };
            if let Some(letter) = letter {
                self.turn(letter);
            }
        }
    }

    /// One step of one part, if any is due.
    async fn step(&mut self) -> bool {
        // Whose turn it is first is chance; nobody starves, as all that is due comes in time.
        let mut order = [0, 1, 2, 3];
        self.world.rng.shuffle(&mut order);
        self.plan_commit();
        let now = self.clock.now();
        for part in order {
            match part {
                0 => {
                    if let Ok(letter) = self.letters.try_recv() {
                        self.turn(letter);
                        return true;
                    }
                }
                1 => {
                    let due = self.panel.deadline();
                    if due.is_some_and(|due| due <= self.clock.boot()) {
                        if self.alive() {
                            self.world.outside.things().ledger.owner_disarms = false;
                            self.panel.tick();
                            self.after_a_turn();
                        }
                        return true;
                    }
                }
                2 => {
                    if self.commit.is_some_and(|(at, _)| at <= now) {
                        self.commit();
                        return true;
                    }
                }
                _ => {
                    if let Some(what) = self.world.plan.take(now) {
                        self.happens(what);
                        return true;
                    }
                }
            }
            if self.world.rng.u32(..8) == 0 {
                // The other tasks get a turn in between.
                let _ = timeout(Duration::ZERO, self.outbox.as_mut()).await;
                yield_now().await;
            }
        }
        false
    }

    fn alive(&self) -> bool {
        self.world.outside.things().step()
    }

    fn is_dead(&self) -> bool {
        self.world.outside.things().dead
    }

    // ---- the end ----------------------------------------------------------------------------

    fn end(mut self, over: bool) -> bool {
        let now = self.clock.now();
        let rng = &mut self.world.rng;
        let before = (!over && self.handle.waiting() > 0 && rng.bool())
            .then(|| Files::read(&self.world.directory()));
        if before.is_some() {
            self.store.turn(Disk::Real);
        }
        {
            let things = &mut *self.world.outside.things();
            things.kill_in = None;
            things.dead = false;
            if !over {
                things.ledger.killed();
            }
            things.ledger.summary.torn += u64::from(before.is_some());
            things
                .log
                .line(now, format_args!("---- killed, torn: {}", before.is_some()));
        }
        self.world.torn = before.is_some();
        self.world.leaves(before);
        self.world.died = now;
        let rng = &mut self.world.rng;
        self.world.now = now
            + if std::mem::take(&mut self.world.reboots) {
                let away = Duration::from_secs(rng.u64(20..7_200));
                self.world.boot += 1;
                self.world.switched_on = now + away;
                self.world.clock_was_right = false;
                self.world.clock_wrong = without_battery(self.world.switched_on);
                away + Duration::from_secs(rng.u64(8..20))
            } else {
                Duration::from_millis(rng.u64(100..10_000))
            };
        over
    }
}

fn lines(fan: &Arc<AtomicBool>) -> Lines {
    let outputs = Arc::new(Outputs::default());
    let wire = fan.clone();
    let relay = Box::new(move |on| {
        wire.store(on, Ordering::Relaxed);
        Ok(())
    });
    Lines {
        buzzer: Some(Buzzer::new(Box::new(|_| Ok(())), outputs.clone())),
        exhaust: Some(Exhaust::new(relay, outputs)),
    }
}
