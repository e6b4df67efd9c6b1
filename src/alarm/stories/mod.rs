//! What the panel does, told as stories.

use std::time::Duration;

use super::fixtures::{house, sensor};
use super::*;

mod access;
mod drill;
mod gas;
mod intrusion;
mod survival;

/// A house whose clock the test owns, with everything the panel wanted so far.
pub(super) struct House {
    pub(super) alarm: Alarm,
    pub(super) now: BootTime,
    pub(super) actions: Vec<Action>,
}

pub(super) fn anna() -> Actor {
    Actor {
        name: Some("Anna".into()),
        ..Actor::owner(Origin::Dashboard)
    }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

impl House {
    pub(super) fn new(policy: Policy) -> Self {
        let now = BootTime::from_secs(1_000);
        let mut house = House {
            alarm: Alarm::new(policy, Durable::default(), now),
            now,
            actions: Vec::new(),
        };
        house.event(Event::Started(Started {
            new_boot: false,
            store: StoreFound::Fresh,
            gap: None,
            waiting: 0,
            arm_away: false,
        }));
        house
    }

    pub(super) fn event(&mut self, event: Event) -> Answer {
        self.alarm.step(event, self.now, &mut self.actions)
    }

    pub(super) fn command(&mut self, command: Command) -> Answer {
        self.event(Event::Command {
            command,
            by: anna(),
        })
    }

    fn reads(&mut self, sensor: &str, active: bool) {
        self.event(Event::Reading(Reading::seen(sensor, active)));
    }

    /// Time passes; deadlines run when they are due, and nothing else happens.
    pub(super) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.alarm.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.event(Event::Tick);
        }
        self.now = end;
        self.event(Event::Tick);
    }

    /// Time passes while the gas sensor goes on saying the same.
    fn wait_with_gas(&mut self, time: Duration, gas: bool) {
        for _ in 0..time.as_secs() {
            self.wait(secs(1));
            self.reads("kitchen gas", gas);
        }
    }

    fn armed(mode: Mode) -> Self {
        Self::armed_with(house(), mode)
    }

    fn armed_with(policy: Policy, mode: Mode) -> Self {
        let mut house = House::new(policy);
        house.reads("kitchen gas", false);
        house.command(Command::Arm { mode, force: false });
        house.wait_with_gas(secs(30), false);
        assert_eq!(house.state(), mode.state_name());
        house.actions.clear();
        house
    }

    fn state(&self) -> &'static str {
        self.alarm.status().state
    }

    fn did(&self, wanted: &Action) -> bool {
        self.actions.contains(wanted)
    }

    fn mails(&self) -> Vec<&Notice> {
        self.actions
            .iter()
            .filter_map(|action| match action {
                Action::Send(notice) => Some(notice),
                _ => None,
            })
            .collect()
    }

    fn calls(&self) -> usize {
        let call = |action: &&Action| matches!(action, Action::Call { .. });
        self.actions.iter().filter(call).count()
    }

    fn records(&self, wanted: impl Fn(&Record) -> bool) -> usize {
        self.actions
            .iter()
            .filter(|action| matches!(action, Action::Record { what, .. } if wanted(what)))
            .count()
    }

    fn sensor(&self, name: &str) -> SensorState {
        let status = self.alarm.status();
        let sensor = status.sensors.iter().find(|s| s.name.as_str() == name);
        sensor.expect("the sensor exists").state
    }
}
