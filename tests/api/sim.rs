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
               "buzzer": {"active": true, "changed_ns": 123_456_789_012_u64},
               "heard": {"number": 3, "steps": [200, 600], "repeats": true}})
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

#[test]
fn the_virtual_house_is_drawn_from_the_configuration_and_its_surroundings() {
    let house = FakeHouse::simulate();
    let told = house.tcp("GET", "/api/v1/sim/house", "").json();
    assert_eq!(told["site"], "Home & <Garden>");
    assert_eq!(told["active"], json!(["hall"]));
    assert_eq!(told["sensors"], json!([]));
    assert_eq!(told["camera"], false);
}

#[test]
fn the_page_is_served_under_simulate_alone_and_lets_in_no_script_from_elsewhere() {
    let house = FakeHouse::simulate();
    let page = house.tcp("GET", "/house", "");
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"));
    let text = page.text();
    assert!(!text.contains("://") && !text.contains("style="), "{text}");
    // Every file that the page and its modules name is there, and of its type.
    let mut asked = vec!["house.css".to_owned(), "house.js".to_owned()];
    let mut bytes = page.body.len();
    let mut at = 0;
    while let Some(file) = asked.get(at).cloned() {
        at += 1;
        let answer = house.tcp("GET", &format!("/house/{file}"), "");
        assert_eq!(answer.status, 200, "{file}");
        let kind = match file.ends_with(".js") {
            true => "text/javascript; charset=utf-8",
            false => "text/css; charset=utf-8",
        };
        assert_eq!(answer.header("content-type"), Some(kind), "{file}");
        bytes += answer.body.len();
        let text = answer.text();
        let named = text.split("from \"./").skip(1);
        for name in named.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())) {
            if !asked.contains(&name) {
                asked.push(name);
            }
        }
    }
    assert!(asked.len() > 5, "{asked:?}");
    assert!(bytes < 100_000, "{bytes} bytes");
    for path in ["/house/nothing.js", "/house/..%2Fmod.rs"] {
        assert_eq!(house.tcp("GET", path, "").status, 404, "{path}");
    }
    let real = FakeHouse::run();
    for path in ["/house", "/house/house.js"] {
        let answer = real.unix("GET", path, "");
        assert_eq!(answer.status, 404, "{path}");
        answer.error();
    }
}

#[test]
fn calls_clock_power_and_scenarios_are_the_simulators() {
    let house = FakeHouse::simulate();
    for (method, path, body, status) in [
        ("PUT", "calls/0", r#"{"answer": "answer"}"#, 200),
        ("PUT", "calls/1", r#"{"answer": "answer"}"#, 404),
        ("PUT", "calls/0", "{}", 400),
        ("GET", "clock", "", 200),
        ("PUT", "clock", r#"{"speed": 60}"#, 200),
        ("PUT", "clock", r#"{"speed": 61}"#, 400),
        ("PUT", "clock", r#"{"speed": -1}"#, 400),
        ("PUT", "power", r#"{"on": true}"#, 200),
        ("PUT", "power", r#"{"on": false}"#, 200),
        ("GET", "scenarios", "", 200),
        ("POST", "scenarios/burglary", "", 200),
        ("POST", "scenarios/party", "", 404),
    ] {
        let answer = house.tcp(method, &format!("/api/v1/sim/{path}"), body);
        assert_eq!(answer.status, status, "{method} {path} {body}");
        if status != 200 {
            answer.error();
        }
    }
    let done = house.sim.done.lock().unwrap();
    assert_eq!(
        *done,
        [
            "call answer",
            "speed 60",
            "power off",
            "burglary in triggered"
        ]
    );
    let real = FakeHouse::run();
    for path in ["house", "timeline", "clock", "power", "scenarios"] {
        let answer = real.unix("GET", &format!("/api/v1/sim/{path}"), "");
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[test]
fn the_timeline_says_in_words_what_happened_and_why() {
    let house = FakeHouse::simulate();
    for id in [1, 2] {
        house.happen(id);
    }
    let all = house.tcp("GET", "/api/v1/sim/timeline", "").json();
    assert_eq!(all["lines"].as_array().unwrap().len(), 2);
    let later = house.tcp("GET", "/api/v1/sim/timeline?after=1", "").json();
    assert_eq!(
        later["lines"],
        json!([{"id": 2, "at": "2026-11-23T09:51:11.123Z", "kind": "trigger", "incident": 3,
                "text": "hall (motion): walk test",
                "why": "in a walk test it beeps and is listed, nothing else"}])
    );
}
