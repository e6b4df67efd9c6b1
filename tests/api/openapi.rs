//! The document of the API is true: it names every route and no other, and what it says of an answer
//! is what is answered. (Each answer of the other tests is held against it, too: `document`.)

use std::collections::BTreeSet;
use std::io::Write;

use asfaleia::alarm::Answer;
use asfaleia::web;
use serde_json::{Value, json};

use super::document::{DOCUMENT, GIVEN, hold, resolved};
use super::house::FakeHouse;
use super::wire::read_answer;

/// What this test cannot bring about, and who does.
const GIVEN_ELSEWHERE: [&str; 4] = [
    // With a reader: tests/service/finger.rs.
    "DELETE /api/v1/fingers/unknown 200",
    // The system has no random numbers, or no memory: nobody.
    "POST /api/v1/people/{name}/pin 500",
    "POST /api/v1/accounts 500",
    "POST /api/v1/tokens 500",
];

/// One operation of the document.
struct Operation {
    method: String,
    path: &'static str,
    says: &'static Value,
}

fn operations() -> Vec<Operation> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let operation = |(path, methods): (&'static String, &'static Value)| {
        let methods = methods.as_object().unwrap();
        methods.iter().map(move |(method, says)| Operation {
            method: method.to_ascii_uppercase(),
            path,
            says,
        })
    };
    paths.iter().flat_map(operation).collect()
}

impl Operation {
    /// Its path with the document's examples filled in.
    fn example_path(&self) -> String {
        let parameters = self.says["parameters"].as_array();
        let mut path = self.path.to_owned();
        for parameter in parameters.into_iter().flatten().map(resolved) {
            let example = match &parameter["example"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let name = parameter["name"].as_str().unwrap();
            path = path.replace(&format!("{{{name}}}"), &example);
        }
        path
    }

    /// The document's example of a body; faces, which are long, are made here.
    fn example_body(&self) -> String {
        let content = &self.says["requestBody"]["content"]["application/json"];
        match self.says["operationId"].as_str().unwrap() {
            "closestFace" => json!({ "embedding": vec![0.5; 128] }).to_string(),
            "enrolFace" => json!({ "views": vec![vec![0.5; 128]; 5] }).to_string(),
            _ if content.is_null() => String::new(),
            _ if content["example"].is_null() => "{}".to_owned(),
            _ => content["example"].to_string(),
        }
    }

    fn knows(&self, status: &str) -> bool {
        !self.says["responses"][status].is_null()
    }

    fn takes_a_body(&self) -> bool {
        !self.says["requestBody"].is_null()
    }

    /// Asks as the document's examples say.
    fn ask(&self, house: &FakeHouse) -> u16 {
        let (path, body) = (self.example_path(), self.example_body());
        house.tcp(&self.method, &path, &body).status
    }
}

#[test]
fn the_document_names_every_route_and_no_other() {
    let is_for_programs =
        |path: &str| path.starts_with("/api/") || ["/healthz", "/metrics"].contains(&path);
    let routes: BTreeSet<String> = web::routes()
        .iter()
        .filter(|(_, path)| is_for_programs(path))
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    let documented: BTreeSet<String> = operations()
        .iter()
        .map(|it| format!("{} {}", it.method, it.path))
        .collect();
    let missing: Vec<_> = routes.difference(&documented).collect();
    let gone: Vec<_> = documented.difference(&routes).collect();
    assert!(missing.is_empty(), "src/web/openapi.json lacks {missing:?}");
    assert!(
        gone.is_empty(),
        "src/web/openapi.json has {gone:?}, which are no routes"
    );
}

#[test]
fn the_document_is_served_as_it_lies_there() {
    let house = FakeHouse::simulate();
    let answer = house.tcp("GET", "/api/v1/openapi.json", "");
    assert_eq!(answer.text(), web::openapi());
    assert_eq!(
        FakeHouse::run()
            .tcp("GET", "/api/v1/openapi.json", "")
            .status,
        401
    );
}

#[test]
fn every_example_of_an_answer_is_one() {
    for it in operations() {
        for (status, answer) in it.says["responses"].as_object().unwrap() {
            let content = resolved(answer)["content"].as_object().unwrap();
            for (kind, content) in content.iter().filter(|(_, it)| !it["example"].is_null()) {
                let body = match &content["example"] {
                    Value::String(text) => text.clone(),
                    example => example.to_string(),
                };
                let status = status.parse().unwrap();
                hold(
                    &it.method,
                    &it.example_path(),
                    status,
                    Some(kind),
                    body.as_bytes(),
                );
            }
        }
    }
}

/// Every operation is asked in every way that the document knows an answer to.
#[test]
fn every_answer_that_the_document_knows_is_given() {
    let mut house = FakeHouse::simulate();
    let all = operations();
    // What the panel, or nobody, says; who may log in is a matter of its own.
    let with = |status: &'static str| {
        let all = all.iter().filter(|it| it.says["tags"][0] != "logins");
        all.filter(move |it| it.knows(status))
    };

