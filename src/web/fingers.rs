//! Fingers: enrolled step by step, and templates that nobody enrolled.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::answer::Problem;
use super::enrolment::told;
use super::fields::Fields;
use super::people::problem;
use super::principal::owner_only;
use super::{App, House};
use crate::access::finger::{FingerError, Progress};
use crate::access::{NotEnrolled, people};
use crate::alarm::Actor;
use crate::store::KnownBy;

/// A reader that hangs is not waited for any longer.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewFinger {
    #[serde(default)]
    duress: bool,
}

/// Enrols a finger: server-sent events say what to ask of the person, the last one how it ended.
/// Hanging up ends it.
pub(super) async fn enrol(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    path: Result<Path<String>, PathRejection>,
    Fields(NewFinger { duress }): Fields<NewFinger>,
) -> Result<impl IntoResponse, Problem> {
    owner_only(&by, "enrolling people")?;
    let Path(name) = path?;
    people::name(&name).map_err(|error| problem(error.into()))?;
    let (say, said) = mpsc::channel(1);
    let house = app.house.clone();
    // Not cut off between the reader's "stored" and its owner's name: it ends when nobody listens.
    let enrolment = tokio::spawn(async move {
        let slot = house.fingers.enrol(say).await?;
        let finger = KnownBy::Finger { slot, duress };
        let enrolled = house.access.enrol(&name, vec![finger], by).await;
        enrolled?;
        Ok::<_, NoFinger>(json!({}))
    });
    Ok(told(app, said, enrolment, word))
}

/// Forgets the templates that nobody enrolled here.
pub(super) async fn forget_unknown(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
) -> Result<Json<Value>, Problem> {
    owner_only(&by, "forgetting fingers")?;
    let deleted = app.house.fingers.delete_unknown().await;
    let deleted = deleted
        .map_err(|error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    Ok(Json(json!({ "deleted": deleted })))
}

/// Has the reader forget these slots, which are nobody's any more. `Err`: it does not for now, and
/// why; they let nobody in, and are the trouble `finger-unknown` until they are gone.
pub(super) async fn forget(house: &House, slots: &[u16]) -> Result<(), FingerError> {
    let all = async {
        for slot in slots {
            house.fingers.delete(*slot).await?;
        }
        Ok(())
    };
    timeout(FORGOTTEN_WITHIN, all)
        .await
        .unwrap_or_else(|_| Err(FingerError::NotThere("it is busy".to_owned())))
}

/// Why it came to nothing.
#[derive(Debug, thiserror::Error)]
enum NoFinger {
    #[error(transparent)]
    Reader(#[from] FingerError),
    #[error(transparent)]
    House(#[from] NotEnrolled),
}

fn word(progress: Progress) -> Value {
    let word = match progress {
        Progress::Lay => "lay",
        Progress::Lift => "lift",
        Progress::LayAgain => "lay-again",
        Progress::Unreadable => "unreadable",
        Progress::Different => "different",
    };
    json!({ "finger": word })
}
