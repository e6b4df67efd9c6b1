//! Owns the camera: photos for alarms, pre-roll.
//!
//! One thread of its own opens the camera when a picture is wanted, closes it after, and tells the
//! panel at once; another writes the files, so that a slow card delays no mail.

mod command;
mod device;
mod jpeg;
#[cfg(feature = "nokhwa")]
mod nokhwa;
#[cfg(any(
    all(target_os = "linux", target_pointer_width = "64"),
    feature = "nokhwa"
))]
mod picture;
mod probe;
mod shelf;
mod simulated;
mod trouble;
mod url;
#[cfg(target_os = "linux")]
// Compiled beside nokhwa, which opens the webcams then.
#[cfg_attr(feature = "nokhwa", allow(dead_code))]
#[cfg_attr(target_pointer_width = "32", path = "webcam_none.rs")]
pub mod webcam;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

pub use device::{CameraError, Device, Frame, Open};
pub use probe::{Picture, take_one};
pub use shelf::{Photo, PhotoShelf};
pub use simulated::{CameraFault, FaultSwitch};

use crate::alarm::{BootTime, Event, IncidentId, PhotoId, TroubleCode};
use crate::config;
use crate::inbox::Inbox;
use shelf::Writer;
use trouble::OwnTrouble;

/// The camera while it is in use. Dropped or [stopped](Camera::stop), no photo is taken any more.
pub struct Camera {
    handle: CameraHandle,
    taking: JoinHandle<PhotoId>,
    writing: JoinHandle<()>,
}

/// Asks for photos. Cheap to clone; never blocks.
#[derive(Clone)]
pub struct CameraHandle {
    requests: SyncSender<Request>,
    inbox: Inbox,
    trouble: OwnTrouble,
}

/// How the camera's thread works; the program takes the default.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// A burst lasts so long, from its first photo to its last.
    pub spread: Duration,
    /// A photo that is not there so long after it was due has failed. An alarm mail waits 5 s for
    /// its photo, and shall say why there is none.
    pub patience: Duration,
    /// So long ago is what the frames from before a trigger show; zero: none are kept.
    pub pre_roll: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            spread: Duration::from_secs(2),
            patience: Duration::from_secs(4),
            pre_roll: Duration::ZERO,
        }
    }
}

impl Camera {
    /// Starts the owner's camera. It is not opened before a picture is wanted. Photos are numbered
    /// from `next`; a `fault` breaks the simulated camera. Fails if this build has no such device or
    /// its HTTP client cannot be made.
    pub fn start(
        config: &config::Camera,
        inbox: Inbox,
        shelf: PhotoShelf,
        next: PhotoId,
        fault: FaultSwitch,
        runtime: tokio::runtime::Handle,
    ) -> Result<Camera, CameraError> {
        let open = device::chosen(config, inbox.clock().clone(), fault, runtime)?;
        let timing = Timing {
            pre_roll: config.pre_roll,
            ..Timing::default()
        };
        Ok(Camera::start_with(open, timing, inbox, shelf, next))
    }

    /// Starts any camera.
    pub fn start_with(
        open: Open,
        timing: Timing,
        inbox: Inbox,
        shelf: PhotoShelf,
        next: PhotoId,
    ) -> Camera {
        let (requests, received) = sync_channel(REQUESTS);
        let (writer, writing) = Writer::start(shelf.clone(), inbox.clone());
        let trouble = OwnTrouble::new(TroubleCode::Camera, "camera", inbox.clone());
        let photographer = Photographer {
            open,
            timing,
            inbox: inbox.clone(),
            shelf,
            writer,
            next,
            device: None,
            shots: Vec::new(),
            ring: VecDeque::new(),
            next_frame: BootTime::ZERO,
            looked_until: None,
            trouble: trouble.clone(),
        };
        let taking = std::thread::Builder::new()
            .name("camera".into())
            .spawn(move || photographer.run(&received))
            .expect("a thread can be started");
        Camera {
            handle: CameraHandle {
                requests,
                inbox,
                trouble,
            },
            taking,
            writing,
        }
    }

    /// For those who ask for photos.
    pub fn handle(&self) -> CameraHandle {
        self.handle.clone()
    }

    /// Stops: what is due later is not taken, what was taken is written. Takes until the picture
    /// under way is there, at most as long as the camera's patience.
    /// Returns where the numbers of photos go on; `None` if its thread had panicked.
    pub fn stop(self) -> Option<PhotoId> {
        // A send that waits: the queue is drained by a thread that is alive, or it has ended.
        let _ = self.handle.requests.send(Request::Stop);
        let next = self.taking.join();
        if next.is_err() || self.writing.join().is_err() {
            tracing::error!("the camera's thread had panicked");
        }
        next.ok()
    }
}

impl CameraHandle {
    /// One frame for whoever looks for faces: kept and written nowhere. Photos go first. A camera
    /// that is looked through stays open between frames.
    pub async fn look(&self) -> Result<Frame, String> {
        let (reply, answer) = oneshot::channel();
        let asked = self.inbox.clock().boot();
        if self
            .requests
            .try_send(Request::Look { reply, asked })
            .is_err()
        {
            return Err(TOO_MUCH.into());
        }
        answer
            .await
            .unwrap_or(Err("the camera's task has ended".into()))
    }

