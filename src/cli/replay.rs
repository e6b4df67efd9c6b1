//! `asfaleia replay`: a night in milliseconds.

use std::path::PathBuf;

use clap::Args;

use super::Places;
use super::exit::{Exit, Failed, Result};

/// `asfaleia replay`
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// A scenario, or the record of an incident
    pub file: PathBuf,
    /// Change a setting first, such as sensor.hall.pulses=2
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
}

fn setting(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        Some(_) | None => Err("write KEY=VALUE, such as sensor.hall.pulses=2".to_owned()),
    }
}

/// The lead completes this: `crate::simulator`.
pub(super) fn run(places: &Places, args: ReplayArgs) -> Result {
    Err(Failed::new(
        Exit::Unavailable,
        format!(
            "this build cannot replay {} with {:?} and {:?}",
            args.file.display(),
            args.set,
            places.config
        ),
    ))
}
