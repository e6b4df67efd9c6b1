//! `/history`: incidents with their photos, and every line.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::time::Time;
use super::{Done, Notice, Page, line, words};
use crate::alarm::{IncidentKind, Record};
use crate::web::answer::Problem;
use crate::web::history::ask;
use crate::web::principal::Visitor;
use crate::web::{App, History};

/// Incidents on a page.
const INCIDENTS: usize = 24;
/// Lines on a page.
const LINES: usize = 100;
/// A page looks through so many lines for those of its kind.
const LOOKED_THROUGH: usize = 5_000;

#[derive(Deserialize)]
pub(in crate::web) struct Before {
    before: Option<u64>,
}

/// Incidents, newest first.
pub(in crate::web) async fn incidents(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<Before>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Before { before }) = query?;
    let page = Page::new(&app, &visitor, None);
    let time = page.time();
    let found = ask(&app.house, move |history| {
        history.incidents(before, INCIDENTS)
    })
    .await?;
    let older = (found.len() == INCIDENTS).then(|| found.last().map(|it| it["id"].clone()));
    let incidents: Vec<Value> = found.iter().map(|it| shown(it, &time)).collect();
    let view = json!({ "here": "/history", "incidents": incidents, "older": older });
    Ok(page.draw("history.html", view))
}

/// An incident of the API for people.
pub(super) fn shown(incident: &Value, time: &Time) -> Value {
    let kind = serde_json::from_value::<IncidentKind>(incident["kind"].clone());
    let (title, icon) = words::incident(kind.unwrap_or(IncidentKind::Intrusion));
    let list = |key: &str| incident[key].as_array().cloned().unwrap_or_default();
    let sensors = list("sensors");
    let sensors: Vec<&str> = sensors
        .iter()
        .filter_map(|it| it["name"].as_str())
        .collect();
    let at = incident["since"].as_str().unwrap_or("");
    let acknowledged = incident["acknowledged_by"].as_str();
    let ended = &incident["ended"];
    let who = |how: &str| {
        let name = ended[how]["name"].as_str();
        name.map_or(String::new(), |name| format!(" by {name}"))
    };
    let end = match ended {
        Value::Null => "It goes on.".to_owned(),
        Value::String(_) => "It ended by itself.".to_owned(),
        how if how.get("disarmed").is_some() => format!("Disarmed{}.", who("disarmed")),
        _ => format!("Paused{}.", who("paused")),
    };
    let end = match acknowledged {
        Some(who) => format!("{end} Acknowledged by {who}."),
        None => format!("{end} Nobody acknowledged."),
    };
    let triggers = incident["triggers"].as_u64().unwrap_or(0);
    let photos = list("photos");
    let first = photos.first().map(|it| match it {
        Value::Object(photo) => photo["id"].clone(),
        id => id.clone(),
    });
    let mode = incident["mode"].as_str();
    json!({
        "id": incident["id"],
        "title": title,
        "icon": icon,
        "sensors": sensors.join(", "),
        "at": time.on_the_clock(at),
        "clock_set": incident["clock_set"] != false,
        "mode": mode.map(|mode| mode.trim_start_matches("armed_")),
        "count": match triggers { 1 => "one trigger".to_owned(), n => format!("{n} triggers") },
        "end": end,
        "unseen": acknowledged.is_none() && ended.get("disarmed").is_none(),
        "photo": first,
    })
}

/// The number in `/history/7`.
pub(super) fn id(path: &str) -> Option<u64> {
    path.strip_prefix("/history/")?.parse().ok()
}

/// One incident with everything that belongs to it.
pub(in crate::web) async fn incident(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Done>, QueryRejection>,
) -> Result<Response, Problem> {
    let Path(name) = path?;
    let Query(Done { done }) = query?;
    let missing = || Problem::missing(format!("there is no incident {name:?}"));
    let id: u64 = name.parse().map_err(|_| missing())?;
    let page = Page::new(&app, &visitor, done.as_deref());
    let view = view(&page, id).await?.ok_or_else(missing)?;
    Ok(page.draw("incident.html", view))
}

/// The same, below what is said above it.
pub(super) async fn draw(mut page: Page<'_>, id: u64) -> Response {
    match view(&page, id).await {
        Ok(Some(view)) => page.draw("incident.html", view),
        Ok(None) => super::home::draw(page).await,
        Err(problem) => {
            page.notice = Some(Notice::from(problem));
            super::home::draw(page).await
        }
    }
}

