//! Builds every part from the configuration in reading order, runs the loop, stops in order;
//! decides nothing.

mod configuration;
mod hands;
mod journal;
mod people;
mod reload;
mod shown;
mod sources;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub use configuration::{Chosen, choose};
pub use sources::SharedSensors;

use crate::actuators::{Buzzer, Exhaust, Outputs, Switch};
use crate::alarm::{Alarm, Durable, Event, Started, StoreFound, Trouble, TroubleCode};
use crate::camera::{Camera, FaultSwitch, PhotoShelf};
use crate::clock::{SharedClock, Stamp};
use crate::config::{Config, OnBoot, OutputLine, Rejected, Severity};
use crate::gpio::{Board, SimulatedBoard};
use crate::inbox::{Inbox, Letter};
use crate::outbox::{AddressBook, Channels, Message, Outbox, Parts};
use crate::panel::{Lines, Panel, SavedState};
use crate::sensors::Errors;
use crate::sensors::port::Ports;
use crate::store::{Found, History, Saved, StoreActor, StoreOptions};
use crate::supervisor::{Supervisor, systemd};
use crate::web::{self, House, NoTokens, ServiceKind, Sim};

use hands::Executor;
use journal::{Journal, Proven};
use people::People;
use reload::Reloader;
use shown::{Composer, ShownHistory, ShownOutputs};
use sources::{Sources, Wiring};

/// At rest this is all that is written: that we were alive.
const SIGN_OF_LIFE_EVERY: Duration = Duration::from_secs(600);
/// How often history is held to its bounds.
const TIDY_EVERY: Duration = Duration::from_secs(3600);
/// The deep look through the history waits until the start is over.
const DEEP_CHECK_AFTER: Duration = Duration::from_secs(60);
/// An ordered stop gives each part so long.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// What the daemon is started with.
pub struct Plan {
    /// The configuration, and the store it names.
    pub chosen: Chosen,
    /// The file it came from, for `reload`.
    pub file: Option<PathBuf>,
    /// A real service or a simulator.
    pub kind: ServiceKind,
    /// The Unix socket.
    pub socket: Option<web::Socket>,
    /// Where the API listens on TCP, bound already.
    pub listener: Option<TcpListener>,
    /// Devices that are simulated.
    pub devices: Devices,
    /// What the panel is where nothing was saved.
    pub first_state: Durable,
    /// How the store behaves.
    pub store: StoreOptions,
}

/// Simulated devices, behind the interfaces that the real ones use.
#[derive(Default)]
pub struct Devices {
    /// Where serial ports are looked for.
    pub ports: Ports,
    /// Breaks the simulated camera.
    pub camera_fault: FaultSwitch,
    /// What `sim/` drives, made over the simulated sensors of the configuration in force.
    pub sim: Option<MakeSim>,
}

/// Makes what `sim/` drives.
pub type MakeSim = Box<dyn FnOnce(SharedSensors) -> Arc<dyn Sim> + Send>;

/// A runtime with two workers: a slip that blocks one cannot stall a sensor.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // Made on demand. Name look-ups share them with reads that a hung disk may hold.
        .max_blocking_threads(64)
        .thread_stack_size(512 * 1024)
        .enable_all()
        .build()
}

