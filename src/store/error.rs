//! What can go wrong with the store, and what mends it.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

/// Something with the store failed. Nothing is half written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{doing} {}: {why} ({})", path.display(), kind.remedy())]
pub struct StoreError {
    /// What kind of failure.
    pub kind: StoreFailure,
    doing: &'static str,
    path: PathBuf,
    why: String,
}

/// The kinds of failure that want different help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFailure {
    /// No space is left.
    Full,
    /// It cannot be written: rights, or a card that turned itself read-only.
    ReadOnly,
    /// The file is damaged.
    Corrupt,
    /// A newer asfaleia wrote it.
    Newer,
    /// The device fails, or anything else.
    Device,
}

impl StoreFailure {
    fn remedy(self) -> &'static str {
        match self {
            Self::Full => "free some space on this disk, or lower [store] max-size and keep",
            Self::ReadOnly => {
                "check the directory's owner and rights, and whether the card turned read-only"
            }
            Self::Corrupt => "the card may be worn: replace it; what is readable has been kept",
            Self::Newer => "install the newer asfaleia again, or choose another [store] path",
            Self::Device => "check the disk, its cable and the system's log",
        }
    }
}

impl StoreError {
    pub(super) fn new(
        kind: StoreFailure,
        doing: &'static str,
        path: &Path,
        why: impl ToString,
    ) -> Self {
        StoreError {
            kind,
            doing,
            path: path.to_owned(),
            why: why.to_string(),
        }
    }

    pub(super) fn sql(doing: &'static str, path: &Path, error: &rusqlite::Error) -> Self {
        Self::new(kind_of(error), doing, path, error)
    }

    pub(super) fn io(doing: &'static str, path: &Path, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreFailure::Full,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                StoreFailure::ReadOnly
            }
            _ => StoreFailure::Device,
        };
        Self::new(kind, doing, path, error)
    }
}

/// A row that is not of the shape we wrote is damage, as much as a page with a bad header.
fn kind_of(error: &rusqlite::Error) -> StoreFailure {
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        return StoreFailure::Corrupt;
    };
    // The index of the log could not grow: that is how a full disk shows when opening.
    if failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE {
        return StoreFailure::Full;
    }
    match failure.code {
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreFailure::Corrupt,
        // "no such table" and the like: the schema is not ours, whatever its version says.
        ErrorCode::Unknown => StoreFailure::Corrupt,
        ErrorCode::DiskFull => StoreFailure::Full,
        ErrorCode::ReadOnly
        | ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::AuthorizationForStatementDenied => StoreFailure::ReadOnly,
        _ => StoreFailure::Device,
    }
}
