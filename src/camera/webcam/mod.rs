//! Webcams on Linux, through V4L2.
//!
//! A camera is polled with a time-out before anything is read from it: one that stalls holds the
//! camera's thread no longer than its patience.

mod find;
mod format;

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, mem};

use linuxvideo::format::{PixFormat, PixelFormat};
use linuxvideo::stream::ReadStream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::info;

use super::device::{CameraError, Device, Frame, MOST_BYTES};
use super::picture::{self, SETTLING_FRAMES};
use crate::clock::{SharedClock, Stamp};

pub use find::{named, webcams};
pub use format::{Choice, choices};

/// So many pictures wait at most: linuxvideo 0.3.5 asks the driver for two buffers, and uses no more.
const BUFFERS: u32 = 2;

/// An open webcam that streams.
pub(super) struct Webcam {
    path: PathBuf,
    stream: ReadStream,
    format: Format,
    clock: SharedClock,
    settled: bool,
}

/// What the driver gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Format {
    width: u16,
    height: u16,
    /// Bytes from one row to the next.
    stride: usize,
    /// Whole JPEG files rather than `YUYV`.
    jpeg: bool,
}

/// Opens this webcam, or the first that there is, for pictures as near to this size as it has.
pub(super) fn open(
    path: Option<&Path>,
    size: (u16, u16),
    clock: &SharedClock,
) -> Result<Webcam, CameraError> {
    let path = match path {
        Some(path) => path.to_owned(),
        None => find::first()?,
    };
    let failed = |doing: &str, error: &io::Error| refused(&path, doing, error);
    let device = linuxvideo::Device::open(&path).map_err(|error| failed("opening it", &error))?;
    let choice = format::choose(&device, size).ok_or_else(|| CameraError::Webcam {
        device: path.display().to_string(),
        why: "gives neither MJPEG nor YUYV: use { command = […] } with a program that reads it"
            .to_owned(),
    })?;
    let wanted = PixFormat::new(choice.width, choice.height, choice.format);
    let capture = device
        .video_capture(wanted)
        .map_err(|error| failed("choosing its format", &error))?;
    let format = Format::of(capture.format()).ok_or_else(|| CameraError::Webcam {
        device: path.display().to_string(),
        why: format!("gives {:?} instead of what it offered", capture.format()),
    })?;
    if (format.width, format.height) != size {
        info!(
            camera = %path.display(),
            wanted = format!("{}x{}", size.0, size.1),
            takes = format!("{}x{}", format.width, format.height),
            "the webcam has no such size; the nearest is taken"
        );
    }
    let stream = capture
        .into_stream()
        .map_err(|error| failed("starting its pictures", &error))?;
    Ok(Webcam {
        path,
        stream,
        format,
        clock: clock.clone(),
        settled: false,
    })
}

impl Format {
    fn of(format: &PixFormat) -> Option<Self> {
        let jpeg = match format.pixel_format() {
            PixelFormat::MJPG | PixelFormat::JPEG => true,
            PixelFormat::YUYV => false,
            _ => return None,
        };
        Some(Format {
            width: u16::try_from(format.width()).ok()?,
            height: u16::try_from(format.height()).ok()?,
            stride: format.bytes_per_line() as usize,
            jpeg,
        })
    }
}

impl Device for Webcam {
    fn frame(&mut self, timeout: Duration) -> Result<Frame, CameraError> {
        let deadline = Instant::now() + timeout;
        // What lies in the buffers is as old as the last look at them. No more than fits into them:
        // on a slow machine a camera fills them as fast as they are emptied.
        for _ in 0..BUFFERS {
            if self.stream.will_block().map_err(|e| self.lost(&e))? {
                break;
            }
            self.skip()?;
        }
        if !mem::replace(&mut self.settled, true) {
            for _ in 0..SETTLING_FRAMES {
                self.wait(deadline, timeout)?;
                self.skip()?;
            }
        }
        loop {
            self.wait(deadline, timeout)?;
            if let Some(jpeg) = self.next()? {
                return Ok(Frame {
                    jpeg,
                    taken: Stamp::now(&*self.clock),
                });
            }
        }
    }
}

impl Webcam {
    /// Until there is a picture; an error if that takes too long.
    fn wait(&self, deadline: Instant, after: Duration) -> Result<(), CameraError> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(CameraError::TimedOut { after });
            }
            let left = Timespec::try_from(left).expect("a few seconds are a time");
            let mut waiting = [PollFd::from_borrowed_fd(self.stream.as_fd(), PollFlags::IN)];
            match poll(&mut waiting, Some(&left)) {
                Ok(0) => return Err(CameraError::TimedOut { after }),
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(self.lost(&error.into())),
            }
            let seen = waiting[0].revents();
            if seen.intersects(PollFlags::ERR | PollFlags::HUP) {
                return Err(CameraError::Gone);
            }
            return Ok(());
        }
    }

    /// Lets a picture go. Does not wait when there is one.
    fn skip(&mut self) -> Result<(), CameraError> {
        let let_go = self.stream.dequeue(|_| Ok(()));
        let_go.map_err(|error| self.lost(&error))
    }

    /// The next picture, if it is whole. Does not wait when there is one.
    fn next(&mut self) -> Result<Option<Arc<[u8]>>, CameraError> {
        let format = self.format;
        let picture = self.stream.dequeue(|view| {
            Ok(match (view.is_error(), format.jpeg) {
                (true, _) => None,
                (false, true) => picture::complete(&view),
                (false, false) => {
                    picture::encode(&view, format.width, format.height, format.stride)
                }
            })
        });
        picture
            .map(|picture| picture.filter(|jpeg| jpeg.len() <= MOST_BYTES))
            .map(|picture| picture.map(Arc::from))
            .map_err(|error| self.lost(&error))
    }

    fn lost(&self, error: &io::Error) -> CameraError {
        refused(&self.path, "reading its picture", error)
    }
}

/// What went wrong, and what mends it.
fn refused(path: &Path, doing: &str, error: &io::Error) -> CameraError {
    let mends = match error.kind() {
        io::ErrorKind::NotFound => "is it plugged in? /dev/v4l/by-id lists what is",
        io::ErrorKind::PermissionDenied => "add asfaleia's user to the group video",
        io::ErrorKind::ResourceBusy => "another program uses it: end that one",
        _ if error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) => {
            return CameraError::Gone;
        }
        _ => "check its cable, or plug it in anew",
    };
    CameraError::Webcam {
        device: path.display().to_string(),
        why: format!("{doing}: {error}; {mends}"),
    }
}
