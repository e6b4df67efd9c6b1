//! The gas machine. Nothing of intrusion touches it: no mode, no pause, no delay.

use std::time::Duration;

use super::action::{Action, Effect, Record};
use super::event::TroubleCode;
use super::incident::{Ending, Incident, IncidentId, IncidentKind};
use super::ladder::Calls;
use super::policy::SensorPolicy;
use super::state::{Fan, Open};
use super::step::Alarm;
use super::time::BootTime;

/// A house without an exhaust fan: the gas incident ends when all has been clear for so long.
const RUN_ON_WITHOUT_FAN: Duration = Duration::from_secs(300);

impl Alarm {
    pub(super) fn gas_incident_id(&self) -> Option<IncidentId> {
        self.durable.gas.open.as_ref().map(|open| open.incident.id)
    }

    /// The buzzer sounds while there is gas, or nobody knows, until somebody silences it.
    pub(super) fn gas_sounds(&self) -> bool {
        let gas = &self.durable.gas;
        gas.open.is_some() && !gas.silenced && !self.all_clear_known(gas.sensors.iter())
    }

    fn run_on(&self) -> Duration {
        self.policy
            .exhaust
            .as_ref()
            .map_or(RUN_ON_WITHOUT_FAN, |exhaust| exhaust.run_on)
    }

    /// A gas sensor's level has changed. The fan goes on in this very step, warm-up or not, and
    /// whatever filters the sensor has: they are for calls.
    pub(super) fn gas_level(
        &mut self,
        sensor: &SensorPolicy,
        active: bool,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        if !active || sensor.soak {
            return;
        }
        self.ventilate(sensor, now);
        if self.warm_up_end(sensor).is_some_and(|end| now < end) {
            self.record_trigger(self.gas_incident_id(), sensor, Effect::WarmUp, out);
        }
    }

    fn ventilate(&mut self, sensor: &SensorPolicy, now: BootTime) {
        let gas = &mut self.durable.gas;
        gas.fan.get_or_insert(Fan {
            since: now,
            earlier: Duration::ZERO,
            off_at: None,
            long_told: false,
        });
        gas.sensors.insert(sensor.name.clone());
    }

    /// The filters have let gas through, and the sensor is warm: people are told.
    pub(super) fn gas_counted(
        &mut self,
        sensor: &SensorPolicy,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        if sensor.soak {
            self.record_trigger(self.gas_incident_id(), sensor, Effect::Soak, out);
            return;
        }
        self.ventilate(sensor, now);
        if let Some(mut open) = self.durable.gas.open.take() {
            if open.count(sensor, now) {
                self.durable.gas.silenced = false; // gas in another room is news
            }
            self.record_trigger(Some(open.incident.id), sensor, Effect::Gas, out);
            out.push(Action::Save(open.incident.clone()));
            self.durable.gas.open = Some(open);
            return;
        }
        let id = self.next_incident_id();
        let mode = self.durable.panel.mode();
        let kind = IncidentKind::Gas;
        let incident = Incident::begin(id, kind, mode, sensor.name.clone(), sensor.kind, now);
        let mut open = Open::new(incident, Vec::new());
        self.take_photos(&open, self.policy.burst.min(1), out);
        self.record(
            Some(id),
            Record::IncidentOpened {
                incident_kind: kind,
                sensor: sensor.name.clone(),
            },
            out,
        );
        self.record_trigger(Some(id), sensor, Effect::Gas, out);
        self.tell_alarm(&mut open, sensor, now, out);
        let notice = self.alarm_notice(&open, sensor, now);
        self.call(Some(id), notice, out);
        self.durable.gas.call_again = self.next_call(now);
        out.push(Action::Save(open.incident.clone()));
        out.push(Action::SaveRecording(self.recording(&open.incident)));
        self.durable.gas.open = Some(open);
    }

    fn next_call(&self, now: BootTime) -> Option<BootTime> {
        let every = self.policy.phone.as_ref()?.gas_again_every;
        (!every.is_zero()).then(|| now + every)
    }

