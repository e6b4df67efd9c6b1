//! Authenticators of their own on wires, as the original's GPIO 24 and 21: they name nobody, and fit
//! any person.

use crate::alarm::{BootTime, Event, Factor, Origin, Who};
use crate::config::{Access, FaceInput, FingerInput, InputLine, Line};
use crate::gpio::{Board, GpioError, Signal, Unwatched, Watch};
use crate::inbox::Inbox;

/// The wires of `[access]`.
pub fn of(access: Option<&Access>) -> Vec<(Factor, InputLine)> {
    let Some(access) = access else {
        return Vec::new();
    };
    let face = match &access.face {
        Some(FaceInput::Gpio(line)) => Some((Factor::Face, line.clone())),
        Some(FaceInput::Camera) | None => None,
    };
    let finger = match &access.finger {
        Some(FingerInput::Gpio(line)) => Some((Factor::Finger, line.clone())),
        Some(FingerInput::Serial { .. }) | None => None,
    };
    face.into_iter().chain(finger).collect()
}

/// Watches them until the watch is dropped. `None`: there are none.
///
/// A wire counts when it becomes active, and the others that are active then count again: both
/// raised is both shown, however long apart. What was active before we looked counts for nothing.
pub fn watch(
    board: &dyn Board,
    access: Option<&Access>,
    inbox: Inbox,
) -> Result<Option<Watch>, GpioError> {
    let wires = of(access);
    if wires.is_empty() {
        return Ok(None);
    }
    let lines: Vec<InputLine> = wires.iter().map(|(_, line)| line.clone()).collect();
    let mut raised = Raised {
        active: vec![false; wires.len()],
        wires,
    };
    let mut unwatched = Unwatched::default();
    let sink = Box::new(move |signal| {
        if unwatched.note(&signal) {
            inbox.send(unwatched.event(SUBJECT, "authenticators on GPIO lines"));
        }
        match signal {
            Signal::Found(edge) => {
                raised.set(&edge.line, edge.active);
            }
            Signal::Changed(edge) => {
                if raised.set(&edge.line, edge.active) && edge.active {
                    raised.tell(&inbox, edge.at);
                }
            }
            Signal::Gone { lines, .. } => {
                for line in &lines {
                    raised.set(line, false);
                }
            }
        }
    });
    board.watch(&lines, sink).map(Some)
}

/// Of the trouble that they are not watched.
pub const SUBJECT: &str = "access";

struct Raised {
    wires: Vec<(Factor, InputLine)>,
    active: Vec<bool>,
}

impl Raised {
    /// `false`: it is none of ours.
    fn set(&mut self, line: &Line, active: bool) -> bool {
        let of = |(_, wire): &(Factor, InputLine)| wire.line == *line;
        let Some(wire) = self.wires.iter().position(of) else {
            return false;
        };
        self.active[wire] = active;
        true
    }

    fn tell(&self, inbox: &Inbox, at: BootTime) {
        for ((factor, _), _) in (self.wires.iter().zip(&self.active)).filter(|(_, it)| **it) {
            let shown = Event::Shown {
                factor: *factor,
                who: Who::Anybody,
                origin: Origin::Reader,
                duress: false,
            };
            inbox.send_at(shown, at);
        }
    }
}
