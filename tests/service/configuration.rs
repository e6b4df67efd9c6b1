//! A configuration file that changes, for better and for worse.

use rustix::process::Signal;
use serde_json::json;

use crate::api::until;
use crate::home::{Home, Service};
use crate::process::{SIMULATOR, asfaleia, changed, outcome};

/// One more contact; nothing is taken away.
const BEN: (&str, &str) = (
    "[store]",
    "[[contact]]\nname = \"Ben\"\nemail = \"ben@example.org\"\n[store]",
);
/// Without the door: this protects less.
const NO_DOOR: (&str, &str) = (
    "[[sensor]]\nname = \"front door\"\nkind = \"contact\"\nsimulated = true\nentry = \"delayed\"\n",
    "",
);
const WRONG: (&str, &str) = ("entry-delay = \"40s\"", "entry-delay = \"50s\"");

impl Service {
    /// Waits for the history to have this many applied configurations.
    fn until_applied(&self, count: usize) {
        until("the configuration to be applied", || {
            (self.api.events_of("configuration").len() == count).then_some(())
        });
    }
}

fn ben_gets_mail(home: &Home, service: &Service) {
    service.api.pulse("hall");
    until("mail to Ben", || {
        let mails = home.mails();
        mails
            .iter()
            .any(|mail| mail["to"][0] == "ben@example.org")
            .then_some(())
    });
}

