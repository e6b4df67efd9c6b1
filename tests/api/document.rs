//! Every answer that a test gets is held against the document of the API: whether that status is
//! known there, its type, and its body's shape.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex};

use asfaleia::web;
use jsonschema::Validator;
use serde_json::{Value, json};

pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(web::openapi()).expect("the document is JSON"));

/// Operation and status of what was answered so far, as `GET /api/v1/status 200`.
pub(crate) static GIVEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Holds an answer against the document. `path` is as it was asked for; `kind` is the answer's
/// `Content-Type`.
pub(crate) fn hold(method: &str, path: &str, status: u16, kind: Option<&str>, body: &[u8]) {
    let path = path.split('?').next().unwrap_or_default();
    let Some(known) = template(path) else {
        let pages = web::routes();
        let is_page = pages.iter().any(|(_, page)| fits_template(page, path));
        let strange = is_page || !path.starts_with('/') || [400, 401, 403, 404].contains(&status);
        assert!(
            strange,
            "{method} {path}: {status} from a route that is not in the document"
        );
        return;
    };
    let operation = &DOCUMENT["paths"][known][method.to_ascii_lowercase()];
    if operation.is_null() {
        assert!(
            [400, 401, 403, 405].contains(&status),
            "{method} {path}: {status}"
        );
        return;
    }
    let what = format!("{method} {known} {status}");
    let answer = resolved(&operation["responses"][status.to_string()]);
    assert!(
        !answer.is_null(),
        "the document knows no {what}: {}",
        text(body)
    );
    let kind = kind
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    let content = &answer["content"][kind];
    assert!(
        !content.is_null(),
        "the document knows no {kind:?} for {what}"
    );
    match kind {
        "application/json" => {
            let body = serde_json::from_slice(body)
                .unwrap_or_else(|error| panic!("{what}: {error}: {}", text(body)));
            fits(&what, &content["schema"], &body);
        }
        "text/event-stream" => {}
        _ => assert_ne!(body.len(), 0, "{what}"),
    }
    GIVEN.lock().unwrap().insert(what);
}

/// Holds a body against one of the document's schemas.
pub(crate) fn fits_schema(name: &str, body: &Value) {
    let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
    fits(name, &schema, body);
}

/// The document's name for a path, such as `/api/v1/photos/{id}`.
fn template(path: &str) -> Option<&'static str> {
    let paths = DOCUMENT["paths"].as_object().expect("paths have names");
    // One that is named in full goes before one with a name to fill in.
    let exact = paths.keys().find(|known| *known == path);
    exact
        .or_else(|| paths.keys().find(|known| fits_template(known, path)))
        .map(String::as_str)
}

fn fits_template(known: &str, path: &str) -> bool {
    let (known, path): (Vec<_>, Vec<_>) = (known.split('/').collect(), path.split('/').collect());
    let same = |(a, b): (&&str, &&str)| a == b || (a.starts_with('{') && !b.is_empty());
    known.len() == path.len() && known.iter().zip(&path).all(same)
}

/// What is meant, where only a reference stands.
pub(crate) fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(at) => DOCUMENT
            .pointer(&at[1..])
            .expect("references lead somewhere"),
        None => value,
    }
}

fn fits(what: &str, schema: &Value, body: &Value) {
    static VALIDATORS: Mutex<BTreeMap<String, Arc<Validator>>> = Mutex::new(BTreeMap::new());
    let mut known = VALIDATORS
        .lock()
        .unwrap_or_else(|broken| broken.into_inner());
    let validator = known.entry(what.to_owned()).or_insert_with(|| {
        let schema = json!({ "allOf": [schema], "components": DOCUMENT["components"] });
        let options = jsonschema::options().should_validate_formats(true);
        Arc::new(options.build(&schema).expect("the document has schemas"))
    });
    let validator = Arc::clone(validator);
    drop(known);
    let wrong: Vec<String> = validator
        .iter_errors(body)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{what}: {wrong:#?} in {body:#}");
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}
