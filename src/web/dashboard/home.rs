//! `/`: the house now; and `/pin`, where somebody shows who they are.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::past::shown;
use super::{Done, Page, proven, words};
use crate::alarm::{GasStatus, Mode, SensorKind};
use crate::web::answer::Problem;
use crate::web::history::ask;
use crate::web::metrics::sensor_word;
use crate::web::principal::Visitor;
use crate::web::{App, StatusBody};

/// The latest incidents on the page.
const LATELY: usize = 4;

pub(in crate::web) async fn page(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<Done>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Done { done }) = query?;
    Ok(draw(Page::new(&app, &visitor, done.as_deref())).await)
}

pub(super) async fn draw(page: Page<'_>) -> Response {
    let house = &page.app.house;
    let body = house.status_body();
    let time = page.time();
    // A history that cannot be read hides nothing of what is now.
    let lately = ask(house, |history| history.incidents(None, LATELY)).await;
    let unreadable = lately.is_err();
    let lately: Vec<Value> = lately.unwrap_or_default();
    let lately = lately.iter().filter(|it| !it["ended"].is_null());
    let lately: Vec<Value> = lately.map(|it| shown(it, &time)).collect();
    let unseen = body.incidents.iter().any(|it| it.acknowledged_by.is_none())
        || lately.iter().any(|it| it["unseen"] == true);
    let somebody_has_a_pin = house.access.people().list().iter().any(|it| it.pin);
    let modes: Vec<Value> = (Mode::ALL.iter())
        // In an alarm there is one thing to find.
        .filter(|_| page.is_owner() && !matches!(&*body.state, "pending" | "triggered"))
        .map(|mode| {
            json!({
                "word": mode.word(),
                "title": words::mode(*mode),
                "here": body.state != "disarmed" && body.mode == mode.state_name(),
            })
        })
        .collect();
    let sensors: Vec<Value> = (body.sensors.iter())
        .map(|sensor| {
            let (word, tone) = words::sensor(sensor.kind, sensor.state);
            json!({
                "name": sensor.name,
                "kind": sensor.kind.word(),
                "state": sensor_word(sensor.state),
                "word": word,
                "tone": tone,
                "since": sensor.since,
                "ago": time.ago(&sensor.since),
                "errors": sensor.errors,
            })
        })
        .collect();
    let troubles: Vec<Value> = (body.troubles.iter())
        .map(|trouble| {
            json!({
                "title": words::trouble(trouble.code, &trouble.subject),
                "ago": time.ago(&trouble.since),
                "text": trouble.text,
            })
        })
        .collect();
    let waiting = body.outbox.oldest.as_deref().map(|oldest| {
        let (count, ago) = (body.outbox.waiting, time.ago(oldest));
        format!("Messages under way: {count}, the oldest from {ago}.")
    });
    let is_watched = body.sensors.iter().any(|it| it.kind == SensorKind::Gas)
        // The incident goes on when its sensor was taken out of the configuration.
        || body.gas == GasStatus::Alarm;
    let has_fan = house.config.borrow().exhaust.is_some();
    let gas = match is_watched {
        true => Some(words::gas(body.gas)),
        false => has_fan.then(words::no_gas_sensor),
    };
    let view = json!({
        "here": "/",
        "until": body.until,
        "left": body.until.as_deref().map(|until| time.left(until)),
        "until_words": words::until(&body.state),
        "modes": modes,
        "deeds": deeds(&body, unseen, page.is_owner(), somebody_has_a_pin),
        "access": somebody_has_a_pin,
        "incidents": going_on(&page),
        "gas": gas,
        "fan": body.outputs.exhaust.active,
        "sensors": sensors,
        "troubles": troubles,
        "waiting": waiting,
        "lately": lately,
        "unreadable": unreadable,
        "proven": proven(&page),
    });
    page.draw("home.html", view)
}

/// What may be asked of the panel now, the most important first. A guest shows a PIN for most.
fn deeds(body: &StatusBody, unseen: bool, owner: bool, pins: bool) -> Vec<Value> {
    let armed = body.state != "disarmed";
    // A delay's ticking goes on until it is over.
    let alarm = body.state == "triggered" || body.gas == GasStatus::Alarm;
    let loud = alarm && body.outputs.buzzer.active;
    let all = [
        (armed, "disarm", "Disarm", "open", false),
        (unseen, "ack", "Acknowledge", "seen", true),
        (loud, "silence", "Silence", "mute", false),
        (
            body.state.starts_with("armed_"),
            "pause",
            "Pause",
            "pause",
            false,
        ),
    ];
    let may = |anybody: bool| owner || anybody;
    all.iter()
        .filter(|(now, _, _, _, anybody)| *now && (may(*anybody) || pins))
        .enumerate()
        .map(|(place, (_, what, title, icon, anybody))| {
            let class = if place == 0 { "main" } else { "" };
            json!({
                "do": what, "title": title, "icon": icon, "class": class, "pin": !may(*anybody),
            })
        })
        .collect()
}

/// Incidents that go on, with the photos so far.
fn going_on(page: &Page<'_>) -> Vec<Value> {
    let time = page.time();
    let snapshot = page.app.house.status.borrow().clone();
    let photos = |id: u64| {
        let mut incidents = snapshot.status.incidents.iter();
        let incident = incidents.find(|it| it.id.0 == id);
        incident.map_or(&[][..], |it| &it.photos)
    };
    let body = page.app.house.status_body();
    (body.incidents.iter())
        .map(|incident| {
            let (title, icon) = words::incident(incident.kind);
            let sensors: Vec<&str> = incident.sensors.iter().map(|it| it.as_str()).collect();
            json!({
                "id": incident.id,
                "title": title,
                "icon": icon,
                "sensors": sensors.join(", "),
                "since": incident.since,
                "at": time.on_the_clock(&incident.since),
                "ago": time.ago(&incident.since),
                "confirmed": incident.confirmed,
                "acknowledged_by": incident.acknowledged_by,
                "photos": photos(incident.id),
            })
        })
        .collect()
}

/// `?do=…`: what the PIN is for.
#[derive(Deserialize)]
pub(in crate::web) struct For {
    #[serde(rename = "do")]
    what: Option<String>,
}

pub(in crate::web) async fn pin(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<For>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(For { what }) = query?;
    let page = Page::new(&app, &visitor, None);
    Ok(draw_pin(&page, what.as_deref().unwrap_or("disarm")))
}

pub(super) fn draw_pin(page: &Page<'_>, what: &str) -> Response {
    let (what, verb) = match what {
        "arm" => ("arm", "Arm"),
        "pause" => ("pause", "Pause"),
        "silence" => ("silence", "Silence"),
        _ => ("disarm", "Disarm"),
    };
    let view = json!({
        "here": "/pin", "do": what, "verb": verb, "title": format!("{verb} with a PIN"),
    });
    page.draw("pin.html", view)
}
