//! Bytes that a fuzzer found worth keeping, and those that once broke something: every one is read
//! again, by the functions that the fuzz targets are.

#[path = "../fuzz/src/lib.rs"]
#[allow(unreachable_pub)] // there it is a library
mod bodies;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The slowest takes some milliseconds.
const LONGEST: Duration = Duration::from_secs(10);
/// In a repository corpora are kept small; `cargo fuzz cmin` helps.
const MOST_FILES: usize = 60;
const MOST_BYTES: usize = 200_000;

#[test]
fn what_was_worth_keeping_breaks_nothing() {
    let mut violations = Vec::new();
    let mut bytes = 0;
    let mut inputs = 0;
    for (target, body) in bodies::TARGETS {
        let files = files(&corpus().join(target));
        assert!(!files.is_empty(), "{target} has no corpus");
        assert!(
            files.len() <= MOST_FILES,
            "{target} has {} files",
            files.len()
        );
        for file in files {
            let data = fs::read(&file).expect("the input can be read");
            inputs += 1;
            bytes += data.len();
            let began = Instant::now();
            let ended = catch_unwind(|| body(&data));
            if ended.is_err() || began.elapsed() > LONGEST {
                violations.push(file);
            }
        }
    }
    assert!(bytes <= MOST_BYTES, "the corpora have {bytes} bytes");
    let targets = bodies::TARGETS.len();
    let said = format!(
        "corpora: {targets} targets, {inputs} inputs, {} violations",
        violations.len()
    );
    // Not `println!`, which nobody sees who does not ask for it.
    writeln!(io::stdout(), "{said}").expect("somebody listens");
    assert_eq!(violations, Vec::<PathBuf>::new());
}

#[test]
fn every_target_has_a_corpus_and_a_program() {
    let names = |folder: &str| -> BTreeSet<String> {
        let listed = files(
            &Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("fuzz")
                .join(folder),
        );
        let stems = listed.iter().filter_map(|path| path.file_stem());
        stems
            .map(|stem| stem.to_string_lossy().into_owned())
            .collect()
    };
    let targets: BTreeSet<_> = (bodies::TARGETS.iter())
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(names("targets"), targets);
    assert_eq!(names("corpus"), targets);
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

/// What is in a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).expect("the folder can be listed");
    let mut files: Vec<_> = listed
        .map(|entry| entry.expect("the entry can be read").path())
        .collect();
    files.sort();
    files
}
