//! What the panel finds: at its start, and after a change of the policy.

use super::action::{About, Action, Notice, Pattern, Record};
use super::event::{Started, StoreFound, Trouble, TroubleCode};
use super::policy::{Mode, Policy, SensorKind, SensorName};
use super::sensing::Sensing;
use super::state::{BootReport, Panel};
use super::step::Alarm;
use super::time::BootTime;
use std::time::Duration;

/// Sensors have said what they see so long after the start; then the boot report leaves.
const BOOT_REPORT_AFTER: Duration = Duration::from_secs(5);

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
        if started.new_boot && started.store != StoreFound::Fresh {
            self.volatile.boot_report = Some(BootReport {
                due: now + BOOT_REPORT_AFTER,
                gap_seconds: started.gap.map(|gap| gap.as_secs()),
                waiting: started.waiting,
            });
        }
    }

    pub(super) fn report_boot(&self, report: &BootReport, now: BootTime, out: &mut Vec<Action>) {
        let active = self
            .policy
            .sensors
            .iter()
            .filter(|sensor| self.sensing(&sensor.name).is_some_and(Sensing::is_active))
            .map(|sensor| sensor.name.clone())
            .collect();
        let incidents = [&self.durable.intrusion, &self.durable.gas.open]
            .into_iter()
            .flatten()
            .map(|open| open.incident.id)
            .collect();
        let about = About::BootReport {
            state: self.durable.panel.name().into(),
            incidents,
            active,
            waiting: report.waiting,
            gap_seconds: report.gap_seconds,
        };
        out.push(Action::Send(Notice::plain(about, now)));
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
