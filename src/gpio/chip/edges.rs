//! Watching inputs: a thread for each chip that has some, asleep until an edge.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use gpiocdev::line::{Bias as KernelBias, EdgeDetection, EdgeKind, Offset, Value, Values};
use gpiocdev::{Error, Request};
use gpiocdev_uapi::v2::LineEdgeEvent;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::find::{self, Place};
use crate::alarm::BootTime;
use crate::clock::SharedClock;
use crate::config::{Active, Bias, InputLine};
use crate::gpio::{Edge, GpioError, Signal, Sink, Watch, Watching, moment};

/// A chip that went away is looked for so often.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The kernel keeps so many edges that were not read yet: ten lines that flap at 100 a second for
/// a second while everything hangs.
const KERNEL_KEEPS: u32 = 1024;

/// One edge, in words as the kernel gives it. `Request::read_edge_event` of gpiocdev 0.8.0 without
/// its feature uapi_v1 takes up to eight from the kernel, and gives the first.
const EDGE: usize = size_of::<LineEdgeEvent>() / size_of::<u64>();

type SharedSink = Arc<Mutex<Sink>>;

/// Watches the lines until the watch is dropped. A chip that cannot be had is told as
/// [`Signal::Gone`], now or later, and is looked for again and again.
pub(super) fn watch(
    chip: Option<&str>,
    clock: &SharedClock,
    lines: &[InputLine],
    sink: Sink,
) -> Result<Watch, GpioError> {
    let sink = Arc::new(Mutex::new(sink));
    let mut chips: BTreeMap<PathBuf, Vec<InputLine>> = BTreeMap::new();
    for line in lines {
        // A line that is nowhere waits for a chip of its own.
        let chip = find::place(&line.line, chip).map_or(PathBuf::new(), |place| place.chip);
        chips.entry(chip).or_default().push(line.clone());
    }
    let mut threads = Vec::new();
    for lines in chips.into_values() {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| GpioError::Thread(error.into()))?;
        let thread = Thread {
            wake: wake.try_clone().map_err(GpioError::Thread)?,
            told: Arc::default(),
        };
        let watcher = Watcher {
            chip: chip.map(str::to_owned),
            clock: clock.clone(),
            lines,
            sink: sink.clone(),
            wake,
            told: thread.told.clone(),
        };
        threads.push(thread);
        thread::Builder::new()
            .name("gpio".to_owned())
            .spawn(move || watcher.run())
            .map_err(GpioError::Thread)?;
    }
    Ok(Watch::new(Threads(threads)))
}

/// Every thread of one watch.
struct Threads(Vec<Thread>);

/// Wakes a thread, which then looks at what it was told.
struct Thread {
    wake: OwnedFd,
    told: Arc<Mutex<Told>>,
}

/// What a thread was told and has not looked at yet.
#[derive(Default)]
struct Told {
    end: bool,
    questions: Vec<Arc<Answer>>,
}

/// Sent when the last thread that was asked lets go of it.
struct Answer(Option<oneshot::Sender<()>>);

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(question) = self.0.take() {
            // Who asked may have given up.
            let _ = question.send(());
        }
    }
}

impl Watching for Threads {
    fn ask(&self, question: oneshot::Sender<()>) {
        let answer = Arc::new(Answer(Some(question)));
        for thread in &self.0 {
            thread.tell(|told| told.questions.push(answer.clone()));
        }
    }
}

impl Thread {
    fn tell(&self, what: impl FnOnce(&mut Told)) {
        what(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
        // It cannot fail: the thread empties the counter each time.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.tell(|told| told.end = true);
    }
}

struct Watcher {
    chip: Option<String>,
    clock: SharedClock,
    lines: Vec<InputLine>,
    sink: SharedSink,
    wake: OwnedFd,
    told: Arc<Mutex<Told>>,
}

/// Why watching came to an end.
enum Over {
    /// Nobody wants it any more.
    Ended,
    /// The chip is not there, or does not let us.
    Gone(String),
}

impl Watcher {
    fn run(self) {
        let mut told_gone = false;
        loop {
            let why = match self.until_over(&mut told_gone) {
                Over::Ended => return,
                Over::Gone(why) => why,
            };
            if !std::mem::replace(&mut told_gone, true) {
                warn!(why, "watching GPIO lines");
                let lines = self.lines.iter().map(|it| it.line.clone()).collect();
                self.tell(Signal::Gone { lines, why });
            }
            match self.wait(None, Some(LOOK_AGAIN)) {
                Ok(false) => {}
                Ok(true) | Err(_) => return,
            }
        }
    }

    fn until_over(&self, told_gone: &mut bool) -> Over {
        match self.claim() {
            Err(error) => Over::Gone(error.to_string()),
            Ok((request, lines)) => {
                let mut claimed = Claimed {
                    watcher: self,
                    request,
                    lines,
                    levels: BTreeMap::new(),
                    next_edge: None,
                };
                match claimed.watch(told_gone) {
                    Ok(()) => Over::Ended,
                    Err(error) => Over::Gone(format!("the chip is gone: {error}")),
                }
            }
        }
    }

