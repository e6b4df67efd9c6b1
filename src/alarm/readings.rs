//! From a reading to "this counts", and when a sensor takes no part.

use super::action::{Action, Effect, Pattern, Record};
use super::event::{Reading, Trouble, TroubleCode};
use super::policy::{PowerOn, SensorKind, SensorName, SensorPolicy};
use super::sensing::Sensing;
use super::state::{Inhibition, Marks, Panel, Seen};
use super::step::Alarm;
use super::time::BootTime;

/// Readings that are remembered, to explain an alarm.
const SEEN_AT_MOST: usize = 1_024;

impl Alarm {
    pub(super) fn sensing(&self, name: &SensorName) -> Option<&Sensing> {
        self.volatile.sensing.get(name)
    }

    pub(super) fn marks(&mut self, name: &SensorName) -> &mut Marks {
        self.durable.marks.entry(name.clone()).or_default()
    }

    pub(super) fn is_inhibited(&self, name: &SensorName) -> bool {
        self.durable
            .marks
            .get(name)
            .is_some_and(|marks| marks.inhibited.is_some())
    }

    /// A sensor says something, as it was at `read`.
    pub(super) fn reading(
        &mut self,
        reading: Reading,
        read: BootTime,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        let Reading {
            sensor: name,
            active,
            found,
            raw,
        } = reading;
        let Some(sensor) = self.policy.sensor(&name).cloned() else {
            return; // of a configuration that is no longer in force
        };
        if sensor.power_on == PowerOn::FirstReading && !sensor.warm_up.is_zero() {
            self.marks(&name).powered.get_or_insert(now);
        }
        self.heard(&sensor, now, out);
        let Some(sensing) = self.volatile.sensing.get_mut(&name) else {
            return;
        };
        if let Some(raw) = raw {
            sensing.raw(raw, now);
        }
        // A motion seen now is news, although an old one was found before.
        let news = active && !found && sensor.kind.is_momentary() && sensing.only_found;
        let changed = sensing.level(active, read, now) || news;
        sensing.only_found = found && active && (changed || sensing.only_found);
        if raw.is_some() {
            self.check_plausible(&sensor, now, out);
        }
        if !changed {
            return;
        }
        self.remember(&name, active, found, now);
        if sensor.kind == SensorKind::Gas {
            self.gas_level(&sensor, active, now, out);
        }
        if !active {
            self.closed(&name, now, out);
        } else if !(found && (sensor.kind.is_momentary() || self.has_counted(&name))) {
            self.activity(&sensor, now, out);
        }
    }

    /// The sensor is part of the entry delay or incident that goes on: a level found after a
    /// restart tells nothing new of it.
    fn has_counted(&self, name: &SensorName) -> bool {
        let sensed = match &self.durable.panel {
            Panel::Pending { sensed, .. } => sensed.iter().any(|cause| cause.sensor == *name),
            Panel::Disarmed
            | Panel::Arming { .. }
            | Panel::Armed { .. }
            | Panel::Paused { .. }
            | Panel::Triggered { .. } => false,
        };
        sensed
            || [&self.durable.intrusion, &self.durable.gas.open]
                .into_iter()
                .flatten()
                .any(|open| {
                    open.incident
                        .causes
                        .iter()
                        .any(|cause| cause.sensor == *name)
                })
    }

    /// The sensor has become active, or its warm-up has ended while it was.
    pub(super) fn activity(&mut self, sensor: &SensorPolicy, now: BootTime, out: &mut Vec<Action>) {
        if self.warm_up_end(sensor).is_some_and(|end| now < end) {
            return;
        }
        let Some(sensing) = self.volatile.sensing.get_mut(&sensor.name) else {
            return;
        };
        if sensing.activated(sensor, now) {
            self.counted(sensor, now, out);
        }
    }

    /// The filters have let an activation through.
    fn counted(&mut self, sensor: &SensorPolicy, now: BootTime, out: &mut Vec<Action>) {
        if sensor.kind == SensorKind::Gas {
            self.gas_counted(sensor, now, out);
        } else if self.volatile.walk_test.is_some() {
            out.push(Action::Chirp(Pattern::WalkTest));
            self.record_trigger(None, sensor, Effect::WalkTest, out);
        } else {
            self.intrusion_counted(sensor, now, out);
        }
    }

