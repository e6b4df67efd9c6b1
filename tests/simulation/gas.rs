//! What the fan has to do, told from the readings alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A timer wakes a millisecond late.
const LATE: Duration = Duration::from_millis(2);

/// The fan as it has to be.
pub(crate) struct GasWatch {
    run_on: Duration,
    /// Sensors that reported gas since the fan was off.
    reported: BTreeSet<&'static str>,
    /// Since when each says that it is clear.
    clear_since: BTreeMap<&'static str, Duration>,
    /// What each has said in this life, and since when it has said so; silent ones are not in it.
    said: BTreeMap<&'static str, (bool, Duration)>,
    on: bool,
}

impl GasWatch {
    pub(crate) fn new(run_on: Duration) -> GasWatch {
        GasWatch {
            run_on,
            reported: BTreeSet::new(),
            clear_since: BTreeMap::new(),
            said: BTreeMap::new(),
            on: false,
        }
    }

    /// The process starts, with this in its store: who reported gas, and what was left of the
    /// run-on. A reading that was not committed is forgotten with the process.
    pub(crate) fn restarts(
        &mut self,
        reported: BTreeSet<&'static str>,
        off_in: Option<Duration>,
        now: Duration,
    ) {
        self.said.clear();
        self.clear_since.clear();
        if let Some(off_in) = off_in {
            let since = (now + off_in).saturating_sub(self.run_on);
            self.clear_since
                .extend(reported.iter().map(|name| (*name, since)));
        }
        self.reported = reported;
        self.on = false;
    }

    pub(crate) fn says(&mut self, name: &'static str, gas: bool, now: Duration) {
        if gas {
            self.reported.insert(name);
            self.clear_since.remove(name);
        } else {
            self.clear_since.entry(name).or_insert(now);
        }
        let said = self.said.entry(name).or_insert((gas, now));
        if said.0 != gas {
            *said = (gas, now);
        }
    }

    pub(crate) fn silent(&mut self, name: &'static str) {
        if self.said.remove(name).is_some() {
            self.clear_since.remove(name);
        }
    }

    /// What is wrong with the fan at this moment, if something is. `sensors`: all of the house.
    pub(crate) fn check(
        &mut self,
        on: bool,
        now: Duration,
        sensors: &[&'static str],
    ) -> Option<String> {
        let was = std::mem::replace(&mut self.on, on);
        if let Some((name, _)) = self.said.iter().find(|(_, (gas, _))| *gas && !on) {
            return Some(format!("{name} reports gas, and the fan is off"));
        }
        if was && !on {
            for name in std::mem::take(&mut self.reported) {
                let clear = self
                    .clear_since
                    .get(name)
                    .map(|since| now.saturating_sub(*since));
                if clear.is_none_or(|clear| clear + LATE < self.run_on) {
                    return Some(format!("the fan is off, and {name} is clear for {clear:?}"));
                }
            }
        }
        if on {
            let clear = |name| self.said.get(name).filter(|(gas, _)| !gas);
            let since = sensors
                .iter()
                .map(|name| clear(*name).map(|(_, since)| *since));
            let all: Option<Vec<Duration>> = since.collect();
            let since = all.and_then(|since| since.into_iter().max());
            if let Some(since) = since
                && now > since + self.run_on + LATE
            {
                return Some(format!("all is clear since {since:?}, and the fan runs on"));
            }
        }
        None
    }
}
