//! What every photo has in common: that it is a JPEG, and how one is made.

use jpeg_encoder::{Encoder, ImageBuffer, SamplingFactor};

/// About 60 kB at 640x480.
const QUALITY: u8 = 80;

/// Whole, from the start marker to the end marker.
pub(super) fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xFF, 0xD8]) && bytes.ends_with(&[0xFF, 0xD9])
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