    /// It has become inactive: what waited for that comes back.
    fn closed(&mut self, name: &SensorName, now: BootTime, out: &mut Vec<Action>) {
        let Some(marks) = self.durable.marks.get_mut(name) else {
            return;
        };
        marks.spent = false;
        if marks.inhibited == Some(Inhibition::UntilClosed) {
            self.restore(name, now, out);
        }
    }

    pub(super) fn inhibit(
        &mut self,
        name: &SensorName,
        how: Inhibition,
        why: &str,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        self.marks(name).inhibited = Some(how);
        self.record(
            None,
            Record::Inhibited {
                sensor: name.clone(),
                why: why.into(),
            },
            out,
        );
        self.raise(
            Trouble {
                code: TroubleCode::SensorInhibited,
                subject: name.as_str().into(),
                text: why.into(),
            },
            now,
            out,
        );
    }

    pub(super) fn restore(&mut self, name: &SensorName, now: BootTime, out: &mut Vec<Action>) {
        self.marks(name).inhibited = None;
        self.record(
            None,
            Record::Restored {
                sensor: name.clone(),
            },
            out,
        );
        self.clear(TroubleCode::SensorInhibited, name.as_str(), now, out);
    }

    fn remember(&mut self, sensor: &SensorName, active: bool, found: bool, at: BootTime) {
        if self.volatile.seen.len() == SEEN_AT_MOST {
            self.volatile.seen.pop_front();
        }
        self.volatile.seen.push_back(Seen {
            at,
            sensor: sensor.clone(),
            active,
            found,
        });
    }

    /// When the sensor can be trusted; `None` if it always can, or has not been heard yet.
    pub(super) fn warm_up_end(&self, sensor: &SensorPolicy) -> Option<BootTime> {
        if sensor.warm_up.is_zero() {
            return None;
        }
        let power_on = match sensor.power_on {
            PowerOn::Boot => BootTime::ZERO,
            PowerOn::FirstReading => self.durable.marks.get(&sensor.name)?.powered?,
        };
        Some(power_on + sensor.warm_up)
    }

    pub(super) fn sensor_deadline(&self, sensor: &SensorPolicy) -> Option<BootTime> {
        let sensing = self.sensing(&sensor.name)?;
        // Only a warm-up that ends under an active sensor changes anything.
        let warm_up = self
            .warm_up_end(sensor)
            .filter(|end| sensing.is_active() && sensing.since < *end && self.volatile.now < *end);
        let inhibition =
            self.durable
                .marks
                .get(&sensor.name)
                .and_then(|marks| match marks.inhibited {
                    Some(Inhibition::Until(at)) => Some(at),
                    Some(Inhibition::UntilClosed) | None => None,
                });
        [
            sensing.hold_deadline(),
            warm_up,
            inhibition,
            self.silence_deadline(sensor),
            self.implausible_deadline(sensor),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(super) fn sensor_due(
        &mut self,
        sensor: &SensorPolicy,
        at: BootTime,
        out: &mut Vec<Action>,
    ) {
        let name = &sensor.name;
        if self.silence_deadline(sensor).is_some_and(|due| due <= at) {
            self.silence_due(sensor, at, out);
        }
        if self
            .implausible_deadline(sensor)
            .is_some_and(|due| due <= at)
        {
            self.check_plausible(sensor, at, out);
        }
        let until = self
            .durable
            .marks
            .get(name)
            .and_then(|m| m.inhibited.clone());
        if let Some(Inhibition::Until(until)) = until
            && until <= at
        {
            self.marks(name).own_incidents = 0;
            self.restore(name, at, out);
        }
        let Some(sensing) = self.volatile.sensing.get_mut(name) else {
            return;
        };
        if sensing.hold_deadline().is_some_and(|due| due <= at) {
            if sensing.held(sensor, at) {
                self.counted(sensor, at, out);
            }
        } else if sensing.is_active()
            && !(sensing.only_found && sensor.kind.is_momentary())
            && self
                .warm_up_end(sensor)
                .is_some_and(|end| end == at && self.sensing(name).is_some_and(|s| s.since < end))
        {
            self.activity(sensor, at, out);
        }
    }
}
