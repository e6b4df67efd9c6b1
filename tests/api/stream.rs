//! `GET stream`: nothing missed, nothing twice, and an end when the service stops.

use std::time::Instant;

use asfaleia::web::Line;

use super::house::{FakeHouse, event};

#[test]
fn a_stream_begins_with_the_status_and_goes_on_with_what_happens() {
    let house = FakeHouse::simulate();
    house.happen(1);
    let mut stream = house.stream("", "");
    assert_eq!(stream.next_status()["state"], "triggered");
    house.happen(2);
    house.happen(3);
    assert_eq!(stream.history(2), [event(2), event(3)]);
}

#[test]
fn what_was_missed_comes_first_and_nothing_comes_twice() {
    let house = FakeHouse::simulate();
    for id in 1..=2_500 {
        house.happen(id);
    }
    let mut stream = house.stream("?after=1", "");
    // More happens while the stream reads pages of the past.
    for id in 2_501..=2_600 {
        house.happen(id);
    }
    assert_eq!(stream.ids(2_599), (2..=2_600).collect::<Vec<_>>());
    house.happen(2_601);
    assert_eq!(stream.ids(1), [2_601]);
}

#[test]
fn a_browser_that_comes_back_goes_on_where_it_was() {
    let house = FakeHouse::simulate();
    for id in 1..=4 {
        house.happen(id);
    }
    // What it saw itself counts more than what the page asked for at first.
    let mut stream = house.stream("?after=1", "Last-Event-ID: 3\r\n");
    assert_eq!(stream.ids(1), [4]);
}

#[test]
fn an_event_that_was_only_in_the_history_is_not_left_out() {
    let house = FakeHouse::simulate();
    let mut stream = house.stream("", "");
    stream.next_status();
    house.happen(1);
    assert_eq!(stream.ids(1), [1]);
    // 2 and 3 get lost on the way to this stream, as when it lags.
    house.history.0.lock().unwrap().extend([event(2), event(3)]);
    house.happen(4);
    assert_eq!(stream.ids(3), [2, 3, 4]);
}

#[test]
fn a_store_that_fails_does_not_silence_the_stream() {
    let house = FakeHouse::simulate();
    let mut stream = house.stream("?after=0", "");
    stream.next_status();
    // Never gets into the history.
    house.live.send(Line::of(&event(7))).unwrap();
    assert_eq!(stream.ids(1), [7]);
    // A late copy of it is no second event.
    house.live.send(Line::of(&event(7))).unwrap();
    house.live.send(Line::of(&event(8))).unwrap();
    assert_eq!(stream.ids(1), [8]);
}

#[test]
fn a_status_that_changes_is_told_at_most_five_times_a_second() {
    let house = FakeHouse::simulate();
    let mut stream = house.stream("", "");
    stream.next_status();
    let began = Instant::now();
    for waiting in 1..=100 {
        house.change_status(|snapshot| snapshot.outbox.waiting = waiting);
    }
    // The last one is never left out, and those before it are folded.
    let mut told = 1;
    while stream.next_status()["outbox"]["waiting"] != 100 {
        told += 1;
    }
    let most = 2 + began.elapsed().as_millis() / 200;
    assert!(told <= most, "{told} in {:?}", began.elapsed());
}

#[test]
fn last_event_id_is_a_number() {
    let house = FakeHouse::simulate();
    let port = house.address.port();
    let host = format!("127.0.0.1:{port}");
    let headers = [("Host", host.as_str()), ("Last-Event-ID", "x")];
    let answer = house.tcp_with("GET", "/api/v1/stream", &headers, "");
    assert_eq!(answer.status, 400);
    answer.error();
}

#[test]
fn a_stop_waits_for_no_stream() {
    let mut house = FakeHouse::simulate();
    let mut streams: Vec<_> = (0..5).map(|_| house.stream("?after=0", "")).collect();
    for stream in &mut streams {
        stream.next_status();
    }
    let idle = house.connect_tcp();
    let began = Instant::now();
    house.stop.cancel();
    let serving = house.serving.take().unwrap();
    house.runtime.block_on(serving).unwrap();
    assert!(began.elapsed().as_secs() < 8, "{:?}", began.elapsed());
    for stream in &mut streams {
        assert!(stream.next().is_none(), "the stream ends in order");
    }
    drop(idle);
    assert!(!house.socket.exists());
}

#[test]
fn a_script_that_asks_for_it_hears_that_the_house_lives() {
    let house = FakeHouse::simulate();
    let mut stream = house.stream("?alive=1", "");
    let mut heard = 0;
    while heard < 3 {
        let event = stream.next().expect("the stream goes on");
        if event.kind.as_deref() == Some("alive") {
            assert_eq!(event.data, "2026-11-23T09:51:11.000Z");
            assert_eq!(event.id, None, "it is no line of history");
            heard += 1;
        }
    }
}
