//! What goes, what goes first, and what never goes.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use asfaleia::store::{History, Removed, photo_path};

use super::*;

const MONTH: Duration = Duration::from_secs(30 * 86_400);
const NO_LIMIT: u64 = u64::MAX;

struct House {
    dir: tempfile::TempDir,
    clock: Arc<TestClock>,
    store: Store,
}

impl House {
    fn new() -> House {
        let dir = tempfile::tempdir().unwrap();
        let clock = TestClock::new("one", 100, MORNING);
        let mut store = open(dir.path(), &clock).store;
        store.commit(&[state_batch(&clock, "armed")]).unwrap();
        House { dir, clock, store }
    }

    /// An incident with an event, a recording, a delivered message, and a photo of 50 kB, all with
    /// its number; a minute passes.
    fn live_through(&mut self, incident: Incident) {
        let id = incident.id.0;
        let at = self.clock.stamp();
        let row = photo(self.dir.path(), id, Some(id), 50_000, at.clone());
        let batch = Batch {
            events: vec![event(id, Some(id))],
            messages: vec![MessageRow {
                incident: Some(incident.id),
                ..message(id, false)
            }],
            photos: vec![row],
            recordings: vec![(incident.id, "[]".to_owned())],
            incidents: vec![incident],
            ..Batch::new(at)
        };
        self.store.commit(&[batch]).unwrap();
        self.clock.advance_ms(60_000);
    }

    fn incidents(&self) -> Vec<u64> {
        let all = History::open(self.dir.path()).incidents(None, 100).unwrap();
        all.iter()
            .map(|stored| stored.incident.id.0)
            .rev()
            .collect()
    }

    fn photos(&self) -> Vec<u64> {
        (1..100)
            .filter(|id| photo_path(self.dir.path(), PhotoId(*id)).exists())
            .collect()
    }

    fn events(&self) -> Vec<u64> {
        let all = History::open(self.dir.path()).events(0, 10_000).unwrap();
        all.iter().map(|event| event.id).collect()
    }

    fn now(&self) -> BootTime {
        self.clock.stamp().boot
    }
}

#[test]
fn settled_incidents_older_than_keep_go_with_all_that_belongs_to_them() {
    let mut house = House::new();
    house.live_through(disarmed(1, house.now()));
    let seen = Incident {
        ended: Some((Ending::Cleared, house.now())),
        acknowledged: Some((anna(), house.now())),
        ..incident(2, house.now())
    };
    house.live_through(seen);
    let unseen = Incident {
        ended: Some((Ending::Cleared, house.now())),
        ..incident(3, house.now())
    };
    house.live_through(unseen);
    let going_on = Incident {
        acknowledged: Some((anna(), house.now())),
        ..incident(4, house.now())
    };
    house.live_through(going_on);
    house.clock.advance_ms(31 * DAY_MS);
    house.live_through(disarmed(5, house.now()));

    let removed = house.store.retain(MONTH, NO_LIMIT).unwrap();

    let expected = Removed {
        incidents: 2,
        events: 2,
        messages: 2,
        photos: 2,
        ..Removed::default()
    };
    assert_eq!(removed, expected);
    assert_eq!(house.incidents(), [3, 4, 5]);
    assert_eq!(house.photos(), [3, 4, 5]);
    assert_eq!(house.events(), [3, 4, 5]);
    assert!(house.store.retain(MONTH, NO_LIMIT).unwrap().is_nothing());
}

#[test]
fn an_acknowledgement_settles_whatever_is_over_however_long_ago() {
    let mut house = House::new();
    let ended = |house: &House, id| Incident {
        ended: Some((Ending::Cleared, house.now())),
        ..incident(id, house.now())
    };
    for id in 1..=40 {
        house.live_through(ended(&house, id));
    }
    house.live_through(incident(41, house.now())); // goes on
    house.live_through(ended(&house, 42));
    // Another boot, a day later.
    let House { dir, store, .. } = house;
    drop(store);
    let clock = TestClock::new("two", 50, MORNING + DAY_MS);
    let store = open(dir.path(), &clock).store;
    let mut house = House { dir, clock, store };
    let seen = Batch {
        acknowledged: Some((anna(), IncidentId(41))),
        ..Batch::new(house.clock.stamp())
    };
    house.store.commit(&[seen]).unwrap();

    let all = History::open(house.dir.path())
        .incidents(None, 100)
        .unwrap();
    for stored in &all {
        let known = stored.incident.acknowledged.as_ref();
        let told = known.map(|(by, at)| (by.who(), stored.wall_of(*at)));
        let expected = stored.acknowledged.map(|at| ("Anna", at));
        assert_eq!(told, expected);
    }
    let open: Vec<u64> = (all.iter().filter(|it| it.acknowledged.is_none()))
        .map(|it| it.incident.id.0)
        .collect();
    assert_eq!(open, [42, 41]);
    assert_eq!(all[2].acknowledged, Some(WallTime(MORNING + DAY_MS)));

    house.clock.advance_ms(31 * DAY_MS);
    house.store.retain(MONTH, NO_LIMIT).unwrap();
    assert_eq!(house.incidents(), [41, 42]);
}

