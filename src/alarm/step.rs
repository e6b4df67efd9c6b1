//! One step: an event and its time go in, actions come out.

use super::access::{Factor, Try};
use super::action::{About, Action, Effect, Notice, Pattern, Record};
use super::event::{Actor, Event, Right, Trouble, TroubleCode};
use super::incident::IncidentId;
use super::policy::{Policy, SensorPolicy};
use super::state::{Durable, Panel, Volatile};
use super::status::Answer;
use super::time::BootTime;

/// More deadlines than these do not fall due at one moment.
const TURNS_AT_ONCE: u32 = 1_000;

/// Both machines with all they know. Decides everything, does nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    pub(super) policy: Policy,
    pub(super) durable: Durable,
    pub(super) volatile: Volatile,
}

impl Alarm {
    /// An alarm that wakes up in `durable`; see [`Durable::rebase`] for another boot. The first
    /// event must be [`Event::Started`].
    pub fn new(policy: Policy, durable: Durable, now: BootTime) -> Self {
        let mut alarm = Alarm {
            policy,
            durable,
            volatile: Volatile {
                now,
                started: now,
                ..Volatile::default()
            },
        };
        alarm.know_sensors(now);
        alarm
    }

    /// What must survive.
    pub fn durable(&self) -> &Durable {
        &self.durable
    }

    /// What the owner decided.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Something happened. Deadlines due at or before `at` run first. A time before the latest
    /// one counts as the latest one; only a sensor shows its own.
    pub fn step(&mut self, event: Event, at: BootTime, out: &mut Vec<Action>) -> Answer {
        let now = at.max(self.volatile.now);
        self.run_deadlines(now, out);
        self.volatile.now = now;
        let answer = match event {
            Event::Started(started) => {
                self.started(&started, now, out);
                Answer::Done
            }
            Event::Reading(reading) => {
                self.reading(reading, at, now, out);
                Answer::Done
            }
            Event::Lost { sensor } => {
                self.silent(&sensor, now, out);
                Answer::Done
            }
            Event::Command { command, by } => self.command(command, by, now, out),
            Event::Shown {
                factor,
                who,
                origin,
                duress,
            } => {
                let by = Actor {
                    right: Right::Guest,
                    ..Actor::owner(origin)
                };
                let tried = Try {
                    factor,
                    who,
                    duress,
                    by,
                    asks: None,
                };
                self.tried(tried, now, out)
            }
            Event::Typed {
                command,
                by,
                who,
                duress,
            } => {
                let tried = Try {
                    factor: Factor::Pin,
                    who,
                    duress,
                    by,
                    asks: Some(command),
                };
                self.tried(tried, now, out)
            }
            Event::PhotoTaken { incident, photo } => {
                self.photo(incident, Ok(photo), out);
                Answer::Done
            }
            Event::PhotoFailed { incident, why } => {
                self.photo(incident, Err(why), out);
                Answer::Done
            }
            Event::NobodyAnswered { incident } => {
                self.nobody_answered(incident, now, out);
                Answer::Done
            }
            Event::TroubleRaised(trouble) => {
                self.raise(trouble, now, out);
                Answer::Done
            }
            Event::TroubleCleared { code, subject } => {
                self.clear(code, &subject, now, out);
                Answer::Done
            }
            Event::Away(away) => {
                self.away(away, now);
                Answer::Done
            }
            Event::PolicyChanged(policy) => {
                self.policy_changed(*policy, now, out);
                Answer::Done
            }
            Event::Tick => Answer::Done,
        };
        self.settle(now, out);
        answer
    }

    /// When `step` must be called again with [`Event::Tick`], whatever else happens.
    pub fn deadline(&self) -> Option<BootTime> {
        let troubles = self
            .volatile
            .troubles
            .mail_due(self.durable.no_trouble_mail_before);
        [
            self.volatile.relay_test,
            self.volatile.walk_test,
            self.boot_report_due(),
            troubles,
            self.intrusion_deadline(),
            self.gas_deadline(),
            self.access_deadline(),
        ]
        .into_iter()
        .flatten()
        .chain(
            self.policy
                .sensors
                .iter()
                .filter_map(|sensor| self.sensor_deadline(sensor)),
        )
        .min()
    }

    /// Runs what is due, in the order in which it was due.
    fn run_deadlines(&mut self, now: BootTime, out: &mut Vec<Action>) {
        let mut turns_at = (BootTime::ZERO, 0);
        while let Some(due) = self.deadline().filter(|due| *due <= now) {
            // One deadline may make another fall due at the same time (a delay of zero), but not
            // for ever: the panel must turn, whatever is wrong with a deadline.
            turns_at = (due, if turns_at.0 == due { turns_at.1 + 1 } else { 0 });
            if turns_at.1 > TURNS_AT_ONCE {
                break;
            }
            // A deadline may lie in the past of the last event (a policy that became shorter).
            let at = due.max(self.volatile.now);
            self.tick(at, out);
            self.settle(at, out);
            self.volatile.now = at;
        }
    }

