//! What the panel finds: at its start, and after a change of the policy.

use super::action::{About, Action, Notice, Pattern, Record};
use super::event::{Away, Started, StoreFound, Trouble, TroubleCode};
use super::incident::{IncidentId, IncidentKind};
use super::policy::{Mode, Policy, SensorKind, SensorName};
use super::sensing::Sensing;
use super::state::{DueReport, Panel};
use super::step::Alarm;
use super::time::BootTime;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Sensors have said what they see so long after the start; then the boot report leaves.
const BOOT_REPORT_AFTER: Duration = Duration::from_secs(5);
/// While the clock is not set nobody knows how long power was away, and no certificate is valid:
/// the report waits for the clock, but no longer than this.
const CLOCK_MAY_TAKE: Duration = Duration::from_secs(60);

/// What the service found when it came back. Seconds count back from the start.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootReport {
    /// The panel's state.
    pub state: String,
    /// What was going on.
    pub incidents: Vec<GoingOn>,
    /// Sensors that are active now.
    pub active: Vec<SensorName>,
    /// Messages that still waited.
    pub waiting: u32,
    /// The oldest of them happened so long ago, if that is known.
    pub oldest_seconds: Option<u64>,
    /// Without a sign of life for so long, if that is known.
    pub gap_seconds: Option<u64>,
}

/// An incident that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoingOn {
    /// Its number.
    pub id: IncidentId,
    /// Intrusion or gas.
    pub kind: IncidentKind,
    /// Its sensors, in the order in which they joined.
    pub sensors: Vec<SensorName>,
    /// It began so long ago, if that is known.
    pub since_seconds: Option<u64>,
}

impl Alarm {
    pub(super) fn started(&mut self, started: &Started, now: BootTime, out: &mut Vec<Action>) {
        self.volatile.started = now;
        out.push(Action::Chirp(Pattern::Start));
        let before = self.durable.panel.name();
        if started.store == StoreFound::Unreadable {
            self.durable.panel = Panel::Armed { mode: Mode::Away };
            self.durable.ever_armed = true;
            self.raise(
                Trouble {
                    code: TroubleCode::StateLost,
                    subject: String::new(),
                    text: "the store could not be read at the start, so the panel armed itself \
                           (away); look at the card, and at the file that was put aside"
                        .into(),
                },
                now,
                out,
            );
        }
        if started.arm_away && self.durable.panel == Panel::Disarmed {
            self.durable.panel = Panel::Armed { mode: Mode::Away };
            self.durable.ever_armed = true;
        }
        if !self.durable.ever_armed {
            self.raise(
                Trouble {
                    code: TroubleCode::NeverArmed,
                    subject: String::new(),
                    text: "the panel has never been armed: only gas, tamper and panic are \
                           watched; arm it (asfaleia arm away)"
                        .into(),
                },
                now,
                out,
            );
        }
        self.raise_again(now, out);
        self.raise_tries_again(now, out);
        let state = self.durable.panel.name();
        self.record(
            None,
            Record::Started {
                new_boot: started.new_boot,
                gap_seconds: started.gap.map(|gap| gap.as_secs()),
                state: state.into(),
            },
            out,
        );
        if state != before {
            self.record_state(before, None, out);
        }
        if started.store != StoreFound::Fresh {
            let wait = match started.gap {
                Some(_) => BOOT_REPORT_AFTER,
                None => CLOCK_MAY_TAKE,
            };
            self.volatile.boot_report = Some(DueReport {
                due: Some(now + wait),
                power_was_away: started.new_boot,
                waiting: started.waiting,
                away: Away {
                    gap: started.gap,
                    ..Away::default()
                },
            });
        }
    }

    /// More is known of the time before the start. A report that has left with another gap, or
    /// none, is followed by one that is right.
    pub(super) fn away(&mut self, away: Away, now: BootTime) {
        let soonest = now.max(self.volatile.started + BOOT_REPORT_AFTER);
        if let Some(report) = &mut self.volatile.boot_report {
            if away.gap.is_some() && away.gap != report.away.gap {
                report.due = Some(report.due.map_or(now, |due| due.min(soonest)));
            }
            report.away = away;
        }
    }

