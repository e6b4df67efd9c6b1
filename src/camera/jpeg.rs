//! What every photo has in common: that it is a JPEG, and how one is made.

use jpeg_encoder::{Encoder, ImageBuffer, SamplingFactor};

/// Start and end of image, start of scan, the first of eight restarts (ITU T.81, table B.1).
pub(super) const SOI: [u8; 2] = [0xFF, 0xD8];
const EOI: [u8; 2] = [0xFF, 0xD9];
const SOS: u8 = 0xDA;
const RST0: u8 = 0xD0;
/// About 60 kB at 640x480.
const QUALITY: u8 = 80;

/// Whole, from the start marker to the end marker.
pub(super) fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&SOI) && bytes.ends_with(&EOI)
}

/// Width and height in pixels, as its frame header says (ITU T.81, B.2.2). `None`: it has none.
pub(super) fn size(jpeg: &[u8]) -> Option<(u16, u16)> {
    let frame = Segments::of(jpeg).find(|it| matches!(it[1], 0xC0..=0xC2))?;
    let word = |at: usize| Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]));
    Some((word(7)?, word(5)?))
}

/// Encodes a picture of at least one pixel.
pub(super) fn encode(picture: impl ImageBuffer) -> Vec<u8> {
    encode_restarting(picture, 0)
}

/// The same, with a restart marker after so many blocks of 16x16 pixels; 0: without any.
fn encode_restarting(picture: impl ImageBuffer, interval: u16) -> Vec<u8> {
    let pixels = usize::from(picture.width()) * usize::from(picture.height());
    let mut jpeg = Vec::with_capacity(pixels / 4);
    let mut encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.set_restart_interval(interval);
    encoder
        .encode_image(picture)
        .expect("an image of at least one pixel is encoded into memory");
    jpeg
}

/// Pixels across a block: chroma has half the size, and its blocks are of 8x8.
pub(super) const BLOCK: u16 = 16;

/// A JPEG of which each row of blocks stands for itself, so that one can take another's place: a
/// restart marker between two of them ends what the decoder carries over (ITU T.81, F.1.1.5.1).
pub(super) struct Rows {
    /// All before the first row.
    head: Vec<u8>,
    rows: Vec<Vec<u8>>,
}

impl Rows {
    /// Encodes a picture of at least one pixel.
    pub(super) fn encode(picture: impl ImageBuffer) -> Rows {
        let interval = picture.width().div_ceil(BLOCK);
        let jpeg = encode_restarting(picture, interval);
        let mut segments = Segments::of(&jpeg);
        segments.by_ref().for_each(drop);
        let scan = segments.start_of_scan().expect("the encoder wrote one");
        let length = u16::from_be_bytes([jpeg[scan + 2], jpeg[scan + 3]]);
        let (head, scan) = jpeg.split_at(scan + 2 + usize::from(length));
        let mut rows = Vec::new();
        let mut begin = 0;
        for at in 1..scan.len() {
            // In the coded data 0xFF is followed by 0.
            if scan[at - 1] == 0xFF && scan[at] != 0 {
                rows.push(scan[begin..at - 1].to_vec());
                begin = at + 1;
            }
        }
        let head = head.to_vec();
        Rows { head, rows }
    }

    /// The whole JPEG, with these rows of another one in these places, which are in order.
    pub(super) fn with(&self, others: &Rows, places: &[u16]) -> Vec<u8> {
        let bytes = |of: &Rows| of.rows.iter().map(Vec::len).sum::<usize>();
        let mut jpeg = Vec::with_capacity(self.head.len() + bytes(self) + bytes(others));
        jpeg.extend_from_slice(&self.head);
        let mut others = places.iter().zip(&others.rows).peekable();
        for (place, own) in self.rows.iter().enumerate() {
            if let Some(before) = place.checked_sub(1) {
                jpeg.extend([0xFF, RST0 + (before % 8) as u8]);
            }
            let other = others.next_if(|(other, _)| usize::from(**other) == place);
            jpeg.extend_from_slice(other.map_or(own, |(_, row)| row));
        }
        jpeg.extend(EOI);
        jpeg
    }
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
