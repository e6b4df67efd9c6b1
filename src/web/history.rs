//! What happened: events, incidents, photos.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Problem;
use super::{App, History, House};

/// As many as one answer has at most.
pub(super) const MOST: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    after: Option<u64>,
    limit: Option<u64>,
    last: Option<u64>,
}

/// `?after=ID&limit=N`: what came after that id; `?last=N`: the newest. Oldest first in both.
pub(super) async fn events(
    State(app): State<App>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(which) = query?;
    let events = match which {
        Which {
            after,
            limit,
            last: None,
        } => {
            let (after, limit) = (after.unwrap_or(0), at_most(limit));
            ask(&app.house, move |history| history.events(after, limit)).await?
        }
        Which {
            after: None,
            limit: None,
            last,
        } => ask(&app.house, move |history| history.latest(at_most(last))).await?,
        Which { .. } => return Err(Problem::bad("ask for `last` or for `after` and `limit`")),
    };
    Ok(Json(json!({ "events": events })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Before {
    before: Option<u64>,
    limit: Option<u64>,
}

pub(super) async fn incidents(
    State(app): State<App>,
    query: Result<Query<Before>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(Before { before, limit }) = query?;
    let limit = at_most(limit);
    let incidents = ask(&app.house, move |history| history.incidents(before, limit)).await?;
    Ok(Json(json!({ "incidents": incidents })))
}

pub(super) async fn incident(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let Path(name) = path?;
    let missing = || Problem::missing(format!("there is no incident {name:?}"));
    let id: u64 = name.parse().map_err(|_| missing())?;
    let incident = ask(&app.house, move |history| history.incident(id)).await?;
    incident.map(Json).ok_or_else(missing)
}

/// Only a number gets as far as the disk.
pub(super) async fn photo(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Path(name) = path?;
    let missing = || Problem::missing(format!("there is no photo {name:?}"));
    let id: u64 = name.parse().map_err(|_| missing())?;
    let jpeg = ask(&app.house, move |history| history.photo(id)).await?;
    let jpeg = jpeg.ok_or_else(missing)?;
    Ok(([(header::CONTENT_TYPE, "image/jpeg")], jpeg))
}

fn at_most(limit: Option<u64>) -> usize {
    limit.map_or(MOST, |limit| {
        usize::try_from(limit).unwrap_or(MOST).min(MOST)
    })
}

/// Reads from the history on a thread that may wait for the disk.
pub(super) async fn ask<T: Send + 'static>(
    house: &House,
    question: impl FnOnce(&dyn History) -> io::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    let history = Arc::clone(&house.history);
    let answer = tokio::task::spawn_blocking(move || question(&*history)).await;
    match answer {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(unreadable(&error.to_string())),
        Err(_) => Err(unreadable("the reader failed; the log says more")),
    }
}

fn unreadable(why: &str) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("reading the history: {why}"),
    )
}
