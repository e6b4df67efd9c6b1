//! The plain status page: what the house is, without a script. The dashboard takes its place.

use std::fmt::{self, Write};

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use serde_json::Value;

use super::answer::Problem;
use super::history::ask;
use super::html::{Escaped, framed};
use super::metrics::sensor_word;
use super::{App, ServiceKind, StatusBody, sentence};
use crate::alarm::{GasStatus, Record};

/// The latest events on the page.
const EVENTS: usize = 30;

pub(super) async fn page(State(app): State<App>) -> Html<String> {
    let house = &app.house;
    let body = house.status_body();
    let events = ask(house, |history| history.latest(EVENTS)).await;
    let mut html = String::new();
    write_status(&mut html, &body)
        .and_then(|()| write_events(&mut html, &events))
        .and_then(|()| match (house.kind, &house.sim) {
            (ServiceKind::Simulate, Some(sim)) => {
                write_mails(&mut html, &sim.mails())?;
                write_calls(&mut html, &sim.calls())
            }
            (ServiceKind::Run, _) | (ServiceKind::Simulate, None) => Ok(()),
        })
        .expect("a String takes everything");
    Html(framed(&body.site, &html))
}

pub(super) async fn style() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (headers, include_str!("style.css"))
}

fn write_status(html: &mut String, body: &StatusBody) -> fmt::Result {
    let gas = gas_word(body.gas);
    write!(
        html,
        "<p>The panel is <strong class=\"{0}\">{0}</strong>",
        Escaped(&body.state)
    )?;
    if let Some(until) = &body.until {
        write!(html, " until <time>{}</time>", Escaped(until))?;
    }
    writeln!(html, ", gas: <strong class=\"{gas}\">{gas}</strong>.")?;
    for (on, what) in [
        (body.outputs.buzzer.active, "The buzzer sounds."),
        (body.outputs.exhaust.active, "The exhaust fan runs."),
        (body.walk_test, "A walk test is on: nothing alarms."),
    ] {
        if on {
            writeln!(html, " {what}")?;
        }
    }
    writeln!(html, "</p>")?;
    for incident in &body.incidents {
        let sensors: Vec<_> = incident.sensors.iter().map(|name| name.as_str()).collect();
        let acknowledged = incident.acknowledged_by.as_deref();
        writeln!(
            html,
            "<p class=\"trouble\">Incident {} since <time>{}</time>: {} ({})</p>",
            incident.id,
            Escaped(&incident.since),
            Escaped(sensors.join(", ")),
            Escaped(
                acknowledged.map_or("nobody has acknowledged".into(), |who| {
                    format!("acknowledged by {who}")
                })
            ),
        )?;
    }
    for trouble in &body.troubles {
        writeln!(
            html,
            "<p class=\"trouble\">{}: {}</p>",
            trouble.code.word(),
            Escaped(&trouble.text)
        )?;
    }
    let rows = body.sensors.iter().map(|sensor| {
        let state = sensor_word(sensor.state);
        format!(
            "<tr><td>{}</td><td>{}</td><td class=\"{state}\">{state}</td>\
             <td><time>{}</time></td></tr>",
            Escaped(&sensor.name),
            sensor.kind.word(),
            Escaped(&sensor.since),
        )
    });
    write_table(html, "Sensors", rows)
}

fn write_events(html: &mut String, events: &Result<Vec<Value>, Problem>) -> fmt::Result {
    let events = match events {
        Ok(events) => events,
        Err(problem) => {
            return writeln!(html, "<p class=\"trouble\">{}</p>", Escaped(&problem.error));
        }
    };
    let rows = events.iter().rev().map(|event| {
        let words = serde_json::from_value::<Record>(event.clone())
            .map_or_else(|_| text(event, "kind").to_owned(), |what| sentence(&what));
        format!(
            "<tr><td><time>{}</time></td><td>{}</td></tr>",
            Escaped(text(event, "at")),
            Escaped(words)
        )
    });
    write_table(html, "Latest events", rows)
}

fn write_mails(html: &mut String, mails: &Value) -> fmt::Result {
    let mails = mails.as_array().map_or(&[][..], Vec::as_slice);
    let rows = mails.iter().enumerate().rev().map(|(number, mail)| {
        let to: Vec<_> = list(mail, "to").iter().filter_map(Value::as_str).collect();
        let photos: String = list(mail, "attachments")
            .iter()
            .enumerate()
            .map(|(n, file)| {
                let link = format!("/api/v1/sim/mails/{number}/attachments/{n}");
                let name = Escaped(text(file, "name"));
                match text(file, "type") {
                    "image/jpeg" => format!("<img src=\"{link}\" alt=\"{name}\">"),
                    _ => format!("<a href=\"{link}\">{name}</a>"),
                }
            })
            .collect();
        format!(
            "<tr><td>{}</td><td>{}<pre class=\"dim\">{}</pre>{photos}</td></tr>",
            Escaped(to.join(", ")),
            Escaped(text(mail, "subject")),
            Escaped(text(mail, "text")),
        )
    });
    write_table(html, "Mails that arrived", rows)
}

fn write_calls(html: &mut String, calls: &Value) -> fmt::Result {
    let calls = calls.as_array().map_or(&[][..], Vec::as_slice);
    let rows = calls.iter().rev().map(|call| {
        format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            Escaped(text(call, "to")),
            Escaped(text(call, "words")),
            Escaped(text(call, "status")),
        )
    });
    write_table(html, "Calls", rows)
}

fn write_table(html: &mut String, title: &str, rows: impl Iterator<Item = String>) -> fmt::Result {
    let rows: String = rows.collect();
    match rows.as_str() {
        "" => writeln!(html, "<h2>{title}</h2><p class=\"dim\">none</p>"),
        rows => writeln!(html, "<h2>{title}</h2><table>{rows}</table>"),
    }
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or("")
}

fn list<'a>(object: &'a Value, key: &str) -> &'a [Value] {
    object
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

pub(super) fn gas_word(gas: GasStatus) -> &'static str {
    match gas {
        GasStatus::Clear => "clear",
        GasStatus::WarmingUp => "warming_up",
        GasStatus::Unwatched => "unwatched",
        GasStatus::Alarm => "alarm",
    }
}
