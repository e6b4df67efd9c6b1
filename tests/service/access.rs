//! Who is let in: the built program with PINs and with the original's wires.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::api::{DEADLINE, until};
use crate::home::{Home, Service};
use crate::process::outcome;

const ACCESS: &str = "[store]\n";

/// The house with this section of access.
fn home(access: &str) -> Home {
    Home::with(&[(ACCESS, &format!("[access]\n{access}\n\n{ACCESS}"))])
}

/// The house of the original: both wires raised halt detection.
fn wired() -> Home {
    home(
        "require = [[\"face\", \"finger\"]]\nface = { gpio = 24 }\nfinger = { gpio = 21 }\n\
         grant = \"pause\"\npause-for = \"8s\"",
    )
}

impl Home {
    fn enrolls(&self, args: &[&str], pin: &str) -> (i32, String, String) {
        let mut command = self.cli_command(&[&["enroll", "pin", "--stdin"], args].concat());
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(pin.as_bytes()).unwrap();
        drop(stdin);
        let ended = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            ended.status.code().unwrap(),
            text(ended.stdout),
            text(ended.stderr),
        )
    }
}

fn records(service: &Service, kind: &str) -> Vec<Value> {
    let events = service.api.get("events");
    let events = events["events"].as_array().unwrap().iter();
    events.filter(|it| it["kind"] == kind).cloned().collect()
}

#[test]
fn both_wires_raised_halt_detection_and_nothing_of_it_alarms_afterwards() {
    let home = wired();
    let service = home.armed();
    let set = |name: &str, active: bool| service.api.set(name, active);
    // A wire has to keep its level for a moment to be believed.
    let hall_is = |state: &str| {
        until(&format!("hall {state}"), || {
            (service.api.status()["sensors"][0]["state"] == state).then_some(())
        });
    };
    set("face", true);
    set("hall", true);
    service.api.until_state("triggered");
    set("hall", false);
    hall_is("inactive");
    service.api.post("disarm", json!({}));
    service.api.post("arm", json!({ "mode": "away" }));

    set("finger", true);
    service.api.until_state("paused");
    set("hall", true);
    hall_is("active");
    assert_eq!(service.api.state(), "paused");
    service.api.until_state("armed_away");
    assert_eq!(service.api.status()["incidents"], json!([]));
    let granted = &records(&service, "granted")[0]["data"];
    assert_eq!(granted["what"], "pause");
    assert_eq!(granted["by"]["with"], json!(["face", "finger"]));
    set("hall", false);
    hall_is("inactive");
    set("hall", true);
    service.api.until_state("triggered");
}

#[test]
fn a_pin_is_enrolled_counts_after_a_restart_and_is_forgotten_with_its_owner() {
    let home = home("require = [[\"pin\"]]");
    let service = home.armed();
    assert_eq!(home.enrolls(&["Anna"], "2580\n").0, 0);
    let (code, _, error) = home.enrolls(&["Ben"], "2580\n");
    assert_eq!(code, 75, "{error}");
    assert!(error.contains("choose another") && !error.contains("Anna"));
    assert_eq!(home.enrolls(&["Ben"], "12\n").0, 65);
    assert_eq!(
        home.cli(&["people"]),
        (0, "Anna: PIN\n".into(), String::new())
    );
    drop(service);

    let service = home.start();
    let typed = |pin: &str| service.api.ask("POST", "disarm", &json!({ "pin": pin }));
    assert_eq!(typed("0000").0, 403);
    until("the wait after a wrong one", || {
        let (status, body) = typed("2580");
        (status != 429).then(|| assert_eq!(status, 200, "{body}"))
    });
    service.api.until_state("disarmed");
    let granted = &records(&service, "granted")[0]["data"]["by"];
    assert_eq!(
        (&granted["name"], &granted["origin"]),
        (&json!("Anna"), &json!("socket"))
    );
    // The wrong one, and the first that came too soon after it.
    assert_eq!(records(&service, "refused").len(), 2);

    assert_eq!(home.cli(&["forget", "Anna"]).0, 0);
    assert_eq!(home.cli(&["forget", "Anna"]).0, 66);
    assert_eq!(typed("2580").0, 403);
    let log = std::fs::read_to_string(home.dir.path().join("log")).unwrap();
    assert!(log.contains("let in to disarm: Anna (PIN)"), "{log}");
    assert!(!log.contains("2580"), "a PIN is never logged");
}

