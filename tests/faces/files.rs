//! The models' files: what is not as it should be is refused before anything reads it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use asfaleia::access::face::{FRAME, KEPT, Looker, MODELS, Start};
use serde_json::Value;

use crate::house::{ASTRONAUT, House, until};
use crate::models;

/// Both models, to be damaged.
fn copied(to: &Path) -> PathBuf {
    let copy = to.join("copied");
    fs::create_dir_all(&copy).unwrap();
    for file in MODELS {
        fs::copy(models().join(file.name), copy.join(file.name)).unwrap();
    }
    copy
}

fn flipped(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(file, bytes).unwrap();
}

fn shortened(file: &Path) {
    let bytes = fs::read(file).unwrap();
    fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
}

/// One sentence, which says which file, and what to run.
fn says_what_to_run(error: &str, file: &Path) {
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    for word in [file.to_str().unwrap(), "is not the model", "models/fetch"] {
        assert!(error.contains(word), "{word}: {error}");
    }
}

#[test]
fn a_model_of_another_hash_is_not_installed() {
    let house = House::with_models(Path::new("nowhere"));
    let there = house.dir.path().join("nowhere");
    let from = copied(house.dir.path());
    let install = |from: &Path| house.cli(&["models", "install", "--from", from.to_str().unwrap()]);
    let spoils: [fn(&Path); 2] = [flipped, shortened];
    for spoil in spoils {
        for file in MODELS {
            let path = from.join(file.name);
            spoil(&path);
            for what in [&from, &path] {
                let (code, said, error) = install(what);
                assert_eq!((code, said.as_str()), (65, ""), "{error}");
                says_what_to_run(&error, &path);
            }
            assert!(!there.exists(), "nothing was put in place");
            copied(house.dir.path());
        }
    }
    let nothing = house.dir.path().join("empty");
    fs::create_dir(&nothing).unwrap();
    let (code, _, error) = install(&nothing);
    assert!(code != 0 && error.contains("is not there"), "{error}");

    let (code, said, error) = install(&from);
    assert_eq!(code, 0, "{error}");
    assert_eq!(said.matches(" is in place").count(), 2, "{said}");
}

#[test]
fn models_that_were_damaged_later_are_refused_by_enrolling_and_are_a_trouble() {
    let [yunet, sface] = MODELS;
    let spoils: [(_, fn(&Path)); 2] = [(yunet, shortened), (sface, flipped)];
    for (file, spoil) in spoils {
        let place = tempfile::tempdir().unwrap();
        let from = copied(place.path());
        let house = House::with_models(&from);
        house.enrols_anna();
        // What was folded before is right, and would do.
        let folded = fs::read_dir(house.dir.path().join(KEPT));
        for folded in folded.into_iter().flatten() {
            fs::remove_file(folded.unwrap().path()).unwrap();
        }
        let path = from.join(file.name);
        spoil(&path);
        let anna = house.dir.path().join("anna");
        for args in [
            &["enroll", "face", "Anna", "--images", anna.to_str().unwrap()][..],
            &["test", "face", "--image", ASTRONAUT],
        ] {
            let (code, said, error) = house.cli(args);
            assert_eq!((code, said.as_str()), (65, ""), "{error}");
            says_what_to_run(&error, &path);
        }
        let (_, _, error) = house.cli(&["enroll", "face", "Anna"]);
        says_what_to_run(&error, &path);

        house.somebody_comes_in();
        let trouble = until("the trouble", || house.trouble());
        says_what_to_run(&trouble, &path);
        copied(place.path());
        until("the trouble's end", || {
            house.trouble().is_none().then_some(())
        });
    }
}

#[tokio::test]
async fn what_was_folded_and_is_damaged_is_made_again() {
    let store = tempfile::tempdir().unwrap();
    let kept = store.path().join(KEPT);
    let start = Start {
        program: env!("CARGO_BIN_EXE_asfaleia").into(),
        models: models(),
        kept: Some(kept.clone()),
        side: FRAME,
        patience: Duration::from_secs(60),
    };
    let picture = fs::read(ASTRONAUT).unwrap();
    let look = async || {
        let mut child = Looker::start(&start).unwrap();
        child.look(&picture).await.unwrap().seen.unwrap().embedding
    };
    let first = look().await;
    assert!(first.is_some());
    let folded: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(&kept)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    assert_eq!(folded.len(), MODELS.len());
    let spoils: [fn(&Path); 3] = [flipped, shortened, |file| fs::write(file, "").unwrap()];
    for spoil in spoils {
        for (path, _) in &folded {
            spoil(path);
        }
        assert_eq!(look().await, first);
        for (path, bytes) in &folded {
            assert!(fs::read(path).unwrap() == *bytes, "{}", path.display());
        }
    }
}

#[test]
fn the_doctor_lets_recognition_look_at_a_wall() {
    let house = House::start();
    let (_, said, error) = house.cli(&["doctor", "--json"]);
    let findings: Vec<Value> = serde_json::from_str(&said).expect(&error);
    let faces: Vec<&Value> = findings.iter().filter(|it| it["part"] == "faces").collect();
    assert_eq!(faces.len(), 2, "{faces:?}");
    for finding in faces {
        assert_eq!(finding["verdict"], "ok", "{finding}");
    }
}
