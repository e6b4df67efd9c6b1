//! What is done now and then: signs of life, the bounds of the history, memory given back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::warn;

use super::health::{cleared, raised};
use super::journal::Journal;
use super::memory;
use super::people::People;
use crate::alarm::TroubleCode;
use crate::config::Config;
use crate::inbox::Inbox;
use crate::store::History;

/// At rest this is all that is written: that we were alive.
const SIGN_OF_LIFE_EVERY: Duration = Duration::from_secs(600);
/// How often history is held to its bounds.
const TIDY_EVERY: Duration = Duration::from_secs(3600);
/// The deep look through the history waits until the start is over.
const DEEP_CHECK_AFTER: Duration = Duration::from_secs(60);

/// What is done now and then.
#[derive(Clone)]
pub(super) struct Upkeep {
    pub(super) journal: Journal,
    pub(super) store: crate::store::StoreHandle,
    pub(super) history: History,
    pub(super) config: watch::Receiver<Arc<Config>>,
    pub(super) inbox: Inbox,
    pub(super) people: Arc<People>,
}

impl Upkeep {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        self.people.warm_up().await;
        sleep(DEEP_CHECK_AFTER).await;
        self.deep_check().await?;
        let mut until_tidy = Duration::ZERO;
        loop {
            if until_tidy.is_zero() {
                self.tidy().await;
                until_tidy = TIDY_EVERY;
            }
            memory::give_back();
            sleep(SIGN_OF_LIFE_EVERY).await;
            until_tidy = until_tidy.saturating_sub(SIGN_OF_LIFE_EVERY);
            drop(self.journal.sign_of_life());
        }
    }

    async fn deep_check(&self) -> anyhow::Result<()> {
        let history = self.history.clone();
        let checked = tokio::task::spawn_blocking(move || history.deep_check()).await?;
        if let Err(error) = checked {
            warn!(%error, "looking through the history");
            self.inbox
                .send(raised(TroubleCode::Store, "history", error.to_string()));
        }
        Ok(())
    }

    async fn tidy(&self) {
        let crate::config::Store { keep, max_size, .. } = self.config.borrow().store.clone();
        match self.store.retain(keep, max_size).await {
            Ok(removed) if removed.thinned > 0 || removed.still_over => {
                let text = format!(
                    "history and photos are over [store] max-size; {} photos of incidents that \
                     nobody acknowledged had to go: acknowledge them, or raise max-size",
                    removed.thinned
                );
                self.inbox.send(raised(TroubleCode::Disk, "", text));
            }
            Ok(_) => self.inbox.send(cleared(TroubleCode::Disk, "")),
            Err(error) => warn!(%error, "holding the history to its bounds"),
        }
    }
}
