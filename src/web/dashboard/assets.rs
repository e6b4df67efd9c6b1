//! What pages are made of besides HTML: files that change with the program alone. A browser keeps
//! them, and asks each time whether they are the same.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::web::answer::Problem;

const STYLE: &str = include_str!("../assets/style.css");
const SCRIPT: &str = include_str!("../assets/dashboard.js");
const ICONS: &str = include_str!("../assets/icons.svg");
const ICON: &str = include_str!("../assets/icon.svg");

/// `/style.css`, for every page of the program.
pub(in crate::web) async fn style(headers: HeaderMap) -> Response {
    kept("text/css; charset=utf-8", STYLE, &headers)
}

/// `/static/…`
pub(in crate::web) async fn asset(
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path(name) = path?;
    match name.as_str() {
        "dashboard.js" => Ok(kept("text/javascript; charset=utf-8", SCRIPT, &headers)),
        "icons.svg" => Ok(kept("image/svg+xml", ICONS, &headers)),
        "icon.svg" => Ok(kept("image/svg+xml", ICON, &headers)),
        _ => Err(Problem::missing(format!("there is no file {name:?}"))),
    }
}

fn kept(kind: &'static str, text: &'static str, headers: &HeaderMap) -> Response {
    let tag = format!("\"{:x}\"", fingerprint(text.as_bytes()));
    let same = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|kept| kept.as_bytes() == tag.as_bytes());
    let fresh = [
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::ETAG, tag),
    ];
    match same {
        true => (StatusCode::NOT_MODIFIED, fresh).into_response(),
        false => (fresh, [(header::CONTENT_TYPE, kind)], text).into_response(),
    }
}

/// FNV-1a: tells one version of a file from another, no more.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
