//! Where photos are: the last few in memory, all of them on disk a moment later.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::UNIX_EPOCH;

use super::trouble::OwnTrouble;
use crate::alarm::{PhotoId, TroubleCode};
use crate::clock::{Stamp, WallTime};
use crate::inbox::Inbox;
use crate::store;

/// One photo.
#[derive(Debug, Clone)]
pub struct Photo {
    /// Its number.
    pub id: PhotoId,
    /// When it was taken.
    pub taken: Stamp,
    /// The JPEG file.
    pub jpeg: Arc<[u8]>,
}

/// The photos. Clones are the same shelf.
#[derive(Clone)]
pub struct PhotoShelf(Arc<Shelf>);

struct Shelf {
    directory: PathBuf,
    latest: Mutex<VecDeque<Photo>>,
}

/// Photos in memory: two bursts and a test.
const MOST_PHOTOS: usize = 8;
/// Bytes of photos in memory. The newest stays, however large.
const MOST_BYTES: usize = 4 * 1024 * 1024;

impl PhotoShelf {
    /// A shelf over this directory of `<id>.jpg` files; it is made when the first is written.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        PhotoShelf(Arc::new(Shelf {
            directory: directory.into(),
            latest: Mutex::new(VecDeque::new()),
        }))
    }

    /// The photo and when it was taken: from memory, else from the disk (then it blocks, and the
    /// time is the file's). `None`: there is none of this number.
    pub fn jpeg(&self, id: PhotoId) -> Option<(WallTime, Arc<[u8]>)> {
        if let Some(photo) = self.in_memory(id) {
            return Some((photo.taken.wall, photo.jpeg));
        }
        let path = self.path(id);
        let jpeg = fs::read(&path).ok()?;
        let written = fs::metadata(&path).and_then(|file| file.modified()).ok()?;
        let since = written.duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        Some((WallTime(millis), jpeg.into()))
    }

    /// The photo, if it is one of the last few. Never touches the disk.
    pub fn in_memory(&self, id: PhotoId) -> Option<Photo> {
        let latest = self.latest();
        latest.iter().find(|photo| photo.id == id).cloned()
    }

    /// Where the file of this photo is, or will be.
    pub fn path(&self, id: PhotoId) -> PathBuf {
        self.0.directory.join(format!("{id}.jpg"))
    }

    pub(super) fn put(&self, photo: Photo) {
        let mut latest = self.latest();
        latest.push_back(photo);
        let mut bytes: usize = latest.iter().map(|photo| photo.jpeg.len()).sum();
        while latest.len() > MOST_PHOTOS || (latest.len() > 1 && bytes > MOST_BYTES) {
            bytes -= latest.pop_front().map_or(0, |photo| photo.jpeg.len());
        }
    }

    fn latest(&self) -> std::sync::MutexGuard<'_, VecDeque<Photo>> {
        self.0.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands photos to the thread that writes them.
pub(super) struct Writer {
    queue: SyncSender<(PhotoId, Arc<[u8]>)>,
    trouble: OwnTrouble,
}

/// Photos that wait for a slow card, as many as the largest burst and some.
const QUEUE: usize = 32;

impl Writer {
    /// The thread ends, when all is written, once the writer is dropped.
    pub(super) fn start(shelf: PhotoShelf, inbox: Inbox) -> (Writer, JoinHandle<()>) {
        let (queue, photos) = sync_channel(QUEUE);
        let trouble = OwnTrouble::new(TroubleCode::Store, "photos", inbox);
        let writer = Writer {
            queue,
            trouble: trouble.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("photo-files".into())
            .spawn(move || write_all(&photos, &shelf, &trouble))
            .expect("a thread can be started");
        (writer, thread)
    }

    /// Never blocks; a photo that finds the queue full is not written.
    pub(super) fn write(&self, id: PhotoId, jpeg: Arc<[u8]>) {
        if self.queue.try_send((id, jpeg)).is_err() {
            let why = format!("photo {id} was not written: the disk is too slow");
            self.trouble.raise(why);
        }
    }
}

fn write_all(photos: &Receiver<(PhotoId, Arc<[u8]>)>, shelf: &PhotoShelf, trouble: &OwnTrouble) {
    for (id, jpeg) in photos {
        let path = shelf.path(id);
        match store::write_whole_photo(&path, &jpeg) {
            Ok(()) => trouble.clear(),
            Err(error) => trouble.raise(format!(
                "writing {}: {error} (free or mend the disk)",
                path.display()
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo(id: u64, bytes: usize) -> Photo {
        Photo {
            id: PhotoId(id),
            taken: Stamp {
                boot: crate::alarm::BootTime::ZERO,
                wall: WallTime(7),
                boot_id: String::new(),
            },
            jpeg: vec![1; bytes].into(),
        }
    }

    #[test]
    fn memory_holds_the_last_few_and_the_disk_the_rest() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = PhotoShelf::new(directory.path().join("photos"));
        store::write_whole_photo(&shelf.path(PhotoId(1)), b"on disk").unwrap();
        for id in 1..=9 {
            shelf.put(photo(id, 100));
        }
        assert!(shelf.in_memory(PhotoId(1)).is_none());
        assert_eq!(&*shelf.jpeg(PhotoId(1)).unwrap().1, b"on disk");
        assert!(shelf.jpeg(PhotoId(1)).unwrap().0.is_set());
        assert_eq!(shelf.jpeg(PhotoId(2)).unwrap().0, WallTime(7));
        assert!(shelf.jpeg(PhotoId(10)).is_none());
    }

    #[test]
    fn memory_is_bounded_in_bytes_but_keeps_the_newest() {
        let shelf = PhotoShelf::new("nowhere");
        shelf.put(photo(1, 3 << 20));
        shelf.put(photo(2, 3 << 20));
        assert!(shelf.in_memory(PhotoId(1)).is_none());
        shelf.put(photo(3, 9 << 20));
        assert!(shelf.in_memory(PhotoId(2)).is_none());
        assert!(shelf.in_memory(PhotoId(3)).is_some());
    }

    #[test]
    fn a_file_that_cannot_be_finished_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("1.jpg");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("in the way"), "").unwrap();
        store::write_whole_photo(&path, b"jpeg").unwrap_err();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
