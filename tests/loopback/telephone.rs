//! The telephone service.

use std::time::Duration;

use asfaleia::clock::monotonic_nanos;
use asfaleia::simulator::{Faults, TelephoneService};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{A_MOMENT, DEADLINE};

pub(crate) struct Phone {
    pub(crate) service: TelephoneService,
    client: reqwest::Client,
    base: String,
}

pub(crate) async fn telephone(faults: &Faults) -> Phone {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let service = TelephoneService::start(faults, "AC1", ("AC1", "token"))
        .await
        .unwrap();
    let base = format!("http://{}/2010-04-01/Accounts/AC1", service.address());
    Phone {
        service,
        client: reqwest::Client::new(),
        base,
    }
}

impl Phone {
    async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let answer = request
            .basic_auth("AC1", Some("token"))
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    fn placing(&self, to: &str, timeout: &str) -> reqwest::RequestBuilder {
        self.client
            .post(format!("{}/Calls.json", self.base))
            .form(&[
                ("To", to),
                ("From", "+15005550006"),
                (
                    "Twiml",
                    "<Response><Say>Gas &amp; smoke</Say><Pause/><Say>x</Say></Response>",
                ),
                ("Timeout", timeout),
            ])
    }

    pub(crate) async fn place(&self, to: &str) -> (u16, Value) {
        self.send(self.placing(to, "1")).await
    }

    /// A call that nobody takes by themselves: it rings for five seconds.
    async fn ring(&self) -> String {
        let (_, call) = self.send(self.placing("+306900000001", "5")).await;
        call["sid"].as_str().unwrap().to_owned()
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(self.client.get(format!("{}{path}", self.base)))
            .await
    }

    async fn hang_up(&self, sid: &str) -> Value {
        let request = self.client.post(format!("{}/Calls/{sid}.json", self.base));
        self.send(request.form(&[("Status", "completed")])).await.1
    }

