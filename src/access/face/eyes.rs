//! The child: the same program under another name, which looks at pictures and nothing else.
//!
//! It has the least priority there is, no more memory than it needs, and no right to anything: a
//! model or a picture that breaks it costs the house a try at a face.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::Path;

use rustix::process::{Resource, Rlimit, nice, setrlimit};

use super::embed::Embedding;
use super::message::{self, Answer, Look, Seen};
use super::models::NoModel;
use super::picture::Picture;
use super::recogniser::{CloseUp, Recogniser};

/// A frame's longer side is made so long before a face is looked for, in pixels.
pub const FRAME: usize = 160;
/// The same for a picture that somebody is enrolled by, or that is asked about: a face may be small in
/// it, which is to be said.
pub const STILL: usize = 320;
/// Address space: the networks, a picture and what is computed between take a third of it.
const MOST_MEMORY: u64 = 384 * 1024 * 1024;
/// So many frames are kept for the comparison with the next.
const REMEMBERED: usize = 8;
/// A face narrower than this part of the largest is in the background.
const BESIDE: f32 = 0.4;
/// Below this width a face is not worth the time of an embedding.
const LEAST_WIDTH: f32 = 30.0;
/// Two frames that differ more show two people.
const SAME_HEAD: f32 = 0.40;

/// Answers pictures until the input ends; `side` as in [`Eyes::new`].
///
/// # Errors
/// The networks cannot be loaded: said as the first answer, too. Or nobody listens.
pub fn run(models: &Path, kept: Option<&Path>, side: usize) -> io::Result<()> {
    humble();
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut eyes = match Recogniser::load(models, kept) {
        Ok(recogniser) => Ok(Eyes::new(recogniser, side)),
        Err(why) => Err::<Eyes, NoModel>(why),
    };
    while let Some(picture) = message::read(&mut input)? {
        let answer = match &mut eyes {
            Ok(eyes) => eyes.look(&picture).map_or_else(Answer::Not, Answer::Looked),
            Err(why) => Answer::Not(why.to_string()),
        };
        let answer = serde_json::to_vec(&answer).expect("an answer can be written");
        message::write(&mut output, &answer)?;
    }
    Ok(())
}

/// What cannot be had is no reason to stop.
fn humble() {
    let _ = nice(19);
    let limit = Rlimit {
        current: Some(MOST_MEMORY),
        maximum: Some(MOST_MEMORY),
    };
    let _ = setrlimit(Resource::As, limit);
    // The first to go when the machine has no memory left.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
}

/// Eyes that remember the last frames.
pub struct Eyes {
    recogniser: Recogniser,
    side: usize,
    number: u64,
    before: VecDeque<(u64, CloseUp, Embedding)>,
}

impl Eyes {
    /// That have seen nothing yet. A picture's longer side is made `side` pixels long before a face
    /// is looked for: what is smaller than a tenth of that is not found; from [`STILL`] on, where
    /// nothing is found so, it is looked for again at twice as many.
    pub fn new(recogniser: Recogniser, side: usize) -> Self {
        Eyes {
            recogniser,
            side,
            number: 0,
            before: VecDeque::new(),
        }
    }

    /// What there is in this picture's file, and what it shows together with those before.
    ///
    /// # Errors
    /// Why it could not be looked at, in a sentence.
    pub fn look(&mut self, file: &[u8]) -> Result<Look, String> {
        let picture = Picture::decoded(file).map_err(|error| error.to_string())?;
        self.look_at(&picture)
    }

    /// The same, of a picture that was read.
    ///
    /// # Errors
    /// Why it could not be looked at, in a sentence.
    pub fn look_at(&mut self, picture: &Picture) -> Result<Look, String> {
        self.number += 1;
        let looked = |side| (self.recogniser.faces(picture, side)).map_err(|it| it.to_string());
        let mut faces = looked(self.side)?;
        if faces.is_empty() && self.side >= STILL {
            // Is nobody there, or somebody too far away?
            faces = looked(self.side * 2)?;
        }
        let near = |face: &&CloseUp| face.quality.width >= faces[0].quality.width * BESIDE;
        let count = faces.iter().filter(near).count();
        let seen = match faces.into_iter().next() {
            Some(largest) => Some(self.seen(largest)?),
            None => None,
        };
        Ok(Look {
            number: self.number,
            faces: count,
            seen,
        })
    }

    fn seen(&mut self, largest: CloseUp) -> Result<Seen, String> {
        let (face, quality) = (largest.face, largest.quality);
        let useful = quality.width >= LEAST_WIDTH && quality.is_frontal();
        let embedding = match useful {
            true => self
                .recogniser
                .embedding(&largest)
                .map_err(|error| error.to_string())?,
            false => None,
        };
        let mut relief_with = Vec::new();
        if let Some(embedding) = &embedding {
            // What is blurred shows nothing of a nose.
            if quality.is_sharp() {
                let one_head = self
                    .before
                    .iter()
                    .filter(|(_, _, it)| it.similarity(embedding) >= SAME_HEAD);
                relief_with = one_head
                    .filter(|(_, before, _)| before.shows_relief_with(&largest))
                    .map(|(number, _, _)| *number)
                    .collect();
                self.before
                    .push_back((self.number, largest, embedding.clone()));
                while self.before.len() > REMEMBERED {
                    self.before.pop_front();
                }
            }
        }
        Ok(Seen {
            face,
            quality,
            embedding: embedding.map(|it| it.numbers().to_vec()),
            relief_with,
        })
    }
}
