//! An enrolment as it is told, step by step: server-sent events.

use std::convert::Infallible;
use std::fmt::Display;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::App;

/// A comment so often finds clients that are gone.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// What an enrolment says, in `words`, and at last how it ended: what it gives is added to
/// `{"done": true}`. Hanging up closes `said`, which ends the enrolment.
pub(super) fn told<P, E>(
    app: App,
    said: mpsc::Receiver<P>,
    enrolment: JoinHandle<Result<Value, E>>,
    words: fn(P) -> Value,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>>
where
    P: Send + 'static,
    E: Display + Send + 'static,
{
    let events = unfold(Some((app, said, enrolment)), move |going| async move {
        let (app, mut said, enrolment) = going?;
        let progress = tokio::select! {
            () = app.stop.cancelled() => return None,
            progress = said.recv() => progress,
        };
        let (says, going) = match progress {
            Some(progress) => (words(progress), Some((app, said, enrolment))),
            None => (ended(enrolment).await, None),
        };
        let event = Event::default().json_data(says).expect("words are JSON");
        Some((Ok(event), going))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

async fn ended<E: Display>(enrolment: JoinHandle<Result<Value, E>>) -> Value {
    match enrolment.await {
        Ok(Ok(mut done)) => {
            done["done"] = true.into();
            done
        }
        Ok(Err(why)) => json!({ "error": why.to_string() }),
        Err(_) => json!({ "error": "the enrolment failed; the log says where" }),
    }
}
