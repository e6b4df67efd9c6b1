//! Who is known: for owners. And silent alarms, for owners at the dashboard alone.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::answer::Problem;
use super::fields::Fields;
use super::fingers;
use super::history::ask;
use super::principal::{owner_at_the_dashboard, owner_only};
use crate::access::NotEnrolled;
use crate::alarm::Actor;

/// No house has had more silent alarms that anybody wants to read.
const SILENT_ALARMS: usize = 100;

pub(super) async fn list(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
) -> Result<Json<Value>, Problem> {
    owner_only(&by, "the list of people")?;
    let people = app.house.access.people().list();
    let people: Vec<Value> = (people.iter())
        .map(|it| {
            json!({
                "name": it.name,
                "pin": it.pin,
                "fingers": it.fingers,
                "faces": it.faces,
                "since": it.since.rfc3339(),
            })
        })
        .collect();
    Ok(Json(json!({ "people": people })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPin {
    pin: Option<SecretString>,
    #[serde(default)]
    duress: bool,
}

pub(super) async fn pin(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    path: Result<Path<String>, PathRejection>,
    Fields(NewPin { pin, duress }): Fields<NewPin>,
) -> Result<Json<Value>, Problem> {
    owner_only(&by, "enrolling people")?;
    let Path(name) = path?;
    let pin = pin.ok_or_else(|| Problem::bad(r#"say which: {"pin": "2580"}"#))?;
    let enrolled = app.house.access.enrol_pin(&name, pin, duress, by).await;
    enrolled.map_err(problem)?;
    Ok(Json(json!({ "done": true })))
}

pub(super) async fn forget(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    owner_only(&by, "forgetting people")?;
    let Path(name) = path?;
    let forgotten = app.house.access.forget(&name, by).await;
    let slots = forgotten.map_err(problem)?;
    let left = fingers::forget(&app.house, &slots).await.err();
    Ok(Json(
        json!({ "done": true, "left_in_reader": left.map(|why| why.to_string()) }),
    ))
}

pub(super) async fn duress(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
) -> Result<Json<Value>, Problem> {
    owner_at_the_dashboard(&by)?;
    let alarms = ask(&app.house, |history| history.duress(SILENT_ALARMS)).await?;
    Ok(Json(json!({ "duress": alarms })))
}

pub(super) fn problem(why: NotEnrolled) -> Problem {
    let status = match &why {
        NotEnrolled::Name(_) | NotEnrolled::Pin(_) => StatusCode::BAD_REQUEST,
        NotEnrolled::Taken => StatusCode::CONFLICT,
        NotEnrolled::Nobody(_) => StatusCode::NOT_FOUND,
        NotEnrolled::System(_) => StatusCode::INTERNAL_SERVER_ERROR,
        NotEnrolled::NotKept => StatusCode::SERVICE_UNAVAILABLE,
    };
    Problem::new(status, why.to_string())
}