#[test]
fn lines_that_belong_to_no_incident_go_by_age_and_numbers_still_only_grow() {
    let mut house = House::new();
    for id in 1..=2_500 {
        let batch = Batch {
            events: vec![event(id, None)],
            ..Batch::new(house.clock.stamp())
        };
        house.store.commit(&[batch]).unwrap();
    }
    house.clock.advance_ms(31 * DAY_MS);

    assert_eq!(house.store.retain(MONTH, NO_LIMIT).unwrap().events, 2_500);

    let House { dir, clock, store } = house;
    drop(store);
    assert_eq!(open(dir.path(), &clock).next.event, EventId(2_501));
}

#[test]
fn a_message_that_waits_is_never_removed() {
    let mut house = House::new();
    house.live_through(disarmed(1, house.now()));
    let waits = Batch {
        messages: vec![message(9, true)],
        ..Batch::new(house.clock.stamp())
    };
    house.store.commit(&[waits]).unwrap();
    house.clock.advance_ms(31 * DAY_MS);
    house.store.retain(MONTH, NO_LIMIT).unwrap();
    assert_eq!(house.incidents(), [0; 0]);
    assert_eq!(
        restored(&open(house.dir.path(), &house.clock)).messages,
        [message(9, true)]
    );

    let delivered = Batch {
        messages: vec![message(9, false)],
        ..Batch::new(house.clock.stamp())
    };
    house.store.commit(&[delivered]).unwrap();
    assert_eq!(house.store.retain(MONTH, NO_LIMIT).unwrap().messages, 1);
}

#[test]
fn over_the_size_settled_incidents_go_first_and_the_oldest_of_them_before_others() {
    let mut house = House::new();
    house.live_through(incident(1, house.now()));
    for id in 2..=5 {
        house.live_through(disarmed(id, house.now()));
    }
    // Five photos and the database (some 100 kB) lie there; two photos too many.
    let room = 250_000 + 100_000 - 90_000;
    let removed = house.store.retain(MONTH, room).unwrap();
    assert_eq!(removed.thinned, 0);
    assert!(!removed.still_over);
    let left = house.incidents();
    assert_eq!(left[0], 1, "nobody acknowledged it");
    assert!((2..5).contains(&left.len()), "{left:?}");
    assert_eq!(
        left[1..],
        (7 - left.len() as u64..=5).collect::<Vec<_>>(),
        "the newest stay"
    );
    assert_eq!(house.photos(), left);
}

