//! A store that fails: the alarm does not.

use rusqlite::Connection;
use serde_json::json;

use crate::home::Home;

#[test]
fn a_store_that_was_in_use_and_cannot_be_read_arms_the_panel() {
    let home = Home::with(&[]);
    let service = home.armed();
    service.api.post("disarm", json!({}));
    assert!(service.running.stop().success());
    let database = home.store().join("asfaleia.db");
    let garbage: Vec<u8> = (0..20_000).map(|i| (i * 7 % 251) as u8).collect();
    std::fs::write(&database, garbage).unwrap();
    for beside in ["asfaleia.db-wal", "asfaleia.db-shm"] {
        let _ = std::fs::remove_file(home.store().join(beside)); // there may be none
    }
    let service = home.start();
    assert_eq!(service.api.state(), "armed_away");
    service.api.until_trouble("state-lost");
    assert!(
        home.store().join("asfaleia.db.corrupt-1").exists(),
        "put aside, not thrown away"
    );
    service.api.pulse("hall");
    home.until_mails("ALARM motion in hall", 1);
    home.until_calls(1);
    service.api.until_message("email", "delivered");
    // The new store works: the alarm survives.
    service.running.kill();
    assert_eq!(home.start().api.state(), "triggered");
}

#[test]
fn a_store_that_was_removed_after_it_was_in_use_arms_the_panel() {
    let home = Home::with(&[]);
    let service = home.armed();
    service.api.post("disarm", json!({}));
    assert!(service.running.stop().success());
    std::fs::remove_file(home.store().join("asfaleia.db")).unwrap();
    let service = home.start();
    assert_eq!(service.api.state(), "armed_away");
    service.api.until_trouble("state-lost");
}

#[test]
fn without_a_place_for_the_store_alarms_ring_mail_call_and_ventilate_all_the_same() {
    let home = Home::with(&[]);
    // Not even root can make a directory under a file.
    std::fs::write(home.store(), "no directory").unwrap();
    let service = home.start();
    service.until_heard();
    service.api.post("arm", json!({}));
    service.api.until_trouble("store");
    service.api.pulse("hall");
    service.api.until_output("buzzer", true);
    let mail = &home.until_mails("ALARM motion in hall", 1)[0];
    assert_eq!(mail["attachments"][0]["type"], "image/jpeg", "from memory");
    home.until_calls(1);
    home.gas(true);
    service.api.until_output("exhaust", true);
    home.until_mails("ALARM gas", 1);
    home.gas(false);
    service.api.until_output("exhaust", false);
    service.api.post("disarm", json!({}));
    home.until_mails("disarmed by", 1);
    // A place is made: what was kept in memory is written down.
    std::fs::remove_file(home.store()).unwrap();
    service.api.until_no_trouble("store");
    assert!(!service.api.events_of("incident_opened").is_empty());
}

#[test]
fn a_store_that_takes_nothing_delays_no_alarm_and_gets_everything_later() {
    let home = Home::with(&[]);
    let service = home.armed();
    let blocker = Connection::open(home.store().join("asfaleia.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    service.api.pulse("hall");
    service.api.until_output("buzzer", true);
    home.until_mails("ALARM motion in hall", 1);
    home.until_calls(1);
    service.api.until_trouble("store");
    assert!(
        service.api.events_of("incident_opened").is_empty(),
        "nothing could be written"
    );
    blocker.execute_batch("ROLLBACK").unwrap();
    service.api.until_no_trouble("store");
    service.api.until_message("email", "delivered");
    assert_eq!(service.api.events_of("incident_opened").len(), 1);
    service.running.kill();
    assert_eq!(home.start().api.state(), "triggered");
}

#[test]
fn a_card_that_is_slow_delays_neither_outputs_nor_messages() {
    let home = Home::with(&[]);
    let mut command = home.command();
    command.args(["--stall-store", "30000"]);
    let service = home.launch(command);
    service.until_heard();
    service.api.post("arm", json!({}));
    assert_eq!(
        service.api.state(),
        "armed_away",
        "answered after 20 ms at most"
    );
    let began = std::time::Instant::now();
    service.api.pulse("hall");
    service.api.until_output("buzzer", true);
    home.until_mails("ALARM motion in hall", 1);
    home.until_calls(1);
    assert!(
        began.elapsed().as_secs() < 20,
        "before the first commit: {:?}",
        began.elapsed()
    );
}
