//! Damaged, missing, and unwritable stores.

use std::fs;
use std::path::Path;

use asfaleia::alarm::Right;
use asfaleia::store::{
    Credential, Found, Hash, History, KnownBy, LoginChange, PeopleChange, StoreFailure, Token,
};

use super::*;

/// A store as a power cut leaves it: some of it in the database, the rest in the log.
fn cut(dir: &Path) -> (Vec<u8>, Vec<u8>, Vec<String>) {
    let clock = TestClock::new("one", 100, MORNING);
    let mut store = open(dir, &clock).store;
    let mut states = Vec::new();
    for n in 0..40_u64 {
        let mut batch = state_batch(&clock, &format!("{n}"));
        batch.events = vec![event(n + 1, None)];
        states.extend(batch.state.clone());
        store.commit(&[batch]).unwrap();
        store.tidy();
    }
    let database = fs::read(dir.join("asfaleia.db")).unwrap();
    let log = fs::read(dir.join("asfaleia.db-wal")).unwrap();
    (database, log, states)
}

/// Opens copies of these files; whatever they hold, the store must take a commit and restore it.
fn open_copy(database: &[u8], log: &[u8], states: &[String], case: &str) -> bool {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("asfaleia.db"), database).unwrap();
    fs::write(dir.path().join("asfaleia.db-wal"), log).unwrap();
    fs::write(dir.path().join("in-use"), "1000000\n").unwrap();
    let clock = TestClock::new("two", 100, MORNING);
    let mut opened = open(dir.path(), &clock);
    let was_restored = match &opened.found {
        Found::Restored(saved) => {
            assert!(states.contains(&saved.state), "{case}: {}", saved.state);
            true
        }
        Found::Unreadable { .. } => {
            assert_eq!(opened.next.event, EventId(1_000_000), "{case}");
            false
        }
        Found::Fresh => panic!("{case}: taken for a store that never was in use"),
    };
    opened
        .store
        .commit(&[state_batch(&clock, "after")])
        .expect(case);
    drop(opened);
    assert_eq!(
        Some(&restored(&open(dir.path(), &clock)).state),
        state("after").as_ref(),
        "{case}"
    );
    was_restored
}

#[test]
fn a_log_torn_anywhere_gives_an_earlier_state() {
    let dir = tempfile::tempdir().unwrap();
    let (database, log, states) = cut(dir.path());
    for length in (0..log.len()).step_by(log.len() / 60) {
        let case = format!("log of {length} bytes");
        assert!(
            open_copy(&database, &log[..length], &states, &case),
            "{case}"
        );
    }
}

#[test]
fn a_database_torn_anywhere_is_restored_or_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (database, log, states) = cut(dir.path());
    let mut unreadable = 0;
    for length in (0..database.len()).step_by(database.len() / 60) {
        for log in [&log[..], &[]] {
            let case = format!("database of {length} bytes, log of {}", log.len());
            unreadable += usize::from(!open_copy(&database[..length], log, &states, &case));
        }
    }
    assert!(unreadable > 50, "a torn database is noticed: {unreadable}");
}

#[test]
fn what_is_damaged_is_moved_aside_whole_and_said() {
    let dir = tempfile::tempdir().unwrap();
    cut(dir.path());
    let clock = TestClock::new("two", 100, MORNING);
    for n in 1..=2 {
        let noise = vec![0x5a_u8; 20_000];
        fs::write(dir.path().join("asfaleia.db"), &noise).unwrap();
        let mut opened = open(dir.path(), &clock);
        let aside = dir.path().join(format!("asfaleia.db.corrupt-{n}"));
        let Found::Unreadable { why, moved_to } = &opened.found else {
            panic!("{:?}", opened.found);
        };
        assert_eq!(moved_to.as_ref(), Some(&aside));
        assert!(why.contains("not a database"), "{why}");
        assert_eq!(fs::read(&aside).unwrap(), noise);
        opened.store.commit(&[state_batch(&clock, "anew")]).unwrap();
    }
}

#[test]
fn a_lost_database_that_was_in_use_is_not_taken_for_a_fresh_one() {
    let dir = tempfile::tempdir().unwrap();
    cut(dir.path());
    fs::remove_file(dir.path().join("asfaleia.db")).unwrap();
    let opened = open(dir.path(), &TestClock::new("two", 100, MORNING));
    assert!(
        matches!(opened.found, Found::Unreadable { moved_to: None, .. }),
        "{:?}",
        opened.found
    );
    assert_eq!(opened.next.event, EventId(1_000_000), "numbers only grow");
}

