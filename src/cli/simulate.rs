//! `asfaleia simulate`: the service in a simulated house.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use clap::{Args, ValueEnum};
use tokio_util::sync::CancellationToken;
use tracing::{level_filters::LevelFilter, warn};

use super::exit::{Exit, Failed, Result};
use super::{Places, power, service};
use crate::alarm::{Durable, Mode, Panel};
use crate::clock::SharedClock;
use crate::config::{CameraDevice, Loaded};
use crate::daemon::{self, Chosen, Devices, Plan};
use crate::login::Cost;
use crate::simulator::{Scenario, SimulatedHouse, World, changed_config, shipped_sensors};
use crate::store::{Store, StoreOptions};
use crate::web::{self, ServiceKind};

/// The house that `simulate` brings with it.
const EMBEDDED: &str = include_str!("../../config/simulator.toml");

/// `asfaleia simulate`
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// Open no browser, and be one process, whose power nobody cuts: for scripts
    #[arg(long)]
    pub headless: bool,
    /// Open no browser: the address is enough
    #[arg(long)]
    pub no_browser: bool,
    /// The process whose power can be cut; its port is standard input
    #[arg(long, hide = true, conflicts_with = "headless")]
    powered: bool,
    /// Where the page and API listen, on loopback; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = loopback)]
    pub listen: SocketAddr,
    /// Photos from a webcam of this machine rather than drawn ones
    #[arg(long, value_enum, default_value_t, value_name = "WHICH")]
    pub camera: CameraKind,
    /// Play this scenario, in real time
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Keep history and photos here [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// For tests and benches: every commit first takes so many milliseconds, as on a slow card
    #[arg(long, value_name = "MS", hide = true)]
    pub(super) stall_store: Option<u64>,
}

/// Where the simulator's photos come from.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CameraKind {
    /// Drawn: the house, somebody who walks past it, and the time.
    #[default]
    Simulated,
    /// The configuration's `[camera] device`, or the first webcam.
    Real,
}

impl CameraKind {
    /// As the command line has it.
    pub(super) fn word(self) -> &'static str {
        match self {
            CameraKind::Simulated => "simulated",
            CameraKind::Real => "real",
        }
    }
}

/// The simulator asks for no login, so it listens to this machine alone.
fn loopback(text: &str) -> std::result::Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) | Err(_) => Err("write a loopback address, such as 127.0.0.1:8080".to_owned()),
    }
}

pub(super) fn run(places: &Places, args: SimulateArgs) -> Result {
    service::start_log(LevelFilter::WARN);
    let (name, text) = match &places.config {
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|why| {
                Failed::new(Exit::NoInput, format!("reading {}: {why}", file.display()))
            })?;
            (file.display().to_string(), text)
        }
        None => ("simulator.toml".to_owned(), EMBEDDED.to_owned()),
    };
    let scenario = match &args.scenario {
        Some(file) => Some(Scenario::load(file).map_err(|why| Failed::new(Exit::Data, why))?),
        None => None,
    };
    let extra_sensors = match &scenario {
        Some(scenario) => scenario.extra_sensors.clone(),
        // The house on the page is one that every shipped scenario fits.
        None if !args.headless && places.config.is_none() => shipped_sensors(),
        None => Vec::new(),
    };
    let loaded = changed_config(&text, &name, &extra_sensors, &[])
        .map_err(|rejected| Failed::new(Exit::Config, rejected))?;
    if let Some(scenario) = &scenario {
        (scenario.cast(&loaded.config)).map_err(|why| Failed::new(Exit::Data, why))?;
    }

    let temporary;
    let data = match &args.data {
        Some(data) => data.as_path(),
        None => {
            temporary = tempfile::Builder::new()
                .prefix("asfaleia-")
                .tempdir()
                .map_err(|error| io_failed("making a temporary directory", &error))?;
            temporary.path()
        }
    };
    std::fs::create_dir_all(data)
        .map_err(|error| io_failed(&format!("making {}", data.display()), &error))?;

    let listener = match args.powered {
        true => power::inherited_port()?,
        false => TcpListener::bind(args.listen)
            .map_err(|error| io_failed(&format!("listening on {}", args.listen), &error))?,
    };
    if !args.headless && !args.powered {
        return power::supply(places, &args, &listener, data);
    }
    let runtime = daemon::runtime().map_err(|error| Failed::new(Exit::OsErr, error))?;
    let ended = runtime.block_on(simulate(places, &args, loaded, scenario, data, listener));
    service::shut_down(runtime);
    ended
}

