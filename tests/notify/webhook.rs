//! Webhooks against a server that records what it got.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use asfaleia::config;
use asfaleia::notify::{Failure, Webhook};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::{burglary, https, soon};

type Got = Arc<Mutex<Vec<(Method, HeaderMap, String)>>>;

#[derive(Clone)]
struct Server {
    answer: Option<(StatusCode, &'static str, &'static str)>,
    got: Got,
}

async fn take(
    State(server): State<Server>,
    method: Method,
    headers: HeaderMap,
    body: String,
) -> Response {
    server.got.lock().unwrap().push((method, headers, body));
    match server.answer {
        Some((status, header, value)) => (status, [(header, value)], "tok\nbody").into_response(),
        None => std::future::pending().await,
    }
}

async fn sent(
    change: impl FnOnce(&mut config::Webhook),
    answer: Option<(StatusCode, &'static str, &'static str)>,
) -> (Result<String, Failure>, Got) {
    let got = Got::default();
    let server = Server {
        answer,
        got: got.clone(),
    };
    let authority = Authority::new();
    let base = https::serve(Router::new().fallback(take).with_state(server), &authority).await;
    let mut webhook = config::Webhook {
        name: "ntfy".into(),
        url: format!("{base}/topic?token=hidden"),
        method: "POST".into(),
        body: None,
        headers: vec![],
        ca_file: Some(authority.file().to_owned()),
    };
    change(&mut webhook);
    let patience = match answer {
        Some(_) => Duration::from_secs(60),
        None => Duration::from_secs(4),
    };
    let webhook = Webhook::new(&webhook).unwrap().with_patience(patience);
    let outcome = soon(webhook.deliver(&burglary())).await;
    (outcome.map(|delivered| delivered.reply), got)
}

const OK: Option<(StatusCode, &str, &str)> = Some((StatusCode::OK, "x-none", ""));

#[tokio::test]
async fn a_template_is_filled_in_and_headers_go_along() {
    let (outcome, got) = sent(
        |webhook| {
            webhook.body = Some("{{ title }}: {{ text }} [{{ site }}/{{ incident }}/{{ kind }}/{{ sensor }}/{{ state }}]".into());
            webhook.headers = vec![("Authorization".into(), "Bearer tk_1".into())];
            webhook.method = "PUT".into();
        },
        OK,
    )
    .await;
    assert_eq!(outcome.unwrap(), "200 tok body");
    let (method, headers, body) = got.lock().unwrap()[0].clone();
    assert_eq!(method, Method::PUT);
    assert_eq!(headers["authorization"], "Bearer tk_1");
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    assert!(
        body.starts_with("ALARM motion in hall: Motion in hall at "),
        "{body}"
    );
    assert!(
        body.ends_with(", armed away. [Home/17/intrusion/hall/triggered]"),
        "{body}"
    );
}

#[tokio::test]
async fn a_json_template_is_sent_as_json() {
    let (outcome, got) = sent(
        |webhook| webhook.body = Some(r#"{"chat_id": 7, "text": {{ title|tojson }}}"#.into()),
        OK,
    )
    .await;
    outcome.unwrap();
    let (_, headers, body) = got.lock().unwrap()[0].clone();
    assert_eq!(headers["content-type"], "application/json");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body, json!({"chat_id": 7, "text": "ALARM motion in hall"}));
}

#[tokio::test]
async fn the_default_body_holds_every_fact() {
    let (outcome, got) = sent(|_| {}, OK).await;
    outcome.unwrap();
    let (method, headers, body) = got.lock().unwrap()[0].clone();
    assert_eq!(method, Method::POST);
    assert_eq!(headers["content-type"], "application/json");
    let body: Value = serde_json::from_str(&body).unwrap();
    for (fact, value) in [
        ("title", json!("ALARM motion in hall")),
        ("site", json!("Home")),
        ("about", json!("alarm")),
        ("kind", json!("intrusion")),
        ("incident", json!(17)),
        ("sensor", json!("hall")),
        ("sensor_kind", json!("motion")),
        ("mode", json!("away")),
        ("state", json!("triggered")),
        ("confirmed", json!(false)),
        ("late", Value::Null),
    ] {
        assert_eq!(body[fact], value, "{fact}");
    }
    let time: jiff::Timestamp = body["time"].as_str().unwrap().parse().unwrap();
    assert_eq!(time.as_millisecond(), crate::HAPPENED.as_millis());
}

