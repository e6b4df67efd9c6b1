//! A head or a picture of one? Pure.
//!
//! A print that is tilted, turned and moved changes as a plane does: one homography carries every
//! point of one frame to its place in another. A head is no plane: when it turns, the nose wanders
//! over the cheeks. So of two frames in which the head seems turned differently, the eyes and the
//! mouth are laid over each other by the best homography, and then it is asked where the nose is. On
//! a print it lies where it was; on a head it has moved, as far and in the direction that the
//! landmarks say. And no single homography makes the two faces alike.
//!
//! The homography is found by the enhanced correlation coefficient (Evangelidis and Psarakis, 2008):
//! it heeds neither brightness nor contrast. The landmarks alone would not do: the detector has
//! learned heads, and sees a tilted print as a turned one.

use super::detect::{Landmarks, Point};
use super::embed::similarity;
use super::homography::{Homography, solved};
use super::picture::{Picture, blurred};

/// A face's side here, in pixels.
const SIDE: usize = 96;
/// Where eyes, nose and mouth are put: as for SFace, with more room around.
const PLACES: [Point; 5] = [
    [36.62, 36.95],
    [59.27, 36.82],
    [48.02, 49.83],
    [38.71, 63.09],
    [57.47, 62.99],
];
/// Less of a turn shows nothing. In parts of the eyes' distance: some 12 degrees.
const TURN: f32 = 0.12;
/// The nose has wandered by at least this, in parts of the eyes' distance...
const WANDERED: f32 = 0.06;
/// ... and about as far as the landmarks say.
const AGREES: std::ops::Range<f32> = 0.3..1.7;
/// It is still the same nose: the correlation of its surroundings.
const SAME_NOSE: f32 = 0.6;
/// Two frames of a print correlate better than this, two of a turned head worse, and what
/// correlates worse still could not be laid over each other.
const NO_PLANE: std::ops::Range<f32> = 0.5..0.97;
/// The eyes' distance to that of eyes and mouth changes less in a head that turns as far as it may.
const ASPECT: f32 = 1.3;

/// How a head is held, and what it looks like.
pub(super) struct Pose {
    /// The nose's place between left and right: 0.5 is straight ahead. In a print it is the same,
    /// however that is tilted, but for what the detector errs.
    pub(super) turn: f32,
    aspect: f32,
    landmarks: [Point; 5],
    /// Brightness, rows from the top.
    luma: Vec<f32>,
}

impl Pose {
    /// Of a face. `None`: eyes and mouth do not lie as in a face.
    pub(super) fn of(picture: &Picture, landmarks: &Landmarks) -> Option<Self> {
        let points = landmarks.points();
        let [a, b, x, y] = similarity(&points, &PLACES);
        let square = a * a + b * b;
        // Made smaller, each pixel must be the mean of what it covers.
        let luma = blurred(&picture.luma(), picture.width(), 0.5 / square.sqrt());
        let source = Plane {
            luma: &luma,
            width: picture.width(),
        };
        let mut face = Vec::with_capacity(SIDE * SIDE);
        for row in 0..SIDE {
            for column in 0..SIDE {
                let (u, v) = (column as f32 - x, row as f32 - y);
                face.push(source.clamped((a * u + b * v) / square, (a * v - b * u) / square));
            }
        }
        let landmarks = points.map(|[u, v]| [a * u - b * v + x, b * u + a * v + y]);
        let [left, right, nose, mouth_left, mouth_right] = landmarks;
        let across = Homography::of_square([left, right, mouth_right, mouth_left])?;
        let middle = |one: Point, other: Point| {
            [
                f32::midpoint(one[0], other[0]),
                f32::midpoint(one[1], other[1]),
            ]
        };
        let (eyes, mouth) = (middle(left, right), middle(mouth_left, mouth_right));
        Some(Pose {
            turn: across.at(nose)[0],
            aspect: distance(left, right) / distance(eyes, mouth),
            landmarks,
            luma: blurred(&face, SIDE, 1.5),
        })
    }

