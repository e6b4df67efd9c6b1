//! A telephone service on loopback that speaks as much of Twilio's API as asfaleia uses.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Form, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::call::{Answer, Call, Decision, MOST_RINGING, RINGING, TALKING, spoken, starts};
use super::faults::{FaultSet, Faults, PhoneFault};
use super::listening::{bind, bind_again, until};
use crate::clock;

/// The telephone service. Runs as long as the runtime it was started on.
#[derive(Clone)]
pub struct TelephoneService {
    address: SocketAddr,
    exchange: Arc<Exchange>,
}

impl TelephoneService {
    /// Listens on a free port of 127.0.0.1, without TLS, for this account and basic-auth login.
    pub async fn start(
        faults: &Faults,
        account_sid: &str,
        (username, password): (&str, &str),
    ) -> io::Result<TelephoneService> {
        let (listener, address) = bind().await?;
        let exchange = Arc::new(Exchange {
            account_sid: account_sid.to_owned(),
            login: format!("{username}:{password}"),
            faults: faults.watch(),
            calls: Mutex::default(),
        });
        tokio::spawn(serve(listener, address, exchange.clone()));
        Ok(TelephoneService { address, exchange })
    }

    /// Where it listens; the same for as long as it runs.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The calls that were placed, oldest first, as `GET sim/calls` shows them. At most the last
    /// 200.
    pub fn calls(&self) -> Value {
        let about = |call: &Call| {
            json!({
                "to": call.to,
                "from": call.from,
                "words": call.words,
                "status": call.status(),
                "received_ns": call.received_ns,
            })
        };
        self.exchange.calls().iter().map(about).collect()
    }

    /// Whoever is called does this with a call, by its place in [`calls`](Self::calls): `ring` lets
    /// it ring for all of its `Timeout`; `answer`, `engaged` and `ignore` are for one that rings,
    /// `hang-up` for one that was answered. Without a word from anybody it is as the faults say.
    ///
    /// # Errors
    /// There is no such word or call, or it is too late.
    pub fn decide(&self, call: usize, decision: &str) -> Result<(), String> {
        let decision: Decision =
            serde_json::from_value(decision.into()).map_err(|error| error.to_string())?;
        match self.exchange.calls().get_mut(call) {
            Some(call) => call.decide(decision),
            None => Err(format!("there is no call {call} (from 0)")),
        }
    }

    pub(super) fn remembered(&self) -> VecDeque<Call> {
        self.exchange.calls().clone()
    }

    pub(super) fn recall(&self, calls: VecDeque<Call>) {
        *self.exchange.calls() = calls;
    }
}

const MOST_CALLS: usize = 200;
struct Exchange {
    account_sid: String,
    /// As basic authentication has it: name, colon, password.
    login: String,
    faults: watch::Receiver<FaultSet>,
    calls: Mutex<VecDeque<Call>>,
}

impl Exchange {
    fn calls(&self) -> MutexGuard<'_, VecDeque<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self) -> Option<PhoneFault> {
        self.faults.borrow().at_phone()
    }
}

async fn serve(listener: TcpListener, address: SocketAddr, exchange: Arc<Exchange>) {
    let router = Router::new()
        .route("/2010-04-01/Accounts/{account}", get(account))
        .route(
            "/2010-04-01/Accounts/{account}/Calls.json",
            get(list).post(place),
        )
        .route(
            "/2010-04-01/Accounts/{account}/Calls/{call}",
            get(show).post(change),
        )
        .route(
            "/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json",
            get(numbers),
        )
        .fallback(async || refusal(StatusCode::NOT_FOUND, 20404, "no such resource"))
        .layer(middleware::from_fn_with_state(
            exchange.clone(),
            at_the_door,
        ))
        .with_state(exchange.clone());
    let is_down = |set: &FaultSet| set.at_phone() == Some(PhoneFault::Down);
    let mut faults = exchange.faults.clone();
    let mut listener = Some(listener);
    loop {
        until(&mut faults, |set| !is_down(set)).await;
        let open = match listener.take() {
            Some(open) => open,
            None => bind_again(address).await,
        };
        // Each answer leaves at once: Nagle's algorithm would be what is timed.
        let open = open.tap_io(|stream| drop(stream.set_nodelay(true)));
        let mut cut = faults.clone();
        // Stopping closes the port at once and idle connections with it; whoever sits on one
        // does not keep the service from coming back.
        let server = axum::serve(open, router.clone())
            .with_graceful_shutdown(async move { until(&mut cut, is_down).await });
        tokio::spawn(server.into_future());
        until(&mut faults, is_down).await;
    }
}

/// Faults that concern every request, then the login.
async fn at_the_door(
    State(exchange): State<Arc<Exchange>>,
    request: Request,
    next: Next,
) -> Response {
    let mut faults = exchange.faults.clone();
    let hangs = |set: &FaultSet| set.at_phone() == Some(PhoneFault::Hang);
    until(&mut faults, |set| !hangs(set)).await;
    match exchange.fault() {
        // A connection from before the cut.
        Some(PhoneFault::Down) => {
            return refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                20503,
                "service unavailable",
            );
        }
        Some(PhoneFault::Fails) => {
            return refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                20500,
                "internal server error",
            );
        }
        Some(PhoneFault::TooMany) => {
            let refusal = refusal(StatusCode::TOO_MANY_REQUESTS, 20429, "too many requests");
            return ([(header::RETRY_AFTER, "1")], refusal).into_response();
        }
        Some(PhoneFault::Hang | PhoneFault::Busy | PhoneFault::NoAnswer) | None => {}
    }
    if !knows(&exchange.login, request.headers()) {
        return refusal(StatusCode::UNAUTHORIZED, 20003, "authenticate");
    }
    let account = format!("/2010-04-01/Accounts/{}", exchange.account_sid);
    match request.uri().path().strip_prefix(&account) {
        Some(rest) if rest.starts_with(['/', '.']) => next.run(request).await,
        Some(_) | None => refusal(StatusCode::NOT_FOUND, 20404, "no such account"),
    }
}

