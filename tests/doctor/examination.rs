//! Devices, rights, the service: what doctor finds, and how it ends.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

use crate::home::Home;
use crate::process::{asfaleia, outcome};

/// Findings of `doctor --json`, and its exit code.
pub(crate) struct Report {
    pub(crate) code: i32,
    pub(crate) findings: Vec<Value>,
}

impl Report {
    pub(crate) fn of(mut command: Command) -> Report {
        let start = Instant::now();
        command.arg("--json");
        let (code, out, err) = outcome(command);
        assert!(
            start.elapsed().as_secs() < 60,
            "it took {:?}",
            start.elapsed()
        );
        let findings =
            serde_json::from_str(&out).unwrap_or_else(|why| panic!("{why}: {out} {err}"));
        Report { code, findings }
    }

    /// The one finding of this part about this subject.
    pub(crate) fn about(&self, part: &str, subject: &str) -> &Value {
        let mut about = self.findings.iter().filter(|it| {
            it["part"] == part
                && it["subject"]
                    .as_str()
                    .is_some_and(|it| it.contains(subject))
        });
        let finding = about
            .next()
            .unwrap_or_else(|| panic!("no {part} {subject}: {self}"));
        assert_eq!(about.next(), None, "{self}");
        finding
    }

    pub(crate) fn error(&self, part: &str, subject: &str, found: &str, mend: &str) {
        let finding = self.about(part, subject);
        assert_eq!(finding["verdict"], "error", "{finding}");
        for (key, text) in [("found", found), ("mend", mend)] {
            assert!(
                finding[key].as_str().unwrap().contains(text),
                "{text}: {finding}"
            );
        }
        assert_ne!(self.code, 0);
    }

    pub(crate) fn ok(&self, part: &str, subject: &str) -> &str {
        let finding = self.about(part, subject);
        assert_eq!(finding["verdict"], "ok", "{finding}");
        finding["found"].as_str().unwrap()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = Value::from(self.findings.clone());
        write!(f, "exit {}: {all:#}", self.code)
    }
}

/// `asfaleia doctor` on the house, without a service unless one was started there.
pub(crate) fn doctor(home: &Home) -> Report {
    Report::of(home.cli_command(&["doctor"]))
}

/// The far end of a serial cable, and its device file.
fn cable() -> (OwnedFd, String) {
    let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&far).unwrap();
    unlockpt(&far).unwrap();
    let path = ptsname(&far, Vec::new()).unwrap().into_string().unwrap();
    (far, path)
}

#[test]
fn a_house_in_which_all_is_well_is_ok_and_no_one_was_told_of_it() {
    let home = Home::with(&[]);
    let report = doctor(&home);
    assert_eq!(report.code, 0, "{report}");
    assert!(report.ok("serial", "kitchen").contains("speaks on"));
    assert!(report.ok("mail", "127.0.0.1").contains("greets"));
    assert!(report.ok("phone", "account").contains("active"));
    assert!(report.ok("phone", "+15").contains("may call"));
    assert!(
        !report.to_string().contains("15005550006"),
        "numbers are masked: {report}"
    );
    report.ok("clock", "clock");
    report.ok("disk", "store");
    let pictures = report.findings.iter().filter(|it| it["part"] == "camera");
    let found: Vec<&str> = pictures.filter_map(|it| it["found"].as_str()).collect();
    assert!(found.iter().any(|it| it.contains("320x240")), "{report}");
    assert_eq!(report.about("gpio", "backend")["verdict"], "warning");
    assert_eq!((home.mails().len(), home.calls().len()), (0, 0));
    assert!(!home.store().exists(), "nothing was changed");
}

#[test]
fn a_running_service_keeps_its_devices_and_is_asked_instead() {
    let home = Home::with(&[]);
    let service = home.start();
    service.until_heard();
    let report = doctor(&home);
    assert_eq!(report.code, 0, "{report}");
    assert!(
        report
            .ok("serial", "kitchen")
            .contains("the service reads it")
    );
    assert!(
        report
            .ok("service", "asfaleia")
            .contains("3 of 3 sensors are heard")
    );
    assert_eq!(report.about("service", "simulated")["verdict"], "warning");
    // Its cable is pulled: what the service says of it is an error of the house.
    home.faults(json!({"nodemcu": "unplugged"}));
    service.api.until_trouble("node-gone");
    let report = doctor(&home);
    report.error("service", "node-gone", "kitchen", "docs/troubles.md");
    assert_eq!(report.code, 69);
}

