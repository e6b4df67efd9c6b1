//! Many triggers: counted, not multiplied.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::{Wire, until};
use crate::home::Home;
use crate::process::Simulator;

const TRIGGERS: usize = 500;

fn pulse(wire: &mut Wire, sensor: &str, length: &str) {
    let path = format!("sim/sensors/{sensor}");
    let (status, _) = wire.ask("PUT", &path, &json!({ "pulse": length }));
    assert_eq!(status, 200);
}

/// A pulse of the hall's sensor, and a pause as long.
fn on_and_off(wire: &mut Wire, length: Duration) {
    for active in [true, false] {
        let (status, _) = wire.ask("PUT", "sim/sensors/hall", &json!({ "active": active }));
        assert_eq!(status, 200);
        sleep(length);
    }
}

#[test]
fn five_hundred_triggers_are_one_incident_one_ladder_and_few_mails_and_all_in_the_history() {
    let house = Simulator::start();
    let api = &house.api;
    let mut wire = api.connect();
    let began = Instant::now();
    for n in 0..TRIGGERS {
        // A hundred in a second: the load itself, not a wait for something.
        sleep((began + Duration::from_millis(10) * n as u32).duration_since(Instant::now()));
        on_and_off(&mut wire, Duration::ZERO);
    }
    let took = began.elapsed().as_secs_f64();
    assert!(took < 45.0, "within the minute of a mail: {took} s");
    let triggers = until("every trigger in the history", || {
        let triggers = api.events_of("trigger");
        (triggers.len() >= TRIGGERS).then_some(triggers)
    });
    assert_eq!(triggers.len(), TRIGGERS);
    let ids: BTreeSet<u64> = triggers
        .iter()
        .map(|it| it["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids.len(), TRIGGERS, "each under its own id");
    let effects = |effect: &str| {
        triggers
            .iter()
            .filter(|it| it["data"]["effect"] == effect)
            .count()
    };
    assert_eq!((effects("alarm"), effects("follow-up")), (1, TRIGGERS - 1));

    assert_eq!(api.events_of("incident_opened").len(), 1);
    let incidents = api.get("incidents");
    assert_eq!(
        incidents["incidents"].as_array().unwrap().len(),
        1,
        "{incidents}"
    );
    assert_eq!(incidents["incidents"][0]["triggers"], TRIGGERS);
    assert_eq!(
        api.until_mails("ALARM motion in hall", 2).len(),
        2,
        "one for each contact"
    );
    assert_eq!(
        api.mails().len(),
        2,
        "the next not before a minute has passed"
    );
    api.until_calls(1);
    let called: Vec<Value> = api.calls().iter().map(|call| call["to"].clone()).collect();
    assert_eq!(
        called,
        ["+302101234567"],
        "one ladder, one person at a time"
    );
    api.post("disarm", json!({}));
    api.until_mails("disarmed by", 2);
    assert_eq!(api.mails().len(), 4);
}

#[test]
fn no_pulse_longer_than_the_debounce_is_missed_while_smtp_and_the_telephone_hang() {
    let home = Home::with(&[(
        "gpio = 18\n",
        "gpio = 18\n\n[[sensor]]\nname = \"stairs\"\nkind = \"motion\"\ngpio = 19\n\
         debounce = \"1s\"\n",
    )]);
    home.faults(json!({ "smtp": "hang", "phone": "hang" }));
    let service = home.armed();
    let mut wire = service.api.connect();
    // The wire's debounce is 20 ms. A busy machine makes pulses and pauses longer, never shorter.
    for _ in 0..60 {
        on_and_off(&mut wire, Duration::from_millis(25));
    }
    let triggers = until("every pulse in the history", || {
        let triggers = service.api.events_of("trigger").len();
        (triggers >= 60).then_some(triggers)
    });
    assert_eq!(triggers, 60);
    assert_eq!(home.mails().len() + home.calls().len(), 0);
    // And what is shorter is noise of the wire.
    pulse(&mut wire, "stairs", "5ms");
    pulse(&mut wire, "hall", "25ms");
    until("one more", || {
        (service.api.events_of("trigger").len() == 61).then_some(())
    });
    home.faults(json!({ "smtp": null, "phone": null }));
    home.until_mails("ALARM motion in hall", 1);
    home.until_calls(1);
}

#[test]
fn follow_up_mails_count_what_happened_since_the_last() {
    let house = Simulator::with(&[("[email]\n", "[email]\nfollow-up = \"6s\"\n")]);
    let api = &house.api;
    let mut wire = api.connect();
    for _ in 0..20 {
        on_and_off(&mut wire, Duration::ZERO);
    }
    api.until_mails("ALARM motion in hall", 2);
    let mails = api.until_mails("ALARM goes on: hall 19×", 2);
    let text = mails[0]["text"].as_str().unwrap();
    assert!(text.contains("hall 19×"), "{text}");
}
