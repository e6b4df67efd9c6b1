//! Fingers: the built program with a fingerprint module on a pseudo-terminal.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use asfaleia::simulator::{Finger, SimulatedReader};
use serde_json::{Value, json};

use crate::api::{Wire, until};
use crate::home::Home;
use crate::process::{Simulator, changed};

/// The house with a reader and this section of access.
fn home(access: &str) -> Home {
    const STORE: &str = "[store]\n";
    let access = format!("[access]\n{access}\nfinger = {{ port = \"DIR/finger\" }}\n\n{STORE}");
    Home::with(&[(STORE, &access)])
}

fn lay(reader: &SimulatedReader, finger: &str) {
    reader.lay(Finger::Of(finger.to_owned()));
}

/// Lifts the finger, and waits until that was seen.
fn lift(reader: &SimulatedReader) {
    reader.lift();
    looks(reader, 3);
}

/// Waits until the reader was given so many commands more.
fn looks(reader: &SimulatedReader, commands: u64) {
    let from = reader.commands();
    until("looks at the sensor", || {
        (reader.commands() >= from + commands).then_some(())
    });
}

impl Home {
    /// Enrols a finger by the command line, and lays and lifts it as that says.
    fn enrolls_finger(&self, reader: &SimulatedReader, args: &[&str]) -> (i32, Vec<String>) {
        let finger = args[0];
        let mut command = self.cli_command(&[&["enroll", "finger"], args].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        for line in lines.map(Result::unwrap) {
            match line.as_str() {
                "lift it" => reader.lift(),
                line if line.starts_with("lay ") => lay(reader, finger),
                _ => {}
            }
            said.push(line);
        }
        let ended = child.wait_with_output().unwrap();
        said.extend(
            String::from_utf8(ended.stderr)
                .unwrap()
                .lines()
                .map(str::to_owned),
        );
        lift(reader);
        (ended.status.code().unwrap(), said)
    }
}

#[test]
fn a_finger_and_the_face_line_disarm_and_neither_alone() {
    let home = home("require = [[\"face\", \"finger\"]]\nface = { gpio = 24 }\nwithin = \"60s\"");
    let reader = home.finger_reader();
    let service = home.armed();
    let (code, said) = home.enrolls_finger(&reader, &["Anna"]);
    assert_eq!(code, 0, "{said:?}");
    assert_eq!(
        said,
        [
            "lay the finger on the reader",
            "lift it",
            "lay the same finger once more",
            "the finger of Anna is in force"
        ]
    );
    assert_eq!(home.cli(&["people"]).1, "Anna: 1 finger\n");

    lay(&reader, "Anna");
    // An image, what is characteristic, a search, the light, and two that find it still there.
    looks(&reader, 6);
    lift(&reader);
    assert_eq!(service.api.state(), "armed_away");
    service.api.set("face", true);
    service.api.until_state("disarmed");
    service.api.set("face", false);
    service.api.post("arm", json!({ "mode": "away" }));
    lay(&reader, "Anna");
    looks(&reader, 6);
    lift(&reader);
    assert_eq!(
        service.api.state(),
        "armed_away",
        "what let in once lets in no more"
    );
    let granted = &service.api.events_of("granted")[0]["data"];
    assert_eq!(granted["by"]["name"], "Anna");
    assert_eq!(granted["by"]["origin"], "reader");
    assert_eq!(granted["by"]["with"], json!(["face", "finger"]));
}

#[test]
fn a_strangers_finger_is_refused_and_written_down() {
    let home = home("require = [[\"finger\"]]");
    let reader = home.finger_reader();
    let service = home.armed();
    assert_eq!(home.enrolls_finger(&reader, &["Anna"]).0, 0);
    lay(&reader, "a stranger");
    let refused = until("a refusal", || service.api.events_of("refused").pop());
    assert_eq!(refused["data"]["by"]["origin"], "reader");
    assert_eq!(service.api.state(), "armed_away");
    // After the wait that follows a wrong try.
    until("Anna's finger to be right", || {
        lift(&reader);
        lay(&reader, "Anna");
        looks(&reader, 6);
        (service.api.state() == "disarmed").then_some(())
    });
}

#[test]
fn a_pulled_cable_is_a_trouble_until_it_is_back_and_fingers_survive_a_restart() {
    let home = home("require = [[\"finger\"]]");
    let reader = home.finger_reader();
    let service = home.armed();
    assert_eq!(home.enrolls_finger(&reader, &["Anna"]).0, 0);
    home.faults(json!({ "finger": "unplugged" }));
    service.api.until_trouble("finger-reader");
    let (code, said) = home.enrolls_finger_without_reader();
    assert_eq!(code, 75, "{said}");
    assert!(said.contains("does not work"), "{said}");
    drop(service);

    let service = home.start();
    service.api.until_trouble("finger-reader");
    home.faults(json!({ "finger": null }));
    service.api.until_no_trouble("finger-reader");
    assert_eq!(service.api.state(), "armed_away");
    lay(&reader, "Anna");
    service.api.until_state("disarmed");
}

#[test]
fn a_reader_that_is_configured_no_more_is_no_trouble_and_one_that_comes_by_a_reload_works() {
    let access = "require = [[\"finger\"], [\"pin\"]]";
    let home = home(access);
    let service = home.start();
    service.api.until_trouble("finger-reader");
    let with_reader = std::fs::read_to_string(home.file()).unwrap();
    let without = changed(
        &with_reader,
        &[("[\"finger\"], ", ""), ("\nfinger = {", "\n# finger = {")],
    );
    home.write(&without);
    service.api.post("reload", json!({}));
    service.api.until_no_trouble("finger-reader");

    let reader = home.finger_reader();
    home.write(&with_reader);
    service.api.post("reload", json!({}));
    until("the reader to be there", || {
        let log = service.running.log();
        log.contains("the finger reader is there").then_some(())
    });
    let (code, said) = home.enrolls_finger(&reader, &["Anna"]);
    assert_eq!(code, 0, "{said:?}");
}

#[test]
fn who_is_forgotten_is_forgotten_by_the_reader_too() {
    let home = home("require = [[\"finger\"]]");
    let reader = home.finger_reader();
    let service = home.armed();
    assert_eq!(home.enrolls_finger(&reader, &["Anna"]).0, 0);
    assert_eq!(home.enrolls_finger(&reader, &["Ben"]).0, 0);
    assert_eq!(home.cli(&["forget", "Anna"]).0, 0);
    assert_eq!(
        reader.templates().into_values().collect::<Vec<_>>(),
        ["Ben"]
    );

    home.faults(json!({ "finger": "unplugged" }));
    service.api.until_trouble("finger-reader");
    let (code, said, _) = home.cli(&["forget", "Ben"]);
    assert_eq!(code, 0);
    assert!(said.contains("--unknown-fingers"), "{said}");
    home.faults(json!({ "finger": null }));
    assert!(service.api.until_trouble("finger-unknown").contains("(1)"));
    lay(&reader, "Ben");
    until("a refusal", || service.api.events_of("refused").pop());
    assert_eq!(service.api.state(), "armed_away");

    let forgotten = home.cli(&["forget", "--unknown-fingers"]);
    assert_eq!(
        forgotten,
        (0, "forgotten by the reader: 1\n".into(), String::new())
    );
    service.api.until_no_trouble("finger-unknown");
    assert!(reader.templates().is_empty());
}

#[test]
fn a_duress_finger_disarms_as_any_other_and_looks_like_it() {
    let home = home("require = [[\"finger\"]]");
    let reader = home.finger_reader();
    let service = home.armed();
    let (code, said) = home.enrolls_finger(&reader, &["Anna", "--duress"]);
    assert_eq!(code, 0, "{said:?}");
    lay(&reader, "Anna");
    service.api.until_state("disarmed");
    let log = service.running.log();
    let events = Value::Array(service.api.events()).to_string();
    assert!(
        !log.contains("duress") && !events.contains("duress"),
        "{log}\n{events}"
    );
    assert_eq!(home.cli(&["people"]).1, "Anna: 1 finger\n");
}

#[test]
fn without_a_reader_nothing_is_enrolled_and_that_is_said() {
    let home = Home::with(&[]);
    let _service = home.start();
    let (code, said) = home.enrolls_finger_without_reader();
    assert_eq!(code, 75);
    assert!(said.contains("[access] finger = { port"), "{said}");
}

impl Home {
    fn enrolls_finger_without_reader(&self) -> (i32, String) {
        let (code, _, said) = self.cli(&["enroll", "finger", "Anna"]);
        (code, said)
    }
}

/// The next step of an enrolment.
fn step(wire: &mut Wire) -> Value {
    loop {
        let line = wire.line();
        if let Some(said) = line.strip_prefix("data: ") {
            return serde_json::from_str(said).unwrap();
        }
    }
}

#[test]
fn in_the_simulated_house_a_finger_is_enrolled_by_the_api_and_laid_by_sim() {
    let house = Simulator::start();
    let lay = |finger: Value| {
        let (status, _) = house
            .api
            .ask("PUT", "sim/finger", &json!({ "finger": finger }));
        assert_eq!(status, 200);
    };
    let mut wire = house.api.connect();
    wire.send("POST", "people/Anna/finger", &json!({}));
    assert_eq!(step(&mut wire), json!({ "finger": "lay" }));
    lay(json!("dirty"));
    assert_eq!(step(&mut wire), json!({ "finger": "unreadable" }));
    lay(json!("Anna's"));
    assert_eq!(step(&mut wire), json!({ "finger": "lift" }));
    lay(Value::Null);
    assert_eq!(step(&mut wire), json!({ "finger": "lay-again" }));
    lay(json!("Anna's"));
    assert_eq!(step(&mut wire), json!({ "done": true }));
    assert_eq!(house.api.state(), "armed_away");
    // The same finger counts when it was lifted: until then nobody lays it again.
    lay(Value::Null);
    until("Anna's finger, laid anew", || {
        lay(json!("Anna's"));
        std::thread::sleep(std::time::Duration::from_millis(700));
        let disarmed = house.api.state() == "disarmed";
        lay(Value::Null);
        std::thread::sleep(std::time::Duration::from_millis(700));
        disarmed.then_some(())
    });
}
