//! Applies a changed configuration without losing state.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use secrecy::ExposeSecret;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::actuators::Outputs;
use crate::alarm::{Event, PhotoId, Record, TroubleCode};
use crate::camera::Camera;
use crate::config::{self, Config, Depth, Loaded, Login};
use crate::inbox::Inbox;
use crate::outbox::{self, Channels};
use crate::panel::{Lines, Reconfigured};
use crate::supervisor::Supervisor;
use crate::web::{Reload, ServiceKind, Snapshot};

use super::Cameras;
use super::hands::{CameraSlot, ChangeSlot};
use super::health::{cleared, simulated};
use super::journal::Journal;
use super::outdated;
use super::people::People;
use super::sources::{Sources, Wiring};

/// With `watch = true`: how often the file's time is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Old drivers get so long to let go.
const STOP_SOURCES_WITHIN: Duration = Duration::from_secs(2);

/// Everything that a new configuration may change.
pub(super) struct Parts {
    pub(super) file: Option<PathBuf>,
    pub(super) text: String,
    pub(super) config: watch::Sender<Arc<Config>>,
    pub(super) inbox: Inbox,
    pub(super) journal: Journal,
    pub(super) people: Arc<People>,
    pub(super) outbox: mpsc::UnboundedSender<outbox::Command>,
    pub(super) outputs: Arc<Outputs>,
    pub(super) changes: ChangeSlot,
    pub(super) cameras: Cameras,
    pub(super) camera: CameraSlot,
    pub(super) running_camera: Option<Camera>,
    pub(super) next_photo: PhotoId,
    pub(super) wiring: Wiring,
    pub(super) sources: Option<Sources>,
    pub(super) supervisor: Supervisor,
    pub(super) snapshot: watch::Receiver<Arc<Snapshot>>,
    pub(super) kind: ServiceKind,
}

/// Applies a changed configuration, one at a time.
#[derive(Clone)]
pub(super) struct Reloader(Arc<Mutex<Option<Parts>>>);

impl Reloader {
    pub(super) fn new(parts: Parts) -> Self {
        Reloader(Arc::new(Mutex::new(Some(parts))))
    }

    /// For the API, SIGHUP and whoever saves the file.
    pub(super) fn as_web(&self) -> Reload {
        let reloader = self.clone();
        Arc::new(move || {
            let reloader = reloader.clone();
            async move { reloader.reload().await }.boxed()
        })
    }

    /// Reads the file again and applies it. What changed, or why it is refused.
    pub(super) async fn reload(&self) -> Result<String, String> {
        let mut parts = self.0.lock().await;
        let Some(parts) = parts.as_mut() else {
            return Err("the service is stopping".to_owned());
        };
        let result = parts.reload().await;
        match &result {
            Ok(text) => info!(text, "the configuration was read again"),
            Err(why) => error!(why, "the changed configuration is refused"),
        }
        result
    }

    /// Runs a further task under the supervisor.
    pub(super) async fn spawn<F, Fut>(&self, name: &str, task: F)
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send,
    {
        if let Some(parts) = self.0.lock().await.as_mut() {
            parts.supervisor.spawn(name, task);
        }
    }

    /// SIGHUP; and the file itself, where `watch = true`.
    pub(super) async fn watch_file(&self) {
        let (file, config) = match self.0.lock().await.as_ref() {
            Some(parts) => (parts.file.clone(), parts.config.subscribe()),
            None => return,
        };
        let hang_up = self.clone();
        self.spawn("reload", move || {
            let reloader = hang_up.clone();
            async move {
                let kind = tokio::signal::unix::SignalKind::hangup();
                let mut signals = tokio::signal::unix::signal(kind)?;
                while signals.recv().await.is_some() {
                    let _ = reloader.reload().await; // logged there
                }
                Ok(())
            }
        })
        .await;
        let Some(file) = file else { return };
        let saved = self.clone();
        self.spawn("watch", move || {
            let (reloader, file, config) = (saved.clone(), file.clone(), config.clone());
            async move {
                reload_when_saved(reloader, file, config).await;
                Ok(())
            }
        })
        .await;
    }

