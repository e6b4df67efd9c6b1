//! What may be asked of the panel.

use asfaleia::alarm::{Actor, Answer, Command, Factor, Mode, Origin, Right, Test};
use serde_json::json;

use super::house::{FakeHouse, GUESTS_TOKEN, OWNERS_TOKEN};

#[test]
fn every_command_reaches_the_panel_with_who_asked() {
    let house = FakeHouse::simulate();
    let arm = |mode, force| Command::Arm { mode, force };
    for (path, body, command) in [
        ("arm", "", arm(Mode::Away, false)),
        ("arm", r#"{"mode": "night"}"#, arm(Mode::Night, false)),
        (
            "arm",
            r#"{"mode": "armed_home", "force": true}"#,
            arm(Mode::Home, true),
        ),
        (
            "arm",
            r#"{"mode": "away", "pin": "1234"}"#,
            arm(Mode::Away, false),
        ),
        ("disarm", r#"{"pin": "1234"}"#, Command::Disarm),
        ("disarm", " \n", Command::Disarm),
        ("pause", "{}", Command::Pause),
        ("silence", "", Command::Silence),
        ("ack", "{}", Command::Acknowledge),
        ("test", r#"{"what": "email"}"#, Command::Test(Test::Email)),
        ("test", r#"{"what": "relay"}"#, Command::Test(Test::Relay)),
        ("walk-test", "", Command::WalkTest(true)),
        ("walk-test", r#"{"on": false}"#, Command::WalkTest(false)),
    ] {
        let path = format!("/api/v1/{path}");
        let answer = house.tcp("POST", &path, body);
        assert_eq!(answer.status, 200, "{path} {body}: {}", answer.text());
        let (asked, by) = house.last_asked();
        // The PIN is looked at on the way: whose it is, the panel hears.
        let with = match body.contains("pin") {
            true => vec![Factor::Pin],
            false => Vec::new(),
        };
        let owner = |origin| Actor {
            with: with.clone(),
            ..Actor::owner(origin)
        };
        assert_eq!((asked, by), (command.clone(), owner(Origin::Dashboard)));
        assert_eq!(house.unix("POST", &path, body).status, 200);
        assert_eq!(house.last_asked(), (command, owner(Origin::Socket)));
    }
}

#[test]
fn a_refusal_to_arm_says_why() {
    let house = FakeHouse::simulate();
    let reasons = vec!["window is open".to_owned(), "hall is silent".to_owned()];
    house.answer(Answer::Refused(reasons.clone()));
    let answer = house.tcp("POST", "/api/v1/arm", "");
    assert_eq!(answer.status, 409);
    assert_eq!(answer.json()["reasons"], json!(reasons));
    assert!(answer.error().contains("window is open"));
}

#[test]
fn what_the_panel_forbids_is_forbidden() {
    let house = FakeHouse::simulate();
    house.answer(Answer::Forbidden("guests may not disarm".to_owned()));
    let answer = house.tcp("POST", "/api/v1/disarm", "");
    assert_eq!(answer.status, 403);
    assert_eq!(answer.error(), "guests may not disarm");
}

#[test]
fn bodies_that_are_not_understood_reach_nobody() {
    let house = FakeHouse::simulate();
    for (path, body) in [
        ("arm", r#"{"mode": "disarmed"}"#),
        ("arm", r#"{"mode": 1}"#),
        ("arm", r#"{"mdoe": "away"}"#),
        ("arm", "{"),
        ("arm", "[]"),
        ("arm", "null"),
        ("arm", "\"away\""),
        ("disarm", r#"{"pin": 1234}"#),
        ("disarm", r#"{"force": true}"#),
        ("ack", r#"{"pin": "1"}"#),
        ("test", "{}"),
        ("test", r#"{"what": "face"}"#),
        ("walk-test", r#"{"on": "yes"}"#),
    ] {
        let answer = house.tcp("POST", &format!("/api/v1/{path}"), body);
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text());
        answer.error();
    }
    assert!(house.asked.try_recv().is_err(), "the panel was asked");
}

#[test]
fn a_rejected_configuration_is_an_answer_not_a_failure() {
    let house = FakeHouse::simulate();
    let answer = house.unix("POST", "/api/v1/reload", "");
    assert_eq!(answer.status, 422);
    assert_eq!(answer.error(), "line 3: no such key; the old one goes on");
}

#[test]
fn a_token_carries_its_name_and_right_to_the_panel() {
    let house = FakeHouse::run();
    let host = format!("localhost:{}", house.address.port());
    let ask = |path: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("Host", host.as_str()), ("Authorization", &bearer)];
        house.tcp_with("POST", path, &headers, "")
    };
    assert_eq!(ask("/api/v1/ack", GUESTS_TOKEN).status, 200);
    let by = house.last_asked().1;
    assert_eq!(by.name.as_deref(), Some("a tablet"));
    assert_eq!((by.origin, by.right), (Origin::Token, Right::Guest));
    assert_eq!(ask("/api/v1/reload", GUESTS_TOKEN).status, 403);
    assert_eq!(ask("/api/v1/reload", OWNERS_TOKEN).status, 422);
}
