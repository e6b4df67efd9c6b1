//! A Raspberry Pi's own registers, through rppal (its maintained fork, rpi-pal).
//!
//! Levels are bits in registers, which outlive the process: nobody has to hold a line. Edges are
//! the kernel's interrupts, with its stamps; rppal waits for them in a thread for each line.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rppal::gpio::{Event, Gpio, InputPin, Level, Mode, OutputPin as Register, Trigger};
use rppal::system::DeviceInfo;
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::{
    Board, Edge, GpioError, OutputPin, Signal, SimulatedBoard, Sink, Watch, Watching, moment,
};
use crate::alarm::BootTime;
use crate::clock::SharedClock;
use crate::config::{Active, Bias, InputLine, Line, OutputLine};

/// Lines that cannot be watched are tried again so often.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// A Raspberry Pi.
pub struct RpiBoard {
    clock: SharedClock,
    outputs: Outputs,
}

/// Outputs that somebody has: rppal gives each pin once.
type Outputs = Arc<Mutex<HashMap<u8, Weak<Mutex<Register>>>>>;

impl RpiBoard {
    /// Recognises the Pi and says so in the log. [`GpioError::NotHere`] on any other machine.
    pub fn new(clock: SharedClock) -> Result<Self, GpioError> {
        let pi = DeviceInfo::new().map_err(|_| GpioError::NotHere("rppal"))?;
        info!(board = %pi.model(), chip = %pi.soc(), "GPIO through the Pi's registers");
        Ok(RpiBoard {
            clock,
            outputs: Outputs::default(),
        })
    }

    /// An output that could not be had is claimed when it is next switched.
    fn claimed(
        &self,
        name: &str,
        line: &OutputLine,
        keep: bool,
    ) -> Result<Box<dyn OutputPin>, GpioError> {
        let Some(wire) = &line.line else {
            // An output without a wire, among others that have one.
            return SimulatedBoard::new(self.clock.clone()).output(name, line);
        };
        let mut pin = RpiPin {
            line: wire.clone(),
            active: line.active,
            keep,
            outputs: self.outputs.clone(),
            claimed: None,
        };
        let done = match keep {
            true => pin.claim(false).map(drop),
            false => pin.set(false),
        };
        if let Err(error) = done {
            warn!(%error, "an output is not there yet");
        }
        Ok(Box::new(pin))
    }
}

impl Board for RpiBoard {
    fn output(&self, name: &str, line: &OutputLine) -> Result<Box<dyn OutputPin>, GpioError> {
        self.claimed(name, line, false)
    }

    fn kept_output(&self, name: &str, line: &OutputLine) -> Result<Box<dyn OutputPin>, GpioError> {
        self.claimed(name, line, true)
    }

    fn watch(&self, lines: &[InputLine], sink: Sink) -> Result<Watch, GpioError> {
        let (sender, told) = mpsc::channel();
        let watcher = Watcher {
            clock: self.clock.clone(),
            lines: lines.to_vec(),
            sender: sender.clone(),
            told,
            sink,
        };
        let thread = thread::Builder::new()
            .name("gpio".to_owned())
            .spawn(move || watcher.run())
            .map_err(GpioError::Thread)?;
        Ok(Watch::new(End(sender, Some(thread))))
    }
}

/// One output. Its level stays when it is dropped, and when the process ends.
struct RpiPin {
    line: Line,
    active: Active,
    keep: bool,
    outputs: Outputs,
    claimed: Option<Arc<Mutex<Register>>>,
}

impl RpiPin {
    /// The pin that this process has already, or the Pi's. A kept one that is an output goes on as
    /// it is; any other gets its level before it becomes an output: no glitch.
    fn claim(&mut self, active: bool) -> Result<Arc<Mutex<Register>>, GpioError> {
        if let Some(claimed) = &self.claimed {
            return Ok(claimed.clone());
        }
        let number = number(&self.line)?;
        let mut outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        let claimed = match outputs.get(&number).and_then(Weak::upgrade) {
            Some(claimed) => claimed,
            None => Arc::new(Mutex::new(self.register(number, active)?)),
        };
        outputs.insert(number, Arc::downgrade(&claimed));
        drop(outputs);
        self.claimed = Some(claimed.clone());
        Ok(claimed)
    }

