//! Faces: making them known, and asking whose one is. For owners.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::answer::Problem;
use super::enrolment::told;
use super::fields::Fields;
use super::people::problem;
use super::principal::owner_only;
use super::{App, House};
use crate::access::face::{Embedding, Guided, NotGuided, Pose, Start, VIEWS, closest};
use crate::access::{NotEnrolled, people};
use crate::alarm::Actor;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewFace {
    views: Option<Vec<Vec<f32>>>,
}

/// Makes a face known: by views that were made elsewhere, with the same models; without them before
/// the camera, where server-sent events say what to ask of the person, the last one how it ended.
/// Hanging up ends it.
pub(super) async fn enrol(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    path: Result<Path<String>, PathRejection>,
    Fields(NewFace { views }): Fields<NewFace>,
) -> Result<Response, Problem> {
    owner_only(&by, "enrolling people")?;
    let Path(name) = path?;
    let Some(views) = views else {
        people::name(&name).map_err(|error| problem(error.into()))?;
        return Ok(guided(app, name, by).into_response());
    };
    let views: Option<Vec<Embedding>> = views.into_iter().map(Embedding::new).collect();
    let views = views.filter(|views| views.len() == VIEWS).ok_or_else(|| {
        let length = Embedding::LENGTH;
        Problem::bad(format!(
            "a face is {{\"views\": […]}}: {VIEWS} of {length} numbers each; {{}} looks through \
             the camera"
        ))
    })?;
    let warning = known(&app.house, &name, &views, by)
        .await
        .map_err(problem)?;
    Ok(Json(json!({ "done": true, "warning": warning })).into_response())
}

fn guided(app: App, name: String, by: Actor) -> impl IntoResponse {
    let (say, said) = mpsc::channel(1);
    let house = app.house.clone();
    let enrolment = tokio::spawn(async move {
        let start = Start::of(&house.config.borrow().clone());
        let views = house.guide.enrol(&start, &say).await?;
        let warning = known(&house, &name, &views, by).await?;
        Ok::<_, NoFace>(json!({ "warning": warning }))
    });
    told(app, said, enrolment, words)
}

/// Makes the views known; says whom they may be taken for.
async fn known(
    house: &House,
    name: &str,
    views: &[Embedding],
    by: Actor,
) -> Result<Option<String>, NotEnrolled> {
    let warning = house.access.people().taken_for(name, views);
    let views = views.iter().map(Embedding::known_by).collect();
    house.access.enrol(name, views, by).await?;
    Ok(warning)
}

/// Why it came to nothing.
#[derive(Debug, thiserror::Error)]
enum NoFace {
    #[error(transparent)]
    Camera(#[from] NotGuided),
    #[error(transparent)]
    House(#[from] NotEnrolled),
}

fn words(guided: Guided) -> Value {
    let word = match guided {
        Guided::Look(Pose::Straight) => "straight",
        Guided::Look(Pose::Left) => "left",
        Guided::Look(Pose::Right) => "right",
        Guided::Look(Pose::Up) => "up",
        Guided::Look(Pose::Down) => "down",
        Guided::Good => "good",
        Guided::Unfit(why) => return json!({ "face": "unfit", "why": why.to_string() }),
    };
    json!({ "face": word })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default)]
    embedding: Vec<f32>,
}

/// Whose face is closest; it grants nothing.
pub(super) async fn whose(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    Fields(Asked { embedding }): Fields<Asked>,
) -> Result<Json<Value>, Problem> {
    owner_only(&by, "trying faces")?;
    let face = Embedding::new(embedding).ok_or_else(|| {
        Problem::bad(format!(
            "a face is {{\"embedding\": […]}}: {} numbers",
            Embedding::LENGTH
        ))
    })?;
    let people = app.house.access.people();
    let known = people.faces().map(|(name, template)| (name, &template[..]));
    let (name, similarity) = closest(&face, known).unzip();
    Ok(Json(json!({ "name": name, "similarity": similarity })))
}

/// What the camera sees now: for guiding somebody who is enrolled. Kept nowhere.
pub(super) async fn frame(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
) -> Result<impl IntoResponse, Problem> {
    owner_only(&by, "looking through the camera")?;
    let frame = app.house.guide.frame().await;
    let frame = frame.map_err(|why| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why))?;
    Ok(([(header::CONTENT_TYPE, "image/jpeg")], frame.jpeg.to_vec()))
}
