//! `[[sensor]]` and `[[nodemcu]]`.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use super::{Check, HOUR, MINUTE, SECOND};
use crate::alarm::{Confirm, Entry, Mode, SensorKind, SensorName};
use crate::config::raw::{Maybe, RawConfirm, RawSensor};
use crate::config::units::write_duration;
use crate::config::values::At;
use crate::config::{GpioBackend, Sensor, Source};

impl Check<'_> {
    pub(super) fn sensors(&mut self) -> Vec<Sensor> {
        let raw = &self.written.file.sensor;
        self.unique(
            "sensor",
            raw.iter()
                .map(|sensor| (&sensor.value.name.value.0, &sensor.value.name.span)),
        );
        let sensors: Vec<Sensor> = raw
            .iter()
            .map(|sensor| self.sensor(&sensor.value, &sensor.span))
            .collect();
        let mut keys = BTreeSet::new();
        for (sensor, raw) in sensors.iter().zip(raw) {
            if let (Source::NodeMcu { node, key, .. }, Some(written)) =
                (&sensor.source, &raw.value.nodemcu)
                && !keys.insert((node.clone(), *key))
            {
                self.warning(
                    &written.span,
                    "another sensor has this source already",
                    "check whether a line was copied and not changed",
                );
            }
        }
        sensors
    }

    /// Names are told apart without regard to case and to what topics and addresses cannot hold.
    pub(super) fn unique<'n>(
        &mut self,
        what: &str,
        names: impl Iterator<Item = (&'n String, &'n Range<usize>)>,
    ) {
        let mut seen = BTreeSet::new();
        for (name, span) in names {
            let alike: String = name
                .to_lowercase()
                .chars()
                .map(|c| if c.is_alphanumeric() { c } else { '-' })
                .collect();
            if !seen.insert(alike) {
                let message = format!("two of [[{what}]] are called \"{name}\"");
                self.error(span, &message, "allowed: names that differ in a letter or digit, not only in case or punctuation");
            }
        }
    }

    fn sensor(&mut self, raw: &RawSensor, header: &Range<usize>) -> Sensor {
        let name = &raw.name.value.0;
        let kind = raw.kind.value;
        let source = self.source(raw, header);
        self.unused_keys(raw, &source);
        // Who drives a simulated sensor wants it to be seen at once.
        let simulated = match &source {
            Source::Simulated => true,
            Source::Gpio(_) => self.backend == GpioBackend::Simulated,
            Source::NodeMcu { .. } | Source::Mqtt(_) => false,
        };
        let usual_warm_up = match kind {
            SensorKind::Motion => MINUTE,
            SensorKind::Gas => 3 * MINUTE,
            SensorKind::Beam | SensorKind::Contact | SensorKind::Tamper | SensorKind::Panic => {
                Duration::ZERO
            }
        };
        let warm_up = self.time(&raw.warm_up, usual_warm_up, Duration::ZERO..=HOUR);
        let silent_after = match &source {
            // A node sends a line each second: less than two of them cannot be told from silence.
            Source::NodeMcu { .. } => Some(self.time(
                &raw.silent_after,
                10 * SECOND,
                Duration::from_millis(1_500)..=24 * HOUR,
            )),
            Source::Mqtt(_) => Some(self.time(
                &raw.silent_after,
                MINUTE,
                Duration::from_millis(100)..=7 * 24 * HOUR,
            )),
            Source::Gpio(_) | Source::Simulated => None,
        };
        let (hold, pulses, within) = self.filters(raw, kind);
        Sensor {
            name: SensorName::from(name.as_str()),
            kind,
            room: raw
                .room
                .as_ref()
                .map_or_else(|| name.clone(), |room| room.0.clone()),
            source,
            warm_up: if simulated { Duration::ZERO } else { warm_up },
            modes: self.modes(raw, kind),
            entry: self.entry(&raw.entry, kind),
            hold,
            pulses,
            within,
            cooldown: self.time(&raw.cooldown, Duration::ZERO, Duration::ZERO..=24 * HOUR),
            max_triggers: raw.max_triggers.unwrap_or(5),
            confirm: raw
                .confirm_with
                .as_ref()
                .and_then(|confirm| self.confirm(confirm, raw)),
            soak: raw.soak.unwrap_or(false),
            silent_after,
            unwatched_call_after: self.time(
                &raw.unwatched_call_after,
                2 * MINUTE,
                Duration::ZERO..=24 * HOUR,
            ),
        }
    }

    fn modes(&mut self, raw: &RawSensor, kind: SensorKind) -> Vec<Mode> {
        let Some(At { value, span }) = &raw.modes else {
            return Mode::ALL.to_vec();
        };
        if kind.always_counts() {
            let message = format!(
                "a sensor of kind \"{}\" counts in every mode, armed or not",
                kind.word()
            );
            self.warning(span, &message, "leave `modes` out");
        } else if value.is_empty() {
            self.error(span, "a sensor without a mode never alarms", "allowed: one or more of \"away\", \"home\", \"night\"; `soak = true` for a sensor on trial");
        }
        Mode::ALL
            .into_iter()
            .filter(|mode| value.contains(mode))
            .collect()
    }

    fn entry(&mut self, raw: &Maybe<Entry>, kind: SensorKind) -> Entry {
        let Some(At { value, span }) = raw else {
            return Entry::Instant;
        };
        if kind.always_counts() && *value != Entry::Instant {
            let message = format!("a sensor of kind \"{}\" is never delayed", kind.word());
            self.error(span, &message, "allowed: \"instant\", or leave `entry` out");
        }
        *value
    }

    fn filters(&mut self, raw: &RawSensor, kind: SensorKind) -> (Duration, u32, Duration) {
        let hold = self.time(&raw.hold, Duration::ZERO, Duration::ZERO..=HOUR);
        let pulses = self.number(&raw.pulses, 1, 1..=100);
        let within = self.time(
            &raw.within,
            10 * SECOND,
            Duration::from_millis(1)..=24 * HOUR,
        );
        if let Some(pulses) = raw.pulses.as_ref().filter(|_| kind == SensorKind::Gas)
            && pulses.value > 1
        {
            self.error(
                &pulses.span,
                "a gas leak is one long activation, not several",
                "allowed: 1, or leave `pulses` out",
            );
        } else if let Some(written) = raw.hold.as_ref().or(raw.within.as_ref())
            && pulses > 1
            && hold.saturating_mul(pulses) > within
        {
            let message = format!(
                "{pulses} activations of {} each never fit into {}",
                write_duration(hold),
                write_duration(within)
            );
            self.error(
                &written.span,
                &message,
                "allowed: `hold` times `pulses` at most `within`",
            );
        }
        if let Some(hold) = raw
            .hold
            .as_ref()
            .filter(|hold| kind == SensorKind::Gas && !hold.value.0.is_zero())
        {
            self.warning(
                &hold.span,
                "buzzer, mail and calls come later by this time; the fan starts at once",
                "leave `hold` out, unless the sensor flickers",
            );
        }
        (hold, pulses, within)
    }

    fn confirm(&mut self, raw: &At<RawConfirm>, sensor: &RawSensor) -> Option<Confirm> {
        let RawConfirm {
            sensors,
            within,
            holds_back,
        } = &raw.value;
        if sensor.kind.value == SensorKind::Gas {
            self.error(
                &raw.span,
                "a gas alarm waits for nobody",
                "leave `confirm-with` out",
            );
        }
        if sensors.is_empty() {
            self.error(
                &raw.span,
                "no sensor is named that could confirm",
                "allowed: sensors = [\"name of another sensor\"]",
            );
        }
        let names = self.written.names("sensor");
        for At { value, span } in sensors {
            if *value == sensor.name.value.0 {
                self.error(
                    span,
                    "a sensor cannot confirm itself",
                    "allowed: the name of another sensor",
                );
            } else if !names.contains(value) {
                let known: Vec<&str> = names
                    .iter()
                    .map(String::as_str)
                    .filter(|name| *name != sensor.name.value.0)
                    .collect();
                self.error(
                    span,
                    &format!("there is no sensor \"{value}\""),
                    &format!("allowed: {}", known.join(", ")),
                );
            } else if self.is_gas(value) {
                self.error(
                    span,
                    "a gas sensor confirms no intrusion",
                    "allowed: the name of a sensor of another kind",
                );
            }
        }
        Some(Confirm {
            sensors: sensors
                .iter()
                .map(|name| SensorName::from(name.value.as_str()))
                .collect(),
            within: self.time(within, 30 * MINUTE, SECOND..=24 * HOUR),
            holds_back: holds_back.clone(),
        })
    }

    fn is_gas(&self, name: &str) -> bool {
        let mut sensors = self.written.file.sensor.iter().map(|sensor| &sensor.value);
        sensors.any(|sensor| sensor.name.value.0 == name && sensor.kind.value == SensorKind::Gas)
    }

    /// Keys that do nothing for this source or kind: most likely a misunderstanding.
    fn unused_keys(&mut self, raw: &RawSensor, source: &Source) {
        let wired = matches!(source, Source::Gpio(_));
        let silent = raw.silent_after.as_ref().map(|key| &key.span);
        let unused = [
            (
                !wired,
                raw.bias.as_ref().map(|key| &key.span),
                "`bias` is for sensors on `gpio`",
            ),
            (
                !wired,
                raw.debounce.as_ref().map(|key| &key.span),
                "`debounce` is for sensors on `gpio`",
            ),
            (
                wired,
                silent,
                "`silent-after` is for sensors that send a heartbeat: a wire sends none",
            ),
            (
                matches!(source, Source::Simulated),
                silent,
                "`silent-after` does nothing here: a simulated sensor is never silent",
            ),
            (
                raw.kind.value != SensorKind::Gas,
                raw.unwatched_call_after.as_ref().map(|key| &key.span),
                "`unwatched-call-after` is for gas sensors",
            ),
        ];
        for (useless, span, message) in unused {
            if let (true, Some(span)) = (useless, span) {
                self.warning(span, message, "leave it out");
            }
        }
        let Some(active) = &raw.active else { return };
        match source {
            Source::Mqtt(_) => self.error(
                &active.span,
                "a topic has no level",
                "leave `active` out and say what means active with `payload-on` and `payload-off`",
            ),
            Source::Simulated => self.warning(
                &active.span,
                "`active` does nothing here: a simulated sensor has no level",
                "leave it out",
            ),
            Source::Gpio(_) | Source::NodeMcu { .. } => {}
        }
    }
}
