//! Which lines of the board are used.

use super::{Config, FaceInput, FingerInput, Source};

impl Config {
    /// Some line of the board is used.
    pub fn has_wires(&self) -> bool {
        let access = self.access.as_ref();
        self.sensors
            .iter()
            .any(|sensor| matches!(sensor.source, Source::Gpio(_)))
            || self
                .buzzer
                .as_ref()
                .is_some_and(|buzzer| buzzer.line.is_some())
            || self
                .exhaust
                .as_ref()
                .is_some_and(|exhaust| exhaust.output.line.is_some())
            || access.is_some_and(|access| {
                matches!(access.face, Some(FaceInput::Gpio(_)))
                    || matches!(access.finger, Some(FingerInput::Gpio(_)))
            })
    }
}
