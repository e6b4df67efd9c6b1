//! Coming in and going out, as a browser does it.

use serde_json::json;

use super::house::{FakeHouse, GUESTS_TOKEN, OWNERS_TOKEN, PASSWORD, proxied};
use super::wire::Answer;
use asfaleia::alarm::{Command, Origin, Right};

/// A browser with its cookie.
pub(crate) struct Browser<'a> {
    house: &'a FakeHouse,
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

impl FakeHouse {
    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.address.port())
    }

    /// A form of a page of ours, with these headers besides.
    pub(crate) fn form(&self, path: &str, more: &[(&str, &str)], fields: &str) -> Answer {
        let (host, origin) = (self.host(), format!("http://{}", self.host()));
        let mut headers = vec![
            ("Host", host.as_str()),
            ("Origin", origin.as_str()),
            ("Content-Type", FORM),
            ("Accept", "text/html"),
        ];
        headers.extend(more);
        self.tcp_with("POST", path, &headers, fields)
    }

    pub(crate) fn tries(&self, name: &str, password: &str) -> Answer {
        let password = password.replace(' ', "+");
        self.form("/login", &[], &format!("name={name}&password={password}"))
    }

    pub(crate) fn logs_in(&self, name: &str) -> Browser<'_> {
        let answer = self.tries(name, PASSWORD);
        assert_eq!(answer.status, 303, "{}", answer.text());
        assert_eq!(answer.header("location"), Some("/"));
        let cookie = answer.header("set-cookie").unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let (_, secret) = cookie.split_once('=').unwrap();
        let csrf = self.logins.csrf(secret);
        Browser {
            house: self,
            cookie,
            csrf,
        }
    }
}

impl Browser<'_> {
    /// As a script of a page of ours asks.
    pub(crate) fn asks(&self, method: &str, path: &str, body: &str) -> Answer {
        self.asks_with(method, path, &[("X-CSRF-Token", &self.csrf)], body)
    }

    pub(crate) fn asks_with(
        &self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let host = self.house.host();
        let mut headers = vec![
            ("Host", host.as_str()),
            ("Content-Type", "application/json"),
            ("Cookie", &self.cookie),
        ];
        headers.extend(more);
        self.house.tcp_with(method, path, &headers, body)
    }

    pub(crate) fn submits(&self, path: &str, fields: &str) -> Answer {
        let cookie = [("Cookie", self.cookie.as_str())];
        self.house.form(path, &cookie, fields)
    }
}

