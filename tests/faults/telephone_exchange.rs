//! A telephone service that misbehaves at any step of a call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::{Form, Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::authority::Authority;

#[path = "../notify/https.rs"]
mod https;

/// What it does with a request to place a call; everything else it does well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// Places it, and answers after up to so long.
    Places(Duration),
    /// HTTP status and Twilio's code.
    Refuses(u16, u32),
    /// Takes the request, places nothing, and never answers.
    Swallows,
    /// Places the call and never answers.
    PlacesInSilence,
    /// Takes the request, places nothing, and hangs up.
    HangsUp,
    /// Places the call and hangs up.
    PlacesAndHangsUp,
}

/// A call that was placed.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) to: String,
    created: String,
}

struct Desk {
    conduct: Conduct,
    placed: Vec<Placed>,
    /// `METHOD path` of every request.
    requests: Vec<String>,
}

type Shared = Arc<Mutex<Desk>>;

pub(crate) struct Exchange {
    desk: Shared,
    pub(crate) base_url: String,
    _runtime: Runtime,
}

impl Exchange {
    /// In the clear on loopback.
    pub(crate) fn open(conduct: Conduct) -> Exchange {
        Self::serve(conduct, async |app| {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async move { axum::serve(listener, app).await });
            format!("http://{address}")
        })
    }

    /// With a certificate of this authority.
    pub(crate) fn encrypted(authority: &Authority) -> Exchange {
        Self::serve(Conduct::Places(Duration::ZERO), async |app| {
            https::serve(app, authority).await
        })
    }

    fn serve(conduct: Conduct, listen: impl AsyncFnOnce(Router) -> String) -> Exchange {
        let runtime = Runtime::new().unwrap();
        let desk = Arc::new(Mutex::new(Desk {
            conduct,
            placed: Vec::new(),
            requests: Vec::new(),
        }));
        let app = Router::new()
            .route("/2010-04-01/Accounts/{account}", get(account))
            .route(
                "/2010-04-01/Accounts/{account}/Calls.json",
                get(list).post(place),
            )
            .route(
                "/2010-04-01/Accounts/{account}/Calls/{call}",
                get(show).post(show),
            )
            .layer(from_fn_with_state(desk.clone(), note))
            .with_state(desk.clone());
        let base_url = runtime.block_on(listen(app));
        Exchange {
            desk,
            base_url,
            _runtime: runtime,
        }
    }

    pub(crate) fn mend(&self) {
        self.desk().conduct = Conduct::Places(Duration::ZERO);
    }

    pub(crate) fn placed(&self) -> Vec<Placed> {
        self.desk().placed.clone()
    }

    /// How often it was asked to place a call.
    pub(crate) fn asked(&self) -> usize {
        self.requests("POST", "/Calls.json")
    }

    /// How often a call was looked for.
    pub(crate) fn looked_up(&self) -> usize {
        self.requests("GET", "/Calls.json")
    }

    fn requests(&self, method: &str, end: &str) -> usize {
        let desk = self.desk();
        let such = |it: &&String| it.starts_with(method) && it.ends_with(end);
        desk.requests.iter().filter(such).count()
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap()
    }
}

async fn note(State(desk): State<Shared>, request: Request, next: Next) -> Response {
    let line = format!("{} {}", request.method(), request.uri().path());
    desk.lock().unwrap().requests.push(line);
    next.run(request).await
}

async fn account() -> Json<Value> {
    Json(json!({}))
}

async fn place(State(desk): State<Shared>, Form(form): Form<HashMap<String, String>>) -> Response {
    let (conduct, call) = {
        let mut desk = desk.lock().unwrap();
        let conduct = desk.conduct;
        let places = match conduct {
            Conduct::Places(_) | Conduct::PlacesInSilence | Conduct::PlacesAndHangsUp => true,
            Conduct::Refuses(..) | Conduct::Swallows | Conduct::HangsUp => false,
        };
        if places {
            desk.placed.push(Placed {
                to: form["To"].clone(),
                created: jiff::fmt::rfc2822::to_string(&jiff::Zoned::now()).unwrap(),
            });
        }
        (conduct, json(desk.placed.len(), &form["To"]))
    };
    match conduct {
        Conduct::Places(slow) => {
            tokio::time::sleep(slow.mul_f64(fastrand::f64())).await;
            (StatusCode::CREATED, Json(call)).into_response()
        }
        Conduct::Refuses(status, code) => {
            let body = json!({"code": code, "message": "not now", "status": status});
            (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
        }
        Conduct::Swallows | Conduct::PlacesInSilence => std::future::pending().await,
        // A body that is cut off takes the connection with it.
        Conduct::HangsUp | Conduct::PlacesAndHangsUp => {
            let cut = futures_util::stream::once(async {
                Err::<String, _>(std::io::Error::other("the connection was cut"))
            });
            axum::body::Body::from_stream(cut).into_response()
        }
    }
}

async fn list(State(desk): State<Shared>) -> Json<Value> {
    let desk = desk.lock().unwrap();
    let newest_first = desk.placed.iter().enumerate().rev();
    let calls: Vec<Value> = newest_first
        .map(|(index, call)| {
            let mut found = json(index + 1, &call.to);
            found["date_created"] = json!(call.created);
            found
        })
        .collect();
    Json(json!({"calls": calls, "page": 0}))
}

async fn show(Path((_, call)): Path<(String, String)>) -> Json<Value> {
    let sid = call.trim_end_matches(".json");
    Json(json!({"sid": sid, "status": "completed", "answered_by": null}))
}

fn json(number: usize, to: &str) -> Value {
    json!({"sid": format!("CA{number}"), "to": to, "status": "queued", "start_time": null})
}
