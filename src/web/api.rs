//! The panel: what it is, and what may be asked of it. Commands become events; the panel decides.

use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::answer::Problem;
use super::fields::Fields;
use super::principal::owner_only;
use crate::alarm::{Actor, Answer, Command, Event, Mode, Test};

/// The panel answers within 20 ms; one that took longer than this is not answering at all.
const PANEL_ANSWERS_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn status(State(app): State<App>) -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (headers, app.told.status(&app.house))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arm {
    #[serde(default = "away")]
    mode: Mode,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    pin: Option<SecretString>,
}

fn away() -> Mode {
    Mode::Away
}

pub(super) async fn arm(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    Fields(arm): Fields<Arm>,
) -> Result<Json<Value>, Problem> {
    let Arm { mode, force, pin } = arm;
    with_pin(&app, by, Command::Arm { mode, force }, pin).await
}

/// For those who come in without an owner's right, it gives it to them. It must be right for owners
/// too: a keypad may stand behind their token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    #[serde(default)]
    pin: Option<SecretString>,
}

pub(super) async fn disarm(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    Fields(Pin { pin }): Fields<Pin>,
) -> Result<Json<Value>, Problem> {
    with_pin(&app, by, Command::Disarm, pin).await
}

pub(super) async fn pause(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    Fields(Pin { pin }): Fields<Pin>,
) -> Result<Json<Value>, Problem> {
    with_pin(&app, by, Command::Pause, pin).await
}

pub(super) async fn silence(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    Fields(Pin { pin }): Fields<Pin>,
) -> Result<Json<Value>, Problem> {
    with_pin(&app, by, Command::Silence, pin).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

pub(super) async fn acknowledge(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    _: Fields<Nothing>,
) -> Result<Json<Value>, Problem> {
    command(&app, by, Command::Acknowledge).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Try {
    what: Option<Test>,
}

pub(super) async fn test(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    Fields(Try { what }): Fields<Try>,
) -> Result<Json<Value>, Problem> {
    let what = what.ok_or_else(|| {
        Problem::bad(r#"say what to try: {"what": "email"|"call"|"photo"|"buzzer"|"relay"}"#)
    })?;
    command(&app, by, Command::Test(what)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Drill {
    #[serde(default)]
    buzzer: bool,
    #[serde(default)]
    relay: bool,
}

/// Starts it, and says along which paths. What becomes of each is an event of the kind `proof`.
pub(super) async fn drill(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    Fields(Drill { buzzer, relay }): Fields<Drill>,
) -> Result<Json<Value>, Problem> {
    let paths = app.house.config.borrow().paths();
    let mut answer = command(&app, by, Command::Drill { buzzer, relay }).await?;
    answer.0["paths"] = json!(paths);
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WalkTest {
    #[serde(default = "on")]
    on: bool,
}

fn on() -> bool {
    true
}

pub(super) async fn walk_test(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    Fields(WalkTest { on }): Fields<WalkTest>,
) -> Result<Json<Value>, Problem> {
    command(&app, by, Command::WalkTest(on)).await
}

pub(super) async fn reload(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
    _: Fields<Nothing>,
) -> Result<Json<Value>, Problem> {
    owner_only(&by, "reading the configuration again")?;
    // On a task of its own: who hangs up in the middle does not leave a change half applied.
    let reloading = tokio::spawn((app.house.reload)());
    match reloading.await {
        Ok(Ok(changed)) => Ok(Json(json!({ "changed": changed }))),
        Ok(Err(why)) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why)),
        Err(_) => Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "reading the configuration failed inside the service; its log says more",
        )),
    }
}

pub(super) async fn with_pin(
    app: &App,
    by: Actor,
    asked: Command,
    pin: Option<SecretString>,
) -> Result<Json<Value>, Problem> {
    let Some(pin) = pin else {
        return command(app, by, asked).await;
    };
    let (who, duress) = app.house.access.whose(pin, &by).await;
    let typed = Event::Typed {
        command: asked,
        by,
        who,
        duress,
    };
    ask(app, typed).await
}

async fn command(app: &App, by: Actor, command: Command) -> Result<Json<Value>, Problem> {
    ask(app, Event::Command { command, by }).await
}

async fn ask(app: &App, event: Event) -> Result<Json<Value>, Problem> {
    let asked = app.house.inbox.ask(event);
    match tokio::time::timeout(PANEL_ANSWERS_WITHIN, asked).await {
        Ok(Some(Answer::Done)) => Ok(Json(json!({ "done": true }))),
        Ok(Some(Answer::Refused(reasons))) => Err(Problem::refused(reasons)),
        Ok(Some(Answer::Forbidden(why))) => Err(Problem::new(StatusCode::FORBIDDEN, why)),
        Ok(Some(Answer::TooSoon(why))) => Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, why)),
        Ok(None) | Err(_) => Err(Problem::panel_gone()),
    }
}
