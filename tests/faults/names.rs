//! A name server that takes every question and answers none.

use std::fs;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::home::Home;
use crate::namespace::Namespace;
use crate::{Violations, side_by_side};

/// On an address of loopback that no other test has. Questions pile up unread.
fn silent_name_server() -> Option<UdpSocket> {
    let address = format!("127.{}.{}.53:53", fastrand::u8(1..), fastrand::u8(1..));
    match UdpSocket::bind(&address) {
        Ok(socket) => Some(socket),
        Err(error) if !rustix::process::getuid().is_root() => {
            eprintln!("not tried: {address}: {error}; run it as root");
            None
        }
        Err(error) => panic!("{address}: {error}"),
    }
}

#[test]
fn with_names_that_nobody_resolves_the_alarm_rings_and_tells_another_way() {
    let violations = Violations::default();
    let ways = [
        ("phone", "http://TELEPHONE", "https://telephone.example.org"),
        (
            "email",
            "host = \"127.0.0.1\"\nport = MAIL_PORT\nsecurity = \"plaintext\"",
            "host = \"mail.example.org\"\nsecurity = \"starttls\"",
        ),
    ];
    let tried = AtomicUsize::new(0);
    side_by_side(&ways, ways.len(), |(dead, from, to)| {
        let done = rehearse(&[(from, to)], dead, &violations).is_some();
        tried.fetch_add(usize::from(done), Ordering::Relaxed);
    });
    let tried = tried.into_inner();
    violations.close(&format!(
        "names: {tried} ways through a name server that never answers"
    ));
}

/// The name is that of this channel's server. `None` where it cannot be tried.
fn rehearse(changes: &[(&str, &str)], dead: &str, violations: &Violations) -> Option<()> {
    let server = silent_name_server()?;
    // As many messages at once as a house ever has.
    let many: String = (0..12)
        .map(|n| format!("[[contact]]\nname = \"c{n}\"\nemail = \"c{n}@example.org\"\n\n"))
        .chain(["[store]".to_owned()])
        .collect();
    let mut all = vec![
        ("gpio = 18\nwarm-up = \"0s\"", "simulated = true"),
        ("[store]", &many),
    ];
    all.extend(changes);
    let home = Home::with(&all);
    let resolver = home.dir.path().join("resolv.conf");
    let address = server.local_addr().unwrap().ip();
    fs::write(&resolver, format!("nameserver {address}\n")).unwrap();
    let resolver = resolver.display();
    let names = Namespace::with(&format!("mount --bind '{resolver}' /etc/resolv.conf"))?;

    let service = home.launch(names.inside(&home.command()));
    service.until_heard();
    service.api.post("arm", serde_json::json!({}));
    let at_once = |what: &str, limit: u64, began: Instant| {
        let took = began.elapsed();
        violations.unless(took < Duration::from_secs(limit), || {
            format!("{dead} cannot be resolved: {what} took {took:?}")
        });
    };
    let began = Instant::now();
    service.api.pulse("hall");
    service.api.until_output("buzzer", true);
    at_once("the buzzer", 4, began);
    if dead == "phone" {
        home.until_mails("ALARM motion in hall", 13);
        at_once("the mail", 15, began);
    } else {
        home.until_calls(1);
        at_once("the call", 15, began);
    }
    // Somebody looks at the house meanwhile.
    for _ in 0..10 {
        let began = Instant::now();
        service.api.events();
        service.api.status();
        at_once("the history", 4, began);
    }
    let gas = Instant::now();
    home.gas(true);
    service.api.until_output("exhaust", true);
    at_once("the fan", 4, gas);
    let why = service.api.until_message(dead, "retrying");
    violations.unless(!why.is_empty(), || format!("{dead}: nothing is said"));
    let began = Instant::now();
    violations.unless(service.running.stop().success(), || {
        "it stops in order".into()
    });
    // Half as long as systemd's patience, at least.
    at_once("the stop", 25, began);
    Some(())
}
