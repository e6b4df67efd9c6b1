//! Named tasks that are restarted alone, whether all parts turn, and systemd: ready, watchdog,
//! stopping.

mod pulse;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info_span, warn};

use crate::alarm::{Event, Trouble, TroubleCode};
use crate::inbox::Inbox;

pub use pulse::{Part, Pulses, Question, Stakes, Watched};

/// First wait before a failed task is started again; doubled each time ...
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// ... up to this.
const BACKOFF_LAST: Duration = Duration::from_secs(60);
/// A task that has run for so long since its last failure is well again.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// Starts named tasks, restarts the one that fails, and ends them together.
pub struct Supervisor {
    inbox: Inbox,
    pulses: Pulses,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Supervisor {
    /// Tasks end when `stop` is cancelled, and have to turn until then.
    pub fn new(inbox: Inbox, pulses: Pulses, stop: CancellationToken) -> Self {
        Supervisor {
            inbox,
            pulses,
            tasks: JoinSet::new(),
            stop,
        }
    }

    /// Runs `task` until it ends by itself or the program stops. One that fails or panics raises
    /// the trouble `task-failed` and is started again, alone, with back-off.
    pub fn spawn<F, Fut>(&mut self, name: impl Into<String>, task: F)
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send,
    {
        let name = name.into();
        let span = info_span!("task", name);
        let stop = self.stop.clone();
        let inbox = self.inbox.clone();
        let pulses = self.pulses.clone();
        let kept = async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = pulses.task(&name, keep_running(&name, task, &inbox)) => {}
            }
        };
        self.tasks.spawn(kept.instrument(span));
    }

    /// Waits until every task has seen the stop, for so long at most.
    pub async fn stopped(mut self, at_most: Duration) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(at_most, all).await.is_err() {
            warn!("some tasks did not stop in time; they are ended");
        }
    }
}

async fn keep_running<F, Fut>(name: &str, mut task: F, inbox: &Inbox)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let mut backoff = BACKOFF_FIRST;
    let mut failed = false;
    loop {
        let began = Instant::now();
        let mut running = std::pin::pin!(AssertUnwindSafe(task()).catch_unwind());
        let ended = if failed {
            match timeout(WELL_AFTER, &mut running).await {
                Ok(ended) => ended,
                Err(_) => {
                    inbox.send(well(name));
                    running.await
                }
            }
        } else {
            running.await
        };
        let why = match ended {
            Ok(Ok(())) => {
                if failed {
                    inbox.send(well(name));
                }
                return;
            }
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "it panicked; the log says where".to_owned(),
        };
        if began.elapsed() >= WELL_AFTER {
            backoff = BACKOFF_FIRST;
        }
        error!(why, "the task failed and is started again");
        failed = true;
        inbox.send(Event::TroubleRaised(Trouble {
            code: TroubleCode::TaskFailed,
            subject: name.to_owned(),
            text: format!("the part \"{name}\" failed and was started again: {why}"),
        }));
        sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF_LAST);
    }
}

fn well(name: &str) -> Event {
    Event::TroubleCleared {
        code: TroubleCode::TaskFailed,
        subject: name.to_owned(),
    }
}

/// What systemd is told. Does nothing where systemd did not start us.
pub mod systemd {
    use super::*;

    /// Everything is connected and watched.
    pub fn ready(status: &str) {
        notify(&[
            sd_notify::NotifyState::Ready,
            sd_notify::NotifyState::Status(status),
        ]);
    }

    /// The service is going down in order.
    pub fn stopping() {
        notify(&[sd_notify::NotifyState::Stopping]);
    }

    fn notify(states: &[sd_notify::NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(states) {
            warn!(%error, "telling systemd how we are");
        }
    }

    /// How often every part is asked whether it turns; more often if systemd's watchdog is short.
    const ASK_EVERY: Duration = Duration::from_secs(10);

    /// Asks every part now and then whether it turns, and feeds the watchdog, if there is one, for
    /// as long as all do that the house's protection needs. The runtime turns, or this task would
    /// not run.
    pub async fn watchdog(pulses: Pulses) -> anyhow::Result<()> {
        let limit = sd_notify::watchdog_enabled();
        let period = limit.map_or(ASK_EVERY, |limit| ASK_EVERY.min(limit / 3));
        loop {
            sleep(period).await;
            if pulses.round() && limit.is_some() {
                notify(&[sd_notify::NotifyState::Watchdog]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::clock::SystemClock;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_started_again_alone_and_is_a_trouble_until_it_is_well() {
        let (inbox, events) = Inbox::new(SystemClock::shared());
        let stop = CancellationToken::new();
        let mut supervisor = Supervisor::new(inbox.clone(), Pulses::new(inbox), stop.clone());
        let runs = Arc::new(AtomicU32::new(0));
        let counted = runs.clone();
        supervisor.spawn("camera", move || {
            let run = counted.fetch_add(1, Ordering::Relaxed);
            async move {
                assert!(run > 0, "the first run fails");
                std::future::pending::<()>().await;
                Ok(())
            }
        });
        sleep(Duration::from_secs(120)).await;
        assert_eq!(runs.load(Ordering::Relaxed), 2);
        let events: Vec<Event> = events.try_iter().map(|letter| letter.event).collect();
        assert!(
            matches!(&events[0], Event::TroubleRaised(t) if t.code == TroubleCode::TaskFailed && t.subject == "camera")
        );
        assert!(matches!(&events[1], Event::TroubleCleared { subject, .. } if subject == "camera"));
        stop.cancel();
        supervisor.stopped(Duration::from_secs(1)).await;
    }
}
