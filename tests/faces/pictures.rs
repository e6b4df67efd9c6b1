//! Pictures of people, and what cameras and hands do to them.

use std::fs;
use std::path::{Path, PathBuf};

use asfaleia::access::face::Picture;

/// One person's pictures.
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) pictures: Vec<Picture>,
}

/// Everybody in the folder of faces, by name; each one's pictures in the order of their numbers.
pub(crate) fn people() -> Vec<Person> {
    let root = std::env::var_os("ASFALEIA_FACES").map(PathBuf::from);
    let root = root.expect("ASFALEIA_FACES names the directory of the faces: tests/run sets it");
    let mut people: Vec<Person> = listed(&root)
        .into_iter()
        .filter(|path| path.is_dir())
        .map(|folder| Person {
            name: folder.file_name().unwrap().to_string_lossy().into_owned(),
            pictures: listed(&folder).iter().map(|file| picture(file)).collect(),
        })
        .collect();
    people.retain(|person| person.pictures.len() > 5);
    assert!(
        people.len() >= 2,
        "faces of two people at least, six pictures each"
    );
    people
}

/// By length and then by name: 2 before 10.
pub(crate) fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder can be listed");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    paths
}

pub(crate) fn picture(file: &Path) -> Picture {
    let bytes = fs::read(file).expect("the picture can be read");
    Picture::decoded(&bytes).unwrap_or_else(|why| panic!("{}: {why}", file.display()))
}

/// Brightness from 0 to 255, rows from the top.
#[derive(Clone)]
pub(crate) struct Gray {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) luma: Vec<f32>,
}

impl Gray {
    pub(crate) fn of(picture: &Picture) -> Gray {
        let luma = picture.rgb().chunks_exact(3);
        Gray {
            width: picture.width(),
            height: picture.height(),
            luma: luma
                .map(|it| {
                    0.299 * f32::from(it[0]) + 0.587 * f32::from(it[1]) + 0.114 * f32::from(it[2])
                })
                .collect(),
        }
    }

    pub(crate) fn picture(&self) -> Picture {
        let rgb = self
            .luma
            .iter()
            .flat_map(|it| [it.round() as u8; 3])
            .collect();
        Picture::new(self.width, self.height, rgb).expect("it has this size")
    }

    /// Between pixels; outside, what is at the edge.
    pub(crate) fn at(&self, x: f32, y: f32) -> f32 {
        let x = x.clamp(0.0, (self.width - 1) as f32);
        let y = y.clamp(0.0, (self.height - 1) as f32);
        let (left, top) = (x as usize, y as usize);
        let (right, below) = (
            (left + 1).min(self.width - 1),
            (top + 1).min(self.height - 1),
        );
        let (across, down) = (x - left as f32, y - top as f32);
        let luma = |x: usize, y: usize| self.luma[y * self.width + x];
        let upper = luma(left, top) * (1.0 - across) + luma(right, top) * across;
        let lower = luma(left, below) * (1.0 - across) + luma(right, below) * across;
        upper * (1.0 - down) + lower * down
    }

    /// Less light, and the noise that comes with it.
    pub(crate) fn darker(&self, share: f32, sigma: f32, rng: &mut fastrand::Rng) -> Gray {
        let luma = self.luma.iter().map(|it| it * share + sigma * normal(rng));
        Gray {
            luma: luma.collect(),
            ..*self
        }
    }

    pub(crate) fn blurred(&self, sigma: f32) -> Gray {
        let reach = (3.0 * sigma).ceil() as i32;
        let bell: Vec<f32> = (-reach..=reach)
            .map(|n| (-0.5 * (n as f32 / sigma).powi(2)).exp())
            .collect();
        let sum: f32 = bell.iter().sum();
        let along = |from: &Gray, step: (f32, f32)| {
            let places =
                (0..self.height).flat_map(|y| (0..self.width).map(move |x| (x as f32, y as f32)));
            let luma = places.map(|(x, y)| {
                let taps = (-reach..=reach).zip(&bell);
                taps.map(|(n, weight)| {
                    weight * from.at(x + n as f32 * step.0, y + n as f32 * step.1)
                })
                .sum::<f32>()
                    / sum
            });
            Gray {
                luma: luma.collect(),
                ..*self
            }
        };
        along(&along(self, (1.0, 0.0)), (0.0, 1.0))
    }
}

/// A normally distributed number (Box and Muller).
pub(crate) fn normal(rng: &mut fastrand::Rng) -> f32 {
    let (one, other) = (1.0 - rng.f32(), rng.f32());
    (-2.0 * one.ln()).sqrt() * (std::f32::consts::TAU * other).cos()
}
