//! Which webcams there are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use linuxvideo::{CapabilityFlags, Device};

use super::format::{self, Choice};
use crate::camera::device::CameraError;

/// Names that stay with the camera, whichever socket it is plugged into.
const BY_ID: &str = "/dev/v4l/by-id";
/// The Raspberry Pi's own video devices: encoders, scalers and raw sensors, no webcams.
const NO_WEBCAMS: [&str; 6] = [
    "bcm2835-codec",
    "bcm2835-isp",
    "unicam",
    "rp1-cfe",
    "pispbe",
    "rpi-hevc-dec",
];

/// Every webcam that gives pictures we can use, the ones with lasting names first.
pub fn webcams() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut known: Vec<PathBuf> = Vec::new();
    for path in listed(Path::new(BY_ID), "")
        .into_iter()
        .chain(listed(Path::new("/dev"), "video"))
    {
        let real = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        if !known.contains(&real) && is_webcam(&path) {
            found.push(path);
        }
        known.push(real);
    }
    found
}

/// The one that `device = "auto"` takes.
pub(super) fn first() -> Result<PathBuf, CameraError> {
    webcams().into_iter().next().ok_or(CameraError::NoWebcam)
}

/// The maker's name of a webcam, and what it can be asked for.
///
/// # Errors
///
/// What the system says when it cannot be opened or asked.
pub fn named(path: &Path) -> io::Result<(String, Vec<Choice>)> {
    let device = Device::open(path)?;
    let name = device.capabilities()?.card().to_owned();
    Ok((name, format::choices(&device)))
}

fn is_webcam(path: &Path) -> bool {
    let Ok(device) = Device::open(path) else {
        return false;
    };
    device.capabilities().is_ok_and(|is| {
        is.device_capabilities()
            .contains(CapabilityFlags::VIDEO_CAPTURE | CapabilityFlags::STREAMING)
            && !NO_WEBCAMS.contains(&is.driver())
    }) && !format::choices(&device).is_empty()
}

/// Sorted by number, so that `video10` comes after `video2`.
fn listed(directory: &Path, beginning: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(beginning))
        .map(|entry| entry.path())
        .collect();
    paths.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    paths
}
