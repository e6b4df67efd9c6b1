//! False accepts and rejects, over everybody in the folder.

use asfaleia::access::face::{CloseUp, Embedding, FRAME, Picture, Recogniser, SAME, VIEWS};

use crate::pictures::{Gray, Person, people};
use crate::recogniser;

/// Tries, and how many of them went wrong.
#[derive(Debug, Default)]
pub(crate) struct Count {
    pub(crate) wrong: u64,
    pub(crate) of: u64,
}

impl Count {
    pub(crate) fn add(&mut self, wrong: bool) {
        self.wrong += u64::from(wrong);
        self.of += 1;
    }

    /// Between which shares the truth lies with 95 % (Clopper and Pearson).
    fn bounds(&self) -> (f64, f64) {
        let (wrong, of) = (self.wrong, self.of);
        let found = |below: &dyn Fn(f64) -> bool| {
            let (mut low, mut high) = (0.0, 1.0);
            for _ in 0..60 {
                let middle = f64::midpoint(low, high);
                if below(middle) {
                    low = middle
                } else {
                    high = middle
                }
            }
            low
        };
        // P(at least as many) = 2.5 %, and P(at most as many) = 2.5 %.
        let lower = match wrong {
            0 => 0.0,
            _ => found(&|share| 1.0 - at_most(wrong - 1, of, share) < 0.025),
        };
        let upper = match wrong == of {
            true => 1.0,
            false => found(&|share| at_most(wrong, of, share) > 0.025),
        };
        (lower, upper)
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (lower, upper) = self.bounds();
        let Count { wrong, of } = self;
        write!(
            f,
            "{wrong} of {of} (95 %: {:.3} to {:.3} %)",
            lower * 100.0,
            upper * 100.0
        )
    }
}

/// The chance of at most so many, when each of so many goes wrong with this share.
fn at_most(wrong: u64, of: u64, share: f64) -> f64 {
    let mut chance = (of as f64 * (1.0 - share).ln()).exp();
    let mut sum = chance;
    for n in 0..wrong {
        chance *= (of - n) as f64 / (n + 1) as f64 * share / (1.0 - share);
        sum += chance;
    }
    sum
}

/// Whose face is the largest of the picture.
fn embedding(recogniser: &Recogniser, picture: &Picture) -> Option<Embedding> {
    let faces = recogniser
        .faces(picture, FRAME)
        .expect("it can be looked at");
    let largest: &CloseUp = faces.first()?;
    recogniser
        .embedding(largest)
        .expect("it can be said in numbers")
}

struct Enrolled {
    templates: Vec<Embedding>,
    /// All pictures; the first ones became the templates.
    faces: Vec<Option<Embedding>>,
}

/// All are tried on all; of the owners' own those from this one on.
fn tried(known: &[Enrolled], seen: &[Vec<Option<Embedding>>], own_from: usize) -> (Count, Count) {
    let (mut accepts, mut rejects) = (Count::default(), Count::default());
    for (owner, enrolled) in known.iter().enumerate() {
        for (person, faces) in seen.iter().enumerate() {
            let own = person == owner;
            for face in faces.iter().skip(if own { own_from } else { 0 }) {
                let similar = |face: &Embedding| {
                    let all = enrolled.templates.iter().map(|it| it.similarity(face));
                    all.fold(f32::MIN, f32::max) >= SAME
                };
                let accepted = face.as_ref().is_some_and(similar);
                match own {
                    true => rejects.add(!accepted),
                    false => accepts.add(accepted),
                }
            }
        }
    }
    (accepts, rejects)
}

fn seen(
    people: &[Person],
    with: impl Fn(&Picture, usize) -> Picture + Sync,
) -> Vec<Vec<Option<Embedding>>> {
    let half = people.len().div_ceil(2);
    // Two threads: what most machines have to spare.
    std::thread::scope(|scope| {
        let with = &with;
        let halves: Vec<_> = people
            .chunks(half)
            .enumerate()
            .map(|(part, people)| {
                scope.spawn(move || {
                    let recogniser = recogniser();
                    let each = |(n, person): (usize, &Person)| {
                        let pictures = person.pictures.iter().enumerate();
                        let seed = (part * half + n) * 1_000;
                        pictures
                            .map(|(at, it)| embedding(&recogniser, &with(it, seed + at)))
                            .collect()
                    };
                    people.iter().enumerate().map(each).collect::<Vec<Vec<_>>>()
                })
            })
            .collect();
        halves
            .into_iter()
            .flat_map(|it| it.join().expect("no half panics"))
            .collect()
    })
}

#[test]
fn nobody_else_is_accepted_and_hardly_an_owner_turned_away_in_light_in_the_dark_and_blurred() {
    let people = people();
    let plain = seen(&people, |picture, _| picture.clone());
    let known: Vec<Enrolled> = plain
        .iter()
        .map(|faces| Enrolled {
            templates: faces.iter().take(VIEWS).flatten().cloned().collect(),
            faces: faces.clone(),
        })
        .collect();
    // Enrolled by good pictures; the others are taken again, in worse conditions.
    let others: Vec<Person> = people
        .into_iter()
        .map(|person| Person {
            pictures: person.pictures[VIEWS..].to_vec(),
            ..person
        })
        .collect();
    let dark = seen(&others, |picture, seed| {
        let mut rng = fastrand::Rng::with_seed(seed as u64);
        Gray::of(picture).darker(0.3, 6.0, &mut rng).picture()
    });
    let blurred = seen(&others, |picture, _| {
        Gray::of(picture).blurred(1.2).picture()
    });

    let nothing_found = known
        .iter()
        .flat_map(|it| &it.faces)
        .filter(|it| it.is_none())
        .count();
    println!(
        "{} people, no face found in {nothing_found} pictures",
        others.len()
    );
    for (how, seen, own_from, most) in [
        ("as they are", &plain, VIEWS, 0.02),
        ("a third of the light, noise of 6", &dark, 0, 0.06),
        ("blurred by 1.2 pixels", &blurred, 0, 0.06),
    ] {
        let (accepts, rejects) = tried(&known, seen, own_from);
        println!("{how}: strangers accepted {accepts}; owners rejected {rejects}");
        assert_eq!(accepts.wrong, 0, "{how}");
        assert!(
            rejects.wrong as f64 <= most * rejects.of as f64,
            "{how}: {rejects}"
        );
    }
}

#[test]
fn the_bounds_are_those_of_the_books() {
    // Clopper and Pearson, 1934; the rule of three for none.
    let (lower, upper) = Count { wrong: 0, of: 100 }.bounds();
    assert!(lower == 0.0 && (upper - 0.03622).abs() < 1e-4, "{upper}");
    let (lower, upper) = Count { wrong: 10, of: 100 }.bounds();
    assert!(
        (lower - 0.04900).abs() < 1e-4 && (upper - 0.17622).abs() < 1e-4,
        "{lower} {upper}"
    );
}
