//! Troubles that the daemon itself sees.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::hands::CameraSlot;
use super::sources;
use crate::alarm::{Event, Trouble, TroubleCode};
use crate::config::{Config, Rejected, Severity};
use crate::inbox::Inbox;
use crate::store::StoreHandle;
use crate::supervisor::{Part, Pulses, Stakes, Watched};
use crate::web::ServiceKind;

/// The panel's turn takes less than a millisecond.
const PANEL_WITHIN: Duration = Duration::from_secs(5);
/// The camera's thread waits up to 4 s for a picture, in a step.
const CAMERA_WITHIN: Duration = Duration::from_secs(15);
/// A worn card may take seconds for a commit.
const STORE_WITHIN: Duration = Duration::from_secs(10);

/// A panel that has not answered for so long hangs: it is asked each 10 s, and has 5 s.
const PANEL_SILENT: Duration = Duration::from_secs(20);

/// When the panel answered last. One that hangs cannot tell anybody so.
#[derive(Clone)]
pub(super) struct LastAnswer(watch::Sender<Instant>);

impl LastAnswer {
    /// It is about to begin.
    pub(super) fn expected() -> Self {
        LastAnswer(watch::Sender::new(Instant::now()))
    }

    fn came(&self) {
        self.0.send_replace(Instant::now());
    }

    /// It is not older than the panel may need.
    pub(super) fn is_recent(&self) -> bool {
        self.0.borrow().elapsed() < PANEL_SILENT
    }
}

/// The threads that have to turn as long as the program runs. (Tasks, and who watches wires, are
/// asked from where they are started.)
pub(super) fn watched(
    pulses: &Pulses,
    inbox: &Inbox,
    store: &StoreHandle,
    camera: &CameraSlot,
    panel: &LastAnswer,
) -> [Watched; 3] {
    let (inbox, store, camera) = (inbox.clone(), store.clone(), camera.clone());
    let panel = panel.clone();
    let runtime = tokio::runtime::Handle::current();
    let spawner = runtime.clone();
    [
        pulses.watch(Part {
            name: "panel".to_owned(),
            within: PANEL_WITHIN,
            stakes: Stakes::Protection,
            ask: Box::new(move |question| {
                let (inbox, panel) = (inbox.clone(), panel.clone());
                spawner.spawn(async move {
                    if inbox.ask(Event::Tick).await.is_some() {
                        panel.came();
                        let _ = question.send(());
                    }
                });
            }),
        }),
        pulses.watch(Part {
            name: "store".to_owned(),
            within: STORE_WITHIN,
            stakes: Stakes::Disk,
            ask: Box::new(move |question| {
                let turned = store.flush();
                runtime.spawn(async move {
                    // A commit that fails is told elsewhere; here it counts that it ended.
                    let _ = turned.committed().await;
                    let _ = question.send(());
                });
            }),
        }),
        pulses.watch(Part {
            name: "camera".to_owned(),
            within: CAMERA_WITHIN,
            stakes: Stakes::Protection,
            ask: Box::new(move |question| {
                let camera = camera.lock().unwrap_or_else(PoisonError::into_inner);
                match &*camera {
                    Some(camera) => camera.ask(question),
                    None => drop(question.send(())),
                }
            }),
        }),
    ]
}

/// Tells the panel how the store fares.
pub fn store_health(inbox: &Inbox) -> impl Fn(Result<(), String>) + Send + 'static {
    let inbox = inbox.clone();
    move |health| {
        inbox.send(match health {
            Ok(()) => cleared(TroubleCode::Store, ""),
            Err(why) => raised(TroubleCode::Store, "", why),
        });
    }
}

pub(super) fn raised(code: TroubleCode, subject: &str, text: String) -> Event {
    Event::TroubleRaised(Trouble {
        code,
        subject: subject.to_owned(),
        text,
    })
}

pub(super) fn cleared(code: TroubleCode, subject: &str) -> Event {
    let subject = subject.to_owned();
    Event::TroubleCleared { code, subject }
}

/// What lessens protection from the start.
pub(super) fn start_troubles(inbox: &Inbox, store: Option<String>, rejected: Option<&Rejected>) {
    if let Some(why) = store {
        inbox.send(raised(TroubleCode::Store, "", why));
    }
    if let Some(rejected) = rejected {
        let errors = (rejected.diagnostics.iter())
            .filter(|finding| finding.severity == Severity::Error)
            .collect::<Vec<_>>();
        let first = errors.first().map_or(String::new(), |first| {
            let (line, source) = (first.line, first.source.trim());
            format!(" (line {line}, {source}: {})", first.message)
        });
        let text = format!(
            "the configuration file has {} error{}{first}; the last one that passed is in force: \
             run asfaleia check, mend the file, then asfaleia reload",
            errors.len(),
            if errors.len() == 1 { "" } else { "s" }
        );
        inbox.send(raised(TroubleCode::ConfigRejected, "", text));
    }
}

/// Whether a real service has simulated devices. `board`: the GPIO lines in use are.
pub(super) fn simulated(config: &Config, kind: ServiceKind, board: bool) -> Event {
    let devices = sources::simulated_devices(config, board);
    match kind {
        ServiceKind::Run if !devices.is_empty() => {
            let devices = devices.join(", ");
            let text = format!("simulated, so watched by nothing real: {devices}");
            raised(TroubleCode::Simulated, "", text)
        }
        ServiceKind::Run | ServiceKind::Simulate => cleared(TroubleCode::Simulated, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Depth, parse};

    #[test]
    fn a_real_service_says_what_is_simulated_of_its_configuration_and_of_its_board() {
        let said = |text: &str, kind, board| {
            let config = parse(text, "x", Depth::Shape).unwrap().config;
            match simulated(&config, kind, board) {
                Event::TroubleRaised(trouble) => Some(trouble.text),
                Event::TroubleCleared { .. } => None,
                other => panic!("{other:?}"),
            }
        };
        let sensor = "[[sensor]]\nname = \"hall\"\nkind = \"motion\"\n";
        let (simulated, wired) = (
            format!("{sensor}simulated = true\n"),
            format!("{sensor}gpio = 18\n"),
        );
        let run = ServiceKind::Run;
        assert!(said(&simulated, run, false).unwrap().contains("\"hall\""));
        assert!(said(&wired, run, true).unwrap().contains("all GPIO lines"));
        assert_eq!(said(&wired, run, false), None);
        assert_eq!(said(&simulated, ServiceKind::Simulate, true), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panel_hangs_when_it_has_not_answered_for_longer_than_it_may_need() {
        let panel = LastAnswer::expected();
        tokio::time::advance(Duration::from_secs(19)).await;
        assert!(panel.is_recent(), "the first question may be under way");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!panel.is_recent());
        panel.came();
        assert!(panel.is_recent());
    }
}