#[test]
fn photos_of_unacknowledged_incidents_thin_out_oldest_first_but_their_record_never_goes() {
    let mut house = House::new();
    for id in 1..=6 {
        house.live_through(incident(id, house.now()));
    }
    house.live_through(disarmed(7, house.now()));

    let removed = house.store.retain(MONTH, 250_000).unwrap();

    assert_eq!(house.incidents(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(house.events(), [1, 2, 3, 4, 5, 6]);
    let photos = house.photos();
    assert_eq!(removed.incidents, 1);
    assert_eq!(removed.thinned, 6 - photos.len() as u64);
    assert!(!photos.is_empty() && photos.len() < 6, "{photos:?}");
    assert_eq!(
        photos,
        (7 - photos.len() as u64..=6).collect::<Vec<_>>(),
        "the newest stay"
    );

    let removed = house.store.retain(Duration::ZERO, 0).unwrap();
    assert!(removed.still_over);
    assert_eq!(house.incidents(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(house.events(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(house.photos(), [0; 0]);
}

#[test]
fn nothing_is_old_while_the_clock_is_not_set() {
    let mut house = House::new();
    house.live_through(disarmed(1, house.now()));
    house.clock.set_wall(5_000);
    assert!(
        house
            .store
            .retain(Duration::ZERO, NO_LIMIT)
            .unwrap()
            .is_nothing()
    );
}

#[test]
fn what_was_recorded_with_an_unset_clock_is_not_taken_for_old() {
    let dir = tempfile::tempdir().unwrap();
    let dark = TestClock::new("one", 100, 1_000);
    let mut store = open(dir.path(), &dark).store;
    let batch = Batch {
        events: vec![event(1, None)],
        incidents: vec![disarmed(1, dark.stamp().boot)],
        ..state_batch(&dark, "armed")
    };
    store.commit(&[batch]).unwrap();
    drop(store);

    let clock = TestClock::new("two", 100, MORNING);
    let mut store = open(dir.path(), &clock).store;
    let batch = Batch {
        events: vec![event(2, None)],
        incidents: vec![disarmed(2, clock.stamp().boot)],
        ..Batch::new(clock.stamp())
    };
    store.commit(&[batch]).unwrap();
    assert!(store.retain(MONTH, NO_LIMIT).unwrap().is_nothing());

    // What follows it is old, so it is too.
    clock.advance_ms(31 * DAY_MS);
    let removed = store.retain(MONTH, NO_LIMIT).unwrap();
    assert_eq!((removed.incidents, removed.events), (2, 2));
}

#[test]
fn the_database_gives_space_back() {
    let mut house = House::new();
    let long = "x".repeat(2_000);
    let what = Record::Configuration { text: long };
    let events = (1..=2_000)
        .map(|id| EventRow {
            id: EventId(id),
            incident: None,
            what: what.clone(),
        })
        .collect();
    house
        .store
        .commit(&[Batch {
            events,
            ..Batch::new(house.clock.stamp())
        }])
        .unwrap();
    house.clock.advance_ms(31 * DAY_MS);
    house.store.retain(MONTH, NO_LIMIT).unwrap();
    let House {
        dir,
        clock: _,
        store,
    } = house;
    drop(store);
    let length = std::fs::metadata(dir.path().join("asfaleia.db"))
        .unwrap()
        .len();
    assert!(length < 500_000, "{length} bytes for an empty history");
}

#[test]
fn to_make_room_photos_go_that_matter_least() {
    let mut house = House::new();
    house.live_through(incident(1, house.now()));
    house.live_through(disarmed(2, house.now()));
    for id in 3..=60 {
        house.live_through(incident(id, house.now()));
    }
    let first = house.store.make_room().unwrap();
    assert_eq!((first.photos, first.thinned), (1, 31));
    assert_eq!(
        house.photos()[..2],
        [33, 34],
        "the settled one, then the oldest"
    );
    assert_eq!(house.incidents().len(), 60, "records stay");
    while !house.store.make_room().unwrap().is_nothing() {}
    assert_eq!(house.photos(), [0; 0]);
    assert_eq!(house.incidents().len(), 60);
}

/// Bytes of the store's directory as `du` counts them.
fn on_disk(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    let bytes = entries.map(|entry| match entry.metadata().unwrap() {
        folder if folder.is_dir() => on_disk(&entry.path()),
        file => file.blocks() * 512,
    });
    bytes.sum()
}

/// `INCIDENTS=5000` lives through so many.
#[test]
fn disk_use_stays_flat_over_many_incidents() {
    const MAX_SIZE: u64 = 4_000_000;
    let count: u64 = std::env::var("INCIDENTS").map_or(600, |count| count.parse().unwrap());
    let mut house = House::new();
    let (mut largest, mut warm) = (0, 0);
    for id in 1..=count {
        // Nobody acknowledges one in a hundred.
        let lived = match id % 100 {
            0 => incident(id, house.now()),
            _ => disarmed(id, house.now()),
        };
        house.live_through(lived);
        if id % 20 == 0 {
            house.clock.advance_ms(3_600_000);
            house.store.retain(MONTH, MAX_SIZE).unwrap();
            house.store.tidy();
            largest = largest.max(on_disk(house.dir.path()));
        }
        if id == 200 {
            warm = largest;
        }
        if id % 500 == 0 || id == count {
            let megabytes = on_disk(house.dir.path()) as f64 / 1e6;
            println!("retention: {id} incidents: {megabytes:.2} MB on disk");
        }
    }
    println!("retention: at most {:.2} MB on disk", largest as f64 / 1e6);
    // The database's log and pages that are not full take some more.
    assert!(largest < MAX_SIZE + 2_500_000, "{largest} bytes");
    assert!(largest < warm + 1_000_000, "{warm} bytes grew to {largest}");
    let history = History::open(house.dir.path());
    for id in (100..=count).step_by(100) {
        assert!(history.incident(IncidentId(id)).unwrap().is_some(), "{id}");
    }
}

#[cfg(feature = "peers")] // wants to mount a small disk
mod full {
    use std::process::Command;

    use asfaleia::store::{StoreActor, StoreOptions};

    use super::*;

    /// A disk of 4 MB, unmounted at the end.
    struct SmallDisk(tempfile::TempDir);

    impl SmallDisk {
        fn new() -> SmallDisk {
            let dir = tempfile::tempdir().unwrap();
            let mut mount = Command::new("mount");
            mount
                .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
                .arg(dir.path());
            let done = mount.status().unwrap().success();
            assert!(done, "mounting a tmpfs: run this as root");
            SmallDisk(dir)
        }
    }

    impl Drop for SmallDisk {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
        }
    }

    /// Fills the disk to the last byte with something that is not ours.
    fn fill(dir: &Path) {
        let path = dir.join("others.log");
        let mut file = std::fs::OpenOptions::new();
        let mut file = file.create(true).append(true).open(path).unwrap();
        for piece in [65_536, 4_096, 512, 1] {
            while std::io::Write::write_all(&mut file, &vec![0; piece]).is_ok() {}
        }
    }

    #[test]
    fn a_full_disk_gives_up_photos_so_that_commits_and_retention_go_on() {
        let disk = SmallDisk::new();
        let dir = disk.0.path().join("store");
        let clock = TestClock::new("one", 100, MORNING);
        let mut store = open(&dir, &clock).store;
        store.commit(&[state_batch(&clock, "armed")]).unwrap();
        for id in 1..=40 {
            let at = clock.stamp();
            let batch = Batch {
                events: vec![event(id, Some(id))],
                photos: vec![photo(&dir, id, Some(id), 50_000, at.clone())],
                incidents: vec![match id % 2 {
                    0 => incident(id, at.boot),
                    _ => disarmed(id, at.boot),
                }],
                ..Batch::new(at)
            };
            store.commit(&[batch]).unwrap();
        }
        let actor = StoreActor::start(
            store,
            StoreOptions::default(),
            Box::new(|health| {
                assert_eq!(health, Ok(()), "room could be made");
            }),
        );
        let actor = actor.unwrap();
        let store = actor.handle();
        let wait = Duration::from_secs(60);
        for id in 41..=400 {
            if id == 41 {
                fill(disk.0.path());
            }
            let batch = Batch {
                incidents: vec![incident(id, clock.stamp().boot)],
                events: vec![event(id, Some(id))],
                ..Batch::new(clock.stamp())
            };
            store.commit(batch).wait(wait).unwrap().unwrap();
        }
        fill(disk.0.path());
        clock.advance_ms(31 * DAY_MS);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let removed = runtime.block_on(store.retain(MONTH, NO_LIMIT)).unwrap();
        assert_eq!(removed.incidents, 20, "those that are settled");
        actor.stop(wait).unwrap();
        let left = History::open(&dir).incidents(None, 1_000).unwrap();
        assert_eq!(left.len(), 20 + 360, "what nobody acknowledged never goes");
        println!("full disk: 360 commits, 0 failed; {removed:?}");
    }
}

#[test]
fn files_that_an_earlier_run_forgot_are_removed() {
    let mut house = House::new();
    house.live_through(incident(5, house.now()));
    let House { dir, clock, store } = house;
    drop(store);
    write_photo(dir.path(), PhotoId(3), b"never committed").unwrap();
    std::fs::write(dir.path().join("photos/4.jpg.part"), b"ha").unwrap();
    let mut store = open(dir.path(), &clock).store;
    write_photo(dir.path(), PhotoId(6), b"about to be committed").unwrap();

    store.retain(MONTH, NO_LIMIT).unwrap();

    let house = House { dir, clock, store };
    assert_eq!(house.photos(), [5, 6]);
    assert!(!house.dir.path().join("photos/4.jpg.part").exists());
}
