//! The exhaust fan's relay.

use std::sync::Arc;

use super::{Outputs, Switch};

/// The exhaust fan's relay. When it runs and for how long is decided in `alarm`.
pub struct Exhaust {
    switch: Switch,
    outputs: Arc<Outputs>,
}

impl Exhaust {
    /// The relay behind this line. The line is not touched until [`set`](Exhaust::set).
    pub fn new(switch: Switch, outputs: Arc<Outputs>) -> Self {
        Exhaust { switch, outputs }
    }

    /// On or off, now. The line is written even if it should be so already: a relay that missed an
    /// edge is put right. An error leaves the record as it was.
    pub fn set(&mut self, on: bool) -> Result<(), String> {
        (self.switch)(on).map_err(|why| {
            let word = if on { "on" } else { "off" };
            format!("switching the exhaust fan {word}: {why}")
        })?;
        if self.outputs.exhaust.active() != on {
            self.outputs.exhaust.record(on);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use embedded_hal_mock::eh1::MockError;
    use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};

    use super::*;
    use crate::actuators::switch;

    #[test]
    fn the_record_follows_the_line_and_not_the_wish() {
        let outputs = Arc::new(Outputs::default());
        let gone = MockError::Io(ErrorKind::NotConnected);
        let mut relay = Mock::new(&[
            Transaction::set(State::High),
            Transaction::set(State::Low).with_error(gone.clone()),
            Transaction::set(State::High),
        ]);
        let mut exhaust = Exhaust::new(switch(relay.clone()), outputs.clone());
        exhaust.set(true).unwrap();
        let (active, since) = outputs.exhaust.read();
        assert!(active && since > 0);
        assert_eq!(
            exhaust.set(false).unwrap_err(),
            format!("switching the exhaust fan off: {gone}")
        );
        assert_eq!(outputs.exhaust.read(), (true, since));
        exhaust.set(true).unwrap();
        assert_eq!(
            outputs.exhaust.read(),
            (true, since),
            "no change, no new time"
        );
        relay.done();
    }
}
