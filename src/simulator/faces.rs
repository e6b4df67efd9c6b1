//! Pictures of faces as frames of the simulated camera.

use std::fs;
use std::path::{Path, PathBuf};

use jpeg_encoder::{ColorType, Encoder};

use crate::access::face::Picture;

/// The frames' size.
const WIDTH: u16 = 640;
const HEIGHT: u16 = 480;
/// As a webcam's.
const QUALITY: u8 = 90;

/// Each picture of this folder by its name, or this one, as the frame of somebody who stands before
/// the camera.
pub(super) fn frames(from: &Path) -> Result<Vec<Vec<u8>>, String> {
    let failed = |path: &Path, why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let mut files: Vec<PathBuf> = match from.is_dir() {
        false => vec![from.to_owned()],
        true => fs::read_dir(from)
            .and_then(|entries| entries.map(|entry| entry.map(|it| it.path())).collect())
            .map_err(|error| failed(from, &error))?,
    };
    files.sort();
    files
        .iter()
        .map(|file| {
            let bytes = fs::read(file).map_err(|error| failed(file, &error))?;
            let picture = Picture::decoded(&bytes).map_err(|error| failed(file, &error))?;
            Ok(frame(&picture))
        })
        .collect()
}

/// What a folder offers to be shown: pictures, and folders of them.
pub(super) fn offered(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut offered: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    offered.sort();
    offered
}

fn frame(picture: &Picture) -> Vec<u8> {
    let frame = picture.in_frame(WIDTH.into(), HEIGHT.into());
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, QUALITY)
        .encode(frame.rgb(), WIDTH, HEIGHT, ColorType::Rgb)
        .expect("a picture of this size is encoded into memory");
    jpeg
}
