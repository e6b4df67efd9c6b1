//! Everything of the simulator that can break: what breaks with it, what goes on, and that it
//! recovers when it is mended. Houses of one test stand side by side: most of it is waiting.

use std::thread;

use serde_json::{Value, json};

use crate::api::until;
use crate::process::Simulator;

/// Each case in a house of its own, all at once.
fn side_by_side<T: Sync>(cases: &[T], rehearse: impl Fn(&T) + Sync) {
    thread::scope(|scope| {
        for case in cases {
            let rehearse = &rehearse;
            scope.spawn(move || rehearse(case));
        }
    });
}

#[test]
fn a_mail_server_that_fails_delays_nothing_else_and_gets_every_mail_when_it_is_back() {
    let cases = [("down", "refused"), ("hang", ""), ("451", "451")];
    side_by_side(&cases, |(fault, said)| {
        let house = Simulator::start();
        let api = &house.api;
        api.faults(json!({ "smtp": fault }));
        api.pulse("hall");
        api.until_output("buzzer", true);
        api.until_calls(1);
        if !said.is_empty() {
            let why = api.until_message("email", "retrying");
            assert!(why.contains(said), "{fault}: {why}");
        }
        assert_eq!(api.mails().len(), 0, "{fault}");
        assert!(api.waiting() >= 2, "{fault}: both mails wait");
        api.faults(json!({ "smtp": null }));
        let mails = api.until_mails("ALARM motion in hall", 2);
        for mail in &mails {
            assert_eq!(mail["attachments"][0]["type"], "image/jpeg", "{fault}");
        }
        let proven = || api.status()["proven"]["email"].as_str().map(str::to_owned);
        until("mail to be proven", proven);
        assert_eq!(api.mails().len(), 2, "{fault}: nobody got it twice");
    });
}

#[test]
fn mail_that_cannot_leave_for_a_while_is_a_trouble_until_it_can() {
    let house = Simulator::start();
    let api = &house.api;
    api.faults(json!({ "network": "down" }));
    api.pulse("hall");
    api.until_output("buzzer", true);
    assert!(api.until_trouble("mail").contains("mail cannot leave"));
    assert!(
        api.until_trouble("phone")
            .contains("calls cannot be placed")
    );
    assert_eq!((api.mails().len(), api.calls().len()), (0, 0));
    api.faults(json!({ "network": null }));
    api.until_calls(1);
    api.until_mails("ALARM motion in hall", 2);
    api.until_no_trouble("mail");
    api.until_no_trouble("phone");
}

#[test]
fn a_mail_server_that_refuses_for_good_is_a_trouble_that_names_its_reply() {
    let house = Simulator::start();
    let api = &house.api;
    api.faults(json!({ "smtp": "535" }));
    api.pulse("hall");
    let text = api.until_trouble("mail");
    assert!(
        text.contains("535 5.7.8 authentication credentials invalid"),
        "{text}"
    );
    api.until_calls(1);
    api.faults(json!({ "smtp": null }));
    api.post("disarm", json!({}));
    api.until_mails("disarmed by", 2);
    api.until_no_trouble("mail");
    // A mended password brings what waited for it, too.
    api.until_mails("ALARM motion in hall", 2);
}

#[test]
fn a_telephone_service_that_fails_is_tried_again_on_the_same_rung() {
    let cases = [
        // A connection is refused, or one that was open is closed in mid-request.
        ("down", "error sending request"),
        ("hang", ""),
        ("500", "20500"),
        ("429", "20429"),
    ];
    side_by_side(&cases, |(fault, said)| {
        let house = Simulator::start();
        let api = &house.api;
        api.faults(json!({ "phone": fault }));
        api.pulse("hall");
        api.until_mails("ALARM motion in hall", 2);
        if !said.is_empty() {
            let why = api.until_message("phone", "retrying");
            assert!(why.contains(said), "{fault}: {why}");
        }
        assert_eq!(api.calls().len(), 0, "{fault}");
        api.faults(json!({ "phone": null }));
        let calls = api.until_calls(1);
        assert_eq!(
            calls[0]["to"], "+302101234567",
            "{fault}: Anna, the first rung"
        );
        until("the call to end", || {
            (api.calls()[0]["status"] == "completed").then_some(())
        });
        assert_eq!(api.calls().len(), 1, "{fault}: called once");
        api.post("ack", json!({}));
    });
}

