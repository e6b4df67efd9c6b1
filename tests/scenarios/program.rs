//! Recorded incidents, and the built program.

use std::process::{Command, Output};
use std::time::Duration;

use asfaleia::alarm::{BootTime, IncidentId, Mode, Record, Recording, Seen, SensorName};
use asfaleia::clock::WallTime;
use asfaleia::simulator::replay::Recorded;
use asfaleia::simulator::{Setting, changed_config};
use serde_json::{Value, json};

use super::{HOUSE, first, record};

/// One short pulse in the hall at 02:13:10 UTC, a day after the boot, and Anna who disarms; an hour
/// before, while nobody knows whether it was armed, she had walked about.
fn incident() -> Value {
    let since = BootTime::from_secs(90_000);
    let seen = |at: BootTime, active| Seen {
        at,
        sensor: SensorName::from("hall"),
        active,
        found: false,
    };
    let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3_600));
    let recording = Recording {
        incident: IncidentId(7),
        mode: Some(Mode::Away),
        since,
        seen: vec![
            seen(since - hour, true),
            seen(since - hour + second, false),
            // Found after a restart of the service: that says nothing of now.
            Seen {
                found: true,
                ..seen(since - second * 60, true)
            },
            seen(since - second * 59, false),
            seen(since, true),
            seen(since + second, false),
        ],
    };
    let anna = json!({ "name": "Anna", "origin": "dashboard", "right": "owner" });
    json!({
        "id": 7,
        "since": "2026-11-23T02:13:10.000Z",
        "events": [
            { "id": 1, "at": "2026-11-23T02:13:10.000Z", "kind": "incident_opened",
              "data": { "incident_kind": "intrusion", "sensor": "hall" } },
            { "id": 2, "at": "2026-11-23T02:13:30.000Z", "kind": "state",
              "data": { "from": "triggered", "to": "disarmed", "by": anna } },
            { "id": 3, "at": "2026-11-23T02:13:30.000Z", "kind": "of a later version", "data": {} },
        ],
        "recording": recording,
    })
}

#[test]
fn a_recorded_incident_happens_again_and_not_with_a_changed_setting() {
    let house = |settings: &[Setting]| changed_config(HOUSE, "house.toml", &[], settings).unwrap();
    let mut as_text = incident();
    as_text["recording"] = incident()["recording"].to_string().into();
    for incident in [incident(), as_text] {
        let recorded = Recorded::parse(&incident.to_string()).unwrap();
        let then = recorded.alarm().unwrap();
        let again = recorded.play(&house(&[]).config);
        let alarms: Vec<_> = again.alarms().map(|(at, by, _)| (at, by.clone())).collect();
        assert_eq!(alarms, [(then.at, then.by.clone())], "{again}");
        assert_eq!(then.at, WallTime(1_795_399_990_000), "02:13:10");
        let disarmed =
            record(|it| matches!(it, Record::IncidentEnded { how, .. } if how == "disarmed"));
        assert_eq!(first(&again, disarmed).at.0 - then.at.0, 20_000, "{again}");

        let two = Setting::parse("sensor.hall.pulses", "2").unwrap();
        let quiet = recorded.play(&house(&[two]).config);
        assert_eq!(quiet.summary().incidents, 0, "{quiet}");
    }
}

#[test]
fn what_is_no_recorded_incident_says_what_to_save() {
    for text in ["{}", "{\"recording\": [1]}", "{\"recording\": \"[]\"}"] {
        let error = Recorded::parse(text).unwrap_err().to_string();
        assert!(error.contains("GET /api/v1/incidents/ID"), "{error}");
    }
    assert!(Recorded::parse("{").is_err());
}

fn asfaleia(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_asfaleia"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("TZ", "UTC")
        .arg("replay")
        .args(args)
        .output()
        .expect("the program starts")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn the_program_prints_the_night_and_its_sum() {
    let output = asfaleia(&["config/scenarios/burglary.toml"]);
    let text = stdout(&output);
    assert!(
        text.starts_with("Burglary (15m from 02:13, armed away)\n"),
        "{text}"
    );
    assert!(
        text.contains("\n02:13:10  buzzer    sounds the alarm\n"),
        "{text}"
    );
    assert!(
        text.ends_with("\n1 incident, 10 mails, 4 calls in 15m\n"),
        "{text}"
    );
    let took = String::from_utf8(output.stderr).unwrap();
    assert!(
        took.starts_with("15m in ") && took.ends_with(" ms\n"),
        "{took}"
    );
    assert_eq!(text, stdout(&asfaleia(&["config/scenarios/burglary.toml"])));
}

#[test]
fn the_program_prints_json_lines_that_end_with_the_sum() {
    let text = stdout(&asfaleia(&["--json", "config/scenarios/gas-leak.toml"]));
    let lines: Vec<Value> = (text.lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["kind"], "sensor");
    assert_eq!(lines[0]["at"], "2026-11-23T19:40:30.000Z");
    assert_eq!(lines[0]["data"]["sensor"], "kitchen gas");
    let last = lines.last().unwrap();
    assert_eq!(last["kind"], "summary");
    assert_eq!(last["data"]["incidents"], 1);
}

#[test]
fn the_program_says_what_a_setting_would_have_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("incident-7.json");
    std::fs::write(&file, incident().to_string()).unwrap();
    let file = file.to_str().unwrap();
    let text = stdout(&asfaleia(&[file, "--set", "sensor.hall.pulses=2"]));
    let outcome = "\nas recorded: alarm at 02:13:10 by hall\n\
                   with sensor.hall.pulses=2: no alarm\n";
    assert!(text.ends_with(outcome), "{text}");
    let text = stdout(&asfaleia(&[file]));
    assert!(
        text.ends_with("with this configuration: alarm at 02:13:10 by hall\n"),
        "{text}"
    );
}

#[test]
fn mistakes_have_their_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.toml");
    std::fs::write(&wrong, "title = 3").unwrap();
    let elsewhere = folder.path().join("elsewhere.toml");
    let attic = "[[sensor]]\nname = \"attic\"\nkind = \"motion\"\nsimulated = true\n";
    std::fs::write(&elsewhere, attic).unwrap();
    let elsewhere = elsewhere.to_str().unwrap();
    let good = "config/scenarios/burglary.toml";
    for (args, code, said) in [
        (&["nowhere.toml"][..], 66, "nowhere.toml"),
        (&[wrong.to_str().unwrap()], 65, "wrong.toml:1:9"),
        (
            &[good, "--set", "sensor.hal.pulses=2"],
            64,
            "there is no sensor \"hal\"",
        ),
        (
            &[good, "--set", "sensor.hall.pulses=0"],
            78,
            "--set sensor.hall.pulses=0",
        ),
        (&[good, "--set", "pulses"], 64, "KEY=VALUE"),
        (&[good, "--config", "nowhere.toml"], 66, "--config"),
        (
            &[good, "--config", elsewhere],
            65,
            "no sensor \"front door\"",
        ),
    ] {
        let output = asfaleia(args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        assert!(error.contains(said), "{args:?}: {error}");
    }
}
