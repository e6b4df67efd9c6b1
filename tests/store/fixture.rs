//! A store that each released version wrote is opened and read for ever.

use std::fs;
use std::path::{Path, PathBuf};

use asfaleia::alarm::{Effect, Factor, IncidentId, PhotoId, Right};
use asfaleia::clock::WallTime;
use asfaleia::store::{
    Account, Credential, Hash, History, KnownBy, LoginChange, Logins, NextIds, PeopleChange,
    Session, StoredDuress, TEMPLATE, Token,
};

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/store")
        .join(name)
}

#[test]
fn a_store_of_version_1_is_read_fully() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(fixture("v1.db"), dir.path().join("asfaleia.db")).unwrap();
    let opened = open(dir.path(), &TestClock::new("later", 5, MORNING + DAY_MS));

    let saved = restored(&opened);
    assert_eq!(saved.state, r#"{"state":"triggered"}"#);
    assert_eq!(saved.saved_at.boot, BootTime::from_secs(100));
    assert_eq!(saved.saved_at.wall, WallTime(MORNING));
    assert_eq!(saved.saved_at.boot_id, "first");
    assert_eq!(saved.last_life.wall, WallTime(MORNING + 600_000));
    assert_eq!(opened.config.as_deref(), Some("[site]\nname = \"Home\"\n"));
    assert_eq!(saved.messages, [message(2, true)]);
    assert_eq!(saved.proven.get("email"), Some(&WallTime(MORNING)));
    let next = NextIds {
        event: EventId(4),
        message: 3,
        photo: PhotoId(2),
        incident: IncidentId(2),
    };
    assert_eq!(opened.next, next);

    let detail = History::open(dir.path())
        .incident(IncidentId(1))
        .unwrap()
        .unwrap();
    assert_eq!(detail.incident.incident, acknowledged_incident());
    assert_eq!(detail.incident.since, WallTime(MORNING));
    assert_eq!(
        detail.incident.acknowledged,
        Some(WallTime(MORNING + 2_000))
    );
    assert_eq!(detail.events.len(), 2);
    assert_eq!(detail.photos[0].bytes, 3);
    assert_eq!(detail.messages.len(), 2);
    assert_eq!(detail.recording.as_deref(), Some(r#"[["hall",true]]"#));
    let events = History::open(dir.path()).events(0, 10).unwrap();
    let shown: Vec<_> = events
        .iter()
        .map(|event| event.to_json().to_string())
        .collect();
    assert_eq!(
        shown,
        [
            r#"{"at":"2026-11-23T09:51:11.000Z","boot_id":"first","clock_set":true,"data":{"by":null,"from":"armed_away","to":"triggered"},"id":1,"incident":null,"kind":"state"}"#,
            r#"{"at":"2026-11-23T09:51:11.000Z","boot_id":"first","clock_set":true,"data":{"effect":"alarm","sensor":"hall","sensor_kind":"motion"},"id":2,"incident":1,"kind":"trigger"}"#,
            r#"{"at":"2026-11-23T10:01:11.000Z","boot_id":"first","clock_set":true,"data":{"by":{"name":"Anna","origin":"dashboard","right":"owner"}},"id":3,"incident":1,"kind":"acknowledged"}"#,
        ]
    );
    assert!(events.iter().all(|event| event.what().is_some()));
}

#[test]
fn a_store_of_version_2_also_knows_people_and_silent_alarms() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(fixture("v2.db"), dir.path().join("asfaleia.db")).unwrap();
    let opened = open(dir.path(), &TestClock::new("later", 5, MORNING + DAY_MS));
    assert_eq!(restored(&opened).state, r#"{"state":"triggered"}"#);
    assert_eq!(opened.people, people());
    let duress = History::open(dir.path()).duress(10).unwrap();
    let forced = StoredDuress {
        at: WallTime(MORNING + 600_000),
        clock_set: true,
        by: forced(),
    };
    assert_eq!(duress, [forced]);
    assert_eq!(opened.next.message, 3, "a silent message has no number");
}

#[test]
fn a_store_of_version_3_also_knows_who_may_log_in() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(fixture("v3.db"), dir.path().join("asfaleia.db")).unwrap();
    let opened = open(dir.path(), &TestClock::new("later", 5, MORNING + DAY_MS));
    assert_eq!(restored(&opened).state, r#"{"state":"triggered"}"#);
    assert_eq!(opened.people, people());
    assert_eq!(opened.logins, logins());
    assert!(!format!("{:?}", opened.logins).contains("argon2id"));
}

/// Anna has a password and is logged in; a program looks on.
fn logins() -> Logins {
    let since = WallTime(MORNING);
    Logins {
        accounts: vec![Account {
            name: "Anna".to_owned(),
            right: Right::Owner,
            since,
            hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$\
                   m2hzJWpL7yoDFbU4mgQwqlJ0MLFUPHuFIMaZKBHGw9o"
                .to_owned(),
        }],
        sessions: vec![Session {
            hash: Hash([1; 32]),
            account: "Anna".to_owned(),
            since,
            used: since,
        }],
        tokens: vec![Token {
            name: "home assistant".to_owned(),
            right: Right::Guest,
            since,
            hash: Hash([2; 32]),
        }],
    }
}

fn login_changes() -> Vec<LoginChange> {
    let Logins {
        accounts,
        sessions,
        tokens,
    } = logins();
    let accounts = accounts.into_iter().map(LoginChange::Account);
    let sessions = sessions.into_iter().map(LoginChange::Session);
    let tokens = tokens.into_iter().map(LoginChange::Token);
    accounts.chain(sessions).chain(tokens).collect()
}

/// Anna's PIN, finger and face, as they were enrolled on that morning.
fn people() -> Vec<Credential> {
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$\
                m2hzJWpL7yoDFbU4mgQwqlJ0MLFUPHuFIMaZKBHGw9o";
    let known_by = [
        KnownBy::Pin {
            hash: hash.to_owned(),
            duress: true,
        },
        KnownBy::Finger {
            slot: 7,
            duress: false,
        },
        KnownBy::Face {
            template: Box::new([0.088_388_35; TEMPLATE]),
        },
    ];
    let known = (1..).zip(known_by).map(|(id, known_by)| Credential {
        id,
        person: "Anna".to_owned(),
        enrolled: WallTime(MORNING),
        known_by,
    });
    known.collect()
}

fn forced() -> Actor {
    Actor {
        with: vec![Factor::Pin],
        ..anna()
    }
}

fn acknowledged_incident() -> Incident {
    let since = BootTime::from_secs(100);
    Incident {
        acknowledged: Some((anna(), BootTime::from_secs(102))),
        photos: vec![PhotoId(1)],
        ..incident(1, since)
    }
}

/// Writes the fixture of a version that is about to be released; see `tests/fixtures/store/README.md`.
#[test]
#[ignore = "writes a fixture"]
fn write_the_fixture() {
    let target = fixture("v3.db");
    assert!(!target.exists(), "{} is frozen", target.display());
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("first", 100, MORNING);
    let mut store = open(dir.path(), &clock).store;
    let at = clock.stamp();
    let records = [
        Record::State {
            from: "armed_away".to_owned(),
            to: "triggered".to_owned(),
            by: None,
        },
        Record::Trigger {
            sensor: "hall".into(),
            sensor_kind: SensorKind::Motion,
            effect: Effect::Alarm,
        },
        Record::Acknowledged { by: anna() },
    ];
    let [state_changed, trigger, acknowledged] = records;
    let first = Batch {
        incidents: vec![incident(1, at.boot)],
        events: vec![
            EventRow {
                id: EventId(1),
                incident: None,
                what: state_changed,
            },
            EventRow {
                id: EventId(2),
                incident: Some(IncidentId(1)),
                what: trigger,
            },
        ],
        messages: vec![message(1, false), message(2, true)],
        photos: vec![photo(dir.path(), 1, Some(1), 3, at)],
        recordings: vec![(IncidentId(1), r#"[["hall",true]]"#.to_owned())],
        proven: vec!["email".to_owned()],
        config: Some("[site]\nname = \"Home\"\n".to_owned()),
        people: people().into_iter().map(PeopleChange::Enrolled).collect(),
        logins: login_changes(),
        ..state_batch(&clock, "triggered")
    };
    clock.advance_ms(600_000);
    let second = Batch {
        incidents: vec![acknowledged_incident()],
        events: vec![EventRow {
            id: EventId(3),
            incident: Some(IncidentId(1)),
            what: acknowledged,
        }],
        messages: vec![message(1 << 63, false)],
        duress: vec![forced()],
        sign_of_life: true,
        ..Batch::new(clock.stamp())
    };
    store.commit(&[first, second]).unwrap();
    drop(store);
    fs::copy(dir.path().join("asfaleia.db"), target).unwrap();
}
