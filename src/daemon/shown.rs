//! What the program shows of itself over the API: outputs, history, snapshots.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::actuators;
use crate::alarm::{IncidentId, PhotoId, Status};
use crate::camera::PhotoShelf;
use crate::clock::{SharedClock, Stamp, WallTime};
use crate::outbox::{self, Waiting};
use crate::sensors::Errors;
use crate::store::{self, IncidentDetail, StoreError, StoredIncident};
use crate::web::{self, OutboxSummary, OutputState, Snapshot};

use super::journal::Proven;

/// The outputs, for the API.
pub(super) struct ShownOutputs(pub(super) Arc<actuators::Outputs>);

impl web::Outputs for ShownOutputs {
    fn exhaust(&self) -> OutputState {
        state(&self.0.exhaust)
    }

    fn buzzer(&self) -> OutputState {
        state(&self.0.buzzer)
    }

    fn heard(&self) -> web::Heard {
        let actuators::Rhythm {
            number,
            steps,
            repeats,
        } = self.0.heard.last();
        web::Heard {
            number,
            steps,
            repeats,
        }
    }
}

fn state(output: &actuators::Switched) -> OutputState {
    let (active, changed_ns) = output.read();
    OutputState { active, changed_ns }
}

/// The store's history, for the API; and the last photos, which are told of before they are written.
pub(super) struct ShownHistory(pub(super) store::History, pub(super) PhotoShelf);

impl web::History for ShownHistory {
    fn events(&self, after: u64, limit: usize) -> io::Result<Vec<Value>> {
        let events = self.0.events(after, limit).map_err(failed)?;
        Ok(events.iter().map(store::StoredEvent::to_json).collect())
    }

    fn latest(&self, limit: usize) -> io::Result<Vec<Value>> {
        let events = self.0.latest(limit).map_err(failed)?;
        Ok(events.iter().map(store::StoredEvent::to_json).collect())
    }

    fn incidents(&self, before: Option<u64>, limit: usize) -> io::Result<Vec<Value>> {
        let incidents = self.0.incidents(before, limit).map_err(failed)?;
        Ok(incidents.iter().map(incident).collect())
    }

    fn incident(&self, id: u64) -> io::Result<Option<Value>> {
        let found = self.0.incident(IncidentId(id)).map_err(failed)?;
        Ok(found.as_ref().map(detail))
    }

    fn duress(&self, limit: usize) -> io::Result<Vec<Value>> {
        let found = self.0.duress(limit).map_err(failed)?;
        let shown = found
            .iter()
            .map(|it| json!({"at": it.at.rfc3339(), "clock_set": it.clock_set, "by": it.by}));
        Ok(shown.collect())
    }

