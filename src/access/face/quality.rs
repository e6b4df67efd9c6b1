//! Is a picture of a face good enough to know somebody by?

use std::fmt;

use serde::{Deserialize, Serialize};

use super::picture::{Picture, blurred};

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// Fewer pixels than the network needs.
    Small,
    /// Too little light.
    Dark,
    /// Out of focus, or moved.
    Blurred,
    /// Turned or tilted too far.
    NotFrontal,
}

impl fmt::Display for Flaw {
    /// What is wrong, and what mends it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flaw::Small => "the face is too small: come closer",
            Flaw::Dark => "it is too dark: turn on a light",
            Flaw::Blurred => "it is blurred: hold still, and wipe the lens",
            Flaw::NotFrontal => "the face is turned too far: look nearly into the camera",
        })
    }
}

/// What is measured of a face.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// The face's width, in pixels.
    pub width: f32,
    /// Mean brightness of the face, 0 to 255.
    pub light: f32,
    /// How much of what can be seen is fine: a share, larger is sharper.
    pub sharp: f32,
    /// The nose's place between left and right: 0.5 is straight ahead.
    pub turn: f32,
    /// How far the line through the eyes is from level, in degrees.
    pub roll: f32,
}

impl Quality {
    /// Faces are known from this width on: the narrowest of the ORL faces has 49 pixels.
    const WIDTH: f32 = 40.0;
    /// The ORL faces with three tenths of their light have 25 to 45, and are known by their owner's
    /// templates, but make poor templates themselves.
    const LIGHT: f32 = 50.0;
    const SHARP: f32 = 0.035;
    const TURN: f32 = 0.35;
    const ROLL: f32 = 25.0;

    /// It is turned and tilted no further than the network can do with.
    pub fn is_frontal(&self) -> bool {
        (self.turn - 0.5).abs() <= Self::TURN && self.roll.abs() <= Self::ROLL
    }

    /// It is in focus.
    pub fn is_sharp(&self) -> bool {
        self.sharp >= Self::SHARP
    }

    /// What is wrong; nothing is best.
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        if self.width < Self::WIDTH {
            flaws.push(Flaw::Small);
        }
        if self.light < Self::LIGHT {
            flaws.push(Flaw::Dark);
        }
        if !self.is_sharp() {
            flaws.push(Flaw::Blurred);
        }
        if !self.is_frontal() {
            flaws.push(Flaw::NotFrontal);
        }
        flaws
    }
}

/// The share of the contrast that is lost when neighbours are averaged, between forehead and chin of
/// an upright face: hair and background would say something else.
pub(super) fn sharpness(upright: &Picture) -> f32 {
    let (across, down) = (28..84, 30..100);
    let (width, luma) = (across.len(), upright.luma());
    let face: Vec<f32> = down
        .flat_map(|y| &luma[y * upright.width()..][across.clone()])
        .copied()
        .collect();
    let smooth = blurred(&face, width, 1.0);
    let mean = face.iter().sum::<f32>() / face.len() as f32;
    let contrast: f32 = face.iter().map(|it| (it - mean).powi(2)).sum();
    let fine: f32 = face.iter().zip(&smooth).map(|(a, b)| (a - b).powi(2)).sum();
    (fine / contrast.max(1.0)).sqrt()
}
