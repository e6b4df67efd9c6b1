//! The two networks: which files they are, where they lie, and how they are loaded.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ring::digest;
use rten::{Model, ModelOptions, op_registry};

use super::detect::Detector;
use super::embed::Embedder;
use super::fold::{self, folded};

/// What to run when they are not there.
pub const FETCH: &str =
    "run `models/fetch` in the sources of asfaleia, then `asfaleia models install --from models`";

/// Where the package puts them.
const INSTALLED: &str = "/usr/share/asfaleia/models";
/// Where `models/fetch` puts them.
const FETCHED: &str = "models";

/// The directory, in the store's, where what is made of them is kept.
pub const KEPT: &str = "models";

/// Where they are: where the configuration says; if they are not there, where they were fetched.
pub fn place(configured: Option<&Path>) -> PathBuf {
    let configured = configured.unwrap_or(Path::new(INSTALLED));
    let fetched = Path::new(FETCHED);
    match installed(configured).is_err() && installed(fetched).is_ok() {
        true => fetched.to_owned(),
        false => configured.to_owned(),
    }
}

/// One network's file, as OpenCV Zoo publishes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelFile {
    /// Its name.
    pub name: &'static str,
    /// Its SHA-256.
    pub sha256: &'static str,
    /// Its size in bytes.
    pub bytes: u64,
    /// The SHA-256 of what [`folded`] makes of it.
    folded_sha256: &'static str,
}

/// Finds faces.
pub(super) const YUNET: ModelFile = ModelFile {
    name: "face_detection_yunet_2023mar_int8bq.onnx",
    sha256: "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
    bytes: 122_489,
    folded_sha256: "ed0de297f651f29d4d0ca7631305ff12d62773bafcbe601d625d5790ad8b943b",
};

/// Tells faces apart.
pub(super) const SFACE: ModelFile = ModelFile {
    name: "face_recognition_sface_2021dec_int8bq.onnx",
    sha256: "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
    bytes: 10_667_852,
    folded_sha256: "bf1ac78ffde6164ccd256322a54c59c8343b5c2bd0b9277bd5e173c5387b2348",
};

/// Both.
pub const MODELS: [ModelFile; 2] = [YUNET, SFACE];

/// Why a network is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum NoModel {
    /// It is not there.
    #[error("the face model {} is not there: {FETCH}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It is another file.
    #[error("{} is not the model that asfaleia was built for (its SHA-256 is {found}): {FETCH}", path.display())]
    Other {
        /// Which file.
        path: PathBuf,
        /// What it hashes to.
        found: String,
    },
    /// It cannot be read or written.
    #[error("the face model {}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The engine does not take it: a mistake of ours.
    #[error("the face model {name} cannot be loaded: {why}; report it")]
    Refused {
        /// Which.
        name: &'static str,
        /// What the engine says.
        why: String,
    },
}

/// Loads both from `models`, where they were installed. What was folded is kept in `kept`, if that
/// can be written, and taken from there next time.
pub(super) fn load(models: &Path, kept: Option<&Path>) -> Result<(Detector, Embedder), NoModel> {
    let refused = |file: ModelFile| NoModel::Refused {
        name: file.name,
        why: "its inputs and outputs have other names".to_owned(),
    };
    let detector = Detector::new(model(YUNET, models, kept)?).ok_or_else(|| refused(YUNET))?;
    let embedder = Embedder::new(model(SFACE, models, kept)?).ok_or_else(|| refused(SFACE))?;
    Ok((detector, embedder))
}

/// Are both files in `models`, of the right size? What they hold is checked when they are loaded;
/// a file of another size is looked into at once, to be told from one that is missing. Blocks.
pub fn installed(models: &Path) -> Result<(), NoModel> {
    for file in MODELS {
        let path = models.join(file.name);
        match fs::metadata(&path) {
            Ok(there) if there.len() == file.bytes => {}
            Ok(_) | Err(_) => drop(checked(file, &path)?),
        }
    }
    Ok(())
}

