//! Killed in any state, the service comes back as it was.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use asfaleia::clock::monotonic_nanos;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::api::{DEADLINE, until};
use crate::home::{Home, Service};

const DELAYED: &[(&str, &str)] = &[("exit-delay = \"0s\"", "exit-delay = \"40s\"")];

impl Home {
    /// As when the power is cut and comes back within the boot: killed, and started again.
    fn killed(&self, service: Service) -> Service {
        service.running.kill();
        self.start()
    }

    /// The store's database, while nobody else has it open.
    fn database(&self) -> Connection {
        Connection::open(self.store().join("asfaleia.db")).unwrap()
    }
}

/// The same end, but for the rounding of the clocks.
fn same(was: i64, is: i64) {
    assert!((was - is).abs() <= 20, "{was} has become {is}");
}

#[test]
fn an_exit_delay_goes_on_and_the_panel_arms() {
    let home = Home::with(DELAYED);
    let service = home.armed();
    let ends = service.api.ends_at();
    let service = home.killed(service);
    assert_eq!(service.api.state(), "arming");
    same(ends, service.api.ends_at());
    assert!(service.api.output("buzzer"), "the exit delay ticks");
}

#[test]
fn an_exit_delay_that_ended_meanwhile_has_armed_the_panel() {
    let home = Home::with(&[("exit-delay = \"0s\"", "exit-delay = \"1s\"")]);
    let service = home.armed();
    service.running.kill();
    let ended = monotonic_nanos() + 1_000_000_000;
    until("the end of the delay", || {
        (monotonic_nanos() > ended).then_some(())
    });
    assert_eq!(home.start().api.state(), "armed_away");
}

#[test]
fn armed_stays_armed_and_disarmed_stays_disarmed() {
    let home = Home::with(&[]);
    let service = home.start();
    service.until_heard();
    service.api.post("arm", json!({ "mode": "night" }));
    service.api.until_committed();
    let service = home.killed(service);
    assert_eq!(service.api.state(), "armed_night");
    assert!(service.api.trouble("never-armed").is_none());
    service.api.post("disarm", json!({}));
    service.api.until_committed();
    let service = home.killed(service);
    assert_eq!(service.api.state(), "disarmed");
}

#[test]
fn an_entry_delay_goes_on_and_can_still_be_disarmed() {
    let home = Home::with(&[]);
    let service = home.armed();
    service.api.set("front door", true);
    service.api.until_state("pending");
    let ends = service.api.ends_at();
    let service = home.killed(service);
    assert_eq!(service.api.state(), "pending");
    same(ends, service.api.ends_at());
    assert!(service.api.output("buzzer"), "the entry delay ticks");
    service.api.post("disarm", json!({}));
    assert_eq!(service.api.state(), "disarmed");
    assert_eq!(
        home.mails().len() + home.calls().len(),
        0,
        "nothing had happened"
    );
}

#[test]
fn a_siren_sounds_on_for_what_is_left_and_nothing_is_told_twice() {
    let home = Home::with(&[]);
    let service = home.armed();
    service.api.pulse("hall");
    home.until_mails("ALARM motion in hall", 1);
    home.until_calls(1);
    service.api.until_message("email", "delivered");
    let (ends, before) = (service.api.ends_at(), service.api.status());
    let service = home.killed(service);
    assert_eq!(service.api.state(), "triggered");
    same(ends, service.api.ends_at());
    assert!(service.api.output("buzzer"), "the siren");
    let after = service.api.status();
    assert_eq!(after["incidents"][0]["id"], before["incidents"][0]["id"]);
    service.api.post("disarm", json!({}));
    home.until_mails("disarmed by the command line", 1);
    assert_eq!(home.until_mails("ALARM motion", 1).len(), 1, "told once");
    assert_eq!(home.calls().len(), 1, "called once");
    until("nothing to wait", || {
        (service.api.waiting() == 0).then_some(())
    });
}

