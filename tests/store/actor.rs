//! The store's thread.

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use asfaleia::store::{Batch, History, NotCommitted, OnHealth, Receipt, StoreActor, StoreOptions};

use super::*;

const SOON: Duration = Duration::from_secs(20);

fn start(
    dir: &Path,
    clock: &Arc<TestClock>,
    stall: Option<Duration>,
) -> (StoreActor, mpsc::Receiver<Result<(), String>>) {
    let (told, health) = mpsc::channel();
    let on_health: OnHealth = Box::new(move |how| told.send(how).unwrap());
    let store = open(dir, clock).store;
    (
        StoreActor::start(store, StoreOptions { stall }, on_health).unwrap(),
        health,
    )
}

fn event_batch(clock: &TestClock, id: u64) -> Batch {
    Batch {
        events: vec![event(id, None)],
        ..Batch::new(clock.stamp())
    }
}

/// Frames of SQLite's log that end a transaction carry the database's size; others carry 0.
fn transactions(dir: &Path) -> usize {
    let log = fs::read(dir.join("asfaleia.db-wal")).unwrap();
    log[32..]
        .chunks(24 + 4096)
        .filter(|frame| frame[4..8] != [0; 4])
        .count()
}

#[test]
fn under_load_many_batches_share_a_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("one", 100, MORNING);
    let (actor, _health) = start(dir.path(), &clock, Some(Duration::from_millis(100)));
    let handle = actor.handle();
    let before = transactions(dir.path());
    let receipts: Vec<Receipt> = (1..=500)
        .map(|id| handle.commit(event_batch(&clock, id)))
        .collect();
    for receipt in receipts {
        receipt.wait(SOON).expect("in time").unwrap();
    }
    assert_eq!(
        History::open(dir.path()).events(0, 1_000).unwrap().len(),
        500
    );
    let used = transactions(dir.path()) - before;
    assert!(
        (1..=100).contains(&used),
        "{used} transactions for 500 batches"
    );
}

#[test]
fn handing_over_does_not_wait_for_a_slow_disk() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("one", 100, MORNING);
    let (actor, _health) = start(dir.path(), &clock, Some(Duration::from_secs(5)));
    let receipt = actor.handle().commit(event_batch(&clock, 1));
    assert!(
        receipt.wait(Duration::from_millis(20)).is_none(),
        "still on its way"
    );
    actor.stop(SOON).unwrap();
    assert_eq!(History::open(dir.path()).events(0, 9).unwrap().len(), 1);
}

#[test]
fn a_receipt_can_be_awaited() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("one", 100, MORNING);
    let (actor, _health) = start(dir.path(), &clock, None);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        actor
            .handle()
            .commit(event_batch(&clock, 1))
            .committed()
            .await
            .unwrap();
        let removed = actor
            .handle()
            .retain(Duration::from_secs(1), u64::MAX)
            .await
            .unwrap();
        assert!(removed.is_nothing());
    });
}

#[test]
fn what_failed_is_written_once_the_store_is_well_again() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("one", 100, MORNING);
    let (actor, health) = start(dir.path(), &clock, None);
    let handle = actor.handle();
    let other = rusqlite::Connection::open(dir.path().join("asfaleia.db")).unwrap();
    let no = "CREATE TRIGGER no BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no'); END";
    other.execute_batch(no).unwrap();
    for id in 1..=3 {
        let outcome = handle
            .commit(event_batch(&clock, id))
            .wait(SOON)
            .expect("an answer");
        assert!(
            matches!(outcome, Err(NotCommitted::Failed(_))),
            "{outcome:?}"
        );
    }
    assert!(
        health
            .recv_timeout(SOON)
            .unwrap()
            .unwrap_err()
            .contains("asfaleia.db")
    );

    other.execute_batch("DROP TRIGGER no").unwrap();

    // Nothing else is handed over: it is tried again by itself.
    assert_eq!(health.recv_timeout(SOON).unwrap(), Ok(()));
    let ids: Vec<u64> = History::open(dir.path())
        .events(0, 9)
        .unwrap()
        .iter()
        .map(|e| e.id)
        .collect();
    assert_eq!(ids, [1, 2, 3]);
    assert!(health.try_recv().is_err(), "each change is told once");
}

#[test]
fn a_long_failure_gives_up_lines_of_history_before_anything_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    fs::write(&path, "in the way").unwrap();
    let clock = TestClock::new("one", 100, MORNING);
    let (actor, health) = start(&path, &clock, None);
    health.recv_timeout(SOON).unwrap().unwrap_err();
    let handle = actor.handle();
    for id in 1..=10_000 {
        let batch = Batch {
            state: state(&id.to_string()),
            messages: vec![message(id % 10 + 1, true)],
            ..event_batch(&clock, id)
        };
        drop(handle.commit(batch));
    }
    let outcome = handle.flush().wait(SOON).expect("an answer");
    assert!(
        matches!(outcome, Err(NotCommitted::Failed(_))),
        "{outcome:?}"
    );
    assert!(
        handle.waiting() <= 4_096,
        "{} batches in memory",
        handle.waiting()
    );

    fs::remove_file(&path).unwrap();
    clock.advance_ms(60_000);
    handle.flush().wait(SOON).expect("an answer").unwrap();

    assert_eq!(health.recv_timeout(SOON).unwrap(), Ok(()));
    actor.stop(SOON).unwrap();
    let opened = open(&path, &clock);
    assert_eq!(Some(&restored(&opened).state), state("10000").as_ref());
    assert_eq!(restored(&opened).messages.len(), 10);
    let events = History::open(&path).events(0, 10_000).unwrap();
    assert_eq!(events.last().unwrap().id, 10_000);
    assert!(
        events.len() > 4_000,
        "the newest lines are kept: {}",
        events.len()
    );
}

#[test]
fn after_the_stop_a_receipt_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("one", 100, MORNING);
    let (actor, _health) = start(dir.path(), &clock, None);
    let handle = actor.handle();
    actor.stop(SOON).unwrap();
    let outcome = handle
        .commit(event_batch(&clock, 1))
        .wait(SOON)
        .expect("an answer");
    assert_eq!(outcome, Err(NotCommitted::Closed));
}
