//! `POST /act`: what the forms of the pages ask for. Done: the browser is sent back to its page.
//! Not done: the page is drawn again, and says why.

use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Notice, Page, checks, home, past, people};
use crate::alarm::{Command, Mode, Right, Test};
use crate::login::is_name_of;
use crate::web::answer::Problem;
use crate::web::form::Form;
use crate::web::principal::{Visitor, owner_only};
use crate::web::{App, api, fingers, login};

/// The fields of all forms; which are there depends on `do`.
#[derive(Deserialize)]
pub(in crate::web) struct Deed {
    #[serde(rename = "do")]
    what: String,
    mode: Option<Mode>,
    #[serde(default)]
    force: bool,
    pin: Option<SecretString>,
    /// Of a person, an account or a token.
    name: Option<String>,
    /// Of an account.
    password: Option<SecretString>,
    /// An account that is more than a guest's.
    #[serde(default)]
    owner: bool,
    #[serde(default)]
    duress: bool,
    /// A walk test begins or ends.
    #[serde(default)]
    on: bool,
    /// `do=test`: of what.
    #[serde(rename = "what")]
    test: Option<Test>,
    #[serde(default)]
    buzzer: bool,
    #[serde(default)]
    relay: bool,
    /// The page to go back to.
    back: Option<String>,
}

/// What was done, in words, for a page that was come back to.
pub(super) fn done(what: &str) -> Option<&'static str> {
    Some(match what {
        "arm" => "Done: it is being armed.",
        "disarm" => "Disarmed.",
        "pause" => "Paused.",
        "silence" => "The buzzer is silent.",
        "ack" => "Acknowledged: nobody is called any more.",
        "walk-test" => "Done.",
        "test" => "It is being tried; what became of it is shown as it comes.",
        "drill" => "The drill has begun; what became of it is shown as it comes.",
        "pin" => "The PIN is known now.",
        "forget" => "Forgotten.",
        "forget-left" => "Forgotten; the finger reader will follow when it answers again.",
        "forget-unknown" => "Deleted from the reader.",
        "account" => "They may log in now.",
        "account-gone" => "They may not log in any more.",
        "token-gone" => "The token opens nothing any more.",
        _ => return None,
    })
}

pub(in crate::web) async fn act(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Form(deed): Form<Deed>,
) -> Response {
    let back = deed.back.clone().unwrap_or_default();
    let (what, mode) = (deed.what.clone(), deed.mode.unwrap_or(Mode::Away));
    let pin = deed.pin.is_some();
    match perform(&app, &visitor, deed).await {
        Ok(done) => {
            let to = match back.as_str() {
                "/people" | "/checks" => &back,
                past if past::id(past).is_some() => &back,
                _ => "/",
            };
            Redirect::to(&format!("{to}?done={done}")).into_response()
        }
        Err(problem) => {
            let mut notice = Notice::from(problem);
            if what == "arm" && notice.status == StatusCode::CONFLICT {
                notice.force = Some(mode.word());
                notice.pin = pin;
            }
            let notice = Some(notice);
            let (app, visitor) = (&app, &visitor);
            let page = Page {
                app,
                visitor,
                notice,
            };
            match back.as_str() {
                "/people" => people::draw(page, false).await,
                "/checks" => checks::draw(page).await,
                "/pin" => home::draw_pin(&page, &what),
                past => match past::id(past) {
                    Some(id) => past::draw(page, id).await,
                    None => home::draw(page).await,
                },
            }
        }
    }
}

/// Does it, and says which word of [`done`] it was.
async fn perform(app: &App, visitor: &Visitor, deed: Deed) -> Result<&'static str, Problem> {
    let by = visitor.actor.clone();
    let person = || {
        let name = deed.name.as_deref().map(str::trim);
        let name = name.filter(|name| !name.is_empty());
        name.ok_or_else(|| Problem::bad("say whose: the name is missing"))
    };
    let pin = deed.pin.clone();
    let pin = pin.filter(|pin| !pin.expose_secret().is_empty());
    let (command, done) = match deed.what.as_str() {
        "arm" => {
            let (mode, force) = (deed.mode.unwrap_or(Mode::Away), deed.force);
            (Command::Arm { mode, force }, "arm")
        }
        "disarm" => (Command::Disarm, "disarm"),
        "pause" => (Command::Pause, "pause"),
        "silence" => (Command::Silence, "silence"),
        "ack" => (Command::Acknowledge, "ack"),
        "walk-test" => (Command::WalkTest(deed.on), "walk-test"),
        "test" => {
            let test = deed.test.ok_or_else(|| Problem::bad("say what to try"))?;
            (Command::Test(test), "test")
        }
        "drill" => {
            let (buzzer, relay) = (deed.buzzer, deed.relay);
            (Command::Drill { buzzer, relay }, "drill")
        }
        "pin" => {
            owner_only(&by, "enrolling people")?;
            let pin = pin.ok_or_else(|| Problem::bad("say which: the PIN is missing"))?;
            let (name, access) = (person()?, &app.house.access);
            let enrolled = access.enrol_pin(name, pin, deed.duress, by).await;
            enrolled.map_err(crate::web::people::problem)?;
            return Ok("pin");
        }
        "forget" => {
            owner_only(&by, "forgetting people")?;
            let forgotten = app.house.access.forget(person()?, by).await;
            let slots = forgotten.map_err(crate::web::people::problem)?;
            let left = fingers::forget(&app.house, &slots).await;
            return Ok(if left.is_ok() {
                "forget"
            } else {
                "forget-left"
            });
        }
        "forget-unknown" => {
            owner_only(&by, "forgetting fingers")?;
            let deleted = app.house.fingers.delete_unknown().await;
            deleted.map_err(|error| {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            })?;
            return Ok("forget-unknown");
        }
        "account" => {
            owner_only(&by, "letting others in")?;
            let name = person()?;
            if by.name.as_deref().is_some_and(|own| is_name_of(name, own)) {
                let why = "your own password is changed where nobody can do it for you: \
                           asfaleia password NAME";
                return Err(Problem::bad(why));
            }
            let password = deed.password.clone();
            let password = password.ok_or_else(|| Problem::bad("the password is missing"))?;
            let right = if deed.owner {
                Right::Owner
            } else {
                Right::Guest
            };
            let logins = &app.house.logins;
            let set =
                logins.set_password(name, Some(right), password, by, visitor.place, visitor.key);
            set.await.map_err(|why| login::problem(&why))?;
            return Ok("account");
        }
        "account-gone" => {
            owner_only(&by, "removing accounts")?;
            let logins = &app.house.logins;
            let removed = logins.remove_account(person()?, by, visitor.place);
            removed.await.map_err(|why| login::problem(&why))?;
            return Ok("account-gone");
        }
        "token-gone" => {
            owner_only(&by, "revoking tokens")?;
            let logins = &app.house.logins;
            let revoked = logins.revoke_token(person()?, by, visitor.place);
            revoked.await.map_err(|why| login::problem(&why))?;
            return Ok("token-gone");
        }
        other => return Err(Problem::bad(format!("there is no {other:?} to do"))),
    };
    api::with_pin(app, by, command, pin).await.map(|_| done)
}
