//! `asfaleia run`: the service.

use clap::Args;

use super::Places;
use super::exit::{Exit, Failed, Result};

/// `asfaleia run`
#[derive(Debug, Clone, Args)]
pub struct RunArgs {}

/// The lead completes this: `crate::daemon`.
pub(super) fn run(places: &Places, RunArgs {}: RunArgs) -> Result {
    Err(Failed::new(
        Exit::Unavailable,
        format!("this build cannot run {}", places.config().display()),
    ))
}
