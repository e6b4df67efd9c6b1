//! Output lines whose descriptors systemd keeps, so that their level outlives this process.
//!
//! A line that nobody holds may fall back to an input. A fan that ran because of gas must not stop
//! while the service is restarted: systemd gets a copy of the line's descriptor, and gives it to
//! the next process (sd_notify(3) `FDSTORE=1`, sd_listen_fds(3)).

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

use sd_notify::NotifyState;
use tracing::{info, warn};

/// What systemd kept, by name: `USE.CHIP.OFFSET.LEVEL`.
#[derive(Default)]
pub struct KeptLines {
    lines: Vec<(String, Option<OwnedFd>)>,
}

impl KeptLines {
    /// Takes over what systemd kept. Called once, before anything else opens descriptors; without
    /// systemd there is nothing.
    #[allow(unsafe_code)]
    pub fn from_systemd() -> Self {
        let Ok(kept) = sd_notify::listen_fds_with_names() else {
            return KeptLines::default();
        };
        let lines = kept
            .map(|(descriptor, name)| {
                // SAFETY: systemd opened this descriptor for this process (the call above compares
                // LISTEN_PID), nothing else here reads the variables that name it, and this is called
                // once, before anything is opened or closed: nobody else owns it. The variables stay;
                // taking them away is unsafe as well (`camera::command` hides them from its program).
                let line = unsafe { OwnedFd::from_raw_fd(descriptor) };
                info!(line = name, "kept by systemd since the last run");
                (name, Some(line))
            })
            .collect();
        KeptLines { lines }
    }

    /// The line of this name, to be used again. systemd goes on keeping it.
    pub(super) fn take(&mut self, name: &str) -> Option<OwnedFd> {
        let (_, line) = self.lines.iter_mut().find(|(kept, _)| kept == name)?;
        line.take()
    }

    /// Lets go of every line of this use but one: it is configured otherwise now, or not at all.
    pub(super) fn forget(&mut self, usage: &str, but: Option<&String>) {
        let of_usage = |name: &str| name.split('.').next() == Some(usage);
        self.lines.retain(|(name, _)| {
            let keep = !of_usage(name) || Some(name) == but;
            if !keep {
                tell(
                    &[NotifyState::FdStoreRemove, NotifyState::FdName(name)],
                    &[],
                );
            }
            keep
        });
    }

    /// From now on systemd keeps this line too.
    pub(super) fn keep(&mut self, name: &str, line: BorrowedFd<'_>) {
        tell(&[NotifyState::FdStore, NotifyState::FdName(name)], &[line]);
        self.lines.push((name.to_owned(), None));
    }
}

fn tell(states: &[NotifyState<'_>], descriptors: &[BorrowedFd<'_>]) {
    if let Err(error) = sd_notify::notify_with_fds(states, descriptors) {
        warn!(%error, "asking systemd to keep a line: it may drop when the service restarts");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> OwnedFd {
        std::io::pipe().expect("a pipe can be made").0.into()
    }

    #[test]
    fn a_kept_line_is_taken_once_and_one_that_is_configured_otherwise_is_let_go() {
        let mut kept = KeptLines {
            lines: ["exhaust.gpiochip0.4.high", "exhaust.gpiochip0.5.high"]
                .map(|name| (name.to_owned(), Some(line())))
                .into(),
        };
        let now = "exhaust.gpiochip0.4.high".to_owned();
        kept.forget("exhaust", Some(&now));
        assert!(kept.take("exhaust.gpiochip0.5.high").is_none());
        assert!(kept.take(&now).is_some());
        assert!(kept.take(&now).is_none());
        kept.forget("exhaust", None);
        assert!(kept.lines.is_empty());
    }
}