    fn claim(&self) -> Result<(Request, BTreeMap<Offset, InputLine>), GpioError> {
        let mut builder = Request::builder();
        builder
            .with_consumer("asfaleia")
            .with_kernel_event_buffer_size(KERNEL_KEEPS);
        let mut lines = BTreeMap::new();
        let mut first: Option<Place> = None;
        for line in &self.lines {
            let place = find::place(&line.line, self.chip.as_deref())?;
            builder
                .on_chip(&place.chip)
                .with_line(place.offset)
                .as_input();
            match line.active {
                Active::High => builder.as_active_high(),
                Active::Low => builder.as_active_low(),
            };
            match line.bias {
                Bias::PullUp => builder.with_bias(KernelBias::PullUp),
                Bias::PullDown => builder.with_bias(KernelBias::PullDown),
                Bias::None => builder.with_bias(KernelBias::Disabled),
                Bias::AsIs => builder.with_bias(None),
            };
            builder.with_edge_detection(EdgeDetection::BothEdges);
            builder.with_debounce_period(line.debounce);
            lines.insert(place.offset, line.clone());
            first.get_or_insert(place);
        }
        let first = first.expect("a thread is started for lines alone");
        let request = builder.request().map_err(|error| first.refused(&error))?;
        Ok((request, lines))
    }

    /// Waits for an edge or the end, at most so long. `true`: the end.
    fn wait(&self, request: Option<&Request>, at_most: Option<Duration>) -> io::Result<bool> {
        let at_most = at_most.map(|wait| {
            Timespec::try_from(wait).expect("a few seconds are a time that the kernel knows")
        });
        let mut waiting = vec![PollFd::new(&self.wake, PollFlags::IN)];
        if let Some(request) = request {
            waiting.push(PollFd::from_borrowed_fd(request.as_fd(), PollFlags::IN));
        }
        match poll(&mut waiting, at_most.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(request) = waiting.get(1)
            && request
                .revents()
                .intersects(PollFlags::ERR | PollFlags::HUP)
        {
            return Err(io::Error::other("it hung up"));
        }
        if !waiting[0].revents().contains(PollFlags::IN) {
            return Ok(false);
        }
        // Emptied before looking: what is told from now on wakes it again.
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.questions.clear();
        Ok(told.end)
    }

    fn tell(&self, signal: Signal) {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        sink(signal);
    }
}

/// Lines that the kernel watches for us.
struct Claimed<'a> {
    watcher: &'a Watcher,
    request: Request,
    lines: BTreeMap<Offset, InputLine>,
    /// As told last.
    levels: BTreeMap<Offset, bool>,
    /// The number that the next edge should have.
    next_edge: Option<u32>,
}

impl Claimed<'_> {
    fn watch(&mut self, told_gone: &mut bool) -> Result<(), Error> {
        // After the request: what changes from now on is an edge.
        for (offset, active) in self.read()? {
            self.levels.insert(offset, active);
            let edge = self.edge(offset, active, self.watcher.clock.boot());
            self.watcher.tell(Signal::Found(edge));
        }
        if std::mem::take(told_gone) {
            info!("the GPIO lines are back");
        }
        loop {
            if self.watcher.wait(Some(&self.request), None)? {
                return Ok(());
            }
            while self.request.has_edge_event()? {
                self.take_edge()?;
            }
        }
    }

    fn take_edge(&mut self) -> Result<(), Error> {
        let mut edge = [0; EDGE];
        self.request.read_edge_events_into_slice(&mut edge)?;
        let event = self.request.edge_event_from_slice(&edge)?;
        let missed = self.next_edge.is_some_and(|next| next != event.seqno);
        self.next_edge = Some(event.seqno.wrapping_add(1));
        let active = event.kind == EdgeKind::Rising;
        self.change(
            event.offset,
            active,
            moment(&self.watcher.clock, event.timestamp_ns),
        );
        if missed {
            warn!("edges were missed; the levels are read again");
            let now = self.watcher.clock.boot();
            for (offset, active) in self.read()? {
                self.change(offset, active, now);
            }
        }
        Ok(())
    }

    fn change(&mut self, offset: Offset, active: bool, at: BootTime) {
        // After missed edges one may say what is known already.
        if self.levels.insert(offset, active) != Some(active) {
            let edge = self.edge(offset, active, at);
            self.watcher.tell(Signal::Changed(edge));
        }
    }

    fn read(&self) -> Result<Vec<(Offset, bool)>, Error> {
        let mut values = Values::from_offsets(&self.lines.keys().copied().collect::<Vec<_>>());
        self.request.values(&mut values)?;
        Ok(values
            .iter()
            .map(|line| (line.offset, line.value == Value::Active))
            .collect())
    }

    fn edge(&self, offset: Offset, active: bool, at: BootTime) -> Edge {
        let line = self.lines[&offset].line.clone();
        Edge { line, active, at }
    }
}
