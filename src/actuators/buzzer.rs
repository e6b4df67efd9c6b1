//! The buzzer's rhythms, played without a thread: the panel asks when the next edge is due and
//! calls [`Buzzer::poll`] then.

use std::sync::Arc;
use std::time::Duration;

use super::{Outputs, Switch};
use crate::alarm::{BootTime, Pattern};

/// Plays one rhythm at a time on one output line.
pub struct Buzzer {
    switch: Switch,
    outputs: Arc<Outputs>,
    /// What sounds until stopped, and when the delay it announces ends.
    sustained: Option<(Pattern, Option<BootTime>)>,
    playing: Option<Playing>,
    line: bool,
    fault: Option<String>,
}

impl Buzzer {
    /// The buzzer behind this line, silent.
    pub fn new(switch: Switch, outputs: Arc<Outputs>) -> Self {
        Buzzer {
            switch,
            outputs,
            sustained: None,
            playing: None,
            line: false,
            fault: None,
        }
    }

    /// Sounds this from now on; `None` is silence (a chirp may finish). The first edge happens in
    /// this call. `until` is the end of the delay that the pattern announces: the exit delay's tick
    /// quickens before it. A pattern that sounds already keeps its rhythm. A pattern that does not
    /// repeat is a chirp.
    pub fn sound(&mut self, pattern: Option<Pattern>, until: Option<BootTime>, now: BootTime) {
        let Some(pattern) = pattern else {
            if self.sustained.take().is_some() {
                if !self.chirping() {
                    self.playing = None;
                    self.set_line(false);
                    self.outputs.heard.begin(&[], false);
                }
                self.outputs.buzzer.record(false);
            }
            return;
        };
        if !rhythm(pattern, false).repeats {
            return self.chirp(pattern, now);
        }
        let before = self.sustained.replace((pattern, until));
        if before.is_some_and(|(sounding, _)| sounding == pattern) && !self.chirping() {
            return;
        }
        self.start(pattern, false, now);
        if before.is_none() {
            self.outputs.buzzer.record(true);
        }
    }

    /// Sounds this once, then what sounded before. The first edge happens in this call.
    pub fn chirp(&mut self, pattern: Pattern, now: BootTime) {
        // A beep that begins while the line is on would not be heard as one.
        self.set_line(false);
        self.start(pattern, true, now);
    }

    /// Makes the edge that is due, at most one: after a late call the rhythm goes on from now.
    /// Returns when to call again; `None` until the next `sound` or `chirp`.
    pub fn poll(&mut self, now: BootTime) -> Option<BootTime> {
        let playing = self.playing.as_mut()?;
        if now < playing.due {
            return Some(playing.due);
        }
        playing.step += 1;
        if playing.step == playing.rhythm.steps.len() {
            if playing.once {
                self.playing = None;
                self.set_line(false);
                let (pattern, _) = self.sustained?;
                self.start(pattern, false, now);
                return self.playing.as_ref().map(|playing| playing.due);
            }
            playing.step = 0;
            let rhythm = rhythm(playing.pattern, hurries(self.sustained, now));
            if rhythm.steps != playing.rhythm.steps {
                self.outputs.heard.begin(rhythm.steps, true);
            }
            playing.rhythm = rhythm;
        }
        let lasts = playing.step_lasts();
        let due = playing.due + lasts;
        playing.due = if due > now { due } else { now + lasts };
        let (on, due) = (playing.is_on(), playing.due);
        self.set_line(on);
        Some(due)
    }

    /// Why the line could not be switched the last time; `None` when it could.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    fn start(&mut self, pattern: Pattern, once: bool, now: BootTime) {
        let rhythm = rhythm(pattern, hurries(self.sustained, now));
        let mut playing = Playing {
            pattern,
            rhythm,
            step: 0,
            due: now,
            once: once || !rhythm.repeats,
        };
        self.outputs.heard.begin(rhythm.steps, !playing.once);
        playing.due = now + playing.step_lasts();
        self.playing = Some(playing);
        self.set_line(true);
    }

    fn chirping(&self) -> bool {
        self.playing.as_ref().is_some_and(|playing| playing.once)
    }

    fn set_line(&mut self, on: bool) {
        if self.line == on && self.fault.is_none() {
            return;
        }
        self.line = on;
        match (self.switch)(on) {
            Ok(()) => self.fault = None,
            Err(why) => {
                if self.fault.is_none() {
                    tracing::error!(why, "switching the buzzer failed");
                }
                self.fault = Some(why);
            }
        }
    }
}

struct Playing {
    pattern: Pattern,
    rhythm: Rhythm,
    step: usize,
    /// When the step ends.
    due: BootTime,
    /// A chirp: to its end once, whatever its rhythm says.
    once: bool,
}

impl Playing {
    fn is_on(&self) -> bool {
        self.step.is_multiple_of(2)
    }

