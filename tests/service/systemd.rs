//! What systemd is told, and how the service goes when it is asked to.

use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::api::{DEADLINE, until};
use crate::home::{Home, Service};

/// systemd's end of the notifications: it always listens, or the service would wait for it.
struct Systemd(Receiver<String>);

impl Systemd {
    fn of(home: &Home) -> (Systemd, Service) {
        let path = home.dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let (heard, hears) = channel();
        thread::spawn(move || {
            let mut text = [0; 4096];
            while let Ok(length) = socket.recv(&mut text) {
                let text = String::from_utf8_lossy(&text[..length]).into_owned();
                if heard.send(text).is_err() {
                    return;
                }
            }
        });
        let mut command = home.command();
        command.env("NOTIFY_SOCKET", &path);
        command.env("WATCHDOG_USEC", "600000");
        (Systemd(hears), home.launch(command))
    }

    fn hears(&self) -> String {
        self.0.recv_timeout(DEADLINE).unwrap()
    }

    /// Waits until it is fed anew.
    fn is_fed(&self) {
        while self.0.try_recv().is_ok() {}
        until("WATCHDOG=1", || {
            self.hears().contains("WATCHDOG=1").then_some(())
        });
    }

    /// Waits until nothing has come for all of its 600 ms: systemd would end the service.
    fn starves(&self) {
        let began = Instant::now();
        while self.0.recv_timeout(Duration::from_millis(600)).is_ok() {
            assert!(began.elapsed() < DEADLINE, "the watchdog is fed on");
        }
    }
}

#[test]
fn systemd_hears_that_it_is_ready_that_it_lives_and_that_it_stops() {
    let home = Home::with(&[]);
    let began = Instant::now();
    let (systemd, mut service) = Systemd::of(&home);
    let first = systemd.hears();
    assert!(first.contains("READY=1"), "{first}");
    for _ in 0..6 {
        assert_eq!(systemd.hears().trim(), "WATCHDOG=1");
    }
    // On a busy machine later, and never more often.
    let took = began.elapsed().as_millis();
    assert!((1_000..10_000).contains(&took), "each 200 ms: {took} ms");

    // Somebody watches, and does not let go.
    let mut stream = service.api.connect();
    stream.send("GET", "stream", &json!(null));
    assert!(stream.line().contains("200"));
    let began = Instant::now();
    service.running.signal(Signal::TERM);
    until("STOPPING=1", || {
        systemd.hears().contains("STOPPING=1").then_some(())
    });
    assert_eq!(service.running.ended().code(), Some(0));
    assert!(began.elapsed().as_secs() < 8, "{:?}", began.elapsed());
    stream.rest();
}

#[test]
fn a_driver_that_hangs_is_named_and_starves_the_watchdog_until_it_turns_again() {
    let home = Home::with(&[]);
    let (systemd, service) = Systemd::of(&home);
    systemd.is_fed();
    let frozen = service.running.freeze("gpio-simulated");
    let text = service.api.until_trouble("task-hangs");
    assert!(text.contains("\"gpio\""), "{text}");
    systemd.starves();
    assert_eq!(service.api.state(), "disarmed", "the others go on");
    assert!(service.running.log().contains("does not turn"));
    drop(frozen);
    systemd.is_fed();
    service.api.until_no_trouble("task-hangs");
}

#[test]
fn a_panel_that_hangs_starves_the_watchdog() {
    let home = Home::with(&[]);
    let (systemd, service) = Systemd::of(&home);
    systemd.is_fed();
    let frozen = service.running.freeze("panel");
    systemd.starves();
    assert!(service.running.log().contains("does not turn"));
    drop(frozen);
    systemd.is_fed();
}

#[test]
fn a_disk_that_hangs_is_a_trouble_and_the_watchdog_is_fed_on() {
    let home = Home::with(&[]);
    let (systemd, service) = Systemd::of(&home);
    service.until_heard();
    let frozen = service.running.freeze("store");
    let text = service.api.until_trouble("store");
    assert!(text.contains("alarms go on from memory"), "{text}");
    systemd.is_fed();
    home.gas(true);
    service.api.until_output("exhaust", true);
    home.until_mails("ALARM gas", 1);
    drop(frozen);
    service.api.until_no_trouble("store");
}

#[test]
fn a_service_that_stops_while_the_world_hangs_stops_all_the_same() {
    let home = Home::with(&[]);
    home.faults(json!({ "smtp": "hang", "phone": "hang", "camera": "stalled" }));
    let mut service = home.armed();
    service.api.pulse("hall");
    service.api.until_output("buzzer", true);
    until("both messages", || {
        (service.api.waiting() == 2).then_some(())
    });
    let began = Instant::now();
    service.running.signal(Signal::TERM);
    assert_eq!(service.running.ended().code(), Some(0));
    assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
    home.faults(json!({ "smtp": null, "phone": null }));
    let service = home.start();
    assert_eq!(service.api.state(), "triggered");
    home.until_mails("ALARM motion in hall", 1);
}

#[test]
fn asked_to_stop_it_ends_well_every_time() {
    let home = Home::with(&[]);
    for turn in 0..12 {
        let status = home.start().running.stop();
        assert_eq!(status.code(), Some(0), "turn {turn}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let home = Home::with(&[]);
    home.faults(json!({ "smtp": "hang", "phone": "hang" }));
    let mut service = home.armed();
    service.api.pulse("hall");
    until("both messages", || {
        (service.api.waiting() == 2).then_some(())
    });
    service.running.signal(Signal::TERM);
    until("the stop to begin", || {
        service.running.log().contains("stopping").then_some(())
    });
    service.running.signal(Signal::TERM);
    assert_eq!(service.running.ended().code(), Some(130));
}

#[test]
fn the_interrupt_of_a_terminal_stops_it_in_order() {
    let home = Home::with(&[]);
    let mut service = home.start();
    service.running.signal(Signal::INT);
    assert_eq!(service.running.ended().code(), Some(0));
    assert!(!home.socket().exists(), "the socket is taken away");
}
