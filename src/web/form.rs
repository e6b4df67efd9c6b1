//! Forms of our own pages, for browsers without JavaScript.

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::App;
use super::answer::Problem;
use super::fields::body;
use super::principal::Visitor;

/// The fields of a form that a page of ours sent: of whoever has a session, with the field `csrf`
/// that belongs to it. Where the form comes from was checked before, see `guard`.
pub(super) struct Form<T>(pub(super) T);

#[derive(Deserialize)]
struct Proof {
    csrf: Option<String>,
}

impl<T: DeserializeOwned> FromRequest<App> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, sent) = request.into_parts();
        let sent = body(sent).await?;
        // axum looks at the type and decodes the fields.
        let again = || Request::from_parts(parts.clone(), sent.clone().into());
        let axum::Form(Proof { csrf }) = read(again(), app).await?;
        if let Some(visitor) = parts.extensions.get::<Visitor>() {
            visitor.proves(csrf.as_deref())?;
        }
        let axum::Form(fields) = read(again(), app).await?;
        Ok(Form(fields))
    }
}

async fn read<T: DeserializeOwned>(request: Request, app: &App) -> Result<axum::Form<T>, Problem> {
    let read = axum::Form::from_request(request, app).await;
    read.map_err(|rejection| match rejection.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(rejection.status(), "this takes forms"),
        _ => Problem::bad(format!(
            "the form is not understood: {}",
            rejection.body_text()
        )),
    })
}