#[tokio::test]
async fn a_template_that_fails_sends_nothing() {
    let (outcome, got) = sent(|webhook| webhook.body = Some("{{ 1 // 0 }}".into()), OK).await;
    assert!(matches!(outcome.unwrap_err(), Failure::Permanent { .. }));
    assert!(got.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_answers_status_says_whether_another_try_is_worth_it() {
    for (status, temporary) in [
        (StatusCode::BAD_REQUEST, false),
        (StatusCode::FORBIDDEN, false),
        (StatusCode::NOT_FOUND, false),
        (StatusCode::MOVED_PERMANENTLY, false),
        (StatusCode::REQUEST_TIMEOUT, true),
        (StatusCode::TOO_MANY_REQUESTS, true),
        (StatusCode::INTERNAL_SERVER_ERROR, true),
        (StatusCode::SERVICE_UNAVAILABLE, true),
    ] {
        let (outcome, got) = sent(|_| {}, Some((status, "location", "/elsewhere"))).await;
        let failure = outcome.unwrap_err();
        assert_eq!(
            matches!(failure, Failure::Temporary { .. }),
            temporary,
            "{status}"
        );
        let text = failure.to_string();
        assert!(
            text.contains("webhook ntfy") && text.contains(status.as_str()),
            "{text}"
        );
        assert!(!text.contains("hidden"), "{text}");
        assert_eq!(
            got.lock().unwrap().len(),
            1,
            "one request: redirects are not followed"
        );
    }
}

#[tokio::test]
async fn retry_after_is_honoured_within_reason() {
    for (said, after) in [("7", 7), ("999999", 600)] {
        let (outcome, _) = sent(
            |_| {},
            Some((StatusCode::TOO_MANY_REQUESTS, "retry-after", said)),
        )
        .await;
        let Failure::Temporary {
            after: Some(waits), ..
        } = outcome.unwrap_err()
        else {
            panic!("it says when");
        };
        assert_eq!(waits, Duration::from_secs(after));
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_worth_another_try_and_its_address_stays_hidden() {
    let (outcome, _) = sent(|_| {}, None).await;
    let failure = outcome.unwrap_err();
    assert!(matches!(failure, Failure::Temporary { .. }));
    assert!(!failure.to_string().contains("hidden"), "{failure}");
}

#[tokio::test]
async fn a_server_whose_answer_never_ends_is_not_heard_out() {
    // It filled the memory for as long as the patience of 15 s lasted.
    let sent = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = sent.clone();
    let endless = Router::new().fallback(move || {
        let counter = counter.clone();
        let chunks = futures_util::stream::repeat_with(move || {
            counter.fetch_add(64 * 1024, std::sync::atomic::Ordering::Relaxed);
            Ok::<_, std::convert::Infallible>(vec![b'x'; 64 * 1024])
        });
        std::future::ready(axum::body::Body::from_stream(chunks))
    });
    let authority = Authority::new();
    let base = https::serve(endless, &authority).await;
    let webhook = config::Webhook {
        name: "ntfy".into(),
        url: base,
        method: "POST".into(),
        body: None,
        headers: vec![],
        ca_file: Some(authority.file().to_owned()),
    };
    let webhook = Webhook::new(&webhook).unwrap();
    let reply = soon(webhook.deliver(&burglary())).await.unwrap().reply;
    assert!(reply.starts_with("200 xxx") && reply.len() < 300, "{reply}");
    // What is on its way between them comes on top.
    let sent = sent.load(std::sync::atomic::Ordering::Relaxed);
    assert!(sent < 32 << 20, "{sent} bytes");
}
