//! `/checks`: walk test, drill, and one thing after another.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::{Done, Page, line, proven, words};
use crate::web::App;
use crate::web::answer::Problem;
use crate::web::history::ask;
use crate::web::principal::{Visitor, owner_only};

/// Lines that are looked through for what became of a check.
const LATEST: usize = 300;
/// How many of them are shown.
const TRIED: usize = 12;

pub(in crate::web) async fn page(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<Done>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Done { done }) = query?;
    owner_only(&visitor.actor, "trying things")?;
    Ok(draw(Page::new(&app, &visitor, done.as_deref())).await)
}

pub(super) async fn draw(page: Page<'_>) -> Response {
    let house = &page.app.house;
    let time = page.time();
    // What cannot be read is not shown; the troubles say why.
    let latest = ask(house, |history| history.latest(LATEST)).await;
    let latest: Vec<Value> = latest.unwrap_or_default();
    let newest = || latest.iter().rev();
    let walked: Vec<Value> = newest()
        .take_while(|it| !(it["kind"] == "walk_test" && it["data"]["on"] == true))
        .filter(|it| it["kind"] == "trigger")
        .map(|it| line(it, &time))
        .collect();
    let is_check = |it: &&Value| {
        matches!(it["kind"].as_str(), Some("test" | "drill" | "proof"))
            || matches!(
                it["kind"].as_str(),
                Some("message" | "photo" | "photo_failed")
            ) && it["incident"].is_null()
    };
    let tried = newest().filter(is_check).take(TRIED);
    let tried: Vec<Value> = tried.map(|it| line(it, &time)).collect();
    let tests: Vec<Value> = (words::TESTS.iter())
        .map(|(word, title, icon)| json!({ "word": word, "title": title, "icon": icon }))
        .collect();
    let view = json!({
        "here": "/checks",
        "walking": house.status_body().walk_test,
        "walked": walked,
        "tests": tests,
        "tried": tried,
        "proven": proven(&page),
    });
    page.draw("checks.html", view)
}