    /// Asks until the call has this status; returns those it had before.
    async fn until(&self, sid: &str, status: &str) -> Vec<String> {
        let mut seen: Vec<String> = Vec::new();
        let asking = async {
            loop {
                let (_, call) = self.get(&format!("/Calls/{sid}.json")).await;
                let now = call["status"].as_str().unwrap().to_owned();
                if now == status {
                    return;
                }
                if seen.last() != Some(&now) {
                    seen.push(now);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(DEADLINE, asking).await.unwrap();
        seen
    }
}

/// Nobody takes a call by themselves.
async fn unattended() -> Phone {
    let faults = Faults::default();
    faults.put(json!({"phone": "no-answer"})).unwrap();
    telephone(&faults).await
}

#[tokio::test]
async fn a_call_is_queued_rings_is_answered_and_ends() {
    let phone = telephone(&Faults::default()).await;
    let before = monotonic_nanos();
    let (status, call) = phone.place("+306900000001").await;
    let after = monotonic_nanos();
    assert_eq!((status, &call["status"]), (201, &json!("queued")));
    let seen = phone
        .until(call["sid"].as_str().unwrap(), "completed")
        .await;
    // One that lasted no longer than a look at it is not seen.
    let mut ways = ["queued", "ringing", "in-progress"].iter();
    assert!(seen.iter().all(|it| ways.any(|way| way == it)), "{seen:?}");
    let calls = phone.service.calls();
    let received = calls[0]["received_ns"].as_u64().unwrap();
    assert!((before..after).contains(&received));
    assert_eq!(
        calls,
        json!([{"to": "+306900000001", "from": "+15005550006", "words": "Gas & smoke",
                "status": "completed", "received_ns": received}])
    );
}

#[tokio::test]
async fn a_call_that_is_not_wanted_any_more_can_be_ended() {
    let phone = unattended().await;
    let sid = phone.ring().await;
    assert_eq!(phone.hang_up(&sid).await["status"], "canceled");
    let sid = phone.ring().await;
    phone.service.decide(1, "answer").unwrap();
    phone.until(&sid, "in-progress").await;
    assert_eq!(phone.hang_up(&sid).await["status"], "completed");
}

#[tokio::test]
async fn a_call_is_found_by_number_and_time() {
    let phone = telephone(&Faults::default()).await;
    phone.place("+306900000001").await;
    let (_, second) = phone.place("+306900000002").await;
    let found = async |query: &[(&str, &str)]| {
        let request = phone
            .client
            .get(format!("{}/Calls.json", phone.base))
            .query(query);
        phone.send(request).await.1["calls"]
            .as_array()
            .unwrap()
            .clone()
    };
    let calls = found(&[("To", "+306900000002"), ("From", "+15005550006")]).await;
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["sid"], second["sid"]);
    assert_eq!(found(&[("StartTime>", "2026-01-01")]).await.len(), 2);
    assert_eq!(
        found(&[("StartTime>=", "2026-01-01T00:00:00Z")])
            .await
            .len(),
        2
    );
    assert_eq!(found(&[("StartTime>=", "9999-01-01")]).await.len(), 0);
}

#[tokio::test]
async fn who_is_not_who_they_say_or_asks_nonsense_is_told_twilios_code() {
    let phone = telephone(&Faults::default()).await;
    let calls = format!("{}/Calls.json", phone.base);
    let answer = phone
        .client
        .get(&calls)
        .basic_auth("AC1", Some("wrong"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], 20003);
    assert_eq!(phone.client.get(&calls).send().await.unwrap().status(), 401);
    assert_eq!(phone.get(".json").await.1["status"], "active");
    assert_eq!(phone.get("/Calls/CA0.json").await.1["code"], 20404);
    assert_eq!(phone.get("0/Calls.json").await.1["code"], 20404);
    let (status, refusal) = phone.place("112").await;
    assert_eq!((status, &refusal["code"]), (400, &json!(21217)));
    assert_eq!(phone.service.calls(), json!([]));
}

#[tokio::test]
async fn a_telephone_service_fails_as_its_fault_says() {
    let faults = Faults::default();
    let phone = telephone(&faults).await;
    for (fault, status) in [("500", 500), ("429", 429)] {
        faults.put(json!({"phone": fault})).unwrap();
        let (got, body) = phone.place("+306900000001").await;
        assert_eq!(
            (got, body["status"].as_u64()),
            (status, Some(u64::from(status)))
        );
    }
    assert_eq!(phone.service.calls(), json!([]));
    for fault in ["busy", "no-answer"] {
        faults.put(json!({"phone": fault})).unwrap();
        let (_, call) = phone.place("+306900000001").await;
        let seen = phone.until(call["sid"].as_str().unwrap(), fault).await;
        assert!(!seen.contains(&"in-progress".to_owned()), "{seen:?}");
    }
}

#[tokio::test]
async fn a_telephone_service_that_hangs_places_nothing_until_it_is_mended() {
    let faults = Faults::default();
    let phone = telephone(&faults).await;
    faults.put(json!({"phone": "hang"})).unwrap();
    let gave_up = phone
        .placing("+306900000001", "1")
        .timeout(A_MOMENT)
        .send()
        .await;
    assert!(gave_up.unwrap_err().is_timeout());
    let waiting = phone.place("+306900000002");
    tokio::pin!(waiting);
    assert!(timeout(A_MOMENT, &mut waiting).await.is_err());
    faults.put(json!({"phone": null})).unwrap();
    assert_eq!(timeout(DEADLINE, waiting).await.unwrap().0, 201);
    let calls = phone.service.calls();
    assert_eq!(
        calls.as_array().unwrap().len(),
        1,
        "who gave up is not called"
    );
}

#[tokio::test]
async fn whoever_is_called_may_answer_be_engaged_or_let_it_ring() {
    let phone = unattended().await;
    for (n, (decision, becomes)) in [
        ("answer", "in-progress"),
        ("engaged", "busy"),
        ("ignore", "no-answer"),
        ("ring", "no-answer"),
    ]
    .into_iter()
    .enumerate()
    {
        let sid = phone.ring().await;
        phone.service.decide(n, decision).unwrap();
        let seen = phone.until(&sid, becomes).await;
        assert!(!seen.contains(&"completed".to_owned()), "{seen:?}");
    }
    // Whoever answered listens until they hang up.
    assert_eq!(phone.service.calls()[0]["status"], "in-progress");
    phone.service.decide(0, "hang-up").unwrap();
    assert_eq!(phone.service.calls()[0]["status"], "completed");
    let late = phone.service.decide(1, "answer").unwrap_err();
    assert_eq!(late, "this call is busy");
    assert!(phone.service.decide(0, "hang-up").is_err());
    assert!(phone.service.decide(9, "answer").is_err());
    let unknown = phone.service.decide(0, "shout").unwrap_err();
    assert!(unknown.contains("hang-up"), "{unknown}");
}
