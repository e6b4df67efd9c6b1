//! What is a change, and what is noise. Pure.

use std::time::Duration;

use crate::alarm::BootTime;

/// One line as the kernel debounces it: a change counts once it has stayed, from that moment on.
#[derive(Debug)]
pub(super) struct Debounced {
    time: Duration,
    /// As reported.
    active: bool,
    /// The level turned away from `active` then, and has stayed there.
    turned: Option<BootTime>,
}

impl Debounced {
    pub(super) fn new(time: Duration, active: bool) -> Self {
        Debounced {
            time,
            active,
            turned: None,
        }
    }

    /// As reported last.
    pub(super) fn active(&self) -> bool {
        self.active
    }

    /// The level is, or goes on being, this.
    pub(super) fn level(&mut self, active: bool, at: BootTime) {
        if active == self.active {
            self.turned = None;
        } else {
            self.turned.get_or_insert(at);
        }
    }

    /// When the level will have stayed for long enough.
    pub(super) fn due(&self) -> Option<BootTime> {
        self.turned.map(|turned| turned + self.time)
    }

    /// A change that has stayed until `now`, with the moment from which it counts.
    pub(super) fn settle(&mut self, now: BootTime) -> Option<(bool, BootTime)> {
        let due = self.due().filter(|due| *due <= now)?;
        self.turned = None;
        self.active = !self.active;
        Some((self.active, due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_shorter_than_the_debounce_is_noise_and_one_as_long_is_not() {
        let at = BootTime::from_millis;
        let mut line = Debounced::new(Duration::from_millis(20), false);
        line.level(true, at(100));
        assert_eq!(line.settle(at(119)), None);
        line.level(false, at(119));
        assert_eq!(line.due(), None);

        line.level(true, at(200));
        line.level(true, at(210));
        assert_eq!(line.due(), Some(at(220)));
        assert_eq!(line.settle(at(500)), Some((true, at(220))));
        assert_eq!(line.settle(at(501)), None);
    }
}