    fn tick(&mut self, at: BootTime, out: &mut Vec<Action>) {
        let passed = |due: Option<BootTime>| due.is_some_and(|due| due <= at);
        for sensor in self.policy.sensors.clone() {
            if passed(self.sensor_deadline(&sensor)) {
                self.sensor_due(&sensor, at, out);
            }
        }
        if passed(self.intrusion_deadline()) {
            self.intrusion_due(at, out);
        }
        if passed(self.gas_deadline()) {
            self.gas_due(at, out);
        }
        if passed(self.access_deadline()) {
            self.access_due(at, out);
        }
        if passed(self.volatile.relay_test) {
            self.volatile.relay_test = None;
        }
        if passed(self.volatile.walk_test) {
            self.end_walk_test(out);
        }
        if passed(self.boot_report_due()) {
            self.report_boot(out);
        }
        let troubles = self
            .volatile
            .troubles
            .mail_due(self.durable.no_trouble_mail_before);
        if passed(troubles) {
            let news = self.volatile.troubles.take_news(at);
            self.durable.no_trouble_mail_before = Some(at + self.policy.trouble_mail_every);
            let about = About::Troubles {
                raised: news.raised,
                cleared: news.cleared,
            };
            out.push(Action::Send(Notice::plain(about, at)));
        }
    }

    /// What follows from the state: outputs, and deadlines that depend on levels.
    fn settle(&mut self, now: BootTime, out: &mut Vec<Action>) {
        self.settle_intrusion(now);
        self.settle_gas(now);
        let buzzer = self.wanted_buzzer();
        if buzzer != self.volatile.buzzer {
            self.volatile.buzzer = buzzer;
            out.push(Action::Buzzer(buzzer));
        }
        let exhaust = self.durable.gas.fan.is_some() || self.volatile.relay_test.is_some();
        if self.volatile.exhaust != Some(exhaust) {
            let known = self.volatile.exhaust.replace(exhaust).is_some();
            out.push(Action::Exhaust(exhaust));
            if (known || exhaust) && self.policy.exhaust.is_some() {
                self.record(self.gas_incident_id(), Record::Exhaust { on: exhaust }, out);
            }
        }
    }

    fn wanted_buzzer(&self) -> Option<Pattern> {
        if self.gas_sounds() {
            return Some(Pattern::Gas);
        }
        match &self.durable.panel {
            Panel::Triggered { siren: Some(_), .. } => Some(Pattern::Alarm),
            Panel::Pending { .. } => Some(Pattern::EntryDelay),
            Panel::Arming { .. } => Some(Pattern::ExitDelay),
            Panel::Disarmed
            | Panel::Armed { .. }
            | Panel::Paused { .. }
            | Panel::Triggered { siren: None, .. } => None,
        }
    }

    pub(super) fn record(&self, incident: Option<IncidentId>, what: Record, out: &mut Vec<Action>) {
        out.push(Action::Record { incident, what });
    }

    pub(super) fn record_state(&self, from: &str, by: Option<&Actor>, out: &mut Vec<Action>) {
        let to = self.durable.panel.name();
        if from != to {
            self.record(
                self.intrusion_incident_id(),
                Record::State {
                    from: from.into(),
                    to: to.into(),
                    by: by.cloned(),
                },
                out,
            );
        }
    }

    pub(super) fn record_trigger(
        &self,
        incident: Option<IncidentId>,
        sensor: &SensorPolicy,
        effect: Effect,
        out: &mut Vec<Action>,
    ) {
        self.record(
            incident,
            Record::Trigger {
                sensor: sensor.name.clone(),
                sensor_kind: sensor.kind,
                effect,
            },
            out,
        );
    }

    pub(super) fn raise(&mut self, trouble: Trouble, now: BootTime, out: &mut Vec<Action>) {
        let Trouble {
            code,
            subject,
            text,
        } = trouble.clone();
        if code == TroubleCode::GivenUp {
            let standing = &mut self.durable.given_up;
            standing.insert(subject.clone(), text.clone());
        }
        if self.volatile.troubles.raise(trouble, now) {
            self.record(
                None,
                Record::TroubleRaised {
                    code,
                    subject,
                    text,
                },
                out,
            );
        }
    }

    pub(super) fn clear(
        &mut self,
        code: TroubleCode,
        subject: &str,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        if code == TroubleCode::GivenUp {
            self.durable.given_up.remove(subject);
        }
        if self.volatile.troubles.clear(code, subject, now) {
            self.record(
                None,
                Record::TroubleCleared {
                    code,
                    subject: subject.into(),
                },
                out,
            );
        }
    }
}

impl Notice {
    /// A notice that belongs to no incident and waits for no photo.
    pub fn plain(about: About, happened: BootTime) -> Self {
        Notice {
            about,
            incident: None,
            happened,
            wait_for_photo: None,
            photos: Vec::new(),
        }
    }
}

#[cfg(test)]
impl Alarm {
    /// The level of a sensor, for tests.
    pub(crate) fn level(&self, name: &super::policy::SensorName) -> Option<bool> {
        self.sensing(name)?.level
    }
}
