//! `GET /api/v1/openapi.json`: what can be asked, for programs.

use axum::http::header;
use axum::response::IntoResponse;

/// The document of the API (OpenAPI 3.1), as text. It is written by hand, and true because tests
/// hold it against [`routes`](super::routes) and against the answers that they get.
pub fn openapi() -> &'static str {
    include_str!("openapi.json")
}

pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi())
}
