//! Builds every part from the configuration in reading order, runs the loop, stops in order;
//! decides nothing.

mod away;
mod configuration;
mod devices;
mod drills;
mod hands;
mod health;
mod heartbeat;
mod journal;
pub(crate) mod machine;
mod memory;
mod outdated;
mod people;
mod reload;
mod restore;
mod shown;
mod sources;
mod standing;
mod upkeep;
mod web_port;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use futures_util::FutureExt;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub use configuration::{Chosen, choose};
// What the simulation of tests/simulation wires up as `run` does, and turns by itself.
pub use hands::{CameraSlot, ChangeSlot, Executor};
pub use health::store_health;
pub use journal::{Committed, Journal, Proven};
pub use restore::{Restored, restore};
pub use shown::{Composer, Shown};
pub use sources::{BrokerSlot, SharedSensors};

use crate::access::Access;
use crate::access::face::Guide;
use crate::access::finger::Fingers;
use crate::actuators::Outputs;
use crate::alarm::{Alarm, Durable, Event, TroubleCode};
use crate::camera::{Camera, FaultSwitch, PhotoShelf};
use crate::clock::{SharedClock, Stamp};
use crate::gpio::KeptLines;
use crate::inbox::{Inbox, Letter};
use crate::login::{Cost, Logins};
use crate::outbox::{AddressBook, Channels, Outbox, Parts};
use crate::panel::{Lines, Panel};
use crate::sensors::Errors;
use crate::sensors::port::Ports;
use crate::store::{History, StoreActor, StoreOptions};
use crate::supervisor::{Pulses, Supervisor, systemd};
use crate::web::{self, House, ServiceKind, Sim};

use away::Absence;
use devices::{Cameras, board, buzzer, exhaust, or_trouble};
use drills::Drills;
use health::{LastAnswer, raised, simulated as simulated_trouble, start_troubles};
use machine::{Machine, Watchman};
use people::People;
use reload::Reloader;
use shown::{ShownHistory, ShownOutputs};
use sources::{Sources, Wiring};
use upkeep::Upkeep;

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
    /// Where it shall listen as soon as it can: somebody else has that port.
    pub taken: Option<SocketAddr>,
    /// Of these two what could not be opened, and why: each is the trouble `web`.
    pub unopened: Vec<(String, String)>,
    /// Devices that are simulated.
    pub devices: Devices,
    /// What the panel is where nothing was saved.
    pub first_state: Durable,
    /// How the store behaves.
    pub store: StoreOptions,
    /// What hashing a password costs.
    pub password_cost: Cost,
}

/// Simulated devices, behind the interfaces that the real ones use.
#[derive(Default)]
pub struct Devices {
    /// Where serial ports are looked for.
    pub ports: Ports,
    /// Output lines that systemd held since an earlier run.
    pub kept_lines: KeptLines,
    /// Breaks the simulated camera.
    pub camera_fault: FaultSwitch,
    /// What `sim/` drives, made over the simulated sensors of the configuration in force.
    pub sim: Option<MakeSim>,
}

/// Makes what `sim/` drives.
pub type MakeSim = Box<dyn FnOnce(SharedSensors) -> Arc<dyn Sim> + Send>;