/// Are both files in `models`, byte for byte? Reads all of them.
pub fn verified(models: &Path) -> Result<(), NoModel> {
    for file in MODELS {
        checked(file, &models.join(file.name))?;
    }
    Ok(())
}

/// Copies both from `from`, a file or a directory that has them, to `models`: only what has the
/// right hash. Returns what was put in place; a file alone is one of them.
pub fn install(from: &Path, models: &Path) -> Result<Vec<&'static str>, NoModel> {
    let mut wanted: Vec<(ModelFile, Vec<u8>)> = Vec::new();
    if from.is_dir() {
        for file in MODELS {
            wanted.push((file, checked(file, &from.join(file.name))?));
        }
    } else {
        let bytes = read(from)?;
        let found = sha256(&bytes);
        let file = MODELS.into_iter().find(|file| file.sha256 == found);
        let file = file.ok_or_else(|| NoModel::Other {
            path: from.to_owned(),
            found,
        })?;
        wanted.push((file, bytes));
    }
    fs::create_dir_all(models).map_err(|error| NoModel::Io {
        path: models.to_owned(),
        error,
    })?;
    for (file, bytes) in &wanted {
        put(&models.join(file.name), bytes)?;
    }
    Ok(wanted.iter().map(|(file, _)| file.name).collect())
}

fn model(file: ModelFile, models: &Path, kept: Option<&Path>) -> Result<Model, NoModel> {
    let bytes = plain(file, models, kept)?;
    // The fewer operators are named, the smaller is the program.
    let operators = op_registry!(
        Add,
        BatchNormalization,
        Conv,
        Flatten,
        Gemm,
        MaxPool,
        Mul,
        PRelu,
        Relu,
        Reshape,
        Resize,
        Sigmoid,
        Sub,
        Transpose
    );
    ModelOptions::with_ops(operators)
        .load(bytes)
        .map_err(|error| NoModel::Refused {
            name: file.name,
            why: error.to_string(),
        })
}

/// The folded model: as it was kept, or made anew.
fn plain(file: ModelFile, models: &Path, kept: Option<&Path>) -> Result<Vec<u8>, NoModel> {
    let kept = kept.map(|kept| kept.join(format!("{}.folded", file.name)));
    if let Some(bytes) = kept.as_ref().and_then(|kept| fs::read(kept).ok())
        && sha256(&bytes) == file.folded_sha256
    {
        return Ok(bytes);
    }
    let bytes = checked(file, &models.join(file.name))?;
    let plain = folded(&bytes).map_err(|error: fold::Unexpected| NoModel::Refused {
        name: file.name,
        why: error.to_string(),
    })?;
    // A directory that cannot be written costs a third of a second at each start, no more.
    // The store's own directory is made by the store, for its eyes alone.
    if let Some(kept) = kept
        && let Some(folder) = kept.parent()
        && let Err(error) = made(folder).and_then(|()| put(&kept, &plain))
    {
        tracing::debug!(%error, "the folded model is not kept");
    }
    Ok(plain)
}

/// The directory, in one that is there.
fn made(folder: &Path) -> Result<(), NoModel> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(NoModel::Io {
            path: folder.to_owned(),
            error,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The file's content, if it is what it should be.
fn checked(file: ModelFile, path: &Path) -> Result<Vec<u8>, NoModel> {
    let bytes = read(path)?;
    let found = sha256(&bytes);
    if found != file.sha256 {
        return Err(NoModel::Other {
            path: path.to_owned(),
            found,
        });
    }
    Ok(bytes)
}

fn read(path: &Path) -> Result<Vec<u8>, NoModel> {
    fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => NoModel::Missing {
            path: path.to_owned(),
        },
        _ => NoModel::Io {
            path: path.to_owned(),
            error,
        },
    })
}

/// Writes it beside its place, and then into it: half a file never lies there.
fn put(path: &Path, bytes: &[u8]) -> Result<(), NoModel> {
    let failed = |error| NoModel::Io {
        path: path.to_owned(),
        error,
    };
    let new = path.with_extension("new");
    fs::write(&new, bytes).map_err(failed)?;
    fs::rename(&new, path).map_err(failed)
}

fn sha256(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