    /// A burst for an incident: the first photo as early as the camera allows. Each becomes an
    /// `Event::PhotoTaken` or `Event::PhotoFailed`.
    pub fn take(&self, incident: IncidentId, count: u32) {
        let asked = self.inbox.clock().boot();
        let why = match self.requests.try_send(Request::Burst {
            incident,
            count,
            asked,
        }) {
            Ok(()) => return,
            Err(TrySendError::Full(_)) => TOO_MUCH,
            Err(TrySendError::Disconnected(_)) => "the camera's task has ended",
        };
        self.inbox.send(failed(incident, why.into()));
        self.trouble.raise(why.into());
    }

    /// Whether the camera's thread turns: it answers between two pictures.
    pub fn ask(&self, question: oneshot::Sender<()>) {
        // A queue that is full, or gone, lets the question fall, which is no answer.
        let _ = self.requests.try_send(Request::Ask(question));
    }

    /// One photo for `test photo`: on the shelf and on disk as any other, without an event.
    pub fn test(&self) -> oneshot::Receiver<Result<PhotoId, String>> {
        let (reply, answer) = oneshot::channel();
        let asked = self.inbox.clock().boot();
        if let Err(error) = self.requests.try_send(Request::Test { reply, asked }) {
            let (why, request) = match error {
                TrySendError::Full(request) => (TOO_MUCH, request),
                TrySendError::Disconnected(request) => ("the camera's task has ended", request),
            };
            if let Request::Test { reply, .. } = request {
                let _ = reply.send(Err(why.into()));
            }
        }
        answer
    }
}

/// Requests that wait while a frame is under way.
const REQUESTS: usize = 16;
/// Photos that wait to be due.
const SHOTS: usize = 64;
/// Pre-roll: a frame each half second shows who came in, and costs a Pi little.
const FRAME_EVERY: Duration = Duration::from_millis(500);
/// A pre-roll frame is not waited for longer: a trigger may come.
const FRAME_PATIENCE: Duration = Duration::from_secs(1);
/// A camera that gives no pre-roll frame is tried again after this.
const FRAME_RETRY: Duration = Duration::from_secs(5);
/// Bytes of pre-roll frames in memory.
const RING_BYTES: usize = 4 * 1024 * 1024;
/// A camera that was looked through for a face stays open so long: opening one takes time, and its
/// first pictures are dark.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// The least time that a picture is waited for.
const LEAST_PATIENCE: Duration = Duration::from_millis(200);
const TOO_MUCH: &str = "too many photos are waiting to be taken";

enum Request {
    Burst {
        incident: IncidentId,
        count: u32,
        asked: BootTime,
    },
    Test {
        reply: oneshot::Sender<Result<PhotoId, String>>,
        asked: BootTime,
    },
    Look {
        reply: oneshot::Sender<Result<Frame, String>>,
        asked: BootTime,
    },
    Ask(oneshot::Sender<()>),
    Stop,
}

/// One photo that is wanted.
struct Shot {
    due: BootTime,
    purpose: Purpose,
}

enum Purpose {
    Incident(IncidentId),
    Test(oneshot::Sender<Result<PhotoId, String>>),
    Look(oneshot::Sender<Result<Frame, String>>),
}

impl Purpose {
    /// Evidence before faces.
    fn can_wait(&self) -> bool {
        match self {
            Purpose::Look(_) => true,
            Purpose::Incident(_) | Purpose::Test(_) => false,
        }
    }
}

struct Photographer {
    open: Open,
    timing: Timing,
    inbox: Inbox,
    shelf: PhotoShelf,
    writer: Writer,
    next: PhotoId,
    device: Option<Box<dyn Device>>,
    shots: Vec<Shot>,
    ring: VecDeque<Frame>,
    /// When the next pre-roll frame is due.
    next_frame: BootTime,
    /// Until when the camera stays open for another look.
    looked_until: Option<BootTime>,
    trouble: OwnTrouble,
}

