//! What goes back when something does not work: `{"error": "a sentence"}` with a fitting status.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a request was not answered as its sender hoped.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) error: String,
    /// Why arming was refused, one sentence each.
    pub(super) reasons: Vec<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Problem {
            status,
            error: error.into(),
            reasons: Vec::new(),
        }
    }

    /// The panel said no, and may say yes later.
    pub(super) fn refused(reasons: Vec<String>) -> Self {
        Problem {
            status: StatusCode::CONFLICT,
            error: format!("refused: {}", reasons.join("; ")),
            reasons,
        }
    }

    /// The request itself is wrong.
    pub(super) fn bad(error: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, error)
    }

    /// What was named is not there.
    pub(super) fn missing(error: impl Into<String>) -> Self {
        Problem::new(StatusCode::NOT_FOUND, error)
    }

    /// Nobody takes commands any more.
    pub(super) fn panel_gone() -> Self {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the panel does not answer; the service is stopping or will be restarted by systemd",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({ "error": self.error });
        if !self.reasons.is_empty() {
            body["reasons"] = json!(self.reasons);
        }
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                header::HeaderValue::from_static("Bearer"),
            );
        }
        response
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Problem::new(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Problem::new(rejection.status(), rejection.body_text())
    }
}
