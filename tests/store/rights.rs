//! Who may read the files.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use asfaleia::store::{Credential, KnownBy, PeopleChange, people_in};

use super::*;

const DATABASE: &str = "asfaleia.db";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_database_and_its_log_are_for_their_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("a boot", 100, MORNING);
    let mut opened = Store::open(dir.path(), clock.clone());
    opened.store.commit(&[Batch::new(clock.stamp())]).unwrap();
    for file in [DATABASE, "asfaleia.db-wal", "asfaleia.db-shm"] {
        assert_eq!(mode(&dir.path().join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_database_that_others_may_read_is_closed_to_them_and_keeps_what_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("a boot", 100, MORNING);
    let config = Batch {
        config: Some("[site]\n".to_owned()),
        ..Batch::new(clock.stamp())
    };
    let mut opened = Store::open(dir.path(), clock.clone());
    opened.store.commit(&[config]).unwrap();
    drop(opened);
    let database = dir.path().join(DATABASE);
    fs::set_permissions(&database, Permissions::from_mode(0o644)).unwrap();
    let opened = Store::open(dir.path(), clock);
    assert_eq!(opened.config.as_deref(), Some("[site]\n"));
    assert_eq!(mode(&database), 0o600);
}

#[test]
fn who_is_known_can_be_looked_up_without_changing_anything() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new("a boot", 100, MORNING);
    let anna = Credential {
        id: 1,
        person: "Anna".to_owned(),
        enrolled: WallTime(MORNING),
        known_by: KnownBy::Finger {
            slot: 3,
            duress: false,
        },
    };
    let enrolled = Batch {
        people: vec![PeopleChange::Enrolled(anna.clone())],
        ..Batch::new(clock.stamp())
    };
    let mut opened = Store::open(dir.path(), clock);
    opened.store.commit(&[enrolled]).unwrap();
    drop(opened);
    let files = || -> Vec<(std::path::PathBuf, Vec<u8>)> {
        let entries = fs::read_dir(dir.path())
            .unwrap()
            .map(|it| it.unwrap().path());
        let mut files: Vec<_> = entries.filter(|path| path.is_file()).collect();
        files.sort();
        files
            .into_iter()
            .map(|it| (it.clone(), fs::read(it).unwrap()))
            .collect()
    };
    let before = files();
    assert!(people_in(dir.path()).unwrap() == [anna]);
    assert!(files() == before);
    assert!(people_in(&dir.path().join("elsewhere")).is_err());
}
