//! Who is kept out, and what does not fit.

use std::io::{Read, Write};

use asfaleia::web::{SocketError, bind_socket};

use super::house::FakeHouse;
use super::wire::read_answer;

#[test]
fn a_web_page_elsewhere_cannot_use_the_house() {
    let house = FakeHouse::simulate();
    let port = house.address.port();
    let ours = format!("127.0.0.1:{port}");
    let rebound = format!("evil.example:{port}");
    for headers in [
        // Another page asks: its browser says so.
        vec![("Host", ours.as_str()), ("Origin", "http://evil.example")],
        vec![("Host", &ours), ("Origin", "null")],
        vec![("Host", &ours), ("Origin", "http://127.0.0.1:1")],
        // A name that was made to point here.
        vec![("Host", &rebound)],
        vec![("Host", "127.0.0.1:1")],
        vec![("Host", "127.0.0.1")],
    ] {
        for (method, path) in [
            ("POST", "/api/v1/disarm"),
            ("GET", "/"),
            ("GET", "/healthz"),
        ] {
            let answer = house.tcp_with(method, path, &headers, "");
            assert_eq!(answer.status, 403, "{headers:?} {path}");
        }
        house
            .tcp_with("POST", "/api/v1/disarm", &headers, "")
            .error();
    }
    assert!(house.asked.try_recv().is_err(), "the panel was asked");
}

#[test]
fn our_own_page_may() {
    let house = FakeHouse::simulate();
    let port = house.address.port();
    for name in ["127.0.0.1", "localhost", "[::1]"] {
        let host = format!("{name}:{port}");
        let origin = format!("http://{host}");
        let headers = [("Host", host.as_str()), ("Origin", &origin)];
        let answer = house.tcp_with("POST", "/api/v1/disarm", &headers, "");
        assert_eq!(answer.status, 200, "{host}: {}", answer.text());
    }
}

#[test]
fn a_request_has_one_host() {
    let house = FakeHouse::simulate();
    let ours = format!("127.0.0.1:{}", house.address.port());
    let twice = [("Host", ours.as_str()), ("Host", "evil.example")];
    assert_eq!(house.tcp_with("GET", "/", &twice, "").status, 400);
    assert_eq!(house.tcp_with("GET", "/", &[], "").status, 400);
    // The other way to name a host.
    let absolute = "http://evil.example/api/v1/status";
    let answer = house.tcp_with("GET", absolute, &[("Host", &ours)], "");
    assert_eq!(answer.status, 403);
}

#[test]
fn bodies_over_tcp_are_json_and_say_so() {
    let house = FakeHouse::simulate();
    let host = format!("127.0.0.1:{}", house.address.port());
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
    ] {
        let headers = [("Host", host.as_str()), ("Content-Type", kind)];
        let answer = house.tcp_with("POST", "/api/v1/disarm", &headers, "{}");
        assert_eq!(answer.status, 415, "{kind}");
        answer.error();
    }
    let answer = house.tcp_with("POST", "/api/v1/disarm", &[("Host", &host)], "{}");
    assert_eq!(answer.status, 415);
    let headers = [
        ("Host", host.as_str()),
        ("Content-Type", "Application/JSON; charset=utf-8"),
    ];
    let answer = house.tcp_with("POST", "/api/v1/disarm", &headers, "{}");
    assert_eq!(answer.status, 200);
}

#[test]
fn a_body_is_64_kilobytes_at_most() {
    let house = FakeHouse::simulate();
    let padded = |length: usize| format!("{{{}}}", " ".repeat(length - 2));
    let fits = house.tcp("POST", "/api/v1/disarm", &padded(64 * 1024));
    assert_eq!(fits.status, 200);
    for length in [64 * 1024 + 1, 500_000] {
        let answer = house.tcp("POST", "/api/v1/disarm", &padded(length));
        assert_eq!(answer.status, 413, "{length}");
        answer.error();
    }
}

#[test]
fn wrong_paths_and_methods_are_told_in_json() {
    let house = FakeHouse::simulate();
    for path in ["/api/v1/nothing", "/api/v2/status", "/api/v1/", "/nothing"] {
        let answer = house.tcp("GET", path, "");
        assert_eq!(answer.status, 404, "{path}");
        answer.error();
    }
    for (method, path) in [
        ("GET", "/api/v1/disarm"),
        ("POST", "/api/v1/status"),
        ("DELETE", "/api/v1/sim/sensors/hall"),
        ("POST", "/"),
    ] {
        let answer = house.tcp(method, path, "");
        assert_eq!(answer.status, 405, "{method} {path}");
        assert!(answer.header("allow").is_some());
        answer.error();
    }
}

