//! What every photo has in common: that it is a JPEG, and how one is made.

use jpeg_encoder::{Encoder, ImageBuffer, SamplingFactor};

/// Start of image; start of scan (ITU T.81, table B.1).
pub(super) const SOI: [u8; 2] = [0xFF, 0xD8];
const SOS: u8 = 0xDA;
/// About 60 kB at 640x480.
const QUALITY: u8 = 80;

/// Whole, from the start marker to the end marker.
pub(super) fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xFF, 0xD8]) && bytes.ends_with(&[0xFF, 0xD9])
}

/// Width and height in pixels, as its frame header says (ITU T.81, B.2.2). `None`: it has none.
pub(super) fn size(jpeg: &[u8]) -> Option<(u16, u16)> {
    let frame = Segments::of(jpeg).find(|it| matches!(it[1], 0xC0..=0xC2))?;
    let word = |at: usize| Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]));
    Some((word(7)?, word(5)?))
}

/// Encodes a picture of at least one pixel.
pub(super) fn encode(picture: impl ImageBuffer) -> Vec<u8> {
    let pixels = usize::from(picture.width()) * usize::from(picture.height());
    let mut jpeg = Vec::with_capacity(pixels / 4);
    let mut encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder
        .encode_image(picture)
        .expect("an image of at least one pixel is encoded into memory");
    jpeg
}

/// What comes before a JPEG's scan: each from its marker on.
pub(super) struct Segments<'a> {
    jpeg: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    pub(super) fn of(jpeg: &'a [u8]) -> Self {
        let at = SOI.len();
        Segments { jpeg, at }
    }

    /// Where the scan begins, once all before it have been taken; `None`: there is none.
    #[cfg(any(
        all(target_os = "linux", target_pointer_width = "64"),
        feature = "nokhwa"
    ))]
    pub(super) fn start_of_scan(&self) -> Option<usize> {
        (self.jpeg.get(self.at..)?.starts_with(&[0xFF, SOS])).then_some(self.at)
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.jpeg.get(self.at..)?;
        let &[0xFF, marker, high, low] = rest.first_chunk::<4>()? else {
            return None;
        };
        if marker == SOS {
            return None;
        }
        let length = 2 + usize::from(u16::from_be_bytes([high, low]).max(2));
        let segment = rest.get(..length)?;
        self.at += length;
        Some(segment)
    }
}
