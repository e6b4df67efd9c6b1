//! The schedule of drills, and paths that were not proven for too long.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Zoned};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::info;

use super::health::{cleared, raised};
use super::journal::Proven;
use crate::alarm::{Actor, Answer, Command, Event, Origin, TroubleCode};
use crate::clock::WallTime;
use crate::config::{Config, Drill, write_duration};
use crate::inbox::Inbox;

/// The wall clock may be set at any time: it is looked at again after this.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);
/// A drill that is found to be due later than this (the machine slept, the clock jumped) waits for
/// its time of day: nobody is rung out of bed.
const LATE_AT_MOST: SignedDuration = SignedDuration::from_mins(10);
/// A path is due again with the next drill; a day more, and it was not proven by it.
const GRACE: SignedDuration = SignedDuration::from_hours(24);
/// What is kept among the proofs of when the last drill began.
const DRILL: &str = "drill";

/// What it takes.
#[derive(Clone)]
pub(super) struct Drills {
    pub(super) config: watch::Receiver<Arc<Config>>,
    pub(super) proven: watch::Receiver<Proven>,
    pub(super) inbox: Inbox,
}

impl Drills {
    pub(super) async fn run(mut self) -> anyhow::Result<()> {
        let mut planned = None;
        let mut told = BTreeSet::new();
        loop {
            let config = self.config.borrow_and_update().clone();
            let proven = self.proven.borrow_and_update().clone();
            let now = self.now();
            self.tell(&config, &proven, now.as_ref(), &mut told);
            let (Some(drill), Some(now)) = (config.drill, now) else {
                planned = None;
                self.wait(LOOK_EVERY).await?;
                continue;
            };
            if due(planned.as_ref(), &now) {
                self.hold().await;
            }
            let next = next(drill, last(&proven), &now);
            let left = Duration::try_from(next.duration_since(&now)).unwrap_or_default();
            planned = Some(next);
            self.wait(left.min(LOOK_EVERY)).await?;
        }
    }

    async fn hold(&self) {
        let command = Command::Drill {
            buzzer: false,
            relay: false,
        };
        let by = Actor::owner(Origin::Schedule);
        match self.inbox.ask(Event::Command { command, by }).await {
            Some(Answer::Refused(why)) => info!(?why, "the drill is put off until tomorrow"),
            Some(Answer::Done | Answer::Forbidden(_) | Answer::TooSoon(_)) | None => {}
        }
    }

    /// Raises and clears `unproven`.
    fn tell(
        &self,
        config: &Config,
        proven: &Proven,
        now: Option<&Zoned>,
        told: &mut BTreeSet<String>,
    ) {
        let unproven = match (config.drill, now) {
            (Some(drill), Some(now)) => unproven(&config.paths(), drill, proven, now),
            (None, _) => BTreeSet::new(),
            (Some(_), None) => return,
        };
        for path in unproven.difference(told) {
            let every = config.drill.map(|drill| write_duration(drill.every));
            let since = match proven.get(path) {
                Some(at) => format!("since {}", at.rfc3339()),
                None => "ever".to_owned(),
            };
            let text = format!(
                "nothing has arrived along {path} {since}, although a drill is held every {}: try \
                 asfaleia drill, and look at what it says",
                every.unwrap_or_default()
            );
            self.inbox.send(raised(TroubleCode::Unproven, path, text));
        }
        for path in told.difference(&unproven) {
            self.inbox.send(cleared(TroubleCode::Unproven, path));
        }
        *told = unproven;
    }

    /// For so long, or until something is proven or the configuration changes.
    async fn wait(&mut self, at_most: Duration) -> anyhow::Result<()> {
        tokio::select! {
            () = sleep(at_most) => Ok(()),
            changed = self.config.changed() => Ok(changed?),
            changed = self.proven.changed() => Ok(changed?),
        }
    }

    /// On the wall; `None` while nobody has set the clock.
    fn now(&self) -> Option<Zoned> {
        let now = self.inbox.clock().wall();
        let zone = TimeZone::system();
        now.is_set().then(|| now.timestamp().to_zoned(zone))
    }
}

fn last(proven: &Proven) -> Option<WallTime> {
    proven.get(DRILL).copied().filter(|at| at.is_set())
}

/// The time of day that was planned is there.
fn due(planned: Option<&Zoned>, now: &Zoned) -> bool {
    planned.is_some_and(|planned| {
        let late = now.duration_since(planned);
        !late.is_negative() && late <= LATE_AT_MOST
    })
}

