//! From a picture to what is seen in it.

use std::path::Path;
use std::sync::Arc;

use rten::{RunOptions, ThreadPool};

use super::detect::{Detector, Face, Landmarks};
use super::embed::{Embedder, Embedding, upright};
use super::models::{self, NoModel};
use super::picture::{Picture, Rect};
use super::quality::{Quality, sharpness};
use super::relief::Pose;

/// A face's surroundings are looked at again, this large: the landmarks become finer than in the
/// whole picture.
const CLOSE: usize = 160;
/// So many times as wide as the face.
const ROOM: f32 = 1.6;

/// Both networks, loaded.
pub struct Recogniser {
    detector: Detector,
    embedder: Embedder,
    options: RunOptions,
}

/// The engine failed: a mistake of ours, or no memory.
#[derive(Debug, thiserror::Error)]
#[error("recognition failed: {0}")]
pub struct Failed(#[from] rten::RunError);

impl Recogniser {
    /// Loads what [`install`](super::install) put into `models`. What is made of it is kept in
    /// `kept`.
    pub fn load(models: &Path, kept: Option<&Path>) -> Result<Self, NoModel> {
        let (detector, embedder) = models::load(models, kept)?;
        // One thread: the other cores are the alarm's.
        let options =
            RunOptions::default().with_thread_pool(Some(Arc::new(ThreadPool::with_num_threads(1))));
        Ok(Recogniser {
            detector,
            embedder,
            options,
        })
    }

    /// The faces in the picture, the largest first, when its longer side is made `side` pixels.
    pub fn faces(&self, picture: &Picture, side: usize) -> Result<Vec<CloseUp>, Failed> {
        let whole = View::of(picture, picture.frame(), side);
        let mut faces = Vec::new();
        for coarse in self.detector.faces(&whole.picture, &self.options)? {
            let view = View::of(picture, around(whole.back(coarse).rect), CLOSE);
            // What is no face from close by was none.
            let near = self.detector.faces(&view.picture, &self.options)?;
            let close = near
                .into_iter()
                .next()
                .and_then(|face| CloseUp::of(view, face));
            faces.extend(close);
        }
        let size = |it: &CloseUp| it.face.rect.width * it.face.rect.height;
        faces.sort_by(|one, other| size(other).total_cmp(&size(one)));
        Ok(faces)
    }

    /// The faces of a picture at its own size and at first sight, as OpenCV's detector gives them.
    pub fn first_sight(&self, picture: &Picture) -> Result<Vec<Face>, Failed> {
        Ok(self.detector.faces(picture, &self.options)?)
    }

    /// Whose face lies there in the picture, in numbers, as OpenCV's recogniser gives them.
    pub fn embedding_at(
        &self,
        picture: &Picture,
        landmarks: &Landmarks,
    ) -> Result<Option<Embedding>, Failed> {
        Ok(self
            .embedder
            .embedding(&upright(picture, landmarks), &self.options)?)
    }

    /// Whose face it is, in numbers. `None`: it cannot be said.
    pub fn embedding(&self, close: &CloseUp) -> Result<Option<Embedding>, Failed> {
        Ok(self.embedder.embedding(&close.upright, &self.options)?)
    }
}

/// A face, looked at from close by.
pub struct CloseUp {
    /// Where it is in the picture.
    pub face: Face,
    /// What it is good for.
    pub quality: Quality,
    upright: Picture,
    pose: Pose,
}

impl CloseUp {
    /// `None`: eyes and mouth do not lie as in a face.
    fn of(view: View, near: Face) -> Option<Self> {
        let face = view.back(near);
        let upright = upright(&view.picture, &near.landmarks);
        let pose = Pose::of(&view.picture, &near.landmarks)?;
        let [left, right] = near.landmarks.eyes;
        let quality = Quality {
            width: face.rect.width,
            light: view.light,
            sharp: sharpness(&upright),
            turn: pose.turn,
            roll: (right[1] - left[1]).atan2(right[0] - left[0]).to_degrees(),
        };
        Some(CloseUp {
            face,
            quality,
            upright,
            pose,
        })
    }

    /// Do both together show that it is a head, and no picture of one?
    pub fn shows_relief_with(&self, other: &CloseUp) -> bool {
        self.pose.shows_relief_with(&other.pose)
    }
}

/// A part of a picture, scaled, with enough light.
struct View {
    picture: Picture,
    part: Rect,
    scale: f32,
    /// The mean brightness of the middle, as it was.
    light: f32,
}

impl View {
    fn of(picture: &Picture, part: Rect, side: usize) -> Self {
        let scale = side as f32 / part.width.max(part.height);
        let [width, height] =
            [part.width, part.height].map(|length| ((length * scale).round() as usize).max(1));
        let (picture, light) = picture.scaled(part, width, height).lit();
        View {
            picture,
            part,
            scale,
            light,
        }
    }

    /// Where the face is in the picture that this is a part of.
    fn back(&self, face: Face) -> Face {
        face.mapped(|[x, y]| [self.part.x + x / self.scale, self.part.y + y / self.scale])
    }
}

/// A square around a face, with room.
fn around(face: Rect) -> Rect {
    let side = face.width.max(face.height) * ROOM;
    Rect {
        x: face.x + face.width / 2.0 - side / 2.0,
        y: face.y + face.height / 2.0 - side / 2.0,
        width: side,
        height: side,
    }
}
