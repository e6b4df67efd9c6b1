//! Drills, the heartbeat, and the schedule's trouble.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc::channel;

use serde_json::{Value, json};

use crate::api::{DEADLINE, until};
use crate::home::Home;

#[test]
fn a_drill_goes_along_every_path_for_real_and_says_what_arrived() {
    let home = Home::with(&[]);
    let service = home.start();
    service.until_heard();
    // The test's telephone: somebody answers.
    let (code, out, err) = home.cli(&["drill", "--wait", "60"]);
    assert_eq!(code, 0, "{out}{err}");
    for path in ["email:Anna", "phone:Anna", "camera"] {
        let line = out.lines().rfind(|line| line.starts_with(path));
        assert!(line.is_some_and(|line| line.contains("delivered")), "{out}");
    }
    let subject = "DRILL: this is a test, nothing happened";
    let mail = &home.until_mails(subject, 1)[0];
    assert_eq!(
        mail["attachments"].as_array().unwrap().len(),
        1,
        "the photo"
    );
    let words = home.until_calls(1)[0]["words"].as_str().unwrap().to_owned();
    assert!(words.contains("DRILL: this is a test"), "{words}");
    for path in [
        "email",
        "email:Anna",
        "phone",
        "phone:Anna",
        "camera",
        "drill",
    ] {
        let proven = |status: &Value| status["proven"][path].is_string();
        (service.api).until_status(&format!("{path} to be proven"), proven);
    }
    let outputs = service.api.events_of("exhaust");
    assert_eq!(outputs, Vec::<Value>::new(), "the relay was not asked for");
    assert_eq!(service.api.state(), "disarmed");
}

#[test]
fn a_drill_that_fails_says_where_and_so_does_its_exit_code() {
    let home = Home::with(&[]);
    let service = home.start();
    home.faults(json!({ "phone": "no-answer" }));
    let (code, out, err) = home.cli(&["drill", "--wait", "60", "--json"]);
    assert_eq!(code, 69, "{out}{err}");
    assert!(err.contains("phone:Anna"), "{err}");
    let said: Value = serde_json::from_str(&out).unwrap();
    let phone = &said["paths"]["phone:Anna"];
    assert_eq!(*phone, json!({"outcome": "failed", "detail": "no-answer"}));
    assert_eq!(said["paths"]["email:Anna"]["outcome"], "delivered");
    assert!(service.api.status()["proven"]["phone:Anna"].is_null());
    // What is under way at the end of the patience goes on in the service.
    home.faults(json!({ "phone": null, "smtp": "down" }));
    let (code, out, err) = home.cli(&["drill", "--wait", "4"]);
    assert_eq!(code, 75, "{out}{err}");
    assert!(err.contains("email:Anna"), "{err}");
}

#[test]
fn no_drill_is_held_during_an_alarm() {
    let home = Home::with(&[]);
    let service = home.armed();
    service.api.pulse("hall");
    home.until_mails("ALARM", 1);
    let (code, _, err) = home.cli(&["drill"]);
    assert_eq!(code, 75);
    assert!(err.contains("an incident goes on"), "{err}");
}

#[test]
fn a_path_that_no_drill_has_proven_is_a_trouble_until_one_does() {
    let home = Home::with(&[("[store]", "[drill]\nevery = \"1d\"\n\n[store]")]);
    let service = home.armed();
    home.faults(json!({ "phone": "no-answer" }));
    assert_eq!(home.cli(&["drill", "--wait", "60"]).0, 69);
    service.running.kill();
    // The drill was three days ago.
    let database = rusqlite::Connection::open(home.store().join("asfaleia.db")).unwrap();
    let earlier = "UPDATE proven SET at_wall_ms = at_wall_ms - 3 * 86400000";
    database.execute(earlier, []).unwrap();
    drop(database);
    let service = home.start();
    until("the trouble for each path", || {
        let troubles = service.api.status()["troubles"].clone();
        let unproven = troubles.as_array()?.iter();
        let unproven = unproven.filter(|trouble| trouble["code"] == "unproven");
        (unproven.count() == 3).then_some(())
    });
    home.faults(json!({ "phone": null }));
    let (code, out, err) = home.cli(&["drill", "--wait", "60"]);
    assert_eq!(code, 0, "{out}{err}");
    service.api.until_no_trouble("unproven");
}

#[test]
fn the_heartbeat_is_asked_for_and_its_address_is_in_no_log() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let (asked, beats) = channel();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            let _ = stream.write_all(b"HTTP/1.1 500 no\r\ncontent-length: 0\r\n\r\n");
            if asked.send(line).is_err() {
                return;
            }
        }
    });
    let heartbeat = format!("[messages]\nheartbeat = \"http://{address}/s3cret\"\n\n[store]");
    let home = Home::with(&[("[store]", heartbeat.as_str())]);
    let mut command = home.command();
    command.env("ASFALEIA_LOG", "debug");
    let service = home.launch(command);
    let line = beats.recv_timeout(DEADLINE).unwrap();
    assert_eq!(line.trim_end(), "GET /s3cret HTTP/1.1");
    until("the failure in the log", || {
        service
            .running
            .log()
            .contains("it answered 500")
            .then_some(())
    });
    assert!(!service.running.log().contains("s3cret"));
}