/// Runs the service until `stop` is cancelled, and stops in order. `ready` is called once
/// everything is watched.
pub async fn run(
    plan: Plan,
    clock: SharedClock,
    stop: CancellationToken,
    ready: impl FnOnce(&Inbox),
) -> anyhow::Result<()> {
    let Plan {
        chosen,
        file,
        kind,
        socket,
        listener,
        devices,
        first_state,
        store,
    } = plan;
    let config = Arc::new(chosen.loaded.config);
    let now = Stamp::now(&*clock);
    let (inbox, letters) = Inbox::new(clock.clone());
    // Its tasks end after the panel: `stop` asks for the end, `ending` carries it out.
    let ending = CancellationToken::new();
    let mut supervisor = Supervisor::new(inbox.clone(), ending.clone());

    // What was.
    let opened = chosen.opened;
    let (restored, mut started) = restore(opened.found, &config, &now, first_state);
    let store_dir = config.store.path.clone();
    let failing = opened.store.failure().map(ToString::to_string);
    let actor = StoreActor::start(opened.store, store, Box::new(store_health(&inbox)))
        .context("starting the store's thread")?;
    let (proven, proven_now) = watch::channel(restored.proven);
    let (journal, feed) = Journal::new(actor.handle(), opened.next.event, clock.clone(), proven);
    let mut feed = tokio::spawn(feed);

    // People.
    let channels = Channels::from(&*config);
    let mut outbox = Outbox::new(channels.clone(), fastrand::Rng::new());
    outbox.restore(restored.messages, &now);
    started.waiting = outbox.waiting().count;
    let shelf = PhotoShelf::new(store_dir.join("photos"));
    let people = Arc::new(People::new(&config, shelf.clone(), &inbox));
    let (to_outbox, outbox_commands) = mpsc::unbounded_channel();
    let (waiting, waiting_now) = watch::channel(outbox.waiting());
    let mut outbox = tokio::spawn(crate::outbox::run(
        outbox,
        outbox_commands,
        Parts {
            paths: people.clone(),
            store: Arc::new(journal.clone()),
            inbox: inbox.clone(),
            waiting,
        },
    ));

    // Devices.
    let simulated_board = (config.gpio.backend == crate::config::GpioBackend::Simulated)
        .then(|| SimulatedBoard::new(clock.clone()));
    let board: Arc<dyn Board> = match &simulated_board {
        Some(board) => Arc::new(board.clone()),
        // A house of nodes and topics alone needs no board.
        None if !config.has_wires() => Arc::new(SimulatedBoard::new(clock.clone())),
        None => Arc::from(crate::gpio::board(&config.gpio, clock.clone())?),
    };
    let outputs = Arc::new(Outputs::default());
    let lines = Lines {
        buzzer: or_trouble(
            buzzer(&config, &*board, &outputs),
            TroubleCode::Output,
            "buzzer",
            &inbox,
        ),
        exhaust: or_trouble(
            exhaust(&config, &*board, &outputs),
            TroubleCode::Output,
            "exhaust",
            &inbox,
        ),
    };
    let cameras = Cameras {
        inbox: inbox.clone(),
        shelf: shelf.clone(),
        fault: devices.camera_fault,
    };
    let camera = or_trouble(
        cameras.start(&config, opened.next.photo),
        TroubleCode::Camera,
        "camera",
        &inbox,
    );
    let camera_slot = Arc::new(Mutex::new(camera.as_ref().map(Camera::handle)));

    // The panel.
    let alarm = Alarm::new(config.policy(), restored.state.alarm, now.boot);
    let book = AddressBook::new(
        channels,
        restored.state.threads,
        opened.next.message,
        fastrand::Rng::new(),
    );
    let (status, status_now) = watch::channel(Arc::new(alarm.status()));
    let (last_photo, last_photo_now) = watch::channel(None);
    let changes = hands::ChangeSlot::default();
    let errors = Errors::default();
    let composer = Composer {
        status: status_now.clone(),
        waiting: waiting_now,
        proven: proven_now,
        errors: errors.clone(),
        clock: clock.clone(),
    };
    let (shown, snapshot_now) = composer.show();
    let executor = Executor {
        journal: journal.clone(),
        outbox: to_outbox.clone(),
        camera: camera_slot.clone(),
        shelf: shelf.clone(),
        status,
        shown: shown.clone(),
        last_photo,
        changes: changes.clone(),
        runtime: tokio::runtime::Handle::current(),
    };
    let mut panel = Panel::new(alarm, lines, book, clock.clone(), executor);
    panel.turn(Letter {
        event: Event::Started(started.clone()),
        at: now.boot,
        reply: None,
    });
    let panel_stop = stop.clone();
    let (panel_ended, mut panel_end) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("panel".to_owned())
        .spawn(move || {
            panel.run(&letters, || panel_stop.is_cancelled());
            let _ = panel_ended.send(());
        })
        .context("starting the panel's thread")?;

    // Sensors.
    let simulated = SharedSensors::new(&config, simulated_board.as_ref(), inbox.clone());
    let wiring = Wiring {
        inbox: inbox.clone(),
        errors: errors.clone(),
        ports: devices.ports,
        board,
        simulated_board,
        simulated: simulated.clone(),
        status: status_now.clone(),
        last_photo: last_photo_now,
        shelf,
    };
    let sources = Sources::start(&config, &wiring, &mut supervisor);
    start_troubles(&inbox, &config, kind, failing, chosen.rejected.as_ref());

    // What others see.
    let mut composing = tokio::spawn(shown.follow());
    let (config_tx, config_now) = watch::channel(config.clone());
    let reloader = Reloader::new(reload::Parts {
        file,
        text: chosen.loaded.text.clone(),
        config: config_tx,
        inbox: inbox.clone(),
        journal: journal.clone(),
        people: people.clone(),
        outbox: to_outbox.clone(),
        outputs: outputs.clone(),
        changes,
        cameras,
        camera: camera_slot,
        running_camera: camera,
        next_photo: opened.next.photo,
        wiring,
        sources: Some(sources),
        supervisor,
        snapshot: snapshot_now.clone(),
    });
    let house = House {
        config: config_now.clone(),
        inbox: inbox.clone(),
        status: snapshot_now,
        outputs: Arc::new(ShownOutputs(outputs)),
        history: Arc::new(ShownHistory(History::open(&store_dir))),
        live: journal.live(),
        sim: devices.sim.map(|make| make(simulated)),
        kind,
        reload: reloader.as_web(),
        tokens: Arc::new(NoTokens),
        version: env!("CARGO_PKG_VERSION"),
    };
    let listener = listener
        .map(tokio::net::TcpListener::from_std)
        .transpose()?;
    let mut serving = tokio::spawn(web::serve(house, listener, socket, ending.clone()));

    // Kept, for the day on which the file does not pass.
    if chosen.rejected.is_none() && restored.config.as_ref() != Some(&chosen.loaded.text) {
        journal.passed(chosen.loaded.text);
    }
    ready(&inbox);
    reloader
        .spawn("upkeep", {
            let upkeep = Upkeep {
                journal: journal.clone(),
                store: actor.handle(),
                history: History::open(&store_dir),
                config: config_now.clone(),
                inbox: inbox.clone(),
                people,
            };
            move || upkeep.clone().run()
        })
        .await;
    reloader
        .spawn("watchdog", {
            let inbox = inbox.clone();
            move || systemd::watchdog(inbox.clone())
        })
        .await;
    reloader.watch_file().await;

    // What owns state cannot be started again by itself: the process ends, and comes back as it
    // was.
    let ended = tokio::select! {
        biased; // the panel ends because of the stop
        () = stop.cancelled() => None,
        _ = &mut panel_end => Some("the panel"),
        _ = &mut outbox => Some("the outbox"),
        _ = &mut feed => Some("the stream of events"),
        _ = &mut composing => Some("the status"),
        _ = &mut serving => Some("the API"),
    };
    // Asked to stop, the panel may be gone before this wakes: that is no failure.
    let failed = ended.filter(|_| !stop.is_cancelled());
    match failed {
        None => info!("stopping"),
        Some(part) => error!("{part} has failed: ending, to come back as we were"),
    }
    stop.cancel();
    systemd::stopping();
    // In order: panel, sensors, outbox, store. A fan that runs stays on.
    inbox.send(Event::Tick); // wakes the panel, which sees the stop
    if ended != Some("the panel") {
        let _ = tokio::time::timeout(STOP_WITHIN, panel_end).await;
    }
    reloader.stop(&ending, STOP_WITHIN).await;
    drop((to_outbox, inbox));
    if ended != Some("the API") {
        let _ = tokio::time::timeout(STOP_WITHIN, serving).await;
    }
    if ended != Some("the outbox") {
        let _ = tokio::time::timeout(STOP_WITHIN + STOP_WITHIN, outbox).await;
    }
    composing.abort();
    feed.abort();
    journal.sign_of_life();
    drop(journal);
    let stopped = tokio::task::spawn_blocking(move || actor.stop(STOP_WITHIN)).await?;
    if let Err(error) = stopped {
        warn!(%error, "the last words did not reach the disk");
    }
    match failed {
        None => Ok(()),
        Some(part) => Err(anyhow::anyhow!("{part} has failed; the log says where")),
    }
}