impl Photographer {
    /// Until it is stopped; returns where the numbers of photos go on.
    fn run(mut self, requests: &Receiver<Request>) -> PhotoId {
        loop {
            let request = match self.next_due() {
                None => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => {
                    let wait = self.inbox.clock().lasts(self.now().until(due));
                    requests.recv_timeout(wait)
                }
            };
            match request {
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => return self.next,
                Ok(Request::Burst {
                    incident,
                    count,
                    asked,
                }) => self.burst(incident, count, asked),
                Ok(Request::Test { reply, asked }) => self.shots.push(Shot {
                    due: asked,
                    purpose: Purpose::Test(reply),
                }),
                Ok(Request::Look { reply, asked }) => self.shots.push(Shot {
                    due: asked,
                    purpose: Purpose::Look(reply),
                }),
                Ok(Request::Ask(question)) => drop(question.send(())),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.take_what_is_due();
        }
    }

    fn now(&self) -> BootTime {
        self.inbox.clock().boot()
    }

    fn keeps_pre_roll(&self) -> bool {
        !self.timing.pre_roll.is_zero()
    }

    fn next_due(&self) -> Option<BootTime> {
        let frame = self.keeps_pre_roll().then_some(self.next_frame);
        let shots = self.shots.iter().map(|shot| shot.due);
        shots.chain(frame).chain(self.looked_until).min()
    }

    fn burst(&mut self, incident: IncidentId, count: u32, asked: BootTime) {
        // The newest first: it shows most of what triggered, and the mail waits for one photo.
        let before: Vec<Frame> = self.ring.drain(..).rev().take(count as usize).collect();
        for frame in before {
            self.taken(frame, Purpose::Incident(incident));
        }
        if self.shots.len() + count as usize > SHOTS {
            self.inbox.send(failed(incident, TOO_MUCH.into()));
            return;
        }
        for n in 0..count {
            self.shots.push(Shot {
                due: asked + self.timing.spread * n / count.saturating_sub(1).max(1),
                purpose: Purpose::Incident(incident),
            });
        }
    }

    /// One photo, or one pre-roll frame; photos go first.
    fn take_what_is_due(&mut self) {
        let now = self.now();
        let due = (0..self.shots.len()).filter(|&n| self.shots[n].due <= now);
        let first = due.min_by_key(|&n| (self.shots[n].purpose.can_wait(), self.shots[n].due));
        if let Some(n) = first {
            let shot = self.shots.remove(n);
            // What waited behind a stalled camera still has a moment of its own.
            let left = now.until(shot.due + self.timing.patience);
            match self.frame(left.max(LEAST_PATIENCE)) {
                Ok(frame) => self.taken(frame, shot.purpose),
                Err(error) => self.not_taken(&error, shot.purpose),
            }
        } else if self.keeps_pre_roll() && self.next_frame <= now {
            self.next_frame = now + FRAME_EVERY;
            match self.frame(FRAME_PATIENCE) {
                Ok(frame) => self.keep(frame),
                Err(_) => self.next_frame = self.now() + FRAME_RETRY,
            }
        }
        self.looked_until = self.looked_until.filter(|until| now < *until);
        let unused = self.shots.is_empty() && self.looked_until.is_none();
        if unused && !self.keeps_pre_roll() {
            self.device = None;
        }
    }

    fn frame(&mut self, patience: Duration) -> Result<Frame, CameraError> {
        // A driver that panics is a camera that failed, and no end of this thread.
        let frame = catch_unwind(AssertUnwindSafe(|| match &mut self.device {
            Some(device) => device.frame(patience),
            None => (self.open)().and_then(|device| self.device.insert(device).frame(patience)),
        }));
        let frame = frame.unwrap_or(Err(CameraError::Panicked));
        match &frame {
            Ok(_) => self.trouble.clear(),
            Err(error) => {
                // Opened anew the next time: that is what mends most cameras.
                self.device = None;
                self.trouble.raise(error.to_string());
            }
        }
        frame
    }

    fn keep(&mut self, frame: Frame) {
        let oldest = frame.taken.boot - self.timing.pre_roll;
        self.ring.push_back(frame);
        let mut bytes: usize = self.ring.iter().map(|frame| frame.jpeg.len()).sum();
        while let Some(frame) = self.ring.front()
            && (frame.taken.boot < oldest || bytes > RING_BYTES)
        {
            bytes -= frame.jpeg.len();
            self.ring.pop_front();
        }
    }

    fn taken(&mut self, frame: Frame, purpose: Purpose) {
        let purpose = match purpose {
            Purpose::Look(reply) => {
                self.looked_until = Some(self.now() + LOOK_AGAIN);
                drop(reply.send(Ok(frame)));
                return;
            }
            Purpose::Incident(_) | Purpose::Test(_) => purpose,
        };
        let id = self.next;
        self.next = PhotoId(id.0 + 1);
        self.shelf.put(Photo {
            id,
            taken: frame.taken,
            jpeg: frame.jpeg.clone(),
        });
        match purpose {
            Purpose::Incident(incident) => self.inbox.send(Event::PhotoTaken {
                incident,
                photo: id,
            }),
            // Who asked may have gone.
            Purpose::Test(reply) => drop(reply.send(Ok(id))),
            Purpose::Look(_) => unreachable!("it was answered above"),
        }
        self.writer.write(id, frame.jpeg);
    }

    fn not_taken(&mut self, error: &CameraError, purpose: Purpose) {
        let why = error.to_string();
        tracing::warn!(why, "no photo");
        match purpose {
            Purpose::Incident(incident) => self.inbox.send(failed(incident, why)),
            Purpose::Test(reply) => drop(reply.send(Err(why))),
            Purpose::Look(reply) => drop(reply.send(Err(why))),
        }
    }
}

fn failed(incident: IncidentId, why: String) -> Event {
    Event::PhotoFailed { incident, why }
}