#[test]
fn a_mark_with_a_number_that_no_house_reaches_is_taken_for_damaged() {
    // Found by the fuzz target `store`: the next number that fits was computed past the last one.
    for highest in [u64::MAX, u64::MAX / 2] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("in-use"), format!("{highest}\n")).unwrap();
        let clock = TestClock::new("two", 100, MORNING);
        let mut opened = open(dir.path(), &clock);
        assert!(matches!(opened.found, Found::Unreadable { .. }));
        let EventId(next) = opened.next.event;
        assert!((1 << 40..1 << 41).contains(&next), "{next}");
        let batch = Batch {
            events: vec![event(next, None)],
            ..state_batch(&clock, "after")
        };
        opened.store.commit(&[batch]).unwrap();
        drop(opened);
        assert_eq!(open(dir.path(), &clock).next.event, EventId(next + 1));
    }
}

#[test]
fn a_damaged_store_that_never_was_in_use_is_fresh() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("asfaleia.db"), vec![0x5a; 8_192]).unwrap();
    let opened = open(dir.path(), &TestClock::new("one", 100, MORNING));
    assert_eq!(opened.found, Found::Fresh);
    assert_eq!(opened.next.event, EventId(1));
    assert!(dir.path().join("asfaleia.db.corrupt-1").exists());
}

#[test]
fn damage_that_commits_meet_is_moved_aside_and_the_state_carried_over() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("one", 100, MORNING);
    let mut store = open(dir.path(), &clock).store;
    let anna = Credential {
        id: 1,
        person: "Anna".to_owned(),
        enrolled: WallTime(MORNING),
        known_by: KnownBy::Finger {
            slot: 7,
            duress: false,
        },
    };
    let token = Token {
        name: "a program".to_owned(),
        right: Right::Owner,
        since: WallTime(MORNING),
        hash: Hash::of("its token"),
    };
    let enrolled = Batch {
        people: vec![PeopleChange::Enrolled(anna.clone())],
        logins: vec![LoginChange::Token(token.clone())],
        ..state_batch(&clock, "armed")
    };
    store.commit(&[enrolled]).unwrap();
    let other = rusqlite::Connection::open(dir.path().join("asfaleia.db")).unwrap();
    other.execute_batch("DROP TABLE proven").unwrap();
    drop(other);

    let batch = Batch {
        proven: vec!["email".to_owned()],
        ..Batch::new(clock.stamp())
    };
    let failures = (0..5)
        .take_while(|_| store.commit(std::slice::from_ref(&batch)).is_err())
        .count();

    assert!((1..5).contains(&failures), "{failures}");
    assert!(dir.path().join("asfaleia.db.corrupt-1").exists());
    drop(store);
    let opened = open(dir.path(), &clock);
    assert_eq!(Some(&restored(&opened).state), state("armed").as_ref());
    assert!(restored(&opened).proven.contains_key("email"));
    assert_eq!(opened.people, [anna], "and those who are known");
    assert_eq!(opened.logins.tokens, [token], "and who may log in");
}

#[test]
fn a_store_of_a_newer_version_is_left_alone_and_commits_say_so() {
    let dir = tempfile::tempdir().unwrap();
    cut(dir.path());
    let database = dir.path().join("asfaleia.db");
    let other = rusqlite::Connection::open(&database).unwrap();
    other.pragma_update(None, "user_version", 99).unwrap();
    drop(other);
    let clock = TestClock::new("two", 100, MORNING);

    let mut opened = open(dir.path(), &clock);

    assert!(
        matches!(opened.found, Found::Unreadable { moved_to: None, .. }),
        "{:?}",
        opened.found
    );
    let error = opened
        .store
        .commit(&[state_batch(&clock, "x")])
        .unwrap_err();
    assert_eq!(error.kind, StoreFailure::Newer);
    assert!(!dir.path().join("asfaleia.db.corrupt-1").exists());
}

#[test]
fn a_store_that_cannot_be_opened_works_on_and_comes_back_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    fs::write(&path, "a file stands where the directory should be").unwrap();
    let clock = TestClock::new("one", 100, MORNING);
    let mut store = open(&path, &clock).store;
    assert!(store.failure().is_some());
    let batch = state_batch(&clock, "armed");
    store.commit(std::slice::from_ref(&batch)).unwrap_err();

    fs::remove_file(&path).unwrap();
    store
        .commit(std::slice::from_ref(&batch))
        .expect_err("it is not tried at every commit");
    clock.advance_ms(31_000);
    store.commit(std::slice::from_ref(&batch)).unwrap();

    assert!(store.failure().is_none());
    drop(store);
    assert_eq!(
        Some(&restored(&open(&path, &clock)).state),
        batch.state.as_ref()
    );
}

