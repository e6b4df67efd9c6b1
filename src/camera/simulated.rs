//! The simulated camera: the house, somebody who walks past it, and the time.
//!
//! A real camera's pictures cost nothing but time to read. So that neither do these, what never changes
//! is drawn and encoded once, and only the rows in which something moves are drawn for each photo, when
//! the encoder asks for them.

use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jpeg_encoder::{ImageBuffer, JpegColorType};
use serde::{Deserialize, Serialize};

use super::device::{CameraError, Device, Frame};
use super::jpeg::{BLOCK, Rows};
use crate::alarm::BootTime;
use crate::clock::{SharedClock, Stamp};

/// What can be wrong with the simulated camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraFault {
    /// It is not there.
    Gone,
    /// It is there and gives no picture.
    Stalled,
}

/// Breaks and mends the simulated camera while it runs, and puts faces before it. Clones are the
/// same switch.
#[derive(Debug, Clone, Default)]
pub struct FaultSwitch(Arc<(Mutex<Before>, Condvar)>);

/// What the simulated camera has before it.
#[derive(Debug, Default)]
struct Before {
    fault: Option<CameraFault>,
    /// JPEGs, shown one after another, again and again; the house if there are none.
    faces: Arc<[Vec<u8>]>,
    /// How many were shown.
    shown: usize,
}

impl FaultSwitch {
    /// From now on it has this fault; `None` mends it, also for a frame that is waited for.
    pub fn set(&self, fault: Option<CameraFault>) {
        let (current, changed) = &*self.0;
        current.lock().unwrap_or_else(PoisonError::into_inner).fault = fault;
        changed.notify_all();
    }

    /// From now on these pictures, JPEGs, are before it, a frame each; none: the house.
    pub fn show(&self, faces: Vec<Vec<u8>>) {
        let mut current = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        (current.faces, current.shown) = (faces.into(), 0);
    }

    fn next_face(&self) -> Option<Vec<u8>> {
        let mut current = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = current.shown.checked_rem(current.faces.len())?;
        current.shown += 1;
        current.faces.get(next).cloned()
    }

    /// Waits while it is stalled, at most so long; returns what is wrong then.
    fn wait(&self, timeout: Duration) -> Option<CameraFault> {
        let (current, changed) = &*self.0;
        let before = current.lock().unwrap_or_else(PoisonError::into_inner);
        let stalled = |before: &mut Before| before.fault == Some(CameraFault::Stalled);
        changed
            .wait_timeout_while(before, timeout, stalled)
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .fault
    }
}

/// Draws the house. Clones are the same camera.
#[derive(Clone)]
pub(super) struct Simulated {
    size: Size,
    clock: SharedClock,
    fault: FaultSwitch,
    scenery: Arc<OnceLock<Scenery>>,
}

impl Simulated {
    pub(super) fn new(width: u16, height: u16, clock: SharedClock, fault: FaultSwitch) -> Self {
        Simulated {
            size: Size { width, height },
            clock,
            fault,
            scenery: Arc::default(),
        }
    }
}

impl Device for Simulated {
    fn frame(&mut self, timeout: Duration) -> Result<Frame, CameraError> {
        match self.fault.wait(timeout) {
            None => {}
            Some(CameraFault::Gone) => return Err(CameraError::Gone),
            Some(CameraFault::Stalled) => return Err(CameraError::TimedOut { after: timeout }),
        }
        let taken = Stamp::now(&*self.clock);
        let draw = || {
            (self.scenery)
                .get_or_init(|| Scenery::at(&taken, self.size))
                .photo(&taken)
        };
        let jpeg = self.fault.next_face().unwrap_or_else(draw);
        Ok(Frame {
            jpeg: jpeg.into(),
            taken,
        })
    }
}

/// In pixels.
#[derive(Debug, Clone, Copy)]
struct Size {
    width: u16,
    height: u16,
}

impl Size {
    /// In layout units, what a row of blocks shows.
    fn shown(self, row: u16) -> Range<f32> {
        let unit = |row: u16| f32::from(row) * f32::from(BLOCK) * LAYOUT.1 / f32::from(self.height);
        unit(row)..unit(row + 1)
    }
}

/// What is the same in every photo.
struct Scenery {
    size: Size,
    grain: Vec<i8>,
    /// The first photo, of which the others keep all but the rows of blocks in which something moves.
    first: Rows,
    /// Those.
    moving: Vec<u16>,
}

impl Scenery {
    fn at(taken: &Stamp, size: Size) -> Self {
        // The same noise in every run; where a row starts in it differs from photo to photo.
        let mut rng = fastrand::Rng::with_seed(0xA5FA_1E1A);
        let grain: Vec<i8> = std::iter::repeat_with(|| rng.i8(-GRAIN..=GRAIN))
            .take(GRAIN_STARTS + usize::from(size.width))
            .collect();
        let all: Vec<u16> = (0..size.height.div_ceil(BLOCK)).collect();
        let moves = |row: &u16| {
            let shown = size.shown(*row);
            let meets = |what: &Range<f32>| what.start < shown.end && shown.start < what.end;
            meets(&FIGURE) || meets(&CAPTION)
        };
        let moving = all.iter().copied().filter(moves).collect();
        let first = Rows::encode(Scene::at(taken, size, &grain, &all));
        Scenery {
            size,
            grain,
            first,
            moving,
        }
    }

