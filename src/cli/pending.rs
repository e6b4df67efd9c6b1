//! Stands for `crate::config`'s reader until the two branches meet: the same names, so that
//! `check.rs` then needs `use crate::config;` alone and this file goes.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

pub(super) enum Depth {
    Full,
    Shape,
}

#[derive(Serialize, PartialEq, Eq)]
pub(super) enum Severity {
    Error,
    Warning,
}

#[derive(Serialize)]
pub(super) struct Diagnostic {
    pub(super) severity: Severity,
    pub(super) message: String,
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

pub(super) struct Loaded {
    pub(super) warnings: Vec<Diagnostic>,
}

pub(super) struct Rejected {
    pub(super) diagnostics: Vec<Diagnostic>,
}

pub(super) fn load(path: &Path, depth: Depth) -> Result<Loaded, Rejected> {
    let asked = match depth {
        Depth::Full => "with everything it names",
        Depth::Shape => "by its shape",
    };
    let said = Diagnostic {
        severity: Severity::Error,
        message: format!("{}: this build cannot check it {asked}", path.display()),
    };
    Err(Rejected {
        diagnostics: vec![said],
    })
}

pub(super) fn schema() -> Value {
    json!({})
}
