//! What outlives a power cut: only the Pi loses its power. Whoever sent a mail has sent it, and gas
//! stays where it is.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::call::Call;
use super::faults::FaultSet;
use super::mail::Received;

/// The world at the moment of a power cut.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Memory {
    pub(super) mails: VecDeque<Received>,
    pub(super) calls: VecDeque<Call>,
    pub(super) faults: FaultSet,
    /// Sensors whose surroundings are active.
    pub(super) active: Vec<String>,
    /// What the finger reader keeps in its flash: templates by page.
    pub(super) fingers: BTreeMap<u16, String>,
    /// What stands before the camera.
    pub(super) faces: Option<PathBuf>,
    pub(super) speed: u32,
    /// How far the wall clock ran ahead.
    pub(super) ahead: Duration,
}

const FILE: &str = "world.json";

impl Memory {
    /// Writes it down, before the power goes.
    pub(super) fn keep(&self, directory: &Path) -> io::Result<()> {
        fs::write(directory.join(FILE), serde_json::to_vec(self)?)
    }

    /// What was kept at the last power cut, once. A world that was not cut, or cannot be read, is a
    /// new one.
    pub(super) fn recall(directory: &Path) -> Option<Memory> {
        let file = directory.join(FILE);
        let text = fs::read(&file).ok()?;
        let _ = fs::remove_file(&file);
        serde_json::from_slice(&text)
            .inspect_err(|error| tracing::warn!(%error, "the world before the power cut is lost"))
            .ok()
    }
}
