//! From pictures of somebody to what they are known by.

use super::awaited::{SAME, TOO_CLOSE, closest};
use super::embed::Embedding;
use super::message::Look;
use super::quality::Flaw;

/// So many views make a face known; more would let more strangers in.
pub const VIEWS: usize = 5;

/// Why a picture is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Nobody is in it.
    #[error("no face is in it")]
    NoFace,
    /// Who is meant?
    #[error("{0} faces are in it: one alone must be")]
    Many(usize),
    /// Not good enough.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Flawed(Vec<Flaw>),
    /// Somebody else is in it.
    #[error("it shows somebody else than the pictures before it")]
    SomebodyElse,
}

/// The face of a picture to enrol with.
///
/// # Errors
/// Why it is of no use.
pub fn fit(look: &Look) -> Result<Embedding, Unfit> {
    let seen = match (look.faces, &look.seen) {
        (0, _) | (_, None) => return Err(Unfit::NoFace),
        (1, Some(seen)) => seen,
        (many, Some(_)) => return Err(Unfit::Many(many)),
    };
    let mut flaws = seen.quality.flaws();
    let embedding = seen.embedding.clone().and_then(Embedding::new);
    if embedding.is_none() && flaws.is_empty() {
        flaws.push(Flaw::NotFrontal);
    }
    match embedding {
        Some(embedding) if flaws.is_empty() => Ok(embedding),
        Some(_) | None => Err(Unfit::Flawed(flaws)),
    }
}

/// Views of one face while they are gathered.
#[derive(Debug, Default)]
pub struct Views(Vec<Embedding>);

impl Views {
    /// Adds the face of one more picture.
    ///
    /// # Errors
    /// Why it is of no use.
    pub fn add(&mut self, look: &Look) -> Result<(), Unfit> {
        let face = fit(look)?;
        // Two views of one head from both sides may differ more than either from the middle.
        let alike = self.0.iter().map(|view| view.similarity(&face));
        if alike.max_by(f32::total_cmp).is_some_and(|most| most < SAME) {
            return Err(Unfit::SomebodyElse);
        }
        self.0.push(face);
        Ok(())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Those [`VIEWS`] that differ most: they know the face from most sides. `None`: too few.
    pub fn chosen(mut self) -> Option<Vec<Embedding>> {
        if self.0.len() < VIEWS {
            return None;
        }
        let mut chosen = vec![self.0.remove(0)];
        while chosen.len() < VIEWS {
            let nearest = |view: &Embedding| {
                let alike = chosen.iter().map(|it| it.similarity(view));
                alike.max_by(f32::total_cmp).expect("there is one")
            };
            let next = (0..self.0.len())
                .min_by(|a, b| nearest(&self.0[*a]).total_cmp(&nearest(&self.0[*b])))
                .expect("there are more");
            chosen.push(self.0.remove(next));
        }
        Some(chosen)
    }
}

/// Who of the others is so like this face that both may be taken for each other, and how like.
pub fn too_close<'a>(
    views: &[Embedding],
    others: &[(&'a str, &'a [f32])],
) -> Option<(&'a str, f32)> {
    views
        .iter()
        .filter_map(|view| closest(view, others.iter().copied()))
        .filter(|(_, similarity)| *similarity >= TOO_CLOSE)
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
}
