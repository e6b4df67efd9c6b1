//! What must not work.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::SocketAddr;

use asfaleia::web;

use super::house::{FakeHouse, OWNERS_TOKEN, PASSWORD};
use super::login::FORM;
use super::wire::{DEADLINE, read_answer};

/// Every path of the router, with a number in the place of what is in braces.
fn paths() -> Vec<String> {
    let filled = |path: &str| {
        let parts = path.split('/').map(|part| match part.starts_with('{') {
            true => "1",
            false => part,
        });
        parts.collect::<Vec<_>>().join("/")
    };
    let paths: BTreeSet<String> = web::routes().iter().map(|(_, path)| filled(path)).collect();
    assert!(paths.len() > 35, "{paths:?}");
    paths.into_iter().collect()
}

#[test]
fn nothing_is_answered_without_a_login_but_health_login_and_static_files() {
    let house = FakeHouse::run();
    let host = format!("127.0.0.1:{}", house.address.port());
    let origin = format!("http://{host}");
    for path in paths() {
        let is_open = matches!(path.as_str(), "/healthz" | "/login" | "/welcome")
            || path.starts_with("/static/")
            || path == "/style.css";
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let headers = [
                ("Host", host.as_str()),
                ("Origin", &origin),
                ("Content-Type", "application/json"),
            ];
            // A page's head is its page's, and the document knows no other methods.
            if is_open && method == "HEAD" {
                continue;
            }
            let answer = house.tcp_with(method, &path, &headers, "");
            if is_open {
                let text = answer.text();
                assert!(
                    !text.contains("hall"),
                    "{method} {path} tells of the house: {text}"
                );
                continue;
            }
            assert_eq!(answer.status, 401, "{method} {path}");
        }
        if is_open {
            continue;
        }
        let browser = [("Host", host.as_str()), ("Accept", "text/html,*/*")];
        let led = house.tcp_with("GET", &path, &browser, "");
        let wanted = if path.starts_with("/api/") { 401 } else { 303 };
        assert_eq!(led.status, wanted, "{path}");
    }
    assert!(house.asked.try_recv().is_err(), "the panel was asked");
}

#[test]
fn what_changes_something_comes_from_a_page_of_the_same_session() {
    let house = FakeHouse::run();
    let (anna, other) = (house.logs_in("Anna"), house.logs_in("Anna"));
    assert_ne!(anna.csrf, other.csrf);
    let wrong: [&[(&str, &str)]; 5] = [
        &[],
        &[("X-CSRF-Token", "")],
        &[("X-CSRF-Token", "0")],
        &[("X-CSRF-Token", &other.csrf)],
        &[("Content-Type", FORM)],
    ];
    for (method, path) in [
        ("POST", "/api/v1/disarm"),
        ("POST", "/api/v1/reload"),
        ("DELETE", "/api/v1/people/Anna"),
        ("POST", "/api/v1/tokens"),
        ("POST", "/api/v1/accounts"),
        ("PUT", "/api/v1/sim/sensors/hall"),
        ("POST", "/"),
    ] {
        for headers in wrong {
            let answer = anna.asks_with(method, path, headers, "");
            assert_eq!(
                answer.status,
                403,
                "{method} {path} {headers:?}: {}",
                answer.text()
            );
        }
    }
    for fields in ["", "csrf=", "csrf=0", &format!("csrf={}", other.csrf)] {
        assert_eq!(anna.submits("/logout", fields).status, 403, "{fields}");
    }
    assert!(house.asked.try_recv().is_err(), "the panel was asked");
    assert_eq!(anna.asks("POST", "/api/v1/disarm", "").status, 200);
    // A program's token is no cookie: no page elsewhere can send it.
    let host = format!("127.0.0.1:{}", house.address.port());
    let bearer = format!("Bearer {OWNERS_TOKEN}");
    let program = [("Host", host.as_str()), ("Authorization", &bearer)];
    assert_eq!(
        house
            .tcp_with("POST", "/api/v1/disarm", &program, "")
            .status,
        200
    );
    // Whoever shows a wrong token is not taken for the cookie's owner.
    let mixed = [
        ("Authorization", "Bearer nonsense"),
        ("X-CSRF-Token", &anna.csrf),
    ];
    assert_eq!(
        anna.asks_with("POST", "/api/v1/disarm", &mixed, "").status,
        401
    );
}

