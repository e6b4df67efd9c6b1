//! Which format and size a webcam is asked for.

use std::fmt;

use linuxvideo::format::{FrameSizes, PixelFormat};
use linuxvideo::{BufType, Device};

/// What a webcam can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// MJPEG, or YUYV.
    pub format: PixelFormat,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}x{}", self.format, self.width, self.height)
    }
}

/// What it is asked for when it names no fixed sizes: the owner's, which the driver rounds.
type Bounds = (u32, u32, u32, u32);

enum Offer {
    Fixed(Choice),
    Any(PixelFormat, Bounds),
}

/// Every format and size that we can use.
pub fn choices(device: &Device) -> Vec<Choice> {
    let largest = |offer| match offer {
        Offer::Fixed(choice) => choice,
        Offer::Any(format, (_, _, width, height)) => Choice {
            format,
            width,
            height,
        },
    };
    offers(device).into_iter().map(largest).collect()
}

/// The nearest to this size; MJPEG where both have it, as the Pi need not encode it.
pub(super) fn choose(device: &Device, (width, height): (u16, u16)) -> Option<Choice> {
    let wanted = (u32::from(width), u32::from(height));
    nearest(offers(device), wanted)
}

fn nearest(offers: Vec<Offer>, wanted: (u32, u32)) -> Option<Choice> {
    let fit = |offer| match offer {
        Offer::Fixed(choice) => choice,
        Offer::Any(format, (least_w, least_h, most_w, most_h)) => Choice {
            format,
            width: wanted.0.clamp(least_w, most_w),
            height: wanted.1.clamp(least_h, most_h),
        },
    };
    let away = |choice: &Choice| {
        let size = choice.width.abs_diff(wanted.0) + choice.height.abs_diff(wanted.1);
        (size, choice.format == PixelFormat::YUYV)
    };
    offers.into_iter().map(fit).min_by_key(away)
}

fn offers(device: &Device) -> Vec<Offer> {
    let formats = device.formats(BufType::VIDEO_CAPTURE);
    let usable = formats
        .flatten()
        .map(|it| it.pixel_format())
        .filter(|it| [PixelFormat::MJPG, PixelFormat::JPEG, PixelFormat::YUYV].contains(it));
    usable
        .flat_map(|format| match device.frame_sizes(format) {
            Ok(FrameSizes::Discrete(sizes)) => sizes
                .iter()
                .map(|size| {
                    Offer::Fixed(Choice {
                        format,
                        width: size.width(),
                        height: size.height(),
                    })
                })
                .collect(),
            Ok(FrameSizes::Stepwise(sizes) | FrameSizes::Continuous(sizes)) => vec![Offer::Any(
                format,
                (
                    sizes.min_width(),
                    sizes.min_height(),
                    sizes.max_width(),
                    sizes.max_height(),
                ),
            )],
            // A driver that lists no sizes rounds what it is asked for.
            Err(_) => vec![Offer::Any(format, (1, 1, u32::MAX, u32::MAX))],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(format: PixelFormat, width: u32, height: u32) -> Offer {
        Offer::Fixed(Choice {
            format,
            width,
            height,
        })
    }

    #[test]
    fn the_nearest_size_is_taken_and_mjpeg_where_both_have_it() {
        let offers = || {
            vec![
                fixed(PixelFormat::YUYV, 640, 480),
                fixed(PixelFormat::YUYV, 1280, 720),
                fixed(PixelFormat::MJPG, 640, 480),
                fixed(PixelFormat::MJPG, 1920, 1080),
            ]
        };
        let of = |wanted| nearest(offers(), wanted).map(|it| (it.format, it.width));
        assert_eq!(of((640, 480)), Some((PixelFormat::MJPG, 640)));
        assert_eq!(of((1280, 720)), Some((PixelFormat::YUYV, 1280)));
        assert_eq!(of((1700, 1000)), Some((PixelFormat::MJPG, 1920)));
        let any = vec![Offer::Any(PixelFormat::YUYV, (320, 180, 3840, 2160))];
        let fit = nearest(any, (160, 400)).map(|it| (it.width, it.height));
        assert_eq!(fit, Some((320, 400)));
        assert_eq!(nearest(Vec::new(), (640, 480)), None);
    }
}