#[test]
fn who_is_busy_or_does_not_answer_is_followed_by_the_next_contact() {
    side_by_side(&["busy", "no-answer"], |fault| {
        let house = Simulator::start();
        let api = &house.api;
        api.faults(json!({ "phone": fault }));
        api.pulse("hall");
        let calls = api.until_calls(2);
        assert_eq!(calls[0]["status"], **fault);
        assert_eq!(calls[0]["to"], "+302101234567");
        assert_eq!(calls[1]["to"], "+302107654321", "{fault}: Ben is next");
        api.until_message("phone", fault);
        api.faults(json!({ "phone": null }));
        let calls = api.until_calls(3);
        assert_eq!(
            calls[2]["to"], "+302101234567",
            "{fault}: the ladder is climbed twice"
        );
        api.post("ack", json!({}));
        until("nobody to be called any more", || {
            (api.waiting() == 0).then_some(())
        });
        assert_eq!(api.calls().len(), 3);
    });
}

#[test]
fn a_ladder_that_nobody_answers_ends_with_a_mail_that_says_so() {
    let house = Simulator::with(&[("[phone]\n", "[phone]\nrounds = 1\nack-time = \"1s\"\n")]);
    let api = &house.api;
    api.pulse("hall");
    api.until_mails("NOBODY ANSWERED", 2);
    assert_eq!(api.calls().len(), 2, "each contact once");
    let unacknowledged = &api.status()["incidents"][0]["acknowledged_by"];
    assert_eq!(*unacknowledged, Value::Null);
}

#[test]
fn without_a_camera_the_mail_goes_all_the_same_and_says_why_there_is_no_photo() {
    side_by_side(&["gone", "stalled"], |fault| {
        let house = Simulator::start();
        let api = &house.api;
        api.faults(json!({ "camera": fault }));
        api.pulse("hall");
        for mail in api.until_mails("ALARM motion in hall", 2) {
            assert_eq!(mail["attachments"], json!([]), "{fault}");
            let text = mail["text"].as_str().unwrap();
            assert!(text.contains("No photo: "), "{fault}: {text}");
        }
        api.until_calls(1);
        api.until_trouble("camera");
        api.faults(json!({ "camera": null }));
        api.post("test", json!({ "what": "photo" }));
        api.until_no_trouble("camera");
        api.post("disarm", json!({}));
        api.post("arm", json!({ "mode": "away" }));
        api.until_state("armed_away");
        api.pulse("front door");
        for mail in api.until_mails("ALARM beam broken", 2) {
            assert_eq!(mail["attachments"][0]["type"], "image/jpeg", "{fault}");
        }
    });
}

const QUICK: &[(&str, &str)] = &[
    (
        "nodemcu = \"kitchen.gas\"",
        "nodemcu = \"kitchen.gas\"\nsilent-after = \"2s\"\nunwatched-call-after = \"2s\"",
    ),
    ("[gpio]", "[panel]\nexit-delay = \"0s\"\n[gpio]"),
];

#[test]
fn a_node_that_is_unplugged_is_a_trouble_and_the_kitchen_is_announced_as_unwatched() {
    let house = Simulator::with(QUICK);
    let api = &house.api;
    api.until_gas("clear");
    api.faults(json!({ "nodemcu": "unplugged" }));
    api.until_trouble("sensor-silent");
    api.until_gas("unwatched");
    let words = api.until_calls(1)[0]["words"].as_str().unwrap().to_owned();
    assert!(words.contains("not being watched"), "{words}");
    api.until_mails("kitchen gas is not being watched", 2);
    api.post("disarm", json!({}));
    let (status, refusal) = api.ask("POST", "arm", &json!({ "mode": "away" }));
    assert_eq!(status, 409, "{refusal}");
    assert!(
        refusal["reasons"][0].as_str().unwrap().contains("silent"),
        "{refusal}"
    );

    api.faults(json!({ "nodemcu": null }));
    api.until_no_trouble("sensor-silent");
    api.until_no_trouble("node-gone");
    api.until_gas("clear");
    api.post("arm", json!({ "mode": "away" }));
    api.set("kitchen gas", true);
    api.until_output("exhaust", true);
}

#[test]
fn a_noisy_line_is_a_trouble_and_gas_still_gets_through() {
    let house = Simulator::with(QUICK);
    let api = &house.api;
    api.until_gas("clear");
    api.faults(json!({ "nodemcu": "garbage" }));
    api.until_trouble("link-noisy");
    let errors = || {
        let status = api.status();
        let sensors = status["sensors"].as_array().unwrap();
        let gas = sensors
            .iter()
            .find(|sensor| sensor["name"] == "kitchen gas");
        gas.unwrap()["errors"].as_u64().unwrap()
    };
    // Errors come in crowds, and are shown a second after the first.
    until("the errors to be counted", || (errors() > 0).then_some(()));
    assert!(!api.output("exhaust"), "noise is never acted on");
    api.set("kitchen gas", true);
    api.until_output("exhaust", true);
    api.faults(json!({ "nodemcu": null }));
    // Of the last hundred lines hardly any may be bad.
    for _ in 0..100 {
        api.set("kitchen gas", true);
    }
    api.until_no_trouble("link-noisy");
}
