//! The built program against a house: what is asked, printed, and the exit code.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use asfaleia::alarm::{self, Answer, Mode};

use super::house::FakeHouse;

fn asfaleia() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_asfaleia"));
    command.env_remove("XDG_RUNTIME_DIR");
    command
}

impl FakeHouse {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = asfaleia();
        command.arg("--socket").arg(&self.socket).args(args);
        command
    }
}

fn outcome(mut command: Command) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn status_is_readable_and_as_json_what_the_api_gives() {
    let house = FakeHouse::run();
    let (code, out, err) = outcome(house.command(&["status"]));
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("triggered until 2026-11-2"), "{out}");
    assert!(out.contains("hall           motion  active"), "{out}");
    let (_, out, _) = outcome(house.command(&["status", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json, house.unix("GET", "/api/v1/status", "").json());
}

#[test]
fn commands_reach_the_panel() {
    let house = FakeHouse::run();
    let arm = |mode, force| alarm::Command::Arm { mode, force };
    for (args, command) in [
        (&["arm", "night", "--force"][..], arm(Mode::Night, true)),
        (&["arm", "away"], arm(Mode::Away, false)),
        (&["disarm"], alarm::Command::Disarm),
        (&["pause"], alarm::Command::Pause),
        (&["ack"], alarm::Command::Acknowledge),
        (&["silence"], alarm::Command::Silence),
        (
            &["test", "buzzer"],
            alarm::Command::Test(alarm::Test::Buzzer),
        ),
        (&["walk-test", "--off"], alarm::Command::WalkTest(false)),
    ] {
        let (code, _, err) = outcome(house.command(args));
        assert_eq!(code, 0, "{args:?}: {err}");
        assert_eq!(house.last_asked().0, command);
    }
}

#[test]
fn a_refusal_is_one_line_and_an_exit_code_of_its_own() {
    let house = FakeHouse::run();
    house.answer(Answer::Refused(vec!["window is open".to_owned()]));
    let (code, out, err) = outcome(house.command(&["arm", "away"]));
    assert_eq!((code, out.as_str()), (75, ""));
    assert_eq!(err, "asfaleia: refused: window is open\n");
    let (code, _, err) = outcome(house.command(&["reload"]));
    assert_eq!(code, 78);
    assert_eq!(err, "asfaleia: line 3: no such key; the old one goes on\n");
}

#[test]
fn a_service_that_does_not_run_is_told_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("none.sock");
    let mut command = asfaleia();
    command.arg("status").arg("--socket").arg(&socket);
    let (code, _, err) = outcome(command);
    assert_eq!(code, 69);
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(
        err.contains("asfaleia is not running here") && err.contains("--socket"),
        "{err}"
    );
    assert!(err.contains(socket.to_str().unwrap()), "{err}");
}

#[test]
fn a_command_line_that_is_wrong_exits_with_64_and_help_with_0() {
    for args in [
        &["arm"][..],
        &["arm", "sideways"],
        &["test", "face"],
        &["fly"],
        &["simulate", "--listen", "0.0.0.0:8080"],
        &["replay", "night.toml", "--set", "pulses"],
        &[],
    ] {
        let mut command = asfaleia();
        command.args(args);
        assert_eq!(outcome(command).0, 64, "{args:?}");
    }
    let mut help = asfaleia();
    help.arg("--help");
    let (code, out, _) = outcome(help);
    assert_eq!(code, 0);
    for subcommand in [
        "simulate",
        "replay",
        "walk-test",
        "drill",
        "doctor",
        "init",
        "enroll",
        "forget",
        "completions",
    ] {
        assert!(out.contains(subcommand), "{out}");
    }
    assert!(!out.contains("recognise"), "a child's command: {out}");
}

#[test]
fn a_configuration_that_is_not_there_is_no_input() {
    let mut command = asfaleia();
    command.args(["check", "--config", "no/such/file.toml"]);
    let (code, _, err) = outcome(command);
    assert_eq!(code, 66);
    assert!(
        err.contains("no/such/file.toml") && err.contains("--config"),
        "{err}"
    );
}

#[test]
fn events_are_printed_page_by_page() {
    let house = FakeHouse::run();
    for id in 1..=2_100 {
        house.happen(id);
    }
    let (code, out, _) = outcome(house.command(&["events", "--json", "--after", "1"]));
    assert_eq!(code, 0);
    let ids: Vec<u64> = out
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["id"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!(ids, (2..=2_100).collect::<Vec<_>>());
    let (_, out, _) = outcome(house.command(&["events", "-n", "1"]));
    assert!(out.ends_with("  [3] hall (motion): walk test\n"), "{out}");
    assert_eq!(out.lines().count(), 1);
}

#[test]
fn a_follower_sees_what_was_just_before_and_what_happens() {
    let mut house = FakeHouse::run();
    house.happen(1);
    let mut child = house
        .command(&["events", "--follow", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().contains(r#""id":1"#));
    house.happen(2);
    assert!(next().contains(r#""id":2"#));
    house.stop.cancel();
    house
        .runtime
        .block_on(house.serving.take().unwrap())
        .unwrap();
    assert_eq!(
        child.wait().unwrap().code(),
        Some(69),
        "the service has stopped"
    );
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let house = FakeHouse::run();
    for id in 1..=2_000 {
        house.happen(id);
    }
    let mut child = house
        .command(&["events"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

#[test]
fn a_walk_test_lists_triggers_and_is_switched_off_at_the_end() {
    let house = FakeHouse::run();
    let mut child = house
        .command(&["walk-test"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(house.last_asked().0, alarm::Command::WalkTest(true));
    house.happen(1);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(
        lines
            .next()
            .unwrap()
            .unwrap()
            .ends_with("hall (motion): walk test")
    );
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(house.last_asked().0, alarm::Command::WalkTest(false));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn completions_and_the_man_page_are_printed() {
    for (args, expected) in [
        (&["completions", "bash"][..], "_asfaleia()"),
        (&["completions", "zsh"], "#compdef asfaleia"),
        (&["man"], ".TH asfaleia"),
    ] {
        let mut command = asfaleia();
        command.args(args);
        let (code, out, _) = outcome(command);
        assert_eq!(code, 0);
        assert!(out.contains(expected), "{args:?}: {out}");
    }
}
