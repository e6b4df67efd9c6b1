//! `status`, `/healthz` and `/metrics`.

use std::sync::Arc;

use asfaleia::clock::WallTime;
use serde_json::json;

use super::house::{FakeHouse, snapshot};

#[test]
fn status_has_the_shape_that_programs_rely_on() {
    let house = FakeHouse::simulate();
    let expected = json!({
        "site": "Home & <Garden>",
        "version": "9.9.9",
        "state": "triggered",
        "mode": "armed_away",
        "until": "2026-11-23T09:54:11.000Z",
        "gas": "warming_up",
        "incidents": [{"id": 3, "kind": "intrusion", "sensors": ["hall"],
            "since": "2026-11-23T09:51:01.000Z", "confirmed": false, "acknowledged_by": null}],
        "sensors": [
            {"name": "hall", "kind": "motion", "state": "active",
             "since": "2026-11-23T09:51:01.000Z", "errors": 4},
            {"name": "kitchen <gas>", "kind": "gas", "state": "warming_up",
             "since": "2026-11-23T09:51:01.000Z", "errors": 0}],
        "outputs": {"buzzer": {"active": true}, "exhaust": {"active": false}},
        "troubles": [{"code": "mail", "subject": "smtp \"home\"",
            "since": "2026-11-23T09:51:06.000Z", "text": "mail cannot leave: <refused>"}],
        "outbox": {"waiting": 2, "oldest": "2026-11-23T09:51:10.000Z"},
        "proven": {"email": "2026-11-23T09:51:00.000Z", "phone": null},
        "walk_test": false,
    });
    assert_eq!(house.tcp("GET", "/api/v1/status", "").json(), expected);
    assert_eq!(house.unix("GET", "/api/v1/status", "").json(), expected);
}

#[test]
fn an_incident_of_an_earlier_boot_is_shown_with_the_time_at_which_it_began() {
    let house = FakeHouse::simulate();
    house.change_status(|snapshot| {
        let id = snapshot.status.incidents[0].id;
        let began = WallTime(1_795_340_000_123);
        snapshot.began_before.insert(id, began);
    });
    let status = house.tcp("GET", "/api/v1/status", "").json();
    assert_eq!(status["incidents"][0]["since"], "2026-11-22T09:33:20.123Z");
}

#[test]
fn a_panel_that_is_not_armed_is_in_mode_disarmed() {
    let house = FakeHouse::simulate();
    house.change_status(|snapshot| {
        snapshot.status.state = "disarmed";
        snapshot.status.mode = None;
        snapshot.status.until = None;
        snapshot.outbox = Default::default();
    });
    let status = house.tcp("GET", "/api/v1/status", "").json();
    assert_eq!(status["mode"], "disarmed");
    assert!(status["until"].is_null());
    assert_eq!(status["outbox"], json!({"waiting": 0, "oldest": null}));
}

#[test]
fn metrics_are_prometheus_text_with_escaped_labels() {
    let house = FakeHouse::simulate();
    let metrics = house.tcp("GET", "/metrics", "");
    assert!(
        metrics
            .header("content-type")
            .unwrap()
            .starts_with("text/plain")
    );
    let text = metrics.text();
    for line in [
        "asfaleia_state{state=\"triggered\"} 1",
        "asfaleia_incidents 1",
        "asfaleia_sensor{sensor=\"hall\",kind=\"motion\",state=\"active\"} 1",
        "asfaleia_sensor_errors_total{sensor=\"hall\"} 4",
        "asfaleia_output_active{output=\"buzzer\"} 1",
        "asfaleia_trouble{code=\"mail\",subject=\"smtp \\\"home\\\"\"} 1",
        "asfaleia_outbox_waiting 2",
        "asfaleia_proven_timestamp_seconds{path=\"email\"} 1795427460",
    ] {
        assert!(
            text.lines().any(|l| l == line),
            "{line} is missing in {text}"
        );
    }
    // Every value belongs to a family that was announced.
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        assert!(text.contains(&format!("# TYPE {name} ")), "{line}");
    }
}

#[test]
fn health_is_that_the_panel_lives() {
    let mut house = FakeHouse::run();
    assert_eq!(house.tcp("GET", "/healthz", "").status, 200);
    // The panel's end of it goes with the panel.
    house.status = tokio::sync::watch::channel(Arc::new(snapshot())).0;
    let answer = house.tcp("GET", "/healthz", "");
    assert_eq!(answer.status, 503);
    answer.error();
}

#[test]
fn a_panel_that_hangs_is_neither_healthy_nor_followed() {
    let house = FakeHouse::simulate();
    house.stream("?alive=1", "").next_status();
    house.hangs();
    for path in ["/healthz", "/api/v1/stream?alive=1"] {
        let answer = house.tcp("GET", path, "");
        assert_eq!(answer.status, 503, "{path}");
        answer.error();
    }
}