#[test]
fn a_form_of_a_page_elsewhere_neither_logs_in_nor_sets_the_first_password() {
    let house = FakeHouse::first_visit();
    let host = format!("127.0.0.1:{}", house.address.port());
    for origin in [None, Some("null"), Some("http://evil.example")] {
        let mut headers = vec![("Host", host.as_str()), ("Content-Type", FORM)];
        headers.extend(origin.map(|origin| ("Origin", origin)));
        let fields = "name=Eve&password=12345678&again=12345678";
        assert_eq!(
            house.tcp_with("POST", "/welcome", &headers, fields).status,
            403
        );
        assert_eq!(
            house.tcp_with("POST", "/login", &headers, fields).status,
            403
        );
    }
    assert!(!house.logins.has_owner());
}

#[test]
fn a_session_that_somebody_else_chose_is_none_and_each_login_begins_a_new_one() {
    let house = FakeHouse::run();
    let chosen = "a".repeat(64);
    let planted = [("Cookie", format!("asfaleia={chosen}"))];
    let planted = [(planted[0].0, planted[0].1.as_str())];
    let fields = format!("name=Anna&password={}", PASSWORD.replace(' ', "+"));
    let answer = house.form("/login", &planted, &fields);
    assert_eq!(answer.status, 303);
    let cookie = answer.header("set-cookie").unwrap();
    assert!(!cookie.contains(&chosen));
    assert!(house.logins.session(&chosen).is_none());
    let again = house.form("/login", &[("Cookie", cookie)], &fields);
    assert_ne!(again.header("set-cookie"), Some(cookie));
}