    refusals_of_the_guard(&house, &all);
    let slow: Vec<_> = (all.iter().filter(|it| it.takes_a_body()))
        .map(|it| (it, half_a_body(&house, it)))
        .collect();
    bodies_that_are_none(&house, &all);

    house.reloads(Ok("nothing has changed".to_owned()));
    // Somebody has to be there before they can be forgotten, and open streams have no end to read.
    for it in all
        .iter()
        .filter(|it| it.method != "DELETE" && !it.path.ends_with("/stream"))
    {
        assert_eq!(it.ask(&house), 200, "{} {}", it.method, it.path);
    }
    house.stream("", "").next_status();
    let answers = [
        (Answer::Refused(vec!["the door is open".to_owned()]), "409"),
        (Answer::TooSoon("wait 90 s".to_owned()), "429"),
    ];
    for (answer, status) in answers {
        house.answer(answer);
        for it in with(status) {
            assert_eq!(
                it.ask(&house).to_string(),
                status,
                "{} {}",
                it.method,
                it.path
            );
        }
    }
    house.reloads(Err("line 3: no such key".to_owned()));
    with("422").for_each(|it| assert_eq!(it.ask(&house), 422));
    let forget = all
        .iter()
        .find(|it| it.says["operationId"] == "forget")
        .unwrap();
    assert_eq!((forget.ask(&house), forget.ask(&house)), (200, 404));

    for path in ["incidents/99", "photos/99", "sim/mails/9/attachments/0"] {
        assert_eq!(house.tcp("GET", &format!("/api/v1/{path}"), "").status, 404);
    }
    let real = FakeHouse::without_devices();
    for it in with("404").filter(|it| it.path.contains("/sim/")) {
        let answer = real.unix(&it.method, &it.example_path(), &it.example_body());
        assert_eq!(answer.status, 404, "{} {}", it.method, it.path);
    }

    logins(&house);
    let enrol = all
        .iter()
        .find(|it| it.says["operationId"] == "enrolPin")
        .unwrap();
    assert_eq!(enrol.ask(&house), 200);
    house.breaks();
    for it in with("503").chain(with("500").filter(|it| !it.knows("503"))) {
        let body = it.example_body().replace("2580", "1379");
        let status = house.tcp(&it.method, &it.example_path(), &body).status;
        assert!(
            [500, 503].contains(&status),
            "{} {}: {status}",
            it.method,
            it.path
        );
    }

