//! The HTTP API, the dashboard and metrics: reads a snapshot, sends Events, acts on nothing.
//!
//! A request passes `guard` first, which says who asks (`principal`) and keeps
//! strangers and other web pages out; then one of the files below answers it. The Unix socket and
//! TCP speak the same API (`serve`).

mod accounts;
mod answer;
mod api;
mod dashboard;
mod enrolment;
mod faces;
mod fields;
mod fingers;
mod form;
mod guard;
mod history;
mod house;
mod html;
mod login;
mod metrics;
mod openapi;
mod people;
mod principal;
mod routes;
mod serve;
mod sim;
mod snapshot;
mod socket;
mod stream;
mod tls;
mod told;
mod virtual_house;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use tokio_util::sync::CancellationToken;

pub use house::{Heard, History, House, OutputState, Outputs, Reload, ServiceKind, Sim};
pub use openapi::openapi;
pub use serve::serve;
pub use snapshot::{
    IncidentBody, OnOff, OutboxBody, OutboxSummary, OutputsBody, SensorBody, Snapshot, StatusBody,
    TroubleBody,
};
pub use socket::{Socket, SocketError, bind_socket, usual_sockets};
pub use told::Line;
pub use virtual_house::dark_house;
pub use words::sentence;

use answer::Problem;
use routes::{Routes, delete, get, post, put};
use told::Told;

/// What every request is answered from.
#[derive(Clone)]
struct App {
    house: Arc<House>,
    told: Arc<Told>,
    /// Open streams end when this is cancelled.
    stop: CancellationToken,
}

/// Method and path of everything that can be asked, as [`openapi`] has them; pages for people and what
/// belongs to them are there too.
pub fn routes() -> Vec<(&'static str, String)> {
    table().names()
}

fn table() -> Routes {
    let api = Routes::below("/api/v1")
        .route("/openapi.json", get(openapi::document))
        .route("/status", get(api::status))
        .route("/arm", post(api::arm))
        .route("/disarm", post(api::disarm))
        .route("/pause", post(api::pause))
        .route("/silence", post(api::silence))
        .route("/ack", post(api::acknowledge))
        .route("/test", post(api::test))
        .route("/walk-test", post(api::walk_test))
        .route("/drill", post(api::drill))
        .route("/reload", post(api::reload))
        .route("/people", get(people::list))
        .route("/people/{name}", delete(people::forget))
        .route("/people/{name}/pin", post(people::pin))
        .route("/people/{name}/finger", post(fingers::enrol))
        .route("/fingers/unknown", delete(fingers::forget_unknown))
        .route("/people/{name}/face", post(faces::enrol))
        .route("/faces/closest", post(faces::whose))
        .route("/faces/frame", get(faces::frame))
        .route("/duress", get(people::duress))
        .route("/accounts", get(accounts::list))
        .route("/accounts", post(accounts::set))
        .route("/accounts/{name}", delete(accounts::remove))
        .route("/tokens", get(accounts::tokens))
        .route("/tokens", post(accounts::add_token))
        .route("/tokens/{name}", delete(accounts::revoke))
        .route("/events", get(history::events))
        .route("/stream", get(stream::stream))
        .route("/incidents", get(history::incidents))
        .route("/incidents/{id}", get(history::incident))
        .route("/photos/{id}", get(history::photo))
        .route("/sim/sensors/{name}", put(sim::sensor))
        .route("/sim/outputs", get(sim::outputs))
        .route("/sim/faults", get(sim::faults))
        .route("/sim/faults", put(sim::set_faults))
        .route("/sim/finger", put(sim::finger))
        .route("/sim/mails", get(sim::mails))
        .route(
            "/sim/mails/{mail}/attachments/{number}",
            get(sim::attachment),
        )
        .route("/sim/calls", get(sim::calls))
        .route("/sim/face", put(sim::faces))
        .route("/sim/calls/{call}", put(virtual_house::decide))
        .route("/sim/house", get(virtual_house::house))
        .route("/sim/timeline", get(virtual_house::timeline))
        .route("/sim/clock", get(virtual_house::clock))
        .route("/sim/clock", put(virtual_house::set_clock))
        .route("/sim/power", get(virtual_house::power))
        .route("/sim/power", put(virtual_house::switch_power))
        .route("/sim/scenarios", get(virtual_house::scenarios))
        .route("/sim/scenarios/{name}", post(virtual_house::play));
    Routes::below("")
        .route("/", get(dashboard::home))
        .route("/pin", get(dashboard::pin))
        .route("/history", get(dashboard::incidents))
        .route("/history/lines", get(dashboard::lines))
        .route("/history/{id}", get(dashboard::incident))
        .route("/people", get(dashboard::people))
        .route("/checks", get(dashboard::checks))
        .route("/act", post(dashboard::act))
        .route("/style.css", get(dashboard::style))
        .route("/static/{file}", get(dashboard::asset))
        .route("/house", get(virtual_house::page))
        .route("/house/{file}", get(virtual_house::file))
        .route("/login", get(login::login_page))
        .route("/login", post(login::log_in))
        .route("/welcome", get(login::welcome_page))
        .route("/welcome", post(login::welcome))
        .route("/logout", post(login::log_out))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics::metrics))
        .and(api)
}

/// Everything that can be asked. The caller adds whom it serves as an extension
/// ([`guard::Peer`]).
fn router(app: App) -> Router {
    table()
        .router()
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}

/// The panel lives: whoever watches the watchman asks this, without a login.
async fn healthz(State(app): State<App>) -> Result<&'static str, Problem> {
    match app.house.panel_lives() {
        true => Ok("ok\n"),
        false => Err(Problem::panel_gone()),
    }
}

async fn nothing_here(uri: Uri) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("there is nothing at {}", uri.path()),
    )
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!(
            "{} does not take {method} (see the header Allow)",
            uri.path()
        ),
    )
}
