//! Who is known, and who may ask.

use serde_json::json;

use super::house::{FakeHouse, GUESTS_TOKEN, OWNERS_TOKEN};

#[test]
fn an_owner_enrols_lists_and_forgets() {
    let house = FakeHouse::simulate();
    let pin = |name: &str, body: &str| {
        let path = format!("/api/v1/people/{name}/pin");
        house.tcp("POST", &path, body)
    };
    assert_eq!(pin("Anna%20Maria", r#"{"pin": "2580"}"#).status, 200);
    assert_eq!(
        pin("Anna%20Maria", r#"{"pin": "0852", "duress": true}"#).status,
        200
    );
    let taken = pin("Ben", r#"{"pin": "0852"}"#);
    assert_eq!(taken.status, 409);
    assert!(!taken.text().contains("Anna"), "{}", taken.text());
    for (name, body) in [
        ("Ben", "{}"),
        ("Ben", r#"{"pin": "12"}"#),
        ("Ben", r#"{"pin": "12345678901"}"#),
        ("%2E%2E", r#"{"pin": "1470"}"#),
        ("a%2Fb", r#"{"pin": "1470"}"#),
    ] {
        let answer = pin(name, body);
        assert_eq!(answer.status, 400, "{name} {body}: {}", answer.text());
    }
    let listed = house.unix("GET", "/api/v1/people", "").json();
    let since = &listed["people"][0]["since"];
    let anna = json!({"name": "Anna Maria", "pin": true, "fingers": 0, "faces": 0, "since": since});
    assert_eq!(listed, json!({ "people": [anna] }));
    let forget = || {
        house
            .tcp("DELETE", "/api/v1/people/Anna%20Maria", "")
            .status
    };
    assert_eq!((forget(), forget()), (200, 404));
}

#[test]
fn guests_do_not_see_who_is_known_and_silent_alarms_are_for_the_dashboard() {
    let house = FakeHouse::run();
    let host = format!("localhost:{}", house.address.port());
    let ask = |method: &str, path: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("Host", host.as_str()), ("Authorization", &bearer)];
        let path = format!("/api/v1/{path}");
        house.tcp_with(method, &path, &headers, "").status
    };
    for (method, path) in [
        ("GET", "people"),
        ("POST", "people/Anna/pin"),
        ("DELETE", "people/Anna"),
    ] {
        assert_eq!(ask(method, path, GUESTS_TOKEN), 403, "{method} {path}");
    }
    assert_eq!(ask("GET", "people", OWNERS_TOKEN), 200);
    assert_eq!(ask("GET", "duress", OWNERS_TOKEN), 403);
    assert_eq!(house.unix("GET", "/api/v1/duress", "").status, 403);
    let dashboard = FakeHouse::simulate();
    let answer = dashboard.tcp("GET", "/api/v1/duress", "");
    assert_eq!(answer.json()["duress"][0]["by"]["name"], "Anna");
}
