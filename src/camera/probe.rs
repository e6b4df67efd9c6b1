//! One picture, for who wants to know whether the camera works.

use std::sync::Arc;
use std::time::Duration;

use super::device::{self, CameraError};
use super::{FaultSwitch, jpeg};
use crate::clock::SystemClock;
use crate::config;

/// A picture that was taken.
#[derive(Debug, Clone)]
pub struct Picture {
    /// A whole JPEG file.
    pub jpeg: Arc<[u8]>,
    /// Width and height in pixels; `None`: the file does not say.
    pub size: Option<(u16, u16)>,
}

/// Opens the owner's camera, takes a picture, and closes it. Blocks for about as long as `patience`
/// at most; not to be called on a thread of the runtime's.
pub fn take_one(
    config: &config::Camera,
    patience: Duration,
    runtime: tokio::runtime::Handle,
) -> Result<Picture, CameraError> {
    let clock = SystemClock::shared();
    let mut open = device::chosen(config, clock, FaultSwitch::default(), runtime)?;
    let frame = open()?.frame(patience)?;
    Ok(Picture {
        size: jpeg::size(&frame.jpeg),
        jpeg: frame.jpeg,
    })
}
