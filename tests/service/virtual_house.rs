//! `asfaleia simulate` with its page, but for the browser: power that is cut, calls that are answered,
//! a clock that runs fast, scenarios.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::api::{Api, millis, until};
use crate::process::{House, Simulator};

fn put(api: &Api, path: &str, body: Value) -> (u16, Value) {
    api.ask("PUT", path, &body)
}

#[test]
fn a_power_cut_kills_the_daemon_and_the_house_comes_back_as_it_was() {
    let house = House::start();
    let api = &house.api;
    until("the node to be heard", || {
        (api.status()["gas"] == "clear").then_some(())
    });
    let before = house.daemons();
    assert_eq!(before.len(), 1, "one daemon");
    api.pulse("hall");
    api.until_state("triggered");
    let mails = api.until_mails("ALARM motion in hall", 2);
    let calls = api.until_calls(1);
    api.set("kitchen gas", true);
    api.until_output("exhaust", true);
    api.until_mails("ALARM gas at kitchen gas", 2);
    api.faults(json!({ "camera": "gone" }));
    let incident = api.status()["incidents"][0]["id"].clone();

    house.power(false);
    assert_eq!(house.daemons(), Vec::<i32>::new(), "it is killed");
    // Not of the API, whose document speaks of a daemon that runs.
    let (status, answer) = api.ask("GET", "/checks", &Value::Null);
    assert_eq!(status, 503);
    assert!(answer["error"].as_str().unwrap().contains("power"));
    assert_eq!(api.connect().ask("GET", "/house", &Value::Null).0, 200);

    house.power(true);
    assert_ne!(house.daemons(), before, "another process");
    assert_eq!(api.state(), "triggered");
    until("the gas to be noticed again", || {
        (api.status()["gas"] == "alarm").then_some(())
    });
    api.until_output("exhaust", true);
    let going_on = api.status()["incidents"].clone();
    assert!(going_on.to_string().contains(&format!("\"id\":{incident}")));
    // The world around the house had power all the time.
    assert_eq!(api.mails()[..2], mails[..2]);
    assert_eq!(api.calls()[0]["received_ns"], calls[0]["received_ns"]);
    assert_eq!(api.get("sim/faults")["camera"], "gone");
    assert_eq!(api.get("sim/house")["active"], json!(["kitchen gas"]));
    let started = api.events_of("started");
    let last = started.last().unwrap();
    assert_eq!(last["data"]["new_boot"], true, "{last}");
    api.set("kitchen gas", false);
    until("the air to be clear", || {
        let sensors = api.status()["sensors"].clone();
        let gas = sensors.as_array()?.iter().find(|it| it["kind"] == "gas")?;
        (gas["state"] == "inactive").then_some(())
    });
    api.post("disarm", json!({}));
    assert_eq!(api.state(), "disarmed");
}

#[test]
fn a_house_with_a_power_switch_stops_when_asked_with_and_without_power() {
    for powered in [true, false] {
        let mut house = House::start();
        if !powered {
            house.power(false);
        }
        let daemons = house.daemons();
        let status = house.running.stop();
        assert_eq!(status.code(), Some(0), "powered: {powered}");
        for pid in daemons {
            assert!(
                !Path::new(&format!("/proc/{pid}")).exists(),
                "{pid} goes on"
            );
        }
        assert!(house.lines.next().is_none(), "one line and no more");
    }
}

#[test]
fn the_daemon_does_not_outlive_the_process_around_it() {
    let house = House::start();
    let daemons = house.daemons();
    assert_eq!(daemons.len(), 1);
    house.running.signal(Signal::KILL);
    until("the daemon to end", || {
        // Until somebody asks how it ended, its name stays.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemons[0]));
        stat.map_or(Some(()), |stat| stat.contains(") Z ").then_some(()))
    });
}

#[test]
fn a_headless_house_has_no_power_switch_and_no_more_sensors_than_its_file() {
    let house = Simulator::start();
    let (status, answer) = put(&house.api, "sim/power", json!({ "on": false }));
    assert_eq!(status, 404);
    let why = answer["error"].as_str().unwrap();
    assert!(why.contains("--headless"), "{why}");
    let told = house.api.get("sim/house");
    assert_eq!(told["power_switch"], false);
    assert_eq!(told["sensors"].as_array().unwrap().len(), 3);
    let kitchen = &told["sensors"][2];
    assert_eq!(
        *kitchen,
        json!({"name": "kitchen gas", "kind": "gas", "room": "kitchen"})
    );
}

