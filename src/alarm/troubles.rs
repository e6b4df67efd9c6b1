//! What lessens protection: raised, cleared, and mailed at most once an hour, merged.

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::{Trouble, TroubleCode};
use super::time::BootTime;

/// A trouble that is over again within this time is not mailed: a broker that restarts, a cable
/// put back.
const SETTLE: Duration = Duration::from_secs(30);

type Key = (TroubleCode, String);

/// What lessens protection now, and what of it has been told.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Troubles {
    standing: BTreeMap<Key, Standing>,
    /// Over since, and somebody was told that they had begun.
    cleared: BTreeMap<Key, BootTime>,
}

#[derive(Debug, Clone, PartialEq)]
struct Standing {
    text: String,
    since: BootTime,
    told: bool,
}

/// What a mail of troubles says.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct News {
    pub(super) raised: Vec<(TroubleCode, String, String)>,
    pub(super) cleared: Vec<(TroubleCode, String)>,
}

impl Troubles {
    /// A trouble began, or says something new. `true` if it is new.
    pub(super) fn raise(&mut self, trouble: Trouble, now: BootTime) -> bool {
        let key = (trouble.code, trouble.subject);
        if let Some(standing) = self.standing.get_mut(&key) {
            standing.text = trouble.text;
            return false;
        }
        // Back again before its end was told: as if it had never gone.
        let told = self.cleared.remove(&key).is_some();
        self.standing.insert(
            key,
            Standing {
                text: trouble.text,
                since: now,
                told,
            },
        );
        true
    }

    /// A trouble is over. `true` if there was one.
    pub(super) fn clear(&mut self, code: TroubleCode, subject: &str, now: BootTime) -> bool {
        let key = (code, subject.to_owned());
        let Some(standing) = self.standing.remove(&key) else {
            return false;
        };
        if standing.told {
            self.cleared.insert(key, now);
        }
        true
    }

    /// All that stand, with their beginnings.
    pub(super) fn list(&self) -> Vec<(Trouble, BootTime)> {
        self.standing
            .iter()
            .map(|((code, subject), standing)| {
                let trouble = Trouble {
                    code: *code,
                    subject: subject.clone(),
                    text: standing.text.clone(),
                };
                (trouble, standing.since)
            })
            .collect()
    }

    /// When the next mail is due.
    pub(super) fn mail_due(&self, not_before: Option<BootTime>) -> Option<BootTime> {
        let raised = self
            .standing
            .values()
            .filter(|standing| !standing.told)
            .map(|standing| standing.since + SETTLE);
        let cleared = self.cleared.values().map(|at| *at + SETTLE);
        let earliest = raised.chain(cleared).min()?;
        Some(not_before.map_or(earliest, |not_before| earliest.max(not_before)))
    }

    /// Everything that nobody was told yet; counts as told from now on. Once a mail goes, because
    /// something has settled, what began just before goes with it: the next is an hour away.
    pub(super) fn take_news(&mut self, now: BootTime) -> News {
        let mut news = News::default();
        for ((code, subject), standing) in &mut self.standing {
            if !standing.told {
                standing.told = true;
                news.raised
                    .push((*code, subject.clone(), standing.text.clone()));
            }
        }
        self.cleared.retain(|(code, subject), at| {
            let settled = *at + SETTLE <= now;
            if settled {
                news.cleared.push((*code, subject.clone()));
            }
            !settled
        });
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent(subject: &str) -> Trouble {
        Trouble {
            code: TroubleCode::SensorSilent,
            subject: subject.into(),
            text: "no sign of life".into(),
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);
    const fn at(secs: u64) -> BootTime {
        BootTime::from_secs(secs)
    }

    #[test]
    fn a_trouble_that_is_over_at_once_is_never_mailed() {
        let mut troubles = Troubles::default();
        assert!(troubles.raise(silent("garage"), at(10)));
        assert!(troubles.clear(TroubleCode::SensorSilent, "garage", at(20)));
        assert_eq!(troubles.mail_due(None), None);
    }

    #[test]
    fn troubles_are_merged_into_one_mail_an_hour() {
        let mut troubles = Troubles::default();
        troubles.raise(silent("garage"), at(10));
        troubles.raise(silent("hall"), at(12));
        assert_eq!(troubles.mail_due(None), Some(at(40)));
        assert_eq!(troubles.take_news(at(42)).raised.len(), 2);
        troubles.raise(silent("cellar"), at(60));
        assert_eq!(troubles.mail_due(Some(at(42) + HOUR)), Some(at(3642)));
    }

    #[test]
    fn what_began_just_before_the_mail_goes_with_it_and_does_not_wait_for_an_hour() {
        let mut troubles = Troubles::default();
        troubles.raise(silent("garage"), at(10));
        troubles.raise(silent("hall"), at(39));
        assert_eq!(troubles.mail_due(None), Some(at(40)));
        assert_eq!(troubles.take_news(at(40)).raised.len(), 2);
        assert_eq!(troubles.mail_due(Some(at(40) + HOUR)), None);
    }

    #[test]
    fn an_end_is_told_only_if_the_beginning_was() {
        let mut troubles = Troubles::default();
        troubles.raise(silent("garage"), at(10));
        troubles.take_news(at(40));
        troubles.clear(TroubleCode::SensorSilent, "garage", at(50));
        let news = troubles.take_news(at(80));
        assert_eq!(
            news.cleared,
            [(TroubleCode::SensorSilent, "garage".to_owned())]
        );
        assert_eq!(troubles.mail_due(None), None);
    }

    #[test]
    fn a_trouble_that_flaps_is_told_once() {
        let mut troubles = Troubles::default();
        troubles.raise(silent("garage"), at(10));
        troubles.take_news(at(40));
        troubles.clear(TroubleCode::SensorSilent, "garage", at(50));
        troubles.raise(silent("garage"), at(55));
        assert_eq!(troubles.mail_due(None), None);
    }
}
