//! Wires: one small interface, several back ends.
//!
//! Lines are active or inactive here; which level that is, the configuration says. Inputs come as
//! edges with their times rather than as levels to poll: embedded-hal's traits know no timestamp,
//! no bias and no device that goes away.

mod debounce;
pub mod simulated;

use tokio::sync::oneshot;

use crate::alarm::BootTime;
use crate::clock::SharedClock;
use crate::config::{Gpio, GpioBackend, InputLine, Line, OutputLine};

pub use simulated::SimulatedBoard;

/// One output wire.
pub trait OutputPin: Send {
    /// Switches it. Idempotent; takes microseconds.
    fn set(&mut self, active: bool) -> Result<(), GpioError>;
}

/// What an input did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// The level found when watching began, read after edges were asked for: nothing falls between.
    Found(Edge),
    /// A change that stayed for the debounce time.
    Changed(Edge),
    /// The device is gone: no line of this watch will signal any more.
    Gone,
}

/// A line's level, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Which line.
    pub line: Line,
    /// In the line's own terms: `active = "low"` has been applied.
    pub active: bool,
    /// When it was so for the debounce time.
    pub at: BootTime,
}

/// Who takes the signals, on the board's own thread. Must not block.
pub type Sink = Box<dyn FnMut(Signal) + Send>;

/// As long as it lives, the lines are watched.
pub struct Watch {
    watching: Box<dyn Watching>,
}

/// A board's own end of a watch. Dropped, the watch ends.
pub trait Watching: Send + Sync {
    /// Passes the question on to the thread that watches, which answers it as soon as it turns.
    /// Must not block.
    fn ask(&self, question: oneshot::Sender<()>);
}

impl Watch {
    /// A watch that ends when `watching` is dropped.
    pub fn new(watching: impl Watching + 'static) -> Self {
        Watch {
            watching: Box::new(watching),
        }
    }

    /// Whether its thread turns: it answers, or it does not.
    pub fn ask(&self, question: oneshot::Sender<()>) {
        self.watching.ask(question);
    }
}

/// A board with wires.
pub trait Board: Send + Sync {
    /// Claims an output and switches it off. `name` is what it is for, such as `exhaust`.
    fn output(&self, name: &str, line: &OutputLine) -> Result<Box<dyn OutputPin>, GpioError>;

    /// Claims inputs and tells their levels, then every edge.
    fn watch(&self, lines: &[InputLine], sink: Sink) -> Result<Watch, GpioError>;
}

/// Why a wire does not work.
#[derive(Debug, thiserror::Error)]
pub enum GpioError {
    /// A back end that comes with a later version.
    #[error("[gpio] backend = \"{0}\" is not built yet; use backend = \"simulated\"")]
    NotBuiltYet(&'static str),
    /// The thread that watches could not be started.
    #[error("starting the thread that watches the simulated wires: {0}")]
    Thread(#[source] std::io::Error),
}

/// The board that the configuration asks for. Whoever drives a simulated one makes it with
/// [`SimulatedBoard::new`] instead, and keeps it.
pub fn board(gpio: &Gpio, clock: SharedClock) -> Result<Box<dyn Board>, GpioError> {
    match gpio.backend {
        GpioBackend::Simulated => Ok(Box::new(SimulatedBoard::new(clock))),
        GpioBackend::GpioChip => Err(GpioError::NotBuiltYet("gpiochip")),
        GpioBackend::Rppal => Err(GpioError::NotBuiltYet("rppal")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn a_back_end_that_is_not_built_yet_says_so_and_what_to_use() {
        for backend in [GpioBackend::GpioChip, GpioBackend::Rppal] {
            let gpio = Gpio {
                backend,
                chip: None,
            };
            let error = board(&gpio, SystemClock::shared()).err().unwrap();
            assert!(error.to_string().contains("not built yet"), "{error}");
        }
    }
}
