//! `asfaleia status`: the house at a glance.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

use clap::Args;
use serde_json::Value;

use super::client::Service;
use super::events::local_time;
use super::exit::{Exit, Failed, Result};
use crate::alarm::{GasStatus, IncidentKind, SensorState};
use crate::web::StatusBody;

/// `asfaleia status`
#[derive(Args)]
pub(super) struct StatusArgs {
    /// As the API gives it
    #[arg(long)]
    json: bool,
}

pub(super) fn run(service: &Service, args: StatusArgs) -> Result {
    let status: Value = service.block_on(service.get("status"))?;
    let mut out = std::io::stdout();
    if args.json {
        writeln!(out, "{status:#}")?;
        return Ok(());
    }
    let status: StatusBody = serde_json::from_value(status).map_err(|error| {
        Failed::new(
            Exit::Software,
            format!("the status is not understood ({error}); is the service another version?"),
        )
    })?;
    let paint = Paint {
        colours: out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty()),
    };
    out.write_all(at_a_glance(&status, paint).as_bytes())?;
    Ok(())
}

/// `armed_away`, or `pending until 10:12:33`.
pub(super) fn one_line(status: &StatusBody) -> String {
    match &status.until {
        Some(until) => format!("{} until {}", status.state, local_time(until)),
        None => status.state.clone(),
    }
}

fn at_a_glance(status: &StatusBody, paint: Paint) -> String {
    let mut text = String::new();
    let calm = match status.state.as_str() {
        "triggered" => Colour::Red,
        "pending" | "arming" | "paused" => Colour::Yellow,
        _ => Colour::Green,
    };
    let mut line = |name: &str, words: String| {
        writeln!(text, "{name:<10} {words}").expect("a String takes everything");
    };
    line(
        "site",
        format!("{} (asfaleia {})", status.site, status.version),
    );
    line("panel", paint.with(calm, &one_line(status)));
    if status.walk_test {
        let words = "on: nothing alarms (end it with `asfaleia walk-test --off`)";
        line("walk test", paint.with(Colour::Yellow, words));
    }
    line(
        "gas",
        match status.gas {
            GasStatus::Clear => paint.with(Colour::Green, "clear"),
            GasStatus::WarmingUp => paint.with(Colour::Yellow, "warming up"),
            GasStatus::Unwatched => paint.with(Colour::Red, "not being watched"),
            GasStatus::Alarm => paint.with(Colour::Red, "ALARM"),
        },
    );
    line("exhaust", on_off(status.outputs.exhaust.active, paint));
    line("buzzer", on_off(status.outputs.buzzer.active, paint));
    for incident in &status.incidents {
        let kind = match incident.kind {
            IncidentKind::Intrusion => "intrusion",
            IncidentKind::Gas => "gas",
        };
        let sensors: Vec<_> = incident.sensors.iter().map(|name| name.as_str()).collect();
        let confirmed = if incident.confirmed {
            ", confirmed"
        } else {
            ""
        };
        let seen = incident.acknowledged_by.as_deref().map_or_else(
            || "nobody has acknowledged (asfaleia ack)".to_owned(),
            |who| format!("acknowledged by {who}"),
        );
        let words = format!(
            "{} {kind} since {}: {}{confirmed}; {seen}",
            incident.id,
            local_time(&incident.since),
            sensors.join(", "),
        );
        line("incident", paint.with(Colour::Red, &words));
    }
    let longest = |words: &mut dyn Iterator<Item = &str>| {
        words.map(|word| word.chars().count()).max().unwrap_or(0)
    };
    let name_width = longest(&mut status.sensors.iter().map(|sensor| sensor.name.as_str()));
    let kind_width = longest(&mut status.sensors.iter().map(|sensor| sensor.kind.word()));
    for sensor in &status.sensors {
        let state = match sensor.state {
            SensorState::Inactive => paint.with(Colour::Plain, "inactive  "),
            SensorState::Active => paint.with(Colour::Red, "active    "),
            SensorState::Silent => paint.with(Colour::Yellow, "silent    "),
            SensorState::WarmingUp => paint.with(Colour::Yellow, "warming up"),
            SensorState::Inhibited => paint.with(Colour::Yellow, "inhibited "),
            SensorState::Soak => paint.with(Colour::Plain, "on trial  "),
        };
        let errors = match sensor.errors {
            0 => String::new(),
            errors => format!(", {errors} bad readings"),
        };
        line(
            "sensor",
            format!(
                "{:<name_width$}  {:<kind_width$}  {state}  since {}{errors}",
                sensor.name.as_str(),
                sensor.kind.word(),
                local_time(&sensor.since),
            ),
        );
    }
    for trouble in &status.troubles {
        let words = format!("{}: {}", trouble.code.word(), trouble.text);
        line("trouble", paint.with(Colour::Yellow, &words));
    }
    let waiting = match (status.outbox.waiting, &status.outbox.oldest) {
        (0, _) => "none waiting".to_owned(),
        (waiting, None) => format!("{waiting} waiting"),
        (waiting, Some(oldest)) => format!("{waiting} waiting since {}", local_time(oldest)),
    };
    line("messages", waiting);
    for (path, at) in &status.proven {
        let when = at.as_deref().map_or("never".to_owned(), local_time);
        line("proven", format!("{path}: {when}"));
    }
    text
}

