//! The dashboard: pages that need no script. Every page is drawn here, from the templates of
//! `assets/`; `assets/dashboard.js` keeps one live by fetching it again when the stream says that
//! something changed, so that there is one place where a page is drawn.

mod act;
mod assets;
mod checks;
mod home;
mod past;
mod people;
mod time;
mod words;

use std::sync::LazyLock;

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use minijinja::Environment;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Problem;
use super::principal::Visitor;
use super::{App, ServiceKind};
use crate::alarm::Right;

pub(super) use act::act;
pub(super) use assets::{asset, style};
pub(super) use checks::page as checks;
pub(super) use home::page as home;
pub(super) use home::pin;
pub(super) use past::{incident, incidents, lines};
pub(super) use people::page as people;

use time::Time;

/// Parsed when the first page is asked for: at rest nobody looks.
static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    for (name, text) in [
        ("layout.html", include_str!("../assets/layout.html")),
        ("home.html", include_str!("../assets/home.html")),
        ("pin.html", include_str!("../assets/pin.html")),
        ("history.html", include_str!("../assets/history.html")),
        ("lines.html", include_str!("../assets/lines.html")),
        ("incident.html", include_str!("../assets/incident.html")),
        ("people.html", include_str!("../assets/people.html")),
        ("checks.html", include_str!("../assets/checks.html")),
    ] {
        // Values are escaped: the names end with `.html`.
        templates
            .add_template(name, text)
            .expect("tests draw every template");
    }
    templates
});

/// What the navigation leads to: path, title, icon.
const PAGES: [(&str, &str, &str); 4] = [
    ("/", "Now", "home"),
    ("/history", "History", "past"),
    ("/people", "People", "people"),
    ("/checks", "Checks", "checks"),
];

/// A page for one visitor, and what is said above it.
struct Page<'a> {
    app: &'a App,
    visitor: &'a Visitor,
    notice: Option<Notice>,
}

/// What became of what the visitor did last.
#[derive(Default)]
struct Notice {
    status: StatusCode,
    text: String,
    reasons: Vec<String>,
    /// The mode that can be armed for nevertheless.
    force: Option<&'static str>,
    /// The PIN that was shown with it is asked for again: no page carries one.
    pin: bool,
}

/// `?done=…`: what a form did, after which the browser was sent here.
#[derive(Deserialize)]
pub(super) struct Done {
    done: Option<String>,
}

impl<'a> Page<'a> {
    fn new(app: &'a App, visitor: &'a Visitor, done: Option<&str>) -> Self {
        let notice = done.and_then(act::done).map(|text| Notice {
            text: text.to_owned(),
            ..Notice::default()
        });
        Page {
            app,
            visitor,
            notice,
        }
    }

    fn is_owner(&self) -> bool {
        match self.visitor.actor.right {
            Right::Owner => true,
            Right::Guest | Right::Bridge => false,
        }
    }

    fn time(&self) -> Time {
        Time::at(self.app.house.inbox.clock().wall())
    }

    /// Draws it: `template` with `view` inside what all pages have.
    fn draw(&self, template: &str, mut view: Value) -> Response {
        let house = &self.app.house;
        let now = house.inbox.clock().wall().rfc3339();
        let body = house.status_body();
        let here = view["here"].take();
        let pages: Vec<Value> = (PAGES.iter())
            .filter(|(path, _, _)| self.is_owner() || !matches!(*path, "/people" | "/checks"))
            .map(|(path, title, icon)| {
                json!({ "path": path, "title": title, "icon": icon, "here": here == *path })
            })
            .collect();
        let notice = self.notice.as_ref().map(|notice| {
            let tone = if notice.status.is_success() {
                "well"
            } else {
                "bad"
            };
            json!({
                "tone": tone,
                "text": notice.text,
                "reasons": notice.reasons,
                "force": notice.force,
                "pin": notice.pin,
            })
        });
        let all = json!({
            "site": body.site,
            "version": body.version,
            "now": now,
            "clock": self.time().on_the_clock(&now),
            "state": words::state(&body),
            "csrf": self.visitor.csrf,
            "account": self.visitor.csrf.as_ref().and(self.visitor.actor.name.as_ref()),
            "owner": self.is_owner(),
            "simulated": house.kind == ServiceKind::Simulate,
            "pages": pages,
            "notice": notice,
        });
        if let (Some(view), Value::Object(all)) = (view.as_object_mut(), all) {
            view.extend(all);
        }
        view["body"] = render(template, &view).into();
        let status = (self.notice.as_ref()).map_or(StatusCode::OK, |notice| notice.status);
        (status, Html(render("layout.html", &view))).into_response()
    }
}

fn render(template: &str, view: &Value) -> String {
    TEMPLATES
        .get_template(template)
        .and_then(|template| template.render(view))
        .expect("a template asks for nothing that can fail; tests draw all of them")
}

/// What is said above a page instead of what was hoped for.
impl From<Problem> for Notice {
    fn from(problem: Problem) -> Self {
        let text = match problem.reasons.is_empty() {
            true => problem.error,
            false => "Not now:".to_owned(),
        };
        Notice {
            status: problem.status,
            text,
            reasons: problem.reasons,
            force: None,
            pin: false,
        }
    }
}

/// Where each path was last proven, for people.
fn proven(page: &Page<'_>) -> Vec<Value> {
    let time = page.time();
    let proven = page.app.house.status_body().proven;
    proven
        .iter()
        .map(|(path, at)| {
            let (title, icon) = words::path(path);
            let ago = at.as_deref().map(|at| time.ago(at));
            json!({ "title": title, "icon": icon, "at": at, "ago": ago })
        })
        .collect()
}

/// A line of history for people; `event` is the API's object.
fn line(event: &Value, time: &Time) -> Value {
    let words = serde_json::from_value(event.clone()).map_or_else(
        |_| event["kind"].as_str().unwrap_or("").to_owned(),
        |what| super::sentence(&what),
    );
    let at = event["at"].as_str().unwrap_or("");
    json!({
        "id": event["id"],
        "iso": at,
        "at": time.on_the_clock(at),
        "words": words,
        "incident": event["incident"],
        "photo": event["data"]["photo"],
    })
}