/// What an earlier run left.
struct Restored {
    state: SavedState,
    messages: Vec<Message>,
    proven: Proven,
    config: Option<String>,
}

fn restore(
    found: Found,
    config: &Config,
    now: &Stamp,
    first_state: Durable,
) -> (Restored, Started) {
    let mut started = Started {
        new_boot: true,
        store: StoreFound::Fresh,
        gap: None,
        waiting: 0,
        arm_away: false,
    };
    let mut restored = Restored {
        state: SavedState {
            alarm: first_state,
            ..SavedState::default()
        },
        messages: Vec::new(),
        proven: Proven::new(),
        config: None,
    };
    match found {
        Found::Fresh => {}
        Found::Unreadable { why, moved_to } => {
            warn!(
                why,
                ?moved_to,
                "the store cannot be read; the panel arms itself"
            );
            started.store = StoreFound::Unreadable;
        }
        Found::Restored(saved) => {
            let Saved {
                state,
                saved_at,
                last_life,
                config,
                messages,
                proven,
            } = *saved;
            started.new_boot = saved_at.boot_id != now.boot_id;
            started.gap = gap(&last_life, now);
            match serde_json::from_str::<SavedState>(&state) {
                Ok(mut state) => {
                    if started.new_boot {
                        state.alarm.rebase(saved_at.boot, now.boot);
                    }
                    restored.state = state;
                    started.store = StoreFound::Restored;
                }
                Err(error) => {
                    warn!(%error, "the saved state cannot be read; the panel arms itself");
                    started.store = StoreFound::Unreadable;
                }
            }
            restored.messages = (messages.iter())
                .filter_map(|row| match Message::from_body(&row.body) {
                    Ok(message) => Some(message),
                    Err(error) => {
                        warn!(message = row.id, %error, "a waiting message cannot be read");
                        None
                    }
                })
                .collect();
            restored.proven = proven;
            restored.config = config;
        }
    }
    started.arm_away = started.new_boot && config.panel.on_boot == OnBoot::Away;
    (restored, started)
}

