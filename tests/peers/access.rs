//! Home Assistant's panel, as far as MQTT is concerned: what a code does.

use serde_json::{Value, json};

use crate::api::until;
use crate::house::House;

const SET: &str = "home/pi/panel/set";

fn house() -> House {
    let house = House::start(&[
        ("[site]\n", "[site]\nid = \"home\"\nnode = \"pi\"\n"),
        (
            "[[contact]]\n",
            "[[contact]]\nname = \"the guard\"\nemail = \"guard@example.org\"\nduress = true\n\n[[contact]]\n",
        ),
    ]);
    let pin = |pin: &str, duress: bool| {
        let body = json!({ "pin": pin, "duress": duress });
        house.api.post("people/Anna/pin", body);
    };
    pin("258025", false);
    pin("085208", true);
    house
}

impl House {
    fn types(&self, action: &str, code: Option<&str>) {
        let order = json!({ "action": action, "code": code });
        self.peer.publish(SET, &order.to_string(), false);
    }
}

fn refused(house: &House) -> usize {
    house.api.events_of("refused").len()
}

#[test]
fn a_pin_disarms_at_home_assistants_panel_and_nothing_less_does() {
    let house = house();
    house.peer.subscribe("home/pi/panel/state");
    house.peer.hears_last("/panel/state", "armed_away");
    house.types("DISARM", None);
    house.types("DISARM", Some("000000"));
    until("two refusals", || (refused(&house) == 2).then_some(()));
    assert_eq!(house.api.state(), "armed_away");
    // Slowed, and not locked out: it is looked at when its turn has come.
    house.types("DISARM", Some("258025"));
    house.peer.hears_last("/panel/state", "disarmed");
    let granted = until("its line of history", || {
        house.api.events_of("granted").into_iter().next()
    });
    let by = &granted["data"]["by"];
    assert_eq!(
        (&by["name"], &by["origin"], &by["with"]),
        (&json!("Anna"), &json!("mqtt"), &json!(["pin"]))
    );
    house.types("ARM_HOME", None);
    house.api.until_state("armed_home");
}

#[test]
fn a_pin_for_duress_disarms_alike_and_one_contact_is_mailed() {
    let house = house();
    house.peer.subscribe("home/pi/#");
    house.peer.hears_last("/panel/state", "armed_away");
    house.types("DISARM", Some("085208"));
    house.peer.hears_last("/panel/state", "disarmed");
    let mail = house.mail.next();
    assert_eq!(mail["to"], json!(["guard@example.org"]));
    let subject = mail["subject"].as_str().unwrap();
    assert_eq!(subject, "Home: SILENT ALARM: Anna is under duress");
    let events: Vec<Value> = house.api.events();
    assert!(!json!(events).to_string().to_lowercase().contains("duress"));
    while let Ok((topic, payload, _)) = house.peer.heard.try_recv() {
        let said = String::from_utf8_lossy(&payload).to_lowercase();
        assert!(
            !said.contains("duress") && !said.contains("silent"),
            "{topic}: {said}"
        );
    }
    assert_eq!(house.api.status()["proven"]["email"], Value::Null);
}
