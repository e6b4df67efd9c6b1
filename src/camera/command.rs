//! A program that writes a JPEG to its standard output.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::device::{CameraError, Device, Frame, MOST_BYTES};
use super::jpeg::is_jpeg;
use crate::clock::{SharedClock, Stamp};

pub(super) struct Command {
    /// The program and its arguments; never empty.
    words: Vec<String>,
    clock: SharedClock,
    runtime: tokio::runtime::Handle,
}

impl Command {
    pub(super) fn new(
        words: Vec<String>,
        clock: SharedClock,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        Command {
            words,
            clock,
            runtime,
        }
    }

    fn failed(&self, why: impl Into<String>) -> CameraError {
        CameraError::Command {
            program: self.words[0].clone(),
            why: why.into(),
        }
    }

    async fn run(&self, timeout: Duration) -> Result<Vec<u8>, CameraError> {
        let mut child = tokio::process::Command::new(&self.words[0])
            .args(&self.words[1..])
            // They name descriptors that systemd gave to us alone.
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS")
            .env_remove("LISTEN_FDNAMES")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, so that what a shell script started is ended with it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| self.failed(format!("cannot be started: {error}")))?;
        let group = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let out = read_at_most(child.stdout.take(), MOST_BYTES + 1);
        let err = read_at_most(child.stderr.take(), 64 * 1024);
        let ended = tokio::time::timeout(timeout, async {
            let (out, err, status) = tokio::join!(out, err, child.wait());
            (out, err, status)
        })
        .await;
        let Ok((out, err, status)) = ended else {
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
            return Err(self.failed(format!("was ended: no picture within {timeout:.1?}")));
        };
        let status = status.map_err(|error| self.failed(format!("got lost: {error}")))?;
        self.judge(status, &out, &err)?;
        Ok(out)
    }

    fn judge(&self, status: ExitStatus, out: &[u8], err: &[u8]) -> Result<(), CameraError> {
        let err = String::from_utf8_lossy(err);
        let last = err.lines().rev().find(|line| !line.trim().is_empty());
        let said = last.map_or_else(String::new, |line| {
            format!(
                ", saying: {}",
                without_secrets(line.trim(), &self.words[1..])
            )
        });
        if out.len() > MOST_BYTES {
            return Err(self.failed("wrote more than 10 MB: it shall write one JPEG"));
        }
        if !status.success() {
            return Err(self.failed(format!("failed ({status}){said}")));
        }
        if !is_jpeg(out) {
            return Err(self.failed(format!("did not write a JPEG to its output{said}")));
        }
        Ok(())
    }
}

impl Device for Command {
    fn frame(&mut self, timeout: Duration) -> Result<Frame, CameraError> {
        let jpeg = self.runtime.block_on(self.run(timeout))?;
        Ok(Frame {
            jpeg: jpeg.into(),
            taken: Stamp::now(&*self.clock),
        })
    }
}

/// What a program says often repeats its arguments, and an address may hold a password.
fn without_secrets(line: &str, arguments: &[String]) -> String {
    let mut line = line.to_owned();
    for argument in arguments.iter().filter(|it| it.len() > 3) {
        line = line.replace(argument.as_str(), "…");
    }
    let mut shown = String::new();
    let mut rest = line.as_str();
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let end = after.find([' ', '/']).unwrap_or(after.len());
        let host = after[..end].rfind('@').map_or(0, |at| at + 1);
        rest = &after[host..];
    }
    shown + rest
}

/// All that comes, up to a bound; then the pipe is closed.
async fn read_at_most(pipe: Option<impl AsyncRead + Unpin>, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What came before an error is still worth judging.
        let _ = pipe.take(most as u64).read_to_end(&mut bytes).await;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_program_says_is_shown_without_its_arguments_and_passwords() {
        let arguments = ["--token=geheim".to_owned()];
        for (said, shown) in [
            (
                "rtsp://me:secret@cam/1: Connection refused",
                "rtsp://cam/1: Connection refused",
            ),
            ("bad option --token=geheim", "bad option …"),
            ("no camera at /dev/video0", "no camera at /dev/video0"),
        ] {
            assert_eq!(without_secrets(said, &arguments), shown);
        }
    }
}