/// Time without a sign of life, as well as the clocks tell.
fn gap(last: &Stamp, now: &Stamp) -> Option<Duration> {
    if last.boot_id == now.boot_id {
        return Some(now.boot.since(last.boot));
    }
    if !(last.wall.is_set() && now.wall.is_set()) {
        return None;
    }
    let millis = now.wall.as_millis().checked_sub(last.wall.as_millis())?;
    u64::try_from(millis).ok().map(Duration::from_millis)
}

/// Claims the buzzer's line, off.
fn buzzer(
    config: &Config,
    board: &dyn Board,
    outputs: &Arc<Outputs>,
) -> anyhow::Result<Option<Buzzer>> {
    let line = config.buzzer.as_ref();
    let switch = line.map(|line| switch("buzzer", line, board)).transpose()?;
    Ok(switch.map(|switch| Buzzer::new(switch, outputs.clone())))
}

/// Claims the exhaust relay's line, off.
fn exhaust(
    config: &Config,
    board: &dyn Board,
    outputs: &Arc<Outputs>,
) -> anyhow::Result<Option<Exhaust>> {
    let line = config.exhaust.as_ref().map(|exhaust| &exhaust.output);
    let switch = line
        .map(|line| switch("exhaust", line, board))
        .transpose()?;
    Ok(switch.map(|switch| Exhaust::new(switch, outputs.clone())))
}

fn switch(name: &'static str, line: &OutputLine, board: &dyn Board) -> anyhow::Result<Switch> {
    let mut pin = board
        .output(name, line)
        .with_context(|| format!("claiming the line of the {name}"))?;
    Ok(Box::new(move |on| {
        pin.set(on).map_err(|error| error.to_string())
    }))
}

/// One part that cannot start must not take the others with it: it is a trouble, and the house is
/// watched by what there is.
fn or_trouble<T>(
    part: anyhow::Result<Option<T>>,
    code: TroubleCode,
    subject: &str,
    inbox: &Inbox,
) -> Option<T> {
    part.unwrap_or_else(|why| {
        error!("{why:#}");
        inbox.send(raised(code, subject, format!("{why:#}")));
        None
    })
}

/// What every camera of this run shares.
struct Cameras {
    inbox: Inbox,
    shelf: PhotoShelf,
    fault: FaultSwitch,
}

