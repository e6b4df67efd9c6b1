//! A trouble that is looked at again and again, with its hysteresis.

use std::time::Duration;

use tokio::time::Instant;

use super::health::{cleared, raised};
use crate::alarm::{Event, TroubleCode};

/// One trouble with its hysteresis.
pub(super) struct Standing {
    code: TroubleCode,
    subject: &'static str,
    after: Duration,
    calm: Duration,
    raised: bool,
    /// Since when it has been otherwise than was said.
    since: Option<Instant>,
}

impl Standing {
    /// A trouble that does not stand. It has to be bad for `after` before that is said, and well
    /// for `calm` before it is over.
    pub(super) fn new(
        code: TroubleCode,
        subject: &'static str,
        after: Duration,
        calm: Duration,
    ) -> Self {
        Standing {
            code,
            subject,
            after,
            calm,
            raised: false,
            since: None,
        }
    }

    /// Whether it was said.
    pub(super) fn is_raised(&self) -> bool {
        self.raised
    }

    /// What has to be said of how it is now: `bad` is why it is not well.
    pub(super) fn feel(&mut self, bad: Option<String>, now: Instant) -> Option<Event> {
        if bad.is_some() == self.raised {
            self.since = None;
            return None;
        }
        let since = *self.since.get_or_insert(now);
        let wait = if self.raised { self.calm } else { self.after };
        if now - since < wait {
            return None;
        }
        self.since = None;
        self.raised = bad.is_some();
        Some(match bad {
            Some(text) => raised(self.code, self.subject, text),
            None => cleared(self.code, self.subject),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTES: Duration = Duration::from_secs(300);

    #[test]
    fn a_flicker_is_told_at_once_and_over_when_it_has_been_well_for_minutes() {
        let mut voltage = Standing::new(TroubleCode::UnderVoltage, "", Duration::ZERO, MINUTES);
        let start = Instant::now();
        let mut feel = |bad: bool, secs| {
            let event = voltage.feel(bad.then(String::new), start + Duration::from_secs(secs));
            match event {
                None => None,
                Some(Event::TroubleRaised(_)) => Some(true),
                Some(_) => Some(false),
            }
        };
        assert_eq!(feel(false, 0), None);
        assert_eq!(feel(true, 30), Some(true));
        assert_eq!(feel(false, 60), None);
        assert_eq!(feel(true, 330), None, "again: it begins anew");
        assert_eq!(feel(false, 360), None);
        assert_eq!(feel(false, 630), None);
        assert_eq!(feel(false, 660), Some(false));
    }

    #[test]
    fn a_clock_is_given_a_few_minutes_after_the_boot() {
        let mut clock = Standing::new(TroubleCode::Clock, "", MINUTES, Duration::ZERO);
        let start = Instant::now();
        let mut unset = |secs| {
            let now = start + Duration::from_secs(secs);
            clock.feel(Some(String::new()), now).is_some()
        };
        assert!(!unset(0) && !unset(270) && unset(300) && !unset(330));
        let set = clock.feel(None, start + Duration::from_secs(360));
        assert!(matches!(set, Some(Event::TroubleCleared { .. })));
    }
}
