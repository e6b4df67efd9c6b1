//! Webcams of other systems through the crate nokhwa: AVFoundation on macOS, Media Foundation on
//! Windows; V4L2 on Linux, where it takes the place of our own driver in builds that ask for it.
//!
//! Its reads have no time-out, so they wait on a thread of the webcam's own. One that never comes
//! back from a read is left behind; the camera's thread never waits for it longer than its patience.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel,
};
use std::thread;
use std::time::Duration;

use jpeg_encoder::{ImageBuffer, JpegColorType, rgb_to_ycbcr};
use nokhwa::pixel_format::RgbFormat;
use nokhwa::utils::{
    CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType, Resolution,
};
use nokhwa::{Buffer, Camera, NokhwaError};
use tracing::info;

use super::device::{CameraError, Device, Frame, MOST_BYTES};
use super::jpeg;
use super::picture::{self, SETTLING_FRAMES};
use crate::clock::{SharedClock, Stamp};

/// macOS asks its user whether we may, at the first time.
const OPENED_WITHIN: Duration = Duration::from_secs(15);

/// An open webcam; its thread reads all pictures and hands on those that are asked for.
pub(super) struct Webcam {
    wanted: SyncSender<()>,
    pictures: Receiver<Result<Frame, CameraError>>,
}

/// Opens this webcam, or the first that there is, for pictures as near to this size as it has.
pub(super) fn open(
    path: Option<&Path>,
    size: (u16, u16),
    clock: &SharedClock,
) -> Result<Webcam, CameraError> {
    let name = path.map_or("the first".to_owned(), |path| path.display().to_string());
    let index = index(path);
    let (wanted, asked) = sync_channel(1);
    let (shown, pictures) = sync_channel(1);
    let (opened, outcome) = sync_channel(1);
    let (clock, device) = (clock.clone(), name.clone());
    thread::Builder::new()
        .name("webcam".to_owned())
        .spawn(move || match Open::new(index, size, device) {
            Err(why) => {
                let _ = opened.send(Err(why)); // who no longer waits for it has said so
            }
            Ok(mut open) => {
                let _ = opened.send(Ok(()));
                open.serve(&asked, &shown, &clock);
            }
        })
        .map_err(|error| CameraError::Webcam {
            device: name,
            why: format!("starting a thread to read it: {error}"),
        })?;
    match outcome.recv_timeout(OPENED_WITHIN) {
        Ok(Ok(())) => Ok(Webcam { wanted, pictures }),
        Ok(Err(why)) => Err(why),
        Err(RecvTimeoutError::Timeout) => Err(CameraError::TimedOut {
            after: OPENED_WITHIN,
        }),
        Err(RecvTimeoutError::Disconnected) => Err(CameraError::Panicked),
    }
}

impl Device for Webcam {
    fn frame(&mut self, timeout: Duration) -> Result<Frame, CameraError> {
        match self.wanted.try_send(()) {
            // Full: the last one that was asked for is still to come.
            Ok(()) | Err(TrySendError::Full(())) => {}
            Err(TrySendError::Disconnected(())) => return Err(CameraError::Gone),
        }
        match self.pictures.recv_timeout(timeout) {
            Ok(picture) => picture,
            Err(RecvTimeoutError::Timeout) => Err(CameraError::TimedOut { after: timeout }),
            Err(RecvTimeoutError::Disconnected) => Err(CameraError::Gone),
        }
    }
}

/// What the webcam's thread has.
struct Open {
    camera: Camera,
    name: String,
}

impl Open {
    fn new(index: CameraIndex, wanted: (u16, u16), name: String) -> Result<Open, CameraError> {
        permission()?;
        let failed = |doing: &str, error: &NokhwaError| refused(&name, doing, error);
        let any = RequestedFormat::new::<RgbFormat>(RequestedFormatType::None);
        let mut camera = Camera::new(index, any).map_err(|e| failed("opening it", &e))?;
        let formats = camera
            .compatible_camera_formats()
            .map_err(|e| failed("asking for its formats", &e))?;
        if let Some(format) = nearest(formats, wanted) {
            let exactly = RequestedFormatType::Exact(format);
            camera
                .set_camera_requset(RequestedFormat::new::<RgbFormat>(exactly))
                .map_err(|e| failed("choosing its format", &e))?;
        }
        let taken = camera.resolution();
        if (taken.width(), taken.height()) != (wanted.0.into(), wanted.1.into()) {
            info!(
                camera = name,
                wanted = format!("{}x{}", wanted.0, wanted.1),
                takes = format!("{}x{}", taken.width(), taken.height()),
                "the webcam has no such size; the nearest is taken"
            );
        }
        camera
            .open_stream()
            .map_err(|e| failed("starting its pictures", &e))?;
        let mut open = Open { camera, name };
        for _ in 0..SETTLING_FRAMES {
            open.read()?;
        }
        Ok(open)
    }

    /// Reads on, so that no old picture lies in a queue when one is wanted, until nobody is there.
    fn serve(
        &mut self,
        asked: &Receiver<()>,
        shown: &SyncSender<Result<Frame, CameraError>>,
        clock: &SharedClock,
    ) {
        let mut due = false;
        loop {
            due |= match asked.try_recv() {
                Ok(()) => true,
                Err(TryRecvError::Empty) => false,
                Err(TryRecvError::Disconnected) => return,
            };
            let picture = match self.read() {
                Ok(_) if !due => continue,
                // A frame that is not whole: the next one.
                Ok(frame) => match jpeg_of(&frame) {
                    None => continue,
                    Some(jpeg) => Ok(Frame {
                        jpeg,
                        taken: Stamp::now(&**clock),
                    }),
                },
                Err(why) => Err(why),
            };
            let failed = picture.is_err();
            if shown.send(picture).is_err() || failed {
                return;
            }
            due = false;
        }
    }

