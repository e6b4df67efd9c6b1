//! What OpenCV's own pipeline gives for the same picture and models (`tests/fixtures/faces`).
//!
//! At its own size the detector gives OpenCV's landmarks, and OpenCV's landmarks OpenCV's numbers. What
//! our whole pipeline gives differs (0.96 on average over the ORL faces, 0.84 at worst), for one reason:
//! it looks at each face a second time, always at the same size, and so has other landmarks.

use std::path::PathBuf;

use asfaleia::access::face::{Embedding, FRAME, Landmarks, Picture, Point};
use serde::Deserialize;

use crate::pictures::picture;
use crate::recogniser;

#[derive(Deserialize)]
struct OpenCv {
    rect: [f32; 4],
    points: [Point; 5],
    likely: f32,
    embedding: Vec<f32>,
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/faces")
        .join(name)
}

fn golden() -> (Picture, OpenCv) {
    let text = std::fs::read_to_string(fixture("opencv.json")).unwrap();
    (
        picture(&fixture("astronaut.png")),
        serde_json::from_str(&text).unwrap(),
    )
}

fn landmarks([a, b, nose, c, d]: [Point; 5]) -> Landmarks {
    Landmarks {
        eyes: [a, b],
        nose,
        mouth: [c, d],
    }
}

#[test]
fn the_detector_finds_what_opencvs_finds() {
    let (picture, opencv) = golden();
    let faces = recogniser().first_sight(&picture).unwrap();
    let [face] = faces[..] else {
        panic!("{faces:?}")
    };
    let rect = [face.rect.x, face.rect.y, face.rect.width, face.rect.height];
    let Landmarks {
        eyes: [a, b],
        nose,
        mouth: [c, d],
    } = face.landmarks;
    let ours = [a, b, nose, c, d];
    let numbers = rect.iter().chain(ours.as_flattened());
    for (ours, theirs) in numbers.zip(opencv.rect.iter().chain(opencv.points.as_flattened())) {
        assert!(
            (ours - theirs).abs() < 0.01,
            "{face:?} and not {:?} {:?}",
            opencv.rect,
            opencv.points
        );
    }
    assert!((face.likely - opencv.likely).abs() < 1e-3);
}

#[test]
fn with_opencvs_landmarks_the_numbers_are_opencvs() {
    let (picture, opencv) = golden();
    let theirs = Embedding::new(opencv.embedding).unwrap();
    let ours = recogniser()
        .embedding_at(&picture, &landmarks(opencv.points))
        .unwrap()
        .unwrap();
    // OpenCV's warp rounds to thirty-seconds of a pixel, and each pixel to whole steps.
    assert!(
        ours.similarity(&theirs) > 0.999,
        "{}",
        ours.similarity(&theirs)
    );
}

#[test]
fn the_whole_of_it_gives_the_same_numbers_on_every_machine() {
    let (picture, _) = golden();
    let recogniser = recogniser();
    let faces = recogniser.faces(&picture, FRAME).unwrap();
    let ours = recogniser.embedding(&faces[0]).unwrap().unwrap();
    let file = fixture("asfaleia.json");
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        std::fs::write(&file, serde_json::to_string(ours.numbers()).unwrap()).unwrap();
    }
    let golden: Vec<f32> = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let most = ours
        .numbers()
        .iter()
        .zip(&golden)
        .map(|(a, b)| (a - b).abs());
    let most = most.fold(0.0, f32::max);
    println!("the numbers differ by {most:.7} at most from those of x86-64");
    assert!(most < 0.00005, "to four decimals: {most}");
}
