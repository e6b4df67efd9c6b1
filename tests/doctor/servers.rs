//! Mail servers, brokers, telephone services and webhooks that are not as they should be.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use tokio::runtime::Runtime;

use crate::authority::Authority;
use crate::examination::{Report, doctor};
use crate::home::Home;
use crate::mail_server::{Act, MailServer, Script, Seen, Step, Tls};

/// A house whose mail goes through this server, with a login; STARTTLS as usual.
struct House {
    home: Home,
    server: MailServer,
    _runtime: Runtime,
}

impl House {
    fn with(script: Script) -> House {
        House::with_security(script, "starttls")
    }

    fn with_security(script: Script, security: &str) -> House {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(MailServer::start(script));
        let mail = format!(
            "host = \"localhost\"\nport = {}\nsecurity = \"{security}\"\nusername = \"me\"\n\
             password-file = \"DIR/token\"\nca-file = {:?}",
            server.address.port(),
            server.authority.file()
        );
        let plain = "host = \"127.0.0.1\"\nport = MAIL_PORT\nsecurity = \"plaintext\"";
        House {
            home: Home::with(&[(plain, &mail)]),
            server,
            _runtime: runtime,
        }
    }

    fn examined(&self) -> Report {
        doctor(&self.home)
    }
}

fn script(step: Step, act: Act) -> Script {
    Script {
        act: Some((step, act, usize::MAX)),
        ..Script::default()
    }
}

#[test]
fn a_mail_server_that_is_well_is_logged_into_and_gets_no_mail() {
    for (tls, security) in [(Tls::OnRequest, "starttls"), (Tls::FromTheStart, "tls")] {
        let script = Script {
            tls,
            ..Script::default()
        };
        let mut house = House::with_security(script, security);
        let report = house.examined();
        assert!(
            report
                .ok("mail", "localhost")
                .contains("takes the login of me"),
            "{report}"
        );
        let seen = house.server.so_far();
        let commands = seen.iter().filter_map(|seen| match seen {
            Seen::Command(command) => command.split(' ').next(),
            Seen::Mail(_) => panic!("a mail was sent"),
            Seen::Connection => None,
        });
        let commands: Vec<&str> = commands.collect();
        assert!(
            commands.contains(&"AUTH") && commands.contains(&"QUIT"),
            "{commands:?}"
        );
        assert!(!commands.contains(&"MAIL"), "{commands:?}");
    }
}

#[test]
fn a_test_mail_is_sent_only_when_it_is_asked_for() {
    let mut house = House::with(Script::default());
    let report = Report::of(house.home.cli_command(&["doctor", "--send"]));
    assert!(
        report.ok("mail", "Anna").contains("queued as 4711"),
        "{report}"
    );
    let (mail, _) = house._runtime.block_on(house.server.mail());
    assert!(String::from_utf8(mail).unwrap().contains("test message"));
}

#[test]
fn how_far_a_mail_server_lets_us_come_is_said_with_what_mends_it() {
    let no_tls = Script {
        tls: Tls::Never,
        ..Script::default()
    };
    for (script, found, mend) in [
        (
            script(Step::Auth, Act::Say("535 5.7.8 no")),
            "535 5.7.8 no",
            "app password",
        ),
        (no_tls, "does not offer STARTTLS", "465"),
        (
            script(Step::Greeting, Act::Hang),
            "waiting for the greeting",
            "security = \"tls\"",
        ),
        (
            script(Step::Greeting, Act::Say("554 go away")),
            "554 go away",
            "own words",
        ),
        (
            script(Step::Ehlo, Act::HangUp),
            "closed the connection",
            "try again",
        ),
    ] {
        let house = House::with(script);
        house.examined().error("mail", "localhost", found, mend);
    }
}

