//! How long the service was away: told at the start, and again when the clock was set.
//!
//! The Pi has no clock battery. What is not known at the boot is known once the clock is right, and
//! what was written down until then gets its right time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::journal::Journal;
use super::restore::gap;
use crate::alarm::{Away, Event, IncidentId, Status};
use crate::clock::{Clock, Stamp, WallTime};
use crate::inbox::Inbox;
use crate::store::{History, IncidentDetail};

/// A clock that nobody has set yet is looked at so often ...
const LOOK_SOON: Duration = Duration::from_secs(5);
/// ... and so is any for so long after the boot: it may have been started from a file; ...
const SOON: Duration = Duration::from_secs(15 * 60);
/// ... afterwards so often.
const LOOK_LATER: Duration = Duration::from_secs(60);
/// Nearer than this it was not set, but drifted.
const STEP_MS: i64 = 10_000;
/// The corrected history is waited for, for so long.
const CORRECTED_WITHIN: Duration = Duration::from_secs(5);

/// What an earlier run left that has a time.
#[derive(Clone)]
pub(super) struct Absence {
    /// When we started.
    pub(super) started: Stamp,
    /// The last sign of life before that.
    pub(super) last_life: Option<Stamp>,
    /// When the oldest message that waits happened.
    pub(super) oldest_waiting: Option<Stamp>,
    /// The panel as it was at the start.
    pub(super) incidents: Vec<IncidentId>,
    /// Where they are written down.
    pub(super) history: History,
}

impl Absence {
    /// Tells the panel what is known, whenever more is known.
    pub(super) async fn follow(self, journal: Journal, inbox: Inbox) -> anyhow::Result<()> {
        let clock = inbox.clock().clone();
        let mut last = self.started.clone();
        self.tell(&*clock, &inbox).await;
        loop {
            let early = clock.boot() < crate::alarm::BootTime::ZERO + SOON;
            let soon = early || !last.wall.is_set();
            sleep(if soon { LOOK_SOON } else { LOOK_LATER }).await;
            let now = Stamp::now(&*clock);
            if step_ms(&last, &now).abs() >= STEP_MS {
                info!(
                    from = last.wall.rfc3339(),
                    to = now.wall.rfc3339(),
                    "the clock was set"
                );
                let corrected = journal.clock_was_set(&last, &now);
                let _ = timeout(CORRECTED_WITHIN, corrected).await; // a disk that hangs: later
                self.tell(&*clock, &inbox).await;
            }
            last = now;
        }
    }

    async fn tell(&self, clock: &dyn Clock, inbox: &Inbox) {
        let now = Stamp::now(clock);
        let absence = self.clone();
        // Reads the history.
        match tokio::task::spawn_blocking(move || absence.known(&now)).await {
            Ok(away) => inbox.send(Event::Away(away)),
            Err(error) => warn!(%error, "looking up how long the service was away"),
        }
    }

    /// What is known now.
    fn known(&self, now: &Stamp) -> Away {
        let started = Stamp {
            wall: now.wall_of(self.started.boot),
            ..self.started.clone()
        };
        let ago = |then: &Stamp| gap(then, &started);
        let incidents = self.incidents.iter().filter_map(|id| {
            let began = began(&self.history, *id)?;
            Some((*id, ago(&began)?))
        });
        Away {
            gap: self.last_life.as_ref().and_then(ago),
            oldest_waiting: self.oldest_waiting.as_ref().and_then(ago),
            incidents: incidents.collect(),
        }
    }
}

/// The numbers of the incidents that go on.
pub(super) fn going_on(status: &watch::Receiver<Arc<Status>>) -> Vec<IncidentId> {
    let status = status.borrow();
    status
        .incidents
        .iter()
        .map(|incident| incident.id)
        .collect()
}

/// When an incident began, as it was written down then.
fn began(history: &History, id: IncidentId) -> Option<Stamp> {
    let IncidentDetail {
        incident, events, ..
    } = history.incident(id).ok()??;
    // The incident itself is saved again in later boots; the line that opened it is not.
    let opened_in = events.into_iter().next().map(|opened| opened.boot_id);
    Some(Stamp {
        boot: incident.incident.since,
        wall: incident.since,
        boot_id: opened_in.unwrap_or(incident.saved.boot_id),
    })
}

/// When those of the incidents began that did so in another boot: the boot clock of this one knows no
/// such time.
pub(super) fn began_before(
    history: &History,
    incidents: &[IncidentId],
    now: &Stamp,
) -> BTreeMap<IncidentId, WallTime> {
    (incidents.iter())
        .filter_map(|id| Some((*id, began(history, *id)?)))
        .filter(|(_, began)| began.boot_id != now.boot_id)
        .map(|(id, began)| (id, began.wall))
        .collect()
}

/// By how much the wall clock was set, in milliseconds.
pub(super) fn step_ms(from: &Stamp, to: &Stamp) -> i64 {
    to.wall.0.saturating_sub(from.wall_of(to.boot).0)
}
