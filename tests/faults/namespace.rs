//! A mount namespace of a test's own: what is mounted in it is seen by nobody else, and gone with
//! it, however the test ends. As root or, where the kernel lets everybody have one, as anybody.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Held open by a process that waits for its end of a pipe to close.
pub(crate) struct Namespace {
    keeper: Child,
    as_root: bool,
}

impl Namespace {
    /// One in which these commands of a shell have been run. `None`, with the reason on standard
    /// error, where the machine does not let this user have one; as root that is a failure.
    pub(crate) fn with(mounts: &str) -> Option<Namespace> {
        let as_root = rustix::process::getuid().is_root();
        let mut command = Command::new("unshare");
        command.args(if as_root {
            &["-m"][..]
        } else {
            &["-U", "-r", "-m"]
        });
        let script = format!("{mounts} && echo made && read -r _");
        command.args(["sh", "-e", "-c", &script]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = match command.spawn() {
            Ok(keeper) => keeper,
            Err(error) => panic!("starting unshare (of Debian's util-linux): {error}"),
        };
        let mut line = String::new();
        let stdout = keeper.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let namespace = Namespace { keeper, as_root };
        if line.trim_end() == "made" {
            return Some(namespace);
        }
        assert!(
            !as_root,
            "not even root may mount here: the container needs CAP_SYS_ADMIN"
        );
        eprintln!("not tried: this user may not mount anything here; run it as root");
        None
    }

    /// The same command, run inside; its process id is the program's own.
    pub(crate) fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.arg("--target").arg(self.keeper.id().to_string());
        inside.arg("--mount");
        if !self.as_root {
            inside.args(["--user", "--preserve-credentials"]);
        }
        inside.arg("--").arg(command.get_program());
        inside.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside.stdin(Stdio::null());
        inside
    }

    /// Runs a command of a shell inside; it must succeed.
    pub(crate) fn run(&self, script: &str) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let done = self.inside(&command).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{script}: {said}");
    }

    /// How a path of inside is seen from outside.
    pub(crate) fn seen(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.id()));
        root.join(path.strip_prefix("/").expect("it is absolute"))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.keeper.kill(); // it may have ended already
        let _ = self.keeper.wait();
    }
}