fn on_off(on: bool, paint: Paint) -> String {
    match on {
        true => paint.with(Colour::Red, "on"),
        false => "off".to_owned(),
    }
}

#[derive(Clone, Copy)]
enum Colour {
    Plain,
    Green,
    Yellow,
    Red,
}

/// Colours for people at a terminal.
#[derive(Clone, Copy)]
struct Paint {
    colours: bool,
}

impl Paint {
    fn with(self, colour: Colour, words: &str) -> String {
        let code = match colour {
            Colour::Plain => return words.to_owned(),
            Colour::Green => 32,
            Colour::Yellow => 33,
            Colour::Red => 31,
        };
        match self.colours {
            true => format!("\x1b[{code}m{words}\x1b[0m"),
            false => words.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status() -> StatusBody {
        serde_json::from_value(json!({
            "site": "Home", "version": "0.1.0", "state": "triggered", "mode": "armed_away",
            "until": null, "gas": "clear",
            "incidents": [{"id": 7, "kind": "intrusion", "sensors": ["hall"],
                "since": "2026-11-23T09:51:11.123Z", "confirmed": false, "acknowledged_by": null}],
            "sensors": [
                {"name": "hall", "kind": "motion", "state": "active",
                 "since": "2026-11-23T09:51:11.123Z", "errors": 0},
                {"name": "front door", "kind": "beam", "state": "inactive",
                 "since": "2026-11-23T09:00:00.000Z", "errors": 3}],
            "outputs": {"buzzer": {"active": true}, "exhaust": {"active": false}},
            "troubles": [{"code": "mail", "subject": "", "since": "2026-11-23T09:00:00.000Z",
                "text": "mail cannot leave"}],
            "outbox": {"waiting": 2, "oldest": "2026-11-23T09:00:00.000Z"},
            "proven": {"email": null}, "walk_test": false,
        }))
        .unwrap()
    }

    #[test]
    fn sensors_are_aligned_and_what_is_wrong_is_named() {
        let text = at_a_glance(&status(), Paint { colours: false });
        let sensors: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("sensor"))
            .collect();
        assert_eq!(sensors[0].find("since"), sensors[1].find("since"), "{text}");
        assert!(text.contains("panel      triggered\n"), "{text}");
        assert!(text.contains("3 bad readings"), "{text}");
        assert!(
            text.contains("nobody has acknowledged (asfaleia ack)"),
            "{text}"
        );
        assert!(text.contains("mail: mail cannot leave"), "{text}");
        assert!(
            !text.contains('\x1b'),
            "no colours off a terminal: {text:?}"
        );
    }

    #[test]
    fn a_terminal_shows_an_alarm_in_red() {
        let text = at_a_glance(&status(), Paint { colours: true });
        assert!(text.contains("\x1b[31mtriggered\x1b[0m"), "{text:?}");
    }
}
