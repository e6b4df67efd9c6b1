//! `asfaleia simulate --headless`: the main job on embedded defaults.

use std::time::Duration;

use serde_json::{Value, json};

use crate::api::{millis, until};
use crate::process::Simulator;

/// Width and height by the JPEG's frame header.
pub(crate) fn dimensions(jpeg: &[u8]) -> (u16, u16) {
    assert_eq!(jpeg[..2], [0xFF, 0xD8], "a JPEG begins so");
    assert_eq!(jpeg[jpeg.len() - 2..], [0xFF, 0xD9], "and ends so");
    let word = |at: usize| u16::from_be_bytes([jpeg[at], jpeg[at + 1]]);
    let mut at = 2;
    while !matches!(jpeg[at + 1], 0xC0..=0xC2) {
        at += 2 + usize::from(word(at + 2));
    }
    (word(at + 7), word(at + 5))
}

#[test]
fn a_motion_rings_mails_a_photo_and_calls_with_words() {
    let house = Simulator::start();
    let api = &house.api;
    assert_eq!(api.state(), "armed_away");
    assert!(!api.output("buzzer"));
    api.set("hall", true);
    api.until_state("triggered");
    api.until_output("buzzer", true);
    assert!(!api.output("exhaust"), "the fan is for gas");

    let mails = api.until_mails("ALARM motion in hall", 2);
    assert_eq!(mails[0]["subject"], "Home: ALARM motion in hall");
    let recipients: Vec<&Value> = mails.iter().map(|mail| &mail["to"][0]).collect();
    assert!(recipients.contains(&&json!("anna@example.org")));
    assert!(recipients.contains(&&json!("ben@example.org")));
    assert_ne!(mails[0]["message_id"], mails[1]["message_id"]);
    for mail in &mails {
        let text = mail["text"].as_str().unwrap();
        assert!(
            text.contains("Motion in hall") && text.contains("armed away"),
            "{text}"
        );
        assert_eq!(mail["attachments"][0]["type"], "image/jpeg");
    }
    let photo = api.bytes("sim/mails/0/attachments/0");
    assert_eq!(dimensions(&photo), (640, 480));
    assert_eq!(
        photo.len(),
        mails[0]["attachments"][0]["bytes"].as_u64().unwrap() as usize
    );

    let call = &api.until_calls(1)[0];
    assert_eq!(call["to"], "+302101234567");
    let words = call["words"].as_str().unwrap();
    assert!(
        words.contains("Alarm at Home") && words.contains("otion in hall"),
        "{words}"
    );

    let status = api.status();
    assert_eq!(status["mode"], "armed_away");
    let incident = &status["incidents"][0];
    assert_eq!(incident["kind"], "intrusion");
    assert_eq!(incident["sensors"], json!(["hall"]));
    let siren = api.ends_at() - millis(incident["since"].as_str().unwrap());
    assert!(
        (179_990..=180_010).contains(&siren),
        "three minutes: {siren}"
    );
    let id = incident["id"].as_u64().unwrap();
    until("the burst in the history", || {
        let incident = api.get(&format!("incidents/{id}"));
        (incident["photos"].as_array()?.len() == 3).then_some(())
    });
}

#[test]
fn disarming_ends_the_alarm_and_the_calls_and_says_who_did_it() {
    let house = Simulator::start();
    let api = &house.api;
    api.set("front door", true);
    api.until_mails("ALARM beam broken at front door", 2);
    until("a call that rings", || {
        (api.until_calls(1)[0]["status"] == "ringing").then_some(())
    });
    api.post("disarm", json!({}));
    assert_eq!(api.state(), "disarmed");
    api.until_output("buzzer", false);
    let mails = api.until_mails("disarmed by the dashboard after", 2);
    assert!(mails[0]["text"].as_str().unwrap().contains("disarmed"));
    until("the call to be hung up", || {
        let status = api.calls()[0]["status"].clone();
        (status == "canceled" || status == "completed").then_some(())
    });
    assert_eq!(api.calls().len(), 1);
    assert_eq!(api.status()["incidents"], json!([]));
    api.set("hall", true);
    assert_eq!(api.state(), "disarmed");
}

#[test]
fn gas_runs_the_fan_until_it_has_been_clear_for_the_run_on() {
    let house = Simulator::with(&[("[exhaust]", "[exhaust]\nrun-on = \"1s\"")]);
    let api = &house.api;
    api.until_gas("clear");
    api.post("disarm", json!({}));
    api.set("kitchen gas", true);
    api.until_output("exhaust", true);
    api.until_output("buzzer", true);
    api.until_gas("alarm");
    let mails = api.until_mails("ALARM gas at kitchen gas", 2);
    assert_eq!(mails[0]["attachments"].as_array().unwrap().len(), 1);
    let words = api.until_calls(1)[0]["words"].as_str().unwrap().to_owned();
    assert!(words.contains("Gas alarm at Home"), "{words}");
    // Nothing of these switches the fan.
    for command in ["silence", "disarm", "pause", "ack"] {
        api.post(command, json!({}));
        assert!(api.output("exhaust"), "{command}");
    }
    api.until_output("buzzer", false);
    let before = asfaleia::clock::monotonic_nanos();
    api.set("kitchen gas", false);
    api.until_output("exhaust", false);
    let off = api.get("sim/outputs")["exhaust"]["changed_ns"]
        .as_u64()
        .unwrap();
    let ran_on = Duration::from_nanos(off - before);
    assert!(ran_on >= Duration::from_secs(1), "{ran_on:?}");
    api.until_mails("all clear: gas over after", 2);
    api.until_gas("clear");
}

#[test]
fn an_alarm_that_is_over_goes_back_to_where_it_came_from() {
    let house = Simulator::with(&[(
        "[gpio]",
        "[panel]\nsiren-time = \"1s\"\nclear-after = \"1s\"\n[gpio]",
    )]);
    let api = &house.api;
    api.pulse("hall");
    api.until_state("triggered");
    api.until_output("buzzer", true);
    api.until_output("buzzer", false);
    api.until_state("armed_away");
    api.until_mails("all clear: intrusion over", 2);
}
