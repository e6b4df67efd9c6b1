//! Arming, disarming, pausing: from one mode to another.

use super::action::{About, Action, Notice, Pattern};
use super::event::{Actor, TroubleCode};
use super::incident::Ending;
use super::intrusion::STAYS_OPEN;
use super::policy::{Entry, Mode, SensorKind, SensorName};
use super::state::{Inhibition, Panel};
use super::step::Alarm;
use super::time::BootTime;

impl Alarm {
    /// Arms, or says why not.
    pub(super) fn arm(
        &mut self,
        mode: Mode,
        force: bool,
        by: &Actor,
        now: BootTime,
        out: &mut Vec<Action>,
    ) -> Vec<String> {
        let watching = match &self.durable.panel {
            Panel::Pending { .. } => {
                return vec!["an entry delay runs; disarm first".to_owned()];
            }
            Panel::Triggered { .. } => return vec!["an alarm goes on; disarm first".to_owned()],
            Panel::Arming { mode: same, .. } | Panel::Armed { mode: same } if *same == mode => {
                return Vec::new();
            }
            Panel::Armed { .. } | Panel::Paused { .. } => true,
            Panel::Disarmed | Panel::Arming { .. } => false,
        };
        let (reasons, open) = self.in_the_way(mode);
        if !force && !reasons.is_empty() {
            return reasons;
        }
        let from = self.durable.panel.name();
        self.end_walk_test(out);
        self.durable.ever_armed = true;
        self.clear(TroubleCode::NeverArmed, "", now, out);
        self.begin_anew(now, out);
        for name in open {
            self.inhibit(&name, Inhibition::UntilClosed, STAYS_OPEN, now, out);
        }
        let exit_delay = self.policy.panel.exit_delay;
        if watching || exit_delay.is_zero() {
            self.armed(mode, Some((from, by)), now, out);
        } else {
            self.durable.panel = Panel::Arming {
                mode,
                until: now + exit_delay,
            };
            self.record_state(from, Some(by), out);
        }
        Vec::new()
    }

    /// What refuses arming, as sentences, and the instant sensors among it that `force` inhibits.
    fn in_the_way(&self, mode: Mode) -> (Vec<String>, Vec<SensorName>) {
        let mut reasons = Vec::new();
        let mut open = Vec::new();
        for sensor in &self.policy.sensors {
            let counts = sensor.kind.always_counts() || sensor.modes.contains(&mode);
            let Some(sensing) = self
                .sensing(&sensor.name)
                .filter(|_| counts && !sensor.soak)
            else {
                continue;
            };
            if sensing.silent.is_some() {
                reasons.push(format!("\"{}\" is silent", sensor.name));
            } else if sensor.kind.may_stay_open()
                && sensor.entry == Entry::Instant
                && sensing.is_active()
            {
                let word = match sensor.kind {
                    SensorKind::Beam => "broken",
                    SensorKind::Contact
                    | SensorKind::Motion
                    | SensorKind::Gas
                    | SensorKind::Tamper
                    | SensorKind::Panic => "open",
                };
                reasons.push(format!("\"{}\" is {word}", sensor.name));
                open.push(sensor.name.clone());
            }
        }
        (reasons, open)
    }

    /// A new arming: old inhibitions and counters are gone.
    pub(super) fn begin_anew(&mut self, now: BootTime, out: &mut Vec<Action>) {
        let inhibited: Vec<SensorName> = self
            .durable
            .marks
            .iter_mut()
            .filter_map(|(name, marks)| {
                marks.own_incidents = 0;
                marks.last_trigger = None;
                marks.inhibited.is_some().then(|| name.clone())
            })
            .collect();
        for name in inhibited {
            self.restore(&name, now, out);
        }
    }

    /// The exit delay is over: what is still open is inhibited, everything else counts.
    pub(super) fn armed(
        &mut self,
        mode: Mode,
        by: Option<(&str, &Actor)>,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        let from = by.map_or(self.durable.panel.name(), |(from, _)| from);
        self.durable.panel = Panel::Armed { mode };
        self.record_state(from, by.map(|(_, actor)| actor), out);
        let mut open = Vec::new();
        for sensor in self.policy.sensors.clone() {
            if !sensor.kind.always_counts() {
                self.forget_activity(&sensor.name);
            }
            let active = self.sensing(&sensor.name).is_some_and(|s| s.is_active());
            if !active || !sensor.modes.contains(&mode) || sensor.kind.always_counts() {
                continue;
            }
            if !sensor.kind.may_stay_open() {
                // The owner who walks out is not an intruder who walks in.
                self.marks(&sensor.name).spent = true;
            } else if !self.is_inhibited(&sensor.name) && !sensor.soak {
                self.inhibit(&sensor.name, Inhibition::UntilClosed, STAYS_OPEN, now, out);
                open.push(sensor.name.clone());
            }
        }
        if !open.is_empty() {
            out.push(Action::Chirp(Pattern::ArmFailed));
            let about = About::ArmedWithOpen {
                mode,
                sensors: open,
            };
            out.push(Action::Send(Notice::plain(about, now)));
        }
    }

    pub(super) fn armed_again(&mut self, out: &mut Vec<Action>) {
        let from = self.durable.panel.name();
        if let Some(mode) = self.durable.panel.mode() {
            self.durable.panel = Panel::Armed { mode };
        }
        self.record_state(from, None, out);
    }

    pub(super) fn forget_activity(&mut self, name: &SensorName) {
        if let Some(sensing) = self.volatile.sensing.get_mut(name) {
            sensing.forget_activity();
        }
    }

    pub(super) fn disarm(&mut self, by: &Actor, now: BootTime, out: &mut Vec<Action>) {
        let from = self.durable.panel.name();
        self.durable.panel = Panel::Disarmed;
        self.record_state(from, Some(by), out);
        self.end_intrusion(Ending::Disarmed(by.clone()), now, out);
    }

    pub(super) fn pause(&mut self, by: &Actor, now: BootTime, out: &mut Vec<Action>) {
        let mode = match &self.durable.panel {
            Panel::Armed { mode }
            | Panel::Pending { mode, .. }
            | Panel::Paused { mode, .. }
            | Panel::Triggered {
                back_to: Some(mode),
                ..
            } => *mode,
            // A panic, or tampering, in a disarmed house: there is nothing to come back to and watch.
            Panel::Triggered { back_to: None, .. } => return self.disarm(by, now, out),
            // Nothing is watched, so there is nothing to halt.
            Panel::Disarmed | Panel::Arming { .. } => return,
        };
        let from = self.durable.panel.name();
        self.durable.panel = Panel::Paused {
            mode,
            until: now + self.policy.panel.pause_for,
        };
        out.push(Action::Chirp(Pattern::OwnerRecognised));
        self.record_state(from, Some(by), out);
        self.end_intrusion(Ending::Paused(by.clone()), now, out);
    }

    /// The pause is over. Nothing that was sensed meanwhile alarms afterwards.
    pub(super) fn resume(&mut self, out: &mut Vec<Action>) {
        self.spend_what_is_active();
        self.armed_again(out);
    }

    /// What is active now was sensed while nobody watched: it must rest before it counts.
    pub(super) fn spend_what_is_active(&mut self) {
        for sensor in self.policy.sensors.clone() {
            if sensor.kind.always_counts() {
                continue;
            }
            self.forget_activity(&sensor.name);
            if self.sensing(&sensor.name).is_some_and(|s| s.is_active()) {
                self.marks(&sensor.name).spent = true;
            }
        }
    }
}
