//! A board for tests that tells what it is told to tell.

use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

use super::{Board, GpioError, OutputPin, Signal, Sink, Watch, Watching};
use crate::config::{InputLine, OutputLine};

/// Has no lines, and takes no time.
#[derive(Default)]
pub(crate) struct ToldBoard(Mutex<Option<Sink>>);

impl ToldBoard {
    /// Tells who watches.
    pub(crate) fn tell(&self, signal: Signal) {
        let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sink.as_mut().expect("somebody watches")(signal);
    }
}

impl Board for ToldBoard {
    fn output(&self, _: &str, _: &OutputLine) -> Result<Box<dyn OutputPin>, GpioError> {
        Err(GpioError::NotHere("told"))
    }

    fn watch(&self, _: &[InputLine], sink: Sink) -> Result<Watch, GpioError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sink);
        Ok(Watch::new(Idle))
    }
}

struct Idle;

impl Watching for Idle {
    fn ask(&self, _: oneshot::Sender<()>) {}
}
