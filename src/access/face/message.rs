//! What daemon and child say to each other: a length of four bytes (little-endian), then so many.
//!
//! A question is a picture's file as it is; an answer is JSON. The child reads one, answers it, and
//! ends when its input does.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::detect::Face;
use super::quality::Quality;

/// A picture's file and an answer are shorter than this.
pub(super) const MOST_BYTES: u32 = 32 * 1024 * 1024;

/// What the child sees in one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It was looked at.
    Looked(Look),
    /// It could not be: why, in a sentence.
    Not(String),
}

/// What there is in a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// The picture's number, counted from the child's start.
    pub number: u64,
    /// How many faces.
    pub faces: usize,
    /// The largest.
    pub seen: Option<Seen>,
}

/// The largest face of a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Where it is.
    pub face: Face,
    /// What it is good for.
    pub quality: Quality,
    /// Whose it is, in numbers; none of a face that is too small or turned too far.
    pub embedding: Option<Vec<f32>>,
    /// The numbers of earlier pictures that show, together with this one, that it is a head.
    pub relief_with: Vec<u64>,
}

/// One message. `None`: the other side has ended.
pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_le_bytes(length);
    if length > MOST_BYTES {
        return Err(io::Error::other("a message that is too long"));
    }
    let mut message = vec![0; length as usize];
    from.read_exact(&mut message)?;
    Ok(Some(message))
}

/// Writes one message.
pub(super) fn write(to: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(io::Error::other)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(message)?;
    to.flush()
}
