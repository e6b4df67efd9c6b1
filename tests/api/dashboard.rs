//! The dashboard's pages and forms, as a browser without scripts meets them.

use std::time::Duration;

use asfaleia::alarm::{Answer, Command, GasStatus, Mode, SensorKind};
use asfaleia::config::{Active, Exhaust, OutputLine};

use super::house::{FakeHouse, GUESTS_TOKEN, OWNERS_TOKEN};
use super::wire::Answer as Page;

impl FakeHouse {
    /// A form of one of our own pages.
    fn sends(&self, fields: &str, more: &[(&str, &str)]) -> Page {
        let host = self.address.to_string();
        let origin = format!("http://{host}");
        let headers = [
            ("Host", host.as_str()),
            ("Origin", origin.as_str()),
            ("Accept", "text/html"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        self.tcp_with("POST", "/act", &[&headers, more].concat(), fields)
    }

    fn page(&self, path: &str, token: &str) -> Page {
        let host = self.address.to_string();
        let bearer = format!("Bearer {token}");
        let headers = [("Host", host.as_str()), ("Authorization", &bearer)];
        self.tcp_with("GET", path, &headers, "")
    }
}

#[test]
fn the_page_shows_the_house_and_what_strangers_wrote_only_as_text() {
    let house = FakeHouse::simulate();
    house.happen(1);
    let page = house.tcp("GET", "/", "");
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(policy.contains("script-src 'self'"), "{policy}");
    let html = page.text();
    for shown in [
        "Home &amp; &lt;Garden&gt;",
        "kitchen &lt;gas&gt;",
        "mail cannot leave: &lt;refused&gt;",
        "mail: smtp &quot;home&quot;",
        "Alarm",
        "3:00</span> until the siren stops",
    ] {
        assert!(html.contains(shown), "{shown} is missing in {html}");
    }
    let lines = house.tcp("GET", "/history/lines", "").text();
    assert!(lines.contains("hall (motion): walk test"), "{lines}");
    for part in html.split("<script").skip(1) {
        assert!(
            part.starts_with(" type=\"module\" src=\"/static/"),
            "{part}"
        );
    }
    assert!(!html.contains("style="), "{html}");
}

#[test]
fn every_page_is_drawn_and_a_stranger_to_it_is_told() {
    let house = FakeHouse::simulate();
    for path in [
        "/",
        "/pin",
        "/pin?do=arm",
        "/history",
        "/history/3",
        "/history/lines?kind=people&before=7",
        "/people",
        "/people?silent=true",
        "/checks",
        "/checks?done=drill",
    ] {
        let page = house.tcp("GET", path, "");
        assert_eq!(page.status, 200, "{path}");
        assert!(page.text().contains("</html>"), "{path}");
    }
    for path in [
        "/history/4",
        "/history/nonsense",
        "/static/nothing",
        "/static/..%2fmod.rs",
    ] {
        assert_eq!(house.tcp("GET", path, "").status, 404, "{path}");
    }
    assert_eq!(house.tcp("GET", "/history?before=nonsense", "").status, 400);
    assert_eq!(house.tcp("GET", "/history/13", "").status, 503);
}

#[test]
fn a_history_that_cannot_be_read_is_told_and_is_not_an_empty_one() {
    let mut house = FakeHouse::simulate();
    house.breaks();
    for (path, empty) in [
        ("/", "No incident is in the history"),
        ("/people?silent=true", "There was none"),
    ] {
        let page = house.tcp("GET", path, "");
        assert_eq!(page.status, 200, "{path}");
        let html = page.text();
        assert!(html.contains("The history cannot be read"), "{html}");
        assert!(!html.contains(empty), "{html}");
    }
}

#[test]
fn a_fan_without_a_gas_sensor_says_nothing_of_the_air() {
    let house = FakeHouse::simulate();
    house.reconfigure(|config| {
        config.exhaust = Some(Exhaust {
            output: OutputLine {
                line: None,
                active: Active::High,
            },
            run_on: Duration::from_secs(300),
            max_run: Duration::from_secs(3_600),
        });
    });
    let page = |gas, watched| {
        house.change_status(|snapshot| {
            let sensors = &mut snapshot.status.sensors;
            sensors.retain(|it| watched || it.kind != SensorKind::Gas);
            snapshot.status.gas = gas;
        });
        house.tcp("GET", "/", "").text()
    };
    let clean = "The air is clean";
    let html = page(GasStatus::Clear, true);
    assert!(html.contains(clean), "{html}");
    let html = page(GasStatus::Clear, false);
    assert!(
        !html.contains(clean) && !html.contains("Gas is watched"),
        "{html}"
    );
    assert!(
        html.contains("No gas sensor") && html.contains("id=\"fan\""),
        "{html}"
    );
    // Its sensor was taken out of the configuration while the fan ran.
    let html = page(GasStatus::Alarm, false);
    assert!(html.contains("<h2 id=\"gas-title\">Gas!</h2>"), "{html}");
}

#[test]
fn a_browser_keeps_what_pages_share_and_asks_whether_it_is_the_same() {
    let house = FakeHouse::simulate();
    let host = house.address.to_string();
    for (path, kind) in [
        ("/style.css", "text/css"),
        ("/static/dashboard.js", "text/javascript"),
        ("/static/icons.svg", "image/svg+xml"),
        ("/static/icon.svg", "image/svg+xml"),
    ] {
        let first = house.tcp("GET", path, "");
        assert_eq!(first.status, 200, "{path}");
        assert!(
            first.header("content-type").unwrap().starts_with(kind),
            "{path}"
        );
        assert_eq!(first.header("cache-control"), Some("no-cache"));
        let tag = first.header("etag").unwrap();
        let headers = [("Host", host.as_str()), ("If-None-Match", tag)];
        let again = house.tcp_with("GET", path, &headers, "");
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
    }
}

#[test]
fn a_form_commands_the_panel_and_the_browser_goes_back_to_its_page() {
    let house = FakeHouse::simulate();
    let night = Command::Arm {
        mode: Mode::Night,
        force: true,
    };
    for (fields, command, back) in [
        ("do=arm&mode=night&force=true", night, "/?done=arm"),
        ("do=disarm", Command::Disarm, "/?done=disarm"),
        ("do=pause", Command::Pause, "/?done=pause"),
        ("do=silence", Command::Silence, "/?done=silence"),
        (
            "do=ack&back=/history/3",
            Command::Acknowledge,
            "/history/3?done=ack",
        ),
        (
            "do=walk-test&on=true&back=/checks",
            Command::WalkTest(true),
            "/checks?done=walk-test",
        ),
        // Nowhere else.
        (
            "do=disarm&back=//evil.example/",
            Command::Disarm,
            "/?done=disarm",
        ),
    ] {
        let answer = house.sends(fields, &[]);
        assert_eq!(answer.status, 303, "{fields}");
        assert_eq!(answer.header("location"), Some(back));
        assert_eq!(house.last_asked().0, command);
        let page = house.tcp("GET", back, "").text();
        assert!(page.contains("class=\"notice well\""), "{page}");
    }
    let page = house.tcp("GET", "/?done=anything", "").text();
    assert!(!page.contains("class=\"notice"), "{page}");
}

#[test]
fn a_refused_form_says_why_and_offers_to_arm_anyway() {
    let house = FakeHouse::simulate();
    let why = vec!["\"front <door>\" is broken".to_owned()];
    house.answer(Answer::Refused(why));
    let answer = house.sends("do=arm&mode=home", &[]);
    assert_eq!(answer.status, 409);
    let page = answer.text();
    for shown in [
        "&quot;front &lt;door&gt;&quot; is broken",
        "Arm anyway",
        "name=\"mode\" value=\"home\"",
    ] {
        assert!(page.contains(shown), "{shown} is missing in {page}");
    }
    let force = |page: &str| {
        let (_, form) = page.split_once("name=\"force\"").unwrap();
        form.split_once("</form>").unwrap().0.to_owned()
    };
    assert!(!force(&page).contains("name=\"pin\""), "{page}");
    let page = house
        .sends("do=arm&mode=home&pin=1234&back=/pin", &[])
        .text();
    let form = force(&page);
    assert!(form.contains("name=\"pin\" type=\"password\""), "{page}");
    assert!(form.contains("name=\"back\" value=\"/pin\""), "{page}");
    assert!(!page.contains("1234"), "a PIN is never shown");
    house.answer(Answer::TooSoon("wait a minute".to_owned()));
    let answer = house.sends("do=disarm&pin=1234&back=/pin", &[]);
    assert_eq!(answer.status, 429);
    assert!(answer.text().contains("wait a minute"));
    assert!(answer.text().contains("Disarm with a PIN"));
    assert!(!answer.text().contains("1234"), "a PIN is never shown");
    for fields in ["do=nonsense", "do=pin&name=Anna", "do=test", "do=forget"] {
        let answer = house.sends(fields, &[]);
        assert_eq!(answer.status, 400, "{fields}");
    }
    for fields in ["", "mode=away", "do=arm&mode=nonsense"] {
        assert_eq!(house.sends(fields, &[]).status, 400, "{fields}");
    }
}

#[test]
fn a_guest_sees_the_house_and_acknowledges_and_shows_a_pin_for_more() {
    let house = FakeHouse::run();
    let owners = house.page("/", OWNERS_TOKEN).text();
    assert!(owners.contains("value=\"disarm\""), "{owners}");
    let guests = house.page("/", GUESTS_TOKEN).text();
    assert!(guests.contains("kitchen &lt;gas&gt;"), "{guests}");
    assert!(guests.contains("value=\"ack\""), "{guests}");
    for hidden in ["value=\"away\"", "value=\"disarm\"", "href=\"/people\""] {
        assert!(!guests.contains(hidden), "{hidden} is in {guests}");
    }
    for path in ["/people", "/people?silent=true", "/checks"] {
        assert_eq!(house.page(path, GUESTS_TOKEN).status, 403, "{path}");
    }
    // A token is no session.
    assert_eq!(house.page("/people?silent=true", OWNERS_TOKEN).status, 403);
    let bearer = format!("Bearer {GUESTS_TOKEN}");
    for fields in [
        "do=forget&name=Anna&back=/people",
        "do=pin&name=Anna&pin=258025&back=/people",
        "do=forget-unknown&back=/people",
    ] {
        let answer = house.sends(fields, &[("Authorization", &bearer)]);
        assert_eq!(answer.status, 403, "{fields}");
    }
}
