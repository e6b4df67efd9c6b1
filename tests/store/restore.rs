//! What was committed is there again.

use asfaleia::alarm::{BootTime, IncidentId, PhotoId, Right};
use asfaleia::clock::WallTime;
use asfaleia::store::{
    Account, Batch, Credential, EventId, Found, Hash, History, KnownBy, LoginChange, Logins,
    NextIds, PeopleChange, Session, StoredEvent, Token, read_photo,
};

use super::*;

fn everything(dir: &std::path::Path, clock: &TestClock) -> Batch {
    let at = clock.stamp();
    Batch {
        state: state("triggered"),
        incidents: vec![incident(1, at.boot)],
        acknowledged: None,
        events: vec![event(1, None), event(2, Some(1))],
        messages: vec![message(1, true), message(2, false), message(3, true)],
        photos: vec![photo(dir, 1, Some(1), 100, at.clone())],
        recordings: vec![(IncidentId(1), "[1]".to_owned())],
        proven: vec!["email".to_owned()],
        config: Some("[site]".to_owned()),
        people: Vec::new(),
        logins: Vec::new(),
        duress: Vec::new(),
        sign_of_life: true,
        at,
    }
}

#[test]
fn what_was_committed_is_restored_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("one", 100, MORNING);
    let mut opened = open(dir.path(), &clock);
    assert_eq!(opened.found, Found::Fresh);
    let batch = everything(dir.path(), &clock);
    opened.store.commit(std::slice::from_ref(&batch)).unwrap();
    drop(opened);

    let opened = open(dir.path(), &TestClock::new("two", 5, MORNING + DAY_MS));

    let saved = restored(&opened);
    assert_eq!(Some(&saved.state), batch.state.as_ref());
    assert_eq!(saved.saved_at, batch.at);
    assert_eq!(saved.last_life, batch.at);
    assert_eq!(opened.config, batch.config);
    assert_eq!(saved.messages, [message(1, true), message(3, true)]);
    assert_eq!(saved.proven["email"], WallTime(MORNING));
    let next = NextIds {
        event: EventId(3),
        message: 4,
        photo: PhotoId(2),
        incident: IncidentId(2),
    };
    assert_eq!(opened.next, next);
}

#[test]
fn history_reads_beside_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("one", 100, MORNING);
    let mut store = open(dir.path(), &clock).store;
    let batch = everything(dir.path(), &clock);
    store.commit(std::slice::from_ref(&batch)).unwrap();
    let history = History::open(dir.path());

    let events = history.events(0, 1_000).unwrap();
    let live: Vec<_> = batch
        .events
        .iter()
        .map(|row| StoredEvent::of(row, &batch.at))
        .collect();
    assert_eq!(events, live, "the stream and the history show the same");
    assert_eq!(history.events(1, 1_000).unwrap(), events[1..]);
    assert_eq!(history.events(0, 1).unwrap(), events[..1]);
    assert_eq!(events[0].what().as_ref(), Some(&batch.events[0].what));

    let detail = history.incident(IncidentId(1)).unwrap().unwrap();
    assert_eq!(detail.incident.incident, batch.incidents[0]);
    assert_eq!(detail.incident.since, WallTime(MORNING));
    assert_eq!(detail.events, events[1..]);
    assert_eq!(detail.photos[0].taken, WallTime(MORNING));
    assert_eq!(detail.messages.len(), 3);
    assert_eq!(detail.recording.as_deref(), Some("[1]"));
    assert_eq!(
        read_photo(dir.path(), detail.photos[0].id).unwrap().len(),
        100
    );
    assert!(history.incident(IncidentId(9)).unwrap().is_none());
    history.deep_check().unwrap();
}