#[test]
fn a_photo_is_kept_only_when_it_is_asked_for() {
    let home = Home::with(&[]);
    let photo = home.dir.path().join("photo.jpg");
    let mut command = home.cli_command(&["doctor"]);
    command.arg("--photo").arg(&photo);
    let report = Report::of(command);
    assert_eq!(report.code, 0, "{report}");
    assert!(fs::read(&photo).unwrap().starts_with(&[0xFF, 0xD8]));
}

#[test]
fn a_port_that_another_program_has_open_is_left_to_it_and_the_program_named() {
    let (_far, path) = cable();
    let home = Home::with(&[("DIR/nodemcu-kitchen", &path)]);
    let held = fs::File::options()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let mut other = Command::new("sleep")
        .arg("120")
        .stdin(Stdio::from(held))
        .spawn()
        .unwrap();
    let report = doctor(&home);
    other.kill().unwrap();
    other.wait().unwrap();
    let named = format!("\"sleep\" (process {})", other.id());
    report.error("serial", "kitchen", &named, "end that program");
}

#[test]
fn a_port_on_which_nobody_speaks_is_told_from_one_with_something_else_on_it() {
    let (_far, path) = cable();
    let home = Home::with(&[("DIR/nodemcu-kitchen", &path)]);
    doctor(&home).error(
        "serial",
        "kitchen",
        "nothing came within 6 s",
        "firmware/nodemcu",
    );
    let home = Home::with(&[
        ("name = \"kitchen\"", "name = \"cellar\""),
        ("kitchen.gas", "cellar.gas"),
    ]);
    let report = doctor(&home);
    report.error(
        "serial",
        "cellar",
        "speaks the node \"kitchen\"",
        "the same name",
    );
}

#[test]
fn a_chip_a_webcam_and_a_port_that_are_not_there_are_errors_each() {
    let home = Home::with(&[
        ("backend = \"simulated\"", "chip = \"no-such-chip\""),
        ("device = \"simulated\"", "device = \"/dev/video-none\""),
        ("DIR/nodemcu-kitchen", "/dev/serial/by-id/none"),
    ]);
    let report = doctor(&home);
    let gpio = report
        .findings
        .iter()
        .find(|it| it["part"] == "gpio" && it["verdict"] == "error");
    let gpio = gpio.unwrap_or_else(|| panic!("{report}"));
    assert!(
        gpio["found"].as_str().unwrap().starts_with("looking for"),
        "{gpio}"
    );
    assert!(!gpio["mend"].as_str().unwrap().is_empty());
    report.error("camera", "camera", "/dev/video-none", "plugged in");
    report.error("serial", "kitchen", "by-id/none is not there", "plug it in");
    assert_eq!(report.code, 69);
}

#[test]
fn a_secret_that_others_can_read_and_a_wrong_file_end_with_78() {
    let home = Home::with(&[]);
    let token = home.dir.path().join("token");
    fs::set_permissions(&token, PermissionsExt::from_mode(0o644)).unwrap();
    let report = doctor(&home);
    assert_eq!(report.code, 78, "{report}");
    report.error(
        "configuration",
        "asfaleia.toml:",
        "others can read",
        "chmod 600",
    );
    // What needs no secret is looked at all the same.
    report.ok("mail", "127.0.0.1");
    report.error("phone", "account", "not tried", "root");
    home.write("[site]\nnam = \"x\"\n");
    assert_eq!(doctor(&home).code, 78);
}

#[test]
fn without_a_configuration_it_says_how_to_get_one() {
    let mut command = asfaleia();
    command.args([
        "doctor",
        "--config",
        "/nowhere/a.toml",
        "--socket",
        "/nowhere/s",
    ]);
    let report = Report::of(command);
    assert_eq!(report.code, 66);
    report.error("configuration", "a.toml", "reading", "asfaleia init");
}

#[test]
fn people_get_a_line_for_each_thing_in_groups() {
    let home = Home::with(&[]);
    let (code, out, err) = home.cli(&["doctor"]);
    assert_eq!((code, err.as_str()), (0, ""));
    for line in [
        "configuration\n",
        "serial\n  ok       kitchen: speaks on",
        "\n0 errors, ",
    ] {
        assert!(out.contains(line), "{line:?}: {out}");
    }
}
