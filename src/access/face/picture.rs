//! Pictures as rows of red, green and blue: from files, and in other sizes. Pure.

use serde::{Deserialize, Serialize};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;
use zune_png::PngDecoder;
use zune_png::zune_core::result::DecodingResult;

/// No picture is wider or higher: a larger one would be a good part of a Pi's memory.
const MOST_PIXELS: usize = 4096;

/// Below this mean brightness (of 255) a picture is dark, and is made as bright as `LIT`.
const DARK: f32 = 80.0;
const LIT: f32 = 110.0;
/// More only shows noise.
const MOST_GAIN: f32 = 4.0;

/// A picture in colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    /// Rows from the top; red, green, blue.
    rgb: Vec<u8>,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum NoPicture {
    /// None of the kinds that are read.
    #[error("it is neither JPEG, PNG nor PGM")]
    Unknown,
    /// Damaged, or of a kind within the kind that is not read.
    #[error("it cannot be decoded: {0}")]
    Damaged(String),
    /// Larger than anything that a face is looked for in.
    #[error("it is larger than {MOST_PIXELS}x{MOST_PIXELS} pixels: make it smaller")]
    TooLarge,
}

impl Picture {
    /// From rows of red, green and blue. `None`: the bytes do not fit the size, or it has none.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Option<Self> {
        let fits = width > 0 && height > 0 && rgb.len() == width * height * 3;
        fits.then_some(Picture { width, height, rgb })
    }

    /// A file's content: JPEG, PNG or PGM (`P5`), told by how it begins.
    pub fn decoded(bytes: &[u8]) -> Result<Self, NoPicture> {
        match bytes {
            [0xFF, 0xD8, ..] => jpeg(bytes),
            [0x89, b'P', b'N', b'G', ..] => png(bytes),
            [b'P', b'5', ..] => pgm(bytes),
            _ => Err(NoPicture::Unknown),
        }
    }

    /// In pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// In pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Rows from the top; red, green, blue.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Red, green and blue there; black outside.
    pub(super) fn at(&self, x: isize, y: isize) -> [f32; 3] {
        match (usize::try_from(x), usize::try_from(y)) {
            (Ok(x), Ok(y)) if x < self.width && y < self.height => {
                let at = (y * self.width + x) * 3;
                [0, 1, 2].map(|channel| f32::from(self.rgb[at + channel]))
            }
            _ => [0.0; 3],
        }
    }

    /// Between pixels: the weighted mean of the four around. Pixels' middles are whole numbers.
    pub(super) fn between(&self, x: f32, y: f32) -> [f32; 3] {
        let (left, top) = (x.floor(), y.floor());
        let (right, below) = (x - left, y - top);
        let (left, top) = (left as isize, top as isize);
        let upper = mixed(self.at(left, top), self.at(left + 1, top), right);
        let lower = mixed(self.at(left, top + 1), self.at(left + 1, top + 1), right);
        mixed(upper, lower, below)
    }

    /// What the rectangle shows, in another size: each new pixel is the mean of what it covers,
    /// so that nothing small flickers; outside the picture it is black.
    pub(super) fn scaled(&self, from: Rect, width: usize, height: usize) -> Picture {
        self.resampled(
            &taps(from.x, from.width, width),
            &taps(from.y, from.height, height),
        )
    }

    fn resampled(&self, across: &[Taps], down: &[Taps]) -> Picture {
        let (width, height) = (across.len(), down.len());
        // Only the rows that are covered are scaled across, each once. Plain loops: this is most of
        // what is done to a picture, and tests run it unoptimised.
        let first = down.first().map_or(0, |taps| taps.first);
        let last = down.last().map_or(first, |taps| taps.end());
        let mut rows = vec![0.0; (last - first) as usize * width * 3];
        for y in first.max(0)..last.min(self.height as isize) {
            let from = &self.rgb[y as usize * self.width * 3..][..self.width * 3];
            let to = &mut rows[(y - first) as usize * width * 3..][..width * 3];
            for (pixel, taps) in to.chunks_exact_mut(3).zip(across) {
                for (x, weight) in (taps.first..).zip(&taps.weights) {
                    if x >= 0 && x < self.width as isize {
                        let at = x as usize * 3;
                        pixel[0] += f32::from(from[at]) * weight;
                        pixel[1] += f32::from(from[at + 1]) * weight;
                        pixel[2] += f32::from(from[at + 2]) * weight;
                    }
                }
            }
        }
        let mut rgb = Vec::with_capacity(width * height * 3);
        let mut sums = vec![0.0; width * 3];
        for taps in down {
            sums.fill(0.0);
            let covered = rows[(taps.first - first) as usize * width * 3..].chunks_exact(width * 3);
            for (row, weight) in covered.zip(&taps.weights) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += value * weight;
                }
            }
            rgb.extend(sums.iter().map(|sum: &f32| sum.round() as u8));
        }
        Picture { width, height, rgb }
    }

    /// In the middle of a frame of this size, black around it.
    pub fn in_frame(&self, width: usize, height: usize) -> Picture {
        let (own_width, own_height) = (self.width as f32, self.height as f32);
        // Room above and below.
        let across = 1.2 * (own_height * width as f32 / height as f32).max(own_width);
        let down = across * height as f32 / width as f32;
        let from = Rect {
            x: (own_width - across) / 2.0,
            y: (own_height - down) / 2.0,
            width: across,
            height: down,
        };
        self.scaled(from, width, height)
    }

    /// As if there were more light, where there was little. Such a picture is noisy, and noise
    /// that is made brighter hides a face, so it is smoothed first. Also how bright it was, 0 to 255.
    pub(super) fn lit(self) -> (Picture, f32) {
        // Of the middle: what lies around a face may be a window, or outside the picture.
        let middle = self.height / 4 * self.width..self.height * 3 / 4 * self.width;
        let middle = self.luma().into_iter().enumerate().filter(|(at, _)| {
            middle.contains(at) && (self.width / 4..self.width * 3 / 4).contains(&(at % self.width))
        });
        let (sum, count) = middle.fold((0.0, 0.0), |(sum, count), (_, luma)| {
            (sum + luma, count + 1.0)
        });
        let mean = sum / f32::max(count, 1.0);
        if mean >= DARK {
            return (self, mean);
        }
        let gain = (LIT / mean.max(1.0)).min(MOST_GAIN);
        let smooth = self.smooth();
        let rgb = smooth
            .rgb
            .iter()
            .map(|it| (f32::from(*it) * gain).round() as u8)
            .collect();
        (Picture { rgb, ..smooth }, mean)
    }

    /// Each pixel becomes the mean of its surroundings, weighted by a bell (1 4 6 4 1).
    fn smooth(&self) -> Picture {
        let bell = [1.0, 4.0, 6.0, 4.0, 1.0].map(|weight| weight / 16.0);
        let taps = |length: usize| -> Vec<Taps> {
            (0..length as isize)
                .map(|middle| Taps {
                    first: middle - 2,
                    weights: bell.to_vec(),
                })
                .collect()
        };
        self.resampled(&taps(self.width), &taps(self.height))
    }

    /// The whole of it.
    pub(super) fn frame(&self) -> Rect {
        Rect {
            x: 0.0,
            y: 0.0,
            width: self.width as f32,
            height: self.height as f32,
        }
    }

    /// Brightness (ITU-R BT.601) from 0 to 255, rows from the top.
    pub(super) fn luma(&self) -> Vec<f32> {
        let pixels = self.rgb.chunks_exact(3);
        pixels
            .map(|rgb| {
                0.299 * f32::from(rgb[0]) + 0.587 * f32::from(rgb[1]) + 0.114 * f32::from(rgb[2])
            })
            .collect()
    }
}