    for (method, path, body) in [
        (
            "POST",
            "accounts",
            r#"{"name": "Ada", "password": "12345678"}"#,
        ),
        ("DELETE", "accounts/Ben", ""),
        ("POST", "tokens", r#"{"name": "not kept"}"#),
        ("DELETE", "tokens/a%20tablet", ""),
    ] {
        let answer = house.tcp(method, &format!("/api/v1/{path}"), body);
        assert_eq!(answer.status, 503, "{method} {path}");
    }
    for (it, wire) in slow {
        let answer = read_answer(wire);
        assert_eq!(answer.status, 408, "{} {}", it.method, it.path);
        let kind = answer.header("content-type");
        hold(&it.method, &it.example_path(), 408, kind, &answer.body);
    }
    let given = GIVEN.lock().unwrap();
    let unheard: Vec<String> = (all.iter())
        .flat_map(|it| {
            let statuses = it.says["responses"].as_object().unwrap().keys();
            statuses.map(|status| format!("{} {} {status}", it.method, it.path))
        })
        .filter(|it| !given.contains(it) && !GIVEN_ELSEWHERE.contains(&it.as_str()))
        .collect();
    assert!(
        unheard.is_empty(),
        "documented, and never answered: {unheard:#?}"
    );
}

/// Accounts and tokens: what is not there, is there already, must stay, and wrong passwords.
fn logins(house: &FakeHouse) {
    for (method, path, body, status) in [
        ("POST", "tokens", r#"{"name": "grafana"}"#, 409),
        ("DELETE", "tokens/grafana", "", 200),
        ("DELETE", "tokens/grafana", "", 404),
        ("DELETE", "accounts/Nobody", "", 404),
        ("DELETE", "accounts/Maria", "", 200),
        ("DELETE", "accounts/Anna", "", 409),
        (
            "POST",
            "accounts",
            r#"{"name": "Anna", "password": "12345678", "role": "guest"}"#,
            409,
        ),
    ] {
        let answer = house.tcp(method, &format!("/api/v1/{path}"), body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }
    let run = FakeHouse::run();
    let browser = run.logs_in("Anna");
    let body = r#"{"password": "battery staple", "current": "wrong one"}"#;
    for status in [401, 429] {
        let answer = browser.asks("POST", "/api/v1/accounts", body);
        assert_eq!(answer.status, status);
        let kind = answer.header("content-type");
        hold("POST", "/api/v1/accounts", status, kind, &answer.body);
    }
}

/// 400, 401 and 403, before anything is looked at.
fn refusals_of_the_guard(house: &FakeHouse, all: &[Operation]) {
    let host = format!("127.0.0.1:{}", house.address.port());
    let run = FakeHouse::run();
    for it in all {
        let path = it.example_path();
        assert_eq!(house.tcp_with(&it.method, &path, &[], "").status, 400);
        let elsewhere = [("Host", host.as_str()), ("Origin", "http://evil.example")];
        assert_eq!(
            house.tcp_with(&it.method, &path, &elsewhere, "").status,
            403
        );
        if it.knows("401") {
            assert_eq!(run.tcp(&it.method, &path, "").status, 401, "{path}");
        }
    }
}

/// 413, 415, and 400 for what is no object.
fn bodies_that_are_none(house: &FakeHouse, all: &[Operation]) {
    let host = format!("127.0.0.1:{}", house.address.port());
    for it in all.iter().filter(|it| it.takes_a_body()) {
        let path = it.example_path();
        assert_eq!(
            house.tcp(&it.method, &path, &" ".repeat(65_537)).status,
            413
        );
        let text = [("Host", host.as_str()), ("Content-Type", "text/plain")];
        assert_eq!(house.tcp_with(&it.method, &path, &text, "{}").status, 415);
        for body in ["[]", "{", r#"{"nobody knows this": 1}"#] {
            assert_eq!(
                house.tcp(&it.method, &path, body).status,
                400,
                "{path} {body}"
            );
        }
    }
}

/// A request whose body stays away.
fn half_a_body(house: &FakeHouse, it: &Operation) -> Box<dyn super::wire::Wire> {
    let mut wire = house.connect_tcp();
    let (method, path, port) = (&it.method, it.example_path(), house.address.port());
    write!(
        wire,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
         Content-Length: 9\r\nConnection: close\r\n\r\n{{"
    )
    .unwrap();
    wire
}
