//! Readers of fingers and faces.

use std::fs;

use asfaleia::access::face::MODELS;
use serde_json::json;

use crate::examination::{Report, doctor};
use crate::home::Home;

const STORE: &str = "[store]\n";

fn home(access: &str) -> Home {
    Home::with(&[(STORE, &format!("[access]\n{access}\n\n{STORE}"))])
}

#[test]
fn a_finger_reader_is_asked_what_it_holds_and_whether_it_knows_us() {
    let home = home("require = [[\"finger\"], [\"pin\"]]\nfinger = { port = \"DIR/finger\" }");
    let reader = home.finger_reader();
    let found = doctor(&home);
    let found = found.ok("serial", "fingerprint");
    assert!(found.contains("0 of 200 fingers, all enrolled"), "{found}");

    reader.plant(7, "a stranger's");
    let report = doctor(&home);
    let finding = report.about("serial", "fingerprint");
    assert_eq!(finding["verdict"], "warning", "{finding}");
    let mend = finding["mend"].as_str().unwrap();
    assert!(mend.contains("forget --unknown-fingers"), "{finding}");

    reader.set_password(5);
    let report = doctor(&home);
    report.error("serial", "fingerprint", "another password", "password-file");
    home.faults(json!({ "finger": "silent" }));
    let report = doctor(&home);
    report.error("serial", "fingerprint", "no module answers", "TX and RX");
    assert!(!home.store().exists(), "nothing was changed");
}

#[test]
fn models_that_are_others_are_found_out() {
    let home =
        home("require = [[\"face\"], [\"pin\"]]\nface = \"camera\"\nmodels = \"DIR/models\"");
    let report = || {
        let mut command = home.cli_command(&["doctor"]);
        // Models may lie in the sources: here are none.
        command.current_dir(home.dir.path());
        Report::of(command)
    };
    report().error("faces", "models", "is not there", "models/fetch");
    let models = home.dir.path().join("models");
    fs::create_dir(&models).unwrap();
    for file in MODELS {
        fs::write(models.join(file.name), "something else").unwrap();
    }
    report().error("faces", "models", "is not the model", "models/fetch");
}
