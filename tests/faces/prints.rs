//! A print held up is no head: one picture, shifted, turned in its plane, scaled, tilted and shaken.

use std::time::Duration;

use asfaleia::access::face::{Embedding, Eyes, FRAME, Picture, SAME, Sightings};

use crate::pictures::{Gray, normal, people};
use crate::recogniser;

/// A webcam's frame, and its focal length in pixels.
const WIDTH: usize = 320;
const HEIGHT: usize = 240;
const FOCAL: f32 = 300.0;

/// How a hand holds a print.
struct Held {
    /// Radians: about the vertical, about the horizontal, in its plane.
    turned: [f32; 3],
    /// In heights of the print.
    distance: f32,
    /// Pixels.
    shifted: [f32; 2],
    /// Pixels that it moves while the picture is taken.
    shaken: [f32; 2],
}

impl Held {
    fn somehow(rng: &mut fastrand::Rng) -> Held {
        let mut within = |most: f32| (rng.f32() * 2.0 - 1.0) * most;
        let degree = std::f32::consts::PI / 180.0;
        let turned = [
            within(55.0) * degree,
            within(30.0) * degree,
            within(15.0) * degree,
        ];
        let shifted = [within(30.0), within(15.0)];
        let shaken = match within(1.0) > 0.0 {
            true => [within(4.0), within(4.0)],
            false => [0.0; 2],
        };
        Held {
            turned,
            distance: 2.7 + within(1.1),
            shifted,
            shaken,
        }
    }
}

/// What the camera sees of a print that is held so.
fn frame(print: &Gray, held: &Held, rng: &mut fastrand::Rng) -> Picture {
    const WALL: f32 = 110.0;
    let [yaw, pitch, roll] = held.turned;
    // The print's own right and down, in the room: turned about the vertical, then the horizontal,
    // then in the picture.
    let about = |[x, y, z]: [f32; 3]| {
        let (x, z) = (x * yaw.cos() + z * yaw.sin(), z * yaw.cos() - x * yaw.sin());
        let (y, z) = (
            y * pitch.cos() - z * pitch.sin(),
            y * pitch.sin() + z * pitch.cos(),
        );
        [
            x * roll.cos() - y * roll.sin(),
            x * roll.sin() + y * roll.cos(),
            z,
        ]
    };
    let (right, down) = (about([1.0, 0.0, 0.0]), about([0.0, 1.0, 0.0]));
    let normal_of = [
        right[1] * down[2] - right[2] * down[1],
        right[2] * down[0] - right[0] * down[2],
        right[0] * down[1] - right[1] * down[0],
    ];
    let dot = |a: [f32; 3], b: [f32; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let middle = [0.0, 0.0, held.distance];
    let at = |x: f32, y: f32| {
        let ray = [
            (x - WIDTH as f32 / 2.0) / FOCAL,
            (y - HEIGHT as f32 / 2.0) / FOCAL,
            1.0,
        ];
        let far = dot(middle, normal_of) / dot(ray, normal_of);
        let hit = [0, 1, 2].map(|axis| ray[axis] * far - middle[axis]);
        let (u, v) = (dot(hit, right), dot(hit, down));
        let (u, v) = (u * print.height as f32, v * print.height as f32);
        let (u, v) = (u + print.width as f32 / 2.0, v + print.height as f32 / 2.0);
        let inside =
            (0.0..print.width as f32).contains(&u) && (0.0..print.height as f32).contains(&v);
        if inside {
            print.at(u - 0.5, v - 0.5)
        } else {
            WALL
        }
    };
    const MOMENTS: usize = 5;
    let light = 0.8 + 0.4 * rng.f32();
    let places = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x as f32, y as f32)));
    let luma = places.map(|(x, y)| {
        let moments = (0..MOMENTS).map(|moment| {
            let part = moment as f32 / (MOMENTS - 1) as f32 - 0.5;
            let [dx, dy] = [0, 1].map(|axis| held.shifted[axis] + part * held.shaken[axis]);
            at(x - dx, y - dy)
        });
        let still = held.shaken == [0.0; 2];
        let seen = if still {
            at(x - held.shifted[0], y - held.shifted[1])
        } else {
            moments.sum::<f32>() / MOMENTS as f32
        };
        seen * light + 2.0 * normal(rng)
    });
    let luma = luma.collect();
    Gray {
        width: WIDTH,
        height: HEIGHT,
        luma,
    }
    .picture()
}

/// How many of these frames are the enrolled person, and whether they count as that person's head.
fn shown(
    eyes: &mut Eyes,
    known: &[Embedding],
    frames: impl Iterator<Item = Picture>,
) -> (usize, bool) {
    let mut sightings = Sightings::default();
    let (mut same, mut head) = (0, false);
    for (n, frame) in frames.enumerate() {
        let look = eyes.look_at(&frame).expect("it can be looked at");
        let face = look
            .seen
            .as_ref()
            .and_then(|seen| Embedding::new(seen.embedding.clone()?));
        let known = face.is_some_and(|face| known.iter().any(|it| it.similarity(&face) >= SAME));
        same += usize::from(known);
        let at = Duration::from_millis(300) * n as u32;
        head |= sightings.add(&look, known.then_some("them"), at).is_some();
    }
    (same, head)
}

#[test]
fn a_print_never_counts_however_a_hand_holds_it_and_a_head_that_turns_does() {
    const FRAMES: usize = 14;
    let people = people();
    let mut rng = fastrand::Rng::with_seed(0xFACE);
    let (mut prints, mut prints_known, mut heads) = (0, 0, 0);
    for person in &people {
        let recogniser = recogniser();
        let mut known = Vec::new();
        for picture in &person.pictures {
            let faces = recogniser.faces(picture, FRAME).unwrap();
            known.extend(
                faces
                    .first()
                    .and_then(|face| recogniser.embedding(face).unwrap()),
            );
        }
        let mut eyes = Eyes::new(recogniser, FRAME);

        let print = Gray::of(rng.choice(&person.pictures).unwrap());
        let frames: Vec<Picture> = (0..FRAMES)
            .map(|_| {
                let held = Held::somehow(&mut rng);
                frame(&print, &held, &mut rng)
            })
            .collect();
        let (same, counts) = shown(&mut eyes, &known, frames.into_iter());
        prints_known += same;
        prints += usize::from(counts);
        assert!(!counts, "a print of {} passes for them", person.name);

        // The same person, their head held otherwise in each picture, as in life.
        let poses = person.pictures.iter().cloned();
        let (_, counts) = shown(&mut eyes, &known, poses);
        heads += usize::from(counts);
    }
    println!(
        "prints of {} people, {FRAMES} frames each: {prints_known} frames were known, {prints} prints \
         counted; of the people themselves {heads} counted in {} pictures each",
        people.len(),
        people[0].pictures.len()
    );
    assert!(
        prints_known > people.len() * FRAMES / 4,
        "the attack must be one: {prints_known}"
    );
    assert!(heads * 2 > people.len(), "people must be let in: {heads}");
}
