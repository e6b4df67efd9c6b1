//! The panel's hands in the real program: everything is passed on, nothing is waited for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tracing::info;

use crate::alarm::{Calls, IncidentId, PhotoId, Record, Status};
use crate::camera::{CameraHandle, PhotoShelf};
use crate::outbox;
use crate::panel::{Handover, Hands, Reconfigured};
use crate::store::PhotoRow;
use crate::web::sentence;

use super::journal::Journal;
use super::shown::Shown;
use super::sources::BrokerSlot;

/// A command is answered when its effect is committed, or after this.
const ANSWER_AFTER: Duration = Duration::from_millis(20);

const NO_CAMERA: &str = "the camera could not be started, or has ended; the log says why";
/// What the broker hears of a drill.
const DRILL: &str = "DRILL: this is a test, nothing happened";

/// What the panel's thread holds of the rest of the program.
pub struct Executor {
    /// Where everything is written down.
    pub journal: Journal,
    /// Where messages go.
    pub outbox: mpsc::UnboundedSender<outbox::Command>,
    /// Takes photos.
    pub camera: CameraSlot,
    /// Hears of drills, if there is one.
    pub broker: BrokerSlot,
    /// Photos that were taken.
    pub shelf: PhotoShelf,
    /// The panel as it is.
    pub status: watch::Sender<Arc<Status>>,
    /// What others see of the program.
    pub shown: Arc<Shown>,
    /// The last photo of an incident.
    pub last_photo: watch::Sender<Option<PhotoId>>,
    /// What a reload has ready.
    pub changes: ChangeSlot,
    /// Answers wait on it.
    pub runtime: Handle,
}

/// The camera in use; a reload may put another one in.
pub type CameraSlot = Arc<Mutex<Option<CameraHandle>>>;
/// What a reload has ready for the panel.
pub type ChangeSlot = Arc<Mutex<Option<Reconfigured>>>;

impl Executor {
    fn camera(&self) -> Option<CameraHandle> {
        let camera = self.camera.lock().unwrap_or_else(PoisonError::into_inner);
        camera.clone()
    }

    fn tell_outbox(&self, command: outbox::Command) {
        // The outbox outlives the panel; its queue closes only when the program ends.
        let _ = self.outbox.send(command);
    }
}

impl Hands for Executor {
    fn take_photos(&mut self, incident: IncidentId, count: u32) {
        if let Some(camera) = self.camera() {
            camera.take(incident, count);
        }
    }

    fn try_camera(&mut self) {
        let Some(camera) = self.camera() else {
            return;
        };
        let (journal, shelf) = (self.journal.clone(), self.shelf.clone());
        self.runtime.spawn(async move {
            let taken = camera.test().await;
            let taken = taken.unwrap_or(Err(NO_CAMERA.to_owned()));
            match taken {
                Ok(photo) => journal.photo(photo_row(&shelf, None, photo), photo),
                Err(why) => journal.record(Record::PhotoFailed { why }),
            }
        });
    }

    fn prove(&mut self, camera: bool) {
        let broker = self.broker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(broker) = broker.clone() {
            let journal = self.journal.clone();
            self.runtime.spawn(async move {
                let proven = broker.prove(DRILL).await;
                journal.proof("mqtt", proven.map(|()| broker.server().to_owned()));
            });
        }
        if !camera {
            return;
        }
        let taken = self.camera().map(|camera| camera.test());
        let (journal, shelf) = (self.journal.clone(), self.shelf.clone());
        let outbox = self.outbox.clone();
        self.runtime.spawn(async move {
            let taken = match taken {
                Some(taken) => taken.await.unwrap_or(Err(NO_CAMERA.to_owned())),
                None => Err(NO_CAMERA.to_owned()),
            };
            if let Ok(photo) = taken {
                journal.photo(photo_row(&shelf, None, photo), photo);
            }
            let proof = taken.as_ref().map(|photo| format!("photo {photo}"));
            journal.proof("camera", proof.map_err(Clone::clone));
            let _ = outbox.send(outbox::Command::Tried(taken)); // closes when the program ends
        });
    }

    fn photo(&self, incident: IncidentId, photo: PhotoId) -> Option<PhotoRow> {
        self.last_photo.send_replace(Some(photo));
        photo_row(&self.shelf, Some(incident), photo)
    }

    fn hand_over(&mut self, handover: Handover) {
        let Handover {
            batch,
            records,
            messages,
            reply,
        } = handover;
        for (_, record) in &records {
            if matches!(
                record,
                Record::BootReport(_) | Record::Granted { .. } | Record::Refused { .. }
            ) {
                info!("{}", sentence(record));
            }
        }
        let nothing = batch.is_empty() && records.is_empty();
        let committed = (!nothing).then(|| self.journal.write(batch, records));
        if !messages.is_empty() {
            self.tell_outbox(outbox::Command::Accept {
                rows: messages,
                receipt: committed
                    .clone()
                    .map(|committed| Box::pin(committed) as outbox::Receipt),
            });
        }
        if let Some((reply, answer)) = reply {
            let shown = self.shown.clone();
            self.runtime.spawn(async move {
                if let Some(committed) = committed {
                    let _ = timeout(ANSWER_AFTER, committed).await;
                }
                shown.refresh();
                let _ = reply.send(answer); // who asked may be gone
            });
        }
    }

    fn attach(&mut self, incident: IncidentId, photo: Result<PhotoId, String>) {
        self.tell_outbox(outbox::Command::Attach { incident, photo });
    }

    fn stop_calls(&mut self, whose: Calls) {
        self.tell_outbox(outbox::Command::StopCalls(whose));
    }

    fn show(&mut self, status: Status) {
        self.status.send_replace(Arc::new(status));
    }

    fn reconfigured(&mut self) -> Option<Reconfigured> {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.take()
    }
}

fn photo_row(shelf: &PhotoShelf, incident: Option<IncidentId>, photo: PhotoId) -> Option<PhotoRow> {
    let taken = shelf.in_memory(photo)?;
    Some(PhotoRow {
        id: photo,
        incident,
        bytes: taken.jpeg.len() as u64,
        taken: taken.taken,
    })
}