#[test]
fn a_certificate_for_another_name_is_an_error_before_any_password_leaves() {
    let runtime = Runtime::new().unwrap();
    let other = Authority::for_name("mail.example.org");
    let mut house = House::with(Script::default());
    house.server = runtime.block_on(MailServer::start_as(Script::default(), other));
    let config = fs::read_to_string(house.home.file()).unwrap();
    let lines = config.lines().map(|line| match line {
        line if line.starts_with("port = ") && !line.contains("nodemcu") => {
            format!("port = {}", house.server.address.port())
        }
        line if line.starts_with("ca-file") => {
            format!("ca-file = {:?}", house.server.authority.file())
        }
        line => line.to_owned(),
    });
    house.home.write(&lines.collect::<Vec<_>>().join("\n"));
    let report = house.examined();
    report.error("mail", "localhost", "agreeing on TLS", "certificate's name");
    let seen = house.server.so_far();
    let auth = |seen: &Seen| matches!(seen, Seen::Command(command) if command.starts_with("AUTH"));
    assert!(!seen.iter().any(auth), "{seen:?}");
}

#[test]
fn a_telephone_service_that_refuses_hangs_or_is_down_is_an_error_within_the_time() {
    let home = Home::with(&[]);
    home.faults(json!({"phone": "hang"}));
    doctor(&home).error("phone", "account", "asking for the account", "network");
    home.faults(json!({"phone": "down"}));
    doctor(&home).error("phone", "account", "asking for the account", "base-url");
    home.faults(json!({"phone": null}));
    let token = home.dir.path().join("token");
    fs::write(&token, "wrong\n").unwrap();
    fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
    doctor(&home).error("phone", "account", "code 20003", "account-sid");
}

/// A broker that answers whoever connects with this, and says what they wrote.
fn broker(answer: &'static [u8]) -> (SocketAddr, std::thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 256];
        let mut said = Vec::new();
        let count = stream.read(&mut hello).unwrap();
        said.extend_from_slice(&hello[..count]);
        stream.write_all(answer).unwrap();
        // Until the other side leaves: a broker that says nothing more.
        let _ = stream.read_to_end(&mut said);
        said
    });
    (address, serving)
}

fn with_broker(address: SocketAddr) -> Home {
    let section = format!(
        "[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n[store]",
        address.port()
    );
    Home::with(&[("[store]", &section)])
}

/// CONNACK (MQTT 3.1.1, 3.2): accepted; bad user name or password.
const WELCOME: &[u8] = &[0x20, 2, 0, 0];
const NO_LOGIN: &[u8] = &[0x20, 2, 0, 4];

#[test]
fn a_broker_is_greeted_under_a_name_of_our_own_and_without_a_last_will() {
    let (address, serving) = broker(WELCOME);
    let report = doctor(&with_broker(address));
    assert!(
        report.ok("mqtt", "127.0.0.1").contains("connects"),
        "{report}"
    );
    let said = serving.join().unwrap();
    let name = b"asfaleia-home_test-doctor";
    assert!(said.windows(name.len()).any(|it| it == name), "{said:?}");
    // Connect flags: the clean session alone (3.1.2.3).
    assert_eq!(said[9], 0b10, "{said:?}");
    assert!(said.ends_with(&[0xE0, 0]), "it takes leave: {said:?}");
}

#[test]
fn a_broker_that_refuses_the_login_hangs_or_is_not_there_is_an_error() {
    let (address, serving) = broker(NO_LOGIN);
    doctor(&with_broker(address)).error("mqtt", "127.0.0.1", "refuses the login", "username");
    serving.join().unwrap();
    let (address, serving) = broker(&[]);
    doctor(&with_broker(address)).error("mqtt", "127.0.0.1", "no answer in time", "host");
    serving.join().unwrap();
    // Nothing listens so low, and nobody is given it by chance.
    let gone = "127.0.0.1:1".parse().unwrap();
    doctor(&with_broker(gone)).error("mqtt", "127.0.0.1", "refused", "running");
}

#[test]
fn a_webhooks_server_is_connected_to_and_nothing_is_asked_of_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let hook =
        format!("[[webhook]]\nname = \"ntfy\"\nurl = \"http://{address}/secret-topic\"\n[store]");
    let home = Home::with(&[("[store]", &hook)]);
    let report = doctor(&home);
    report.ok("webhook", "ntfy");
    let mut asked = Vec::new();
    listener
        .accept()
        .unwrap()
        .0
        .read_to_end(&mut asked)
        .unwrap();
    assert_eq!(asked, b"");
    drop(listener);
    let report = doctor(&home);
    report.error("webhook", "ntfy", "connecting", "url");
    assert!(!report.to_string().contains("secret-topic"), "{report}");
}