    /// Do both frames together show that a nose sticks out? `false`: it does not, or it cannot be
    /// said.
    pub(super) fn shows_relief_with(&self, other: &Pose) -> bool {
        let turned = other.turn - self.turn;
        let aspect = self.aspect / other.aspect;
        if turned.abs() < TURN || !(1.0 / ASPECT..ASPECT).contains(&aspect) {
            return false;
        }
        let without_nose = pixels(|x, y| {
            (22.0..=74.0).contains(&x) && (26.0..=44.0).contains(&y)
                || (30.0..=66.0).contains(&x) && (60.0..=76.0).contains(&y)
        });
        let nose = self.laid_over(other, &without_nose);
        let Some((wandered, same)) = nose.and_then(|(over, _)| self.nose_in(other, &over)) else {
            return false;
        };
        let wandered = wandered * turned.signum();
        let sticks_out = same >= SAME_NOSE
            && wandered >= WANDERED
            && AGREES.contains(&(wandered / turned.abs()));
        if !sticks_out {
            return false;
        }
        let whole = pixels(|x, y| ((x - 48.0) / 27.0).powi(2) + ((y - 52.0) / 34.0).powi(2) <= 1.0);
        self.laid_over(other, &whole)
            .is_some_and(|(_, alike)| NO_PLANE.contains(&alike))
    }

    /// The homography that lays the other over this where `pixels` are, and how alike both are then.
    fn laid_over(&self, other: &Pose, pixels: &[Point]) -> Option<(Homography, f32)> {
        let eyes_and_mouth = |it: &Pose| {
            let [left, right, _, mouth_left, mouth_right] = it.landmarks;
            Homography::of_square([left, right, mouth_right, mouth_left])
        };
        // From where both are already, and from where the landmarks say.
        let by_landmarks = eyes_and_mouth(self)
            .zip(eyes_and_mouth(other).and_then(|it| it.inverse()))
            .map(|(here, there)| there.after(&here));
        let starts = [Some(Homography::IDENTITY), by_landmarks];
        starts
            .into_iter()
            .flatten()
            .filter_map(|start| aligned(&self.luma, &other.luma, pixels, start))
            .max_by(|(_, one), (_, other)| one.total_cmp(other))
    }

    /// How far to the right the nose lies in the other when it is laid over this, in parts of the
    /// eyes' distance, and how alike it looks there.
    fn nose_in(&self, other: &Pose, over: &Homography) -> Option<(f32, f32)> {
        const HALF: i32 = 9;
        const RIGHT: i32 = 11;
        const DOWN: i32 = 5;
        let here = Plane {
            luma: &self.luma,
            width: SIDE,
        };
        let there = Plane {
            luma: &other.luma,
            width: SIDE,
        };
        let nose = self.landmarks[2].map(f32::round);
        let patch = |at: &dyn Fn(f32, f32) -> f32| -> Vec<f32> {
            let places = (-HALF..=HALF).flat_map(|y| (-HALF..=HALF).map(move |x| (x, y)));
            places
                .map(|(x, y)| at(nose[0] + x as f32, nose[1] + y as f32))
                .collect()
        };
        let mine = patch(&|x, y| here.clamped(x, y));
        let mut best: Option<(f32, f32)> = None;
        for right in -RIGHT..=RIGHT {
            for down in -DOWN..=DOWN {
                let theirs = patch(&|x, y| {
                    let [x, y] = over.at([x + right as f32, y + down as f32]);
                    there.clamped(x, y)
                });
                let alike = correlation(&mine, &theirs);
                if best.is_none_or(|(_, most)| alike > most) {
                    best = Some((right as f32, alike));
                }
            }
        }
        let [left, right, ..] = self.landmarks;
        best.map(|(wandered, alike)| (wandered / distance(left, right), alike))
    }
}

fn distance(one: Point, other: Point) -> f32 {
    (one[0] - other[0]).hypot(one[1] - other[1])
}

/// Every second pixel, as on a chessboard: the face was smoothed, and its neighbours say the same.
fn pixels(within: impl Fn(f32, f32) -> bool) -> Vec<Point> {
    let places =
        (0..SIDE).flat_map(|y| (y % 2..SIDE).step_by(2).map(move |x| [x as f32, y as f32]));
    places.filter(|[x, y]| within(*x, *y)).collect()
}

struct Plane<'a> {
    luma: &'a [f32],
    width: usize,
}

impl Plane<'_> {
    /// Between pixels; outside, what is at the edge.
    fn clamped(&self, x: f32, y: f32) -> f32 {
        let height = self.luma.len() / self.width;
        let x = x.clamp(0.0, (self.width - 1) as f32);
        let y = y.clamp(0.0, (height - 1) as f32);
        let (left, top) = (x as usize, y as usize);
        let (right, below) = ((left + 1).min(self.width - 1), (top + 1).min(height - 1));
        let (across, down) = (x - left as f32, y - top as f32);
        let at = |x: usize, y: usize| self.luma[y * self.width + x];
        let upper = at(left, top) + (at(right, top) - at(left, top)) * across;
        let lower = at(left, below) + (at(right, below) - at(left, below)) * across;
        upper + (lower - upper) * down
    }
}