/// The first time of day that is still to come, so many days after the last drill.
fn next(drill: Drill, last: Option<WallTime>, now: &Zoned) -> Zoned {
    let days = i64::try_from(drill.every.as_secs() / 86_400).unwrap_or(i64::MAX);
    let zone = now.time_zone().clone();
    let earliest = last.and_then(|last| {
        let last = last.timestamp().to_zoned(zone).date();
        last.checked_add(Span::new().days(days)).ok()
    });
    let today = now.date();
    let mut day = earliest.map_or(today, |earliest| earliest.max(today));
    loop {
        let candidate = day.to_datetime(drill.at).to_zoned(now.time_zone().clone());
        match candidate {
            Ok(candidate) if candidate > *now => return candidate,
            Ok(_) | Err(_) => {}
        }
        match day.tomorrow() {
            Ok(tomorrow) => day = tomorrow,
            Err(_) => return now.clone(), // the end of the calendar
        }
    }
}

/// Paths along which nothing has arrived for longer than the schedule allows. Before the first
/// drill nothing is late.
fn unproven(paths: &[String], drill: Drill, proven: &Proven, now: &Zoned) -> BTreeSet<String> {
    let older =
        |at: WallTime, than: SignedDuration| now.timestamp().duration_since(at.timestamp()) > than;
    let every = SignedDuration::try_from(drill.every).unwrap_or(SignedDuration::MAX);
    let too_old = |path: &&String| match (proven.get(*path), last(proven)) {
        (Some(at), _) => older(*at, every.saturating_add(GRACE)),
        (None, Some(last)) => older(last, GRACE),
        (None, None) => false,
    };
    paths.iter().filter(too_old).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONTHLY: Drill = Drill {
        every: Duration::from_secs(30 * 86_400),
        at: jiff::civil::time(11, 0, 0, 0),
    };

    fn at(time: &str) -> Zoned {
        let athens = TimeZone::posix("EET-2EEST,M3.5.0/3,M10.5.0/4").unwrap();
        let time: jiff::civil::DateTime = time.parse().unwrap();
        time.to_zoned(athens).unwrap()
    }

    fn wall(time: &str) -> WallTime {
        WallTime(at(time).timestamp().as_millisecond())
    }

    #[test]
    fn a_drill_is_held_at_its_time_of_day_so_many_days_after_the_last() {
        let next = |last: Option<&str>, now: &str| {
            let next = next(MONTHLY, last.map(wall), &at(now));
            next.strftime("%F %H:%M").to_string()
        };
        assert_eq!(next(None, "2026-11-23T10:00"), "2026-11-23 11:00");
        assert_eq!(next(None, "2026-11-23T11:00"), "2026-11-24 11:00");
        let last = Some("2026-10-01T18:30");
        assert_eq!(next(last, "2026-10-02T10:00"), "2026-10-31 11:00");
        assert_eq!(
            next(last, "2026-11-23T03:00"),
            "2026-11-23 11:00",
            "late, not at night"
        );
        // Over the change to winter time it stays at its time of day.
        assert_eq!(
            next(Some("2026-09-30T11:00"), "2026-10-25T00:10"),
            "2026-10-30 11:00"
        );
    }

    #[test]
    fn a_drill_that_was_slept_through_waits_for_its_time_of_day() {
        let planned = at("2026-11-23T11:00");
        assert!(!due(Some(&planned), &at("2026-11-23T10:59:59")));
        assert!(due(Some(&planned), &at("2026-11-23T11:00:01")));
        assert!(!due(Some(&planned), &at("2026-11-23T14:00")));
        assert!(!due(None, &at("2026-11-23T11:00")));
    }

    #[test]
    fn a_path_is_unproven_a_day_after_the_drill_that_should_have_proven_it() {
        let paths = ["email:Anna", "phone:Ben", "mqtt"].map(str::to_owned);
        let unproven = |proven: &[(&str, &str)], now: &str| -> Vec<String> {
            let proven = proven
                .iter()
                .map(|(path, at)| ((*path).to_owned(), wall(at)));
            let found = unproven(&paths, MONTHLY, &proven.collect(), &at(now));
            found.into_iter().collect()
        };
        assert_eq!(
            unproven(&[], "2026-11-23T12:00"),
            [""; 0],
            "there was no drill yet"
        );
        let proven = [
            ("drill", "2026-11-01T11:00"),
            ("email:Anna", "2026-11-01T11:01"),
            ("mqtt", "2026-10-01T11:00"),
        ];
        assert_eq!(unproven(&proven, "2026-11-02T10:00"), ["mqtt"]);
        assert_eq!(unproven(&proven, "2026-11-03T10:00"), ["mqtt", "phone:Ben"]);
        assert_eq!(unproven(&proven, "2026-12-03T10:00").len(), 3);
    }
}
