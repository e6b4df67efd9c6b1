//! Processes of the built program: started, talked to, ended by their own id.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

use crate::api::{Api, until};

/// What the shipped simulator runs on.
pub(crate) const SIMULATOR: &str = include_str!("../../config/simulator.toml");

/// The built program, untouched by the environment that the tests run in.
pub(crate) fn asfaleia() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_asfaleia"));
    for name in [
        "XDG_RUNTIME_DIR",
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "STATE_DIRECTORY",
        "ASFALEIA_LOG",
    ] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Exit code, standard output, standard error of a command that ends by itself.
pub(crate) fn outcome(mut command: Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().expect("it ends by itself");
    (code, text(output.stdout), text(output.stderr))
}

/// A running service or simulator; killed at the end of the test.
pub(crate) struct Running {
    pub(crate) child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it with its log in this file, which is shown if the test fails.
    pub(crate) fn start(mut command: Command, log: &Path) -> Running {
        let file = File::options().create(true).append(true).open(log);
        let child = command.stderr(file.unwrap()).spawn().unwrap();
        Running {
            child,
            log: log.to_owned(),
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Stops one of its threads, and no other, until what this returns is dropped: as a driver that
    /// hangs in the kernel. Whoever debugs a program may do that (ptrace), which a container may
    /// have to be allowed.
    pub(crate) fn freeze(&self, thread: &str) -> Frozen {
        let tasks = format!("/proc/{}/task", self.child.id());
        let named = std::fs::read_dir(tasks)
            .unwrap()
            .map(Result::unwrap)
            .find(|task| {
                let name = std::fs::read_to_string(task.path().join("comm")).unwrap();
                // The kernel keeps 15 letters of a thread's name.
                name.trim_end() == &thread[..thread.len().min(15)]
            });
        let task = named.unwrap_or_else(|| panic!("no thread {thread}"));
        let thread =
            nix::unistd::Pid::from_raw(task.file_name().to_str().unwrap().parse().unwrap());
        ptrace::seize(thread, ptrace::Options::empty()).expect("this test may trace its child");
        ptrace::interrupt(thread).unwrap();
        waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
        Frozen(thread)
    }

    /// As a power cut ends it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As systemd ends it.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended()
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        until("the end of the process", || self.child.try_wait().unwrap())
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

/// A thread that stands still. To be dropped by the test's thread that froze it.
pub(crate) struct Frozen(nix::unistd::Pid);

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = ptrace::detach(self.0, None);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- what the process logged ---\n{}", self.log());
        }
    }
}

/// `asfaleia simulate --headless` on a free port.
pub(crate) struct Simulator {
    pub(crate) api: Api,
    _running: Running,
    _dir: TempDir,
}

impl Simulator {
    /// As shipped.
    pub(crate) fn start() -> Simulator {
        Self::launch(None)
    }

    /// With the shipped configuration changed: each text for another.
    pub(crate) fn with(changes: &[(&str, &str)]) -> Simulator {
        Self::launch(Some(changed(SIMULATOR, changes)))
    }

    fn launch(config: Option<String>) -> Simulator {
        let dir = tempfile::tempdir().unwrap();
        let mut command = asfaleia();
        command.args(["simulate", "--headless", "--listen", "127.0.0.1:0"]);
        command.arg("--data").arg(dir.path().join("data"));
        if let Some(text) = config {
            let file = dir.path().join("simulator.toml");
            std::fs::write(&file, text).unwrap();
            command.arg("--config").arg(file);
        }
        command.stdout(Stdio::piped());
        let mut running = Running::start(command, &dir.path().join("log"));
        let mut first = String::new();
        let stdout = running.child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut first).unwrap();
        let address = first.trim_end().strip_prefix("listening on http://");
        let address = address.unwrap_or_else(|| panic!("the first line is {first:?}"));
        Simulator {
            api: Api::Tcp(address.parse().unwrap()),
            _running: running,
            _dir: dir,
        }
    }
}

/// An address for a server that is started later. Its port is below those that the kernel gives to
/// connections: none of them takes it in the meantime.
pub(crate) fn later_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const PORTS: u32 = 10_000;
    loop {
        let turn = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        // Test programs side by side begin at different places.
        let port = 20_000 + (std::process::id() * 97 + turn) % PORTS;
        let port = u16::try_from(port).expect("below 30,000");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// `asfaleia simulate --no-browser`: a house whose power can be cut.
pub(crate) struct House {
    pub(crate) api: Api,
    pub(crate) running: Running,
    /// What else it says on standard output.
    pub(crate) lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    _dir: TempDir,
}

impl House {
    pub(crate) fn start() -> House {
        let dir = tempfile::tempdir().unwrap();
        let mut command = asfaleia();
        command.args(["simulate", "--no-browser", "--listen", "127.0.0.1:0"]);
        command.arg("--data").arg(dir.path().join("data"));
        command.stdout(Stdio::piped());
        let mut running = Running::start(command, &dir.path().join("log"));
        let mut lines = BufReader::new(running.child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first.strip_prefix("listening on http://").unwrap();
        let api = Api::Tcp(address.parse().unwrap());
        House {
            api,
            running,
            lines,
            _dir: dir,
        }
    }

    /// Whoever asks while one process hands the port to the other may get no answer.
    pub(crate) fn power(&self, on: bool) {
        let (status, answer) = self.api.ask("PUT", "sim/power", &json!({ "on": on }));
        assert_eq!(status, 200, "{answer}");
        until("the power to be as it was switched", || {
            (self.api.try_get("sim/power")?["on"] == on).then_some(())
        });
    }

    /// The processes that were started for it.
    pub(crate) fn daemons(&self) -> Vec<i32> {
        let id = self.running.child.id();
        let children = format!("/proc/{id}/task/{id}/children");
        let children = std::fs::read_to_string(children).unwrap_or_default();
        children
            .split_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect()
    }
}

/// A text with each of these for another; all of them must be there.
pub(crate) fn changed(text: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from:?} is not in {text}");
        text.replacen(from, to, 1)
    })
}