    fn step_lasts(&self) -> Duration {
        Duration::from_millis(u64::from(self.rhythm.steps[self.step]))
    }
}

/// Milliseconds on, off, on, ... from the beginning, which is on.
#[derive(Clone, Copy)]
struct Rhythm {
    steps: &'static [u16],
    repeats: bool,
}

/// The exit delay's tick quickens this long before its end.
const HURRY: Duration = Duration::from_secs(5);

fn hurries(sustained: Option<(Pattern, Option<BootTime>)>, now: BootTime) -> bool {
    matches!(sustained, Some((Pattern::ExitDelay, Some(until))) if now.until(until) <= HURRY)
}

/// The rhythms, as `docs/configuration.md` lists them. A repeating one ends with its pause.
fn rhythm(pattern: Pattern, hurry: bool) -> Rhythm {
    let (steps, repeats): (&'static [u16], bool) = match pattern {
        Pattern::Start => (&[200], false),
        Pattern::ExitDelay if hurry => (&[50, 450], true),
        Pattern::ExitDelay => (&[50, 950], true),
        Pattern::EntryDelay => (&[100, 400], true),
        Pattern::Alarm => (&[200, 200, 200, 200, 200, 600], true),
        Pattern::Gas => (&[1000, 250], true),
        Pattern::OwnerRecognised => (&[200, 200, 200], false),
        Pattern::ArmFailed => (&[50, 50, 50, 50, 50, 50, 50, 50, 400], false),
        Pattern::WalkTest => (&[100], false),
    };
    Rhythm { steps, repeats }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::sync::Mutex;

    use embedded_hal_mock::eh1::MockError;
    use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};

    use super::*;
    use crate::actuators::switch;

    struct Bench {
        buzzer: Buzzer,
        outputs: Arc<Outputs>,
        now: Arc<Mutex<u64>>,
        edges: Arc<Mutex<Vec<(u64, bool)>>>,
    }

    impl Bench {
        fn new() -> Self {
            let now = Arc::new(Mutex::new(0));
            let edges = Arc::new(Mutex::new(Vec::new()));
            let outputs = Arc::new(Outputs::default());
            let (clock, log) = (now.clone(), edges.clone());
            let switch = Box::new(move |on| {
                log.lock().unwrap().push((*clock.lock().unwrap(), on));
                Ok(())
            });
            let buzzer = Buzzer::new(switch, outputs.clone());
            Bench {
                buzzer,
                outputs,
                now,
                edges,
            }
        }

        /// Turns the panel's loop until then (milliseconds).
        fn run_until(&mut self, end: u64) {
            while let Some(due) = self.buzzer.poll(self.at()) {
                let due = due.as_nanos() / 1_000_000;
                if due > end {
                    break;
                }
                *self.now.lock().unwrap() = due;
            }
            *self.now.lock().unwrap() = end;
        }

        fn at(&self) -> BootTime {
            BootTime::from_millis(*self.now.lock().unwrap())
        }

        fn sound(&mut self, pattern: Option<Pattern>) {
            self.buzzer.sound(pattern, None, self.at());
        }

        fn chirp(&mut self, pattern: Pattern) {
            self.buzzer.chirp(pattern, self.at());
        }

        /// When it was switched since the last look, first on, then off, and so on.
        fn edges(&self) -> Vec<u64> {
            let edges = std::mem::take(&mut *self.edges.lock().unwrap());
            for (n, (_, on)) in edges.iter().enumerate() {
                assert_eq!(*on, n % 2 == 0, "on and off take turns: {edges:?}");
            }
            edges.into_iter().map(|(at, _)| at).collect()
        }
    }

    #[test]
    fn every_pattern_has_its_rhythm() {
        let table: [(Pattern, &[u64]); 8] = [
            (Pattern::Start, &[0, 200]),
            (Pattern::ExitDelay, &[0, 50, 1000, 1050, 2000, 2050]),
            (
                Pattern::EntryDelay,
                &[0, 100, 500, 600, 1000, 1100, 1500, 1600, 2000, 2100],
            ),
            (
                Pattern::Alarm,
                &[0, 200, 400, 600, 800, 1000, 1600, 1800, 2000, 2200],
            ),
            (Pattern::Gas, &[0, 1000, 1250, 2250]),
            (Pattern::OwnerRecognised, &[0, 200, 400, 600]),
            (
                Pattern::ArmFailed,
                &[0, 50, 100, 150, 200, 250, 300, 350, 400, 800],
            ),
            (Pattern::WalkTest, &[0, 100]),
        ];
        for (pattern, expected) in table {
            let mut bench = Bench::new();
            bench.sound(Some(pattern));
            bench.run_until(2_300);
            let edges = bench.edges();
            assert_eq!(&edges[..expected.len()], expected, "{pattern:?}");
            assert!(edges.len() <= expected.len() + 1, "{pattern:?}: {edges:?}");
        }
    }

    #[test]
    fn the_first_edge_happens_in_the_call() {
        let mut bench = Bench::new();
        bench.sound(Some(Pattern::Alarm));
        assert_eq!(bench.edges(), [0]);
        assert!(bench.outputs.buzzer.active());
    }

    #[test]
    fn the_exit_delay_ticks_faster_in_its_last_five_seconds() {
        let mut bench = Bench::new();
        let end = Some(BootTime::from_secs(7));
        bench
            .buzzer
            .sound(Some(Pattern::ExitDelay), end, BootTime::ZERO);
        bench.run_until(3_300);
        assert_eq!(
            bench.edges(),
            [0, 50, 1000, 1050, 2000, 2050, 2500, 2550, 3000, 3050]
        );
    }

    #[test]
    fn silence_is_at_once_and_stays() {
        let mut bench = Bench::new();
        bench.sound(Some(Pattern::Gas));
        bench.run_until(300);
        bench.sound(None);
        bench.run_until(9_000);
        assert_eq!(bench.edges(), [0, 300]);
        assert!(!bench.outputs.buzzer.active());
    }

    #[test]
    fn a_chirp_is_heard_through_a_tick_which_then_goes_on() {
        let mut bench = Bench::new();
        bench.sound(Some(Pattern::EntryDelay));
        bench.run_until(50);
        let recorded = bench.outputs.buzzer.read();
        bench.chirp(Pattern::WalkTest);
        bench.run_until(300);
        // Off and on again at 50, off at the chirp's end, and the tick starts afresh.
        assert_eq!(bench.edges(), [0, 50, 50, 150, 150, 250]);
        assert_eq!(
            bench.outputs.buzzer.read(),
            recorded,
            "a chirp does not count"
        );
    }

    #[test]
    fn what_began_to_sound_is_told_with_its_rhythm() {
        let mut bench = Bench::new();
        let heard = |bench: &Bench| {
            let last = bench.outputs.heard.last();
            (last.number, last.steps.len(), last.repeats)
        };
        assert_eq!(heard(&bench), (0, 0, false));
        bench.sound(Some(Pattern::Alarm));
        bench.sound(Some(Pattern::Alarm));
        assert_eq!(heard(&bench), (1, 6, true));
        bench.chirp(Pattern::WalkTest);
        assert_eq!(heard(&bench), (2, 1, false));
        bench.run_until(500);
        assert_eq!(heard(&bench), (3, 6, true), "the alarm goes on");
        bench.sound(None);
        assert_eq!(heard(&bench), (4, 0, false));
    }

    #[test]
    fn a_chirp_after_disarming_is_heard_to_its_end() {
        let mut bench = Bench::new();
        bench.sound(Some(Pattern::Alarm));
        bench.run_until(100);
        bench.chirp(Pattern::OwnerRecognised);
        bench.sound(None);
        bench.run_until(5_000);
        assert_eq!(bench.edges(), [0, 100, 100, 300, 500, 700]);
        assert!(!bench.outputs.buzzer.active());
    }

    #[test]
    fn an_alarm_does_not_wait_for_a_chirp() {
        let mut bench = Bench::new();
        bench.chirp(Pattern::ArmFailed);
        bench.run_until(75);
        bench.sound(Some(Pattern::Alarm));
        assert_eq!(bench.edges(), [0, 50, 75]);
    }

    #[test]
    fn the_same_pattern_again_does_not_stutter() {
        let mut bench = Bench::new();
        bench.sound(Some(Pattern::Alarm));
        bench.run_until(300);
        bench.sound(Some(Pattern::Alarm));
        bench.run_until(900);
        assert_eq!(bench.edges(), [0, 200, 400, 600, 800]);
    }

    #[test]
    fn a_late_call_makes_one_edge_and_not_all_that_were_missed() {
        let mut bench = Bench::new();
        bench.sound(Some(Pattern::Alarm));
        *bench.now.lock().unwrap() = 60_000;
        assert_eq!(
            bench.buzzer.poll(bench.at()),
            Some(BootTime::from_millis(60_200))
        );
        assert_eq!(bench.edges(), [0, 60_000]);
    }

    #[test]
    fn a_line_that_fails_is_told_and_tried_again_at_the_next_edge() {
        let gone = MockError::Io(ErrorKind::NotConnected);
        let mut pin = Mock::new(&[
            Transaction::set(State::High).with_error(gone.clone()),
            Transaction::set(State::Low),
        ]);
        let mut buzzer = Buzzer::new(switch(pin.clone()), Arc::default());
        buzzer.sound(Some(Pattern::Gas), None, BootTime::ZERO);
        assert_eq!(buzzer.fault(), Some(&*gone.to_string()));
        buzzer.poll(BootTime::from_secs(1));
        assert_eq!(buzzer.fault(), None);
        pin.done();
    }
}