impl Cameras {
    fn start(
        &self,
        config: &Config,
        next: crate::alarm::PhotoId,
    ) -> anyhow::Result<Option<Camera>> {
        let Some(camera) = &config.camera else {
            return Ok(None);
        };
        let runtime = tokio::runtime::Handle::current();
        let (inbox, shelf) = (self.inbox.clone(), self.shelf.clone());
        let camera = Camera::start(camera, inbox, shelf, next, self.fault.clone(), runtime)?;
        Ok(Some(camera))
    }
}

fn store_health(inbox: &Inbox) -> impl Fn(Result<(), String>) + Send + 'static {
    let inbox = inbox.clone();
    move |health| {
        inbox.send(match health {
            Ok(()) => Event::TroubleCleared {
                code: TroubleCode::Store,
                subject: String::new(),
            },
            Err(why) => raised(TroubleCode::Store, "", why),
        });
    }
}

fn raised(code: TroubleCode, subject: &str, text: String) -> Event {
    Event::TroubleRaised(Trouble {
        code,
        subject: subject.to_owned(),
        text,
    })
}

/// What lessens protection from the start.
fn start_troubles(
    inbox: &Inbox,
    config: &Config,
    kind: ServiceKind,
    store: Option<String>,
    rejected: Option<&Rejected>,
) {
    if let Some(why) = store {
        inbox.send(raised(TroubleCode::Store, "", why));
    }
    if let Some(rejected) = rejected {
        let errors = (rejected.diagnostics.iter())
            .filter(|finding| finding.severity == Severity::Error)
            .collect::<Vec<_>>();
        let first = errors.first().map_or(String::new(), |first| {
            let (line, source) = (first.line, first.source.trim());
            format!(" (line {line}, {source}: {})", first.message)
        });
        let text = format!(
            "the configuration file has {} error{}{first}; the last one that passed is in force: \
             run asfaleia check, mend the file, then asfaleia reload",
            errors.len(),
            if errors.len() == 1 { "" } else { "s" }
        );
        inbox.send(raised(TroubleCode::ConfigRejected, "", text));
    }
    let simulated = sources::simulated_devices(config);
    if kind == ServiceKind::Run && !simulated.is_empty() {
        let text = format!(
            "simulated, so watched by nothing real: {}",
            simulated.join(", ")
        );
        inbox.send(raised(TroubleCode::Simulated, "", text));
    }
}

/// What is done now and then.
#[derive(Clone)]
struct Upkeep {
    journal: Journal,
    store: crate::store::StoreHandle,
    history: History,
    config: watch::Receiver<Arc<Config>>,
    inbox: Inbox,
    people: Arc<People>,
}

impl Upkeep {
    async fn run(self) -> anyhow::Result<()> {
        self.people.warm_up().await;
        sleep(DEEP_CHECK_AFTER).await;
        self.deep_check().await?;
        let mut until_tidy = Duration::ZERO;
        loop {
            if until_tidy.is_zero() {
                self.tidy().await;
                until_tidy = TIDY_EVERY;
            }
            sleep(SIGN_OF_LIFE_EVERY).await;
            until_tidy = until_tidy.saturating_sub(SIGN_OF_LIFE_EVERY);
            self.journal.sign_of_life();
        }
    }

    async fn deep_check(&self) -> anyhow::Result<()> {
        let history = self.history.clone();
        let checked = tokio::task::spawn_blocking(move || history.deep_check()).await?;
        if let Err(error) = checked {
            warn!(%error, "looking through the history");
            self.inbox
                .send(raised(TroubleCode::Store, "history", error.to_string()));
        }
        Ok(())
    }

    async fn tidy(&self) {
        let crate::config::Store { keep, max_size, .. } = self.config.borrow().store.clone();
        match self.store.retain(keep, max_size).await {
            Ok(removed) if removed.thinned > 0 || removed.still_over => {
                let text = format!(
                    "history and photos are over [store] max-size; {} photos of incidents that \
                     nobody acknowledged had to go: acknowledge them, or raise max-size",
                    removed.thinned
                );
                self.inbox.send(raised(TroubleCode::Disk, "", text));
            }
            Ok(_) => self.inbox.send(Event::TroubleCleared {
                code: TroubleCode::Disk,
                subject: String::new(),
            }),
            Err(error) => warn!(%error, "holding the history to its bounds"),
        }
    }
}