    /// The run-on counts from when every sensor that reported gas says that it is clear. Silent
    /// is not clear. A sensor that has said nothing since a restart neither starts nor stops it.
    pub(super) fn settle_gas(&mut self, now: BootTime) {
        let names = &self.durable.gas.sensors;
        let clear = self.all_clear_known(names.iter());
        let unknown_only = names.iter().all(|name| {
            self.sensing(name)
                .is_some_and(|s| s.silent.is_none() && s.level != Some(true))
        });
        let off_at = now + self.run_on();
        if let Some(fan) = &mut self.durable.gas.fan {
            if clear {
                fan.off_at.get_or_insert(off_at);
            } else if !unknown_only {
                fan.off_at = None;
            }
        }
    }

    pub(super) fn gas_deadline(&self) -> Option<BootTime> {
        let gas = &self.durable.gas;
        let off = self.fan_off_due();
        let long = gas.fan.as_ref().and_then(|fan| {
            let exhaust = self.policy.exhaust.as_ref()?;
            (!fan.long_told).then(|| fan.since + exhaust.max_run.saturating_sub(fan.earlier))
        });
        let mail = gas.open.as_ref().and_then(|open| self.follow_up_due(open));
        [off, long, mail, gas.call_again]
            .into_iter()
            .flatten()
            .min()
    }

    fn fan_off_due(&self) -> Option<BootTime> {
        let fan = self.durable.gas.fan.as_ref()?;
        fan.off_at
            .filter(|_| self.all_clear_known(self.durable.gas.sensors.iter()))
    }

    pub(super) fn gas_due(&mut self, at: BootTime, out: &mut Vec<Action>) {
        if let Some(mut open) = self.durable.gas.open.take() {
            self.follow_up(&mut open, at, out);
            self.durable.gas.open = Some(open);
        }
        if self.durable.gas.call_again.is_some_and(|due| due <= at) {
            self.call_again(at, out);
        }
        let max_run = self.policy.exhaust.as_ref().map(|exhaust| exhaust.max_run);
        if let (Some(fan), Some(max_run)) = (&mut self.durable.gas.fan, max_run)
            && !fan.long_told
            && fan.ran(at) >= max_run
        {
            fan.long_told = true;
            let text = format!(
                "the exhaust fan has run for {} minutes and stays on while there is gas; \
                 look for the leak, and at the sensor",
                fan.ran(at).as_secs() / 60
            );
            self.raise(
                Self::trouble(TroubleCode::ExhaustLong, "exhaust", text),
                at,
                out,
            );
        }
        if self.fan_off_due().is_some_and(|due| due <= at) {
            self.gas_over(at, out);
        }
    }

    /// Nobody has acknowledged: call again, unless there is no gas at this moment.
    fn call_again(&mut self, now: BootTime, out: &mut Vec<Action>) {
        let gas = &self.durable.gas;
        let clear = self.all_clear_known(gas.sensors.iter());
        let open = (gas.open.as_ref()).filter(|open| open.incident.wants_attention());
        let Some(open) = open else {
            self.durable.gas.call_again = None;
            return;
        };
        let cause = open.incident.causes.first().map(|cause| &cause.sensor);
        if let Some(sensor) = cause.and_then(|name| self.policy.sensor(name))
            && !clear
        {
            let notice = self.alarm_notice(open, sensor, now);
            self.call(Some(open.incident.id), notice, out);
        }
        self.durable.gas.call_again = self.next_call(now);
    }

    /// Clear, and the run-on is over: fan off, no more calls, all-clear.
    fn gas_over(&mut self, now: BootTime, out: &mut Vec<Action>) {
        let open = self.durable.gas.open.take();
        self.durable.gas = super::state::Gas::default();
        self.clear(TroubleCode::ExhaustLong, "exhaust", now, out);
        if let Some(mut open) = open {
            out.push(Action::StopCalls {
                whose: Calls::Of(open.incident.id),
            });
            let about = self.all_clear(&open, now);
            self.end_incident(&mut open, Ending::Cleared, about, now, out);
        }
    }
}