    fn register(&self, number: u8, active: bool) -> Result<Register, GpioError> {
        let pin = Gpio::new()
            .and_then(|gpio| gpio.get(number))
            .map_err(|error| refused(&self.line, &error))?;
        let mut output = match (pin.mode(), level(self.active, active)) {
            (Mode::Output, Level::High | Level::Low) if self.keep => pin.into_output(),
            (_, Level::High) => pin.into_output_high(),
            (_, Level::Low) => pin.into_output_low(),
        };
        output.set_reset_on_drop(false);
        Ok(output)
    }
}

impl OutputPin for RpiPin {
    fn set(&mut self, active: bool) -> Result<(), GpioError> {
        let level = level(self.active, active);
        let register = self.claim(active)?;
        let mut register = register.lock().unwrap_or_else(PoisonError::into_inner);
        register.write(level);
        Ok(())
    }
}

/// What the watching thread is told.
enum Told {
    /// Of the line with this index.
    Edge(usize, Event),
    /// Nobody waits for a line's interrupts any more.
    Over,
    /// Whether the watching thread turns.
    Ask(oneshot::Sender<()>),
    /// Nobody wants the watch any more.
    End,
}

/// Ends the watching thread, and waits until its pins are free for the next one.
struct End(Sender<Told>, Option<JoinHandle<()>>);

impl Watching for End {
    fn ask(&self, question: oneshot::Sender<()>) {
        // With a thread that has ended the question is gone, which says so.
        let _ = self.0.send(Told::Ask(question));
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // A thread that has ended already needs no telling; one that panicked has been reported.
        let _ = self.0.send(Told::End);
        let _ = self.1.take().map(JoinHandle::join);
    }
}

/// Lives in rppal's thread of one line and tells when that ends. It should not, and does without a
/// word when a wait is interrupted: by a signal that stopped the process for a while.
struct Interrupts(usize, Sender<Told>);

impl Interrupts {
    fn edge(&self, event: Event) {
        // Who watched may have ended.
        let _ = self.1.send(Told::Edge(self.0, event));
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        let _ = self.1.send(Told::Over);
    }
}

struct Watcher {
    clock: SharedClock,
    lines: Vec<InputLine>,
    sender: Sender<Told>,
    told: Receiver<Told>,
    sink: Sink,
}

/// A line whose edges come in.
struct Input {
    pin: InputPin,
    line: InputLine,
    /// As told last.
    active: bool,
    /// The number that the next edge should have.
    next_edge: Option<u32>,
}

impl Watcher {
    fn run(mut self) {
        let mut told_gone = false;
        loop {
            let why = match self.claim() {
                Err(error) => error.to_string(),
                Ok(inputs) => {
                    if mem::take(&mut told_gone) {
                        info!("the GPIO lines are back");
                    }
                    if self.ended_after(inputs) {
                        return;
                    }
                    "a wait for interrupts was interrupted".to_owned()
                }
            };
            if !mem::replace(&mut told_gone, true) {
                warn!(why, "watching GPIO lines");
                let lines = self.lines.iter().map(|it| it.line.clone()).collect();
                (self.sink)(Signal::Gone { lines, why });
            }
            if self.ended_meanwhile() {
                return;
            }
        }
    }

    fn claim(&self) -> Result<Vec<Input>, GpioError> {
        let mut inputs = Vec::new();
        for (index, line) in self.lines.iter().enumerate() {
            let refused = |error| refused(&line.line, &error);
            let number = number(&line.line)?;
            let pin = Gpio::new()
                .and_then(|gpio| gpio.get(number))
                .map_err(refused)?;
            let mut pin = match line.bias {
                Bias::PullUp => pin.into_input_pullup(),
                Bias::PullDown => pin.into_input_pulldown(),
                // The configuration refuses as-is: rppal sets one of the three.
                Bias::None | Bias::AsIs => pin.into_input(),
            };
            // Its resistor stays for the next watch.
            pin.set_reset_on_drop(false);
            let interrupts = Interrupts(index, self.sender.clone());
            let debounce = (!line.debounce.is_zero()).then_some(line.debounce);
            pin.set_async_interrupt(Trigger::Both, debounce, move |event| interrupts.edge(event))
                .map_err(refused)?;
            inputs.push(Input {
                pin,
                line: line.clone(),
                active: false,
                next_edge: None,
            });
        }
        Ok(inputs)
    }