/// A runtime with two workers: a slip that blocks one cannot stall a sensor.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    memory::share_heaps();
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
        taken,
        unopened,
        devices,
        first_state,
        store,
        password_cost,
    } = plan;
    let config = Arc::new(chosen.loaded.config);
    let now = Stamp::now(&*clock);
    let (inbox, letters) = Inbox::new(clock.clone());
    // Its tasks end after the panel: `stop` asks for the end, `ending` carries it out.
    let ending = CancellationToken::new();
    let pulses = Pulses::new(inbox.clone());
    let mut supervisor = Supervisor::new(inbox.clone(), pulses.clone(), ending.clone());

    // What was.
    let opened = chosen.opened;
    let (restored, mut started) = restore(opened.found, &config, &now, first_state);
    let store_dir = config.store.path.clone();
    let failing = opened.store.failure().map(ToString::to_string);
    let actor = StoreActor::start(opened.store, store, Box::new(store_health(&inbox)))
        .context("starting the store's thread")?;
    let (proven, proven_now) = watch::channel(restored.proven);
    let (journal, feed) = Journal::new(actor.handle(), opened.next.event, clock.clone(), proven);
    let mut feed = tokio::spawn(pulses.task("stream", feed));

    // People.
    let channels = Channels::from(&*config);
    let mut outbox = Outbox::new(channels.clone(), fastrand::Rng::new());
    outbox.restore(restored.messages, &now);
    started.waiting = outbox.waiting().count;
    let shelf = PhotoShelf::new(store_dir.join("photos"));
    let people = Arc::new(People::new(&config, shelf.clone(), &inbox));
    let (to_outbox, outbox_commands) = mpsc::unbounded_channel();
    let (waiting, waiting_now) = watch::channel(outbox.waiting());
    let oldest_waiting = outbox.waiting().oldest;
    let outbox_parts = Parts {
        paths: people.clone(),
        store: Arc::new(journal.clone()),
        inbox: inbox.clone(),
        waiting,
    };
    let outbox = crate::outbox::run(outbox, outbox_commands, outbox_parts);
    let mut outbox = tokio::spawn(pulses.task("outbox", outbox));

    // Devices.
    let (board, simulated_board) = board(&config, &clock, devices.kept_lines)?;
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
    let broker = sources::BrokerSlot::default();
    let (status, status_now) = watch::channel(Arc::new(alarm.status()));
    let keeper = journal.clone();
    let access = Access::new(
        opened.people,
        Box::new(move |changes, says| keeper.people(changes, says).boxed()),
        status_now.clone(),
        clock.clone(),
    );
    let keeper = journal.clone();
    let logins = Logins::new(
        opened.logins,
        Box::new(move |changes, says| keeper.logins(changes, says).boxed()),
        clock.clone(),
        password_cost,
    );
    if kind == ServiceKind::Run && config.web.is_some() && !logins.has_owner() {
        tell_first_code(&logins);
    }
    let (fingers, asks) = Fingers::new();
    let (last_photo, last_photo_now) = watch::channel(None);
    let changes = hands::ChangeSlot::default();
    let errors = Errors::default();
    let incidents = away::going_on(&status_now);
    let history = History::open(&store_dir);
    let composer = Composer {
        status: status_now.clone(),
        began_before: away::began_before(&history, &incidents, &now),
        waiting: waiting_now,
        proven: proven_now.clone(),
        errors: errors.clone(),
        clock: clock.clone(),
    };
    let (shown, snapshot_now) = composer.show();
    let executor = Executor {
        journal: journal.clone(),
        outbox: to_outbox.clone(),
        camera: camera_slot.clone(),
        broker: broker.clone(),
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
    // Nobody sees what was before that: a panel that armed itself has never been shown disarmed.
    shown.refresh();
    let panel_stop = stop.clone();
    let (panel_ended, mut panel_end) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("panel".to_owned())
        .spawn(move || {
            // However this ends, it is known before others end for want of a panel.
            let _ended: tokio::sync::oneshot::Sender<()> = panel_ended;
            panel.run(&letters, || panel_stop.is_cancelled());
        })
        .context("starting the panel's thread")?;

    let panel = LastAnswer::expected();
    let _watched = health::watched(&pulses, &inbox, &actor.handle(), &camera_slot, &panel);

    // Sensors.
    let simulated = SharedSensors::new(&config, simulated_board.as_ref(), inbox.clone());
    let guide = Guide::new(sources::frames(&camera_slot));
    let wiring = Wiring {
        inbox: inbox.clone(),
        pulses: pulses.clone(),
        errors: errors.clone(),
        ports: devices.ports,
        board,
        simulated_board,
        simulated: simulated.clone(),
        status: status_now.clone(),
        last_photo: last_photo_now,
        shelf: shelf.clone(),
        broker,
        kept_at_broker: Mutex::default(),
        access: access.clone(),
        asks,
        camera: camera_slot.clone(),
    };
    let sources = Sources::start(&config, &wiring, &mut supervisor);
    start_troubles(&inbox, failing, chosen.rejected.as_ref());
    inbox.send(simulated_trouble(
        &config,
        kind,
        wiring.simulated_board.is_some(),
    ));
    for (way, why) in unopened {
        inbox.send(raised(TroubleCode::Web, &way, why));
    }

    // What others see.
    let mut composing = tokio::spawn(pulses.task("status", shown.follow()));
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
        kind,
    });
    let house = House {
        config: config_now.clone(),
        inbox: inbox.clone(),
        status: snapshot_now,
        panel_turns: Arc::new(move || panel.is_recent()),
        outputs: Arc::new(ShownOutputs(outputs)),
        history: Arc::new(ShownHistory(history.clone(), shelf)),
        live: journal.live(),
        sim: devices.sim.map(|make| make(simulated)),
        kind,
        reload: reloader.as_web(),
        guide,
        access,
        fingers,
        logins,
        version: env!("CARGO_PKG_VERSION"),
    };
    let listener = listener
        .map(tokio::net::TcpListener::from_std)
        .transpose()?;
    let listener = web_port::listener(listener, taken, inbox.clone());
    let serving = web::serve(house, listener, socket, ending.clone());
    let mut serving = tokio::spawn(pulses.task("web", serving));

    // Kept, for the day on which the file does not pass.
    if chosen.rejected.is_none() && opened.config.as_ref() != Some(&chosen.loaded.text) {
        journal.passed(chosen.loaded.text);
    }
    ready(&inbox);
    let absence = Absence {
        started: now,
        last_life: restored.last_life,
        oldest_waiting,
        incidents,
        history: history.clone(),
    };
    let (written, told) = (journal.clone(), inbox.clone());
    let away = move || absence.clone().follow(written.clone(), told.clone());
    reloader.spawn("away", away).await;
    reloader
        .spawn("upkeep", {
            let upkeep = Upkeep {
                journal: journal.clone(),
                store: actor.handle(),
                history,
                config: config_now.clone(),
                inbox: inbox.clone(),
                people,
            };
            move || upkeep.clone().run()
        })
        .await;
    let drills = Drills {
        config: config_now.clone(),
        proven: proven_now,
        inbox: inbox.clone(),
    };
    let drills = move || drills.clone().run();
    reloader.spawn("drills", drills).await;
    let (config, told) = (config_now.clone(), inbox.clone());
    let heartbeat = move || heartbeat::run(config.clone(), told.clone());
    reloader.spawn("heartbeat", heartbeat).await;
    reloader
        .spawn("watchdog", move || systemd::watchdog(pulses.clone()))
        .await;
    if kind == ServiceKind::Run {
        let watchman = Watchman {
            machine: Machine {
                root: "/".into(),
                store: store_dir,
            },
            store: actor.handle(),
            config: config_now,
            inbox: inbox.clone(),
        };
        let watch = move || watchman.clone().run();
        reloader.spawn("machine", watch).await;
    }
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
    drop(journal.sign_of_life());
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

/// The one secret that the log holds: worth something until an owner has a password.
fn tell_first_code(logins: &Logins) {
    match logins.first_code() {
        Ok(code) => info!(
            "nobody has a password yet: open the dashboard and choose one; the code for the first \
             visit is {code}. Or run: asfaleia password NAME"
        ),
        Err(why) => warn!("no code for the first visit ({why}): run asfaleia password NAME"),
    }
}
