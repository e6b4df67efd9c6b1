//! One step: an event and its time go in, actions come out.

use super::action::{About, Action, Calls, Effect, Notice, Pattern, Record};
use super::event::{Actor, Command, Event, Reading, Right, Started, StoreFound, Test, Trouble};
use super::event::{Origin, TroubleCode};
use super::incident::IncidentId;
use super::policy::{Mode, Policy, PowerOn, SensorKind, SensorName, SensorPolicy};
use super::sensing::Sensing;
use super::state::{BootReport, Durable, Inhibition, Marks, Panel, Seen, Volatile};
use super::status::{Answer, GasStatus, SensorState, SensorStatus, Status};
use super::time::BootTime;
use std::time::Duration;

/// Sensors have said what they see so long after the start; then the boot report leaves.
const BOOT_REPORT_AFTER: Duration = Duration::from_secs(5);
/// A walk test that somebody forgot ends by itself: the house must not stay unwatched.
const WALK_TEST_TIME: Duration = Duration::from_secs(30 * 60);
/// How long a relay test holds the relay.
const RELAY_TEST_TIME: Duration = Duration::from_secs(2);
/// Readings that are remembered, to explain an alarm.
const SEEN_AT_MOST: usize = 512;

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

    /// Something happened. Deadlines due at or before `now` run first. A time before the latest
    /// one counts as the latest one.
    pub fn step(&mut self, event: Event, now: BootTime, out: &mut Vec<Action>) -> Answer {
        let now = now.max(self.volatile.now);
        self.run_deadlines(now, out);
        self.volatile.now = now;
        let answer = match event {
            Event::Started(started) => {
                self.started(&started, now, out);
                Answer::Done
            }
            Event::Reading(reading) => {
                self.reading(reading, now, out);
                Answer::Done
            }
            Event::Lost { sensor } => {
                self.silent(&sensor, now, out);
                Answer::Done
            }
            Event::Command { command, by } => self.command(command, by, now, out),
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
            Event::PolicyChanged(policy) => {
                self.policy = *policy;
                self.know_sensors(now);
                Answer::Done
            }
            Event::Tick => Answer::Done,
        };
        self.settle(now, out);
        answer
    }

    /// When `step` must be called again with [`Event::Tick`], whatever else happens.
    pub fn deadline(&self) -> Option<BootTime> {
        let troubles = self.volatile.troubles.mail_due(
            self.durable.last_trouble_mail,
            self.policy.trouble_mail_every,
        );
        [
            self.volatile.relay_test,
            self.volatile.walk_test,
            self.volatile.boot_report.as_ref().map(|report| report.due),
            troubles,
            self.intrusion_deadline(),
            self.gas_deadline(),
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
        while let Some(due) = self.deadline().filter(|due| *due <= now) {
            // A deadline may lie in the past of the last event (a policy that became shorter).
            let at = due.max(self.volatile.now);
            self.tick(at, out);
            self.settle(at, out);
            self.volatile.now = at;
            debug_assert_ne!(self.deadline(), Some(due), "a deadline that ran is gone");
            if self.deadline() == Some(due) {
                break;
            }
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
        if passed(self.volatile.relay_test) {
            self.volatile.relay_test = None;
        }
        if passed(self.volatile.walk_test) {
            self.end_walk_test(out);
        }
        if let Some(report) = self.volatile.boot_report.take_if(|report| report.due <= at) {
            self.report_boot(&report, at, out);
        }
        let troubles = self.volatile.troubles.mail_due(
            self.durable.last_trouble_mail,
            self.policy.trouble_mail_every,
        );
        if passed(troubles) {
            let news = self.volatile.troubles.take_news(at);
            self.durable.last_trouble_mail = Some(at);
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

    // ---- the start -------------------------------------------------------------------------

    fn started(&mut self, started: &Started, now: BootTime, out: &mut Vec<Action>) {
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

    fn report_boot(&self, report: &BootReport, now: BootTime, out: &mut Vec<Action>) {
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

    // ---- sensors ---------------------------------------------------------------------------

    /// Makes the per-sensor state fit the policy.
    fn know_sensors(&mut self, now: BootTime) {
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

    fn reading(&mut self, reading: Reading, now: BootTime, out: &mut Vec<Action>) {
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
        let changed = sensing.level(active, now);
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
            Panel::Pending { sensed, .. } => sensed.iter().any(|(sensed, ..)| sensed == name),
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
    fn activity(&mut self, sensor: &SensorPolicy, now: BootTime, out: &mut Vec<Action>) {
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

    fn sensor_deadline(&self, sensor: &SensorPolicy) -> Option<BootTime> {
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

    fn sensor_due(&mut self, sensor: &SensorPolicy, at: BootTime, out: &mut Vec<Action>) {
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
            && self
                .warm_up_end(sensor)
                .is_some_and(|end| end == at && self.sensing(name).is_some_and(|s| s.since < end))
        {
            self.activity(sensor, at, out);
        }
    }

    // ---- commands --------------------------------------------------------------------------

    fn command(
        &mut self,
        command: Command,
        by: Actor,
        now: BootTime,
        out: &mut Vec<Action>,
    ) -> Answer {
        let (word, needed) = match &command {
            Command::Arm { .. } => ("arm", Right::Bridge),
            Command::Disarm => ("disarm", Right::Owner),
            Command::Pause => ("pause", Right::Owner),
            Command::Silence => ("silence", Right::Owner),
            Command::Acknowledge => ("acknowledge", Right::Guest),
            Command::WalkTest(_) => ("walk-test", Right::Owner),
            Command::Test(_) => ("test", Right::Owner),
        };
        if by.right < needed {
            let why = if by.origin == Origin::Mqtt {
                format!("to {word} over MQTT a PIN is needed")
            } else {
                format!("to {word} one must be an owner")
            };
            self.record_refusal(word, by, vec![why.clone()], out);
            return Answer::Forbidden(why);
        }
        let reasons = match command {
            Command::Arm { mode, force } => self.arm(mode, force, &by, now, out),
            Command::Disarm => {
                self.disarm(&by, now, out);
                Vec::new()
            }
            Command::Pause => {
                self.pause(&by, now, out);
                Vec::new()
            }
            Command::Silence => {
                self.silence(by, out);
                return Answer::Done;
            }
            Command::Acknowledge => {
                self.acknowledge(&by, now, out);
                Vec::new()
            }
            Command::WalkTest(on) => self.walk_test(on, now, out),
            Command::Test(test) => {
                self.test(test, &by, now, out);
                Vec::new()
            }
        };
        if reasons.is_empty() {
            return Answer::Done;
        }
        self.record_refusal(word, by, reasons.clone(), out);
        Answer::Refused(reasons)
    }

    fn record_refusal(
        &mut self,
        command: &str,
        by: Actor,
        reasons: Vec<String>,
        out: &mut Vec<Action>,
    ) {
        if command == "arm" {
            out.push(Action::Chirp(Pattern::ArmFailed));
        }
        self.record(
            None,
            Record::Refused {
                command: command.into(),
                by,
                reasons,
            },
            out,
        );
    }

    fn silence(&mut self, by: Actor, out: &mut Vec<Action>) {
        let siren = match &mut self.durable.panel {
            Panel::Triggered {
                siren, silenced, ..
            } => {
                *silenced = true;
                siren.take().is_some()
            }
            Panel::Disarmed
            | Panel::Arming { .. }
            | Panel::Armed { .. }
            | Panel::Pending { .. }
            | Panel::Paused { .. } => false,
        };
        if siren {
            self.inhibit_what_stays_open(self.volatile.now, out);
        }
        let gas = self.gas_sounds();
        if gas {
            self.durable.gas.silenced = true;
        }
        if siren || gas {
            self.record(None, Record::Silenced { by }, out);
        }
    }

    fn acknowledge(&mut self, by: &Actor, now: BootTime, out: &mut Vec<Action>) {
        let mut stopped = Vec::new();
        for open in [&mut self.durable.intrusion, &mut self.durable.gas.open]
            .into_iter()
            .flatten()
        {
            if open.incident.wants_attention() {
                open.incident.acknowledged = Some((by.clone(), now));
                stopped.push(open.incident.clone());
            }
        }
        // Also what ended before anybody saw it.
        for mut incident in std::mem::take(&mut self.durable.unseen) {
            incident.acknowledged = Some((by.clone(), now));
            stopped.push(incident);
        }
        out.push(Action::StopCalls { whose: Calls::All });
        for incident in stopped {
            let id = incident.id;
            out.push(Action::Save(incident));
            self.record(Some(id), Record::Acknowledged { by: by.clone() }, out);
        }
        self.durable.gas.call_again = None;
    }

    fn walk_test(&mut self, on: bool, now: BootTime, out: &mut Vec<Action>) -> Vec<String> {
        if on == self.volatile.walk_test.is_some() {
            return Vec::new();
        }
        if !on {
            self.end_walk_test(out);
            return Vec::new();
        }
        if self.durable.panel != Panel::Disarmed {
            return vec![format!(
                "the panel is {}; a walk test needs it disarmed",
                self.durable.panel.name()
            )];
        }
        self.volatile.walk_test = Some(now + WALK_TEST_TIME);
        self.record(None, Record::WalkTest { on: true }, out);
        Vec::new()
    }

    pub(super) fn end_walk_test(&mut self, out: &mut Vec<Action>) {
        if self.volatile.walk_test.take().is_some() {
            self.record(None, Record::WalkTest { on: false }, out);
        }
    }

    fn test(&mut self, test: Test, by: &Actor, now: BootTime, out: &mut Vec<Action>) {
        self.record(
            None,
            Record::Test {
                what: test,
                by: by.clone(),
            },
            out,
        );
        let notice = Notice::plain(About::Test { by: by.clone() }, now);
        match test {
            Test::Email => out.push(Action::Send(notice)),
            Test::Call => {
                if let Some(phone) = &self.policy.phone {
                    out.push(Action::Call {
                        incident: None,
                        notice,
                        rungs: phone.rungs.clone(),
                        rounds: 1,
                        // A test asks nobody to acknowledge: one call after the other.
                        ack_time: Duration::ZERO,
                    });
                }
            }
            Test::Photo => out.push(Action::TryCamera),
            Test::Buzzer => out.push(Action::Chirp(Pattern::OwnerRecognised)),
            Test::Relay => self.volatile.relay_test = Some(now + RELAY_TEST_TIME),
        }
    }

    // ---- records ---------------------------------------------------------------------------

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

    // ---- what it shows ---------------------------------------------------------------------

    /// The panel as it is.
    pub fn status(&self) -> Status {
        let incidents = [&self.durable.intrusion, &self.durable.gas.open]
            .into_iter()
            .flatten()
            .map(|open| open.incident.clone())
            .collect();
        Status {
            state: self.durable.panel.name(),
            mode: self.durable.panel.mode(),
            until: self.durable.panel.until(),
            gas: self.gas_status(),
            incidents,
            sensors: self
                .policy
                .sensors
                .iter()
                .map(|sensor| self.sensor_status(sensor))
                .collect(),
            buzzer: self.volatile.buzzer.is_some(),
            buzzer_pattern: self.volatile.buzzer,
            exhaust: self.volatile.exhaust == Some(true),
            troubles: self.volatile.troubles.list(),
            walk_test: self.volatile.walk_test.is_some(),
        }
    }

    fn sensor_status(&self, sensor: &SensorPolicy) -> SensorStatus {
        let fresh = Sensing::new(self.volatile.started);
        let sensing = self.sensing(&sensor.name).unwrap_or(&fresh);
        let warming = self
            .warm_up_end(sensor)
            .is_some_and(|end| self.volatile.now < end);
        let (state, since) = if let Some(silent) = sensing.silent {
            (SensorState::Silent, silent)
        } else if self.is_inhibited(&sensor.name) {
            (SensorState::Inhibited, sensing.since)
        } else if warming {
            (SensorState::WarmingUp, sensing.since)
        } else if sensor.soak {
            (SensorState::Soak, sensing.since)
        } else if sensing.is_active() {
            (SensorState::Active, sensing.since)
        } else {
            (SensorState::Inactive, sensing.since)
        };
        SensorStatus {
            name: sensor.name.clone(),
            kind: sensor.kind,
            state,
            since,
        }
    }

    fn gas_status(&self) -> GasStatus {
        let mut gas = self
            .policy
            .sensors
            .iter()
            .filter(|sensor| sensor.kind == SensorKind::Gas);
        if self.durable.gas.open.is_some() {
            return GasStatus::Alarm;
        }
        let silent = |sensor: &SensorPolicy| {
            self.sensing(&sensor.name)
                .is_some_and(|sensing| sensing.silent.is_some())
        };
        if gas.clone().any(silent) {
            return GasStatus::Unwatched;
        }
        let warming = |sensor: &SensorPolicy| {
            self.warm_up_end(sensor)
                .is_some_and(|end| self.volatile.now < end)
        };
        if gas.any(warming) {
            return GasStatus::WarmingUp;
        }
        GasStatus::Clear
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
    pub(crate) fn level(&self, name: &SensorName) -> Option<bool> {
        self.sensing(name)?.level
    }
}
