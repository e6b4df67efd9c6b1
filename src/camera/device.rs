//! The one interface to whatever takes pictures, and which of them the owner chose.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::command::Command;
use super::simulated::{FaultSwitch, Simulated};
use super::url::{Url, client};
use crate::clock::{SharedClock, Stamp};
use crate::config::{self, CameraDevice};

/// Something open that takes pictures. Dropping it closes it.
pub trait Device: Send {
    /// One picture, as new as can be, or why there is none, after at most about this long.
    fn frame(&mut self, timeout: Duration) -> Result<Frame, CameraError>;
}

/// Opens the camera; called when a picture is wanted and none is open.
pub type Open = Box<dyn FnMut() -> Result<Box<dyn Device>, CameraError> + Send>;

/// One picture.
#[derive(Debug, Clone)]
pub struct Frame {
    /// A whole JPEG file.
    pub jpeg: Arc<[u8]>,
    /// When.
    pub taken: Stamp,
}

/// The most that a picture may have: a camera that sends more is broken.
pub(super) const MOST_BYTES: usize = 10 * 1024 * 1024;

/// Why there is no picture. Goes into mails as it is.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    /// A device that this system or build does not have.
    #[error(
        "this build has no webcams: no program of 32 bits has, and on other systems than Linux it wants \
         --features nokhwa; use {{ command = […] }}, {{ url = \"…\" }} or \"simulated\""
    )]
    NotHere,
    /// Nothing to take pictures with.
    #[error("no webcam is there: plug one in, or name another [camera] device")]
    NoWebcam,
    /// A webcam that does not do it.
    #[error("the webcam {device}: {why}")]
    Webcam {
        /// Its file.
        device: String,
        /// What became of it, and what mends it.
        why: String,
    },
    /// No device.
    #[error("the camera is gone: check its cable")]
    Gone,
    /// A mistake in the device's driver.
    #[error("the camera's driver failed: the log says where; report it")]
    Panicked,
    /// A device that gives nothing.
    #[error("the camera gave no picture within {after:.1?}: check it, or restart it")]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
    },
    /// A program that fails.
    #[error("the camera's command {program:?} {why}")]
    Command {
        /// Its name, without its arguments: they may hold a password.
        program: String,
        /// What became of it.
        why: String,
    },
    /// An address that does not answer with a picture. The address is left out: it may hold a
    /// password.
    #[error("the camera at {host} {why}")]
    Url {
        /// Its host.
        host: String,
        /// What became of it.
        why: String,
    },
}

/// Prepares what the owner chose, without opening it.
pub(super) fn chosen(
    config: &config::Camera,
    clock: SharedClock,
    fault: FaultSwitch,
    runtime: tokio::runtime::Handle,
) -> Result<Open, CameraError> {
    let pixels = |n: u32| u16::try_from(n).expect("the configuration allows 4096 pixels at most");
    let (width, height) = (pixels(config.width), pixels(config.height));
    Ok(match config.device.clone() {
        CameraDevice::Auto => webcam(None, (width, height), clock)?,
        CameraDevice::Path(path) => webcam(Some(path), (width, height), clock)?,
        CameraDevice::Simulated => {
            let device = Simulated::new(width, height, clock, fault);
            Box::new(move || Ok(Box::new(device.clone()) as Box<dyn Device>))
        }
        CameraDevice::Command(words) => Box::new(move || {
            let device = Command::new(words.clone(), clock.clone(), runtime.clone());
            Ok(Box::new(device) as Box<dyn Device>)
        }),
        CameraDevice::Url(url) => {
            // Made once: the roots that it trusts are read here, not when a picture is wanted.
            let client = client(&url)?;
            Box::new(move || {
                let device = Url::new(&url, client.clone(), clock.clone(), runtime.clone());
                Ok(Box::new(device) as Box<dyn Device>)
            })
        }
    })
}

#[cfg(any(target_os = "linux", feature = "nokhwa"))]
fn webcam(
    path: Option<PathBuf>,
    size: (u16, u16),
    clock: SharedClock,
) -> Result<Open, CameraError> {
    #[cfg(feature = "nokhwa")]
    use super::nokhwa::open;
    #[cfg(not(feature = "nokhwa"))]
    use super::webcam::open;
    Ok(Box::new(move || {
        let device = open(path.as_deref(), size, &clock)?;
        Ok(Box::new(device) as Box<dyn Device>)
    }))
}

#[cfg(not(any(target_os = "linux", feature = "nokhwa")))]
fn webcam(_: Option<PathBuf>, _: (u16, u16), _: SharedClock) -> Result<Open, CameraError> {
    Err(CameraError::NotHere)
}