    fn photo(&self, id: u64) -> io::Result<Option<Vec<u8>>> {
        if let Some(photo) = self.1.in_memory(PhotoId(id)) {
            return Ok(Some(photo.jpeg.to_vec()));
        }
        match std::fs::read(self.0.photo_path(PhotoId(id))) {
            Ok(jpeg) => Ok(Some(jpeg)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn failed(error: StoreError) -> io::Error {
    io::Error::other(error)
}

/// An incident as the API shows it.
fn incident(stored: &StoredIncident) -> Value {
    let incident = &stored.incident;
    let by = incident.acknowledged.as_ref().map(|(by, _)| by.who());
    let sensors: Vec<Value> = (incident.causes.iter())
        .map(|cause| {
            json!({
                "name": cause.sensor,
                "kind": cause.kind,
                "first": stored.wall_of(cause.first).rfc3339(),
                "last": stored.wall_of(cause.last).rfc3339(),
                "count": cause.count,
            })
        })
        .collect();
    json!({
        "id": incident.id,
        "kind": incident.kind,
        "mode": incident.mode,
        "since": stored.since.rfc3339(),
        "clock_set": stored.clock_set,
        "sensors": sensors,
        "triggers": incident.triggers(),
        "confirmed": incident.confirmed,
        "acknowledged_by": by,
        "acknowledged_at": stored.acknowledged.map(WallTime::rfc3339),
        "ended": incident.ended.as_ref().map(|(how, _)| how),
        "ended_at": stored.ended.map(WallTime::rfc3339),
        "photos": incident.photos,
    })
}

/// An incident with everything that belongs to it.
fn detail(detail: &IncidentDetail) -> Value {
    let mut shown = incident(&detail.incident);
    let photos: Vec<Value> = (detail.photos.iter())
        .map(|it| json!({"id": it.id, "taken": it.taken.rfc3339(), "bytes": it.bytes}))
        .collect();
    let messages: Vec<Value> = (detail.messages.iter())
        .map(|it| json!({"id": it.id, "channel": it.channel, "to": it.to, "waiting": it.waiting}))
        .collect();
    let events: Vec<Value> = detail
        .events
        .iter()
        .map(store::StoredEvent::to_json)
        .collect();
    // A recording that cannot be read is as good as none.
    let recording = detail.recording.as_deref();
    let recording: Option<Value> = recording.and_then(|text| serde_json::from_str(text).ok());
    shown["photos"] = photos.into();
    shown["messages"] = messages.into();
    shown["events"] = events.into();
    shown["recording"] = recording.into();
    shown
}

/// Puts together what `status` shows.
pub struct Composer {
    /// The panel's.
    pub status: watch::Receiver<Arc<Status>>,
    /// When incidents began that an earlier boot left, as the store has it.
    pub began_before: BTreeMap<IncidentId, WallTime>,
    /// The outbox's.
    pub waiting: watch::Receiver<Waiting>,
    /// The journal's.
    pub proven: watch::Receiver<Proven>,
    /// The sensors'.
    pub errors: Errors,
    /// For the time on it.
    pub clock: SharedClock,
}

impl Composer {
    /// Begins to show it.
    pub fn show(self) -> (Arc<Shown>, watch::Receiver<Arc<Snapshot>>) {
        let (snapshot, now) = watch::channel(Arc::new(self.compose()));
        let composer = self;
        (Arc::new(Shown { composer, snapshot }), now)
    }

    /// The snapshot of this moment.
    fn compose(&self) -> Snapshot {
        let status = Status::clone(&self.status.borrow());
        let waiting = self.waiting.borrow().clone();
        let errors: BTreeMap<String, u64> = (status.sensors.iter())
            .map(|sensor| (sensor.name.to_string(), self.errors.of(&sensor.name)))
            .collect();
        let now = Stamp::now(&*self.clock);
        Snapshot {
            status,
            stamp: now.clone(),
            outbox: OutboxSummary {
                waiting: waiting.count,
                oldest: waiting.oldest.map(|then| outbox::corrected(&then, &now).0),
            },
            proven: self.proven.borrow().clone(),
            began_before: self.began_before.clone(),
            errors,
        }
    }
}

/// What `status` shows.
pub struct Shown {
    composer: Composer,
    snapshot: watch::Sender<Arc<Snapshot>>,
}

impl Shown {
    /// Shows this moment. Whoever commands is answered after this: they must see what they did.
    pub(super) fn refresh(&self) {
        // Composed under the lock of what is shown: an older moment never follows a newer one.
        self.snapshot.send_if_modified(|shown| {
            let now = self.composer.compose();
            let stamp = shown.stamp.clone();
            let is_news = Snapshot {
                stamp,
                ..now.clone()
            } != **shown;
            if is_news {
                *shown = Arc::new(now);
            }
            is_news
        });
    }

    /// Errors come in crowds: they are shown a second after the first.
    async fn errors_counted(&self) {
        self.composer.errors.counted().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    /// Shows whatever changes, until the panel is gone.
    pub(super) async fn follow(self: Arc<Self>) {
        let mut status = self.composer.status.clone();
        let mut waiting = self.composer.waiting.clone();
        let mut proven = self.composer.proven.clone();
        loop {
            self.refresh();
            let changed = tokio::select! {
                changed = status.changed() => changed,
                changed = waiting.changed() => changed,
                changed = proven.changed() => changed,
                () = self.errors_counted() => Ok(()),
            };
            if changed.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::alarm::{Alarm, BootTime, Durable};
    use crate::clock::SystemClock;
    use crate::config::{self, Depth};

    #[tokio::test(start_paused = true)]
    async fn errors_that_are_counted_are_shown_although_nothing_else_changes() {
        let text = "[gpio]\nbackend = \"simulated\"\n[[sensor]]\nname = \"hall\"\n\
                    kind = \"motion\"\nsimulated = true\n";
        let config = config::parse(text, "test", Depth::Shape).unwrap().config;
        let alarm = Alarm::new(config.policy(), Durable::default(), BootTime::ZERO);
        let (_status, status) = watch::channel(Arc::new(alarm.status()));
        let (_waiting, waiting) = watch::channel(Waiting::default());
        let (_proven, proven) = watch::channel(Proven::new());
        let errors = Errors::default();
        let composer = Composer {
            status,
            began_before: BTreeMap::new(),
            waiting,
            proven,
            errors: errors.clone(),
            clock: SystemClock::shared(),
        };
        let (shown, mut now) = composer.show();
        let following = tokio::spawn(shown.follow());
        for _ in 0..3 {
            errors.count(&"hall".into());
        }
        let all = now.wait_for(|shown| shown.errors["hall"] == 3);
        assert!(timeout(Duration::from_secs(2), all).await.is_ok());
        following.abort();
    }
}
