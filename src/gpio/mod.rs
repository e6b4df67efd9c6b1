//! Wires: one small interface, several back ends.
//!
//! Lines are active or inactive here; which level that is, the configuration says. Outputs are pins
//! to whatever drives embedded-hal's. Inputs come as edges with their times rather than as levels to
//! poll: embedded-hal knows no timestamp, no bias and no device that goes away.

#[cfg(target_os = "linux")]
pub mod chip;
mod debounce;
#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(all(target_os = "linux", any(target_arch = "arm", target_arch = "aarch64")))]
pub mod rpi;
pub mod simulated;
mod unwatched;

use embedded_hal::digital;
use tokio::sync::oneshot;

use crate::alarm::BootTime;
use crate::clock::SharedClock;
use crate::config::{Gpio, GpioBackend, InputLine, Line, OutputLine};

#[cfg(target_os = "linux")]
pub use chip::{ChipBoard, KeptLines};
pub use simulated::SimulatedBoard;
pub use unwatched::Unwatched;

/// One output wire.
pub trait OutputPin: Send {
    /// Switches it. Idempotent; takes microseconds.
    fn set(&mut self, active: bool) -> Result<(), GpioError>;
}

/// What drives a pin of embedded-hal's can drive this one; active is what it calls high.
impl digital::OutputPin for Box<dyn OutputPin> {
    fn set_low(&mut self) -> Result<(), GpioError> {
        self.set(false)
    }

    fn set_high(&mut self) -> Result<(), GpioError> {
        self.set(true)
    }
}

impl digital::ErrorType for Box<dyn OutputPin> {
    type Error = GpioError;
}

impl digital::Error for GpioError {
    fn kind(&self) -> digital::ErrorKind {
        digital::ErrorKind::Other
    }
}

/// What an input did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// The level found when watching began, read after edges were asked for: nothing falls between.
    Found(Edge),
    /// A change that stayed for the debounce time.
    Changed(Edge),
    /// These lines are not watched: their chip went away, or cannot be had. What is found when it is
    /// back comes as [`Found`](Signal::Found). Others go on.
    Gone {
        /// Which.
        lines: Vec<Line>,
        /// Why, and what mends it.
        why: String,
    },
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

    /// Claims an output whose level outlives this process, as far as the system can hold it. It is
    /// as it was found until it is set.
    fn kept_output(&self, name: &str, line: &OutputLine) -> Result<Box<dyn OutputPin>, GpioError> {
        self.output(name, line)
    }

    /// No output of this name is configured (any more): the system need not hold one.
    fn forget_kept(&self, _name: &str) {}

    /// Claims inputs and tells their levels, then every edge.
    fn watch(&self, lines: &[InputLine], sink: Sink) -> Result<Watch, GpioError>;
}

/// Why a wire does not work.
#[derive(Debug, thiserror::Error)]
pub enum GpioError {
    /// A back end that this machine does not have.
    #[error(
        "[gpio] backend = \"{0}\" does not exist on this machine; use \"auto\", or \"simulated\""
    )]
    NotHere(&'static str),
    /// The thread that watches could not be started.
    #[error("starting the thread that watches the wires: {0}")]
    Thread(#[source] std::io::Error),
    /// No chip at all.
    #[error(
        "looking for GPIO chips: {why}; is this a board with GPIO, and its user in the group gpio?"
    )]
    NoChips {
        /// What the system says.
        why: String,
    },
    /// No such chip or line.
    #[error("looking for {wanted}: not found; there are {there}; see [gpio] chip, and gpioinfo")]
    NotFound {
        /// A chip or line.
        wanted: String,
        /// The chips that there are.
        there: String,
    },
    /// The kernel refuses it.
    #[error("claiming {line}: {why}; {mends}")]
    Claim {
        /// Which.
        line: String,
        /// What the kernel says.
        why: String,
        /// What to do about it.
        mends: String,
    },
    /// It could not be switched.
    #[error("switching the line of the {name}: {why}")]
    Set {
        /// What it is for.
        name: String,
        /// What the kernel says.
        why: String,
    },
}

/// The board that the configuration asks for. Whoever drives a simulated one makes it with
/// [`SimulatedBoard::new`] instead, and keeps it. `kept` are outputs that systemd held since an
/// earlier run.
#[cfg(target_os = "linux")]
pub fn board(
    gpio: &Gpio,
    clock: SharedClock,
    kept: KeptLines,
) -> Result<Box<dyn Board>, GpioError> {
    match gpio.backend {
        GpioBackend::Simulated => Ok(Box::new(SimulatedBoard::new(clock))),
        GpioBackend::GpioChip => Ok(Box::new(ChipBoard::new(gpio.chip.clone(), clock, kept))),
        #[cfg(any(target_arch = "arm", target_arch = "aarch64"))]
        GpioBackend::Rppal => Ok(Box::new(rpi::RpiBoard::new(clock)?)),
        #[cfg(not(any(target_arch = "arm", target_arch = "aarch64")))]
        GpioBackend::Rppal => Err(GpioError::NotHere("rppal")),
    }
}

/// An edge's stamp by the kernel, in nanoseconds of monotonic time, on the boot clock.
#[cfg(target_os = "linux")]
fn moment(clock: &SharedClock, monotonic: u64) -> BootTime {
    let ago = crate::clock::monotonic_nanos().saturating_sub(monotonic);
    BootTime::from_nanos(clock.boot().as_nanos().saturating_sub(ago))
}

/// Nothing is kept where there is no systemd.
#[cfg(not(target_os = "linux"))]
#[derive(Default)]
pub struct KeptLines;

#[cfg(not(target_os = "linux"))]
impl KeptLines {
    /// Nothing.
    pub fn from_systemd() -> Self {
        KeptLines
    }
}

/// The board that the configuration asks for: elsewhere than on Linux, a simulated one.
#[cfg(not(target_os = "linux"))]
pub fn board(gpio: &Gpio, clock: SharedClock, _: KeptLines) -> Result<Box<dyn Board>, GpioError> {
    match gpio.backend {
        GpioBackend::Simulated => Ok(Box::new(SimulatedBoard::new(clock))),
        GpioBackend::GpioChip => Err(GpioError::NotHere("gpiochip")),
        GpioBackend::Rppal => Err(GpioError::NotHere("rppal")),
    }
}
