//! The intrusion machine: arming, delays, the alarm and its end.

use super::action::{About, Action, Calls, Effect, Notice, Pattern, Record};
use super::event::{Actor, TroubleCode};
use super::incident::{Ending, Incident, IncidentId, IncidentKind};
use super::policy::{Entry, Held, Mode, SensorKind, SensorName, SensorPolicy};
use super::state::{Inhibition, Open, Panel};
use super::step::Alarm;
use super::time::BootTime;

const STAYS_OPEN: &str = "it stays open; it takes part again when it has closed";

impl Alarm {
    pub(super) fn intrusion_incident_id(&self) -> Option<IncidentId> {
        self.durable.intrusion.as_ref().map(|open| open.incident.id)
    }

    pub(super) fn intrusion_deadline(&self) -> Option<BootTime> {
        let panel = match &self.durable.panel {
            Panel::Disarmed | Panel::Armed { .. } => None,
            Panel::Arming { until, .. }
            | Panel::Pending { until, .. }
            | Panel::Paused { until, .. } => Some(*until),
            Panel::Triggered {
                siren, quiet_since, ..
            } => siren.or_else(|| quiet_since.map(|since| since + self.policy.panel.clear_after)),
        };
        let mail = self
            .durable
            .intrusion
            .as_ref()
            .and_then(|open| self.follow_up_due(open));
        panel.into_iter().chain(mail).min()
    }

    pub(super) fn intrusion_due(&mut self, at: BootTime, out: &mut Vec<Action>) {
        if let Some(mut open) = self.durable.intrusion.take() {
            self.follow_up(&mut open, at, out);
            self.durable.intrusion = Some(open);
        }
        match self.durable.panel.clone() {
            Panel::Arming { mode, until } if until <= at => self.armed(mode, None, at, out),
            Panel::Pending {
                until, ref sensed, ..
            } if until <= at => {
                let first = sensed.first().map(|(name, ..)| name.clone());
                if let Some(sensor) = first.and_then(|name| self.policy.sensor(&name).cloned()) {
                    self.alarm(&sensor, at, out);
                } else {
                    // The sensor that began the delay was taken out of the configuration.
                    self.armed_again(out);
                }
            }
            Panel::Paused { until, .. } if until <= at => self.resume(out),
            Panel::Triggered {
                siren: Some(until), ..
            } if until <= at => {
                if let Panel::Triggered { siren, .. } = &mut self.durable.panel {
                    *siren = None;
                }
                self.inhibit_what_stays_open(at, out);
            }
            Panel::Triggered {
                siren: None,
                quiet_since: Some(since),
                ..
            } if since + self.policy.panel.clear_after <= at => {
                self.all_quiet(at, out);
            }
            Panel::Disarmed
            | Panel::Armed { .. }
            | Panel::Arming { .. }
            | Panel::Pending { .. }
            | Panel::Paused { .. }
            | Panel::Triggered { .. } => {}
        }
    }

    /// Notes since when all sensors of the incident are quiet.
    pub(super) fn settle_intrusion(&mut self, now: BootTime) {
        let quiet = self.durable.intrusion.as_ref().is_some_and(|open| {
            open.incident.causes.iter().all(|cause| {
                let active = self.sensing(&cause.sensor).is_some_and(|s| s.is_active());
                !active || self.is_inhibited(&cause.sensor)
            })
        });
        if let Panel::Triggered {
            siren, quiet_since, ..
        } = &mut self.durable.panel
        {
            if quiet && siren.is_none() {
                quiet_since.get_or_insert(now);
            } else {
                *quiet_since = None;
            }
        }
    }

    // ---- arming ----------------------------------------------------------------------------

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
    fn begin_anew(&mut self, now: BootTime, out: &mut Vec<Action>) {
        let inhibited: Vec<SensorName> = self
            .durable
            .marks
            .iter_mut()
            .filter_map(|(name, marks)| {
                marks.own_incidents = 0;
                marks.inhibited.is_some().then(|| name.clone())
            })
            .collect();
        for name in inhibited {
            self.restore(&name, now, out);
        }
    }

