//! Simulated devices.

use serde_json::json;

use super::house::{FakeHouse, GUESTS_TOKEN, OWNERS_TOKEN};

#[test]
fn a_sensor_is_set_or_pulsed_by_its_name() {
    let house = FakeHouse::simulate();
    for (name, body) in [
        ("hall", r#"{"active": true}"#),
        ("front%20door", r#"{"active": false}"#),
        ("hall", r#"{"pulse": "500ms"}"#),
        ("hall", r#"{"pulse": "2s"}"#),
    ] {
        let answer = house.tcp("PUT", &format!("/api/v1/sim/sensors/{name}"), body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let done = house.sim.done.lock().unwrap();
    assert_eq!(
        *done,
        ["hall true", "front door false", "hall 500ms", "hall 2s"]
    );
}

#[test]
fn a_sensor_that_is_not_there_and_a_wish_that_is_none_are_told_apart() {
    let house = FakeHouse::simulate();
    let answer = house.tcp("PUT", "/api/v1/sim/sensors/attic", r#"{"active": true}"#);
    assert_eq!(answer.status, 404);
    assert!(answer.error().contains("attic"));
    for body in [
        "",
        "{}",
        r#"{"active": 1}"#,
        r#"{"active": true, "pulse": "1s"}"#,
        r#"{"pulse": "soon"}"#,
        r#"{"pulse": 500}"#,
    ] {
        let answer = house.tcp("PUT", "/api/v1/sim/sensors/hall", body);
        assert_eq!(answer.status, 400, "{body}");
        answer.error();
    }
    assert!(house.sim.done.lock().unwrap().is_empty());
}

#[test]
fn a_finger_is_laid_and_lifted() {
    let house = FakeHouse::simulate();
    for body in [r#"{"finger": "Anna"}"#, r#"{"finger": null}"#, "{}"] {
        let answer = house.tcp("PUT", "/api/v1/sim/finger", body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let answer = house.tcp("PUT", "/api/v1/sim/finger", r#"{"finger": 5}"#);
    assert_eq!(answer.status, 400);
    let done = house.sim.done.lock().unwrap();
    assert_eq!(*done, ["Anna laid", "lifted", "lifted"]);
}

#[test]
fn outputs_tell_their_last_change_to_the_nanosecond() {
    let house = FakeHouse::simulate();
    assert_eq!(
        house.tcp("GET", "/api/v1/sim/outputs", "").json(),
        json!({"exhaust": {"active": false, "changed_ns": 0},
               "buzzer": {"active": true, "changed_ns": 123_456_789_012_u64}})
    );
}

#[test]
fn faults_are_set_and_shown() {
    let house = FakeHouse::simulate();
    let set = house.tcp("PUT", "/api/v1/sim/faults", r#"{"smtp": "down"}"#);
    assert_eq!(set.json()["smtp"], "down");
    let shown = house.tcp("GET", "/api/v1/sim/faults", "").json();
    assert_eq!(
        (&shown["smtp"], &shown["phone"]),
        (&json!("down"), &json!(null))
    );
    let wrong = house.tcp("PUT", "/api/v1/sim/faults", r#"{"roof": "down"}"#);
    assert_eq!(wrong.status, 400);
    assert!(wrong.error().contains("smtp"));
}

#[test]
fn mails_calls_and_attachments_can_be_read() {
    let house = FakeHouse::simulate();
    let mails = house.tcp("GET", "/api/v1/sim/mails", "").json();
    assert_eq!(mails[0]["to"], json!(["b@example.org"]));
    let calls = house.tcp("GET", "/api/v1/sim/calls", "").json();
    assert_eq!(calls[0]["words"], "Home: motion");

    let photo = house.tcp("GET", "/api/v1/sim/mails/0/attachments/0", "");
    assert_eq!(photo.header("content-type"), Some("image/jpeg"));
    // What a mail carries never becomes a page of this address.
    let page = house.tcp("GET", "/api/v1/sim/mails/0/attachments/1", "");
    assert_eq!(
        page.header("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(page.header("content-disposition"), Some("attachment"));
    let none = house.tcp("GET", "/api/v1/sim/mails/0/attachments/2", "");
    assert_eq!(none.status, 404);
    none.error();
    house
        .tcp("GET", "/api/v1/sim/mails/x/attachments/2", "")
        .error();
}

#[test]
fn a_real_service_with_simulated_devices_lets_owners_play_with_those_alone() {
    let house = FakeHouse::run();
    let pushed = house.unix("PUT", "/api/v1/sim/sensors/hall", r#"{"active": true}"#);
    assert_eq!(pushed.status, 200);
    assert_eq!(house.unix("GET", "/api/v1/sim/outputs", "").status, 200);
    for path in ["faults", "mails", "calls", "mails/0/attachments/0"] {
        let answer = house.unix("GET", &format!("/api/v1/sim/{path}"), "");
        assert_eq!(answer.status, 404, "{path}");
        answer.error();
    }
    let host = format!("127.0.0.1:{}", house.address.port());
    for (token, status) in [(OWNERS_TOKEN, 200), (GUESTS_TOKEN, 403)] {
        let bearer = format!("Bearer {token}");
        let headers = [("Host", host.as_str()), ("Authorization", &bearer)];
        let answer = house.tcp_with("GET", "/api/v1/sim/outputs", &headers, "");
        assert_eq!(answer.status, status);
    }
}
