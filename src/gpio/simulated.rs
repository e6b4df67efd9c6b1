//! A board without wires: tests and the simulator set its inputs and look at its outputs.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use crate::alarm::BootTime;
use crate::clock::{SharedClock, monotonic_nanos};
use crate::config::{Active, InputLine, Line, OutputLine};

use super::debounce::Debounced;
use super::{Board, Edge, GpioError, OutputPin, Signal, Sink, Watch, Watching};

/// The board. Clones are the same board.
#[derive(Clone)]
pub struct SimulatedBoard {
    clock: SharedClock,
    wires: Arc<Mutex<Wires>>,
}

/// An output, as somebody outside sees it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// On.
    pub active: bool,
    /// Its last change, in nanoseconds of `CLOCK_MONOTONIC`.
    pub changed_ns: u64,
}

#[derive(Default)]
struct Wires {
    /// Levels that were set; `true` is high. Others rest.
    levels: HashMap<Line, bool>,
    outputs: BTreeMap<String, Output>,
    watches: Vec<Sender<Change>>,
}

/// What a watch's thread is told.
enum Change {
    Level {
        line: Line,
        high: bool,
        at: BootTime,
    },
    Gone,
    Ask(oneshot::Sender<()>),
    End,
}

impl SimulatedBoard {
    /// A board on which every line rests.
    pub fn new(clock: SharedClock) -> Self {
        SimulatedBoard {
            clock,
            wires: Arc::default(),
        }
    }

    /// Pulls an input high or low. A line that was never pulled is inactive.
    pub fn set_level(&self, line: &Line, high: bool) {
        let mut wires = self.wires();
        wires.levels.insert(line.clone(), high);
        let at = self.clock.boot();
        wires.tell(|| Change::Level {
            line: line.clone(),
            high,
            at,
        });
    }

    /// Makes an input active or not, in its own terms.
    pub fn set(&self, input: &InputLine, active: bool) {
        self.set_level(&input.line, level(input, active));
    }

    /// Takes the board away from all who watch it.
    pub fn vanish(&self) {
        self.wires().tell(|| Change::Gone);
    }

    /// All outputs by name.
    pub fn outputs(&self) -> BTreeMap<String, Output> {
        self.wires().outputs.clone()
    }

    fn wires(&self) -> MutexGuard<'_, Wires> {
        // Levels and outputs are single values: never half changed.
        self.wires.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wires {
    /// Tells every watch, and forgets those that have ended.
    fn tell(&mut self, change: impl Fn() -> Change) {
        self.watches.retain(|watch| watch.send(change()).is_ok());
    }
}

impl Board for SimulatedBoard {
    fn output(&self, name: &str, _line: &OutputLine) -> Result<Box<dyn OutputPin>, GpioError> {
        let mut pin = SimulatedOutput {
            board: self.clone(),
            name: name.to_owned(),
        };
        pin.set(false)?;
        Ok(Box::new(pin))
    }

