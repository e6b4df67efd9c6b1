//! A few people, whose pictures a package brings: too few for shares, enough to see that both kinds
//! of mistakes are not the rule where there is no crowd.

use std::path::PathBuf;

use asfaleia::access::face::{Embedding, Eyes, SAME, STILL};

use crate::accuracy::Count;
use crate::house::ASTRONAUT;
use crate::pictures::{listed, picture};
use crate::recogniser;

#[test]
fn nobody_of_a_few_is_taken_for_another_and_everybody_for_themselves() {
    let folder = std::env::var_os("ASFALEIA_FEW_FACES").map(PathBuf::from);
    let folder = folder.expect("ASFALEIA_FEW_FACES names a directory: tests/run sets it");
    let mut people: Vec<Vec<PathBuf>> = listed(&folder).iter().map(|it| listed(it)).collect();
    people.push(vec![ASTRONAUT.into()]);
    let mut eyes = Eyes::new(recogniser(), STILL);
    let mut faces: Vec<(usize, Embedding)> = Vec::new();
    for (person, files) in people.iter().enumerate() {
        for file in files {
            let look = eyes.look_at(&picture(file)).unwrap();
            let seen = look.seen.expect("there is a face in each");
            let face = seen.embedding.and_then(Embedding::new);
            faces.push((person, face.expect("it can be said in numbers")));
        }
    }
    let (mut accepted, mut rejected) = (Count::default(), Count::default());
    let (mut least, mut most) = (1.0_f32, -1.0_f32);
    for (at, (person, face)) in faces.iter().enumerate() {
        for (other, another) in &faces[at + 1..] {
            let alike = face.similarity(another);
            if person == other {
                rejected.add(alike < SAME);
                least = least.min(alike);
            } else {
                accepted.add(alike >= SAME);
                most = most.max(alike);
            }
        }
    }
    println!(
        "{} people, {} pictures: strangers accepted {accepted}, {most:.2} alike at most; owners \
         rejected {rejected}, {least:.2} alike at least",
        people.len(),
        faces.len(),
    );
    assert!(accepted.of > 0 && rejected.of > 0);
    assert_eq!(accepted.wrong, 0, "two people are one: {most}");
    assert_eq!(rejected.wrong, 0, "somebody is not known: {least}");
}