#[test]
fn a_pause_goes_on() {
    let home = Home::with(&[]);
    let service = home.armed();
    service.api.post("pause", json!({}));
    service.api.until_state("paused");
    let ends = service.api.ends_at();
    let service = home.killed(service);
    assert_eq!(service.api.state(), "paused");
    same(ends, service.api.ends_at());
    assert_eq!(service.api.status()["mode"], "armed_away");
}

#[test]
fn the_fan_runs_on_through_a_restart_while_there_is_gas() {
    let home = Home::with(&[]);
    let service = home.start();
    service.until_heard();
    home.gas(true);
    service.api.until_output("exhaust", true);
    home.until_mails("ALARM gas at kitchen gas", 1);
    home.until_calls(1);
    service.api.until_message("email", "delivered");
    let service = home.killed(service);
    assert!(
        service.api.output("exhaust"),
        "at once, whatever the node says"
    );
    assert!(service.api.output("buzzer"), "the gas pattern");
    service.api.until_sensor("kitchen gas", "active");
    assert!(service.api.output("exhaust"));
    home.gas(false);
    service.api.until_output("exhaust", false);
    home.until_mails("all clear: gas", 1);
    assert_eq!(home.until_mails("ALARM gas", 1).len(), 1, "told once");
    assert_eq!(home.calls().len(), 1, "called once");
}

#[test]
fn a_run_on_ends_when_it_would_have_ended() {
    let home = Home::with(&[("run-on = \"1s\"", "run-on = \"6s\"")]);
    let service = home.start();
    service.until_heard();
    home.gas(true);
    service.api.until_output("exhaust", true);
    let cleared = monotonic_nanos();
    home.gas(false);
    service.api.until_sensor("kitchen gas", "inactive");
    // Some of it is over: one that began anew would be told from one that goes on.
    until("half of the run-on", || {
        (monotonic_nanos() > cleared + 3_000_000_000).then_some(())
    });
    let killed = monotonic_nanos();
    let service = home.killed(service);
    assert!(service.api.output("exhaust"), "runs on");
    service.api.until_output("exhaust", false);
    let off = service.api.get("sim/outputs")["exhaust"]["changed_ns"]
        .as_u64()
        .unwrap();
    let since = |then: u64| Duration::from_nanos(off - then).as_secs_f64();
    let (ran_on, again) = (since(cleared), since(killed));
    assert!(ran_on >= 6.0 && again < 6.0, "{ran_on} s, {again} s");
}

#[test]
fn messages_that_waited_are_delivered_after_the_restart() {
    let home = Home::with(&[]);
    home.faults(json!({ "network": "down" }));
    let service = home.armed();
    service.api.pulse("hall");
    service.api.until_message("email", "retrying");
    service.api.until_message("phone", "retrying");
    service.running.kill();
    home.faults(json!({ "network": null }));
    let service = home.start();
    let mail = &home.until_mails("ALARM motion in hall", 1)[0];
    assert_eq!(
        mail["attachments"][0]["type"], "image/jpeg",
        "the photo is on the disk"
    );
    home.until_calls(1);
    service.api.until_message("email", "delivered");
    assert_eq!(home.mails().len(), 1);
}

#[test]
fn a_mail_whose_delivery_could_not_be_noted_comes_again_as_the_same_mail() {
    let office = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("port = {}", office.local_addr().unwrap().port());
    let home = Home::with(&[("port = MAIL_PORT", &port)]);
    let taken = mails_taken_without_a_word(office);
    let service = home.armed();
    service.api.pulse("hall");
    let first = taken.recv_timeout(DEADLINE).unwrap();
    // The server has it, and the service does not know.
    let _service = home.killed(service);
    let second = taken.recv_timeout(DEADLINE).unwrap();
    assert!(first.starts_with('<') && first.ends_with('>'), "{first}");
    assert_eq!(first, second);
}

