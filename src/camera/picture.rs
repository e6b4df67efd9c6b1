//! From what a webcam gives to a JPEG that any program shows. Pure.

use std::sync::OnceLock;

use jpeg_encoder::{ImageBuffer, JpegColorType};

use super::jpeg::{self, Segments, is_jpeg};

/// A webcam's first pictures are too dark or too bright, as its exposure begins anywhere. At the
/// usual 30 a second these take a sixth of a second.
pub(super) const SETTLING_FRAMES: u32 = 5;

const EOI: [u8; 2] = [0xFF, 0xD9];
/// Define Huffman tables (ITU T.81, table B.1).
const DHT: u8 = 0xC4;

/// A motion JPEG's frame as a whole file. Webcams pad frames, and leave out the Huffman tables,
/// which then are those of ITU T.81 annex K. `None`: no whole picture.
pub(super) fn complete(frame: &[u8]) -> Option<Vec<u8>> {
    let end = frame.windows(2).rposition(|two| two == EOI)? + 2;
    let frame = &frame[..end];
    if !is_jpeg(frame) {
        return None;
    }
    let (scan, has_tables) = header(frame)?;
    if has_tables {
        return Some(frame.to_vec());
    }
    let tables = standard_tables();
    let mut jpeg = Vec::with_capacity(frame.len() + tables.len());
    jpeg.extend_from_slice(&frame[..scan]);
    jpeg.extend_from_slice(tables);
    jpeg.extend_from_slice(&frame[scan..]);
    Some(jpeg)
}

/// Where the scan begins, and whether Huffman tables come before it.
fn header(jpeg: &[u8]) -> Option<(usize, bool)> {
    let mut segments = Segments::of(jpeg);
    // All are taken: the scan begins after the last.
    let tables = segments.by_ref().filter(|it| it[1] == DHT).count();
    let scan = segments.start_of_scan()?;
    Some((scan, tables > 0))
}

/// The tables of annex K, as the encoder writes them when it is not asked for better ones.
fn standard_tables() -> &'static [u8] {
    static TABLES: OnceLock<Vec<u8>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let gray = Yuyv {
            bytes: &[128; 8 * 8 * 2],
            width: 8,
            height: 8,
            stride: 8 * 2,
        };
        let jpeg = jpeg::encode(gray);
        let tables = Segments::of(&jpeg).filter(|it| it[1] == DHT);
        tables.flatten().copied().collect()
    })
}

/// Encodes `YUYV` with `stride` bytes a row. `None`: too few bytes for a whole picture.
pub(super) fn encode(yuyv: &[u8], width: u16, height: u16, stride: usize) -> Option<Vec<u8>> {
    let stride = stride.max(usize::from(width) * 2);
    if width == 0 || height == 0 || yuyv.len() < stride * usize::from(height) {
        return None;
    }
    Some(jpeg::encode(Yuyv {
        bytes: yuyv,
        width,
        height,
        stride,
    }))
}

struct Yuyv<'a> {
    bytes: &'a [u8],
    width: u16,
    height: u16,
    stride: usize,
}

impl ImageBuffer for Yuyv<'_> {
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
        let row = &self.bytes[usize::from(row) * self.stride..][..self.stride];
        let [luma, blue, red, _] = buffers;
        for pixel in 0..usize::from(self.width) {
            let pair = &row[pixel / 2 * 4..];
            luma.push(full_luma(pair[pixel % 2 * 2]));
            blue.push(full_chroma(pair[1]));
            red.push(full_chroma(pair[3]));
        }
    }
}

/// Video's luma goes from 16 to 235 (ITU-R BT.601), a JPEG's from 0 to 255 (JFIF).
fn full_luma(video: u8) -> u8 {
    let value = (i32::from(video) - 16) * 255 / 219;
    value.clamp(0, 255) as u8
}

/// Video's chroma goes from 16 to 240 around 128, a JPEG's from 0 to 255.
fn full_chroma(video: u8) -> u8 {
    let value = (i32::from(video) - 128) * 255 / 224 + 128;
    value.clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::jpeg::SOI;

    /// Without its tables, as a webcam sends it, and padded.
    fn bare(jpeg: &[u8]) -> Vec<u8> {
        let mut bare = SOI.to_vec();
        let mut segments = Segments::of(jpeg);
        for segment in segments.by_ref().filter(|it| it[1] != DHT) {
            bare.extend_from_slice(segment);
        }
        bare.extend_from_slice(&jpeg[segments.start_of_scan().unwrap()..]);
        bare.extend_from_slice(&[0; 37]);
        bare
    }

    fn whole() -> Vec<u8> {
        let yuyv: Vec<u8> = (0..32 * 16 * 2).map(|n| (n * 7 % 220) as u8).collect();
        encode(&yuyv, 32, 16, 64).unwrap()
    }

    #[test]
    fn a_frame_without_huffman_tables_gets_those_of_the_standard() {
        let jpeg = whole();
        let completed = complete(&bare(&jpeg)).unwrap();
        assert!(is_jpeg(&completed));
        assert_eq!(completed.len(), jpeg.len());
        // DC luminance of annex K.3: the counts of codes of each length, then the values.
        let dc = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3];
        assert!(standard_tables().windows(dc.len()).any(|it| it == dc));
        assert_eq!(standard_tables().len(), 432, "four tables");
    }

    #[test]
    fn a_whole_frame_passes_through_and_half_a_frame_is_none() {
        let jpeg = whole();
        assert_eq!(complete(&jpeg), Some(jpeg.clone()));
        assert_eq!(complete(&jpeg[..jpeg.len() / 2]), None);
        assert_eq!(complete(&[]), None);
        assert_eq!(complete(&[0xFF, 0xD8, 0xFF, 0xD9]), None);
    }

    #[test]
    fn too_few_bytes_are_no_picture() {
        assert!(encode(&[0; 100], 32, 16, 64).is_none());
        assert_eq!((full_luma(16), full_luma(235), full_luma(0)), (0, 255, 0));
        assert_eq!((full_chroma(128), full_chroma(240)), (128, 255));
    }
}