    fn watch(&self, lines: &[InputLine], sink: Sink) -> Result<Watch, GpioError> {
        let (sender, changes) = mpsc::channel();
        let inputs = {
            let mut wires = self.wires();
            wires.watches.push(sender.clone());
            let inputs = lines.iter().map(|line| {
                let active = wires
                    .levels
                    .get(&line.line)
                    .is_some_and(|high| *high == level(line, true));
                (line.clone(), Debounced::new(line.debounce, active))
            });
            inputs.collect()
        };
        let clock = self.clock.clone();
        thread::Builder::new()
            .name("gpio-simulated".into())
            .spawn(move || watch(inputs, &changes, &clock, sink))
            .map_err(GpioError::Thread)?;
        Ok(Watch::new(Ends(sender)))
    }
}

struct SimulatedOutput {
    board: SimulatedBoard,
    name: String,
}

impl OutputPin for SimulatedOutput {
    fn set(&mut self, active: bool) -> Result<(), GpioError> {
        let mut wires = self.board.wires();
        let output = wires.outputs.entry(self.name.clone()).or_default();
        if output.active != active || output.changed_ns == 0 {
            *output = Output {
                active,
                changed_ns: monotonic_nanos(),
            };
        }
        Ok(())
    }
}

/// Ends the thread of a watch that nobody wants any more.
struct Ends(Sender<Change>);

impl Watching for Ends {
    fn ask(&self, question: oneshot::Sender<()>) {
        // With a thread that has ended the question is gone, which says so.
        let _ = self.0.send(Change::Ask(question));
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        // A thread that has ended already needs no telling.
        let _ = self.0.send(Change::End);
    }
}

/// The thread of one watch; sleeps until a level changes or has been stable for long enough.
fn watch(
    mut inputs: Vec<(InputLine, Debounced)>,
    changes: &Receiver<Change>,
    clock: &SharedClock,
    mut sink: Sink,
) {
    let now = clock.boot();
    for (input, debounced) in &inputs {
        sink(Signal::Found(edge(input, debounced.active(), now)));
    }
    loop {
        let due = inputs.iter().filter_map(|(_, line)| line.due()).min();
        let change = match due {
            None => changes.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => changes.recv_timeout(clock.lasts(clock.boot().until(due))),
        };
        // What became stable before this change is told first, however late the thread wakes.
        let until = match &change {
            Ok(Change::Level { at, .. }) => *at,
            Ok(Change::Gone | Change::Ask(_) | Change::End) | Err(_) => clock.boot(),
        };
        for (input, debounced) in &mut inputs {
            if let Some((active, at)) = debounced.settle(until) {
                sink(Signal::Changed(edge(input, active, at)));
            }
        }
        match change {
            Ok(Change::Level { line, high, at }) => {
                for (input, debounced) in &mut inputs {
                    if input.line == line {
                        debounced.level(high == level(input, true), at);
                        if let Some((active, at)) = debounced.settle(at) {
                            sink(Signal::Changed(edge(input, active, at)));
                        }
                    }
                }
            }
            Ok(Change::Gone) => {
                return sink(Signal::Gone {
                    lines: inputs.into_iter().map(|(input, _)| input.line).collect(),
                    why: "the simulated board was taken away".to_owned(),
                });
            }
            Ok(Change::Ask(question)) => drop(question.send(())),
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Change::End) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The level that means `active`.
fn level(input: &InputLine, active: bool) -> bool {
    match input.active {
        Active::High => active,
        Active::Low => !active,
    }
}

fn edge(input: &InputLine, active: bool, at: BootTime) -> Edge {
    Edge {
        line: input.line.clone(),
        active,
        at,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::SystemClock;
    use crate::config::Bias;

    const WAIT: Duration = Duration::from_secs(5);

    fn input(number: u32, active: Active, debounce_ms: u64) -> InputLine {
        InputLine {
            line: Line::Number(number),
            active,
            bias: Bias::AsIs,
            debounce: Duration::from_millis(debounce_ms),
        }
    }

    fn board() -> SimulatedBoard {
        SimulatedBoard::new(SystemClock::shared())
    }

    fn signals(board: &SimulatedBoard, lines: &[InputLine]) -> (Receiver<Signal>, Watch) {
        let (sender, receiver) = mpsc::channel();
        let sink = Box::new(move |signal| sender.send(signal).unwrap_or_default());
        (receiver, board.watch(lines, sink).unwrap())
    }

    fn levels(receiver: &Receiver<Signal>, count: usize) -> Vec<(bool, bool)> {
        let level = |signal| match signal {
            Signal::Found(edge) => (true, edge.active),
            Signal::Changed(edge) => (false, edge.active),
            Signal::Gone { why, .. } => panic!("gone: {why}"),
        };
        (0..count)
            .map(|_| level(receiver.recv_timeout(WAIT).unwrap()))
            .collect()
    }

    #[test]
    fn a_level_that_was_there_before_is_found_and_a_resting_line_is_inactive() {
        let board = board();
        board.set_level(&Line::Number(18), true);
        let lines = [
            input(18, Active::High, 0),
            input(23, Active::Low, 0),
            input(24, Active::High, 0),
        ];
        let (receiver, _watch) = signals(&board, &lines);
        assert_eq!(
            levels(&receiver, 3),
            [(true, true), (true, false), (true, false)]
        );
    }

    #[test]
    fn a_low_line_is_active_when_pulled_down() {
        let board = board();
        let line = input(23, Active::Low, 0);
        let (receiver, _watch) = signals(&board, std::slice::from_ref(&line));
        board.set_level(&line.line, false);
        board.set(&line, false);
        assert_eq!(
            levels(&receiver, 3),
            [(true, false), (false, true), (false, false)]
        );
    }

    #[test]
    fn an_edge_is_told_when_it_was_stable_with_that_moment() {
        let board = board();
        let line = input(18, Active::High, 5);
        let (receiver, _watch) = signals(&board, std::slice::from_ref(&line));
        levels(&receiver, 1);
        let before = board.clock.boot();
        board.set(&line, true);
        let Signal::Changed(edge) = receiver.recv_timeout(WAIT).unwrap() else {
            panic!("no change")
        };
        assert!(edge.active);
        assert!(edge.at.since(before) >= line.debounce);
        assert!(edge.at <= board.clock.boot());
    }

    #[test]
    fn of_a_thousand_changes_none_is_lost() {
        let board = board();
        let line = input(18, Active::High, 0);
        let (receiver, _watch) = signals(&board, std::slice::from_ref(&line));
        for turn in 1..=1_000 {
            board.set(&line, turn % 2 == 1);
        }
        let told = levels(&receiver, 1_001);
        assert!((1..=1_000).all(|turn| told[turn] == (false, turn % 2 == 1)));
    }

    #[test]
    fn a_board_that_vanishes_says_so() {
        let board = board();
        let (receiver, _watch) = signals(&board, &[input(18, Active::High, 0)]);
        board.vanish();
        assert!(matches!(receiver.recv_timeout(WAIT), Ok(Signal::Found(_))));
        assert!(matches!(
            receiver.recv_timeout(WAIT),
            Ok(Signal::Gone { .. })
        ));
    }

    #[test]
    fn a_watch_that_is_dropped_ends_without_a_word() {
        let board = board();
        let (receiver, watch) = signals(&board, &[input(18, Active::High, 0)]);
        levels(&receiver, 1);
        drop(watch);
        assert_eq!(
            receiver.recv_timeout(WAIT),
            Err(RecvTimeoutError::Disconnected)
        );
    }

    #[test]
    fn an_output_shows_its_level_and_the_moment_of_its_last_change() {
        let board = board();
        let line = OutputLine {
            line: None,
            active: Active::High,
        };
        let mut pin = board.output("exhaust", &line).unwrap();
        let off = board.outputs()["exhaust"];
        assert!(!off.active);
        let before = monotonic_nanos();
        pin.set(true).unwrap();
        let on = board.outputs()["exhaust"];
        assert!(on.active && (before..=monotonic_nanos()).contains(&on.changed_ns));
        pin.set(true).unwrap();
        assert_eq!(board.outputs()["exhaust"], on, "no change, no new moment");
    }
}
