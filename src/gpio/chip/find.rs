//! Where a line of the configuration is: which chip, which offset.

use std::path::PathBuf;

use gpiocdev::chip::{Chip, chips};

use crate::config::Line;
use crate::gpio::GpioError;

/// The header's chip on a Raspberry Pi; there a BCM number is the offset. Their lines have other
/// names than `GPIO<n>` on some models (`GPIO_GCLK`).
const PI_CHIPS: [&str; 3] = ["pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"];

/// A line of a chip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) chip: PathBuf,
    pub(super) offset: u32,
    /// As the owner wrote it.
    pub(super) line: Line,
}

/// A line as the kernel shows it to anybody, without taking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The chip's device file.
    pub chip: PathBuf,
    /// The line's number on it.
    pub offset: u32,
    /// The chip is the header's on a Raspberry Pi: the offset is a BCM number.
    pub on_a_pi: bool,
    /// Who has it, in their own words; empty if they gave none. `None`: nobody.
    pub holder: Option<String>,
}

/// Looks at a line on `chip` (label, name or path), or on whichever chip has it. Claims nothing.
///
/// # Errors
///
/// There is no such chip or line, or it may not be opened.
pub fn look(line: &Line, chip: Option<&str>) -> Result<Seen, GpioError> {
    let place = place(line, chip)?;
    let refused = |error| place.refused(&error);
    let opened = Chip::from_path(&place.chip).map_err(refused)?;
    let label = opened.info().map_err(refused)?.label;
    let line = opened.line_info(place.offset).map_err(refused)?;
    Ok(Seen {
        offset: place.offset,
        on_a_pi: PI_CHIPS.contains(&label.as_str()),
        holder: line.used.then_some(line.consumer),
        chip: place.chip,
    })
}

/// The GPIO chips that may be opened, for people: name, label, lines.
///
/// # Errors
///
/// There is none, or none may be opened.
pub fn chips_there() -> Result<Vec<String>, GpioError> {
    Ok(all_chips()?.iter().map(Found::words).collect())
}

/// Finds a line on `chip` (label, name or path), or on whichever chip has it.
pub(super) fn place(line: &Line, chip: Option<&str>) -> Result<Place, GpioError> {
    let all = all_chips()?;
    let found = all.iter().filter(|it| chip.is_none_or(|chip| it.is(chip)));
    let found: Vec<&Found> = found.collect();
    let missing = |wanted: String| GpioError::NotFound {
        wanted,
        there: all.iter().map(Found::words).collect::<Vec<_>>().join(", "),
    };
    if let (Some(chip), true) = (chip, found.is_empty()) {
        return Err(missing(format!("the chip \"{chip}\"")));
    }
    let at = |found: &Found, offset| Place {
        chip: found.chip.path().to_owned(),
        offset,
        line: line.clone(),
    };
    let named = |name: &str| {
        found.iter().find_map(|it| {
            let info = it.chip.find_line_info(name)?;
            Some(at(it, info.offset))
        })
    };
    match line {
        Line::Name(name) => named(name).ok_or_else(|| missing(format!("the line \"{name}\""))),
        Line::Number(number) => {
            let numbered = found
                .iter()
                .filter(|it| chip.is_some() || PI_CHIPS.contains(&it.label.as_str()))
                .find(|it| *number < it.lines);
            numbered
                .map(|it| at(it, *number))
                .or_else(|| named(&format!("GPIO{number}")))
                .ok_or_else(|| missing(format!("line {number}")))
        }
    }
}

impl Place {
    /// Why the kernel does not give it to us, and what mends that.
    pub(super) fn refused(&self, error: &gpiocdev::Error) -> GpioError {
        let holder = Chip::from_path(&self.chip)
            .and_then(|chip| chip.line_info(self.offset))
            .ok()
            .filter(|info| info.used);
        let mends = match holder {
            Some(info) => format!(
                "\"{}\" holds it: end that program, or use another line",
                info.consumer
            ),
            None => "is the user in the group gpio, and can the line do that?".to_owned(),
        };
        GpioError::Claim {
            line: self.words(),
            why: error.to_string(),
            mends,
        }
    }

    /// The line for people.
    pub(super) fn words(&self) -> String {
        let line = match &self.line {
            Line::Number(number) => format!("line {number}"),
            Line::Name(name) => format!("line \"{name}\""),
        };
        format!("{line} ({} offset {})", self.chip.display(), self.offset)
    }
}

struct Found {
    chip: Chip,
    name: String,
    label: String,
    lines: u32,
}

impl Found {
    fn is(&self, wanted: &str) -> bool {
        self.label == wanted || self.name == wanted || self.chip.path().as_os_str() == wanted
    }

    fn words(&self) -> String {
        format!("{} [{}] with {} lines", self.name, self.label, self.lines)
    }
}

fn all_chips() -> Result<Vec<Found>, GpioError> {
    let opening = |error: gpiocdev::Error| GpioError::NoChips {
        why: error.to_string(),
    };
    let mut found = Vec::new();
    let mut refused = None;
    for path in chips().map_err(opening)? {
        let opened = Chip::from_path(&path).and_then(|chip| Ok((chip.info()?, chip)));
        match opened {
            Ok((info, chip)) => found.push(Found {
                chip,
                name: info.name,
                label: info.label,
                lines: info.num_lines,
            }),
            Err(error) => refused = Some(format!("{}: {error}", path.display())),
        }
    }
    match (found.is_empty(), refused) {
        (true, Some(why)) => Err(GpioError::NoChips { why }),
        (true, None) => Err(GpioError::NoChips {
            why: "the kernel shows none in /dev".to_owned(),
        }),
        (false, _) => Ok(found),
    }
}