#[test]
fn a_pin_typed_under_duress_disarms_and_nobody_but_the_contact_for_it_hears() {
    let home = Home::with(&[
        (ACCESS, "[access]\nrequire = [[\"pin\"]]\n\n[store]\n"),
        (
            "[access]",
            "[[contact]]\nname = \"the guard\"\nemail = \"guard@example.org\"\n\
             phone = \"+302101234560\"\nduress = true\n\n[access]",
        ),
    ]);
    let service = home.armed();
    home.enrolls(&["Anna"], "2580\n");
    home.enrolls(&["Anna", "--duress"], "0852\n");
    assert_eq!(home.cli(&["people"]).1, "Anna: PIN\n");
    let before = service.api.status();
    let (status, body) = service.api.ask("POST", "disarm", &json!({ "pin": "0852" }));
    assert_eq!((status, body), (200, json!({ "done": true })));
    let mail = &home.until_mails("SILENT ALARM", 1)[0];
    assert_eq!(mail["to"], json!(["guard@example.org"]));
    let calls = home.until_calls(1);
    assert_eq!(calls[0]["to"], "+302101234560");
    // The call under way stays under way, whoever acknowledges.
    service.api.post("ack", json!({}));
    home.until_calls(2);

    let after = service.api.status();
    for hidden in ["outbox", "proven", "incidents"] {
        assert_eq!(after[hidden], before[hidden], "{hidden}");
    }
    assert_eq!(after["troubles"].as_array().unwrap().len(), 1, "simulated");
    let events = service.api.get("events");
    let events = events["events"].as_array().unwrap();
    let ids: Vec<u64> = events.iter().map(|it| it["id"].as_u64().unwrap()).collect();
    let all: Vec<u64> = (ids[0]..ids[0] + ids.len() as u64).collect();
    assert_eq!(ids, all, "no number is left out");
    for seen in [
        json!(events).to_string(),
        after.to_string(),
        service.api.get("incidents").to_string(),
        std::fs::read_to_string(home.dir.path().join("log")).unwrap(),
    ] {
        let seen = seen.to_lowercase();
        assert!(
            !seen.contains("duress") && !seen.contains("silent"),
            "{seen}"
        );
    }
    assert_eq!(
        service.api.ask("GET", "duress", &Value::Null).0,
        403,
        "not for the socket"
    );
    assert_eq!(home.mails().len(), 1);
}

#[test]
fn a_pin_is_typed_twice_at_the_terminal_which_does_not_show_it() {
    let home = home("require = [[\"pin\"]]");
    let _service = home.start();
    for (typed, code) in [(["2580", "2580"], 0), (["1470", "1471"], 65)] {
        let (ours, theirs) = terminal();
        let mut command = home.cli_command(&["enroll", "pin", "Anna"]);
        command.stdin(theirs.try_clone().unwrap());
        command.stdout(theirs.try_clone().unwrap()).stderr(theirs);
        let mut child = command.spawn().unwrap();
        drop(command);
        let mut ours = std::fs::File::from(ours);
        let mut shown = String::new();
        for (prompt, line) in ["PIN: ", "again: "].iter().zip(typed) {
            while !shown.ends_with(prompt) {
                shown.push(next_sign(&mut ours));
            }
            writeln!(ours, "{line}").unwrap();
        }
        // Ends in an error when the other side is closed.
        let mut rest = Vec::new();
        let _ = ours.read_to_end(&mut rest);
        shown += &String::from_utf8(rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{shown}");
        assert!(!shown.contains(typed[0]), "{shown}");
    }
    assert_eq!(home.cli(&["people"]).1, "Anna: PIN\n");
}

/// What the program writes next to its terminal.
fn next_sign(ours: &mut std::fs::File) -> char {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let deadline = Timespec::try_from(DEADLINE).unwrap();
    let ready = poll(&mut [PollFd::new(ours, PollFlags::IN)], Some(&deadline));
    assert_eq!(ready, Ok(1), "the terminal stays silent");
    let mut byte = [0];
    ours.read_exact(&mut byte).unwrap();
    char::from(byte[0])
}

/// A terminal: our end, and the program's.
fn terminal() -> (OwnedFd, OwnedFd) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let mode = rustix::fs::Mode::empty();
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
    let theirs = rustix::fs::open(name, flags, mode).unwrap();
    (ours, theirs)
}

#[test]
fn without_a_terminal_the_pin_comes_by_stdin_and_only_when_told_so() {
    let home = home("require = [[\"pin\"]]");
    let _service = home.start();
    let mut command = home.cli_command(&["enroll", "pin", "Anna"]);
    command.stdin(Stdio::null());
    let (code, _, error) = outcome(command);
    assert_eq!(code, 64);
    assert!(error.contains("--stdin"), "{error}");
}
