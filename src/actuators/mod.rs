//! OUT, now: buzzer and exhaust.
//!
//! The panel's thread calls these from its own loop: no thread of theirs, no lock, nothing slow.

mod buzzer;
mod exhaust;
mod outputs;

use std::fmt::Display;

use embedded_hal::digital::OutputPin;

pub use buzzer::Buzzer;
pub use exhaust::Exhaust;
pub use outputs::{Heard, Outputs, Rhythm, Switched};

/// Switches one output line: `true` is on. An error says which line and what to do about it.
pub type Switch = Box<dyn FnMut(bool) -> Result<(), String> + Send>;

/// The switch of a pin, as embedded-hal has it: high is on.
pub fn switch<P>(mut pin: P) -> Switch
where
    P: OutputPin<Error: Display> + Send + 'static,
{
    Box::new(move |on| pin.set_state(on.into()).map_err(|error| error.to_string()))
}
