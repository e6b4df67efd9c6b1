//! Whose face: SFace. A face is turned upright, and becomes 128 numbers that lie close together
//! for one person and far apart for two.

use rten::{Model, NodeId, RunOptions, ValueOrView};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

use super::detect::{Landmarks, Point};
use super::picture::Picture;
use crate::store::{KnownBy, TEMPLATE};

/// How large an upright face is, in pixels.
pub(super) const UPRIGHT: usize = 112;
/// Where SFace wants eyes, nose and mouth: OpenCV's `FaceRecognizerSF`, `face_recognize.cpp`.
const PLACES: [Point; 5] = [
    [38.2946, 51.6963],
    [73.5318, 51.5014],
    [56.0252, 71.7366],
    [41.5493, 92.3655],
    [70.7299, 92.2041],
];

/// A face as 128 numbers of length 1 together.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding(pub(super) Vec<f32>);

impl Embedding {
    /// How many numbers.
    pub const LENGTH: usize = TEMPLATE;

    /// Made to length 1. `None`: not so many numbers, or none but zeros.
    pub fn new(mut numbers: Vec<f32>) -> Option<Self> {
        let length = numbers.iter().map(|it| it * it).sum::<f32>().sqrt();
        if numbers.len() != Self::LENGTH || !length.is_finite() || length == 0.0 {
            return None;
        }
        numbers.iter_mut().for_each(|it| *it /= length);
        Some(Embedding(numbers))
    }

    /// As a person is known by it.
    pub fn known_by(&self) -> KnownBy {
        let template: Box<[f32]> = self.0.as_slice().into();
        KnownBy::Face {
            template: template
                .try_into()
                .expect("an embedding has so many numbers"),
        }
    }

    /// The numbers.
    pub fn numbers(&self) -> &[f32] {
        &self.0
    }

    /// The cosine between both: 1 is the same picture, around 0 are strangers.
    pub fn similarity(&self, other: &Embedding) -> f32 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum()
    }
}

/// SFace, loaded.
pub(super) struct Embedder {
    model: Model,
    input: NodeId,
    output: NodeId,
}

impl Embedder {
    /// Of a model that was folded; `None`: it is not SFace.
    pub(super) fn new(model: Model) -> Option<Self> {
        let input = *model.input_ids().first()?;
        let output = *model.output_ids().first()?;
        Some(Embedder {
            model,
            input,
            output,
        })
    }

    /// The numbers of an upright face. `None`: it gave none.
    pub(super) fn embedding(
        &self,
        upright: &Picture,
        options: &RunOptions,
    ) -> Result<Option<Embedding>, rten::RunError> {
        let mut input = NdTensor::<f32, 4>::zeros([1, 3, UPRIGHT, UPRIGHT]);
        for (at, pixel) in upright.rgb().chunks_exact(3).enumerate() {
            for (channel, value) in pixel.iter().enumerate() {
                input[[0, channel, at / UPRIGHT, at % UPRIGHT]] = f32::from(*value);
            }
        }
        let inputs = vec![(self.input, ValueOrView::from(input.view()))];
        let [output] = self
            .model
            .run_n(inputs, [self.output], Some(options.clone()))?;
        let numbers = output.into_tensor::<f32>().expect("its output is floats");
        Ok(Embedding::new(numbers.to_vec()))
    }
}

/// The face turned, moved and scaled so that its landmarks lie best where SFace wants them.
pub(super) fn upright(picture: &Picture, landmarks: &Landmarks) -> Picture {
    // Fitted in the upright picture, as OpenCV does and SFace learned it, and then turned round.
    let [a, b, x, y] = similarity(&landmarks.points(), &PLACES);
    let square = a * a + b * b;
    let mut rgb = Vec::with_capacity(UPRIGHT * UPRIGHT * 3);
    for row in 0..UPRIGHT {
        for column in 0..UPRIGHT {
            let (u, v) = (column as f32 - x, row as f32 - y);
            let pixel = picture.between((a * u + b * v) / square, (a * v - b * u) / square);
            rgb.extend(pixel.map(|value| value.round() as u8));
        }
    }
    Picture::new(UPRIGHT, UPRIGHT, rgb).expect("its size is this")
}

/// What carries `from` closest to `to` by turning, scaling and moving (least squares):
/// `[a, b, x, y]` of (u, v) -> (a u - b v + x, b u + a v + y).
pub(super) fn similarity(from: &[Point; 5], to: &[Point; 5]) -> [f32; 4] {
    let mean = |points: &[Point; 5]| {
        [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f32>() / 5.0)
    };
    let (from_mean, to_mean) = (mean(from), mean(to));
    let (mut along, mut across, mut spread) = (0.0, 0.0, 0.0);
    for (from, to) in from.iter().zip(to) {
        let (u, v) = (from[0] - from_mean[0], from[1] - from_mean[1]);
        let (p, q) = (to[0] - to_mean[0], to[1] - to_mean[1]);
        along += u * p + v * q;
        across += u * q - v * p;
        spread += u * u + v * v;
    }
    let (a, b) = (along / spread, across / spread);
    [
        a,
        b,
        to_mean[0] - (a * from_mean[0] - b * from_mean[1]),
        to_mean[1] - (b * from_mean[0] + a * from_mean[1]),
    ]
}