/// A part of a picture; its edges may lie between pixels, and outside.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rect {
    /// Left edge, in pixels.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// In pixels.
    pub width: f32,
    /// In pixels.
    pub height: f32,
}

fn mixed(one: [f32; 3], other: [f32; 3], share: f32) -> [f32; 3] {
    [0, 1, 2].map(|channel| one[channel] + (other[channel] - one[channel]) * share)
}

/// Which old pixels a new one is made of, and how much of each.
#[derive(Debug)]
struct Taps {
    first: isize,
    weights: Vec<f32>,
}

impl Taps {
    fn end(&self) -> isize {
        self.first + self.weights.len() as isize
    }
}

/// A triangle over each new pixel, as wide as it is when it becomes smaller, and one old pixel
/// wide when it becomes larger.
fn taps(start: f32, length: f32, count: usize) -> Vec<Taps> {
    let step = length / count as f32;
    let reach = step.max(1.0);
    (0..count)
        .map(|place| {
            let middle = start + (place as f32 + 0.5) * step - 0.5;
            let first = (middle - reach).ceil() as isize;
            let last = (middle + reach).floor() as isize;
            let weight = |at: isize| (1.0 - (at as f32 - middle).abs() / reach).max(0.0);
            let mut weights: Vec<f32> = (first..=last).map(weight).collect();
            let sum: f32 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= sum);
            Taps { first, weights }
        })
        .collect()
}