#[test]
fn an_event_is_shown_with_the_fields_of_the_api() {
    let clock = TestClock::new("one", 100, MORNING);
    let json = StoredEvent::of(&event(7, Some(3)), &clock.stamp()).to_json();
    let expected = serde_json::json!({
        "id": 7, "at": "2026-11-23T09:51:11.000Z", "clock_set": true, "boot_id": "one",
        "kind": "exhaust", "incident": 3, "data": {"on": true},
    });
    assert_eq!(json, expected);
}

#[test]
fn incidents_are_listed_newest_first_and_in_pages() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("one", 100, MORNING);
    let mut store = open(dir.path(), &clock).store;
    let incidents = (1..=5).map(|id| incident(id, clock.stamp().boot)).collect();
    store
        .commit(&[Batch {
            incidents,
            ..Batch::new(clock.stamp())
        }])
        .unwrap();
    let ids = |before, limit| -> Vec<u64> {
        let page = History::open(dir.path()).incidents(before, limit).unwrap();
        page.iter().map(|stored| stored.incident.id.0).collect()
    };
    assert_eq!(ids(None, 2), [5, 4]);
    assert_eq!(ids(Some(4), 9), [3, 2, 1]);
}

#[test]
fn nothing_comes_after_the_greatest_number_and_everything_before() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("one", 100, MORNING);
    let mut store = open(dir.path(), &clock).store;
    store.commit(&[everything(dir.path(), &clock)]).unwrap();
    let history = History::open(dir.path());
    for greatest in [i64::MAX.cast_unsigned(), 1 << 63, u64::MAX] {
        assert_eq!(history.events(greatest, 10).unwrap(), [], "{greatest}");
        let before = history.incidents(Some(greatest), 10).unwrap();
        assert_eq!(before.len(), 1, "{greatest}");
    }
}

#[test]
fn a_batch_is_written_whole_or_not_at_all_and_can_be_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("one", 100, MORNING);
    let mut store = open(dir.path(), &clock).store;
    store.commit(&[state_batch(&clock, "armed")]).unwrap();
    // Photos are written after state, incidents, events and messages.
    let other = rusqlite::Connection::open(dir.path().join("asfaleia.db")).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER no BEFORE INSERT ON photos BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .unwrap();

    let batch = everything(dir.path(), &clock);
    let error = store
        .commit(&[state_batch(&clock, "pending"), batch.clone()])
        .unwrap_err();

    assert!(error.to_string().contains("asfaleia.db"), "{error}");
    let history = History::open(dir.path());
    assert!(history.events(0, 10).unwrap().is_empty());
    assert!(history.incidents(None, 10).unwrap().is_empty());
    let saved: String = other
        .query_row("SELECT state FROM panel", [], |row| row.get(0))
        .unwrap();
    assert_eq!(Some(saved), state("armed"));

    other.execute_batch("DROP TRIGGER no").unwrap();
    store.commit(std::slice::from_ref(&batch)).unwrap();
    store.commit(std::slice::from_ref(&batch)).unwrap();
    assert_eq!(history.events(0, 10).unwrap().len(), 2);
}

#[test]
fn the_last_sign_of_life_is_the_latest_thing_known() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("one", 100, MORNING);
    let mut store = open(dir.path(), &clock).store;
    store.commit(&[state_batch(&clock, "armed")]).unwrap();
    clock.advance_ms(600_000);
    let alive = Batch {
        sign_of_life: true,
        ..Batch::new(clock.stamp())
    };
    store.commit(std::slice::from_ref(&alive)).unwrap();
    let opened = open(dir.path(), &clock);
    assert_eq!(restored(&opened).last_life, alive.at);
    assert_eq!(restored(&opened).saved_at.wall, WallTime(MORNING));
    assert_eq!(Some(&restored(&opened).state), state("armed").as_ref());

    clock.advance_ms(5_000);
    let later = Batch {
        events: vec![event(1, None)],
        ..Batch::new(clock.stamp())
    };
    store.commit(std::slice::from_ref(&later)).unwrap();
    assert_eq!(restored(&open(dir.path(), &clock)).last_life, later.at);
}