#[test]
fn a_message_that_was_given_up_is_a_trouble_after_the_restart_too_until_one_arrives() {
    let home = Home::with(&[("[store]", "[messages]\ngive-up = \"1s\"\n\n[store]")]);
    home.faults(json!({ "smtp": "down" }));
    let service = home.armed();
    service.api.pulse("hall");
    service.api.until_trouble("given-up");
    until("the trouble in the history", || {
        let raised = service.api.events_of("trouble_raised");
        (raised.iter().any(|it| it["data"]["code"] == "given-up")).then_some(())
    });
    let service = home.killed(service);
    let text = service.api.until_trouble("given-up");
    assert!(text.contains("Anna"), "{text}");
    home.faults(json!({ "smtp": null }));
    service.api.post("test", json!({ "what": "email" }));
    service.api.until_no_trouble("given-up");
    until("its end in the history", || {
        let cleared = service.api.events_of("trouble_cleared");
        (cleared.iter().any(|it| it["data"]["code"] == "given-up")).then_some(())
    });
    let service = home.killed(service);
    service.api.until_trouble("simulated"); // raised after those that are left over
    assert_eq!(service.api.trouble("given-up"), None);
}

/// Takes every mail and never confirms it; tells the `Message-ID` of each.
fn mails_taken_without_a_word(office: TcpListener) -> Receiver<String> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in office.incoming().flatten() {
            let tell = tell.clone();
            std::thread::spawn(move || take_mail(stream, &tell));
        }
    });
    told
}

fn take_mail(mut stream: TcpStream, tell: &Sender<String>) -> Option<()> {
    let lines = BufReader::new(stream.try_clone().ok()?).lines();
    let mut message_id = None;
    writeln!(stream, "220 ready\r").ok()?;
    let mut in_mail = false;
    for line in lines {
        let line = line.ok()?;
        if in_mail {
            let id = line.strip_prefix("Message-ID: ").map(str::to_owned);
            message_id = message_id.or(id);
            if line == "." {
                tell.send(message_id?).ok()?;
                // The connection stays open, and no word comes.
                std::thread::park();
                return None;
            }
            continue;
        }
        in_mail = line == "DATA";
        let reply = if in_mail { "354 go on" } else { "250 ok" };
        writeln!(stream, "{reply}\r").ok()?;
    }
    None
}

// ---- another boot ------------------------------------------------------------------------------

/// Makes the store one that an earlier boot left, `shift` nanoseconds ahead on its own clock.
fn from_another_boot(home: &Home, shift: i64, wall_ms_ago: i64) {
    let database = home.database();
    let this = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let (this, other) = (this.trim(), "00000000-another-boot");
    let execute = |sql: &str| database.execute(sql, []).unwrap();
    execute(&format!(
        "UPDATE panel SET saved_boot_id = '{other}', life_boot_id = '{other}',
         saved_boot_ns = saved_boot_ns - {shift}, life_wall_ms = life_wall_ms - {wall_ms_ago},
         saved_wall_ms = saved_wall_ms - {wall_ms_ago}"
    ));
    execute(&format!(
        "UPDATE events SET boot_id = '{other}', at_wall_ms = at_wall_ms - {wall_ms_ago}"
    ));
    execute(&format!("UPDATE incidents SET boot_id = '{other}'"));
    execute(&format!("UPDATE photos SET boot_id = '{other}'"));
    execute(&format!(
        "UPDATE messages SET body = replace(body, '{this}', '{other}')"
    ));
    let state: String = database
        .query_row("SELECT state FROM panel", [], |row| row.get(0))
        .unwrap();
    assert!(
        !state.contains(this),
        "the state itself knows no boot: {state}"
    );
}

