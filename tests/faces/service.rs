//! The built program in the simulated house: somebody comes home and is known by their face.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::house::House;

/// The folder of one of the people.
fn folder(person: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("ASFALEIA_FACES").unwrap()).join(person)
}

#[test]
fn who_comes_home_is_known_by_the_face_and_a_print_of_it_is_not() {
    let house = House::start();
    let mut names = crate::pictures::people().into_iter().map(|it| it.name);
    let (anna, stranger) = (names.next().unwrap(), names.next_back().unwrap());
    let (anna, stranger) = (folder(&anna), folder(&stranger));
    let enrols = |name: &str, from: &Path| {
        let from = from.to_str().unwrap();
        let (code, said, error) = house.cli(&["enroll", "face", name, "--images", from]);
        assert_eq!(code, 0, "{said}{error}");
        assert!(said.contains("is known by 5 views"), "{said}");
    };
    enrols("Anna", &anna);
    assert_eq!(house.cli(&["people"]).1, "Anna: 5 views of the face\n");

    let pictures = |folder: &Path| -> PathBuf {
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|it| it.unwrap().path())
            .collect();
        files.sort();
        files.remove(0)
    };
    let test = |picture: &Path| -> Value {
        let (code, said, error) = house.cli(&[
            "test",
            "face",
            "--json",
            "--image",
            picture.to_str().unwrap(),
        ]);
        assert_eq!(code, 0, "{error}");
        assert_eq!(said.lines().count(), 1, "{said}");
        serde_json::from_str(&said).unwrap()
    };
    assert_eq!(test(&pictures(&anna))["name"], "Anna");
    let other = test(&pictures(&stranger));
    assert_eq!(other["name"], Value::Null, "{other}");
    assert!(
        other["similarity"].as_f64().unwrap() < 0.5 && other["faces"] == 1,
        "{other}"
    );

    // A still picture, and somebody else in person.
    house.somebody_comes_in();
    for before in [pictures(&anna), stranger] {
        house.show(Some(&before));
        assert!(
            !house.becomes("disarmed", Duration::from_secs(6)),
            "{}",
            before.display()
        );
    }
    // Those who turned their heads for their pictures are known; not everybody did.
    let others: Vec<String> = names.take(4).collect();
    for name in &others {
        enrols(name, &folder(name));
    }
    let known = others.iter().find(|name| {
        house.show(Some(&folder(name)));
        house.becomes("disarmed", Duration::from_secs(30))
    });
    let known = known.unwrap_or_else(|| panic!("nobody is known: {}", house.status()));
    let events = house.ask(reqwest::Method::GET, "events?limit=1000", None);
    let mut events = events["events"].as_array().unwrap().iter();
    let granted = events.find(|it| it["kind"] == "granted");
    let by = &granted.expect("it is written down")["data"]["by"];
    assert_eq!(
        (&by["name"], &by["with"]),
        (&json!(known), &json!(["face"]))
    );
    let troubles = house.status()["troubles"].to_string();
    assert!(!troubles.contains("\"face\""), "{troubles}");

    assert_eq!(house.cli(&["forget", known]).0, 0);
    house.somebody_comes_in();
    assert!(!house.becomes("disarmed", Duration::from_secs(4)));
}
