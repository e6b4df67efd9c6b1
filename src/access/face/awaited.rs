//! When is it somebody? Pure: the parent's side decides what the child's eyes saw.

use std::time::Duration;

use super::embed::Embedding;
use super::message::Look;

/// From here on it is the same person. Measured on the ORL faces, best of five templates: no stranger
/// in 13,320 comes near, and no owner in 185 falls below; OpenCV's own 0.363 lets strangers in.
pub const SAME: f32 = 0.50;
/// Two people who are as alike as this may be taken for each other on a bad day.
pub const TOO_CLOSE: f32 = 0.40;
/// So many frames must show the same person.
const FRAMES: usize = 3;
/// ... no further apart than this.
const TOGETHER: Duration = Duration::from_secs(15);
/// So many pairs of them must show that it is a head.
const PAIRS: usize = 2;

/// Whose face of those who are known is closest, and how close (a cosine). `None`: nobody is known.
pub fn closest<'a>(
    face: &Embedding,
    known: impl IntoIterator<Item = (&'a str, &'a [f32])>,
) -> Option<(&'a str, f32)> {
    let cosine = |template: &[f32]| -> f32 {
        face.numbers()
            .iter()
            .zip(template)
            .map(|(a, b)| a * b)
            .sum()
    };
    known
        .into_iter()
        .map(|(name, template)| (name, cosine(template)))
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
}

/// The frames of one person that count so far.
#[derive(Debug, Default)]
pub struct Sightings {
    person: Option<String>,
    frames: Vec<Frame>,
}

#[derive(Debug)]
struct Frame {
    number: u64,
    at: Duration,
    /// Earlier frames that show, with this one, a head.
    relief_with: Vec<u64>,
}

impl Sightings {
    /// One more frame; `person`: whose face it is, if it is like any; `at` on any clock that only
    /// goes on. Who it is, when that is certain: after it all begins anew.
    pub fn add(&mut self, look: &Look, person: Option<&str>, at: Duration) -> Option<String> {
        let person = person?;
        if self.person.as_deref() != Some(person) {
            self.person = Some(person.to_owned());
            self.frames.clear();
        }
        self.frames
            .retain(|frame| at.saturating_sub(frame.at) <= TOGETHER);
        self.frames.push(Frame {
            number: look.number,
            at,
            relief_with: look
                .seen
                .as_ref()
                .map(|seen| seen.relief_with.clone())
                .unwrap_or_default(),
        });
        let known = |number: u64| self.frames.iter().any(|frame| frame.number == number);
        let pairs: Vec<(u64, u64)> = self
            .frames
            .iter()
            .flat_map(|frame| frame.relief_with.iter().map(|with| (frame.number, *with)))
            .filter(|(_, with)| known(*with))
            .collect();
        let mut shown: Vec<u64> = pairs
            .iter()
            .flat_map(|(one, other)| [*one, *other])
            .collect();
        shown.sort_unstable();
        shown.dedup();
        (pairs.len() >= PAIRS && shown.len() >= FRAMES).then(|| {
            self.frames.clear();
            person.to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::face::{Face, Landmarks, Quality, Rect, Seen};

    fn seen(number: u64, relief_with: &[u64]) -> Look {
        let rect = Rect {
            x: 0.0,
            y: 0.0,
            width: 80.0,
            height: 100.0,
        };
        let landmarks = Landmarks::of([[0.0, 0.0]; 5]);
        let quality = Quality {
            width: 80.0,
            light: 120.0,
            sharp: 0.1,
            turn: 0.5,
            roll: 0.0,
        };
        Look {
            number,
            faces: 1,
            seen: Some(Seen {
                face: Face {
                    rect,
                    landmarks,
                    likely: 0.9,
                },
                quality,
                embedding: None,
                relief_with: relief_with.to_vec(),
            }),
        }
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn three_frames_of_one_person_that_show_a_head_count() {
        let mut sightings = Sightings::default();
        assert_eq!(sightings.add(&seen(1, &[]), Some("Anna"), secs(1)), None);
        assert_eq!(sightings.add(&seen(2, &[1]), Some("Anna"), secs(2)), None);
        let sure = sightings.add(&seen(3, &[1]), Some("Anna"), secs(3));
        assert_eq!(sure.as_deref(), Some("Anna"));
        assert_eq!(
            sightings.add(&seen(4, &[3]), Some("Anna"), secs(4)),
            None,
            "it begins anew"
        );
    }

    #[test]
    fn frames_that_show_no_head_never_count_however_many_they_are() {
        let mut sightings = Sightings::default();
        for number in 0..100 {
            assert_eq!(
                sightings.add(&seen(number, &[]), Some("Anna"), secs(number)),
                None
            );
        }
    }

    #[test]
    fn another_face_between_begins_anew() {
        let mut sightings = Sightings::default();
        sightings.add(&seen(1, &[]), Some("Anna"), secs(1));
        sightings.add(&seen(2, &[1]), Some("Anna"), secs(2));
        sightings.add(&seen(3, &[1, 2]), Some("Ben"), secs(3));
        assert_eq!(
            sightings.add(&seen(4, &[3, 2]), Some("Anna"), secs(4)),
            None
        );
    }

    #[test]
    fn a_stranger_between_changes_nothing_and_counts_for_nobody() {
        let mut sightings = Sightings::default();
        sightings.add(&seen(1, &[]), Some("Anna"), secs(1));
        assert_eq!(sightings.add(&seen(2, &[1]), None, secs(2)), None);
        assert_eq!(
            sightings.add(&seen(3, &[1, 2]), Some("Anna"), secs(3)),
            None
        );
    }

    #[test]
    fn frames_that_lie_too_far_apart_do_not_count_together() {
        let mut sightings = Sightings::default();
        sightings.add(&seen(1, &[]), Some("Anna"), secs(1));
        sightings.add(&seen(2, &[1]), Some("Anna"), secs(8));
        assert_eq!(sightings.add(&seen(3, &[1]), Some("Anna"), secs(17)), None);
    }
}