#[test]
fn when_the_clock_is_set_what_was_recorded_before_moves_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("one", 100, 1_000);
    let mut store = open(dir.path(), &clock).store;
    let begun = incident(1, clock.stamp().boot);
    store
        .commit(&[Batch {
            events: vec![event(1, Some(1))],
            incidents: vec![begun.clone()],
            photos: vec![photo(dir.path(), 1, Some(1), 10, clock.stamp())],
            ..state_batch(&clock, "triggered")
        }])
        .unwrap();
    let history = History::open(dir.path());
    assert!(!history.events(0, 1).unwrap()[0].clock_set);

    clock.advance_ms(60_000);
    clock.set_wall(MORNING);
    let ended = Incident {
        ended: Some((Ending::Cleared, clock.stamp().boot)),
        ..begun
    };
    store
        .commit(&[Batch {
            incidents: vec![ended],
            ..Batch::new(clock.stamp())
        }])
        .unwrap();

    let detail = history.incident(IncidentId(1)).unwrap().unwrap();
    let a_minute_before = WallTime(MORNING - 60_000);
    assert_eq!(detail.events[0].at, a_minute_before);
    assert!(detail.events[0].clock_set);
    assert_eq!(detail.incident.since, a_minute_before);
    assert_eq!(detail.incident.ended, Some(WallTime(MORNING)));
    assert_eq!(
        detail.incident.wall_of(BootTime::from_secs(100)),
        a_minute_before
    );
    assert_eq!(detail.photos[0].taken, a_minute_before);
    assert_eq!(
        restored(&open(dir.path(), &clock)).saved_at.wall,
        a_minute_before
    );
}

#[test]
fn another_boots_times_stay_when_the_clock_is_set_in_this_one() {
    let dir = tempfile::tempdir().unwrap();
    let first = TestClock::new("one", 100, MORNING);
    let mut store = open(dir.path(), &first).store;
    let begun = incident(1, first.stamp().boot);
    let batch = Batch {
        events: vec![event(1, Some(1))],
        incidents: vec![begun],
        ..state_batch(&first, "triggered")
    };
    store.commit(&[batch]).unwrap();
    drop(store);

    // The clock goes on from when it was last known (as fake-hwclock does), ten minutes too early.
    let second = TestClock::new("two", 10, MORNING + 11_000);
    let mut store = open(dir.path(), &second).store;
    let carried = incident(1, BootTime::ZERO);
    let batch = Batch {
        events: vec![event(2, Some(1))],
        incidents: vec![carried],
        ..Batch::new(second.stamp())
    };
    store.commit(&[batch]).unwrap();
    second.advance_ms(1_000);
    second.set_wall(MORNING + 612_000);
    store
        .commit(&[Batch {
            sign_of_life: true,
            ..Batch::new(second.stamp())
        }])
        .unwrap();

    let detail = History::open(dir.path())
        .incident(IncidentId(1))
        .unwrap()
        .unwrap();
    assert_eq!(detail.incident.since, WallTime(MORNING));
    assert_eq!(detail.events[0].at, WallTime(MORNING));
    assert_eq!(detail.events[1].at, WallTime(MORNING + 611_000));
}

