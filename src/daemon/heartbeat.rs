//! The heartbeat's rhythm: once a minute, while the panel truly answers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, warn};

use super::health::{cleared, raised};
use crate::alarm::{Event, TroubleCode};
use crate::config::Config;
use crate::inbox::Inbox;
use crate::notify::Heartbeat;

/// Also after a failure: a service that is down is not helped by more.
const EVERY: Duration = Duration::from_secs(60);
/// The panel answers within 20 ms. Nobody is told that we live while it does not.
const PANEL_ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// So many beats without an answer are a trouble; the services themselves wait about as long.
const TROUBLE_AFTER: u32 = 5;
/// So many answers in a row end it.
const WELL_AFTER: u32 = 2;

/// Beats as long as the configuration has an address, a new one from the next beat on.
pub(super) async fn run(
    mut config: watch::Receiver<Arc<Config>>,
    inbox: Inbox,
) -> anyhow::Result<()> {
    loop {
        let url = config.borrow_and_update().messages.heartbeat.clone();
        let beating = async {
            match &url {
                Some(url) => beat(&Heartbeat::new(url, None)?, &inbox).await,
                None => std::future::pending().await,
            }
        };
        let other = |config: &Arc<Config>| config.messages.heartbeat != url;
        tokio::select! {
            ended = beating => return ended,
            changed = config.wait_for(other) => if changed.is_err() { return Ok(()) },
        }
        if let Some(url) = &url {
            // What is not asked any more cannot be out of reach.
            inbox.send(over(Heartbeat::new(url, None)?.server()));
        }
    }
}

async fn beat(heartbeat: &Heartbeat, inbox: &Inbox) -> anyhow::Result<()> {
    let server = heartbeat.server();
    let mut health = Health::default();
    let mut next = Instant::now();
    loop {
        sleep_until(next).await;
        next = Instant::now() + EVERY;
        let panel = timeout(PANEL_ANSWERS_WITHIN, inbox.ask(Event::Tick)).await;
        if !matches!(panel, Ok(Some(_))) {
            warn!("the panel does not answer: no heartbeat");
            continue;
        }
        let beaten = heartbeat.beat().await;
        if let Err(why) = &beaten {
            debug!(why, "no heartbeat");
        }
        match health.beaten(beaten.is_ok()) {
            Some(true) => inbox.send(over(server)),
            Some(false) => {
                let why = beaten.err().unwrap_or_default();
                let text = format!(
                    "the outside service at {server} cannot be told that we live: {why}; look at \
                     the network, and at [messages] heartbeat"
                );
                inbox.send(raised(TroubleCode::Heartbeat, server, text));
            }
            None => {}
        }
    }
}

fn over(server: &str) -> Event {
    cleared(TroubleCode::Heartbeat, server)
}

/// How it goes, with hysteresis.
#[derive(Default)]
struct Health {
    in_trouble: bool,
    /// Beats in a row that speak against what is held for true.
    against: u32,
}

impl Health {
    /// One more beat. `Some`: it is well from now on, or it is not.
    fn beaten(&mut self, well: bool) -> Option<bool> {
        if well != self.in_trouble {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let enough = if well { WELL_AFTER } else { TROUBLE_AFTER };
        if self.against < enough {
            return None;
        }
        self.against = 0;
        self.in_trouble = !well;
        Some(well)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[tokio::test(start_paused = true)]
    async fn a_panel_that_hangs_is_not_alive_for_the_outside_service() {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", server.local_addr().unwrap());
        let heartbeat = Heartbeat::new(&url, None).unwrap();
        let (inbox, letters) = Inbox::new(SystemClock::shared());
        let beating = timeout(EVERY * 10, beat(&heartbeat, &inbox));
        tokio::select! {
            _ = server.accept() => panic!("a heartbeat without a heart"),
            ended = beating => assert!(ended.is_err()),
        }
        assert!(letters.try_iter().count() >= 9, "it was asked each minute");
    }

    #[test]
    fn five_beats_without_an_answer_are_a_trouble_and_two_with_one_its_end() {
        let mut health = Health::default();
        let mut after = |beats: &str| -> Vec<Option<bool>> {
            beats
                .chars()
                .map(|beat| health.beaten(beat == '+'))
                .collect()
        };
        assert!(after("++----+----").iter().all(Option::is_none));
        assert_eq!(after("-"), [Some(false)]);
        assert!(after("---+-+").iter().all(Option::is_none));
        assert_eq!(after("+"), [Some(true)]);
        assert!(after("+----").iter().all(Option::is_none));
    }
}