/// What was left of the panel's delay when it was saved, in milliseconds.
fn left_when_saved(home: &Home) -> i64 {
    let (state, saved): (String, i64) = home
        .database()
        .query_row("SELECT state, saved_boot_ns FROM panel", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    let state: Value = serde_json::from_str(&state).unwrap();
    let until = deadline(&state).unwrap_or_else(|| panic!("no deadline in {state}"));
    (until - saved) / 1_000_000
}

/// The panel's deadline, wherever it is kept.
fn deadline(state: &Value) -> Option<i64> {
    match state {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let here = (name == "until" || name == "siren").then(|| value.as_i64());
            here.flatten().or_else(|| deadline(value))
        }),
        Value::Array(items) => items.iter().find_map(deadline),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[test]
fn after_a_power_cut_a_siren_has_what_was_left_of_it_and_a_mail_reports_the_gap() {
    let home = Home::with(&[]);
    let service = home.armed();
    service.api.pulse("hall");
    home.until_mails("ALARM motion in hall", 1);
    service.api.until_message("email", "delivered");
    let began = service.api.get("incidents")["incidents"][0]["since"].clone();
    service.running.kill();
    // Nine minutes away; by the old clock ten seconds more were left than by this one.
    from_another_boot(&home, 10_000_000_000, 9 * 60_000);
    let left = left_when_saved(&home);
    let before = now_ms();
    let service = home.start();
    assert_eq!(service.api.state(), "triggered");
    let ends = service.api.ends_at();
    assert!(
        ends >= before + left - 20,
        "what was left is left: {left} ms"
    );
    assert!(ends <= now_ms() + left + 20, "and no more: {left} ms");
    assert!(service.api.output("buzzer"));
    // Not the boot's: the boot clock knows no time before it.
    assert_eq!(service.api.status()["incidents"][0]["since"], began);
    let report = &home.until_mails("back after 9 min without a sign of life", 1)[0];
    let text = report["text"].as_str().unwrap();
    assert!(text.contains("Power was away"), "{text}");
    assert!(text.contains("State: triggered"), "{text}");
    assert!(text.contains("Last sign of life"), "{text}");
    let going_on = "Going on: intrusion incident 1 at hall, since ";
    assert!(text.contains(going_on), "{text}");
    assert!(
        service
            .running
            .log()
            .contains("back in the state triggered")
    );
    let started = service.api.events_of("started");
    assert_eq!(started.last().unwrap()["data"]["new_boot"], true);
    assert_eq!(home.until_mails("ALARM motion", 1).len(), 1, "told once");
}

#[test]
fn after_a_power_cut_an_entry_delay_has_what_was_left_of_it() {
    let home = Home::with(&[]);
    let service = home.armed();
    service.api.set("front door", true);
    service.api.until_state("pending");
    service.running.kill();
    from_another_boot(&home, 0, 60_000);
    let left = left_when_saved(&home);
    assert!((20_000..=40_000).contains(&left), "{left}");
    let before = now_ms();
    let service = home.start();
    assert_eq!(service.api.state(), "pending");
    let ends = service.api.ends_at();
    assert!((before + left - 20..=now_ms() + left + 20).contains(&ends));
}

#[test]
fn a_message_that_waited_through_a_power_cut_arrives() {
    let home = Home::with(&[]);
    home.faults(json!({ "smtp": "down" }));
    let service = home.armed();
    service.api.pulse("hall");
    service.api.until_message("email", "retrying");
    service.running.kill();
    from_another_boot(&home, 0, 9 * 60_000);
    home.faults(json!({ "smtp": null }));
    let _service = home.start();
    home.until_mails("ALARM motion in hall", 1);
}

#[test]
fn with_on_boot_away_a_disarmed_panel_arms_after_a_power_cut_and_only_then() {
    let home = Home::with(&[("[panel]", "[panel]\non-boot = \"away\"")]);
    let service = home.armed();
    service.api.post("disarm", json!({}));
    service.api.until_committed();
    let service = home.killed(service);
    assert_eq!(service.api.state(), "disarmed", "the same boot");
    service.running.kill();
    from_another_boot(&home, 0, 60_000);
    assert_eq!(home.start().api.state(), "armed_away");
}
