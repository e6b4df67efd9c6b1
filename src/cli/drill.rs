//! `asfaleia drill`: a marked test along every path, and what became of it.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::client::{Service, Stream};
use super::exit::{Exit, Failed, Result};
use crate::alarm::Proof;

/// `asfaleia drill`
#[derive(Args)]
pub(super) struct DrillArgs {
    /// Sound the buzzer too, for a moment
    #[arg(long)]
    buzzer: bool,
    /// Switch the exhaust relay too, for a moment
    #[arg(long)]
    relay: bool,
    /// Wait no longer for what is under way; it goes on in the service
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    wait: u64,
    /// Print one JSON object at the end
    #[arg(long)]
    json: bool,
}

/// How a path stands.
#[derive(Clone, Serialize)]
struct Standing {
    outcome: Proof,
    detail: String,
}

/// Paths, in the order in which they are shown.
type Paths = Vec<(String, Standing)>;

pub(super) fn run(service: &Service, args: DrillArgs) -> Result {
    let asked = json!({ "buzzer": args.buzzer, "relay": args.relay });
    let paths = service.block_on(async {
        // Listening first: nothing is missed.
        let mut stream = service.stream(None).await?;
        let started = service.post("drill", &asked).await?;
        let mut paths = begun(&started);
        let until = Instant::now() + Duration::from_secs(args.wait);
        let followed = timeout_at(until, follow(&mut stream, &mut paths, args.json)).await;
        followed.unwrap_or(Ok(()))?;
        Ok::<_, Failed>(paths)
    })?;
    conclude(&paths, args.json)
}

fn begun(started: &Value) -> Paths {
    let paths = started["paths"].as_array().into_iter().flatten();
    let paths = paths.filter_map(Value::as_str).map(|path| {
        let standing = Standing {
            outcome: Proof::Pending,
            detail: String::new(),
        };
        (path.to_owned(), standing)
    });
    paths.collect()
}

/// Until nothing is under way any more.
async fn follow(stream: &mut Stream, paths: &mut Paths, json: bool) -> Result {
    while paths.iter().any(|(_, it)| it.outcome == Proof::Pending) {
        let Some(event) = stream.next().await? else {
            let why = "the service has stopped; what is under way goes on when it is back";
            return Err(Failed::new(Exit::Unavailable, why));
        };
        if take(&event, paths) && !json {
            let (path, standing) = paths.last().expect("it was just put there");
            show(path, standing)?;
        }
    }
    Ok(())
}

/// Takes what an event says of a path, which is the last one from then on. `false`: nothing.
fn take(event: &Value, paths: &mut Paths) -> bool {
    if event["kind"] != "proof" {
        return false;
    }
    let data = &event["data"];
    let found = paths.iter().position(|(path, _)| data["path"] == **path);
    let outcome = serde_json::from_value(data["outcome"].clone());
    let (Some(found), Ok(outcome)) = (found, outcome) else {
        return false; // added by a newer service
    };
    let (path, was) = paths.remove(found);
    // One that arrived has arrived, whatever another drill says.
    let settled = was.outcome != Proof::Pending;
    let detail = data["detail"].as_str().unwrap_or_default().to_owned();
    let standing = Standing { outcome, detail };
    paths.push((path, if settled { was } else { standing }));
    !settled
}

fn show(path: &str, standing: &Standing) -> Result {
    let word = word(standing.outcome);
    let line = format!("{path:<20} {word:<9} {}", standing.detail);
    writeln!(std::io::stdout(), "{}", line.trim_end())?;
    Ok(())
}

fn word(outcome: Proof) -> &'static str {
    match outcome {
        Proof::Pending => "pending",
        Proof::Delivered => "delivered",
        Proof::Failed => "failed",
    }
}

/// What is left to say, and the exit code.
fn conclude(paths: &Paths, json: bool) -> Result {
    let with = |outcome| {
        let which = paths.iter().filter(move |(_, it)| it.outcome == outcome);
        which.map(|(path, _)| path.as_str()).collect::<Vec<_>>()
    };
    let (failed, pending) = (with(Proof::Failed), with(Proof::Pending));
    if json {
        let paths: BTreeMap<_, _> = paths.iter().map(|(path, it)| (path, it)).collect();
        writeln!(std::io::stdout(), "{}", json!({ "paths": paths }))?;
    }
    let about = |what: &str, which: &[&str]| format!("{what}: {}", which.join(", "));
    if !failed.is_empty() {
        let why = about("the drill failed", &failed);
        return Err(Failed::new(Exit::Unavailable, why));
    }
    if !pending.is_empty() {
        let why = about("still under way (asfaleia events --follow)", &pending);
        return Err(Failed::new(Exit::TempFail, why));
    }
    if paths.is_empty() && !json {
        let why = "there is no way to people in the configuration: nothing was sent";
        return Err(Failed::new(Exit::Config, why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(path: &str, outcome: &str) -> Value {
        json!({"kind": "proof", "data": {"path": path, "outcome": outcome, "detail": ""}})
    }

    #[test]
    fn a_path_that_failed_or_is_pending_shows_in_the_exit_code() {
        let mut paths = begun(&json!({"paths": ["email:Anna", "phone:Anna"]}));
        assert_eq!(conclude(&paths, true).unwrap_err().exit, Exit::TempFail);
        assert!(take(&proof("email:Anna", "delivered"), &mut paths));
        assert!(take(&proof("phone:Anna", "pending"), &mut paths));
        assert!(!take(&proof("phone:Eve", "failed"), &mut paths));
        assert_eq!(conclude(&paths, true).unwrap_err().exit, Exit::TempFail);
        assert!(take(&proof("phone:Anna", "failed"), &mut paths));
        let failed = conclude(&paths, true).unwrap_err();
        assert_eq!(failed.exit, Exit::Unavailable);
        assert!(failed.error.contains("phone:Anna"), "{}", failed.error);
        // It failed once; a second drill at the same time does not change that.
        assert!(!take(&proof("phone:Anna", "delivered"), &mut paths));
    }
}