    /// Stops sensors and camera, and waits for the tasks, for so long at most.
    pub(super) async fn stop(&self, ending: &CancellationToken, at_most: Duration) {
        let parts = timeout(at_most, self.0.lock()).await;
        let Some(parts) = parts.ok().and_then(|mut parts| parts.take()) else {
            ending.cancel();
            return;
        };
        if let Some(sources) = parts.sources {
            let _ = timeout(at_most, sources.stop()).await; // the broker does not take our last words
        }
        if let Some(camera) = parts.running_camera {
            let stopped = tokio::task::spawn_blocking(move || camera.stop());
            let _ = timeout(at_most, stopped).await;
        }
        ending.cancel();
        parts.supervisor.stopped(at_most).await;
    }
}

async fn reload_when_saved(
    reloader: Reloader,
    file: PathBuf,
    mut config: watch::Receiver<Arc<Config>>,
) {
    let saved = || -> Option<SystemTime> { file.metadata().ok()?.modified().ok() };
    let mut seen = saved();
    loop {
        if !config.borrow_and_update().watch {
            // Costs nothing until a reload turns it on.
            if config.changed().await.is_err() {
                return;
            }
            continue;
        }
        sleep(LOOK_EVERY).await;
        let now = saved();
        if now.is_some() && now != seen {
            seen = now;
            let _ = reloader.reload().await; // logged there
        }
    }
}

impl Parts {
    async fn reload(&mut self) -> Result<String, String> {
        let Some(file) = self.file.clone() else {
            return Err("this configuration did not come from a file".to_owned());
        };
        let read = tokio::task::spawn_blocking(move || config::load(&file, Depth::Full)).await;
        let read = read.map_err(|error| format!("reading the configuration: {error}"))?;
        let Loaded { config, text, .. } = read.map_err(|rejected| rejected.to_string())?;
        let old = self.config.borrow().clone();
        let loosens = old.loosens(&config);
        let state = self.snapshot.borrow().status.state;
        if !loosens.is_empty() && state != "disarmed" {
            return Err(format!(
                "the panel is {state}; disarm it first, because the new configuration protects \
                 less: {}",
                loosens.join("; ")
            ));
        }
        // Also for the same text: a secret file, or a certificate, may have changed.
        let changed = self.apply(&old, Arc::new(config)).await?;
        self.inbox.send(cleared(TroubleCode::ConfigRejected, ""));
        let said = match text == self.text {
            true => "nothing changed; secret files were read again".to_owned(),
            false => changed.join("; "),
        };
        if text != self.text {
            self.journal.passed(text.clone());
            self.journal
                .record(Record::Configuration { text: said.clone() });
            self.text = text;
        }
        Ok(said)
    }

