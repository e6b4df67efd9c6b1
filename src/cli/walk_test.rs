//! `asfaleia walk-test`: walk through the house and see every sensor.

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::client::{Service, Stream};
use super::events::line;
use super::exit::{Exit, Failed, Result};

/// `asfaleia walk-test`
#[derive(Args)]
pub(super) struct WalkTestArgs {
    /// Only end a walk test that was left on
    #[arg(long)]
    off: bool,
}

pub(super) fn run(service: &Service, args: WalkTestArgs) -> Result {
    service.block_on(async {
        if args.off {
            return switch(service, false).await;
        }
        let failed = |error| Failed::new(Exit::OsErr, format!("waiting for Ctrl-C: {error}"));
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
        // Listening first: the first trigger is not missed.
        let mut stream = service.stream(None).await?;
        switch(service, true).await?;
        let listed = tokio::select! {
            listed = list(&mut stream) => listed,
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
            _ = hangup.recv() => Ok(()),
        };
        // Whatever ended the list: a test that stays on is an alarm that is off.
        switch(service, false).await?;
        listed
    })
}

async fn switch(service: &Service, on: bool) -> Result {
    service.post("walk-test", &json!({ "on": on })).await?;
    let words = match on {
        true => "walk test: nothing alarms; every trigger beeps and is listed; Ctrl-C ends it",
        false => "walk test over",
    };
    // On the standard error: the list alone is the output.
    let _ = writeln!(std::io::stderr(), "{words}");
    Ok(())
}

async fn list(stream: &mut Stream) -> Result {
    while let Some(event) = stream.next().await? {
        if is_trigger(&event) {
            writeln!(std::io::stdout(), "{}", line(&event))?;
        }
    }
    Err(Failed::new(Exit::Unavailable, "the service has stopped"))
}

fn is_trigger(event: &Value) -> bool {
    event["kind"] == "trigger"
}
