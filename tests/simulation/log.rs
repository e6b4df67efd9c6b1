//! What happened, in order: the same for the same seed.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Lines that are shown when something went wrong.
const LAST: usize = 60;

pub(crate) struct Log {
    hash: u64,
    last: VecDeque<String>,
    aloud: bool,
    /// The store's directory, whose name is another one each time, and as long.
    room: String,
}

impl Log {
    pub(crate) fn new(aloud: bool, room: &Path) -> Log {
        Log {
            hash: 0xcbf2_9ce4_8422_2325,
            last: VecDeque::with_capacity(LAST),
            aloud,
            room: room.display().to_string(),
        }
    }

    pub(crate) fn line(&mut self, at: Duration, what: impl Display) {
        let seconds = at.as_secs();
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        let line = format!(
            "{hours:02}:{minutes:02}:{:02}.{:03} {what}",
            seconds % 60,
            at.subsec_millis()
        );
        let line = line.replace(&self.room, "ROOM");
        // FNV-1a
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.aloud {
            // Past the test's capture: whoever asked for one seed wants to read it.
            let _ = writeln!(std::io::stdout(), "{line}");
        }
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The last lines, for whoever looks for a reason.
    pub(crate) fn last(&self) -> String {
        let lines: Vec<&str> = self.last.iter().map(String::as_str).collect();
        lines.join("\n")
    }
}
