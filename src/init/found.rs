//! What this machine has.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use crate::access::finger;
use crate::camera::webcam;
use crate::gpio::chip;
use crate::sensors::port;

/// A Pi's own serial port, where docs/wiring.md has the reader.
const UART: &str = "/dev/serial0";
/// What does not answer by then is none.
const PATIENCE: Duration = Duration::from_secs(4);

/// Devices that are plugged in, and the board.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Serial ports by their lasting names.
    pub ports: Vec<PathBuf>,
    /// Those ports, and the Pi's own, on which a fingerprint module answers.
    pub readers: Vec<PathBuf>,
    /// Webcams that give pictures, by their lasting names where they have one.
    pub webcams: Vec<PathBuf>,
    /// GPIO chips, for people.
    pub chips: Vec<String>,
    /// The board's name, where it has one.
    pub board: Option<String>,
}

impl Found {
    /// Looks. Opens webcams and chips, and takes nothing from them; asks on each serial port whether
    /// it is a fingerprint module, which takes some seconds where nobody answers, and must be called
    /// within the tokio runtime.
    pub async fn here() -> Found {
        let board = fs::read_to_string("/proc/device-tree/model").ok();
        let ports = port::by_id();
        let own = PathBuf::from(UART);
        let asked = ports.iter().chain(own.exists().then_some(&own));
        let answers = join_all(asked.map(|port| async move {
            let answer = timeout(PATIENCE, finger::is_there(port)).await;
            answer.unwrap_or(false).then(|| port.clone())
        }));
        Found {
            readers: answers.await.into_iter().flatten().collect(),
            ports,
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
