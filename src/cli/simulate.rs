//! `asfaleia simulate`: the service in a simulated house.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::Places;
use super::exit::{Exit, Failed, Result};

/// `asfaleia simulate`
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// Open no browser: for scripts
    #[arg(long)]
    pub headless: bool,
    /// Where the page and API listen, on loopback; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = loopback)]
    pub listen: SocketAddr,
    /// Play this scenario, in real time
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Keep history and photos here [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// The simulator asks for no login, so it listens to this machine alone.
fn loopback(text: &str) -> std::result::Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) | Err(_) => Err("write a loopback address, such as 127.0.0.1:8080".to_owned()),
    }
}

/// The lead completes this: `crate::daemon` with `crate::simulator`.
pub(super) fn run(places: &Places, args: SimulateArgs) -> Result {
    Err(Failed::new(
        Exit::Unavailable,
        format!(
            "this build cannot simulate {:?} at {}",
            places.config, args.listen
        ),
    ))
}
