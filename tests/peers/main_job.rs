//! The main job with the original's NodeMCU sketches: MQTT in; mail, call and fan out.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::until;
use crate::house::House;

#[test]
fn a_broken_beam_is_mailed_with_a_photo_over_starttls_and_called_over_https() {
    let house = House::start(&[]);
    assert_eq!(house.api.state(), "armed_away");
    house.peer.publish("esp/test", "1", false);
    let mail = house.mail.next();
    assert_eq!(mail["subject"], "Home: ALARM beam broken at front door");
    assert_eq!(mail["to"], json!(["me@example.org"]));
    assert_eq!(
        (&mail["encrypted"], &mail["login"]),
        (&json!(true), &json!("me@example.org"))
    );
    assert_eq!(mail["attachments"][0]["type"], "image/jpeg");
    assert_eq!(mail["attachments"][0]["begins"], "ffd8ff");
    let text = mail["text"].as_str().unwrap();
    assert!(text.contains("Beam broken at front door"), "{text}");

    // Basic authentication was right, or it would have told nothing.
    let call = house.telephone.next();
    assert_eq!(call["type"], "application/x-www-form-urlencoded");
    let form = &call["form"];
    assert_eq!(
        (&form["To"], &form["From"]),
        (&json!("+302101234567"), &json!("+15005550006"))
    );
    assert_eq!(form["Timeout"], "30");
    let twiml = form["Twiml"].as_str().unwrap();
    assert!(twiml.starts_with("<Response><Say"), "{twiml}");
    assert_eq!(
        twiml.matches("Beam broken at front door").count(),
        2,
        "said twice: {twiml}"
    );
    house.api.until_message("phone", "calling");
    house.api.until_message("phone", "completed");
    house.api.until_message("email", "delivered");
    until("both paths to be proven", || {
        let proven = house.api.status()["proven"].clone();
        (!proven["email"].is_null() && !proven["phone"].is_null()).then_some(())
    });
    let troubles = house.api.status()["troubles"].clone();
    let codes: Vec<&Value> = troubles
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["code"])
        .collect();
    assert_eq!(codes, ["simulated"], "{troubles}");
}

#[test]
fn gas_from_the_sketch_switches_the_fan_while_it_warms_up_and_alarms_when_it_has() {
    let warm = (
        "silent-after = \"10s\"\n\n[buzzer]",
        "silent-after = \"10s\"\nwarm-up = \"6s\"\n\n[buzzer]",
    );
    let house = House::start(&[warm, ("gpio = 4", "gpio = 4\nrun-on = \"1s\"")]);
    assert!(!house.api.output("exhaust"));
    house.peer.publish("esp/tes", "0", false);
    house.api.until_output("exhaust", true);
    house.api.until_gas("warming_up");
    let mail = house.mail.next();
    assert_eq!(mail["subject"], "Home: ALARM gas at kitchen gas");
    let words = house.telephone.next()["form"]["Twiml"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(words.contains("Gas alarm at Home"), "{words}");
    house.api.post("disarm", json!({}));
    assert!(
        house.api.output("exhaust"),
        "access never stops a gas alarm"
    );
    house.peer.publish("esp/tes", "1", false);
    house.api.until_output("exhaust", false);
    let subject = house.mail.next()["subject"].as_str().unwrap().to_owned();
    assert!(subject.contains("all clear: gas over"), "{subject}");
}

#[test]
fn five_hundred_triggers_over_mqtt_are_one_incident_one_ladder_and_three_mails_at_most() {
    let house = House::start(&[(
        "from = \"Asfaleia <me@example.org>\"",
        "from = \"Asfaleia <me@example.org>\"\nfollow-up = \"6s\"",
    )]);
    let began = Instant::now();
    for n in 0..500 {
        // A hundred in a second: the load itself, not a wait for something.
        sleep((began + Duration::from_millis(10) * n).duration_since(Instant::now()));
        house.peer.publish("esp/test", "1", false);
        house.peer.publish("esp/test", "0", false);
    }
    let took = began.elapsed();
    let triggers = until("every trigger in the history", || {
        let triggers = house.api.events_of("trigger").len();
        (triggers >= 500).then_some(triggers)
    });
    assert_eq!(triggers, 500);
    assert_eq!(house.api.events_of("incident_opened").len(), 1);
    // The mails tell of all of them: the first of one, the others of the rest.
    let mut subjects = vec![house.mail.next()["subject"].clone()];
    let mut counted = 1;
    while counted < 500 {
        let mail = house.mail.next();
        let subject = mail["subject"].as_str().unwrap();
        let count = subject.rsplit(' ').next().unwrap().trim_end_matches('×');
        counted += count.parse::<u32>().unwrap_or_else(|_| panic!("{subject}"));
        subjects.push(mail["subject"].clone());
    }
    assert_eq!(counted, 500, "{subjects:?}");
    // A busy machine takes longer than the usual five seconds, and mails each six.
    let most = 3 + took.as_secs() / 6;
    assert!(subjects.len() as u64 <= most, "{took:?}: {subjects:?}");
    house.telephone.next();
    assert_eq!(
        house.telephone.so_far().len(),
        0,
        "one ladder, one contact at a time"
    );
}

#[test]
fn peers_with_a_certificate_that_is_not_trusted_get_neither_mail_nor_call() {
    let house = House::trusting("other-ca.pem", &[]);
    house.peer.publish("esp/test", "1", false);
    house.api.until_output("buzzer", true);
    for channel in ["email", "phone"] {
        let why = house.api.until_message(channel, "retrying").to_lowercase();
        assert!(why.contains("certificate"), "{channel}: {why}");
        assert!(!why.contains("t0ken") && !why.contains("s3cret"), "{why}");
    }
    let nothing = house.mail.next_within(Duration::ZERO);
    assert_eq!(
        nothing.or(house.telephone.next_within(Duration::ZERO)),
        None
    );
}
