//! The photos' files: `photos/<id>.jpg` beside the database.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::alarm::PhotoId;

const FOLDER: &str = "photos";

/// Where this photo's file is, or would be.
pub fn photo_path(dir: &Path, id: PhotoId) -> PathBuf {
    dir.join(FOLDER).join(format!("{id}.jpg"))
}

/// Writes a photo's file: whole, or not at all, and on the disk when this returns. Blocks.
pub fn write_photo(dir: &Path, id: PhotoId, jpeg: &[u8]) -> io::Result<()> {
    write_whole_photo(&photo_path(dir, id), jpeg)
}

/// The same for a photo's path: a part that a power cut left is known by its name, and removed
/// with the history.
pub fn write_whole_photo(path: &Path, jpeg: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        make_private_dir(folder)?;
    }
    write_whole(path, jpeg)
}

/// Reads a photo's file. Blocks.
pub fn read_photo(dir: &Path, id: PhotoId) -> io::Result<Vec<u8>> {
    fs::read(photo_path(dir, id))
}

/// Removes a photo's file; one that is gone already is fine.
pub(super) fn remove_photo(dir: &Path, id: PhotoId) -> io::Result<()> {
    match fs::remove_file(photo_path(dir, id)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The files of photos, with their numbers; parts of photos too.
pub(super) fn photo_files(dir: &Path) -> io::Result<Vec<(PhotoId, PathBuf)>> {
    let entries = match fs::read_dir(dir.join(FOLDER)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".jpg").or(name.strip_suffix(".jpg.part")))
            .and_then(|number| number.parse().ok());
        if let Some(number) = number {
            files.push((PhotoId(number), path));
        }
    }
    Ok(files)
}

/// Writes beside the file, then takes its place: after a power cut there is the old or the new.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

/// What happens in a home is nobody else's business: only our own user reads it.
pub(super) fn make_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_is_read_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        write_photo(dir.path(), PhotoId(7), b"first").unwrap();
        write_photo(dir.path(), PhotoId(7), b"second").unwrap();
        assert_eq!(read_photo(dir.path(), PhotoId(7)).unwrap(), b"second");
        let files = photo_files(dir.path()).unwrap();
        assert_eq!(files, [(PhotoId(7), photo_path(dir.path(), PhotoId(7)))]);
    }

    #[test]
    fn what_a_cut_left_of_a_photo_is_found_by_its_number() {
        let dir = tempfile::tempdir().unwrap();
        write_photo(dir.path(), PhotoId(7), b"whole").unwrap();
        let part = dir.path().join("photos/8.jpg.part");
        fs::write(&part, b"ha").unwrap();
        fs::write(dir.path().join("photos/notes.txt"), b"the owner's").unwrap();
        let mut files = photo_files(dir.path()).unwrap();
        files.sort();
        assert_eq!(files[1], (PhotoId(8), part));
        assert_eq!(files.len(), 2);
    }
}
