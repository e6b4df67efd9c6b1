//! `check` and `schema`: the configuration before anything runs on it.

use std::io::Write;
use std::path::Path;

use clap::Args;
use serde_json::json;

use super::Places;
use super::exit::{Exit, Failed, Result};
use crate::config;
use config::{Depth, Diagnostic, Severity};

/// `asfaleia check`
#[derive(Args)]
pub(super) struct CheckArgs {
    /// Leave out what lies outside the file: secret files, devices
    #[arg(long)]
    shape: bool,
    /// What was found as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn check(places: &Places, args: CheckArgs) -> Result {
    let path = places.config();
    readable(&path)?;
    let depth = if args.shape {
        Depth::Shape
    } else {
        Depth::Full
    };
    let (valid, found) = match config::load(&path, depth) {
        Ok(loaded) => (true, loaded.warnings),
        Err(rejected) => (false, rejected.diagnostics),
    };
    if args.json {
        let found = json!({ "file": path, "valid": valid, "diagnostics": found });
        writeln!(std::io::stdout(), "{found:#}")?;
    } else {
        print(&path, valid, &found)?;
    }
    match valid {
        true => Ok(()),
        false => Err(Failed::silently(Exit::Config)),
    }
}

pub(super) fn schema() -> Result {
    write!(std::io::stdout(), "{}", config::schema())?;
    Ok(())
}

/// What is wrong goes to the standard error, what is right to the standard output.
fn print(path: &Path, valid: bool, found: &[Diagnostic]) -> Result {
    let mut err = std::io::stderr();
    for diagnostic in found {
        writeln!(err, "{diagnostic}\n")?;
    }
    let count = |severity| found.iter().filter(|one| one.severity == severity).count();
    let file = path.display();
    match (valid, count(Severity::Error), count(Severity::Warning)) {
        (true, _, 0) => writeln!(std::io::stdout(), "{file}: ok")?,
        (true, _, n) => writeln!(std::io::stdout(), "{file}: ok, {}", counted(n, "warning"))?,
        (false, n, _) => writeln!(err, "{file}: {}", counted(n, "error"))?,
    }
    Ok(())
}

/// `1 error`, `2 errors`.
pub(super) fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A file that is not there is another mistake than one that is wrong.
fn readable(path: &Path) -> Result {
    std::fs::File::open(path).map(drop).map_err(|error| {
        let exit = match error.kind() {
            std::io::ErrorKind::PermissionDenied => Exit::NoPerm,
            _ => Exit::NoInput,
        };
        Failed::new(
            exit,
            format!(
                "reading the configuration {}: {error} (name another with --config)",
                path.display()
            ),
        )
    })
}