#[test]
fn a_call_that_is_answered_is_listened_to_until_it_is_hung_up() {
    let house = Simulator::start();
    let api = &house.api;
    api.set("hall", true);
    api.until_calls(1);
    let (status, answer) = put(api, "sim/calls/0", json!({ "answer": "ring" }));
    assert_eq!(status, 200, "{answer}");
    put(api, "sim/calls/0", json!({ "answer": "answer" }));
    until("somebody to listen", || {
        (api.calls()[0]["status"] == "in-progress").then_some(())
    });
    assert_eq!(
        put(api, "sim/calls/0", json!({ "answer": "engaged" })).0,
        404
    );
    put(api, "sim/calls/0", json!({ "answer": "hang-up" }));
    assert_eq!(api.calls()[0]["status"], "completed");
    api.until_message("phone", "completed");
}

#[test]
fn a_call_that_is_engaged_moves_on_to_the_next_contact() {
    let house = Simulator::start();
    let api = &house.api;
    api.set("hall", true);
    api.until_calls(1);
    let (status, answer) = put(api, "sim/calls/0", json!({ "answer": "engaged" }));
    assert_eq!(status, 200, "{answer}");
    let calls = api.until_calls(2);
    assert_eq!(calls[0]["status"], "busy");
    assert_eq!(calls[1]["to"], "+302107654321");
}

#[test]
fn a_fast_clock_ends_the_siren_in_seconds_and_the_wall_goes_along() {
    let house = Simulator::start();
    let api = &house.api;
    let clock = api.get("sim/clock");
    assert_eq!(clock["speed"], 1);
    let (status, clock) = put(api, "sim/clock", json!({ "speed": 60 }));
    assert_eq!((status, &clock["speed"]), (200, &json!(60)));
    let begin = std::time::Instant::now();
    let wall = millis(clock["now"].as_str().unwrap());
    api.pulse("hall");
    api.until_state("triggered");
    // Three minutes of siren, one of quiet.
    api.until_state("armed_away");
    let lasted = begin.elapsed();
    assert!(lasted < Duration::from_secs(60), "{lasted:?}");
    let now = millis(api.get("sim/clock")["now"].as_str().unwrap());
    assert!(now - wall >= 180_000, "{}", now - wall);
    assert!(!api.output("buzzer"));
    api.until_mails("all clear: intrusion over", 2);
    put(api, "sim/clock", json!({ "speed": 1 }));
    // A busy machine may have let the node be late, which is over in a moment.
    api.until_no_trouble("sensor-silent");
}

#[test]
fn a_scenario_for_the_state_that_the_house_is_in_begins_at_once() {
    let house = House::start();
    let api = &house.api;
    assert_eq!(api.state(), "armed_away");
    put(api, "sim/clock", json!({ "speed": 60 }));
    let before = api.events_of("state").len();
    api.post("sim/scenarios/burglary", json!({}));
    api.until_state("triggered");
    let states = api.events_of("state");
    let towards: Vec<&Value> = states[before..]
        .iter()
        .map(|it| &it["data"]["to"])
        .collect();
    assert!(towards.iter().all(|to| *to != "disarmed"), "{towards:?}");
}

#[test]
fn a_scenario_is_played_in_the_running_house_at_the_pace_of_its_clock() {
    let house = House::start();
    let api = &house.api;
    let told = api.get("sim/scenarios");
    let scenarios = told["scenarios"].as_array().unwrap();
    assert_eq!(scenarios.len(), 6);
    for scenario in scenarios {
        assert_eq!(scenario["fits"], true, "{scenario}");
    }
    put(api, "sim/clock", json!({ "speed": 60 }));
    api.post("sim/scenarios/gas-leak", json!({}));
    assert_eq!(api.get("sim/scenarios")["playing"], "gas-leak");
    api.until_output("exhaust", true);
    api.until_mails("ALARM gas at kitchen gas", 2);
    // Another one takes its place: it begins disarmed.
    api.post("sim/scenarios/panic", json!({}));
    api.until_state("disarmed");
    api.until_mails("panic button", 1);
    let lines = api.get("sim/timeline")["lines"].clone();
    let gas = lines
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["text"] == "exhaust fan on");
    assert!(gas.unwrap()["why"].as_str().unwrap().contains("gas"));
    let (status, _) = api.ask("POST", "sim/scenarios/party", &json!({}));
    assert_eq!(status, 404);
}
