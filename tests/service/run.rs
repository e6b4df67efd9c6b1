//! `asfaleia run` with simulated wires: a real service that says what of it is not real.

use serde_json::json;

use crate::api::{Api, until};
use crate::home::Home;
use crate::process::{Running, asfaleia, later_address, outcome};

#[test]
fn a_wire_of_a_simulated_board_is_driven_over_the_socket_and_alarms_for_real() {
    let home = Home::with(&[]);
    let service = home.armed();
    let api = &service.api;
    let text = api.until_trouble("simulated");
    assert!(text.contains("GPIO") && text.contains("camera"), "{text}");
    assert!(
        text.contains("front door") && !text.contains("hall"),
        "{text}"
    );
    api.pulse("hall");
    api.until_output("buzzer", true);
    let mail = &home.until_mails("ALARM motion in hall", 1)[0];
    assert_eq!(mail["attachments"][0]["type"], "image/jpeg");
    assert_eq!(home.until_calls(1)[0]["to"], "+302101234567");
    home.gas(true);
    api.until_output("exhaust", true);
    for path in ["sim/faults", "sim/mails", "sim/calls"] {
        let (status, body) = api.ask("GET", path, &json!(null));
        assert_eq!(status, 404, "{path} is the simulator's: {body}");
    }
}

#[test]
fn without_a_web_section_nothing_listens_on_tcp() {
    let home = Home::with(&[]);
    let service = home.start();
    let pid = service.running.child.id();
    let listening = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok())
        .map(|link| link.to_string_lossy().into_owned())
        .collect();
    // State 0A is LISTEN; the tenth field is the socket's inode.
    let ours = listening.lines().skip(1).filter(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[3] == "0A" && sockets.contains(&format!("socket:[{}]", fields[9]))
    });
    assert_eq!(ours.count(), 0);
}

#[test]
fn over_tcp_a_real_service_asks_for_a_token() {
    let address = later_address();
    let web = format!("[web]\nlisten = \"{address}\"\n[store]");
    let home = Home::with(&[("[store]", &web)]);
    let service = home.start();
    let tcp = Api::Tcp(address);
    for (method, path) in [
        ("GET", "status"),
        ("POST", "disarm"),
        ("PUT", "sim/sensors/hall"),
        ("GET", "/"),
    ] {
        let (status, _) = tcp.ask(method, path, &json!({}));
        assert_eq!(status, 401, "{method} {path}");
    }
    let (status, _) = tcp.ask("GET", "/healthz", &json!(null));
    assert_eq!(status, 200, "whoever watches the watchman needs no login");
    assert_eq!(service.api.state(), "disarmed");
}

#[test]
fn a_web_port_that_is_taken_is_a_trouble_that_the_socket_shows() {
    let address = later_address();
    let port = std::net::TcpListener::bind(address).unwrap();
    let web = format!("[web]\nlisten = \"{address}\"\n[store]");
    let home = Home::with(&[("[store]", &web)]);
    let service = home.start();
    let text = service.api.until_trouble("web");
    assert!(text.contains(&address.to_string()), "{text}");
    let (_, shown, _) = home.cli(&["status"]);
    assert!(shown.contains("going on without it"), "{shown}");
    drop(port);
    service.api.until_no_trouble("web");
    assert_eq!(
        Api::Tcp(address).ask("GET", "/healthz", &json!(null)).0,
        200
    );
}

#[test]
fn a_socket_that_cannot_be_made_is_told_by_mail_and_the_house_is_watched() {
    let home = Home::with(&[]);
    let mut command = asfaleia();
    command.arg("run").arg("--config").arg(home.file());
    command
        .arg("--socket")
        .arg(home.dir.path().join("missing/socket"));
    let running = Running::start(command, &home.dir.path().join("log"));
    let mail = &home.until_mails("trouble", 1)[0];
    let text = mail["text"].as_str().unwrap();
    assert!(text.contains("missing/socket"), "{text}");
    until("the log to say so", || {
        running.log().contains("watching").then_some(())
    });
}

#[test]
fn a_new_house_is_disarmed_and_says_that_it_was_never_armed() {
    let home = Home::with(&[]);
    let service = home.start();
    assert_eq!(service.api.state(), "disarmed");
    service.api.until_trouble("never-armed");
    service.api.post("arm", json!({ "mode": "home" }));
    service.api.until_no_trouble("never-armed");
}

#[test]
fn whoever_has_an_answer_sees_its_effect() {
    let home = Home::with(&[]);
    let service = home.start();
    service.until_heard();
    let mut wire = service.api.connect();
    for turn in 0..100 {
        let (command, state) = match turn % 2 {
            0 => ("arm", "armed_away"),
            _ => ("disarm", "disarmed"),
        };
        assert_eq!(wire.ask("POST", command, &json!({})).0, 200);
        let (_, status) = wire.ask("GET", "status", &json!(null));
        let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
        assert_eq!(status["state"], state, "turn {turn}");
    }
    until("every change in the history", || {
        (service.api.events_of("state").len() == 100).then_some(())
    });
}

#[test]
fn two_services_do_not_fight_over_one_house() {
    let home = Home::with(&[]);
    let service = home.start();
    let (code, _, err) = outcome(home.command());
    assert_eq!(code, 69, "{err}");
    assert!(err.contains("asfaleia.sock"), "{err}");
    assert_eq!(service.api.state(), "disarmed");
}

#[test]
fn a_service_that_was_killed_leaves_no_socket_that_keeps_the_next_one_out() {
    let home = Home::with(&[]);
    home.start().running.kill();
    assert!(home.socket().exists());
    let service = home.start();
    until("an answer", || service.api.try_connect().ok());
    let status = service.running.stop();
    assert_eq!(status.code(), Some(0));
}

#[test]
#[cfg(not(any(target_arch = "arm", target_arch = "aarch64")))]
fn the_registers_of_a_pi_on_another_machine_are_a_mistake_in_the_file() {
    let home = Home::with(&[]);
    let store = home.store().display().to_string();
    home.write(&format!(
        "[gpio]\nbackend = \"rppal\"\n[buzzer]\ngpio = 17\n[store]\npath = \"{store}\"\n"
    ));
    let (code, _, err) = outcome(home.command());
    assert_eq!(code, 78, "{err}");
    assert!(
        err.contains("\"rppal\" does not exist on this machine"),
        "{err}"
    );
}