#[test]
fn a_reload_applies_a_valid_change_without_losing_state() {
    let home = Home::with(&[]);
    let service = home.armed();
    let (code, out, _) = home.cli(&["reload"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("nothing changed"), "{out}");
    home.write(&home.config(&[BEN]));
    let (code, out, err) = home.cli(&["reload"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("the new configuration is in force"), "{out}");
    assert_eq!(service.api.state(), "armed_away");
    ben_gets_mail(&home, &service);
}

#[test]
fn a_node_that_is_configured_no_more_is_no_trouble() {
    const NO_KITCHEN: [(&str, &str); 2] = [
        (
            "[[nodemcu]]\nname = \"kitchen\"\nport = \"DIR/nodemcu-kitchen\"\n",
            "",
        ),
        (
            "[[sensor]]\nname = \"kitchen gas\"\nkind = \"gas\"\nnodemcu = \"kitchen.gas\"\nwarm-up = \"0s\"\n",
            "",
        ),
    ];
    let home = Home::with(&[]);
    let service = home.start();
    home.faults(json!({ "nodemcu": "unplugged" }));
    service.api.until_trouble("node-gone");
    home.write(&home.config(&NO_KITCHEN));
    service.api.post("reload", json!({}));
    service.api.until_no_trouble("node-gone");
}

#[test]
fn a_camera_that_a_reload_breaks_is_a_trouble_at_once_and_none_after_the_one_that_mends_it() {
    let home = Home::with(&[]);
    let service = home.start();
    home.write(&home.config(&[(
        "device = \"simulated\"",
        "device = { command = [\"false\"] }",
    )]));
    service.api.post("reload", json!({}));
    service.api.until_trouble("camera");
    home.write(&home.config(&[]));
    service.api.post("reload", json!({}));
    service.api.until_no_trouble("camera");
}

#[test]
fn the_first_wire_that_a_reload_brings_is_a_real_one() {
    const NO_WIRE: [(&str, &str); 4] = [
        (
            "backend = \"simulated\"",
            "backend = \"gpiochip\"\nchip = \"nowhere\"",
        ),
        ("[buzzer]\ngpio = 17", "[buzzer]\nsimulated = true"),
        ("[exhaust]\ngpio = 4", "[exhaust]\nsimulated = true"),
        ("gpio = 18\nwarm-up = \"0s\"", "simulated = true"),
    ];
    let home = Home::with(&NO_WIRE);
    let service = home.start();
    let simulated = service.api.until_trouble("simulated");
    assert!(simulated.contains("\"hall\""), "{simulated}");
    home.write(&home.config(&NO_WIRE[..3]));
    service.api.post("reload", json!({}));
    service.api.until_trouble("gpio-gone");
    let simulated = service.api.until_trouble("simulated");
    assert!(!simulated.contains("\"hall\""), "{simulated}");
}

#[test]
fn a_hang_up_signal_reloads_too() {
    let home = Home::with(&[]);
    let service = home.armed();
    home.write(&home.config(&[BEN]));
    service.running.signal(Signal::HUP);
    service.until_applied(1);
    ben_gets_mail(&home, &service);
}

#[test]
fn a_file_that_watches_itself_is_applied_when_it_is_saved() {
    const WATCH: (&str, &str) = ("[site]", "watch = true\n[site]");
    let home = Home::with(&[WATCH]);
    let service = home.armed();
    home.write(&home.config(&[WATCH, BEN]));
    service.until_applied(1);
    ben_gets_mail(&home, &service);
}

#[test]
fn an_invalid_change_is_refused_with_the_reason_while_everything_goes_on() {
    let home = Home::with(&[]);
    let service = home.armed();
    home.write(&home.config(&[WRONG]));
    let (code, out, err) = home.cli(&["reload"]);
    assert_eq!((code, out.as_str()), (78, ""));
    assert!(
        err.contains("asfaleia.toml:9:15"),
        "file, line, column: {err}"
    );
    assert!(
        err.contains("entry-delay = \"50s\""),
        "the line itself: {err}"
    );
    assert!(err.contains("45"), "what is allowed: {err}");
    service.running.signal(Signal::HUP);
    until("the refusal in the log", || {
        let refusals = service
            .running
            .log()
            .matches("configuration is refused")
            .count();
        (refusals == 2).then_some(())
    });
    assert_eq!(service.api.state(), "armed_away");
    service.api.set("front door", true);
    service.api.until_state("pending");
    home.write("this is no TOML");
    assert_eq!(home.cli(&["reload"]).0, 78);
    std::fs::remove_file(home.file()).unwrap();
    assert_eq!(home.cli(&["reload"]).0, 78);
    assert_eq!(service.api.state(), "pending");
}

#[test]
fn what_protects_less_is_refused_while_armed_and_applied_while_disarmed() {
    let home = Home::with(&[]);
    let service = home.armed();
    home.write(&home.config(&[NO_DOOR]));
    let (code, _, err) = home.cli(&["reload"]);
    assert_eq!(code, 78);
    assert!(
        err.contains("armed_away") && err.contains("\"front door\" is gone"),
        "{err}"
    );
    assert_eq!(service.api.status()["sensors"].as_array().unwrap().len(), 3);
    service.api.post("disarm", json!({}));
    let (code, _, err) = home.cli(&["reload"]);
    assert_eq!(code, 0, "{err}");
    until("the door to be gone", || {
        let status = service.api.status();
        (status["sensors"].as_array()?.len() == 2).then_some(())
    });
    service.api.post("arm", json!({}));
    service.api.pulse("hall");
    service.api.until_state("triggered");
}

#[test]
fn a_fan_that_runs_runs_on_through_a_reload() {
    let home = Home::with(&[]);
    let service = home.start();
    service.until_heard();
    home.gas(true);
    service.api.until_output("exhaust", true);
    home.write(&home.config(&[BEN]));
    let (code, _, err) = home.cli(&["reload"]);
    assert_eq!(code, 0, "{err}");
    assert!(service.api.output("exhaust"));
    // Another line for the relay would let go of this one.
    home.write(&home.config(&[BEN, ("gpio = 4", "gpio = 5")]));
    let (code, _, err) = home.cli(&["reload"]);
    assert_eq!(code, 78, "{err}");
    assert!(err.contains("the exhaust fan runs"), "{err}");
    assert!(service.api.output("exhaust"));
    home.gas(false);
    service.api.until_output("exhaust", false);
    let (code, _, err) = home.cli(&["reload"]);
    assert_eq!(code, 0, "{err}");
}

#[test]
fn a_file_that_does_not_pass_at_boot_leaves_the_last_good_one_in_force() {
    let home = Home::with(&[]);
    let service = home.armed();
    assert!(service.running.stop().success());
    home.write(&home.config(&[WRONG]));
    let service = home.start();
    let text = service.api.until_trouble("config-rejected");
    assert!(text.contains("entry-delay"), "{text}");
    assert_eq!(service.api.state(), "armed_away");
    service.api.pulse("hall");
    home.until_mails("ALARM motion in hall", 1);
    service.api.post("disarm", json!({}));

    home.write(&home.config(&[]));
    let (code, _, err) = home.cli(&["reload"]);
    assert_eq!(code, 0, "{err}");
    service.api.until_no_trouble("config-rejected");
}

#[test]
fn a_house_that_was_never_armed_has_its_last_good_file_too() {
    let home = Home::with(&[]);
    let service = home.start();
    assert!(service.running.stop().success());
    home.write(&home.config(&[WRONG]));
    let service = home.start();
    service.api.until_trouble("config-rejected");
    home.gas(true);
    service.api.until_output("exhaust", true);
}

#[test]
fn a_first_file_that_does_not_pass_ends_the_service_with_78_and_the_place() {
    let home = Home::with(&[]);
    home.write(&home.config(&[WRONG]));
    let (code, out, err) = outcome(home.command());
    assert_eq!((code, out.as_str()), (78, ""));
    assert!(err.contains("asfaleia.toml:9:15"), "{err}");
    assert!(err.contains("nothing is watched until"), "{err}");
    assert!(!home.store().exists(), "nothing was begun");
}

#[test]
fn a_secret_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::with(&[]);
    let token = home.dir.path().join("token");
    std::fs::set_permissions(&token, PermissionsExt::from_mode(0o644)).unwrap();
    let (code, _, err) = outcome(home.command());
    assert_eq!(code, 78);
    assert!(err.contains("token") && err.contains("chmod 600"), "{err}");
    assert!(!err.contains("s3cret"), "{err}");
}

#[test]
fn check_says_ok_or_where_and_what_with_exit_codes_for_scripts() {
    let dir = tempfile::tempdir().unwrap();
    let check = |text: &str, args: &[&str]| {
        let file = dir.path().join("asfaleia.toml");
        std::fs::write(&file, text).unwrap();
        let mut command = asfaleia();
        command.arg("check").args(args).arg("--config").arg(&file);
        outcome(command)
    };
    let shape = &["--shape"][..];
    let (code, out, err) = check(SIMULATOR, shape);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("asfaleia.toml: ok"), "{out}");

    let key = changed(SIMULATOR, &[("[exhaust]", "[exhaust]\nrunon = \"5m\"")]);
    let (code, out, err) = check(&key, shape);
    assert_eq!((code, out.as_str()), (78, ""));
    assert!(err.contains("runon") && err.contains("run-on"), "{err}");

    let two = changed(
        SIMULATOR,
        &[
            ("nodemcu = \"kitchen.gas\"", "nodemcu = \"cellar.gas\""),
            (
                "security = \"plaintext\"\n",
                "security = \"plaintext\"\nport = 0\n",
            ),
            ("host = \"127.0.0.1\"", "host = \"mail.example.org\""),
        ],
    );
    let (code, _, err) = check(&two, shape);
    assert_eq!(code, 78);
    assert!(
        err.contains("cellar") && err.contains("plaintext"),
        "all at once: {err}"
    );

    let (code, out, _) = check(&key, &["--shape", "--json"]);
    assert_eq!(code, 78);
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(found["valid"], false);
    assert_eq!(found["diagnostics"].as_array().unwrap().len(), 1);

    let no_sensor = "[site]\nname = \"Home\"\n";
    let (code, out, err) = check(no_sensor, shape);
    assert_eq!(code, 0);
    assert!(
        out.contains("2 warnings") && err.contains("there is no sensor"),
        "{out}{err}"
    );
}
