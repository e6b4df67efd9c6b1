//! The commands, against a service that runs: what they print and how they end.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::api::until;
use crate::home::Home;

/// A command that runs until it is ended, and its lines.
struct Following(Child, Lines<BufReader<ChildStdout>>);

impl Following {
    fn start(home: &Home, args: &[&str]) -> Following {
        let mut command = home.cli_command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Following(child, lines)
    }

    fn line(&mut self) -> String {
        self.1.next().unwrap().unwrap()
    }

    fn signalled(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn commands_say_what_the_panel_is_then() {
    let home = Home::with(&[("entry-delay = \"40s\"", "entry-delay = \"20s\"")]);
    let service = home.start();
    service.until_heard();
    let said = |args: &[&str], expected: &str| {
        let (code, out, err) = home.cli(args);
        assert_eq!((code, err.as_str()), (0, ""), "{args:?}");
        assert!(out.starts_with(expected), "{args:?}: {out}");
    };
    said(&["arm", "away"], "armed_away\n");
    said(&["arm", "away"], "armed_away\n");
    said(&["arm", "night"], "armed_night\n");
    said(&["pause"], "paused until ");
    said(&["disarm"], "disarmed\n");
    said(&["disarm"], "disarmed\n");
    said(&["arm", "armed_home"], "armed_home\n");
    service.api.pulse("hall");
    service.api.until_state("triggered");
    home.until_mails("ALARM", 1);
    said(&["ack"], "triggered until ");
    assert_eq!(
        service.api.status()["incidents"][0]["acknowledged_by"],
        "the command line"
    );
    said(&["silence"], "triggered");
    service.api.until_output("buzzer", false);
    said(&["disarm"], "disarmed\n");
    let (code, out, _) = home.cli(&["status"]);
    assert_eq!(code, 0);
    for expected in [
        "panel      disarmed",
        "gas        clear",
        "hall",
        "front door",
        "simulated: ",
    ] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    let (_, out, _) = home.cli(&["status", "--json"]);
    let status: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(status["state"], "disarmed");
    assert_eq!(status["site"], "Home");
}

#[test]
fn arming_with_something_open_is_refused_with_the_reason_unless_forced() {
    let home = Home::with(&[("entry = \"delayed\"", "entry = \"instant\"")]);
    let service = home.start();
    service.until_heard();
    service.api.set("front door", true);
    until("the door to be open", || {
        let (code, out, err) = home.cli(&["arm", "away"]);
        if code == 0 {
            assert_eq!(home.cli(&["disarm"]).0, 0);
            return None;
        }
        assert_eq!((code, out.as_str()), (75, ""));
        assert!(err.contains("\"front door\" is open"), "{err}");
        Some(())
    });
    let (code, out, _) = home.cli(&["arm", "away", "--force"]);
    assert_eq!((code, out.as_str()), (0, "armed_away\n"));
    let door = |state: &str| {
        until(&format!("the door to be {state}"), || {
            let status = service.api.status();
            let sensors = status["sensors"].as_array()?;
            let door = sensors.iter().find(|it| it["name"] == "front door")?;
            (door["state"] == state).then_some(())
        });
    };
    door("inhibited");
    service.api.set("front door", false);
    door("inactive");
    service.api.set("front door", true);
    service.api.until_state("triggered");
}

#[test]
fn events_are_listed_and_followed() {
    let home = Home::with(&[]);
    let service = home.armed();
    let mut following = Following::start(&home, &["events", "--follow", "--json"]);
    let next = |following: &mut Following, kind: &str| -> Value {
        loop {
            let event: Value = serde_json::from_str(&following.line()).unwrap();
            if event["kind"] == kind {
                return event;
            }
        }
    };
    next(&mut following, "started");
    service.api.pulse("hall");
    let live = next(&mut following, "incident_opened");
    assert_eq!(live["data"]["sensor"], "hall");
    for key in [
        "id",
        "at",
        "clock_set",
        "boot_id",
        "kind",
        "incident",
        "data",
    ] {
        assert!(!live[key].is_null(), "{key}: {live}");
    }
    home.until_mails("ALARM", 1);
    service.api.until_message("email", "delivered");
    let (code, out, _) = home.cli(&["events", "--json"]);
    assert_eq!(code, 0);
    let listed: Vec<Value> = out
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    assert!(
        listed.contains(&live),
        "the stream shows what the history has"
    );
    let ids: Vec<u64> = listed.iter().map(|it| it["id"].as_u64().unwrap()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    let (_, out, _) = home.cli(&["events"]);
    assert!(out.contains("hall (motion): alarm"), "{out}");
    assert!(
        !out.contains("anna@example.org") && !out.contains("302101234567"),
        "{out}"
    );
    // Not SIGINT: a shell's background job, and what it starts, ignores that.
    let ended = following.signalled(Signal::TERM);
    assert_eq!(ended, None, "ended by the signal");
}

#[test]
fn every_output_can_be_tried_for_real() {
    let home = Home::with(&[]);
    let service = home.start();
    service.until_heard();
    let tried = |what: &str| {
        let (code, out, err) = home.cli(&["test", what]);
        assert_eq!(code, 0, "{err}");
        assert!(out.starts_with(&format!("trying {what}: ")), "{out}");
    };
    tried("email");
    let mail = &home.until_mails("test message", 1)[0];
    assert!(mail["text"].as_str().unwrap().contains("This is a test"));
    tried("call");
    let words = home.until_calls(1)[0]["words"].as_str().unwrap().to_owned();
    assert!(words.contains("test call from Home"), "{words}");
    tried("photo");
    until("the photo", || {
        let photos = service.api.events_of("photo");
        let id = photos.first()?["data"]["photo"].as_u64()?;
        let jpeg = service.api.bytes(&format!("photos/{id}"));
        assert_eq!(crate::simulate::dimensions(&jpeg), (320, 240));
        Some(())
    });
    // A beep is over before it can be asked for; the history has it.
    tried("buzzer");
    until("the beep in the history", || {
        let tests = service.api.events_of("test");
        (tests.last()?["data"]["what"] == "buzzer").then_some(())
    });
    tried("relay");
    service.api.until_output("exhaust", true);
    service.api.until_output("exhaust", false);
    assert_eq!(service.api.state(), "disarmed");
    until("mail and phone to be proven", || {
        let proven = service.api.status()["proven"].clone();
        (!proven["email"].is_null() && !proven["phone"].is_null()).then_some(())
    });
}

#[test]
fn a_walk_test_lists_every_trigger_and_alarms_nobody() {
    let home = Home::with(&[]);
    let service = home.start();
    service.until_heard();
    let mut walk = Following::start(&home, &["walk-test"]);
    until("the walk test", || {
        (service.api.status()["walk_test"] == true).then_some(())
    });
    service.api.pulse("hall");
    assert!(walk.line().ends_with("hall (motion): walk test"));
    service.api.set("front door", true);
    assert!(walk.line().ends_with("front door (contact): walk test"));
    assert_eq!(walk.signalled(Signal::INT), Some(0));
    assert_eq!(service.api.status()["walk_test"], false);
    assert_eq!(service.api.state(), "disarmed");
    assert_eq!(home.mails().len() + home.calls().len(), 0);
}

#[test]
fn panic_works_while_disarmed_and_goes_back_there() {
    let home = Home::with(&[(
        "[[nodemcu]]",
        "[[sensor]]\nname = \"panic button\"\nkind = \"panic\"\nsimulated = true\n[[nodemcu]]",
    )]);
    let service = home.start();
    service.api.pulse("panic button");
    service.api.until_state("triggered");
    home.until_mails("ALARM panic at panic button", 1);
    home.until_calls(1);
    service.api.post("disarm", json!({}));
    assert_eq!(home.cli(&["status"]).0, 0);
    assert_eq!(service.api.state(), "disarmed");
}
