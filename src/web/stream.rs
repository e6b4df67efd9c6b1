//! `GET stream`: history as it grows, and the status whenever it changes, as server-sent events.
//!
//! Nothing is missed and nothing comes twice: a stream listens first and reads what it missed
//! after that; ids only grow, so what it has sent already is known by the last id. A client that
//! was too slow, or saw an id jump, is caught up from the history in the same way.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use futures_util::stream::unfold;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::answer::Problem;
use super::history::{MOST, ask};
use super::principal::Visitor;
use super::{App, Line, Snapshot};
use crate::login::Key;

/// At most five times a second.
const STATUS_EVERY: Duration = Duration::from_millis(200);
/// A comment so often keeps proxies from hanging up, and finds clients that are gone.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    after: Option<u64>,
    /// Seconds between two signs of life.
    alive: Option<u64>,
}

/// The status, and what happens from now on. With `Last-Event-ID` (which a browser sends when it
/// comes back) or `?after=ID`, everything since that id comes before both. With `?alive=SECONDS` the
/// time comes so often (`event: alive`), for scripts, which see no comments: who hears nothing for
/// longer has lost the house.
pub(super) async fn stream(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    query: Result<Query<From>, QueryRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Query(From { after, alive }) = query?;
    if alive.is_some_and(|seconds| !(1..=60).contains(&seconds)) {
        return Err(Problem::bad("`alive` is 1 to 60 seconds"));
    }
    let alive = alive.map(Duration::from_secs);
    let after = match headers.get("last-event-id") {
        Some(id) => Some(
            id.to_str()
                .ok()
                .and_then(|id| id.parse().ok())
                .ok_or_else(|| Problem::bad("Last-Event-ID is the id of an event, a number"))?,
        ),
        None => after,
    };
    if !app.house.panel_lives() {
        return Err(Problem::panel_gone());
    }
    let mut status = app.house.status.clone();
    status.mark_changed();
    let feed = Feed {
        live: app.house.live.subscribe(),
        status,
        status_from: Instant::now(),
        last: after,
        behind: after.is_some(),
        missed: VecDeque::new(),
        held: None,
        key: visitor.key,
        ended: app.house.logins.ended(),
        alive,
        alive_at: Instant::now(),
        app,
    };
    let events = unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok::<_, Infallible>(event), feed))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream")];
    Ok((headers, Body::from_stream(events)))
}

struct Feed {
    app: App,
    live: broadcast::Receiver<Line>,
    status: watch::Receiver<Arc<Snapshot>>,
    /// The next status not before.
    status_from: Instant,
    /// The id that was sent last, or that the client has.
    last: Option<u64>,
    /// The history has to be read before going on.
    behind: bool,
    /// What was read there.
    missed: VecDeque<Line>,
    /// Came live, and waits for what was missed before it.
    held: Option<Line>,
    /// It ends when this does.
    key: Option<Key>,
    ended: watch::Receiver<()>,
    /// A sign of life so often ...
    alive: Option<Duration>,
    /// ... and the next one then.
    alive_at: Instant,
}

impl Feed {
    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.app.stop.is_cancelled() {
            if let Some(line) = self.missed.pop_front() {
                if let Some(event) = self.send(line) {
                    return Some(event);
                }
            } else if self.behind {
                self.catch_up().await;
            } else if let Some(line) = self.held.take() {
                if let Some(event) = self.send(line) {
                    return Some(event);
                }
            } else {
                tokio::select! {
                    biased;
                    () = self.app.stop.cancelled() => return None,
                    Ok(()) = self.ended.changed() => {
                        if self.key.is_some_and(|key| !self.app.house.logins.holds(key)) {
                            return None;
                        }
                    }
                    happened = self.live.recv() => match happened {
                        Ok(line) => self.hold(line),
                        Err(RecvError::Lagged(_)) => self.behind = self.last.is_some(),
                        Err(RecvError::Closed) => return None,
                    },
                    every = signs(self.alive, self.alive_at) => {
                        self.alive_at = Instant::now() + every;
                        // This task's life is none of the house.
                        if !self.app.house.panel_lives() {
                            continue;
                        }
                        let now = self.app.house.inbox.clock().wall();
                        let frame = format!("event: alive\ndata: \"{}\"\n\n", now.rfc3339());
                        return Some(frame.into());
                    }
                    changed = after(self.status_from, &mut self.status) => {
                        // Without a panel there is nothing more to tell.
                        changed.ok()?;
                        self.status_from = Instant::now() + STATUS_EVERY;
                        return Some(self.app.told.status_event(&self.app.house));
                    }
                    () = tokio::time::sleep(KEEP_ALIVE) => {
                        return Some(Bytes::from_static(b":\n\n"));
                    }
                }
            }
        }
        None
    }

    /// A line came live. Where ids jump, what lies between is read first.
    fn hold(&mut self, line: Line) {
        self.behind = self.last.is_some_and(|last| line.id > last + 1);
        self.held = Some(line);
    }

    /// Reads the next page of what was missed. A history that cannot be read leaves a gap rather
    /// than end the stream: what happens now matters more.
    async fn catch_up(&mut self) {
        let after = self.last.unwrap_or(0);
        let page = ask(&self.app.house, move |history| history.events(after, MOST)).await;
        self.missed = page.unwrap_or_default().iter().map(Line::of).collect();
        self.behind = self.missed.len() == MOST;
    }

    /// As it goes over the wire; `None` if it was sent already.
    fn send(&mut self, line: Line) -> Option<Bytes> {
        if self.last.is_some_and(|last| line.id <= last) {
            return None;
        }
        self.last = Some(line.id);
        Some(line.frame)
    }
}

/// Waits for the next sign of life, for ever if none is wanted; says how often they are.
async fn signs(alive: Option<Duration>, at: Instant) -> Duration {
    let Some(every) = alive else {
        return std::future::pending().await;
    };
    tokio::time::sleep_until(at).await;
    every
}

async fn after(
    when: Instant,
    status: &mut watch::Receiver<Arc<Snapshot>>,
) -> Result<(), watch::error::RecvError> {
    tokio::time::sleep_until(when).await;
    status.changed().await
}
