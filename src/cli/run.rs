//! `asfaleia run`: the service.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use clap::Args;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, level_filters::LevelFilter, warn};

use super::exit::{Exit, Failed, Result};
use super::{Places, service};
use crate::alarm::Durable;
use crate::clock::SystemClock;
use crate::config::{self, GpioBackend, Source};
use crate::daemon::{self, Devices, Plan};
use crate::gpio::{GpioError, KeptLines};
use crate::login::Cost;
use crate::simulator::SimulatedDevices;
use crate::store::StoreOptions;
use crate::supervisor::systemd;
use crate::web::{self, ServiceKind, SocketError};

/// `asfaleia run`
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// For tests and benches: every commit first takes so many milliseconds, as on a slow card
    #[arg(long, value_name = "MS", hide = true)]
    stall_store: Option<u64>,
    /// For tests: hashing a password takes so many KiB, once, and not 19 MiB, twice
    #[arg(long, value_name = "KIB", hide = true)]
    password_kib: Option<u32>,
}

pub(super) fn run(places: &Places, args: RunArgs) -> Result {
    service::start_log(LevelFilter::INFO);
    // First of all: other descriptors must not be taken for them.
    let kept_lines = KeptLines::from_systemd();
    let clock = SystemClock::shared();
    let file = places.config();
    let chosen = daemon::choose(&file, &clock).map_err(|rejected| {
        let waits = "nothing is watched until it passes `asfaleia check`; \
                     the installed service starts by itself when the file is saved";
        Failed::new(Exit::Config, format!("{rejected}; {waits}"))
    })?;
    if let Some(rejected) = &chosen.rejected {
        error!("{rejected}");
        warn!("the last configuration that passed is in force");
    }
    for warning in &chosen.loaded.warnings {
        warn!("{warning}");
    }

    let runtime = daemon::runtime().map_err(|error| Failed::new(Exit::OsErr, error))?;
    let ended = runtime.block_on(async move {
        let stop = CancellationToken::new();
        service::stop_on_signals(stop.clone()).map_err(|error| Failed::new(Exit::OsErr, error))?;
        let config = &chosen.loaded.config;
        let mut unopened = Vec::new();
        let listener = config
            .web
            .as_ref()
            .and_then(|web| listen(web.listen, &mut unopened));
        let taken = config.web.as_ref().map(|web| web.listen);
        let taken = taken.filter(|_| listener.is_none());
        let socket = socket(places, &mut unopened)?;
        for (_, why) in &unopened {
            error!("{why}");
        }
        let devices = devices(config, kept_lines);
        let plan = Plan {
            file: Some(file.clone()),
            kind: ServiceKind::Run,
            socket,
            listener,
            taken,
            unopened,
            devices,
            first_state: Durable::default(),
            store: StoreOptions {
                stall: args.stall_store.map(std::time::Duration::from_millis),
            },
            password_cost: (args.password_kib)
                .map_or_else(Cost::default, |kib| Cost { kib, passes: 1 }),
            chosen,
        };
        daemon::run(plan, clock, stop, |_| {
            info!("watching");
            systemd::ready("watching");
        })
        .await
        .map_err(|error| {
            // Another try with this file would end in the same way.
            let exit = match error.downcast_ref() {
                Some(GpioError::NotHere(_)) => Exit::Config,
                Some(_) | None => Exit::Software,
            };
            Failed::new(exit, format!("{error:#}"))
        })
    });
    service::shut_down(runtime);
    ended
}

/// What could not be opened, and why.
type Unopened = Vec<(String, String)>;

/// The dashboard's port may be taken; that must not leave the house unwatched.
fn listen(address: std::net::SocketAddr, unopened: &mut Unopened) -> Option<TcpListener> {
    let listener = TcpListener::bind(address)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    listener
        .map_err(|error| {
            let why = format!(
                "listening on {address} for [web]: {error}; going on without it, and trying again: \
                 free the port, or choose another and restart asfaleia"
            );
            unopened.push((address.to_string(), why));
        })
        .ok()
}

/// Where the socket cannot be made, the house is watched nevertheless. But two services would
/// fight over the wires.
fn socket(places: &Places, unopened: &mut Unopened) -> Result<Option<web::Socket>> {
    let paths = match &places.socket {
        Some(path) => vec![path.clone()],
        None => web::usual_sockets(),
    };
    let mut why = "asfaleia's commands will not reach this service".to_owned();
    for path in paths {
        make_own_runtime_directory(&path);
        match web::bind_socket(&path) {
            Ok(socket) => return Ok(Some(socket)),
            Err(error @ SocketError::InUse(_)) => {
                return Err(Failed::new(Exit::Unavailable, error));
            }
            Err(error) => why = format!("{error}; {why}"),
        }
    }
    unopened.push(("socket".to_owned(), why));
    Ok(None)
}

/// Under systemd the unit makes `/run/asfaleia`; below a user's own runtime directory nobody does.
fn make_own_runtime_directory(socket: &Path) {
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    if let (Some(own), Some(directory)) = (own, socket.parent())
        && directory.parent() == Some(&own)
    {
        // What goes wrong is told when the socket is made.
        let _ = std::fs::create_dir(directory);
    }
}

fn devices(config: &config::Config, kept_lines: KeptLines) -> Devices {
    let simulated = config.gpio.backend == GpioBackend::Simulated
        || (config.sensors.iter()).any(|sensor| sensor.source == Source::Simulated);
    Devices {
        sim: simulated.then(|| -> daemon::MakeSim {
            Box::new(|sensors| std::sync::Arc::new(SimulatedDevices(sensors)) as _)
        }),
        kept_lines,
        ..Devices::default()
    }
}
