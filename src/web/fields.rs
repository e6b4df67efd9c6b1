//! Bodies of requests: JSON objects whose fields are optional; an empty body is `{}`.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::App;
use super::answer::Problem;
use super::guard::Peer;

/// No body is longer.
const LIMIT: usize = 64 * 1024;
/// So much more is read and thrown away before we hang up, so that an honest sender of too much
/// reads our answer and not a connection reset.
const PATIENCE: usize = 16 * LIMIT;
/// Who sends a body more slowly is not worth a connection.
const TIME: Duration = Duration::from_secs(10);

/// The fields of a request's body.
pub(super) struct Fields<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Fields<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        let tcp = matches!(request.extensions().get(), Some(Peer::Tcp { .. }));
        let (parts, sent) = request.into_parts();
        let bytes = body(sent).await?;
        let text = bytes.trim_ascii();
        if text.is_empty() {
            return parse(b"{}");
        }
        // A form on a web page elsewhere cannot send this type without asking first.
        if tcp && !is_json(&parts.headers) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "a body must be JSON and say so: Content-Type: application/json",
            ));
        }
        parse(text)
    }
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<Fields<T>, Problem> {
    if !text.starts_with(b"{") {
        return Err(Problem::bad("the body must be a JSON object"));
    }
    serde_json::from_slice(text)
        .map(Fields)
        .map_err(|error| Problem::bad(format!("the body is not understood: {error}")))
}

/// A body, whole, in time and no longer than [`LIMIT`].
pub(super) async fn body(sent: Body) -> Result<Vec<u8>, Problem> {
    tokio::time::timeout(TIME, read(sent)).await.map_err(|_| {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body took longer than {} s to arrive", TIME.as_secs()),
        )
    })?
}

async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut length = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::bad("the body ended early"))?;
        length += chunk.len();
        if length <= LIMIT {
            bytes.extend_from_slice(&chunk);
        } else if length > PATIENCE {
            break;
        }
    }
    if length > LIMIT {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("a body may have {LIMIT} bytes"),
        ));
    }
    Ok(bytes)
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}
