//! The telephone service fails at each step, in each way.

use std::time::{Duration, Instant};

use crate::authority::Authority;
use crate::home::Home;
use crate::telephone_exchange::{Conduct, Exchange};
use crate::{Violations, side_by_side};

const ANNA: &str = "+302101234567";
const BEN: &str = "+302107654321";

/// A house that calls Anna and then Ben over this exchange.
fn home(exchange: &Exchange, more: &str) -> Home {
    Home::with(&[
        ("http://TELEPHONE", &exchange.base_url),
        ("[phone]", &format!("[phone]\nrounds = 1\n{more}")),
        ("gpio = 18\nwarm-up = \"0s\"", "simulated = true"),
        (
            "[camera]\ndevice = \"simulated\"\nwidth = 320\nheight = 240\n",
            "",
        ),
        (
            "[store]",
            &format!("[[contact]]\nname = \"Ben\"\nphone = \"{BEN}\"\n\n[store]"),
        ),
    ])
}

#[test]
fn whatever_the_telephone_service_does_everybody_is_called_once_and_the_mail_is_not_held_up() {
    let cases = [
        Conduct::Refuses(429, 20429),
        Conduct::Refuses(500, 20500),
        Conduct::Refuses(503, 20503),
        Conduct::Refuses(400, 21217),
        Conduct::Refuses(401, 20003),
        Conduct::Swallows,
        Conduct::PlacesInSilence,
        Conduct::HangsUp,
        Conduct::PlacesAndHangsUp,
    ];
    let violations = Violations::default();
    side_by_side(&cases, cases.len(), |conduct| {
        rehearse(*conduct, &violations)
    });
    violations.close(&format!("telephone: {} faults of the service", cases.len()));
}

fn rehearse(conduct: Conduct, violations: &Violations) {
    let exchange = Exchange::open(conduct);
    let home = home(&exchange, "");
    let service = home.armed();
    let say = |what: String| format!("{conduct:?}: {what}");
    let began = Instant::now();
    service.api.pulse("hall");
    service.api.until_output("buzzer", true);
    let took = began.elapsed();
    violations.unless(took < Duration::from_secs(4), || {
        say(format!("the buzzer sounded after {took:?}"))
    });
    home.until_mails("ALARM motion in hall", 1);
    let took = began.elapsed();
    violations.unless(took < Duration::from_secs(15), || {
        say(format!("the mail came after {took:?}"))
    });
    let called = || -> Vec<String> { exchange.placed().into_iter().map(|it| it.to).collect() };
    match conduct {
        // For good: the next rung, and nobody answered in the end.
        Conduct::Refuses(400 | 401, code) => {
            let text = service.api.until_trouble("phone");
            violations.unless(text.contains(&code.to_string()), || say(text.clone()));
            home.until_mails("NOBODY ANSWERED", 1);
            violations.unless(exchange.asked() == 2, || {
                say(format!("{} requests for two rungs", exchange.asked()))
            });
            exchange.mend();
            service.api.post("disarm", serde_json::json!({}));
            service
                .api
                .post("test", serde_json::json!({ "what": "call" }));
            service.api.until_message("phone", "completed");
            service.api.until_no_trouble("phone");
        }
        Conduct::Refuses(_, code) => {
            let why = service.api.until_message("phone", "retrying");
            violations.unless(why.contains(&code.to_string()), || say(why.clone()));
            exchange.mend();
            service.api.until_message("phone", "calling");
            violations.unless(called() == [ANNA], || say(format!("called {:?}", called())));
        }
        // The call was not placed: looked for, not found, placed.
        Conduct::Swallows | Conduct::HangsUp => {
            service.api.until_message("phone", "retrying");
            exchange.mend();
            service.api.until_message("phone", "calling");
            violations.unless(exchange.looked_up() >= 1, || say("not looked for".into()));
            violations.unless(called() == [ANNA], || say(format!("called {:?}", called())));
        }
        // It was placed: looked for, found, and not placed again.
        Conduct::PlacesInSilence | Conduct::PlacesAndHangsUp => {
            service.api.until_message("phone", "calling");
            violations.unless(exchange.looked_up() >= 1, || say("not looked for".into()));
            violations.unless(exchange.asked() == 1, || {
                say(format!("asked {} times for a call", exchange.asked()))
            });
        }
        Conduct::Places(_) => unreachable!("that is no fault"),
    }
    violations.unless(
        home.until_mails("ALARM motion in hall", 1).len() == 1,
        || say("mailed more than once".into()),
    );
}

#[test]
fn a_telephone_service_with_a_certificate_of_strangers_is_told_no_number() {
    let violations = Violations::default();
    let authority = Authority::new();
    let exchange = Exchange::encrypted(&authority);
    let stranger = Authority::new();
    let untrusted = format!("ca-file = \"{}\"", stranger.file().display());
    let home = home(&exchange, &untrusted);
    let service = home.armed();
    service.api.pulse("hall");
    home.until_mails("ALARM motion in hall", 1);
    let why = service.api.until_message("phone", "retrying");
    violations.unless(why.to_lowercase().contains("certificate"), || why.clone());
    violations.unless(exchange.asked() == 0, || "a stranger was asked".into());
    let config = std::fs::read_to_string(home.file()).unwrap();
    let trusted = format!("ca-file = \"{}\"", authority.file().display());
    home.write(&config.replace(&untrusted, &trusted));
    let (code, out, err) = home.cli(&["reload"]);
    violations.unless(code == 0, || format!("reload: {out} {err}"));
    service.api.until_message("phone", "calling");
    violations.unless(exchange.asked() == 1, || "one call".into());
    violations.close("telephone: 1 certificate of strangers");
}
