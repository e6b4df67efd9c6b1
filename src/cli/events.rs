//! `asfaleia events`: what happened, and what happens.

use std::io::Write;

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::client::Service;
use super::exit::{Exit, Failed, Result};
use crate::alarm::Record;
use crate::web::sentence;

/// As many as the service gives at once.
const PAGE: usize = 1_000;
/// So many of what was before, when nothing else is asked for, give a new follower its bearings.
const BEFORE_FOLLOWING: usize = 10;

/// `asfaleia events`
#[derive(Args)]
pub(super) struct EventsArgs {
    /// Go on with what happens now
    #[arg(long, short)]
    follow: bool,
    /// One JSON object a line, as the API gives them
    #[arg(long)]
    json: bool,
    /// Begin after the event of this id
    #[arg(long, value_name = "ID", conflicts_with = "last")]
    after: Option<u64>,
    /// Begin with the newest N, 1000 at most [default with --follow: 10; else everything]
    #[arg(long, short = 'n', value_name = "N")]
    last: Option<usize>,
}

pub(super) fn run(service: &Service, args: EventsArgs) -> Result {
    service.block_on(async {
        let last = match (args.after, args.last) {
            (None, None) if args.follow => Some(BEFORE_FOLLOWING),
            (_, last) => last,
        };
        let mut seen = args.after.unwrap_or(0);
        match last {
            Some(last) => {
                let path = format!("events?last={last}");
                page(service, &path, args.json, &mut seen).await?;
            }
            None => loop {
                let path = format!("events?after={seen}&limit={PAGE}");
                if page(service, &path, args.json, &mut seen).await? < PAGE {
                    break;
                }
            },
        }
        if !args.follow {
            return Ok(());
        }
        let mut stream = service.stream(Some(seen)).await?;
        while let Some(event) = stream.next().await? {
            print(&event, args.json)?;
        }
        Err(Failed::new(Exit::Unavailable, "the service has stopped"))
    })
}

/// Prints a page and says how long it was.
async fn page(service: &Service, path: &str, json: bool, seen: &mut u64) -> Result<usize> {
    let mut answer: Value = service.get(path).await?;
    let events = match answer["events"].take() {
        Value::Array(events) => events,
        _ => Vec::new(),
    };
    for event in &events {
        print(event, json)?;
        *seen = event["id"].as_u64().unwrap_or(*seen);
    }
    Ok(events.len())
}

fn print(event: &Value, json: bool) -> Result {
    let mut out = std::io::stdout();
    if json {
        writeln!(out, "{event}")?;
    } else {
        writeln!(out, "{}", line(event))?;
    }
    Ok(())
}

/// An event for people: when, in which incident, what.
pub(super) fn line(event: &Value) -> String {
    let at = event["at"].as_str().unwrap_or_default();
    // A kind that this version does not know is shown as it came.
    let words = serde_json::from_value::<Record>(event.clone()).map_or_else(
        |_| {
            format!(
                "{} {}",
                event["kind"].as_str().unwrap_or("?"),
                event["data"]
            )
        },
        |what| sentence(&what),
    );
    let incident = event["incident"]
        .as_u64()
        .map_or(String::new(), |id| format!("[{id}] "));
    let doubt = match event["clock_set"].as_bool() {
        Some(false) => " (the clock was not set)",
        Some(true) | None => "",
    };
    format!("{}{doubt}  {incident}{words}", local_time(at))
}

/// A time of the API as the clock on the wall here shows it.
pub(super) fn local_time(rfc3339: &str) -> String {
    rfc3339.parse::<Timestamp>().map_or_else(
        |_| rfc3339.to_owned(),
        |at| {
            at.to_zoned(TimeZone::system())
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_reads_as_a_sentence() {
        let event = json!({
            "id": 5, "at": "2026-11-23T09:51:11.123Z", "clock_set": true, "boot_id": "b",
            "kind": "trigger", "incident": 3,
            "data": {"sensor": "hall", "sensor_kind": "motion", "effect": "alarm"},
        });
        assert!(
            line(&event).ends_with("  [3] hall (motion): alarm"),
            "{}",
            line(&event)
        );
    }

    #[test]
    fn an_event_of_a_newer_service_is_shown_as_it_came() {
        let event = json!({"id": 5, "at": "?", "kind": "eclipse", "data": {"of": "sun"}});
        assert_eq!(line(&event), r#"?  eclipse {"of":"sun"}"#);
    }
}