#[test]
fn a_stolen_cookie_is_worth_nothing_after_its_owner_logged_out() {
    let house = FakeHouse::run();
    let (anna, telephone, ben) = (
        house.logs_in("Anna"),
        house.logs_in("Anna"),
        house.logs_in("Ben"),
    );
    let port = house.address.port();
    let mut stream = house.connect_tcp();
    write!(
        stream,
        "GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {}\r\n\r\n",
        anna.cookie
    )
    .unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");

    let out = telephone.submits("/logout", &format!("csrf={}&everywhere=1", telephone.csrf));
    assert_eq!(out.status, 303);
    for stolen in [&anna, &telephone] {
        assert_eq!(stolen.asks("GET", "/api/v1/status", "").status, 401);
        assert_eq!(stolen.asks("POST", "/api/v1/disarm", "").status, 401);
    }
    // What it looked on at ends too, within the deadline of the wire; the connection stays for an
    // answer that says so.
    write!(
        stream,
        "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(String::from_utf8_lossy(&rest).ends_with("ok\n"));
    assert_eq!(ben.asks("GET", "/api/v1/status", "").status, 200);
}

#[test]
fn a_cookie_is_for_this_address_alone_and_for_no_script() {
    let house = FakeHouse::run();
    let answer = house.tries("Anna", PASSWORD);
    let cookie = answer.header("set-cookie").unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    let (name, secret) = pair.split_once('=').unwrap();
    assert_eq!(name, "asfaleia");
    assert!(secret.len() == 64 && secret.bytes().all(|it| it.is_ascii_hexdigit()));
    assert_eq!(
        attributes,
        "Path=/; Max-Age=34560000; HttpOnly; SameSite=Strict"
    );

    let house = FakeHouse::behind_a_proxy();
    let answer = house.tries("Anna", PASSWORD);
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-asfaleia="), "{cookie}");
    assert!(
        cookie.ends_with("; HttpOnly; SameSite=Strict; Secure"),
        "{cookie}"
    );
}

#[test]
fn a_photos_name_leads_nowhere_else() {
    let house = FakeHouse::run();
    let anna = house.logs_in("Anna");
    for name in [
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%5c..%5cetc%5cpasswd",
        "../../etc/passwd",
        "....//....//etc/passwd",
        "%00",
        "8%00.jpg",
        "8.jpg",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "%c0%ae%c0%ae%c0%afetc",
        "-1",
        "8%20",
        "0x8",
        "99999999999999999999",
        "8/../8",
        "%ff",
    ] {
        for path in [
            format!("/api/v1/photos/{name}"),
            format!("/api/v1/incidents/{name}"),
        ] {
            let answer = anna.asks("GET", &path, "");
            assert!(
                matches!(answer.status, 400 | 404),
                "{path}: {}",
                answer.status
            );
            answer.error();
        }
    }
    let host = format!("127.0.0.1:{}", house.address.port());
    let stranger = house.tcp_with("GET", "/api/v1/photos/8", &[("Host", &host)], "");
    assert_eq!(stranger.status, 401);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_looked_at() {
    let house = FakeHouse::run();
    let anna = house.logs_in("Anna");
    let long = "x".repeat(64 * 1024);
    assert_eq!(house.tries("Anna", &long).status, 413);
    assert_eq!(
        anna.submits("/logout", &format!("csrf={}&everywhere={long}", anna.csrf))
            .status,
        413
    );
    let body = format!(r#"{{"name": "{long}"}}"#);
    assert_eq!(anna.asks("POST", "/api/v1/tokens", &body).status, 413);
    // A head that never ends is cut off.
    let mut wire = house.connect_tcp();
    write!(wire, "GET /api/v1/status HTTP/1.1\r\nX-Long: ").unwrap();
    let endless = vec![b'x'; 16 * 1024];
    let mut sent = 0;
    while sent < 64 * 1024 * 1024 && wire.write_all(&endless).is_ok() {
        sent += endless.len();
    }
    assert!(sent < 64 * 1024 * 1024, "it is read for ever");
    assert_eq!(house.tcp("GET", "/healthz", "").status, 200);
}

/// A connection from another address of this machine.
fn connect_from(house: &FakeHouse, from: &str) -> Box<dyn super::wire::Wire> {
    let from: SocketAddr = format!("{from}:0").parse().unwrap();
    let stream = house.runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(from).unwrap();
        socket
            .connect(house.address)
            .await
            .unwrap()
            .into_std()
            .unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    Box::new(stream)
}

#[test]
fn slow_clients_take_no_more_than_their_share_and_are_hung_up_on() {
    let house = FakeHouse::run();
    let port = house.address.port();
    let mut slow: Vec<_> = (0..300)
        .map(|_| {
            let mut wire = connect_from(&house, "127.0.0.2");
            // Those beyond their share are hung up on at once.
            let _ = wire.write_all(b"GET /api/v1/status HTTP/1.1\r\nX-Slow: ");
            wire
        })
        .collect();
    let healthy = |from: &str| {
        let mut wire = connect_from(&house, from);
        write!(
            wire,
            "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        read_answer(wire).status
    };
    assert_eq!(healthy("127.0.0.1"), 200);
    assert_eq!(healthy("127.0.0.3"), 200);
    for wire in &mut slow {
        let mut said = Vec::new();
        match wire.read_to_end(&mut said) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
    assert_eq!(healthy("127.0.0.2"), 200);
}

#[test]
fn a_connection_that_asks_nothing_more_is_hung_up_on() {
    let house = FakeHouse::run();
    let mut wire = house.connect_tcp();
    let port = house.address.port();
    write!(
        wire,
        "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
    )
    .unwrap();
    let mut said = Vec::new();
    wire.read_to_end(&mut said).unwrap();
    assert!(String::from_utf8_lossy(&said).ends_with("ok\n"));
}

#[test]
fn pages_run_no_script_of_others_and_stand_in_nobodys_frame() {
    let house = FakeHouse::run();
    for path in ["/login", "/welcome", "/", "/api/v1/status", "/nothing"] {
        let answer = house.tcp("GET", path, "");
        let policy = answer.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(
            !policy.contains("unsafe") && !policy.contains('*'),
            "{path}: {policy}"
        );
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
    }
}

#[test]
fn what_was_typed_comes_back_as_text_or_not_at_all() {
    let house = FakeHouse::run();
    for name in [
        "%3Cscript%3Ealert(1)%3C/script%3E",
        "%0d%0aSet-Cookie:+a=b",
        "%F0%9F%98%80%22%27",
    ] {
        let answer = house.tries(name, "wrong one");
        assert_eq!(answer.status, 401, "{name}");
        assert!(!answer.text().contains("<script") && answer.header("set-cookie").is_none());
        house.clock.pass(90);
    }
}

/// What an owner may write, and somebody who edits the owner's file.
const NASTY: &str = "\"><script>alert('1')</script>&\u{1f600}";

#[test]
fn names_break_out_of_neither_page_nor_metrics_nor_json() {
    let house = FakeHouse::simulate();
    for name in [NASTY.to_owned(), "x".repeat(10_000), NASTY.repeat(300)] {
        house.change_status(|snapshot| {
            snapshot.status.sensors[0].name = name.as_str().into();
            snapshot.status.troubles[0].0.text = name.clone();
        });
        let page = house.tcp("GET", "/", "");
        assert_eq!(page.status, 200);
        assert!(!page.text().contains("<script>alert"), "{}", page.text());
        let status = house.tcp("GET", "/api/v1/status", "").json();
        assert_eq!(status["sensors"][0]["name"], name);
        let metrics = house.tcp("GET", "/metrics", "").text();
        for line in metrics.lines().filter(|line| line.contains("script")) {
            assert!(line.contains("sensor=\"\\\"><script>"), "{line}");
        }
    }
}
