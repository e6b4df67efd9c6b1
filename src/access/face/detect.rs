//! Finds faces: YuNet.
//!
//! The network looks at a picture in three grids of 8, 16 and 32 pixels. For each cell it says how
//! likely a face is there, where its box is, and where its five landmarks are, in the cell's terms.

use rten::{Model, NodeId, RunOptions, ValueOrView};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;
use serde::{Deserialize, Serialize};

use super::picture::{Picture, Rect};

/// The sizes of the cells, in pixels.
const STRIDES: [usize; 3] = [8, 16, 32];
/// A picture's sides must be multiples of the largest cell.
const SIDE: usize = 32;
/// Less likely ones are no faces. Between OpenCV's default for its detector (0.9) and that of its
/// example programs (0.6).
const LIKELY: f32 = 0.7;
/// Two boxes that overlap by more are one face (OpenCV's default).
const OVERLAP: f32 = 0.3;

/// A point of a picture, in pixels from its upper left corner.
pub type Point = [f32; 2];

/// Eyes, nose and corners of the mouth. Left and right as in the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Landmarks {
    /// The eyes' middles.
    pub eyes: [Point; 2],
    /// Its tip.
    pub nose: Point,
    /// The mouth's corners.
    pub mouth: [Point; 2],
}

impl Landmarks {
    /// In the order in which YuNet gives and SFace takes them.
    pub(super) fn points(&self) -> [Point; 5] {
        let ([a, b], c, [d, e]) = (self.eyes, self.nose, self.mouth);
        [a, b, c, d, e]
    }

    pub(super) fn of([a, b, c, d, e]: [Point; 5]) -> Self {
        Landmarks {
            eyes: [a, b],
            nose: c,
            mouth: [d, e],
        }
    }
}

/// One face that was found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Face {
    /// From the forehead to the chin.
    pub rect: Rect,
    /// Where eyes, nose and mouth are.
    pub landmarks: Landmarks,
    /// How sure the detector is, 0 to 1.
    pub likely: f32,
}

impl Face {
    /// In another picture, where each point lies elsewhere.
    pub(super) fn mapped(self, onto: impl Fn(Point) -> Point) -> Face {
        let Rect {
            x,
            y,
            width,
            height,
        } = self.rect;
        let [left, top] = onto([x, y]);
        let [right, bottom] = onto([x + width, y + height]);
        Face {
            rect: Rect {
                x: left,
                y: top,
                width: right - left,
                height: bottom - top,
            },
            landmarks: Landmarks::of(self.landmarks.points().map(onto)),
            likely: self.likely,
        }
    }
}

/// YuNet, loaded.
pub(super) struct Detector {
    model: Model,
    input: NodeId,
    /// For each stride: class, object, box, landmarks.
    outputs: [[NodeId; 4]; 3],
}

impl Detector {
    /// Of a model that was folded; `None`: it is not YuNet.
    pub(super) fn new(model: Model) -> Option<Self> {
        let input = *model.input_ids().first()?;
        let mut outputs = Vec::new();
        for stride in STRIDES {
            let of = |kind: &str| model.find_node(&format!("{kind}_{stride}"));
            outputs.push([of("cls")?, of("obj")?, of("bbox")?, of("kps")?]);
        }
        let outputs = outputs.try_into().ok()?;
        Some(Detector {
            model,
            input,
            outputs,
        })
    }

    /// The faces of a picture, the likeliest first.
    pub(super) fn faces(
        &self,
        picture: &Picture,
        options: &RunOptions,
    ) -> Result<Vec<Face>, rten::RunError> {
        let (width, height) = (picture.width(), picture.height());
        let [across, down] = [width, height].map(|length| length.next_multiple_of(SIDE));
        let mut input = NdTensor::<f32, 4>::zeros([1, 3, down, across]);
        // Blue, green, red, each from 0 to 255.
        for (at, pixel) in picture.rgb().chunks_exact(3).enumerate() {
            for (channel, value) in pixel.iter().rev().enumerate() {
                input[[0, channel, at / width, at % width]] = f32::from(*value);
            }
        }
        let wanted: Vec<NodeId> = self.outputs.iter().flatten().copied().collect();
        let inputs = vec![(self.input, ValueOrView::from(input.view()))];
        let outputs = self.model.run(inputs, &wanted, Some(options.clone()))?;
        let outputs: Vec<Vec<f32>> = outputs
            .into_iter()
            .map(|value| value.into_tensor::<f32>().map(|tensor| tensor.to_vec()))
            .collect::<Option<_>>()
            .expect("its outputs are floats");

        let mut faces = Vec::new();
        for (stride, outputs) in STRIDES.into_iter().zip(outputs.chunks_exact(4)) {
            faces.extend(in_cells(stride, across / stride, outputs));
        }
        Ok(best(faces))
    }
}

/// From a grid's answers to boxes and points in pixels.
fn in_cells(stride: usize, columns: usize, outputs: &[Vec<f32>]) -> Vec<Face> {
    let [class, object, boxes, points] = outputs else {
        unreachable!("four answers a grid")
    };
    let stride = stride as f32;
    let cells = class.iter().zip(object).enumerate();
    let likely = cells.filter_map(|(cell, (class, object))| {
        let likely = (class.clamp(0.0, 1.0) * object.clamp(0.0, 1.0)).sqrt();
        (likely >= LIKELY).then_some((cell, likely))
    });
    likely
        .map(|(cell, likely)| {
            let (column, row) = ((cell % columns) as f32, (cell / columns) as f32);
            let of = &boxes[cell * 4..][..4];
            let (x, y) = ((column + of[0]) * stride, (row + of[1]) * stride);
            let (width, height) = (of[2].exp() * stride, of[3].exp() * stride);
            let point = |n: usize| {
                let of = &points[cell * 10 + n * 2..][..2];
                [(column + of[0]) * stride, (row + of[1]) * stride]
            };
            Face {
                rect: Rect {
                    x: x - width / 2.0,
                    y: y - height / 2.0,
                    width,
                    height,
                },
                landmarks: Landmarks::of([0, 1, 2, 3, 4].map(point)),
                likely,
            }
        })
        .collect()
}

/// Of those that overlap the likeliest alone (non-maximum suppression).
fn best(mut faces: Vec<Face>) -> Vec<Face> {
    faces.sort_by(|one, other| other.likely.total_cmp(&one.likely));
    let mut best: Vec<Face> = Vec::new();
    for face in faces {
        if best
            .iter()
            .all(|one| overlap(&one.rect, &face.rect) <= OVERLAP)
        {
            best.push(face);
        }
    }
    best
}

/// Their common area, as a share of what both cover.
fn overlap(one: &Rect, other: &Rect) -> f32 {
    let length = |a: f32, a_length: f32, b: f32, b_length: f32| {
        ((a + a_length).min(b + b_length) - a.max(b)).max(0.0)
    };
    let common = length(one.x, one.width, other.x, other.width)
        * length(one.y, one.height, other.y, other.height);
    let both = one.width * one.height + other.width * other.height - common;
    if both > 0.0 { common / both } else { 0.0 }
}