    /// Puts the new configuration into force, part by part. What changed, in words; or why nothing
    /// did. What cannot be made ready (a camera that is busy) is a trouble of its own.
    async fn apply(&mut self, old: &Config, new: Arc<Config>) -> Result<Vec<String>, String> {
        let mut said = vec!["the new configuration is in force".to_owned()];
        let lines = self.changed_lines(old, &new)?;
        self.people.reconfigure(&new, &self.inbox);
        let channels = Channels::from(&*new);
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner) = Some(Reconfigured {
            channels: channels.clone(),
            lines,
        });
        // Waited for: what comes after it must find it done.
        self.inbox
            .ask(Event::PolicyChanged(Box::new(new.policy())))
            .await;
        // The outbox lives as long as we do.
        let _ = self.outbox.send(outbox::Command::Reconfigured(channels));
        if old.camera != new.camera {
            self.change_camera(&new).await;
            said.push("the camera was opened anew".to_owned());
        }
        if sources_differ(old, &new) {
            // The old ones first: a port or a client's name is somebody's alone.
            if let Some(sources) = self.sources.take() {
                let _ = timeout(STOP_SOURCES_WITHIN, sources.stop()).await;
            }
            self.sources = Some(Sources::start(&new, &self.wiring, &mut self.supervisor));
            said.push("the sensors were connected anew".to_owned());
        }
        // The board stays until the next start, whatever [gpio] says now.
        let board = self.wiring.simulated_board.is_some();
        self.inbox.send(simulated(&new, self.kind, board));
        outdated::clear(&new, &self.wiring.status.borrow(), &self.inbox);
        if old.gpio != new.gpio || old.store.path != new.store.path || web_differs(old, &new) {
            said.push(
                "changes of [gpio], [web] and [store] path come with the next start".to_owned(),
            );
        }
        self.config.send_replace(new);
        Ok(said)
    }

    /// Claims the output lines again if they are others now. Not while the fan runs: claiming a
    /// line switches it off for a moment.
    fn changed_lines(&self, old: &Config, new: &Config) -> Result<Option<Lines>, String> {
        let relay = |config: &Config| config.exhaust.as_ref().map(|it| it.output.clone());
        if old.buzzer == new.buzzer && relay(old) == relay(new) {
            return Ok(None);
        }
        if self.outputs.exhaust.active() {
            let why = "the exhaust fan runs; its line and the buzzer's cannot be changed now";
            return Err(why.to_owned());
        }
        let board = &*self.wiring.board;
        let lines = super::buzzer(new, board, &self.outputs).and_then(|buzzer| {
            let exhaust = super::exhaust(new, board, &self.outputs)?;
            Ok(Lines { buzzer, exhaust })
        });
        lines.map(Some).map_err(|error| format!("{error:#}"))
    }

    async fn change_camera(&mut self, new: &Config) {
        if let Some(camera) = self.running_camera.take() {
            let stopped = tokio::task::spawn_blocking(move || camera.stop()).await;
            // One that panicked does not tell: far beyond what it can have given out.
            let next = stopped.ok().flatten();
            self.next_photo = next.unwrap_or(PhotoId(self.next_photo.0 + 1_000_000));
        }
        // Of the old one nobody says any more that it is well.
        self.inbox.send(cleared(TroubleCode::Camera, "camera"));
        self.inbox.send(cleared(TroubleCode::Store, "photos"));
        let started = self.cameras.start(new, self.next_photo);
        self.running_camera =
            super::or_trouble(started, TroubleCode::Camera, "camera", &self.inbox);
        let handle = self.running_camera.as_ref().map(Camera::handle);
        if let Some(camera) = handle.clone() {
            // What is wrong with the new one is known now, and not at the next alarm.
            tokio::spawn(async move { camera.look().await.map(drop) });
        }
        *self.camera.lock().unwrap_or_else(PoisonError::into_inner) = handle;
    }
}

/// The drivers have to be started anew.
fn sources_differ(old: &Config, new: &Config) -> bool {
    let mqtt = |config: &Config| config.mqtt.as_ref().map(|mqtt| format!("{mqtt:?}"));
    let secret = |config: &Config| {
        let login = config.mqtt.as_ref()?.login.as_ref();
        login.map(|Login { password, .. }| password.expose_secret().to_owned())
    };
    format!("{:?}", old.sensors) != format!("{:?}", new.sensors)
        || old.access != new.access
        || old.nodemcus != new.nodemcus
        || old.site != new.site
        || mqtt(old) != mqtt(new)
        || secret(old) != secret(new)
}

fn web_differs(old: &Config, new: &Config) -> bool {
    let web = |config: &Config| {
        let web = config.web.as_ref()?;
        Some((web.listen, web.tls.clone(), web.behind_proxy))
    };
    web(old) != web(new)
}
