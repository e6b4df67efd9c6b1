//! The mail server fails at each step of the conversation, in each way.

use asfaleia::notify::Patience;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

use crate::api::until;
use crate::authority::Authority;
use crate::home::{Home, Service};
use crate::mail_server::{Act, MailServer, Script, Seen, Step};
use crate::{Violations, side_by_side};

const STEPS: [Step; 9] = [
    Step::Greeting,
    Step::Ehlo,
    Step::StartTls,
    Step::Auth,
    Step::Mail,
    Step::Rcpt,
    Step::Data,
    Step::MidContent,
    Step::Content,
];
const LATER: &str = "451 4.3.0 try later";
const NEVER: &str = "550 5.1.1 never";

#[test]
fn whatever_the_mail_server_does_at_any_step_the_alarm_goes_on_and_the_mail_arrives_when_it_is_well()
 {
    let acts = [Act::Say(LATER), Act::Say(NEVER), Act::Hang, Act::HangUp];
    let cases: Vec<(Step, Act)> = (STEPS.into_iter())
        .flat_map(|step| acts.map(|act| (step, act)))
        // In the middle of the mail there is nothing to be said.
        .filter(|(step, act)| *step != Step::MidContent || *act == Act::HangUp)
        .collect();
    let violations = Violations::default();
    let again = AtomicUsize::new(0);
    side_by_side(&cases, 6, |case| {
        let copies = rehearse(*case, &violations);
        again.fetch_add(copies - 1, Ordering::Relaxed);
    });
    let again = again.into_inner();
    violations.close(&format!(
        "mail: {} faults of the server, {again} mails again after their final dot",
        cases.len()
    ));
}

/// How often the alarm's mail was handed over in the end.
fn rehearse(case: (Step, Act), violations: &Violations) -> usize {
    let (step, act) = case;
    let mut office = Office::open(step, act);
    let home = office.home(&office.authority());
    let service = home.armed();
    let say = |what: String| format!("{step:?} {act:?}: {what}");

    rings_at_once(&service, violations, &say);
    home.until_calls(1);
    let late = matches!(step, Step::Mail | Step::Rcpt | Step::Data | Step::Content);
    let for_good = act == Act::Say(NEVER);
    match act {
        Act::Say(reply) => {
            let outcome = if for_good && late {
                "refused"
            } else {
                "retrying"
            };
            let why = service.api.until_message("email", outcome);
            violations.unless(why.contains(reply), || say(why.clone()));
        }
        Act::HangUp => drop(service.api.until_message("email", "retrying")),
        Act::Hang => office.until_reached(step),
    }
    if for_good {
        let text = service.api.until_trouble("mail");
        violations.unless(text.contains(NEVER), || say(text.clone()));
    }
    office.server.mend();
    if for_good {
        // Another mail proves that it is mended; what only waited for that follows at once.
        service.api.post("test", json!({ "what": "email" }));
    }
    let mails = if for_good && late {
        until("the test's mail", || {
            let events = service.api.events_of("message");
            let delivered = |event: &serde_json::Value| event["data"]["outcome"] == "delivered";
            events.iter().any(delivered).then_some(())
        });
        1
    } else {
        service.api.until_message("email", "delivered");
        until("every mail to leave", || {
            // The ladder waits for somebody to acknowledge.
            (service.api.waiting() <= 1).then_some(())
        });
        let ids = office.alarms();
        let first = ids.first().cloned().unwrap_or_default();
        violations.unless(ids.iter().all(|id| *id == first), || {
            say(format!("the same mail under two names: {ids:?}"))
        });
        // Unavoidable only where the server may have taken it.
        let most = if step == Step::Content { 2 } else { 1 };
        violations.unless((1..=most).contains(&ids.len()), || {
            say(format!("{} mails arrived", ids.len()))
        });
        ids.len().max(1)
    };
    service.api.until_no_trouble("mail");
    violations.unless(home.calls().len() == 1, || {
        say(format!("{} calls", home.calls().len()))
    });
    mails
}

#[test]
fn a_certificate_of_strangers_gets_neither_mail_nor_password_until_it_is_trusted() {
    let violations = Violations::default();
    let mut office = Office::well();
    let stranger = Authority::new();
    let home = office.home(&stranger.file().display().to_string());
    let service = home.armed();
    let say = |what: String| what;
    rings_at_once(&service, &violations, &say);
    home.until_calls(1);
    let why = service.api.until_message("email", "retrying");
    violations.unless(why.to_lowercase().contains("certificate"), || why.clone());
    let told = office.server.so_far().into_iter().any(|seen| match seen {
        Seen::Command(command) => command.starts_with("AUTH") || command.starts_with("MAIL"),
        Seen::Mail(_) => true,
        Seen::Connection => false,
    });
    violations.unless(!told, || "a stranger was told something".into());
    // The owner mends it: what waits is tried again at once.
    let config = std::fs::read_to_string(home.file()).unwrap();
    let stranger = stranger.file().display().to_string();
    home.write(&config.replace(&stranger, &office.authority()));
    let (code, out, err) = home.cli(&["reload"]);
    violations.unless(code == 0, || format!("reload: {out} {err}"));
    service.api.until_message("email", "delivered");
    violations.unless(office.alarms().len() == 1, || "one mail arrives".into());
    violations.close("mail: 1 certificate of strangers");
}

