//! The panel's hands and wires in a replay: they write down what is wanted, in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;

use crate::actuators::{Buzzer, Exhaust, Outputs, Switch};
use crate::alarm::{BootTime, Calls, IncidentId, PhotoId, Status};
use crate::clock::{Clock, WallTime};
use crate::config::Config;
use crate::panel::{Handover, Hands, Lines, Reconfigured};
use crate::store::PhotoRow;

/// Something that the panel wants done.
pub(super) enum Wish {
    TakePhotos {
        incident: IncidentId,
        count: u32,
    },
    HandOver(Box<Handover>),
    Attach {
        incident: IncidentId,
        photo: Result<PhotoId, String>,
    },
    StopCalls(Calls),
    Show(Box<Status>),
    Exhaust(bool),
}

/// Writes down what the panel wants done.
pub(super) struct Backstage(pub(super) Sender<Wish>);

impl Backstage {
    fn wish(&self, wish: Wish) {
        // The world that reads it owns the panel, and so outlives it.
        let _ = self.0.send(wish);
    }
}

impl Hands for Backstage {
    fn take_photos(&mut self, incident: IncidentId, count: u32) {
        self.wish(Wish::TakePhotos { incident, count });
    }

    /// No scenario asks for a test.
    fn try_camera(&mut self) {}

    /// A replay has no store, and its photos no bytes.
    fn photo(&self, _: IncidentId, _: PhotoId) -> Option<PhotoRow> {
        None
    }

    fn hand_over(&mut self, handover: Handover) {
        self.wish(Wish::HandOver(Box::new(handover)));
    }

    fn attach(&mut self, incident: IncidentId, photo: Result<PhotoId, String>) {
        self.wish(Wish::Attach { incident, photo });
    }

    fn stop_calls(&mut self, whose: Calls) {
        self.wish(Wish::StopCalls(whose));
    }

    fn show(&mut self, status: Status) {
        self.wish(Wish::Show(Box::new(status)));
    }

    /// The configuration does not change during a replay.
    fn reconfigured(&mut self) -> Option<Reconfigured> {
        None
    }
}

/// The output lines of this house, on wires that only tell. The buzzer's edges are too many to
/// tell; what it sounds is in the status.
pub(super) fn lines(config: &Config, wishes: &Sender<Wish>) -> Lines {
    let outputs = Arc::new(Outputs::default());
    let buzzer = (config.buzzer.as_ref()).map(|_| {
        let silent: Switch = Box::new(|_| Ok(()));
        Buzzer::new(silent, outputs.clone())
    });
    let exhaust = (config.exhaust.as_ref()).map(|_| {
        let (wishes, mut was) = (wishes.clone(), false);
        let wire: Switch = Box::new(move |on| {
            if std::mem::replace(&mut was, on) != on {
                let _ = wishes.send(Wish::Exhaust(on));
            }
            Ok(())
        });
        Exhaust::new(wire, outputs)
    });
    Lines { buzzer, exhaust }
}

/// A clock that stands still until it is set.
pub(super) struct VirtualClock {
    /// Nanoseconds on the boot clock.
    boot: AtomicU64,
    /// What the wall clock said when the boot clock began.
    origin: WallTime,
}

impl VirtualClock {
    pub(super) fn new(boot: BootTime, wall: WallTime) -> Self {
        let up = i64::try_from(boot.as_nanos() / 1_000_000).unwrap_or(i64::MAX);
        VirtualClock {
            boot: AtomicU64::new(boot.as_nanos()),
            origin: WallTime(wall.0 - up),
        }
    }

    pub(super) fn set(&self, boot: BootTime) {
        self.boot.store(boot.as_nanos(), Ordering::Relaxed);
    }
}

impl Clock for VirtualClock {
    fn boot(&self) -> BootTime {
        BootTime::from_nanos(self.boot.load(Ordering::Relaxed))
    }

    fn wall(&self) -> WallTime {
        let up = self.boot.load(Ordering::Relaxed) / 1_000_000;
        WallTime(self.origin.0 + i64::try_from(up).unwrap_or(i64::MAX))
    }

    fn boot_id(&self) -> &str {
        "replay"
    }
}
