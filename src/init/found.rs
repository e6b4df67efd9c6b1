//! What this machine has.

use std::fs;
use std::path::PathBuf;

use crate::camera::webcam;
use crate::gpio::chip;
use crate::sensors::port;

/// Devices that are plugged in, and the board.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Serial ports by their lasting names.
    pub ports: Vec<PathBuf>,
    /// Webcams that give pictures, by their lasting names where they have one.
    pub webcams: Vec<PathBuf>,
    /// GPIO chips, for people.
    pub chips: Vec<String>,
    /// The board's name, where it has one.
    pub board: Option<String>,
}

impl Found {
    /// Looks. Opens webcams and chips, and takes nothing from them.
    pub fn here() -> Found {
        let board = fs::read_to_string("/proc/device-tree/model").ok();
        Found {
            ports: port::by_id(),
            webcams: webcam::webcams(),
            // That there is none is an answer as well.
            chips: chip::chips_there().unwrap_or_default(),
            board: board.map(|name| name.trim_end_matches('\0').to_owned()),
        }
    }

    /// Its header has the lines of docs/wiring.md.
    pub fn is_a_pi(&self) -> bool {
        (self.board.as_ref()).is_some_and(|board| board.starts_with("Raspberry Pi"))
    }
}
