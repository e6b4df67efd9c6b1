//! The virtual house of `simulate`: its page, and what the page asks for beside the normal API.

use std::net::SocketAddr;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::answer::Problem;
use super::fields::Fields;
use super::guard::{is_ours, same_house};
use super::history::{MOST, ask};
use super::sim::simulator;
use super::words::{reason, sentence};
use super::{App, ServiceKind};
use crate::alarm::{Actor, Event, Record};

/// As many lines of the timeline as a page shows at first.
const LINES: usize = 100;

pub(super) async fn page(State(app): State<App>) -> Result<Response, Problem> {
    shown(&app, "")
}

pub(super) async fn file(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(file) = path?;
    shown(&app, &file)
}

fn shown(app: &App, file: &str) -> Result<Response, Problem> {
    match app.house.kind {
        ServiceKind::Simulate => found(file),
        ServiceKind::Run => Err(Problem::missing(
            "this is a real house; the virtual one is shown by `asfaleia simulate`",
        )),
    }
}

/// What the page is made of: name, type, content.
const FILES: &[(&str, &str, &str)] = &[
    ("", HTML, include_str!("virtual_house/house.html")),
    ("house.css", CSS, include_str!("virtual_house/house.css")),
    ("house.js", SCRIPT, include_str!("virtual_house/house.js")),
    ("api.js", SCRIPT, include_str!("virtual_house/api.js")),
    ("plan.js", SCRIPT, include_str!("virtual_house/plan.js")),
    ("figure.js", SCRIPT, include_str!("virtual_house/figure.js")),
    ("way.js", SCRIPT, include_str!("virtual_house/way.js")),
    ("sound.js", SCRIPT, include_str!("virtual_house/sound.js")),
    ("people.js", SCRIPT, include_str!("virtual_house/people.js")),
    ("world.js", SCRIPT, include_str!("virtual_house/world.js")),
];
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

fn found(file: &str) -> Result<Response, Problem> {
    let (_, kind, content) = (FILES.iter().find(|(name, _, _)| *name == file))
        .ok_or_else(|| Problem::missing(format!("there is nothing at /house/{file}")))?;
    let headers = [
        (header::CONTENT_TYPE, *kind),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ];
    Ok((headers, *content).into_response())
}

/// The rooms with their sensors, and everything else that the page draws.
pub(super) async fn house(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
) -> Result<Json<Value>, Problem> {
    let mut house = simulator(&app, &by)?.surroundings();
    let config = app.house.config.borrow().clone();
    let sensors = config.sensors.iter().map(
        |sensor| json!({"name": sensor.name, "kind": sensor.kind.word(), "room": sensor.room}),
    );
    let contacts = (config.contacts.iter()).map(
        |contact| json!({"name": contact.name, "email": contact.email, "phone": contact.phone}),
    );
    house["site"] = json!(config.site.name);
    house["sensors"] = sensors.collect();
    house["contacts"] = contacts.collect();
    house["camera"] = json!(config.camera.is_some());
    house["buzzer"] = json!(config.buzzer.is_some());
    house["exhaust"] = json!(config.exhaust.is_some());
    Ok(Json(house))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    after: Option<u64>,
}

/// What happened, in words, and why: oldest first; without `after` the newest.
pub(super) async fn timeline(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    query: Result<Query<After>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    simulator(&app, &by)?;
    let Query(After { after }) = query?;
    let events = ask(&app.house, move |history| match after {
        Some(after) => history.events(after, MOST),
        None => history.latest(LINES),
    });
    let lines = events.await?.into_iter().map(|event| {
        let record = serde_json::from_value::<Record>(event.clone()).ok();
        json!({
            "id": event["id"],
            "at": event["at"],
            "kind": event["kind"],
            "incident": event["incident"],
            "text": record.as_ref().map(sentence),
            "why": record.as_ref().and_then(reason),
        })
    });
    Ok(Json(json!({ "lines": lines.collect::<Value>() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    answer: String,
}

/// Whoever is called answers, is engaged, or lets it ring.
pub(super) async fn decide(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    path: Result<Path<usize>, PathRejection>,
    Fields(Decision { answer }): Fields<Decision>,
) -> Result<Json<Value>, Problem> {
    let Path(call) = path?;
    simulator(&app, &by)?
        .decide_call(call, &answer)
        .map_err(Problem::missing)?;
    Ok(Json(json!({ "done": true })))
}

pub(super) async fn clock(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(simulator(&app, &by)?.speed()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Speed {
    speed: u32,
}

pub(super) async fn set_clock(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    Fields(Speed { speed }): Fields<Speed>,
) -> Result<Json<Value>, Problem> {
    let sim = simulator(&app, &by)?;
    sim.set_speed(speed).map_err(Problem::bad)?;
    // The panel sleeps by the old pace.
    app.house.inbox.send(Event::Tick);
    Ok(Json(sim.speed()))
}

/// Who gets this answer has power.
pub(super) async fn power(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
) -> Result<Json<Value>, Problem> {
    simulator(&app, &by)?;
    Ok(Json(json!({ "on": true })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Power {
    on: bool,
}

pub(super) async fn switch_power(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    Fields(Power { on }): Fields<Power>,
) -> Result<Json<Value>, Problem> {
    let sim = simulator(&app, &by)?;
    if !on {
        sim.cut_power().map_err(Problem::missing)?;
    }
    Ok(Json(json!({ "on": on })))
}

pub(super) async fn scenarios(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(simulator(&app, &by)?.scenarios()))
}

/// Plays a scenario in the running house.
pub(super) async fn play(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let Path(name) = path?;
    let state = app.house.status.borrow().status.state;
    let sim = simulator(&app, &by)?;
    sim.play(&name, state, &app.house.inbox)
        .map_err(Problem::missing)?;
    Ok(Json(json!({ "done": true })))
}

/// What answers at `ours` while the house has no power: the page, and the switch, which cancels
/// `on`: the darkness is over. Everything else is 503.
pub fn dark_house(ours: SocketAddr, on: CancellationToken) -> Router {
    let switch = async move |body: axum::body::Bytes| {
        match serde_json::from_slice(&body) {
            Ok(Power { on: true }) => on.cancel(),
            Ok(Power { on: false }) => {}
            Err(error) => return Err(Problem::bad(error.to_string())),
        }
        Ok(Json(json!({ "on": false })))
    };
    let is_off = async || Json(json!({ "on": false }));
    Router::new()
        .route("/api/v1/sim/power", get(is_off).put(switch))
        .route("/house", get(async || found("")))
        .route(
            "/house/{file}",
            get(async |Path(file): Path<String>| found(&file)),
        )
        .fallback(async || {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the power is cut: PUT sim/power {\"on\": true} switches it on",
            )
        })
        .layer(middleware::from_fn(
            move |request: Request, next: Next| async move {
                same_house(request.headers(), request.uri(), ours, |name| {
                    is_ours(name, ours, false)
                })?;
                let mut response = next.run(request).await;
                // Nobody waits on a line to a house that will be another process.
                for (name, value) in [
                    (header::CONNECTION, "close"),
                    (header::CACHE_CONTROL, "no-store"),
                ] {
                    let value = header::HeaderValue::from_static(value);
                    response.headers_mut().insert(name, value);
                }
                Ok::<Response, Problem>(response)
            },
        ))
}