    /// Tells levels and edges. `true`: nobody wants them any more; `false`: they stopped coming.
    fn ended_after(&mut self, mut inputs: Vec<Input>) -> bool {
        // After asking for edges: what changes from now on is one.
        let now = self.clock.boot();
        for input in &mut inputs {
            input.active = input.is_active();
            (self.sink)(Signal::Found(input.edge(now)));
        }
        loop {
            let (index, event) = match self.told.recv() {
                Ok(Told::Edge(index, event)) => (index, event),
                Ok(Told::Ask(question)) => {
                    // Who asked may have given up.
                    let _ = question.send(());
                    continue;
                }
                Ok(Told::Over) => return false,
                Ok(Told::End) | Err(mpsc::RecvError) => return true,
            };
            let input = &mut inputs[index];
            let rising = event.trigger == Trigger::RisingEdge;
            let active = rising == (input.line.active == Active::High);
            let at = moment(&self.clock, nanos(event.timestamp));
            input.change(active, at, &mut self.sink);
            let next = event.seqno.wrapping_add(1);
            let expected = input.next_edge.replace(next);
            if expected.is_some_and(|expected| expected != event.seqno) {
                warn!(
                    line = words(&input.line.line),
                    "edges were missed; the level is read again"
                );
                input.change(input.is_active(), self.clock.boot(), &mut self.sink);
            }
        }
    }

    /// Waits before the next claim, and forgets what is still said of lines that were let go of.
    fn ended_meanwhile(&self) -> bool {
        let until = Instant::now() + LOOK_AGAIN;
        loop {
            match self
                .told
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(Told::Edge(..) | Told::Over) => {}
                Ok(Told::Ask(question)) => drop(question.send(())),
                Ok(Told::End) | Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }
}

impl Input {
    fn is_active(&self) -> bool {
        self.pin.read() == level(self.line.active, true)
    }

    fn change(&mut self, active: bool, at: BootTime, sink: &mut Sink) {
        // After missed edges one may say what is known already.
        if mem::replace(&mut self.active, active) != active {
            sink(Signal::Changed(self.edge(at)));
        }
    }

    fn edge(&self, at: BootTime) -> Edge {
        Edge {
            line: self.line.line.clone(),
            active: self.active,
            at,
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("the kernel counts in 64 bits")
}

/// The level that means `on`.
fn level(active: Active, on: bool) -> Level {
    Level::from(on == (active == Active::High))
}

/// The BCM number, which is what rppal knows of a line.
fn number(line: &Line) -> Result<u8, GpioError> {
    let number = match line {
        Line::Number(number) => u8::try_from(*number).ok(),
        Line::Name(_) => None,
    };
    number.ok_or_else(|| GpioError::NotFound {
        wanted: words(line),
        there: "the BCM numbers of the header, which are what backend = \"rppal\" knows".to_owned(),
    })
}

fn words(line: &Line) -> String {
    match line {
        Line::Number(number) => format!("GPIO {number}"),
        Line::Name(name) => format!("line \"{name}\""),
    }
}

/// Why rppal does not give us a line, and what mends that.
fn refused(line: &Line, error: &rppal::gpio::Error) -> GpioError {
    use rppal::gpio::Error;
    let mends = match error {
        Error::PermissionDenied(_) => "put the user into the group gpio",
        Error::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            "it needs /dev/gpiomem, which Raspberry Pi OS has; elsewhere use backend = \"gpiochip\""
        }
        Error::PinNotAvailable(_) => "use a line of the header",
        Error::Io(_) => "end the program that holds it, or use another line",
        Error::UnknownModel | Error::PinUsed(_) | Error::ThreadPanic => "report this",
    };
    GpioError::Claim {
        line: words(line),
        why: error.to_string(),
        mends: mends.to_owned(),
    }
}