fn knows(login: &str, headers: &HeaderMap) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Basic "))
        .and_then(mail_parser::decoders::base64::base64_decode)
        .is_some_and(|given| given == login.as_bytes())
}

async fn account(State(exchange): State<Arc<Exchange>>) -> Json<Value> {
    Json(json!({
        "sid": exchange.account_sid,
        "friendly_name": "asfaleia simulator",
        "status": "active",
        "type": "Full",
    }))
}

/// Any number that is one is the account's.
async fn numbers(Query(wanted): Query<HashMap<String, String>>) -> Json<Value> {
    let numbers = wanted.get("PhoneNumber").filter(|number| is_number(number));
    let numbers =
        numbers.map(|number| json!({"phone_number": number, "capabilities": {"voice": true}}));
    Json(json!({"incoming_phone_numbers": numbers.into_iter().collect::<Value>()}))
}

async fn place(
    State(exchange): State<Arc<Exchange>>,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let received_ns = clock::monotonic_nanos();
    let field = |name| form.get(name).map_or("", String::as_str);
    if !is_number(field("To")) {
        return refusal(
            StatusCode::BAD_REQUEST,
            21217,
            "the 'To' number is not valid",
        );
    }
    if !is_number(field("From")) {
        return refusal(
            StatusCode::BAD_REQUEST,
            21212,
            "the 'From' number is not valid",
        );
    }
    if field("Twiml").is_empty() {
        return refusal(StatusCode::BAD_REQUEST, 21205, "'Twiml' is required here");
    }
    let timeout = Duration::from_secs(field("Timeout").parse().unwrap_or(60));
    let (rings, answer) = match exchange.fault() {
        Some(PhoneFault::Busy) => (RINGING, Answer::Busy),
        Some(PhoneFault::NoAnswer) => (timeout.min(MOST_RINGING), Answer::Never),
        Some(PhoneFault::Down | PhoneFault::Hang | PhoneFault::Fails | PhoneFault::TooMany)
        | None => (RINGING, Answer::Talks),
    };
    let call = Call {
        sid: format!("CA{:032x}", fastrand::u128(..)),
        to: field("To").to_owned(),
        from: field("From").to_owned(),
        words: spoken(field("Twiml")),
        placed_at: Timestamp::now(),
        received_ns,
        timeout,
        rings,
        answer,
        talks: TALKING,
        machine_detection: !field("MachineDetection").is_empty(),
        hung_up: None,
    };
    let answer = call.json(&exchange.account_sid);
    let mut calls = exchange.calls();
    calls.push_back(call);
    if calls.len() > MOST_CALLS {
        calls.pop_front();
    }
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn list(
    State(exchange): State<Arc<Exchange>>,
    Query(wanted): Query<HashMap<String, String>>,
) -> Json<Value> {
    let matches = |call: &&Call| {
        wanted.iter().all(|(name, value)| match name.as_str() {
            "To" => call.to == *value,
            "From" => call.from == *value,
            "Status" => call.status() == value,
            name => match name.strip_prefix("StartTime") {
                Some(relation) => starts(call.placed_at, relation, value),
                None => true,
            },
        })
    };
    let calls = exchange.calls();
    // Twilio's are newest first.
    let calls = calls.iter().rev().filter(matches);
    let calls: Value = calls.map(|call| call.json(&exchange.account_sid)).collect();
    Json(json!({"calls": calls, "page": 0, "page_size": 50}))
}

async fn show(
    State(exchange): State<Arc<Exchange>>,
    Path((_, sid)): Path<(String, String)>,
) -> Response {
    with_call(&exchange, &sid, |_| ())
}

async fn change(
    State(exchange): State<Arc<Exchange>>,
    Path((_, sid)): Path<(String, String)>,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    with_call(&exchange, &sid, |call| {
        if matches!(
            form.get("Status").map(String::as_str),
            Some("completed" | "canceled")
        ) {
            call.hang_up();
        }
    })
}

fn with_call(exchange: &Exchange, sid: &str, change: impl FnOnce(&mut Call)) -> Response {
    let sid = sid.strip_suffix(".json").unwrap_or(sid);
    match exchange.calls().iter_mut().find(|call| call.sid == sid) {
        Some(call) => {
            change(call);
            Json(call.json(&exchange.account_sid)).into_response()
        }
        None => refusal(StatusCode::NOT_FOUND, 20404, "no such call"),
    }
}

fn is_number(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}

/// Twilio's form of an error.
fn refusal(status: StatusCode, code: u32, message: &str) -> Response {
    let body = json!({
        "code": code,
        "message": message,
        "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
        "status": status.as_u16(),
    });
    (status, Json(body)).into_response()
}