/// From -1 to 1; brightness and contrast do not matter.
fn correlation(one: &[f32], other: &[f32]) -> f32 {
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    let (one_mean, other_mean) = (mean(one), mean(other));
    let (mut both, mut ones, mut others) = (0.0, 0.0, 0.0);
    for (a, b) in one.iter().zip(other) {
        let (a, b) = (a - one_mean, b - other_mean);
        both += a * b;
        ones += a * a;
        others += b * b;
    }
    both / (ones * others).sqrt().max(f32::EPSILON)
}

/// The homography from `here` to `there` that makes them most alike on these pixels of `here`, and
/// how alike: -1 to 1. `None`: none was found.
fn aligned(
    here: &[f32],
    there: &[f32],
    pixels: &[Point],
    start: Homography,
) -> Option<(Homography, f32)> {
    const MOST_STEPS: usize = 50;
    const ENOUGH: f64 = 1e-5;
    let slope = |step: usize, at: usize| {
        let low = at.saturating_sub(step);
        let high = (at + step).min(there.len() - 1);
        (there[high] - there[low]) / 2.0
    };
    let right: Vec<f32> = (0..there.len()).map(|at| slope(1, at)).collect();
    let down: Vec<f32> = (0..there.len()).map(|at| slope(SIDE, at)).collect();
    let [there, right, down] = [there, &right, &down].map(|luma| Plane { luma, width: SIDE });
    let here = Plane {
        luma: here,
        width: SIDE,
    };

    let mut over = start;
    let mut alike = -1.0;
    for _ in 0..MOST_STEPS {
        let mut samples = Vec::with_capacity(pixels.len());
        for &[x, y] in pixels {
            let [u, v] = over.at([x, y]);
            let inside = 0.0..=(SIDE - 1) as f32;
            if inside.contains(&u) && inside.contains(&v) {
                samples.push((here.clamped(x, y), there.clamped(u, v), [x, y], [u, v]));
            }
        }
        if samples.len() < pixels.len() / 2 {
            return None;
        }
        let count = samples.len() as f64;
        let sums = samples
            .iter()
            .fold((0.0, 0.0), |(here, there), (a, b, ..)| {
                (here + f64::from(*a), there + f64::from(*b))
            });
        let (here_mean, there_mean) = (sums.0 / count, sums.1 / count);
        let mut hessian = [[0.0; 8]; 8];
        let (mut onto_here, mut onto_there) = ([0.0; 8], [0.0; 8]);
        let (mut both, mut heres, mut theres) = (0.0, 0.0, 0.0);
        for (a, b, [x, y], [u, v]) in &samples {
            let (a, b) = (f64::from(*a) - here_mean, f64::from(*b) - there_mean);
            let (x, y) = (f64::from(*x), f64::from(*y));
            let w = over.0[6] * x + over.0[7] * y + 1.0;
            let along = f64::from(right.clamped(*u, *v)) / w;
            let across = f64::from(down.clamped(*u, *v)) / w;
            let far = -(f64::from(*u) * along + f64::from(*v) * across);
            let change = [
                along * x,
                along * y,
                along,
                across * x,
                across * y,
                across,
                far * x,
                far * y,
            ];
            for (row, one) in change.iter().enumerate() {
                for (column, other) in change.iter().enumerate().skip(row) {
                    hessian[row][column] += one * other;
                }
                onto_here[row] += one * a;
                onto_there[row] += one * b;
            }
            both += a * b;
            heres += a * a;
            theres += b * b;
        }
        let now = both / (heres * theres).sqrt();
        if !now.is_finite() {
            return None;
        }
        let settled = (now - alike).abs() < ENOUGH;
        alike = now;
        if settled {
            break;
        }
        let with = |right_side: [f64; 8]| {
            let mut rows = [[0.0; 9]; 8];
            for row in 0..8 {
                for column in 0..8 {
                    rows[row][column] = hessian[row.min(column)][row.max(column)];
                }
                rows[row][8] = right_side[row];
            }
            solved(rows)
        };
        let dot = |one: &[f64; 8], other: &[f64; 8]| {
            one.iter().zip(other).map(|(a, b)| a * b).sum::<f64>()
        };
        let there_step = with(onto_there)?;
        let upper = theres - dot(&onto_there, &there_step);
        let lower = both - dot(&onto_here, &there_step);
        if lower <= 0.0 {
            return None;
        }
        let gain = upper / lower;
        let mut rest = [0.0; 8];
        for n in 0..8 {
            rest[n] = gain * onto_here[n] - onto_there[n];
        }
        let step = with(rest)?;
        for (number, step) in over.0.iter_mut().zip(step) {
            *number += step;
        }
    }
    Some((over, alike as f32))
}
