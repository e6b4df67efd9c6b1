//! The intrusion machine: arming, delays, the alarm and its end.

use super::action::{About, Action, Effect, Notice, Record};
use super::incident::{Cause, Ending, Incident, IncidentId, IncidentKind};
use super::ladder::Calls;
use super::policy::{Entry, Held, SensorKind, SensorName, SensorPolicy};
use super::state::{Inhibition, Open, Panel};
use super::step::Alarm;
use super::time::BootTime;

pub(super) const STAYS_OPEN: &str =
    "it stays open, or says nothing; it takes part again when it has closed";

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
            } => siren
                .or_else(|| quiet_since.map(|since| since + self.policy.panel.clear_after))
                .or_else(|| self.stuck_deadline()),
        };
        let mail = self
            .durable
            .intrusion
            .as_ref()
            .and_then(|open| self.follow_up_due(open));
        panel.into_iter().chain(mail).min()
    }

    /// Nothing rings, and yet a sensor is active: when it counts as one that stays open.
    fn stuck_deadline(&self) -> Option<BootTime> {
        let open = self.durable.intrusion.as_ref()?;
        let last = open.incident.causes.iter().map(|cause| cause.last).max()?;
        Some(last + self.policy.panel.siren_time)
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
                let first = sensed.first().map(|cause| cause.sensor.clone());
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
            Panel::Triggered {
                siren: None,
                quiet_since: None,
                ..
            } if self.stuck_deadline().is_some_and(|due| due <= at) => {
                self.inhibit_what_stays_open(at, out);
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
            open.incident
                .causes
                .iter()
                .all(|cause| !self.may_be_active(&cause.sensor) || self.is_inhibited(&cause.sensor))
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

    /// It is active, or silent, which is neither active nor fine.
    fn may_be_active(&self, name: &SensorName) -> bool {
        self.sensing(name)
            .is_some_and(|s| s.is_active() || s.silent.is_some())
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
        self.marks(&sensor.name).last_trigger = Some(now);
        let entry_delay = self.policy.panel.entry_delay;
        match &mut self.durable.panel {
            Panel::Triggered { .. } => self.join(sensor, now, out),
            Panel::Pending { sensed, .. } if !always && sensor.entry != Entry::Instant => {
                Cause::count(sensed, sensor.name.clone(), sensor.kind, now);
                self.record_trigger(None, sensor, Effect::EntryDelay, out);
            }
            Panel::Armed { mode }
                if !always && sensor.entry == Entry::Delayed && !entry_delay.is_zero() =>
            {
                let mode = *mode;
                let mut sensed = Vec::new();
                Cause::count(&mut sensed, sensor.name.clone(), sensor.kind, now);
                self.durable.panel = Panel::Pending {
                    mode,
                    until: now + entry_delay,
                    sensed,
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
        let mut causes = match &mut self.durable.panel {
            Panel::Pending { sensed, .. } => std::mem::take(sensed),
            Panel::Arming { .. } | Panel::Paused { .. } => {
                self.spend_what_is_active();
                Vec::new()
            }
            Panel::Disarmed | Panel::Armed { .. } | Panel::Triggered { .. } => Vec::new(),
        };
        // The entry delay's end is no further trigger of what began it.
        if (causes.first()).is_none_or(|cause: &Cause| cause.sensor != sensor.name) {
            Cause::count(&mut causes, sensor.name.clone(), sensor.kind, now);
        }
        let mut incident = Incident::begin(
            self.next_incident_id(),
            IncidentKind::Intrusion,
            mode,
            sensor.name.clone(),
            sensor.kind,
            causes[0].first,
        );
        incident.causes = causes;
        incident.confirmed =
            (incident.causes.iter()).any(|cause| self.is_confirmed(&cause.sensor, cause.last));
        // What one of its sensors does not hold back is not held back.
        let mut held = vec![Held::Buzzer, Held::Email, Held::Phone];
        for cause in &incident.causes {
            let own = self.holds_back(&cause.sensor);
            held.retain(|what| !incident.confirmed && own.contains(what));
        }
        let siren = (!held.contains(&Held::Buzzer)).then(|| now + self.policy.panel.siren_time);
        self.durable.panel = Panel::Triggered {
            back_to: mode,
            siren,
            silenced: false,
            quiet_since: None,
        };
        self.marks(&incident.causes[0].sensor).own_incidents += 1;

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
        // A call for help is an alarm of its own, whoever has seen what went before it.
        let panic = new && sensor.kind == SensorKind::Panic;
        if panic {
            open.incident.acknowledged = None;
            open.called = false;
        }
        if !open.incident.confirmed && self.is_confirmed(&sensor.name, now) {
            open.incident.confirmed = true;
            open.confirmed_untold = true;
            self.record(
                Some(open.incident.id),
                Record::Confirmed {
                    sensor: sensor.name.clone(),
                },
                out,
            );
        }
        let again = now + self.policy.panel.siren_time;
        let held_before = open.held.clone();
        let own = self.holds_back(&sensor.name);
        let confirmed = open.incident.confirmed;
        open.held
            .retain(|what| !confirmed && !panic && own.contains(what));
        let let_go = |what| held_before.contains(&what) && !open.held.contains(&what);
        let (ring, tell) = (let_go(Held::Buzzer), let_go(Held::Email));
        if let Panel::Triggered {
            siren, silenced, ..
        } = &mut self.durable.panel
        {
            // Somebody who moves on through the house rings again; a sensor that flaps does not.
            let moved_on = new && !open.held.contains(&Held::Buzzer);
            if siren.is_none() && (panic || (!*silenced && (ring || moved_on))) {
                *siren = Some(again);
                *silenced = false;
            }
        }
        if tell {
            self.tell_alarm(&mut open, sensor, now, out);
        }
        if !open.called && (panic || confirmed || let_go_of_phone(&held_before, &open.held)) {
            self.ladder(&mut open, sensor, now, out);
        }
        out.push(Action::Save(open.incident.clone()));
        self.durable.intrusion = Some(open);
    }

    /// What an alarm of this sensor alone holds back until another confirms it.
    fn holds_back(&self, name: &SensorName) -> Vec<Held> {
        let confirm = self.policy.sensor(name).and_then(|it| it.confirm.as_ref());
        confirm.map_or(Vec::new(), |confirm| confirm.holds_back.clone())
    }

    /// Has another sensor triggered close enough to this one's trigger at `at`, before or after, in
    /// this arming, that the two confirm each other?
    fn is_confirmed(&self, name: &SensorName, at: BootTime) -> bool {
        let window = |of: &SensorName, by: &SensorName| {
            let confirm = self.policy.sensor(of)?.confirm.as_ref()?;
            confirm.sensors.contains(by).then_some(confirm.within)
        };
        self.durable.marks.iter().any(|(other, marks)| {
            let Some(last) = marks.last_trigger.filter(|_| other != name) else {
                return false;
            };
            let apart = at.since(last).max(last.since(at));
            [window(name, other), window(other, name)]
                .into_iter()
                .flatten()
                .any(|within| apart <= within)
        })
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
        let too_soon = (self.durable.no_ladder_before).is_some_and(|before| now < before);
        if too_soon && !urgent {
            open.ladders_held_back += 1;
            self.record(Some(open.incident.id), Record::LadderHeldBack {}, out);
            return;
        }
        open.called = true;
        self.durable.no_ladder_before = Some(now + phone.ladder_every);
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
            .filter(|name| self.may_be_active(name) && !self.is_inhibited(name))
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
        let already = matches!(self.marks(name).inhibited, Some(Inhibition::Until(_)));
        if !too_often || sensor.kind == SensorKind::Panic || already {
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

    pub(super) fn end_intrusion(&mut self, ending: Ending, now: BootTime, out: &mut Vec<Action>) {
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
                    after_seconds: open.lasted(now).as_secs(),
                    paused: matches!(ending, Ending::Paused(_)),
                }
            }
        };
        self.end_incident(&mut open, ending, about, now, out);
    }
}

fn let_go_of_phone(before: &[Held], now: &[Held]) -> bool {
    before.contains(&Held::Phone) && !now.contains(&Held::Phone)
}