#[test]
fn a_browser_logs_in_and_is_the_owner_until_it_logs_out() {
    let house = FakeHouse::run();
    let browser = house.logs_in("Anna");
    assert_eq!(browser.asks("GET", "/api/v1/status", "").status, 200);
    let answer = browser.asks("POST", "/api/v1/disarm", "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (command, by) = house.last_asked();
    assert_eq!(command, Command::Disarm);
    assert_eq!(by.name.as_deref(), Some("Anna"));
    assert_eq!((by.origin, by.right), (Origin::Dashboard, Right::Owner));
    assert_eq!(browser.asks("GET", "/api/v1/duress", "").status, 200);

    let out = browser.submits("/logout", &format!("csrf={}", browser.csrf));
    assert_eq!(out.status, 303);
    assert_eq!(out.header("location"), Some("/login"));
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(browser.asks("GET", "/api/v1/status", "").status, 401);
}

#[test]
fn a_guest_sees_and_does_not_let_others_in() {
    let house = FakeHouse::run();
    let browser = house.logs_in("Ben");
    for path in ["status", "photos/8", "incidents", "events"] {
        let path = format!("/api/v1/{path}");
        assert_eq!(browser.asks("GET", &path, "").status, 200, "{path}");
    }
    for (method, path) in [
        ("GET", "accounts"),
        ("POST", "accounts"),
        ("DELETE", "accounts/Anna"),
        ("GET", "tokens"),
        ("POST", "tokens"),
        ("DELETE", "tokens/a%20tablet"),
        ("GET", "people"),
        ("GET", "duress"),
        ("GET", "sim/outputs"),
        ("PUT", "sim/sensors/hall"),
    ] {
        let body = match method {
            "POST" => r#"{"name": "Eve", "password": "12345678"}"#,
            _ => "",
        };
        let body = if path == "tokens" && method == "POST" {
            r#"{"name": "x"}"#
        } else {
            body
        };
        let answer = browser.asks(method, &format!("/api/v1/{path}"), body);
        let body_is_missing = path.starts_with("sim/sensors") && answer.status == 403;
        assert!(
            answer.status == 403 || body_is_missing,
            "{method} {path}: {}",
            answer.text()
        );
    }
    browser.asks("POST", "/api/v1/ack", "");
    assert_eq!(house.last_asked().1.right, Right::Guest);
}

#[test]
fn a_guest_changes_their_own_password_with_the_one_they_have_and_nothing_else() {
    let house = FakeHouse::run();
    let (browser, other) = (house.logs_in("Ben"), house.logs_in("Ben"));
    let sets = |body: serde_json::Value| {
        browser
            .asks("POST", "/api/v1/accounts", &body.to_string())
            .status
    };
    let new = "battery staple";
    assert_eq!(sets(json!({"password": new})), 400);
    assert_eq!(
        sets(json!({"password": new, "current": PASSWORD, "role": "owner"})),
        403
    );
    assert_eq!(
        sets(json!({"name": "Anna", "password": new, "current": PASSWORD})),
        403
    );
    assert_eq!(sets(json!({"password": new, "current": "wrong one"})), 401);
    assert_eq!(sets(json!({"password": new, "current": PASSWORD})), 429);
    house.clock.pass(1);
    assert_eq!(sets(json!({"password": new, "current": PASSWORD})), 200);
    assert_eq!(browser.asks("GET", "/api/v1/status", "").status, 200);
    assert_eq!(other.asks("GET", "/api/v1/status", "").status, 401);
    assert_eq!(house.tries("Ben", PASSWORD).status, 401);
    house.clock.pass(1);
    assert_eq!(house.tries("Ben", new).status, 303);
}

#[test]
fn an_owners_own_password_asks_for_the_old_one_however_they_write_their_name() {
    let house = FakeHouse::run();
    let browser = house.logs_in("Anna");
    for name in ["anna", " Anna", "ANNA "] {
        let new = json!({"name": name, "password": "battery staple"});
        let answer = browser.asks("POST", "/api/v1/accounts", &new.to_string());
        assert_eq!(answer.status, 400, "{name:?}: {}", answer.text());
        let fields = format!(
            "csrf={}&do=account&name={}&password=battery+staple&owner=true&back=/people",
            browser.csrf,
            name.replace(' ', "+"),
        );
        let answer = browser.submits("/act", &fields);
        assert_eq!(answer.status, 400, "{name:?}: {}", answer.text());
    }
    assert_eq!(house.tries("Anna", PASSWORD).status, 303);
}

#[test]
fn owners_let_others_in_and_out_and_one_owner_stays() {
    let house = FakeHouse::run();
    let ask = |method: &str, path: &str, body: &str| {
        let answer = house.unix(method, &format!("/api/v1/{path}"), body);
        (answer.status, answer.json())
    };
    let new = json!({"name": "Eve", "password": "battery staple"}).to_string();
    let (status, said) = ask("POST", "accounts", &new);
    assert_eq!((status, &said["role"]), (200, &json!("guest")));
    let (_, listed) = ask("GET", "accounts", "");
    let names: Vec<_> = listed["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["Anna", "Ben", "Eve", "Maria"]);
    assert!(!listed.to_string().contains("argon2"), "{listed}");
    assert_eq!(
        ask(
            "POST",
            "accounts",
            r#"{"name": "Eve", "password": "short"}"#
        )
        .0,
        400
    );
    assert_eq!(
        ask(
            "POST",
            "accounts",
            r#"{"name": "E<", "password": "12345678"}"#
        )
        .0,
        400
    );
    assert_eq!(ask("POST", "accounts", "{}").0, 400);
    assert_eq!(ask("DELETE", "accounts/Nobody", "").0, 404);
    assert_eq!(ask("DELETE", "accounts/Maria", "").0, 200);
    assert_eq!(ask("DELETE", "accounts/Anna", "").0, 409);

    let (status, added) = ask("POST", "tokens", r#"{"name": "grafana"}"#);
    assert_eq!(status, 200);
    let token = added["token"].as_str().unwrap();
    let with_token = |path: &str| {
        let (host, bearer) = (house.host(), format!("Bearer {token}"));
        let headers = [("Host", host.as_str()), ("Authorization", &bearer)];
        house.tcp_with("GET", path, &headers, "").status
    };
    assert_eq!(
        (with_token("/metrics"), with_token("/api/v1/sim/outputs")),
        (200, 403)
    );
    assert_eq!(ask("POST", "tokens", r#"{"name": "grafana"}"#).0, 409);
    let (_, listed) = ask("GET", "tokens", "");
    assert!(!listed.to_string().contains(token) && listed.to_string().contains("grafana"));
    assert_eq!(ask("DELETE", "tokens/grafana", "").0, 200);
    assert_eq!(ask("DELETE", "tokens/grafana", "").0, 404);
    assert_eq!(with_token("/metrics"), 401);
}

#[test]
fn metrics_are_for_any_token_and_simulated_devices_for_owners() {
    let house = FakeHouse::run();
    let host = house.host();
    let status = |path: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("Host", host.as_str()), ("Authorization", &bearer)];
        house.tcp_with("GET", path, &headers, "").status
    };
    assert_eq!(status("/metrics", GUESTS_TOKEN), 200);
    assert_eq!(status("/api/v1/sim/outputs", GUESTS_TOKEN), 403);
    assert_eq!(status("/api/v1/sim/outputs", OWNERS_TOKEN), 200);
    assert_eq!(house.unix("GET", "/api/v1/sim/outputs", "").status, 200);
    assert_eq!(
        house
            .logs_in("Anna")
            .asks("GET", "/api/v1/sim/outputs", "")
            .status,
        200
    );
}

#[test]
fn the_first_visit_at_this_machine_sets_the_password_and_logs_in() {
    let house = FakeHouse::first_visit();
    let (host, path) = (house.host(), "/welcome");
    let browser = [("Host", host.as_str()), ("Accept", "text/html")];
    for led in ["/", "/login"] {
        let answer = house.tcp_with("GET", led, &browser, "");
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some(path)),
            "{led}"
        );
    }
    let page = house.tcp_with("GET", path, &browser, "");
    assert_eq!(page.status, 200);
    assert!(!page.text().contains("name=\"code\""), "{}", page.text());
    let sets = |password: &str, again: &str| {
        house.form(
            path,
            &[],
            &format!("name=Anna&password={password}&again={again}"),
        )
    };
    assert_eq!(sets("12345678", "12345679").status, 400);
    assert_eq!(sets("1234567", "1234567").status, 400);
    let answer = sets("12345678", "12345678");
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert!(
        answer
            .header("set-cookie")
            .unwrap()
            .starts_with("asfaleia=")
    );
    assert_eq!(sets("12345678", "12345678").status, 409);
    let page = house.tcp_with("GET", path, &browser, "");
    assert_eq!(
        (page.status, page.header("location")),
        (303, Some("/login"))
    );
}

#[test]
fn behind_a_proxy_the_first_visit_needs_the_code() {
    let house = FakeHouse::first_visit_behind_a_proxy();
    let code = house.logins.first_code().unwrap();
    let host = house.host();
    let page = house.tcp_with("GET", "/welcome", &[("Host", &host)], "");
    assert!(page.text().contains("name=\"code\""), "{}", page.text());
    let sets = |code: &str| {
        let fields = format!("name=Eve&password=12345678&again=12345678&code={code}");
        house.form("/welcome", &[], &fields).status
    };
    assert_eq!(sets(""), 401);
    assert_eq!(sets(&code), 429, "slowed as log-ins are");
    house.clock.pass(1);
    assert_eq!(sets(&code.to_lowercase().replace('-', "+")), 303);
    assert_eq!(sets(&code), 409, "it was for once");
}

#[test]
fn a_simulator_asks_for_no_login() {
    let house = FakeHouse::simulate();
    for path in ["/login", "/welcome"] {
        let page = house.tcp("GET", path, "");
        assert_eq!(
            (page.status, page.header("location")),
            (303, Some("/")),
            "{path}"
        );
    }
    let answer = house.form("/welcome", &[], "name=Eve&password=12345678&again=12345678");
    assert_eq!(answer.header("set-cookie"), None);
}

#[test]
fn behind_a_proxy_each_client_counts_by_itself_by_what_the_proxy_says_last() {
    let house = FakeHouse::behind_a_proxy();
    let tries = |from: &str, password: &str| {
        let fields = format!("name=Anna&password={password}");
        house
            .form("/login", &[("X-Forwarded-For", from)], &fields)
            .status
    };
    assert_eq!(tries("203.0.113.9, 192.0.2.1", "wrong"), 401);
    // What stands before the proxy's own word anybody may have written.
    assert_eq!(tries("203.0.113.8, 192.0.2.1", "wrong"), 429);
    assert_eq!(tries("192.0.2.2", "correct+horse"), 303);
    // A proxy that says nothing is slowed, and never locked.
    for _ in 0..20 {
        assert_eq!(tries("nonsense", "wrong"), 401);
        house.clock.pass(10);
    }
    assert_eq!(tries("", "correct+horse"), 303);
}

#[test]
fn without_a_proxy_nobody_writes_where_they_come_from() {
    let house = FakeHouse::run();
    assert_eq!(house.tries("Anna", "wrong").status, 401);
    let claimed = house.form(
        "/login",
        &[("X-Forwarded-For", "192.0.2.77")],
        "name=Anna&password=wrong",
    );
    assert_eq!(claimed.status, 429);
}

#[test]
fn a_proxy_that_a_reload_names_is_believed_with_the_next_start() {
    let house = FakeHouse::run();
    assert_eq!(house.tcp("GET", "/healthz", "").status, 200, "it serves");
    house.reconfigure(|config| config.web = Some(proxied()));
    let elsewhere = house.tcp_with("GET", "/healthz", &[("Host", "evil.example")], "");
    assert_eq!(elsewhere.status, 403);
    assert_eq!(house.tries("Anna", "wrong").status, 401);
    let claimed = house.form(
        "/login",
        &[("X-Forwarded-For", "192.0.2.77")],
        "name=Anna&password=wrong",
    );
    assert_eq!(claimed.status, 429);
}

#[test]
fn every_page_of_a_session_carries_its_proof_and_the_way_out() {
    let house = FakeHouse::run();
    let browser = house.logs_in("Ben");
    let page = browser.asks_with("GET", "/", &[("Accept", "text/html")], "");
    assert_eq!(page.status, 200, "{}", page.text());
    let meta = format!("<meta name=\"csrf-token\" content=\"{}\">", browser.csrf);
    assert!(page.text().contains(&meta), "{}", page.text());
    assert!(page.text().contains("action=\"/logout\"") && page.text().contains("as Ben"));
    // Without JavaScript, too.
    let acts = |csrf: &str| {
        browser
            .submits("/act", &format!("do=ack&csrf={csrf}"))
            .status
    };
    assert_eq!(acts("0"), 403);
    assert!(house.asked.try_recv().is_err(), "the panel was asked");
    assert_eq!(acts(&browser.csrf), 303);
    assert_eq!(house.last_asked().1.name.as_deref(), Some("Ben"));
}