#[test]
fn a_deep_check_finds_damage_that_the_start_does_not_see() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("one", 100, MORNING);
    let mut store = open(dir.path(), &clock).store;
    let events = (1..=2_000).map(|id| event(id, Some(1))).collect();
    store
        .commit(&[Batch {
            events,
            ..state_batch(&clock, "armed")
        }])
        .unwrap();
    drop(store);
    let database = dir.path().join("asfaleia.db");
    let mut bytes = fs::read(&database).unwrap();
    let middle = bytes.len() / 4096 / 2 * 4096;
    bytes[middle..middle + 4096].fill(0xff);
    fs::write(&database, bytes).unwrap();

    restored(&open(dir.path(), &clock));
    let error = History::open(dir.path()).deep_check().unwrap_err();
    assert_eq!(error.kind, StoreFailure::Corrupt);
}

#[test]
fn a_log_that_lost_the_arming_counts_as_lost_and_keeps_the_messages() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("one", 100, MORNING);
    let mut store = open(dir.path(), &clock).store;
    let mut disarmed = state_batch(&clock, "disarmed");
    disarmed.messages = vec![message(1, true)];
    store.commit(&[disarmed]).unwrap();
    store.tidy();
    let log = dir.path().join("asfaleia.db-wal");
    let before = fs::metadata(&log).unwrap().len();
    store.commit(&[armed(&clock)]).unwrap();
    store.tidy();
    let (whole, mark) = (fs::read(&log).unwrap(), dir.path().join("in-use"));
    let database = fs::read(dir.path().join("asfaleia.db")).unwrap();
    drop(store);

    for (kept, outdated) in [(whole.len(), false), (before as usize, true)] {
        let copy = tempfile::tempdir().unwrap();
        fs::write(copy.path().join("asfaleia.db"), &database).unwrap();
        fs::write(copy.path().join("asfaleia.db-wal"), &whole[..kept]).unwrap();
        fs::copy(&mark, copy.path().join("in-use")).unwrap();
        let opened = open(copy.path(), &clock);
        let saved = restored(&opened);
        assert_eq!(saved.outdated, outdated, "{kept} bytes");
        assert_eq!(saved.messages.len(), 1);
        let next = if outdated { 1_000_000 } else { 2 };
        assert_eq!(opened.next.event, EventId(next), "numbers only grow");
    }
}

#[test]
fn old_pages_laid_over_newer_ones_by_a_damaged_log_count_as_lost() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("one", 100, MORNING);
    let mut store = open(dir.path(), &clock).store;
    store.commit(&[state_batch(&clock, "fresh")]).unwrap();
    write_back(dir.path(), "TRUNCATE");
    let log = dir.path().join("asfaleia.db-wal");
    store.commit(&[state_batch(&clock, "disarmed")]).unwrap();
    let before = fs::metadata(&log).unwrap().len() as usize;
    store.commit(&[armed(&clock)]).unwrap();
    store.tidy();
    // The database has all of the log, and the log is still there.
    write_back(dir.path(), "PASSIVE");
    let mut damaged = fs::read(&log).unwrap();
    damaged[before..].fill(0xff);
    let copy = tempfile::tempdir().unwrap();
    for name in ["asfaleia.db", "in-use"] {
        fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
    }
    fs::write(copy.path().join("asfaleia.db-wal"), damaged).unwrap();

    let opened = open(copy.path(), &clock);

    let saved = restored(&opened);
    assert_eq!(Some(&saved.state), state("disarmed").as_ref());
    assert!(saved.outdated);
}

fn armed(clock: &TestClock) -> Batch {
    let what = Record::State {
        from: "disarmed".into(),
        to: "armed_away".into(),
        by: None,
    };
    let event = EventRow {
        id: EventId(1),
        incident: None,
        what,
    };
    Batch {
        events: vec![event],
        ..state_batch(clock, "armed")
    }
}

fn write_back(dir: &Path, how: &str) {
    let other = rusqlite::Connection::open(dir.join("asfaleia.db")).unwrap();
    let sql = format!("PRAGMA wal_checkpoint({how})");
    let busy: i64 = other.query_row(&sql, [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0);
}