async fn simulate(
    places: &Places,
    args: &SimulateArgs,
    mut loaded: Loaded,
    scenario: Option<Scenario>,
    data: &Path,
    listener: TcpListener,
) -> Result {
    let stop = CancellationToken::new();
    service::stop_on_signals(stop.clone()).map_err(|error| Failed::new(Exit::OsErr, error))?;
    let device = loaded.config.camera.as_ref().map(|it| it.device.clone());
    let world = World::start(&mut loaded.config, data)
        .await
        .map_err(|error| io_failed("starting the simulated world", &error))?;
    if let (Some(camera), Some(device), CameraKind::Real) =
        (&mut loaded.config.camera, device, args.camera)
    {
        camera.device = match device {
            CameraDevice::Simulated => CameraDevice::Auto,
            CameraDevice::Auto
            | CameraDevice::Path(_)
            | CameraDevice::Command(_)
            | CameraDevice::Url(_) => device,
        };
    }
    let address = (listener.set_nonblocking(true))
        .and_then(|()| listener.local_addr())
        .map_err(|error| io_failed("asking for the address of the page", &error))?;
    let socket = match &places.socket {
        Some(path) => {
            Some(web::bind_socket(path).map_err(|error| Failed::new(Exit::Unavailable, error))?)
        }
        None => None,
    };

    loaded.config.store.path = data.to_owned();
    let house = Arc::new(OnceLock::<Arc<SimulatedHouse>>::new());
    let made = house.clone();
    let powered = args.powered;
    let first_mode = match &scenario {
        Some(scenario) => scenario.mode,
        None => Some(Mode::Away),
    };
    let clock: SharedClock = world.clock();
    // A Pi that comes back does not find the night begin again.
    let scenario = scenario.filter(|_| world.is_new());
    let opened = Store::open(data, clock.clone());
    let plan = Plan {
        chosen: Chosen {
            loaded,
            rejected: None,
            opened,
        },
        // What is simulated is not the file alone: the peers' addresses are put into it.
        file: None,
        kind: ServiceKind::Simulate,
        socket,
        listener: Some(listener),
        taken: None,
        unopened: Vec::new(),
        devices: Devices {
            camera_fault: world.faults().camera(),
            sim: Some(Box::new(move |sensors| {
                let mut house = world.with(sensors);
                if powered {
                    house = house.with_power_switch();
                }
                let house = Arc::new(house);
                // The player begins only after this, when all is watched.
                let _ = made.set(house.clone());
                house
            })),
            ..Devices::default()
        },
        first_state: Durable {
            panel: first_mode.map_or(Panel::Disarmed, |mode| Panel::Armed { mode }),
            ever_armed: true,
            ..Durable::default()
        },
        store: StoreOptions {
            stall: args.stall_store.map(std::time::Duration::from_millis),
        },
        password_cost: Cost::default(),
    };
    daemon::run(plan, clock, stop, |inbox| {
        announce(&format!("listening on http://{address}"), address, false);
        if let (Some(scenario), Some(house)) = (scenario, house.get().cloned()) {
            let inbox = inbox.clone();
            tokio::spawn(async move { house.play(&scenario, &inbox).await });
        }
    })
    .await
    .map_err(|error| Failed::new(Exit::Software, format!("{error:#}")))
}

/// Whoever started us reads this line to find us; nobody may be reading.
pub(super) fn announce(line: &str, address: SocketAddr, opens_browser: bool) {
    let _ = writeln!(std::io::stdout(), "{line}");
    let _ = std::io::stdout().flush();
    if opens_browser {
        open_browser(&format!("http://{address}/house"));
    }
}

/// Shows the page where there is a desktop; elsewhere the line on standard output has to do.
fn open_browser(url: &str) {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let opened = std::process::Command::new(program)
        .arg(url)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
    if let Err(error) = opened {
        warn!("opening the page with {program}: {error}; open it yourself: {url}");
    }
}

pub(super) fn io_failed(doing: &str, error: &std::io::Error) -> Failed {
    Failed::new(Exit::IoErr, format!("{doing}: {error}"))
}
