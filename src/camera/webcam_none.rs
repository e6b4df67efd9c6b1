//! Webcams on Linux of 32 bits: none.
//!
//! `linuxvideo` 0.3.5 does not compile there, and no other crate speaks V4L2 without libclang. The house is
//! watched all the same: a photo is missed with the reason, and `device = { command = […] }` takes it.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io};

use super::device::{CameraError, Device, Frame};
use crate::clock::SharedClock;

/// Never one.
pub(super) enum Webcam {}

/// What a webcam can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// None is found.
pub fn webcams() -> Vec<PathBuf> {
    Vec::new()
}

/// # Errors
///
/// Always: it cannot be asked.
pub fn named(_: &Path) -> io::Result<(String, Vec<Choice>)> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn open(
    _: Option<&Path>,
    _: (u16, u16),
    _: &SharedClock,
) -> Result<Webcam, CameraError> {
    Err(CameraError::NotHere)
}

impl Device for Webcam {
    fn frame(&mut self, _: Duration) -> Result<Frame, CameraError> {
        match *self {}
    }
}