#[test]
fn another_boots_times_stay_also_when_the_clock_began_in_1970() {
    let dir = tempfile::tempdir().unwrap();
    let first = TestClock::new("one", 100, MORNING);
    let mut store = open(dir.path(), &first).store;
    let batch = Batch {
        incidents: vec![incident(1, first.stamp().boot)],
        proven: vec!["email".to_owned()],
        ..state_batch(&first, "triggered")
    };
    store.commit(&[batch]).unwrap();
    drop(store);

    let second = TestClock::new("two", 10, 10_000);
    let mut store = open(dir.path(), &second).store;
    let acknowledged = Incident {
        acknowledged: Some((anna(), second.stamp().boot)),
        ..incident(1, BootTime::ZERO)
    };
    let dark = photo(dir.path(), 1, Some(1), 10, second.stamp());
    let batch = Batch {
        incidents: vec![acknowledged],
        proven: vec!["phone".to_owned()],
        ..Batch::new(second.stamp())
    };
    store.commit(&[batch]).unwrap();
    second.advance_ms(60_000);
    second.set_wall(MORNING + DAY_MS);
    // Taken before the clock was set, written down after it.
    let batch = Batch {
        photos: vec![dark],
        ..Batch::new(second.stamp())
    };
    store.commit(&[batch]).unwrap();

    let detail = History::open(dir.path()).incident(IncidentId(1)).unwrap();
    let detail = detail.unwrap();
    let back = WallTime(MORNING + DAY_MS - 60_000);
    assert_eq!(detail.incident.since, WallTime(MORNING));
    assert_eq!(detail.incident.acknowledged, Some(back));
    assert!(detail.incident.clock_set);
    assert_eq!(detail.photos[0].taken, back);
    let proven = restored(&open(dir.path(), &second)).proven.clone();
    assert_eq!(proven["email"], WallTime(MORNING));
    assert_eq!(proven["phone"], back);
}

#[test]
fn who_is_known_survives_and_who_is_forgotten_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("first", 100, MORNING);
    let known = |id, person: &str, slot| Credential {
        id,
        person: person.to_owned(),
        enrolled: WallTime(MORNING),
        known_by: KnownBy::Finger {
            slot,
            duress: false,
        },
    };
    let enrolled = |it| PeopleChange::Enrolled(it);
    let batch = Batch {
        people: vec![
            enrolled(known(1, "Anna", 7)),
            enrolled(known(2, "Ben", 8)),
            enrolled(known(3, "Ben", 9)),
            enrolled(known(4, "Eve", 10)),
            PeopleChange::Removed(2),
            PeopleChange::Forgotten("Eve".to_owned()),
        ],
        ..state_batch(&clock, "disarmed")
    };
    // A commit that failed may still have reached the disk.
    let twice = [batch.clone(), batch];
    open(dir.path(), &clock).store.commit(&twice).unwrap();
    let people = open(dir.path(), &clock).people;
    assert_eq!(people, [known(1, "Anna", 7), known(3, "Ben", 9)]);
}

#[test]
fn who_may_log_in_is_restored_without_what_went() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("one", 100, MORNING);
    let since = WallTime(MORNING);
    let account = |name: &str, right| Account {
        name: name.to_owned(),
        right,
        since,
        hash: "$argon2id$".to_owned(),
    };
    let session = |n, account: &str| Session {
        hash: Hash([n; 32]),
        account: account.to_owned(),
        since,
        used: since,
    };
    let token = |name: &str| Token {
        name: name.to_owned(),
        right: Right::Guest,
        since,
        hash: Hash::of(name),
    };
    let (anna, ben) = (account("Anna", Right::Owner), account("Ben", Right::Guest));
    let batch = Batch {
        logins: vec![
            LoginChange::Account(anna.clone()),
            LoginChange::Account(ben),
            LoginChange::Session(session(1, "Anna")),
            LoginChange::Session(session(2, "Anna")),
            LoginChange::Session(session(3, "Ben")),
            LoginChange::Token(token("one")),
            LoginChange::Token(token("other")),
            LoginChange::SessionGone(Hash([2; 32])),
            LoginChange::AccountGone("Ben".to_owned()),
            LoginChange::TokenGone("one".to_owned()),
        ],
        ..state_batch(&clock, "disarmed")
    };
    let twice = [batch.clone(), batch];
    open(dir.path(), &clock).store.commit(&twice).unwrap();
    let left = Logins {
        accounts: vec![anna],
        sessions: vec![session(1, "Anna")],
        tokens: vec![token("other")],
    };
    assert_eq!(open(dir.path(), &clock).logins, left);
}
