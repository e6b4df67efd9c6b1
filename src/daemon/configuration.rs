//! Which configuration is in force at the start: the file, or the last one that passed.

use std::path::{Path, PathBuf};

use crate::clock::SharedClock;
use crate::config::{self, Depth, Loaded, Rejected};
use crate::store::{Opened, Store};

/// A configuration and the store it names.
pub struct Chosen {
    /// The configuration in force.
    pub loaded: Loaded,
    /// Why the file itself is not, if the last good one is.
    pub rejected: Option<Rejected>,
    /// The store, opened.
    pub opened: Opened,
}

/// Reads the file. If it does not pass, the last one that did (kept in the store) is used: a slip
/// in a file must not leave the house unwatched. Only without one there is nothing to run.
pub fn choose(file: &Path, clock: &SharedClock) -> Result<Chosen, Rejected> {
    let rejected = match config::load(file, Depth::Full) {
        Ok(loaded) => {
            let opened = Store::open(&loaded.config.store.path, clock.clone());
            return Ok(Chosen {
                loaded,
                rejected: None,
                opened,
            });
        }
        Err(rejected) => rejected,
    };
    let directory = likely_store(file);
    if !directory.join("asfaleia.db").exists() {
        return Err(rejected);
    }
    let opened = Store::open(&directory, clock.clone());
    // A secret file that is gone or open to others must not take the rest down with it.
    let loaded = opened.config.as_deref().and_then(|text| {
        const NAME: &str = "the last good configuration";
        config::parse(text, NAME, Depth::Full)
            .or_else(|_| config::parse(text, NAME, Depth::Shape))
            .ok()
    });
    match loaded {
        Some(mut loaded) => Ok(Chosen {
            loaded: {
                // What is opened is what is used, whatever the text says.
                loaded.config.store.path = directory;
                loaded
            },
            rejected: Some(rejected),
            opened,
        }),
        None => Err(rejected),
    }
}

/// Where the store is, by a file that does not pass: its `[store] path` if that much can be read,
/// else systemd's state directory, else the default.
fn likely_store(file: &Path) -> PathBuf {
    let named = std::fs::read_to_string(file).ok().and_then(|text| {
        // The file may be broken anywhere: only this one table is read.
        let section = text.split("[store]").nth(1)?;
        let section = section.split("\n[").next()?;
        let line = (section.lines()).find(|line| line.trim_start().starts_with("path"))?;
        let table: toml::Table = line.parse().ok()?;
        Some(PathBuf::from(table.get("path")?.as_str()?))
    });
    named
        .or_else(|| std::env::var_os("STATE_DIRECTORY").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("/var/lib/asfaleia"))
}