    pub(super) fn boot_report_due(&self) -> Option<BootTime> {
        self.volatile.boot_report.as_ref()?.due
    }

    pub(super) fn report_boot(&mut self, out: &mut Vec<Action>) {
        let Some(due) = &mut self.volatile.boot_report else {
            return;
        };
        due.due = None;
        let DueReport {
            power_was_away,
            waiting,
            away,
            ..
        } = due.clone();
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
        let active = (self.policy.sensors.iter())
            .filter(|sensor| self.sensing(&sensor.name).is_some_and(Sensing::is_active))
            .map(|sensor| sensor.name.clone())
            .collect();
        let open = [&self.durable.intrusion, &self.durable.gas.open];
        let incidents = (open.into_iter().flatten())
            .map(|open| GoingOn {
                id: open.incident.id,
                kind: open.incident.kind,
                sensors: (open.incident.causes.iter())
                    .map(|cause| cause.sensor.clone())
                    .collect(),
                since_seconds: (away.incidents.iter())
                    .find(|(id, _)| *id == open.incident.id)
                    .map(|(_, ago)| ago.as_secs()),
            })
            .collect();
        let report = BootReport {
            state: self.durable.panel.name().into(),
            incidents,
            active,
            waiting,
            oldest_seconds: seconds(away.oldest_waiting),
            gap_seconds: seconds(away.gap),
        };
        self.record(None, Record::BootReport(report.clone()), out);
        if power_was_away {
            let about = About::BootReport(report);
            // Its times count back from the start.
            out.push(Action::Send(Notice::plain(about, self.volatile.started)));
        }
    }

    /// Makes the per-sensor state fit the policy.
    pub(super) fn know_sensors(&mut self, now: BootTime) {
        let known = |name: &SensorName| self.policy.sensor(name).is_some();
        self.volatile.sensing.retain(|name, _| known(name));
        self.durable.marks.retain(|name, _| known(name));
        self.durable.gas.sensors.retain(|name| known(name));
        for sensor in &self.policy.sensors {
            self.volatile
                .sensing
                .entry(sensor.name.clone())
                .or_insert_with(|| Sensing::new(now));
        }
    }

    pub(super) fn policy_changed(&mut self, policy: Policy, now: BootTime, out: &mut Vec<Action>) {
        self.policy = policy;
        self.know_sensors(now);
        for (trouble, _) in self.volatile.troubles.list() {
            let of_sensor = matches!(
                trouble.code,
                TroubleCode::SensorSilent
                    | TroubleCode::SensorImplausible
                    | TroubleCode::SensorInhibited
            );
            let known = self.policy.sensor(&trouble.subject.as_str().into());
            if of_sensor && known.is_none() {
                self.clear(trouble.code, &trouble.subject, now, out);
            }
        }
        // A gas sensor that counts from now on may be active already.
        for sensor in self.policy.sensors.clone() {
            let active = self.sensing(&sensor.name).is_some_and(Sensing::is_active);
            let known = self.durable.gas.sensors.contains(&sensor.name);
            if sensor.kind == SensorKind::Gas && active && !sensor.soak && !known {
                self.gas_level(&sensor, true, now, out);
                self.activity(&sensor, now, out);
            }
        }
    }

    /// What lessened protection before the restart, and still does.
    fn raise_again(&mut self, now: BootTime, out: &mut Vec<Action>) {
        let inhibited: Vec<SensorName> = (self.durable.marks.iter())
            .filter(|(_, marks)| marks.inhibited.is_some())
            .map(|(name, _)| name.clone())
            .collect();
        for name in inhibited {
            let text = "it takes no part, as before the restart; arming anew ends that".to_owned();
            self.raise(
                Self::trouble(TroubleCode::SensorInhibited, name.as_str(), text),
                now,
                out,
            );
        }
        for (to, text) in self.durable.given_up.clone() {
            self.raise(Self::trouble(TroubleCode::GivenUp, &to, text), now, out);
        }
        if self
            .durable
            .gas
            .fan
            .as_ref()
            .is_some_and(|fan| fan.long_told)
        {
            let text = "the exhaust fan has run for too long, and runs on".to_owned();
            self.raise(
                Self::trouble(TroubleCode::ExhaustLong, "exhaust", text),
                now,
                out,
            );
        }
    }
}
