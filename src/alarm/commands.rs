//! What people ask of the panel, and whether they may.

use super::action::{About, Action, Notice, Pattern, Record};
use super::event::{Actor, Command, Origin, Test};
use super::ladder::Calls;
use super::state::Panel;
use super::status::Answer;
use super::step::Alarm;
use super::time::BootTime;
use std::time::Duration;

/// A walk test that somebody forgot ends by itself: the house must not stay unwatched.
const WALK_TEST_TIME: Duration = Duration::from_secs(30 * 60);
/// How long a relay test holds the relay.
const RELAY_TEST_TIME: Duration = Duration::from_secs(2);

impl Alarm {
    pub(super) fn command(
        &mut self,
        command: Command,
        by: Actor,
        now: BootTime,
        out: &mut Vec<Action>,
    ) -> Answer {
        let word = command.word();
        if by.right < command.needs() {
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
            Command::Drill { buzzer, relay } => self.drill(buzzer, relay, &by, now, out),
        };
        if reasons.is_empty() {
            return Answer::Done;
        }
        self.record_refusal(word, by, reasons.clone(), out);
        Answer::Refused(reasons)
    }

    pub(super) fn record_refusal(
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

    pub(super) fn acknowledge(&mut self, by: &Actor, now: BootTime, out: &mut Vec<Action>) {
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
        // Also what ended before anybody saw it, however long ago.
        out.push(Action::AcknowledgeEnded {
            by: by.clone(),
            before: self.earliest_open(),
        });
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
            Test::Buzzer => self.try_buzzer(out),
            Test::Relay => self.try_relay(now),
        }
    }

    pub(super) fn try_buzzer(&self, out: &mut Vec<Action>) {
        out.push(Action::Chirp(Pattern::OwnerRecognised));
    }

    pub(super) fn try_relay(&mut self, now: BootTime) {
        self.volatile.relay_test = Some(now + RELAY_TEST_TIME);
    }
}