#[test]
fn tcp_under_run_asks_for_a_token_and_says_what_to_do_without() {
    let house = FakeHouse::run();
    for (method, path) in [
        ("GET", "/api/v1/status"),
        ("POST", "/api/v1/disarm"),
        ("GET", "/api/v1/stream"),
        ("GET", "/api/v1/photos/8"),
        ("PUT", "/api/v1/sim/sensors/hall"),
        ("GET", "/api/v1/nothing"),
        ("GET", "/metrics"),
    ] {
        let answer = house.tcp(method, path, "");
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert!(answer.error().contains("asfaleia status"), "{path}");
    }
    assert_eq!(house.tcp("GET", "/", "").status, 401);
    assert_eq!(house.tcp("GET", "/healthz", "").status, 200);

    let host = format!("127.0.0.1:{}", house.address.port());
    let browser = [("Host", host.as_str()), ("Accept", "text/html,*/*;q=0.8")];
    let page = house.tcp_with("GET", "/", &browser, "");
    assert_eq!(page.status, 303);
    assert_eq!(page.header("location"), Some("/login"));
    assert!(!page.text().contains("hall"), "a stranger sees nothing");
    for wrong in [
        "Bearer nonsense",
        "Bearer ",
        "Basic an-owners-token",
        "an-owners-token",
    ] {
        let headers = [("Host", host.as_str()), ("Authorization", wrong)];
        let answer = house.tcp_with("GET", "/api/v1/status", &headers, "");
        assert_eq!(answer.status, 401, "{wrong}");
    }
    assert_eq!(house.unix("GET", "/api/v1/status", "").status, 200);
}

#[test]
fn no_answer_is_kept_in_a_cache_or_sniffed() {
    let house = FakeHouse::simulate();
    for path in ["/api/v1/status", "/api/v1/nothing", "/api/v1/photos/8"] {
        let answer = house.tcp("GET", path, "");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

#[test]
fn half_a_request_disturbs_nobody() {
    let house = FakeHouse::simulate();
    let mut slow = house.connect_tcp();
    write!(slow, "GET /api/v1/status HTTP/1.1\r\nHo").unwrap();
    assert_eq!(house.tcp("GET", "/api/v1/status", "").status, 200);
    write!(
        slow,
        "st: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
        house.address.port()
    )
    .unwrap();
    assert_eq!(read_answer(slow).status, 200);
}

#[test]
fn the_socket_is_for_its_user_and_group() {
    use std::os::unix::fs::PermissionsExt;
    let house = FakeHouse::run();
    let mode = std::fs::metadata(&house.socket)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
}

#[test]
fn a_socket_that_somebody_answers_at_is_left_alone_and_a_stale_one_is_replaced() {
    let house = FakeHouse::run();
    let _on_the_runtime = house.runtime.enter();
    assert!(matches!(
        bind_socket(&house.socket),
        Err(SocketError::InUse(_))
    ));
    assert_eq!(house.unix("GET", "/api/v1/status", "").status, 200);

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    // As a kill leaves it: the file is there, nobody listens.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let socket = bind_socket(&path).unwrap();
    assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
    drop(socket);
    assert!(!path.exists(), "an ordered stop leaves no socket behind");

    std::fs::write(&path, "somebody's letters").unwrap();
    assert!(matches!(
        bind_socket(&path),
        Err(SocketError::NotASocket(_))
    ));
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "somebody's letters"
    );

    let nowhere = directory.path().join("no/such/directory/s");
    let error = bind_socket(&nowhere).unwrap_err().to_string();
    assert!(
        error.contains("directory") && error.contains("--socket"),
        "{error}"
    );
}

#[test]
fn clients_that_say_nothing_more_are_hung_up_on() {
    let house = FakeHouse::simulate();
    let port = house.address.port();
    let mut silent = house.connect_tcp();
    let mut half_a_head = house.connect_tcp();
    write!(half_a_head, "GET /api/v1/status HTTP/1.1\r\nHo").unwrap();
    let mut half_a_body = house.connect_tcp();
    write!(
        half_a_body,
        "POST /api/v1/disarm HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 9\r\n\r\n{{"
    )
    .unwrap();
    for wire in [&mut silent, &mut half_a_head] {
        let mut said = Vec::new();
        // The end comes, or a reset; a time-out of ours would be `WouldBlock`.
        match wire.read_to_end(&mut said) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
    assert_eq!(read_answer(half_a_body).status, 408);
    assert!(house.asked.try_recv().is_err(), "the panel was asked");
}

#[test]
fn a_form_says_that_a_page_of_ours_sent_it() {
    let house = FakeHouse::simulate();
    let host = format!("127.0.0.1:{}", house.address.port());
    let origin = format!("http://{host}");
    let form = |from: (&str, &str)| {
        let headers = [
            ("Host", host.as_str()),
            ("Content-Type", "application/x-www-form-urlencoded"),
            from,
        ];
        house.tcp_with("POST", "/logout", &headers, "a=b").status
    };
    assert_eq!(form(("X-Nothing", "")), 403);
    assert_eq!(form(("Origin", "null")), 403);
    assert_eq!(form(("Origin", "http://evil.example")), 403);
    assert_eq!(form(("Sec-Fetch-Site", "cross-site")), 403);
    assert_eq!(form(("Origin", &origin)), 303);
    assert_eq!(form(("Sec-Fetch-Site", "same-origin")), 303);
}