    fn photo(&self, taken: &Stamp) -> Vec<u8> {
        let moving = Scene::at(taken, self.size, &self.grain, &self.moving);
        self.first.with(&Rows::encode(moving), &self.moving)
    }
}

/// The most that noise adds to or takes from a pixel's luma.
const GRAIN: i8 = 12;
/// In how many places of the noise a row may start.
const GRAIN_STARTS: usize = 8192;

/// Luma and the two chromas, as JPEG has them. Luma keeps away from the ends by `GRAIN`.
type Colour = [u8; 3];
const SKY: Colour = [70, 146, 118];
const LAWN: Colour = [60, 112, 118];
const WALL: Colour = [150, 118, 136];
const ROOF: Colour = [76, 116, 166];
const DOOR: Colour = [58, 116, 146];
const PANE: Colour = [190, 90, 144];
const MOON: Colour = [220, 120, 132];
const COAT: Colour = [28, 132, 124];
const SKIN: Colour = [160, 112, 152];
const BAR: Colour = [20, 128, 128];
const INK: u8 = 235;

/// The scene is laid out on 640x480 and stretched to the size asked for.
const LAYOUT: (f32, f32) = (640.0, 480.0);

enum Shape {
    /// Left, top, right, bottom.
    Box(f32, f32, f32, f32),
    /// Left, top, right, bottom; the tip is in the middle of the top.
    Gable(f32, f32, f32, f32),
    /// Centre and radius.
    Disc(f32, f32, f32),
}

impl Shape {
    /// From where to where it covers this row.
    fn span(&self, y: f32) -> Option<(f32, f32)> {
        match *self {
            Shape::Box(left, top, right, bottom) => {
                (top <= y && y < bottom).then_some((left, right))
            }
            Shape::Gable(left, top, right, bottom) => (top <= y && y < bottom).then(|| {
                let half = (right - left) / 2.0 * (y - top) / (bottom - top);
                let middle = f32::midpoint(left, right);
                (middle - half, middle + half)
            }),
            Shape::Disc(x, middle, radius) => {
                let half = radius * radius - (y - middle) * (y - middle);
                (half > 0.0).then(|| (x - half.sqrt(), x + half.sqrt()))
            }
        }
    }
}

/// Some rows of blocks of a photo, one below the other, before they are a JPEG.
struct Scene<'a> {
    size: Size,
    rows: &'a [u16],
    shapes: Vec<(Shape, Colour)>,
    caption: String,
    grain: &'a [i8],
    seed: u64,
}

impl<'a> Scene<'a> {
    fn at(taken: &Stamp, size: Size, grain: &'a [i8], rows: &'a [u16]) -> Self {
        let mut shapes = vec![
            (Shape::Disc(560.0, 70.0, 26.0), MOON),
            (Shape::Box(0.0, 330.0, 640.0, 480.0), LAWN),
            (Shape::Box(150.0, 180.0, 490.0, 350.0), WALL),
            (Shape::Gable(120.0, 90.0, 520.0, 180.0), ROOF),
            (Shape::Box(290.0, 240.0, 350.0, 350.0), DOOR),
            (Shape::Box(190.0, 220.0, 250.0, 280.0), PANE),
            (Shape::Box(390.0, 220.0, 450.0, 280.0), PANE),
        ];
        shapes.extend(figure(taken.boot));
        shapes.push((Shape::Box(0.0, CAPTION.start, 640.0, CAPTION.end), BAR));
        let local = taken
            .wall
            .timestamp()
            .to_zoned(jiff::tz::TimeZone::system());
        Scene {
            size,
            rows,
            shapes,
            caption: local
                .strftime("%Y-%m-%d %H:%M:%S%.3f  SIMULATED")
                .to_string(),
            grain,
            seed: taken.boot.as_nanos(),
        }
    }
}

/// From head to foot.
const FIGURE: Range<f32> = 245.0..415.0;

/// Somebody who crosses the lawn from left to right in 5.5 s, again and again.
fn figure(now: BootTime) -> [(Shape, Colour); 4] {
    let millis = (now.as_nanos() / 1_000_000 % 5_500) as f32;
    let x = millis * 0.13 - 40.0;
    let stride = 14.0 * (millis * 0.01).sin();
    [
        (Shape::Disc(x, 262.0, 17.0), SKIN),
        (Shape::Box(x - 20.0, 280.0, x + 20.0, 350.0), COAT),
        (
            Shape::Box(x - 9.0 - stride, 350.0, x + 1.0 - stride, 415.0),
            COAT,
        ),
        (
            Shape::Box(x - 1.0 + stride, 350.0, x + 9.0 + stride, 415.0),
            COAT,
        ),
    ]
}

