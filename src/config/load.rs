//! A file -> a [`Config`], or everything that is wrong with it.

use std::ops::Range;
use std::path::Path;

use super::Config;
use super::check::Check;
use super::diagnostic::{Diagnostic, Rejected, Severity};
use super::parse::{self, Finding};
use super::secrets::Secrets;

/// How far a configuration is looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Everything, secret files and certificates too.
    Full,
    /// The file alone: nothing outside it is opened, and every secret is empty.
    Shape,
}

/// A configuration that can be used.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// It.
    pub config: Config,
    /// What the owner should know all the same, in the order of the file.
    pub warnings: Vec<Diagnostic>,
    /// The text it was read from.
    pub text: String,
}

/// Reads a configuration file.
pub fn load(path: &Path, depth: Depth) -> Result<Loaded, Rejected> {
    let name = path.display().to_string();
    let refused = |message: String, help: &str| {
        let help = Some(help.to_owned());
        let diagnostic = Diagnostic::new(Severity::Error, &name, "", 0..0, message, help);
        Rejected {
            diagnostics: vec![diagnostic],
        }
    };
    let bytes = std::fs::read(path).map_err(|why| {
        let help = "`asfaleia init` writes one; or name another with `--config FILE`";
        refused(format!("reading the configuration {name}: {why}"), help)
    })?;
    match String::from_utf8(bytes) {
        Ok(text) => parse(&text, &name, depth),
        Err(_) => Err(refused(
            format!("the configuration {name} is no text"),
            "allowed: TOML in UTF-8",
        )),
    }
}

/// Reads a configuration from text; `file_name` is what its findings call it.
pub fn parse(text: &str, file_name: &str, depth: Depth) -> Result<Loaded, Rejected> {
    let secrets = match depth {
        Depth::Full => Secrets::from_environment(),
        Depth::Shape => Secrets::LeftAlone,
    };
    let written = match parse::parse(text) {
        Ok(written) => written,
        Err(findings) => {
            let diagnostics = diagnostics(Severity::Error, file_name, text, findings);
            return Err(Rejected { diagnostics });
        }
    };
    let mut check = Check::new(&written, &secrets);
    let config = check.config();
    let (found, warnings) = (check.errors, check.warnings);
    // What was read without one of its parts may look wrong for that alone.
    let broken = |whole: &Range<usize>| {
        let inside = |part: &Range<usize>| whole.start <= part.start && part.end <= whole.end;
        written.findings.iter().any(|(part, ..)| inside(part))
    };
    let found = found.into_iter().filter(|(span, ..)| !broken(span));
    let errors = written.findings.iter().cloned().chain(found).collect();
    let errors = diagnostics(Severity::Error, file_name, text, errors);
    let warnings = diagnostics(Severity::Warning, file_name, text, warnings);
    if errors.is_empty() {
        return Ok(Loaded {
            config,
            warnings,
            text: text.to_owned(),
        });
    }
    let mut diagnostics = errors;
    diagnostics.extend(warnings);
    diagnostics.sort_by_key(|finding| (finding.line, finding.column, finding.severity));
    Err(Rejected { diagnostics })
}

fn diagnostics(
    severity: Severity,
    file: &str,
    text: &str,
    findings: Vec<Finding>,
) -> Vec<Diagnostic> {
    let mut diagnostics: Vec<Diagnostic> = findings
        .into_iter()
        .map(|(span, message, help)| Diagnostic::new(severity, file, text, span, message, help))
        .collect();
    diagnostics.sort_by_key(|finding| (finding.line, finding.column));
    diagnostics
}
