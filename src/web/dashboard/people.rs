//! `/people`: who is known, and by what.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Page, line};
use crate::access::people::Person;
use crate::alarm::TroubleCode;
use crate::config::FingerInput;
use crate::web::App;
use crate::web::answer::Problem;
use crate::web::history::ask;
use crate::web::principal::{Visitor, owner_at_the_dashboard, owner_only};

/// No house has had more silent alarms that anybody wants to read.
const SILENT_ALARMS: usize = 100;

#[derive(Deserialize)]
pub(in crate::web) struct Asked {
    done: Option<String>,
    /// Silent alarms as well: nobody looks over the owner's shoulder.
    #[serde(default)]
    silent: bool,
}

pub(in crate::web) async fn page(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Asked { done, silent }) = query?;
    owner_only(&visitor.actor, "the list of people")?;
    if silent {
        owner_at_the_dashboard(&visitor.actor)?;
    }
    Ok(draw(Page::new(&app, &visitor, done.as_deref()), silent).await)
}

pub(super) async fn draw(page: Page<'_>, silent: bool) -> Response {
    let house = &page.app.house;
    let time = page.time();
    let people = house.access.people().list();
    // Only for owners: a refused form of somebody else comes here as well.
    let people = people.iter().filter(|_| page.is_owner());
    let people: Vec<Value> = people
        .map(|it| {
            let since = time.on_the_clock(&it.since.rfc3339());
            json!({ "name": it.name, "known_by": known_by(it), "since": since })
        })
        .collect();
    let alarms = match silent {
        true => ask(house, |history| history.duress(SILENT_ALARMS)).await,
        false => Ok(Vec::new()),
    };
    let unreadable = alarms.is_err();
    let alarms: Vec<Value> = (alarms.unwrap_or_default().iter())
        .map(|it| {
            let mut shown = line(it, &time);
            shown["words"] = it["by"]["name"].clone();
            shown
        })
        .collect();
    let body = house.status_body();
    let unknown = (body.troubles.iter()).find(|it| it.code == TroubleCode::FingerUnknown);
    let config = house.config.borrow().clone();
    let access = config.access.as_ref();
    let has_reader = access.is_some_and(|it| match it.finger {
        Some(FingerInput::Serial { .. }) => true,
        Some(FingerInput::Gpio(_)) | None => false,
    });
    let logins = &house.logins;
    let may_log_in: Vec<Value> = (logins.accounts().iter())
        .filter(|_| page.is_owner())
        .map(|it| {
            let own = page.visitor.actor.name.as_ref() == Some(&it.name);
            json!({ "name": it.name, "role": it.right, "own": own })
        })
        .collect();
    let tokens: Vec<Value> = (logins.tokens().iter())
        .filter(|_| page.is_owner())
        .map(|it| json!({ "name": it.name, "role": it.right }))
        .collect();
    let view = json!({
        "here": "/people",
        "accounts": may_log_in,
        "tokens": tokens,
        "people": people,
        "silent": silent,
        "duress": alarms,
        "unreadable": unreadable,
        "finger": has_reader,
        "unknown": unknown.map(|it| &it.text),
        "face": access.is_some_and(|it| it.face.is_some()),
    });
    page.draw("people.html", view)
}

fn known_by(person: &Person) -> String {
    let many = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(format!("a {one}")),
        n => Some(format!("{n} {one}s")),
    };
    let known = [
        person.pin.then(|| "a PIN".to_owned()),
        many(person.fingers, "finger"),
        many(person.faces.min(1), "face"),
    ];
    let known: Vec<String> = known.into_iter().flatten().collect();
    match known.is_empty() {
        // A finger or PIN for duress alone looks like any other.
        true => "known".to_owned(),
        false => format!("by {}", known.join(", ")),
    }
}
