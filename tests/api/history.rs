//! Events, incidents, photos.

use serde_json::json;

use super::breaking::{detail, incident};
use super::house::{FakeHouse, event};

#[test]
fn events_come_after_an_id_and_no_more_than_asked_for() {
    let house = FakeHouse::simulate();
    for id in 1..=5 {
        house.happen(id);
    }
    let ids = |query: &str| {
        let answer = house
            .tcp("GET", &format!("/api/v1/events{query}"), "")
            .json();
        let events = answer["events"].as_array().unwrap().clone();
        events
            .iter()
            .map(|event| event["id"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(""), [1, 2, 3, 4, 5]);
    assert_eq!(ids("?after=3"), [4, 5]);
    assert_eq!(ids("?after=1&limit=2"), [2, 3]);
    assert_eq!(ids("?after=5"), [0u64; 0]);
    assert_eq!(ids("?last=2"), [4, 5]);
    let answer = house.tcp("GET", "/api/v1/events?limit=1", "").json();
    assert_eq!(answer, json!({ "events": [event(1)] }));
}

#[test]
fn no_answer_has_more_than_a_thousand_events() {
    let house = FakeHouse::simulate();
    for id in 1..=1_200 {
        house.happen(id);
    }
    for query in ["", "?limit=1000000", "?last=5000"] {
        let answer = house
            .unix("GET", &format!("/api/v1/events{query}"), "")
            .json();
        assert_eq!(answer["events"].as_array().unwrap().len(), 1_000, "{query}");
    }
}

#[test]
fn questions_that_make_no_sense_are_told_so() {
    let house = FakeHouse::simulate();
    for query in [
        "?after=x",
        "?after=-1",
        "?befor=3",
        "?last=3&after=1",
        "?limit=",
    ] {
        let answer = house.tcp("GET", &format!("/api/v1/events{query}"), "");
        assert_eq!(answer.status, 400, "{query}");
        answer.error();
    }
}

#[test]
fn incidents_are_listed_and_shown() {
    let house = FakeHouse::simulate();
    let listed = house
        .tcp("GET", "/api/v1/incidents?before=7&limit=1", "")
        .json();
    assert_eq!(listed, json!({ "incidents": [incident(5)] }));
    let shown = house.tcp("GET", "/api/v1/incidents/3", "").json();
    assert_eq!(shown, detail(3));
    for id in ["4", "x", "-3"] {
        let answer = house.tcp("GET", &format!("/api/v1/incidents/{id}"), "");
        assert_eq!(answer.status, 404, "{id}");
        answer.error();
    }
}

#[test]
fn a_history_that_cannot_be_read_is_told_in_a_sentence() {
    let house = FakeHouse::simulate();
    let answer = house.tcp("GET", "/api/v1/incidents/13", "");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.error(), "reading the history: the disk is gone");
}

#[test]
fn a_photo_is_a_jpeg_and_its_name_a_number() {
    let house = FakeHouse::simulate();
    let photo = house.tcp("GET", "/api/v1/photos/8", "");
    assert_eq!(photo.header("content-type"), Some("image/jpeg"));
    assert_eq!(photo.body, b"\xff\xd8 a photo");
    for name in [
        "9",
        "..",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "../../../../etc/passwd",
        "8.jpg",
        "8%00",
        "99999999999999999999999",
    ] {
        let answer = house.tcp("GET", &format!("/api/v1/photos/{name}"), "");
        assert_eq!(answer.status, 404, "{name}");
        answer.error();
    }
}
