//! Calls through a telephone service with a certificate of its own authority.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asfaleia::clock::WallTime;
use asfaleia::config::{Login, Phone};
use asfaleia::notify::{CallSid, Failure, PlaceFailure, Progress, Telephone, masked, twiml};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::{https, soon};

const ANNA: &str = "+302101234567";
const US: &str = "+15005550006";

type Fields = HashMap<String, String>;

/// The service: what it answers, and what it saw.
#[derive(Default)]
struct Exchange {
    /// Instead of placing calls.
    refusal: Option<(StatusCode, Option<&'static str>, Value)>,
    /// Takes the call and never answers.
    hangs: bool,
    status: Value,
    forms: Vec<Fields>,
    queries: Vec<Fields>,
    warmed: u32,
    authorization: String,
    placed: Vec<Value>,
}

type Shared = Arc<Mutex<Exchange>>;

struct Service {
    exchange: Shared,
    telephone: Telephone,
    _authority: Authority,
}

async fn service(exchange: Exchange) -> Service {
    let exchange = Arc::new(Mutex::new(exchange));
    let app = Router::new()
        .route("/2010-04-01/Accounts/{account}", get(account))
        .route(
            "/2010-04-01/Accounts/AC0123456789abcdef/Calls.json",
            post(place).get(list),
        )
        .route(
            "/2010-04-01/Accounts/AC0123456789abcdef/Calls/{call}",
            get(follow).post(end),
        )
        .with_state(exchange.clone());
    let authority = Authority::new();
    let base_url = https::serve(app, &authority).await;
    let phone = Phone {
        base_url,
        account_sid: "AC0123456789abcdef".into(),
        login: Login {
            username: "SK42".into(),
            password: "secret".into(),
        },
        from: US.into(),
        rounds: 2,
        ring_time: Duration::from_secs(30),
        ack_time: Duration::from_secs(120),
        ladder_every: Duration::from_secs(300),
        gas_again_every: Duration::from_secs(600),
        machine_detection: true,
        ca_file: Some(authority.file().to_owned()),
    };
    Service {
        exchange,
        telephone: Telephone::new(&phone).unwrap(),
        _authority: authority,
    }
}

async fn account(State(exchange): State<Shared>, Path(account): Path<String>) -> Json<Value> {
    assert_eq!(account, "AC0123456789abcdef.json");
    exchange.lock().unwrap().warmed += 1;
    Json(json!({}))
}

async fn place(
    State(exchange): State<Shared>,
    headers: HeaderMap,
    Form(form): Form<Fields>,
) -> Response {
    let hangs = {
        let mut exchange = exchange.lock().unwrap();
        exchange.authorization = headers["authorization"].to_str().unwrap().to_owned();
        if let Some((status, retry_after, body)) = exchange.refusal.clone() {
            let retry_after = retry_after.map(|seconds| [("retry-after", seconds)]);
            return (status, retry_after.unwrap_or([("x-none", "")]), Json(body)).into_response();
        }
        let sid = format!("CA{}", exchange.placed.len());
        let call = json!({
            "sid": sid, "to": form["To"], "from": form["From"], "status": "queued",
            "date_created": jiff::fmt::rfc2822::to_string(&jiff::Zoned::now()).unwrap(),
            "start_time": null,
        });
        exchange.placed.insert(0, call);
        exchange.forms.push(form);
        exchange.hangs
    };
    if hangs {
        std::future::pending::<()>().await;
    }
    let call = exchange.lock().unwrap().placed[0].clone();
    (StatusCode::CREATED, Json(call)).into_response()
}

async fn list(State(exchange): State<Shared>, Query(query): Query<Fields>) -> Json<Value> {
    let mut exchange = exchange.lock().unwrap();
    let matching: Vec<_> = exchange
        .placed
        .iter()
        .filter(|call| call["to"] == query["To"] && call["from"] == query["From"])
        .cloned()
        .collect();
    exchange.queries.push(query);
    Json(json!({"calls": matching, "page": 0}))
}

async fn follow(State(exchange): State<Shared>, Path(call): Path<String>) -> Json<Value> {
    assert_eq!(call, "CA7.json");
    Json(exchange.lock().unwrap().status.clone())
}

async fn end(
    State(exchange): State<Shared>,
    Path(call): Path<String>,
    Form(form): Form<Fields>,
) -> Json<Value> {
    assert_eq!(call, "CA7.json");
    exchange.lock().unwrap().forms.push(form);
    Json(json!({"sid": "CA7", "status": "completed"}))
}

fn refusing(status: StatusCode, retry_after: Option<&'static str>, body: Value) -> Exchange {
    Exchange {
        refusal: Some((status, retry_after, body)),
        ..Exchange::default()
    }
}

#[tokio::test]
async fn a_call_is_placed_with_the_fields_twilio_wants() {
    let service = service(Exchange::default()).await;
    let words = "Alarm at Tom & Jerry's. Motion in hall, at 02:13.";
    let call = soon(service.telephone.place(ANNA, words)).await.unwrap();
    assert_eq!(call, CallSid("CA0".into()));
    let exchange = service.exchange.lock().unwrap();
    let said = "Alarm at Tom &amp; Jerry&#39;s. Motion in hall, at 02:13.";
    let expected: Fields = [
        ("To", ANNA),
        ("From", US),
        (
            "Twiml",
            &format!(
                "<Response><Say>{said}</Say><Pause length=\"1\"/><Say>{said}</Say></Response>"
            ),
        ),
        ("Timeout", "30"),
        ("MachineDetection", "Enable"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    assert_eq!(exchange.forms, [expected]);
    assert_eq!(exchange.authorization, "Basic U0s0MjpzZWNyZXQ=");
}

#[test]
fn the_words_are_never_longer_than_the_service_takes() {
    let long = twiml(&"gas & fire ".repeat(1_000));
    assert!(long.chars().count() <= 4_000);
    assert!(long.chars().count() > 3_980);
    assert!(long.ends_with("</Say></Response>"));
    assert!(!twiml("a\u{0}b\nc").contains(['\u{0}', '\n']));
}

#[test]
fn a_number_in_a_log_shows_only_its_ends() {
    assert_eq!(masked("+302101234567"), "+30…4567");
    assert_eq!(masked("112"), "…12");
    assert_eq!(masked(""), "…");
}

#[tokio::test]
async fn preparing_warms_one_connection_and_not_a_second_time() {
    let service = service(Exchange::default()).await;
    soon(service.telephone.prepare()).await;
    soon(service.telephone.prepare()).await;
    soon(service.telephone.place(ANNA, "x")).await.unwrap();
    soon(service.telephone.prepare()).await;
    assert_eq!(service.exchange.lock().unwrap().warmed, 1);
}

#[tokio::test]
async fn a_refused_number_is_permanent_and_tells_the_code_but_not_the_number() {
    let service = service(refusing(
        StatusCode::BAD_REQUEST,
        None,
        json!({"code": 21217, "status": 400,
            "message": format!("The 'To' number {ANNA} of AC0123456789abcdef is not valid, nor {US}.")}),
    ))
    .await;
    let failure = soon(service.telephone.place(ANNA, "x")).await.unwrap_err();
    let PlaceFailure::Permanent { why, code } = failure else {
        panic!("{failure:?}");
    };
    assert_eq!(code, Some(21217));
    assert_eq!(
        why,
        "calling +30…4567: the telephone service answered 400, code 21217: \
         The 'To' number +30…4567 of AC… is not valid, nor +15…0006."
    );
}

#[tokio::test]
async fn slow_down_and_server_errors_are_worth_another_try() {
    let busy = json!({"code": 20429, "message": "Too many requests"});
    let slow_down = service(refusing(StatusCode::TOO_MANY_REQUESTS, Some("7"), busy)).await;
    let failure = soon(slow_down.telephone.place(ANNA, "x"))
        .await
        .unwrap_err();
    let PlaceFailure::Temporary { why, after } = failure else {
        panic!("{failure:?}");
    };
    assert_eq!(after, Some(Duration::from_secs(7)));
    assert!(why.contains("429, code 20429: Too many requests"), "{why}");

    let down = service(refusing(
        StatusCode::INTERNAL_SERVER_ERROR,
        None,
        json!("oh"),
    ))
    .await;
    let failure = soon(down.telephone.place(ANNA, "x")).await.unwrap_err();
    assert!(
        matches!(failure, PlaceFailure::Temporary { after: None, .. }),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_request_without_an_answer_is_uncertain_and_the_call_is_found() {
    let mut service = service(Exchange {
        hangs: true,
        ..Exchange::default()
    })
    .await;
    service.telephone = service.telephone.with_patience(Duration::from_secs(10));
    let before = WallTime(jiff::Timestamp::now().as_millisecond());
    let failure = soon(service.telephone.place(ANNA, "x")).await.unwrap_err();
    assert!(
        matches!(failure, PlaceFailure::Uncertain { .. }),
        "{failure:?}"
    );
    assert!(!failure.to_string().contains("https"), "{failure}");

    service.telephone = service.telephone.with_patience(Duration::from_secs(60));
    let found = soon(service.telephone.find(ANNA, before)).await.unwrap();
    assert_eq!(found, [CallSid("CA0".into())]);
    let query = service.exchange.lock().unwrap().queries[0].clone();
    assert_eq!(query["From"], US);
    let day = WallTime(before.as_millis() - 5_000).rfc3339()[..10].to_owned();
    assert_eq!(query["StartTime>"], day);

    let later = WallTime(before.as_millis() + 60_000);
    assert_eq!(soon(service.telephone.find(ANNA, later)).await.unwrap(), []);
    assert_eq!(
        soon(service.telephone.find("+302107654321", before))
            .await
            .unwrap(),
        []
    );
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_has_certainly_not_called() {
    let stranger = Authority::new();
    let app = Router::new();
    let base_url = https::serve(app, &stranger).await;
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!(
            "https://localhost:{}",
            listener.local_addr().unwrap().port()
        )
    };
    let ours = Authority::new();
    for base_url in [base_url, nobody] {
        let phone = Phone {
            base_url,
            account_sid: "AC1".into(),
            login: Login {
                username: "AC1".into(),
                password: "secret".into(),
            },
            from: US.into(),
            rounds: 1,
            ring_time: Duration::from_secs(30),
            ack_time: Duration::ZERO,
            ladder_every: Duration::ZERO,
            gas_again_every: Duration::ZERO,
            machine_detection: false,
            ca_file: Some(ours.file().to_owned()),
        };
        let telephone = Telephone::new(&phone).unwrap();
        let failure = soon(telephone.place(ANNA, "x")).await.unwrap_err();
        assert!(
            matches!(failure, PlaceFailure::Temporary { .. }),
            "{failure:?}"
        );
        assert!(!failure.to_string().contains("AC1"), "{failure}");
    }
}

#[tokio::test]
async fn every_word_of_a_calls_progress_is_understood() {
    let service = service(Exchange::default()).await;
    let call = CallSid("CA7".into());
    for (word, progress, over) in [
        ("queued", Progress::Queued, false),
        ("initiated", Progress::Initiated, false),
        ("ringing", Progress::Ringing, false),
        ("in-progress", Progress::InProgress, false),
        ("completed", Progress::Completed, true),
        ("busy", Progress::Busy, true),
        ("no-answer", Progress::NoAnswer, true),
        ("failed", Progress::Failed, true),
        ("canceled", Progress::Canceled, true),
    ] {
        service.exchange.lock().unwrap().status = json!({"status": word, "answered_by": null});
        let status = soon(service.telephone.status(&call)).await.unwrap();
        assert_eq!(status.progress, progress);
        assert_eq!(status.progress.is_over(), over);
        assert!(!status.by_machine);
    }
    for (who, machine) in [
        ("human", false),
        ("machine_start", true),
        ("fax", true),
        ("unknown", false),
    ] {
        service.exchange.lock().unwrap().status =
            json!({"status": "in-progress", "answered_by": who});
        let status = soon(service.telephone.status(&call)).await.unwrap();
        assert_eq!(status.by_machine, machine, "{who}");
    }
    service.exchange.lock().unwrap().status = json!({"status": "dancing"});
    let failure = soon(service.telephone.status(&call)).await.unwrap_err();
    assert!(matches!(failure, Failure::Temporary { .. }));
}

#[tokio::test]
async fn an_acknowledged_call_is_ended() {
    let service = service(Exchange::default()).await;
    soon(service.telephone.cancel(&CallSid("CA7".into())))
        .await
        .unwrap();
    assert_eq!(
        service.exchange.lock().unwrap().forms[0]["Status"],
        "completed"
    );
}