async fn view(page: &Page<'_>, id: u64) -> Result<Option<Value>, Problem> {
    let time = page.time();
    let found = ask(&page.app.house, move |history| {
        let incident = history.incident(id)?;
        let earlier = history.incidents(Some(id), 1)?;
        // Numbers are given one after another, and the oldest go first.
        let later = history.incidents(Some(id.saturating_add(2)), 1)?;
        Ok(incident.map(|it| (it, earlier, later)))
    })
    .await?;
    let Some((incident, earlier, later)) = found else {
        return Ok(None);
    };
    let list = |key: &str| incident[key].as_array().cloned().unwrap_or_default();
    let photos: Vec<Value> = (list("photos").iter())
        .map(|photo| {
            let taken = photo["taken"].as_str().unwrap_or("");
            json!({ "id": photo["id"], "at": time.on_the_clock(taken) })
        })
        .collect();
    let messages: Vec<Value> = (list("messages").iter())
        .map(|message| {
            let text = |key: &str| message[key].as_str().unwrap_or("");
            let (to, icon) = words::path(&format!("{}:{}", text("channel"), text("to")));
            let word = match message["waiting"] == true {
                true => "waits",
                false => "done",
            };
            json!({ "to": to, "icon": icon, "word": word })
        })
        .collect();
    let lines: Vec<Value> = list("events").iter().map(|it| line(it, &time)).collect();
    let number = |found: &[Value]| found.first().map(|it| it["id"].clone());
    let later = number(&later).filter(|later| *later != incident["id"]);
    Ok(Some(json!({
        "here": "/history",
        "incident": shown(&incident, &time),
        "wanted": incident["acknowledged_by"].is_null(),
        "photos": photos,
        "messages": messages,
        "lines": lines,
        "earlier": number(&earlier),
        "later": later,
    })))
}

#[derive(Deserialize)]
pub(in crate::web) struct Which {
    kind: Option<String>,
    before: Option<u64>,
}

/// Every line, newest first, or those of one kind.
pub(in crate::web) async fn lines(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Which { kind, before }) = query?;
    let kind = kind.unwrap_or_else(|| "all".to_owned());
    let page = Page::new(&app, &visitor, None);
    let time = page.time();
    let wanted = kind.clone();
    let found = ask(&app.house, move |history| {
        newest(history, before, &|event| is_of(event, &wanted))
    });
    let (found, older) = found.await?;
    let kinds: Vec<Value> = (words::KINDS.iter())
        .map(|(word, title)| json!({ "word": word, "title": title, "here": kind == *word }))
        .collect();
    let lines: Vec<Value> = found.iter().map(|it| line(it, &time)).collect();
    let view = json!({
        "here": "/history", "kind": kind, "kinds": kinds, "lines": lines, "older": older,
    });
    Ok(page.draw("lines.html", view))
}

fn is_of(event: &Value, kind: &str) -> bool {
    kind == "all"
        || serde_json::from_value::<Record>(event.clone())
            .is_ok_and(|what| words::kind_of(&what) == kind)
}

/// The newest lines below `before` that are wanted, newest first, and below which number there may
/// be more. Numbers only grow, so windows of them are read from the end.
fn newest(
    history: &dyn History,
    before: Option<u64>,
    wanted: &dyn Fn(&Value) -> bool,
) -> std::io::Result<(Vec<Value>, Option<u64>)> {
    let id = |event: &Value| event["id"].as_u64().unwrap_or(0);
    let mut end = match before {
        Some(before) => before,
        None => history.latest(1)?.last().map_or(1, |last| id(last) + 1),
    };
    let oldest = history.events(0, 1)?.first().map_or(end, id);
    let mut found = Vec::new();
    for _ in 0..LOOKED_THROUGH / LINES {
        if end <= oldest {
            return Ok((found, None));
        }
        let after = end.saturating_sub(LINES as u64 + 1);
        let window = history.events(after, LINES)?;
        for event in window.into_iter().rev().filter(|event| id(event) < end) {
            if wanted(&event) {
                let here = id(&event);
                found.push(event);
                if found.len() == LINES {
                    return Ok((found, Some(here)));
                }
            }
        }
        end = after + 1;
    }
    Ok((found, Some(end)))
}