/// Output and state within the time in which nobody notices a wait.
fn rings_at_once(service: &Service, violations: &Violations, say: &dyn Fn(String) -> String) {
    let began = Instant::now();
    service.api.pulse("hall");
    service.api.until_output("buzzer", true);
    let took = began.elapsed();
    // Shared with other processes; anything that waits for a server waits for seconds.
    violations.unless(took < Duration::from_secs(4), || {
        say(format!("the buzzer sounded after {took:?}"))
    });
}

struct Office {
    server: MailServer,
    _runtime: Runtime,
}

impl Office {
    fn open(step: Step, act: Act) -> Office {
        Self::with(Script {
            act: Some((step, act, usize::MAX)),
            ..Script::default()
        })
    }

    fn well() -> Office {
        Self::with(Script::default())
    }

    fn with(script: Script) -> Office {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(MailServer::start(script));
        Office {
            server,
            _runtime: runtime,
        }
    }

    fn authority(&self) -> String {
        self.server.authority.file().display().to_string()
    }

    /// A house that mails over this server, and calls over one that is well.
    fn home(&self, ca_file: &str) -> Home {
        let email = format!(
            "host = \"localhost\"\nport = {}\nsecurity = \"starttls\"\nca-file = \"{ca_file}\"\n\
             username = \"me@example.org\"\npassword-file = \"DIR/token\"",
            self.server.address.port()
        );
        Home::with(&[
            (
                "host = \"127.0.0.1\"\nport = MAIL_PORT\nsecurity = \"plaintext\"",
                &email,
            ),
            ("gpio = 18\nwarm-up = \"0s\"", "simulated = true"),
            (
                "[camera]\ndevice = \"simulated\"\nwidth = 320\nheight = 240\n",
                "",
            ),
        ])
    }

    /// Waits until the conversation has come so far that the next answer is this step's.
    fn until_reached(&mut self, step: Step) {
        let verb = match step {
            Step::Greeting => "",
            Step::Ehlo => "EHLO",
            Step::StartTls => "STARTTLS",
            Step::Auth => "AUTH",
            Step::Mail => "MAIL",
            Step::Rcpt => "RCPT",
            Step::Data | Step::MidContent | Step::Content => "DATA",
        };
        until(&format!("the step {step:?}"), || {
            let reached = |seen: &Seen| match seen {
                Seen::Connection => step == Step::Greeting,
                Seen::Command(command) => !verb.is_empty() && command.starts_with(verb),
                Seen::Mail(_) => false,
            };
            self.server.so_far().iter().any(reached).then_some(())
        });
    }

    /// The `Message-ID`s of the alarm's mails since the last look.
    fn alarms(&mut self) -> Vec<String> {
        let mails = self
            .server
            .so_far()
            .into_iter()
            .filter_map(|seen| match seen {
                Seen::Mail(mail) => Some(mail),
                Seen::Command(_) | Seen::Connection => None,
            });
        let about = mails.filter_map(|mail| {
            let text = String::from_utf8_lossy(&mail).into_owned();
            let id = text
                .lines()
                .find_map(|line| line.strip_prefix("Message-ID: "));
            id.filter(|id| id.starts_with("<incident-"))
                .map(str::to_owned)
        });
        about.collect()
    }
}

/// A server that hangs is hung up on by itself in the end, without being mended.
#[test]
#[ignore = "waits for the mail's whole patience, a minute: tests/run --full"]
fn a_mail_server_that_hangs_for_ever_is_given_up_at_every_step_and_tried_again() {
    let violations = Violations::default();
    let steps: Vec<Step> = STEPS
        .into_iter()
        .filter(|step| *step != Step::MidContent)
        .collect();
    side_by_side(&steps, steps.len(), |step| {
        let office = Office::open(*step, Act::Hang);
        let home = office.home(&office.authority());
        let service = home.armed();
        let began = Instant::now();
        service.api.pulse("hall");
        home.until_calls(1);
        let patience = Patience::default().delivery;
        let why = loop {
            let left = patience + Duration::from_secs(20);
            assert!(began.elapsed() < left, "{step:?}: it waits for ever");
            let tries = service.api.events_of("message");
            let tried = tries
                .iter()
                .find(|event| event["data"]["outcome"] == "retrying");
            if let Some(tried) = tried {
                break tried["data"]["detail"].to_string();
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        violations.unless(why.contains("no answer in time"), || {
            format!("{step:?}: {why}")
        });
        office.server.mend();
        service.api.until_message("email", "delivered");
    });
    violations.close(&format!("mail: {} steps that hang for ever", steps.len()));
}
