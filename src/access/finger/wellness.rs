//! When the house is told that the reader is lost, and that it is well again. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// A reader that came back and was lost again sooner than this is well only after as long: a loose
/// cable must not raise and clear a trouble each second.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// What became of the reader so far.
#[derive(Debug, Default)]
pub(super) struct Wellness {
    /// What the house was told; `None`: an earlier run of the driver may have told anything.
    told_well: Option<bool>,
    /// Since when it answers, and whether it was told to be lost before.
    answers: Option<(Instant, bool)>,
    well_after: Duration,
}

impl Wellness {
    /// It answers. When it has done so for so long, it is well.
    pub(super) fn came(&mut self, now: Instant) -> Duration {
        self.answers = Some((now, self.told_well == Some(false)));
        self.well_after
    }

    /// It has answered for as long. Whether that is to be told.
    pub(super) fn lasted(&mut self) -> bool {
        self.told_well.replace(true) != Some(true)
    }

    /// It does not answer, or not any more. Whether that is to be told.
    pub(super) fn lost(&mut self, now: Instant) -> bool {
        if let Some((since, came_back)) = self.answers.take() {
            let loose = came_back && now - since < WELL_AFTER;
            self.well_after = if loose { WELL_AFTER } else { Duration::ZERO };
        }
        self.told_well.replace(false) != Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    /// Each second the cable is pulled, and plugged in again half a second later; says how often the
    /// house was told that the reader is lost, and that it is well.
    fn told(wellness: &mut Wellness, from: Instant, seconds: u64) -> (usize, usize) {
        let (mut lost, mut well) = (0, 0);
        for second in 0..seconds {
            let at = from + Duration::from_secs(second);
            lost += usize::from(wellness.lost(at));
            let after = wellness.came(at + Duration::from_millis(500));
            // The next pull comes half a second later.
            if after < Duration::from_millis(500) {
                well += usize::from(wellness.lasted());
            }
        }
        (lost, well)
    }

    #[test]
    fn a_loose_cable_is_one_trouble_and_not_one_each_second() {
        let began = Instant::now();
        let mut wellness = Wellness::default();
        assert_eq!(wellness.came(began), NOW);
        assert!(wellness.lasted());
        // It came back once, and was believed.
        let (lost, well) = told(&mut wellness, began + Duration::from_secs(600), 300);
        assert_eq!((lost, well), (2, 1));
    }

    #[test]
    fn a_loose_cable_that_holds_for_a_minute_is_well() {
        let began = Instant::now();
        let mut wellness = Wellness::default();
        wellness.came(began);
        wellness.lasted();
        told(&mut wellness, began + Duration::from_secs(600), 10);
        // A minute after it came back for the last time.
        assert!(wellness.lasted(), "it is told that it is well");
        let next = began + Duration::from_secs(700);
        assert!(wellness.lost(next), "and that it is lost");
        assert_eq!(wellness.came(next), NOW, "which may be the only time");
    }

    #[test]
    fn a_reader_that_was_never_there_is_told_once() {
        let began = Instant::now();
        let mut wellness = Wellness::default();
        assert!(wellness.lost(began));
        assert!(!wellness.lost(began + Duration::from_secs(2)));
        assert_eq!(wellness.came(began + Duration::from_secs(4)), NOW);
        assert!(wellness.lasted());
        assert!(!wellness.lasted());
    }
}
