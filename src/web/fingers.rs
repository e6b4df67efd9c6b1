//! Fingers: enrolled step by step, and templates that nobody enrolled.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::answer::Problem;
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
/// A comment so often finds clients that are gone.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

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
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
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
        Ok(enrolled?)
    });
    let steps = Steps::Going {
        app,
        said,
        enrolment,
    };
    let events = unfold(steps, |steps| async {
        let (said, steps) = steps.next().await?;
        let event = Event::default().json_data(said).expect("words are JSON");
        Some((Ok(event), steps))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
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

/// An enrolment as it is told.
enum Steps {
    Going {
        app: App,
        said: mpsc::Receiver<Progress>,
        enrolment: JoinHandle<Result<(), NoFinger>>,
    },
    Ended,
}

/// Why it came to nothing.
#[derive(Debug, thiserror::Error)]
enum NoFinger {
    #[error(transparent)]
    Reader(#[from] FingerError),
    #[error(transparent)]
    House(#[from] NotEnrolled),
}

impl Steps {
    /// What is said next; `None` ends the stream.
    async fn next(self) -> Option<(Value, Steps)> {
        let Steps::Going {
            app,
            mut said,
            enrolment,
        } = self
        else {
            return None;
        };
        let progress = tokio::select! {
            () = app.stop.cancelled() => return None,
            progress = said.recv() => progress,
        };
        if let Some(progress) = progress {
            let going = Steps::Going {
                app,
                said,
                enrolment,
            };
            return Some((json!({ "finger": word(progress) }), going));
        }
        let ended = match enrolment.await {
            Ok(Ok(())) => json!({ "done": true }),
            Ok(Err(why)) => json!({ "error": why.to_string() }),
            Err(_) => json!({ "error": "the enrolment failed; the log says where" }),
        };
        Some((ended, Steps::Ended))
    }
}

fn word(progress: Progress) -> &'static str {
    match progress {
        Progress::Lay => "lay",
        Progress::Lift => "lift",
        Progress::LayAgain => "lay-again",
        Progress::Unreadable => "unreadable",
        Progress::Different => "different",
    }
}
