//! Faces: making them known, and asking whose one is. For owners.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::answer::Problem;
use super::fields::Fields;
use super::people::problem;
use super::principal::owner_only;
use crate::access::face::{Embedding, VIEWS, closest};
use crate::alarm::Actor;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewFace {
    #[serde(default)]
    views: Vec<Vec<f32>>,
}

/// Makes a face known by views that were made elsewhere, with the same models.
pub(super) async fn enrol(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    path: Result<Path<String>, PathRejection>,
    Fields(NewFace { views }): Fields<NewFace>,
) -> Result<Json<Value>, Problem> {
    owner_only(&by, "enrolling people")?;
    let Path(name) = path?;
    let views: Option<Vec<Embedding>> = views.into_iter().map(Embedding::new).collect();
    let views = views.filter(|views| views.len() == VIEWS).ok_or_else(|| {
        let length = Embedding::LENGTH;
        Problem::bad(format!(
            "a face is {{\"views\": […]}}: {VIEWS} of {length} numbers each"
        ))
    })?;
    let access = &app.house.access;
    let warning = access.people().taken_for(&name, &views);
    let views = views.iter().map(Embedding::known_by).collect();
    access.enrol(&name, views, by).await.map_err(problem)?;
    Ok(Json(json!({ "done": true, "warning": warning })))
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
    let frame = (app.house.frame)().await;
    let frame = frame.map_err(|why| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why))?;
    Ok(([(header::CONTENT_TYPE, "image/jpeg")], frame.jpeg.to_vec()))
}
