//! Simulated devices: what a script, a test or a page does to them, and what arrived from the
//! alarm. Under `run` only sensors and outputs, for owners.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::Problem;
use super::fields::Fields;
use super::principal::owner_only;
use super::{App, ServiceKind, Sim};
use crate::alarm::Actor;

/// A longer pulse is a sensor that is active.
const LONGEST_PULSE: Duration = Duration::from_secs(3_600);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Push {
    active: Option<bool>,
    pulse: Option<String>,
}

pub(super) async fn sensor(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    path: Result<Path<String>, PathRejection>,
    Fields(push): Fields<Push>,
) -> Result<Json<Value>, Problem> {
    let sim = devices(&app, &by)?;
    let Path(name) = path?;
    let pushed = match push {
        Push {
            active: Some(active),
            pulse: None,
        } => sim.set_sensor(&name, active),
        Push {
            active: None,
            pulse: Some(pulse),
        } => sim.pulse(&name, pulse_length(&pulse)?),
        Push { .. } => {
            return Err(Problem::bad(
                r#"say one of {"active": true}, {"active": false} and {"pulse": "500ms"}"#,
            ));
        }
    };
    pushed.map_err(Problem::missing)?;
    Ok(Json(json!({ "done": true })))
}

pub(super) async fn outputs(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
) -> Result<Json<Value>, Problem> {
    devices(&app, &by)?;
    Ok(Json(json!({
        "exhaust": app.house.outputs.exhaust(),
        "buzzer": app.house.outputs.buzzer(),
        "heard": app.house.outputs.heard(),
    })))
}

pub(super) async fn faults(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(simulator(&app, &by)?.faults()))
}

pub(super) async fn set_faults(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    Fields(faults): Fields<Map<String, Value>>,
) -> Result<Json<Value>, Problem> {
    simulator(&app, &by)?
        .set_faults(Value::Object(faults))
        .map(Json)
        .map_err(Problem::bad)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Laid {
    finger: Option<String>,
}

pub(super) async fn finger(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    Fields(laid): Fields<Laid>,
) -> Result<Json<Value>, Problem> {
    simulator(&app, &by)?
        .lay_finger(laid.finger.as_deref())
        .map_err(Problem::missing)?;
    Ok(Json(json!({ "done": true })))
}

pub(super) async fn mails(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(simulator(&app, &by)?.mails()))
}

pub(super) async fn attachment(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    path: Result<Path<(usize, usize)>, PathRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Path((mail, number)) = path?;
    let (kind, bytes) = simulator(&app, &by)?
        .attachment(mail, number)
        .ok_or_else(|| {
            Problem::missing(format!("mail {mail} has no attachment {number} (from 0)"))
        })?;
    // Shown as an image or saved, never as a page of this address.
    let (kind, how) = match kind.as_str() {
        "image/jpeg" => ("image/jpeg", "inline"),
        _ => ("application/octet-stream", "attachment"),
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_DISPOSITION, how),
    ];
    Ok((headers, bytes))
}

pub(super) async fn calls(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(simulator(&app, &by)?.calls()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Faces {
    #[serde(default)]
    pictures: Option<PathBuf>,
}

/// Somebody stands before the camera, or nobody any more.
pub(super) async fn faces(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    Fields(Faces { pictures }): Fields<Faces>,
) -> Result<Json<Value>, Problem> {
    let sim = simulator(&app, &by)?;
    let shown = tokio::task::spawn_blocking(move || sim.show_faces(pictures.as_deref()));
    let shown = shown
        .await
        .unwrap_or_else(|_| Err("reading the pictures failed".to_owned()));
    Ok(Json(json!({ "frames": shown.map_err(Problem::bad)? })))
}

/// Simulated sensors and outputs.
fn devices(app: &App, by: &Actor) -> Result<Arc<dyn Sim>, Problem> {
    owner_only(by, "playing with simulated devices")?;
    app.house
        .sim
        .clone()
        .ok_or_else(|| Problem::missing("this service has no simulated devices"))
}

/// The simulator's mail server, telephone service and everything that can break.
pub(super) fn simulator(app: &App, by: &Actor) -> Result<Arc<dyn Sim>, Problem> {
    match app.house.kind {
        ServiceKind::Simulate => devices(app, by),
        ServiceKind::Run => Err(Problem::missing(
            "this is a real service; faults, fingers, mails and calls are simulated by `asfaleia simulate`",
        )),
    }
}

/// `500ms`, `2s`, `1m`.
fn pulse_length(text: &str) -> Result<Duration, Problem> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
    let (number, unit) = text.split_at(digits);
    let millis: Option<u64> = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        _ => None,
    };
    millis
        .zip(number.parse().ok())
        .and_then(|(unit, number): (u64, u64)| number.checked_mul(unit))
        .map(Duration::from_millis)
        .filter(|length| !length.is_zero() && *length <= LONGEST_PULSE)
        .ok_or_else(|| {
            Problem::bad(format!(
                "{text:?} is no length of a pulse: write \"500ms\", \"2s\" or \"1m\", an hour at most"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_is_as_long_as_it_says() {
        assert_eq!(pulse_length("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(pulse_length("2s").unwrap(), Duration::from_secs(2));
        assert_eq!(pulse_length("1m").unwrap(), Duration::from_secs(60));
    }

    #[test]
    fn a_pulse_of_no_length_or_without_end_is_refused() {
        for text in [
            "",
            "0s",
            "5",
            "ms",
            "-1s",
            "61m",
            "1.5s",
            "18446744073709551615m",
            "é",
        ] {
            assert!(pulse_length(text).is_err(), "{text}");
        }
    }
}