    /// The exit delay is over: what is still open is inhibited, everything else counts.
    fn armed(
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
            let active = self.sensing(&sensor.name).is_some_and(|s| s.is_active());
            if !active || !sensor.modes.contains(&mode) || sensor.kind.always_counts() {
                continue;
            }
            if !sensor.kind.may_stay_open() {
                // The owner who walks out is not an intruder who walks in.
                self.marks(&sensor.name).spent = true;
                self.forget_activity(&sensor.name);
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

    fn armed_again(&mut self, out: &mut Vec<Action>) {
        let from = self.durable.panel.name();
        if let Some(mode) = self.durable.panel.mode() {
            self.durable.panel = Panel::Armed { mode };
        }
        self.record_state(from, None, out);
    }

    fn forget_activity(&mut self, name: &SensorName) {
        if let Some(sensing) = self.volatile.sensing.get_mut(name) {
            sensing.forget_activity();
        }
    }

    // ---- disarming and pausing -------------------------------------------------------------

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
            // Nothing is watched, so there is nothing to halt.
            Panel::Disarmed | Panel::Arming { .. } | Panel::Triggered { back_to: None, .. } => {
                return;
            }
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
    fn resume(&mut self, out: &mut Vec<Action>) {
        self.spend_what_is_active();
        self.armed_again(out);
    }

    /// What is active now was sensed while nobody watched: it must rest before it counts.
    fn spend_what_is_active(&mut self) {
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

    // ---- the alarm -------------------------------------------------------------------------

    /// The filters have let a trigger through: what it does depends on the state.
    pub(super) fn intrusion_counted(
        &mut self,
        sensor: &SensorPolicy,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        let mode = self.durable.panel.mode();
        let always = sensor.kind.always_counts();
        let watched = match &self.durable.panel {
            Panel::Disarmed | Panel::Arming { .. } | Panel::Paused { .. } => false,
            Panel::Armed { .. } | Panel::Pending { .. } | Panel::Triggered { .. } => {
                mode.is_some_and(|mode| sensor.modes.contains(&mode))
            }
        };
        let spent = (self.durable.marks.get(&sensor.name)).is_some_and(|marks| marks.spent);
        if !(always || watched) || spent || self.is_inhibited(&sensor.name) {
            return;
        }
        if sensor.soak {
            self.record_trigger(self.intrusion_incident_id(), sensor, Effect::Soak, out);
            return;
        }
        let entry_delay = self.policy.panel.entry_delay;
        match &mut self.durable.panel {
            Panel::Triggered { .. } => self.join(sensor, now, out),
            Panel::Pending { sensed, .. } if !always && sensor.entry != Entry::Instant => {
                sensed.push((sensor.name.clone(), sensor.kind, now));
                self.record_trigger(None, sensor, Effect::EntryDelay, out);
            }
            Panel::Armed { mode }
                if !always && sensor.entry == Entry::Delayed && !entry_delay.is_zero() =>
            {
                let mode = *mode;
                self.durable.panel = Panel::Pending {
                    mode,
                    until: now + entry_delay,
                    sensed: vec![(sensor.name.clone(), sensor.kind, now)],
                };
                self.record_state(mode.state_name(), None, out);
                self.record_trigger(None, sensor, Effect::EntryDelay, out);
            }
            Panel::Disarmed
            | Panel::Arming { .. }
            | Panel::Armed { .. }
            | Panel::Pending { .. }
            | Panel::Paused { .. } => self.alarm(sensor, now, out),
        }
    }

    /// An intrusion incident begins.
    fn alarm(&mut self, sensor: &SensorPolicy, now: BootTime, out: &mut Vec<Action>) {
        let from = self.durable.panel.name();
        let mode = self.durable.panel.mode();
        let mut sensed = match &mut self.durable.panel {
            Panel::Pending { sensed, .. } => std::mem::take(sensed),
            Panel::Arming { .. } | Panel::Paused { .. } => {
                self.spend_what_is_active();
                Vec::new()
            }
            Panel::Disarmed | Panel::Armed { .. } | Panel::Triggered { .. } => Vec::new(),
        };
        if sensed.first().is_none_or(|(name, ..)| *name != sensor.name) {
            sensed.push((sensor.name.clone(), sensor.kind, now));
        }
        let mut sensed = sensed.into_iter();
        let (name, kind, at) = sensed.next().expect("the trigger itself is in it");
        let mut incident = Incident::begin(
            self.next_incident_id(),
            IncidentKind::Intrusion,
            mode,
            name,
            kind,
            at,
        );
        for (name, kind, at) in sensed {
            incident.count(name, kind, at);
        }
        incident.confirmed = incident
            .causes
            .iter()
            .any(|cause| self.confirms(&incident, &cause.sensor, cause.last));
        let held = match &sensor.confirm {
            Some(confirm) if !incident.confirmed => confirm.holds_back.clone(),
            Some(_) | None => Vec::new(),
        };
        let siren = (!held.contains(&Held::Buzzer)).then(|| now + self.policy.panel.siren_time);
        self.durable.panel = Panel::Triggered {
            back_to: mode,
            siren,
            silenced: false,
            quiet_since: None,
        };
        self.marks(&sensor.name).own_incidents += 1;

        let id = incident.id;
        let mut open = Open::new(incident, held);
        self.take_photos(&open, self.policy.burst, out);
        self.record(
            Some(id),
            Record::IncidentOpened {
                incident_kind: IncidentKind::Intrusion,
                sensor: sensor.name.clone(),
            },
            out,
        );
        self.record_trigger(Some(id), sensor, Effect::Alarm, out);
        self.tell_alarm(&mut open, sensor, now, out);
        self.ladder(&mut open, sensor, now, out);
        out.push(Action::Save(open.incident.clone()));
        out.push(Action::SaveRecording(self.recording(&open.incident)));
        self.durable.intrusion = Some(open);
        self.record_state(from, None, out);
    }

    /// One more trigger of an incident that goes on.
    fn join(&mut self, sensor: &SensorPolicy, now: BootTime, out: &mut Vec<Action>) {
        let Some(mut open) = self.durable.intrusion.take() else {
            return;
        };
        let new = open.count(sensor, now);
        self.record_trigger(Some(open.incident.id), sensor, Effect::FollowUp, out);
        if !open.incident.confirmed && self.confirms(&open.incident, &sensor.name, now) {
            self.confirmed(&mut open, sensor, now, out);
        }
        let panic = sensor.kind == SensorKind::Panic;
        let again = now + self.policy.panel.siren_time;
        if let Panel::Triggered {
            siren, silenced, ..
        } = &mut self.durable.panel
        {
            // Somebody who moves on through the house rings again; a sensor that flaps does not.
            let moved_on = new && !*silenced && !open.held.contains(&Held::Buzzer);
            if siren.is_none() && (panic || moved_on) {
                *siren = Some(again);
            }
        }
        if panic {
            self.ladder(&mut open, sensor, now, out);
        }
        out.push(Action::Save(open.incident.clone()));
        self.durable.intrusion = Some(open);
    }

    /// Does a trigger of `name` now, together with another sensor of the incident, confirm it?
    fn confirms(&self, incident: &Incident, name: &SensorName, now: BootTime) -> bool {
        let window = |of: &SensorName, by: &SensorName| {
            let confirm = self.policy.sensor(of)?.confirm.as_ref()?;
            confirm.sensors.contains(by).then_some(confirm.within)
        };
        incident.causes.iter().any(|cause| {
            let other = &cause.sensor;
            other != name
                && [window(name, other), window(other, name)]
                    .into_iter()
                    .flatten()
                    .any(|within| now.since(cause.last) <= within)
        })
    }

    /// A second sensor confirms the alarm: what was held back is done now.
    fn confirmed(
        &mut self,
        open: &mut Open,
        sensor: &SensorPolicy,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        open.incident.confirmed = true;
        self.record(
            Some(open.incident.id),
            Record::Confirmed {
                sensor: sensor.name.clone(),
            },
            out,
        );
        let held = std::mem::take(&mut open.held);
        if held.contains(&Held::Buzzer)
            && let Panel::Triggered {
                siren,
                silenced: false,
                ..
            } = &mut self.durable.panel
        {
            *siren = Some(now + self.policy.panel.siren_time);
        }
        if held.contains(&Held::Email) {
            self.tell_alarm(open, sensor, now, out);
        } else {
            open.confirmed_untold = true;
        }
        if !open.called {
            self.ladder(open, sensor, now, out);
        }
    }

    /// Begins the phone ladder, or holds it back: at most one in `ladder-every`, unless the alarm
    /// is confirmed or somebody asks for help.
    fn ladder(
        &mut self,
        open: &mut Open,
        sensor: &SensorPolicy,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        let Some(phone) = &self.policy.phone else {
            return;
        };
        if open.held.contains(&Held::Phone) || open.incident.acknowledged.is_some() {
            return;
        }
        let urgent = open.incident.confirmed || sensor.kind == SensorKind::Panic;
        let too_soon = self
            .durable
            .last_ladder
            .is_some_and(|last| now.since(last) < phone.ladder_every);
        if too_soon && !urgent {
            open.ladders_held_back += 1;
            self.record(Some(open.incident.id), Record::LadderHeldBack {}, out);
            return;
        }
        open.called = true;
        self.durable.last_ladder = Some(now);
        let notice = self.alarm_notice(open, sensor, now);
        self.call(Some(open.incident.id), notice, out);
    }

    // ---- its end ---------------------------------------------------------------------------

    /// The siren has stopped: a sensor of the incident that is still active takes no part until
    /// it has closed, so that one open door cannot keep the incident open for ever.
    pub(super) fn inhibit_what_stays_open(&mut self, now: BootTime, out: &mut Vec<Action>) {
        let Some(open) = &self.durable.intrusion else {
            return;
        };
        let stuck: Vec<SensorName> = open
            .incident
            .causes
            .iter()
            .map(|cause| cause.sensor.clone())
            .filter(|name| self.sensing(name).is_some_and(|s| s.is_active()))
            .filter(|name| !self.is_inhibited(name))
            .collect();
        for name in stuck {
            self.inhibit(&name, Inhibition::UntilClosed, STAYS_OPEN, now, out);
        }
    }

    /// Everything has been quiet for `clear-after`: back to the mode it came from.
    fn all_quiet(&mut self, now: BootTime, out: &mut Vec<Action>) {
        let from = self.durable.panel.name();
        let first = self
            .durable
            .intrusion
            .as_ref()
            .and_then(|open| open.incident.causes.first())
            .map(|cause| cause.sensor.clone());
        match self.durable.panel.mode() {
            Some(mode) => self.armed(mode, None, now, out),
            None => {
                self.durable.panel = Panel::Disarmed;
                self.record_state(from, None, out);
            }
        }
        self.end_intrusion(Ending::Cleared, now, out);
        if let Some(name) = first {
            self.inhibit_if_too_often(&name, now, out);
        }
    }

    /// `max-triggers` incidents of its own in one arming: it is inhibited, and that is announced.
    fn inhibit_if_too_often(&mut self, name: &SensorName, now: BootTime, out: &mut Vec<Action>) {
        const FOR: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
        let Some(sensor) = self.policy.sensor(name).cloned() else {
            return;
        };
        let own = self.marks(name).own_incidents;
        let too_often = sensor.max_triggers > 0 && own >= sensor.max_triggers;
        if !too_often || sensor.kind == SensorKind::Panic || self.is_inhibited(name) {
            return;
        }
        let why = format!(
            "it began {own} alarms since the panel was armed; it takes no part for 24 hours or \
             until the panel is armed again"
        );
        self.inhibit(name, Inhibition::Until(now + FOR), &why, now, out);
        let about = About::Inhibited {
            sensor: name.clone(),
            why,
        };
        out.push(Action::Send(Notice::plain(about, now)));
    }

    fn end_intrusion(&mut self, ending: Ending, now: BootTime, out: &mut Vec<Action>) {
        let Some(mut open) = self.durable.intrusion.take() else {
            return;
        };
        let about = match &ending {
            Ending::Cleared => self.all_clear(&open, now),
            Ending::Disarmed(by) | Ending::Paused(by) => {
                out.push(Action::StopCalls {
                    whose: Calls::Of(open.incident.id),
                });
                (open.incident.acknowledged).get_or_insert_with(|| (by.clone(), now));
                About::Disarmed {
                    by: by.clone(),
                    after_seconds: now.since(open.incident.since).as_secs(),
                    paused: matches!(ending, Ending::Paused(_)),
                }
            }
        };
        self.end_incident(&mut open, ending, about, now, out);
    }
}
