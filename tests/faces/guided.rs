//! Somebody is enrolled before the camera, guided by the terminal or by the API.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use asfaleia::access::face::{Eyes, FRAME, fit};
use serde_json::Value;

use crate::house::House;
use crate::pictures::{Gray, people};
use crate::recogniser;

/// Pictures of one person, as files: one for each way of looking.
struct Sides {
    straight: PathBuf,
    left: PathBuf,
    right: PathBuf,
    // What cannot be used.
    dark: PathBuf,
    blurred: PathBuf,
    small: PathBuf,
}

impl Sides {
    /// Of whoever turned their head to both sides for their pictures.
    fn found(folder: &Path) -> Sides {
        let mut eyes = Eyes::new(recogniser(), FRAME);
        let mut turn = |picture: &asfaleia::access::face::Picture| {
            let look = eyes.look_at(&picture.in_frame(640, 480)).unwrap();
            fit(&look).ok()?;
            Some(look.seen?.quality.turn - 0.5)
        };
        for person in people() {
            let turned: Vec<_> = (person.pictures.iter())
                .filter_map(|picture| Some((turn(picture)?, picture)))
                .collect();
            let side = |fits: fn(f32) -> bool| turned.iter().find(|(turn, _)| fits(*turn));
            let sides = (
                side(|turn| turn.abs() < 0.05),
                side(|turn| turn > 0.12),
                side(|turn| turn < -0.12),
            );
            let (Some((_, straight)), Some((_, left)), Some((_, right))) = sides else {
                continue;
            };
            let gray = Gray::of(straight);
            let file = |name: &str, gray: &Gray| {
                let path = folder.join(format!("{name}.pgm"));
                let mut bytes = format!("P5 {} {} 255\n", gray.width, gray.height).into_bytes();
                bytes.extend(
                    gray.luma
                        .iter()
                        .map(|it| it.round().clamp(0.0, 255.0) as u8),
                );
                fs::write(&path, bytes).unwrap();
                path
            };
            let mut rng = fastrand::Rng::with_seed(5);
            return Sides {
                straight: file("straight", &gray),
                left: file("left", &Gray::of(left)),
                right: file("right", &Gray::of(right)),
                dark: file("dark", &gray.darker(0.15, 0.0, &mut rng)),
                blurred: file("blurred", &gray.blurred(3.0)),
                small: file("small", &far_away(&gray)),
            };
        }
        panic!("nobody turned their head to both sides");
    }
}

/// In the middle of a gray wall, many times as large.
fn far_away(face: &Gray) -> Gray {
    const TIMES: usize = 7;
    let (width, height) = (face.height * TIMES * 4 / 3, face.height * TIMES);
    let mut luma = vec![120.0; width * height];
    let (left, top) = ((width - face.width) / 2, (height - face.height) / 2);
    for y in 0..face.height {
        let row = &face.luma[y * face.width..][..face.width];
        luma[(top + y) * width + left..][..face.width].copy_from_slice(row);
    }
    Gray {
        width,
        height,
        luma,
    }
}

#[test]
fn a_face_is_enrolled_at_the_camera_by_who_does_what_the_terminal_says() {
    let house = House::start();
    let sides = Sides::found(house.dir.path());
    house.show(Some(&sides.dark));
    let mut command = house.command(&["enroll", "face", "Anna"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        match line.trim() {
            "it is too dark: turn on a light" => house.show(Some(&sides.blurred)),
            "it is blurred: hold still, and wipe the lens" => house.show(Some(&sides.small)),
            "the face is too small: come closer" => house.show(Some(&sides.straight)),
            "turn your head a little to the left" => house.show(Some(&sides.left)),
            "now to the right" => house.show(Some(&sides.right)),
            "straight again, the chin a little up" => house.show(Some(&sides.straight)),
            _ => {}
        }
        said.push(line);
    }
    let ended = child.wait_with_output().unwrap();
    let error = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.success(), "{said:?} {error}");
    assert_eq!(
        said,
        [
            "look straight into the camera",
            "  it is too dark: turn on a light",
            "  it is blurred: hold still, and wipe the lens",
            "  the face is too small: come closer",
            "  good",
            "turn your head a little to the left",
            "  good",
            "now to the right",
            "  good",
            "straight again, the chin a little up",
            "  good",
            "and a little down",
            "  good",
            "Anna is known by 5 views of the face",
        ]
    );
    assert_eq!(house.cli(&["people"]).1, "Anna: 5 views of the face\n");
    let picture = sides.left.to_str().unwrap();
    let (_, known, error) = house.cli(&["test", "face", "--json", "--image", picture]);
    let known: Value = serde_json::from_str(&known).expect(&error);
    assert_eq!(known["name"], "Anna");
    assert!(house.child().is_none(), "what looked has ended");
}

#[test]
fn a_face_is_enrolled_at_the_camera_by_the_api_alone() {
    let house = House::start();
    let sides = Sides::found(house.dir.path());
    house.show(None);
    let mut stream = UnixStream::connect(house.dir.path().join("asfaleia.sock")).unwrap();
    let request = "POST /api/v1/people/Ben/face HTTP/1.1\r\nHost: localhost\r\n\
                   Content-Type: application/json\r\nContent-Length: 2\r\n\
                   Connection: close\r\n\r\n{}";
    stream.write_all(request.as_bytes()).unwrap();
    let mut told = Vec::new();
    for line in BufReader::new(&stream).lines().map(Result::unwrap) {
        let Some(said) = line.strip_prefix("data: ") else {
            continue;
        };
        let said: Value = serde_json::from_str(said).unwrap();
        match said["face"].as_str() {
            // Nobody is there.
            Some("unfit") => house.show(Some(&sides.straight)),
            Some("left") => house.show(Some(&sides.right)),
            Some("right") => house.show(Some(&sides.left)),
            Some("up") => house.show(Some(&sides.straight)),
            _ => {}
        }
        told.push(
            said["face"]
                .as_str()
                .map_or(said.to_string(), str::to_owned),
        );
    }
    let [first, unfit, .., last] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((first.as_str(), unfit.as_str()), ("straight", "unfit"));
    assert_eq!(last, r#"{"done":true,"warning":null}"#, "{told:?}");
    assert_eq!(told.iter().filter(|it| *it == "good").count(), 5);
    assert_eq!(house.cli(&["people"]).1, "Ben: 5 views of the face\n");
}

#[test]
fn whoever_hangs_up_ends_the_enrolment_and_another_one_may_begin() {
    let house = House::start();
    let begins = || {
        let mut stream = UnixStream::connect(house.dir.path().join("asfaleia.sock")).unwrap();
        let request = "POST /api/v1/people/Ben/face HTTP/1.1\r\nHost: localhost\r\n\
                       Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    let says = |stream: &mut UnixStream, word: &str| {
        let mut heard = Vec::new();
        let mut chunk = [0; 512];
        while !String::from_utf8_lossy(&heard).contains(word) {
            let count = stream.read(&mut chunk).unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&heard));
            heard.extend_from_slice(&chunk[..count]);
        }
    };
    let mut first = begins();
    says(&mut first, r#"{"face":"straight"}"#);
    says(&mut begins(), "another face is being enrolled");
    drop(first);
    crate::house::until("the end of the child that looked", || {
        house.child().is_none().then_some(())
    });
    says(&mut begins(), r#"{"face":"straight"}"#);
    assert_eq!(
        house.cli(&["people"]).1,
        "nobody yet (asfaleia enroll pin NAME)\n"
    );
}