impl ImageBuffer for Scene<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.size.width
    }

    fn height(&self) -> u16 {
        let of = |row: &u16| BLOCK.min(self.size.height - row * BLOCK);
        self.rows.iter().map(of).sum()
    }

    fn fill_buffers(&self, row: u16, buffers: &mut [Vec<u8>; 4]) {
        let row = self.rows[usize::from(row / BLOCK)] * BLOCK + row % BLOCK;
        let width = usize::from(self.size.width);
        let begin = buffers[0].len();
        for (plane, value) in buffers.iter_mut().zip(SKY) {
            plane.resize(begin + width, value);
        }
        let y = f32::from(row) * LAYOUT.1 / f32::from(self.size.height);
        let to_pixel = f32::from(self.size.width) / LAYOUT.0;
        for (shape, colour) in &self.shapes {
            let Some((left, right)) = shape.span(y) else {
                continue;
            };
            // A cast of a negative or too large float saturates.
            let left = ((left * to_pixel) as usize).min(width);
            let right = ((right * to_pixel) as usize).min(width).max(left);
            for (plane, value) in buffers.iter_mut().zip(colour) {
                plane[begin + left..begin + right].fill(*value);
            }
        }
        let luma = &mut buffers[0][begin..];
        write_caption(&self.caption, y, to_pixel, luma);
        let start = scatter(self.seed, row) % GRAIN_STARTS;
        for (pixel, noise) in luma.iter_mut().zip(&self.grain[start..]) {
            *pixel = pixel.wrapping_add_signed(*noise);
        }
    }
}

/// The bar at the foot of the photo, and where in it letters begin.
const CAPTION: Range<f32> = 446.0..480.0;
const CAPTION_TOP: f32 = 452.0;
const CAPTION_LEFT: f32 = 10.0;
/// A character is 8x8 dots of this size.
const DOT: f32 = 2.0;

fn write_caption(caption: &str, y: f32, to_pixel: f32, luma: &mut [u8]) {
    if !(CAPTION_TOP..CAPTION_TOP + 8.0 * DOT).contains(&y) {
        return;
    }
    let dots_row = ((y - CAPTION_TOP) / DOT) as usize;
    for (place, letter) in caption.bytes().enumerate() {
        let glyph = font8x8::legacy::BASIC_LEGACY[usize::from(letter & 0x7f)][dots_row];
        for dot in (0..8).filter(|dot| glyph & (1 << dot) != 0) {
            let left = (CAPTION_LEFT + (place * 8 + dot) as f32 * DOT) * to_pixel;
            let right = (left + DOT * to_pixel) as usize;
            let right = right.min(luma.len());
            luma[(left as usize).min(right)..right].fill(INK);
        }
    }
}

/// Spreads a photo's moment and a row's number over all numbers (Steele's SplitMix64 finaliser).
fn scatter(seed: u64, row: u16) -> usize {
    let mut word = seed.wrapping_add(u64::from(row).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (word ^ (word >> 31)) as usize
}

#[cfg(test)]
mod tests {
    use zune_jpeg::JpegDecoder;
    use zune_jpeg::zune_core::bytestream::ZCursor;
    use zune_jpeg::zune_core::colorspace::ColorSpace;
    use zune_jpeg::zune_core::options::DecoderOptions;

    use super::*;
    use crate::clock::WallTime;

    fn at(seconds: u64) -> Stamp {
        Stamp {
            boot: BootTime::ZERO + Duration::from_secs(seconds),
            wall: WallTime(1_800_000_000_000 + seconds as i64 * 1_000),
            boot_id: String::new(),
        }
    }

    fn luma(jpeg: &[u8], size: Size) -> Vec<u8> {
        let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::Luma);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
        let pixels = decoder.decode().expect("it is a JPEG");
        assert_eq!(
            pixels.len(),
            usize::from(size.width) * usize::from(size.height)
        );
        pixels
    }

    #[test]
    fn a_photo_has_all_that_moves_and_the_rest_of_the_first_one() {
        for (width, height) in [(640, 480), (100, 75), (33, 17), (1920, 1080), (1, 1)] {
            let size = Size { width, height };
            let scenery = Scenery::at(&at(1), size);
            let all: Vec<u16> = (0..height.div_ceil(BLOCK)).collect();
            let whole = |second| {
                Rows::encode(Scene::at(&at(second), size, &scenery.grain, &all))
                    .with(&scenery.first, &[])
            };
            assert!(scenery.photo(&at(1)) == whole(1), "{size:?}");

            let (first, then) = (luma(&whole(1), size), luma(&whole(3), size));
            let photo = luma(&scenery.photo(&at(3)), size);
            for (row, pixels) in photo.chunks(width.into()).enumerate() {
                let moves = scenery.moving.contains(&(row as u16 / BLOCK));
                let from = if moves { &then } else { &first };
                assert!(
                    pixels == &from[row * usize::from(width)..][..width.into()],
                    "{size:?}, row {row}"
                );
            }
        }
    }
}
