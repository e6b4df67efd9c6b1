//! Commands that come faster than they can be taken.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::alarm::{Event, Trouble, TroubleCode};
use crate::inbox::Inbox;

/// Over when no command was dropped for so long.
const CALM: Duration = Duration::from_secs(60);

/// Notes dropped commands, and makes a trouble of them.
#[derive(Debug, Default)]
pub(super) struct Flood(Notify);

impl Flood {
    /// A command was dropped.
    pub(super) fn dropped_one(&self) {
        self.0.notify_one();
    }

    /// Raises the trouble when commands are dropped, and clears it after a minute without.
    pub(super) async fn report(&self, topic: &str, inbox: &Inbox) {
        let (code, subject) = (TroubleCode::QueueFull, "mqtt commands".to_owned());
        loop {
            self.0.notified().await;
            let text = format!(
                "commands come faster on {topic} than they can be taken, and some are dropped: \
                 look who writes there"
            );
            tracing::warn!(code = code.word(), "{text}");
            inbox.send(Event::TroubleRaised(Trouble {
                code,
                subject: subject.clone(),
                text,
            }));
            while timeout(CALM, self.0.notified()).await.is_ok() {}
            let subject = subject.clone();
            inbox.send(Event::TroubleCleared { code, subject });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::sleep;

    use super::*;
    use crate::clock::SystemClock;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_one_trouble_until_a_minute_after_its_last_drop() {
        let (inbox, letters) = Inbox::new(SystemClock::shared());
        let flood = Arc::new(Flood::default());
        let reported = flood.clone();
        let report = tokio::spawn(async move { reported.report("home/command", &inbox).await });
        for _ in 0..100 {
            flood.dropped_one();
            sleep(Duration::from_secs(30)).await;
        }
        assert!(matches!(
            letters.try_recv().map(|letter| letter.event),
            Ok(Event::TroubleRaised(trouble)) if trouble.code == TroubleCode::QueueFull
        ));
        assert!(letters.try_recv().is_err(), "once, and not over between");
        sleep(Duration::from_secs(31)).await;
        assert!(matches!(
            letters.try_recv().map(|letter| letter.event),
            Ok(Event::TroubleCleared { .. })
        ));
        report.abort();
    }
}
