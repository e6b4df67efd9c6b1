//! The power of the simulated Pi. `simulate` with a page is two processes: the shipped daemon, and
//! this one around it, which has nothing but the port and the plug. A power cut is SIGKILL.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::exit::{Exit, Failed, Result};
use super::simulate::{SimulateArgs, announce, io_failed};
use super::{Places, service};
use crate::simulator::CUT;
use crate::web;

/// Runs the Pi until it ends by itself or is asked to, and ends as it did.
pub(super) fn supply(
    places: &Places,
    args: &SimulateArgs,
    listener: &TcpListener,
    data: &Path,
) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed::new(Exit::OsErr, error))?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        service::stop_on_signals(stop.clone()).map_err(|error| Failed::new(Exit::OsErr, error))?;
        let address = (listener.local_addr())
            .map_err(|error| io_failed("asking for the address of the page", &error))?;
        let mut is_first = true;
        loop {
            let mut pi = Pi::switch_on(places, args, listener, data)
                .map_err(|error| io_failed("starting the simulated Pi", &error))?;
            match pi.lives(&stop, address, is_first, !args.no_browser).await {
                Ended::ByItself(status) => return as_it_did(status),
                Ended::PowerCut => {}
            }
            is_first = false;
            if !darkness(listener, address, &stop).await? {
                return Ok(());
            }
        }
    })
}

/// The port that a process with a power switch was started with. It ends when that one does, however
/// that ends.
pub(super) fn inherited_port() -> Result<TcpListener> {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        warn!(%error, "this process may outlive the one that started it");
    }
    let port = std::io::stdin().as_fd().try_clone_to_owned();
    let port = port.map_err(|error| io_failed("taking the port from standard input", &error))?;
    Ok(TcpListener::from(port))
}

/// This program, also when another version was put in its place meanwhile.
fn this_program() -> std::io::Result<PathBuf> {
    match cfg!(target_os = "linux") {
        true => Ok("/proc/self/exe".into()),
        false => std::env::current_exe(),
    }
}

/// The process of the shipped daemon.
struct Pi {
    process: Child,
    says: Lines<BufReader<ChildStdout>>,
}

enum Ended {
    ByItself(ExitStatus),
    PowerCut,
}

impl Pi {
    fn switch_on(
        places: &Places,
        args: &SimulateArgs,
        listener: &TcpListener,
        data: &Path,
    ) -> std::io::Result<Pi> {
        let mut command = Command::new(this_program()?);
        command.arg("simulate").arg("--powered");
        for (flag, path) in [
            ("--config", &places.config),
            ("--socket", &places.socket),
            ("--scenario", &args.scenario),
        ] {
            if let Some(path) = path {
                command.arg(flag).arg(path);
            }
        }
        if let Some(stall) = args.stall_store {
            command.arg("--stall-store").arg(stall.to_string());
        }
        command.arg("--camera").arg(args.camera.word());
        command.arg("--data").arg(data);
        let mut process = command
            // Its port comes as standard input.
            .stdin(Stdio::from(OwnedFd::from(listener.try_clone()?)))
            .stdout(Stdio::piped())
            // Ctrl-C reaches this process, which asks the other one to stop.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().expect("it is a pipe");
        let says = BufReader::new(stdout).lines();
        Ok(Pi { process, says })
    }

    async fn lives(
        &mut self,
        stop: &CancellationToken,
        address: SocketAddr,
        is_first: bool,
        mut opens_browser: bool,
    ) -> Ended {
        let mut stopping = false;
        loop {
            let line = tokio::select! {
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    let pid = self.process.id().and_then(|id| Pid::from_raw(id.cast_signed()));
                    // It may have ended just now.
                    let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
                    continue;
                }
                line = self.says.next_line() => line,
            };
            match line {
                Ok(Some(line)) if line == CUT => {
                    if let Err(error) = self.process.kill().await {
                        warn!(%error, "cutting the power");
                    }
                    return Ended::PowerCut;
                }
                Ok(Some(line)) if is_first => {
                    announce(&line, address, std::mem::take(&mut opens_browser));
                }
                // Where it listens is known by now.
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        match self.process.wait().await {
            Ok(status) => Ended::ByItself(status),
            Err(error) => {
                warn!(%error, "waiting for the simulated Pi");
                Ended::ByItself(ExitStatus::default())
            }
        }
    }
}

/// Whoever switched the power on is answered within this.
const LAST_ANSWERS: Duration = Duration::from_millis(300);

/// Answers while there is no power: `true` when it is switched on, `false` at the stop.
async fn darkness(
    listener: &TcpListener,
    address: SocketAddr,
    stop: &CancellationToken,
) -> Result<bool> {
    let failed = |error| io_failed("answering while the power is off", &error);
    let listener = listener.try_clone().map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
    let on = CancellationToken::new();
    let over = {
        let (on, stop) = (on.clone(), stop.clone());
        async move {
            tokio::select! {
                () = on.cancelled() => {}
                () = stop.cancelled() => {}
            }
        }
    };
    let serving = axum::serve(listener, web::dark_house(address, on.clone()));
    tokio::select! {
        served = serving.with_graceful_shutdown(over) => served.map_err(failed)?,
        // Who sits on a connection and says nothing keeps nobody in the dark.
        () = async { on.cancelled().await; sleep(LAST_ANSWERS).await } => {}
    }
    Ok(!stop.is_cancelled())
}

/// The exit code of the other process is ours; it has said why already.
fn as_it_did(status: ExitStatus) -> Result {
    match Exit::of(status.code()) {
        Exit::Ok => Ok(()),
        exit => Err(Failed::new(exit, "")),
    }
}
