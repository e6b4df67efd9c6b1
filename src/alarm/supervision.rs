//! Is every sensor still there, and can what it says be true?

use std::time::Duration;

use super::action::{About, Action, Notice};
use super::event::{Trouble, TroubleCode};
use super::policy::{SensorKind, SensorName, SensorPolicy};
use super::step::Alarm;
use super::time::BootTime;

/// A raw value at the end of the scale for so long is a broken wire, not air.
const STUCK_AFTER: Duration = Duration::from_secs(60);
/// An MQ-6's value always trembles; one that does not for so long is not measured.
const FROZEN_AFTER: Duration = Duration::from_secs(3600);
/// The ends of an ESP8266's ten-bit converter.
const RAW_ENDS: [u16; 2] = [0, 1023];

impl Alarm {
    /// A sign of life.
    pub(super) fn heard(&mut self, sensor: &SensorPolicy, now: BootTime, out: &mut Vec<Action>) {
        let Some(sensing) = self.volatile.sensing.get_mut(&sensor.name) else {
            return;
        };
        sensing.heard = now;
        let was_silent = sensing.silent.take().is_some();
        // Also when the silence was that of an earlier run.
        if let Some(marks) = self.durable.marks.get_mut(&sensor.name) {
            marks.unwatched_told = false;
        }
        if was_silent {
            self.clear(TroubleCode::SensorSilent, sensor.name.as_str(), now, out);
        }
    }

    /// Its device is gone, or it has sent nothing for too long.
    pub(super) fn silent(&mut self, name: &SensorName, now: BootTime, out: &mut Vec<Action>) {
        let Some(sensing) = self.volatile.sensing.get_mut(name) else {
            return;
        };
        if sensing.silent.is_some() {
            return;
        }
        sensing.silent = Some(now);
        // Nobody knows what it does now: what it says when it comes back is news.
        sensing.level = None;
        sensing.forget_activity();
        let text = format!(
            "no sign of life from the sensor \"{name}\": neither fine nor alarmed; \
             look at its power and its connection"
        );
        self.raise(
            Trouble {
                code: TroubleCode::SensorSilent,
                subject: name.as_str().into(),
                text,
            },
            now,
            out,
        );
    }

    pub(super) fn silence_deadline(&self, sensor: &SensorPolicy) -> Option<BootTime> {
        let sensing = self.sensing(&sensor.name)?;
        match sensing.silent {
            None => Some(sensing.heard + sensor.silent_after?),
            Some(since) => {
                let told = self
                    .durable
                    .marks
                    .get(&sensor.name)
                    .is_some_and(|marks| marks.unwatched_told);
                let announce = sensor.kind == SensorKind::Gas && !told;
                announce.then(|| since + sensor.unwatched_call_after)
            }
        }
    }

    pub(super) fn silence_due(
        &mut self,
        sensor: &SensorPolicy,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        let Some(sensing) = self.sensing(&sensor.name) else {
            return;
        };
        if sensing.silent.is_none() {
            self.silent(&sensor.name, now, out);
            return;
        }
        let silent_seconds = now.since(sensing.heard).as_secs();
        self.marks(&sensor.name).unwatched_told = true;
        let about = About::Unwatched {
            sensor: sensor.name.clone(),
            silent_seconds,
        };
        let notice = Notice::plain(about, now);
        out.push(Action::Send(notice.clone()));
        self.call(None, notice, out);
    }

    /// Begins a phone ladder, if there is a telephone.
    pub(super) fn call(
        &self,
        incident: Option<super::incident::IncidentId>,
        notice: Notice,
        out: &mut Vec<Action>,
    ) {
        if let Some(phone) = &self.policy.phone {
            out.push(Action::Call {
                incident,
                notice,
                rungs: phone.rungs.clone(),
                rounds: phone.rounds,
                ack_time: phone.ack_time,
            });
        }
    }

    /// When a raw value that does not move becomes unbelievable.
    pub(super) fn implausible_deadline(&self, sensor: &SensorPolicy) -> Option<BootTime> {
        let sensing = self.sensing(&sensor.name)?;
        let (raw, since) = sensing.frozen()?;
        if sensing.silent.is_some() {
            return None; // it says nothing at all, which is worse and told
        }
        let after = if RAW_ENDS.contains(&raw) {
            STUCK_AFTER
        } else {
            FROZEN_AFTER
        };
        Some(since + after).filter(|due| *due > self.volatile.now)
    }

    /// Raises or clears `sensor-implausible` by the raw value as it is now.
    pub(super) fn check_plausible(
        &mut self,
        sensor: &SensorPolicy,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        let name = sensor.name.as_str();
        let Some((raw, since)) = self.sensing(&sensor.name).and_then(|s| s.frozen()) else {
            return;
        };
        let stuck = RAW_ENDS.contains(&raw) && now.since(since) >= STUCK_AFTER;
        let frozen = now.since(since) >= FROZEN_AFTER;
        if stuck || frozen {
            let text = format!(
                "the sensor \"{name}\" has said {raw} for {} minutes, which cannot be; \
                 look at its wires and its heater",
                now.since(since).as_secs() / 60
            );
            self.raise(
                Trouble {
                    code: TroubleCode::SensorImplausible,
                    subject: name.into(),
                    text,
                },
                now,
                out,
            );
        } else {
            self.clear(TroubleCode::SensorImplausible, name, now, out);
        }
    }
}
