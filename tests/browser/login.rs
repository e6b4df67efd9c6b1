//! Who may come in: an owner's first visit to `asfaleia run`, and a guest.

use serde_json::json;
use tempfile::TempDir;

use crate::api::{Api, until};
use crate::browser::{Browser, View};
use crate::everybody::{axe, finds_nothing};
use crate::process::{Running, asfaleia, later_address};

const CONFIG: &str = r#"
[site]
name = "Home"

[panel]
exit-delay = "0s"

[gpio]
backend = "simulated"

[[sensor]]
name = "hall"
kind = "motion"
simulated = true

[camera]
device = "simulated"

[web]
listen = "ADDRESS"

[store]
path = "DIR/store"
"#;

/// A real service, asked over its socket and shown over TCP.
struct Service {
    socket: Api,
    web: Api,
    _running: Running,
    _dir: TempDir,
}

impl Service {
    fn start() -> Service {
        let dir = tempfile::tempdir().unwrap();
        let address = later_address();
        let text = CONFIG
            .replace("ADDRESS", &address.to_string())
            .replace("DIR", dir.path().to_str().unwrap());
        let file = dir.path().join("asfaleia.toml");
        std::fs::write(&file, text).unwrap();
        let socket = dir.path().join("asfaleia.sock");
        let mut command = asfaleia();
        command.arg("run").arg("--config").arg(file);
        command.arg("--socket").arg(&socket);
        let running = Running::start(command, &dir.path().join("log"));
        let (socket, web) = (Api::Socket(socket), Api::Tcp(address));
        until("the page's port", || web.try_connect().ok());
        until("an answer on the socket", || socket.try_connect().ok());
        Service {
            socket,
            web,
            _running: running,
            _dir: dir,
        }
    }
}

fn logs_in(page: &Browser, name: &str, password: &str) {
    page.write("[name=name]", name);
    page.write("[name=password]", password);
    page.click("form.login button");
}

#[test]
fn the_first_visit_sets_the_owners_password_and_it_is_asked_for_from_then_on() {
    let service = Service::start();
    let mut page = Browser::at(&service.web, View::Phone);
    page.forgive("status of 401");
    page.sees("main", "Nobody has a password yet");
    assert_eq!(page.path(), "/welcome");
    page.fits();
    let axe = axe();
    finds_nothing(&page, &axe, "the first visit");
    page.write("[name=again]", "one long secret");
    logs_in(&page, "Anna", "one long secret");
    page.sees("#state", "Disarmed");
    page.sees("#link", "Live");
    page.sees("footer", "Logged in as Anna");
    page.fits();
    page.click("#arm [value=away]");
    page.sees("#state", "Armed, away");
    let armed = service.socket.events_of("state");
    assert_eq!(armed.last().unwrap()["data"]["by"]["name"], "Anna");
    finds_nothing(&page, &axe, "an owner's page");

    // Somebody else is let in, and out again.
    page.open("/people");
    page.sees("#accounts", "owner, you");
    page.click("#accounts summary");
    page.write("#account [name=name]", "Ben");
    page.write("#account [name=password]", "another secret");
    page.click("#account .main");
    page.sees("#notice", "They may log in now");
    page.sees("#accounts", "guest");
    finds_nothing(&page, &axe, "who may log in");
    page.click("#accounts .people button");
    page.agrees();
    page.sees("#notice", "not log in any more");
    page.open("/");

    page.click("footer button:not([name])");
    page.sees("form.login", "Password");
    assert_eq!(page.path(), "/login");
    finds_nothing(&page, &axe, "the login");
    logs_in(&page, "Anna", "another secret");
    page.sees("[role=alert]", "");
    page.open("/");
    assert_eq!(page.path(), "/login", "nobody is in");
    // Wrong ones slow the next.
    until("the right password to be taken", || {
        // What the last try has come to is asked anew: its page may still be on its way.
        page.open("/");
        if page.path() == "/" {
            return Some(());
        }
        logs_in(&page, "Anna", "one long secret");
        (page.path() == "/").then_some(())
    });
    page.sees("#state", "Armed, away");
}

#[test]
fn a_guest_sees_an_alarm_with_its_photos_and_acknowledges_it() {
    let service = Service::start();
    for (name, role) in [("Anna", "owner"), ("Ben", "guest")] {
        let account = json!({ "name": name, "password": "one long secret", "role": role });
        service.socket.post("accounts", account);
    }
    service
        .socket
        .post("people/Anna/pin", json!({ "pin": "258025" }));
    service.socket.post("arm", json!({}));
    let page = Browser::at(&service.web, View::Phone);
    page.sees("form.login", "Password");
    logs_in(&page, "Ben", "one long secret");
    page.sees("#state", "Armed, away");
    page.sees("footer", "as a guest");
    page.sees_no("#arm");
    page.sees_no("nav [href='/people']");
    service.socket.set("hall", true);
    page.sees("#state", "Alarm");
    page.until_loaded(".incident img", 3);
    page.click("#do-ack");
    page.sees(".incident", "Acknowledged by Ben");
    assert_eq!(service.socket.state(), "triggered");
    // With somebody's PIN a guest may disarm.
    page.click("#do-disarm");
    page.sees("h1", "Disarm with a PIN");
    page.write("#pin [name=pin]", "258025");
    page.click("#pin .pad .main");
    page.sees("#state", "Disarmed");
}

#[test]
fn a_page_whose_session_has_ended_leads_to_the_login() {
    let service = Service::start();
    for (name, role) in [("Anna", "owner"), ("Ben", "guest")] {
        let account = json!({ "name": name, "password": "one long secret", "role": role });
        service.socket.post("accounts", account);
    }
    let mut page = Browser::at(&service.web, View::Phone);
    page.forgive("status of 401");
    page.sees("form.login", "Password");
    logs_in(&page, "Ben", "one long secret");
    page.sees("#link", "Live");
    let (status, _) = service.socket.ask("DELETE", "accounts/Ben", &json!({}));
    assert_eq!(status, 200);
    page.sees("form.login", "Password");
}
