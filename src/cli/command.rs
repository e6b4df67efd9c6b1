//! `arm`, `disarm`, `pause`, `ack`, `silence`, `test`, `reload`: a request, and what became of it.

use std::io::Write;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::Places;
use super::client::Service;
use super::exit::Result;
use super::face::{self, TestFaceArgs};
use super::status::one_line;
use crate::web::StatusBody;

/// `asfaleia arm`
#[derive(Args)]
pub(super) struct ArmArgs {
    /// Which sensors count
    mode: Mode,
    /// Arm although something is open or silent; it is inhibited until it is well
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// Nobody is at home
    #[value(alias = "armed_away")]
    Away,
    /// Somebody is at home and about
    #[value(alias = "armed_home")]
    Home,
    /// Somebody is at home and asleep
    #[value(alias = "armed_night")]
    Night,
}

/// `asfaleia test`
#[derive(Args)]
pub(super) struct TestArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// A mail to every contact
    Email,
    /// A call to every contact
    Call,
    /// One photo
    Photo,
    /// The buzzer, for a moment
    Buzzer,
    /// The exhaust relay, for a moment
    Relay,
    /// Whose face is in a picture; it grants nothing
    Face(TestFaceArgs),
}

pub(super) fn arm(service: &Service, args: ArmArgs) -> Result {
    let mode = match args.mode {
        Mode::Away => "armed_away",
        Mode::Home => "armed_home",
        Mode::Night => "armed_night",
    };
    ask(service, "arm", json!({ "mode": mode, "force": args.force }))
}

pub(super) fn disarm(service: &Service) -> Result {
    ask(service, "disarm", json!({}))
}

pub(super) fn pause(service: &Service) -> Result {
    ask(service, "pause", json!({}))
}

pub(super) fn acknowledge(service: &Service) -> Result {
    ask(service, "ack", json!({}))
}

pub(super) fn silence(service: &Service) -> Result {
    ask(service, "silence", json!({}))
}

pub(super) fn test(places: &Places, args: TestArgs) -> Result {
    let (what, look) = match args.what {
        What::Face(args) => return face::test(places, &args),
        What::Email => ("email", "every contact with an address gets one"),
        What::Call => ("call", "every contact with a number is called"),
        What::Photo => ("photo", "it is in the history in a moment"),
        What::Buzzer => ("buzzer", "listen"),
        What::Relay => ("relay", "watch the fan"),
    };
    let service = Service::find(places.socket.as_deref())?;
    service.block_on(service.post("test", &json!({ "what": what })))?;
    writeln!(
        std::io::stdout(),
        "trying {what}: {look} (asfaleia events --follow)"
    )?;
    Ok(())
}

pub(super) fn reload(service: &Service) -> Result {
    let answer = service.block_on(service.post("reload", &json!({})))?;
    let changed = answer["changed"].as_str().unwrap_or("done");
    writeln!(std::io::stdout(), "{changed}")?;
    Ok(())
}

/// Asks, and says what the panel is then.
fn ask(service: &Service, path: &str, body: Value) -> Result {
    let status: StatusBody = service.block_on(async {
        service.post(path, &body).await?;
        service.get("status").await
    })?;
    writeln!(std::io::stdout(), "{}", one_line(&status))?;
    Ok(())
}
