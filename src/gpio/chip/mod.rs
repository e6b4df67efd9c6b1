//! The kernel's GPIO character device, on every Linux board (and `gpio-sim`).
//!
//! Lines are found by name or by chip, never by a chip's number, which changes from kernel to
//! kernel. The kernel debounces inputs and stamps their edges.

mod edges;
mod find;
mod kept;

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use gpiocdev::line::Value;
use gpiocdev_uapi::v2::{LineValues, set_line_values};
use tracing::warn;

use super::{Board, GpioError, OutputPin, SimulatedBoard, Sink, Watch};
use crate::clock::SharedClock;
use crate::config::{Active, InputLine, Line, OutputLine};
use find::Place;

pub use find::{Seen, chips_there, look};
pub use kept::KeptLines;

/// The board's lines, through the kernel.
pub struct ChipBoard {
    chip: Option<String>,
    clock: SharedClock,
    outputs: Outputs,
}

/// The output lines that this process has, and those that an earlier one left with systemd.
#[derive(Clone, Default)]
struct Outputs(Arc<Mutex<Claimed>>);

#[derive(Default)]
struct Claimed {
    lines: HashMap<Key, Weak<File>>,
    kept: KeptLines,
}

/// One line in one polarity: a claim cannot be turned round.
type Key = (PathBuf, u32, bool);

impl ChipBoard {
    /// The lines of `chip` (label, name or path), or of whichever chip has them. `kept` are the
    /// outputs whose level systemd held since an earlier run.
    pub fn new(chip: Option<String>, clock: SharedClock, kept: KeptLines) -> Self {
        let claimed = Claimed {
            lines: HashMap::new(),
            kept,
        };
        ChipBoard {
            chip,
            clock,
            outputs: Outputs(Arc::new(Mutex::new(claimed))),
        }
    }

    fn pin(&self, name: &str, line: &Line, active: Active, keep: bool) -> ChipPin {
        ChipPin {
            name: name.to_owned(),
            line: line.clone(),
            active_low: active == Active::Low,
            chip: self.chip.clone(),
            keep,
            outputs: self.outputs.clone(),
            claimed: None,
        }
    }

    /// An output without a wire, among others that have one.
    fn wireless(&self, name: &str, line: &OutputLine) -> Result<Box<dyn OutputPin>, GpioError> {
        SimulatedBoard::new(self.clock.clone()).output(name, line)
    }
}

impl Board for ChipBoard {
    /// A line that cannot be had now is claimed when it is next switched: a chip may come later.
    fn output(&self, name: &str, line: &OutputLine) -> Result<Box<dyn OutputPin>, GpioError> {
        let Some(wire) = &line.line else {
            return self.wireless(name, line);
        };
        let mut pin = self.pin(name, wire, line.active, false);
        if let Err(error) = pin.set(false) {
            warn!(%error, "an output is not there yet");
        }
        Ok(Box::new(pin))
    }

    fn kept_output(&self, name: &str, line: &OutputLine) -> Result<Box<dyn OutputPin>, GpioError> {
        let Some(wire) = &line.line else {
            return self.wireless(name, line);
        };
        let mut pin = self.pin(name, wire, line.active, true);
        match pin.claim(false) {
            Ok(line) => pin.claimed = Some(line),
            Err(error) => warn!(%error, "an output is not there yet"),
        }
        Ok(Box::new(pin))
    }

    fn forget_kept(&self, name: &str) {
        self.outputs.claimed().kept.forget(name, None);
    }

    fn watch(&self, lines: &[InputLine], sink: Sink) -> Result<Watch, GpioError> {
        edges::watch(self.chip.as_deref(), &self.clock, lines, sink)
    }
}

impl Outputs {
    fn claimed(&self) -> std::sync::MutexGuard<'_, Claimed> {
        // Each change is one insertion: never half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One claimed output. Claimed anew if its chip went away and came back.
struct ChipPin {
    name: String,
    line: Line,
    active_low: bool,
    chip: Option<String>,
    keep: bool,
    outputs: Outputs,
    claimed: Option<Arc<File>>,
}

impl ChipPin {
    /// The line of this process, of the one before it, or the kernel's, in this order. Only the
    /// last is given a level, in the same moment in which it becomes an output: no glitch.
    fn claim(&self, active: bool) -> Result<Arc<File>, GpioError> {
        let place = find::place(&self.line, self.chip.as_deref())?;
        let key = (place.chip.clone(), place.offset, self.active_low);
        let mut claimed = self.outputs.claimed();
        if let Some(line) = claimed.lines.get(&key).and_then(Weak::upgrade) {
            return Ok(line);
        }
        let kept = (self.keep).then(|| kept_name(&self.name, &place, self.active_low));
        let inherited = kept.as_ref().and_then(|kept| {
            claimed.kept.forget(&self.name, Some(kept));
            claimed.kept.take(kept)
        });
        let line = match inherited {
            Some(line) => line,
            None => {
                let line = self.request(&place, active)?;
                if let Some(kept) = &kept {
                    claimed.kept.keep(kept, line.as_fd());
                }
                line
            }
        };
        let line = Arc::new(File::from(line));
        claimed.lines.insert(key, Arc::downgrade(&line));
        Ok(line)
    }

    fn request(&self, place: &Place, active: bool) -> Result<OwnedFd, GpioError> {
        let mut request = gpiocdev::Request::builder();
        request
            .on_chip(&place.chip)
            .with_consumer(format!("asfaleia {}", self.name))
            .with_line(place.offset);
        if self.active_low {
            request.as_active_low();
        }
        let line = request
            .as_output(if active {
                Value::Active
            } else {
                Value::Inactive
            })
            .request()
            .map_err(|error| place.refused(&error))?;
        // The descriptor alone holds the line: it can be kept, and is not tied to the library.
        line.as_fd()
            .try_clone_to_owned()
            .map_err(|error| place.refused(&error.into()))
    }
}

/// What systemd calls the line; it says all that must be the same for it to be taken up again.
fn kept_name(name: &str, place: &Place, active_low: bool) -> String {
    let chip = place.chip.file_name().unwrap_or_default().to_string_lossy();
    let level = if active_low { "low" } else { "high" };
    format!("{name}.{chip}.{}.{level}", place.offset)
}

impl OutputPin for ChipPin {
    fn set(&mut self, active: bool) -> Result<(), GpioError> {
        let levels = LineValues::from_slice(&[active]);
        if let Some(line) = &self.claimed {
            match set_line_values(line, &levels) {
                Ok(()) => return Ok(()),
                // The chip went away; perhaps it is back.
                Err(error) => warn!(line = %self.name, %error, "claiming a line again"),
            }
            self.claimed = None;
            self.outputs.claimed().kept.forget(&self.name, None);
        }
        let line = self.claim(active)?;
        set_line_values(&line, &levels).map_err(|error| GpioError::Set {
            name: self.name.clone(),
            why: error.to_string(),
        })?;
        self.claimed = Some(line);
        Ok(())
    }
}
