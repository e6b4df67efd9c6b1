//! OUT, now: buzzer and exhaust.
//!
//! The panel's thread calls these from its own loop: no thread of theirs, no lock, nothing slow.

mod buzzer;
mod exhaust;
mod outputs;

pub use buzzer::Buzzer;
pub use exhaust::Exhaust;
pub use outputs::{Outputs, Switched};

/// Switches one output line: `true` is on. An error says which line and what to do about it.
pub type Switch = Box<dyn FnMut(bool) -> Result<(), String> + Send>;