    fn read(&mut self) -> Result<Buffer, CameraError> {
        let read = self.camera.frame();
        read.map_err(|error| refused(&self.name, "reading its picture", &error))
    }
}

/// macOS asks its user; elsewhere the answer is yes at once.
fn permission() -> Result<(), CameraError> {
    let (answer, answered) = sync_channel(1);
    nokhwa::nokhwa_initialize(move |granted| {
        let _ = answer.try_send(granted);
    });
    match answered.recv_timeout(OPENED_WITHIN) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(CameraError::Webcam {
            device: "of this machine".to_owned(),
            why: "may not be used: allow it in the system's settings for privacy".to_owned(),
        }),
    }
}

/// The number at the end of `/dev/video2`; anything else is the system's own name for it.
fn index(path: Option<&Path>) -> CameraIndex {
    let Some(path) = path else {
        return CameraIndex::Index(0);
    };
    let text = path.to_string_lossy();
    let number = text.strip_prefix("/dev/video").and_then(|n| n.parse().ok());
    number.map_or_else(
        || CameraIndex::String(text.into_owned()),
        CameraIndex::Index,
    )
}

/// The nearest to this size; MJPEG where both have it, at about 30 a second.
fn nearest(formats: Vec<CameraFormat>, wanted: (u16, u16)) -> Option<CameraFormat> {
    let wanted = Resolution::new(wanted.0.into(), wanted.1.into());
    formats.into_iter().min_by_key(|format| {
        let size =
            format.width().abs_diff(wanted.width()) + format.height().abs_diff(wanted.height());
        let costs = format.format() != FrameFormat::MJPEG;
        (size, costs, format.frame_rate().abs_diff(30))
    })
}

/// `None`: not a whole picture.
fn jpeg_of(frame: &Buffer) -> Option<Arc<[u8]>> {
    let size = frame.resolution();
    let (width, height) = (
        size.width().try_into().ok()?,
        size.height().try_into().ok()?,
    );
    let jpeg = match frame.source_frame_format() {
        FrameFormat::MJPEG => picture::complete(frame.buffer())?,
        FrameFormat::YUYV => {
            picture::encode(frame.buffer(), width, height, usize::from(width) * 2)?
        }
        FrameFormat::NV12 | FrameFormat::GRAY | FrameFormat::RAWRGB | FrameFormat::RAWBGR => {
            let rgb = frame.decode_image::<RgbFormat>().ok()?.into_raw();
            jpeg::encode(Rgb { rgb, width, height })
        }
    };
    (jpeg.len() <= MOST_BYTES).then(|| jpeg.into())
}

struct Rgb {
    rgb: Vec<u8>,
    width: u16,
    height: u16,
}

impl ImageBuffer for Rgb {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, row: u16, buffers: &mut [Vec<u8>; 4]) {
        let bytes = usize::from(self.width) * 3;
        let row = &self.rgb[usize::from(row) * bytes..][..bytes];
        let [luma, blue, red, _] = buffers;
        for pixel in row.chunks_exact(3) {
            let (y, cb, cr) = rgb_to_ycbcr(pixel[0], pixel[1], pixel[2]);
            luma.push(y);
            blue.push(cb);
            red.push(cr);
        }
    }
}

fn refused(name: &str, doing: &str, error: &NokhwaError) -> CameraError {
    CameraError::Webcam {
        device: name.to_owned(),
        why: format!("{doing}: {error}; check its cable, and that no other program uses it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_size_is_taken_and_of_the_same_size_what_costs_nothing() {
        let of = |width, height, format, rate| {
            CameraFormat::new(Resolution::new(width, height), format, rate)
        };
        let offers = vec![
            of(1920, 1080, FrameFormat::MJPEG, 30),
            of(640, 480, FrameFormat::YUYV, 30),
            of(640, 480, FrameFormat::MJPEG, 15),
            of(640, 480, FrameFormat::MJPEG, 30),
        ];
        assert_eq!(
            nearest(offers, (800, 600)),
            Some(of(640, 480, FrameFormat::MJPEG, 30))
        );
        assert_eq!(nearest(Vec::new(), (640, 480)), None);
    }

    #[test]
    fn raw_pictures_become_jpegs_and_half_a_picture_does_not() {
        let size = Resolution::new(16, 8);
        let whole = Buffer::new(size, &[90; 16 * 8 * 3], FrameFormat::RAWBGR);
        let jpeg = jpeg_of(&whole).unwrap();
        assert!(jpeg::is_jpeg(&jpeg));
        let half = Buffer::new(size, &[90; 16 * 4 * 3], FrameFormat::RAWBGR);
        assert!(jpeg_of(&half).is_none());
    }

    #[test]
    fn a_device_file_of_linux_is_a_number() {
        assert_eq!(index(Some(Path::new("/dev/video2"))), CameraIndex::Index(2));
        let named = CameraIndex::String("/dev/v4l/by-id/x".into());
        assert_eq!(index(Some(Path::new("/dev/v4l/by-id/x"))), named);
        assert_eq!(index(None), CameraIndex::Index(0));
    }
}