/// Smoothed by a bell of this standard deviation, in pixels.
pub(super) fn blurred(luma: &[f32], width: usize, deviation: f32) -> Vec<f32> {
    let reach = (deviation * 3.0).ceil() as isize;
    let bell: Vec<f32> = (-reach..=reach)
        .map(|at| (-0.5 * (at as f32 / deviation).powi(2)).exp())
        .collect();
    let sum: f32 = bell.iter().sum();
    let height = luma.len() / width;
    let one_way = |luma: &[f32], step: [isize; 2]| -> Vec<f32> {
        let places = (0..height as isize).flat_map(|y| (0..width as isize).map(move |x| (x, y)));
        places
            .map(|(x, y)| {
                let taps = (-reach..=reach).zip(&bell);
                let taps = taps.map(|(at, weight)| {
                    let x = (x + at * step[0]).clamp(0, width as isize - 1) as usize;
                    let y = (y + at * step[1]).clamp(0, height as isize - 1) as usize;
                    luma[y * width + x] * weight
                });
                taps.sum::<f32>() / sum
            })
            .collect()
    };
    one_way(&one_way(luma, [1, 0]), [0, 1])
}

fn options() -> DecoderOptions {
    DecoderOptions::default()
        .set_max_width(MOST_PIXELS)
        .set_max_height(MOST_PIXELS)
}

/// What the decoders say of a file has lines of its own: here it is one.
fn damaged(error: impl std::fmt::Debug) -> NoPicture {
    let said = format!("{error:?}").replace("\\n", " ");
    let words: Vec<&str> = said.split_whitespace().collect();
    NoPicture::Damaged(words.join(" "))
}

fn jpeg(bytes: &[u8]) -> Result<Picture, NoPicture> {
    let options = options().jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(damaged)?;
    let (width, height) = decoder.dimensions().ok_or(NoPicture::TooLarge)?;
    let rgb = decoder.decode().map_err(damaged)?;
    Picture::new(width, height, rgb).ok_or(NoPicture::Unknown)
}

fn png(bytes: &[u8]) -> Result<Picture, NoPicture> {
    let options = options().png_set_strip_to_8bit(true);
    let mut decoder = PngDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(damaged)?;
    let (width, height) = decoder.dimensions().ok_or(NoPicture::TooLarge)?;
    let DecodingResult::U8(samples) = decoder.decode().map_err(damaged)? else {
        return Err(NoPicture::Damaged("not of 8 bits".to_owned()));
    };
    let rgb = match samples.len() / (width * height) {
        1 => samples.iter().flat_map(|gray| [*gray; 3]).collect(),
        2 => samples.chunks_exact(2).flat_map(|it| [it[0]; 3]).collect(),
        3 => samples,
        4 => samples
            .chunks_exact(4)
            .flat_map(|it| [it[0], it[1], it[2]])
            .collect(),
        _ => return Err(NoPicture::Unknown),
    };
    Picture::new(width, height, rgb).ok_or(NoPicture::Unknown)
}

/// `P5`, width, height, greatest value, a single white space, then a byte a pixel
/// (<https://netpbm.sourceforge.net/doc/pgm.html>).
fn pgm(bytes: &[u8]) -> Result<Picture, NoPicture> {
    let damaged = || NoPicture::Damaged("its head is not that of a PGM of 8 bits".to_owned());
    let mut at = 2;
    let mut numbers = [0; 3];
    for number in &mut numbers {
        while bytes
            .get(at)
            .is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b'#')
        {
            if bytes[at] == b'#' {
                at += bytes[at..]
                    .iter()
                    .take_while(|byte| **byte != b'\n')
                    .count();
            } else {
                at += 1;
            }
        }
        let digits = bytes[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let text = str::from_utf8(&bytes[at..at + digits]).expect("digits are ASCII");
        *number = text.parse::<usize>().map_err(|_| damaged())?;
        at += digits;
    }
    let [width, height, most] = numbers;
    if width > MOST_PIXELS || height > MOST_PIXELS {
        return Err(NoPicture::TooLarge);
    }
    let pixels = bytes
        .get(at + 1..)
        .and_then(|rest| rest.get(..width * height));
    let pixels = pixels.filter(|_| most == 255).ok_or_else(damaged)?;
    let rgb = pixels.iter().flat_map(|gray| [*gray; 3]).collect();
    Picture::new(width, height, rgb).ok_or_else(damaged)
}
