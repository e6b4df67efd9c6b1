//! What happens around the process.

use super::*;

impl Life<'_> {
    pub(super) fn note(&self, what: impl std::fmt::Display) {
        self.world.outside.things().log.line(self.clock.now(), what);
    }

    pub(super) fn happens(&mut self, what: Happening) {
        let calm = self.world.calm;
        let now = self.clock.now();
        let life = self.world.life;
        match what {
            Happening::Heartbeat(_) | Happening::SignOfLife | Happening::Photo(..) => {}
            ref other => self.note(format_args!("* {other:?}")),
        }
        match what {
            Happening::Level(..) | Happening::Dies(..) | Happening::Kill(..) if calm => {}
            Happening::Level(device, active) => {
                self.world.sensors[device].active = active;
                self.reports(device, false);
            }
            Happening::Dies(device, noticed) => {
                let dead = &mut self.world.sensors[device].dead;
                if !std::mem::replace(dead, true) && noticed {
                    let sensor = DEVICES[device].name.into();
                    self.inbox.send(Event::Lost { sensor });
                }
            }
            Happening::Revives(device) => {
                self.world.sensors[device].dead = false;
                self.reports(device, true);
            }
            Happening::Heartbeat(device) => {
                self.reports(device, false);
                self.world
                    .plan
                    .add(now + self.world.heartbeat, Happening::Heartbeat(device));
            }
            Happening::Found(device, of) if of == life => self.reports(device, true),
            Happening::Found(..) => {}
            Happening::Owner(command) => self.owner(command),
            Happening::Faults(faults) => {
                let faults = if calm { Faults::default() } else { faults };
                self.world.outside.things().faults = faults;
            }
            Happening::ClockWrong(millis) => {
                let millis = if calm { 0 } else { millis };
                self.world.clock_was_right &= millis == 0;
                self.world.clock_wrong = millis;
                self.clock.set_wrong_by(millis);
            }
            Happening::Kill(steps, reboots) => {
                self.world.reboots = reboots;
                self.world.outside.things().kill_in = Some(steps);
            }
            Happening::Photo(incident, true, of) if of == life => {
                let photo = PhotoId(self.world.next_photo);
                self.world.next_photo += 1;
                self.inbox.send(Event::PhotoTaken { incident, photo });
            }
            Happening::Photo(incident, false, of) if of == life => {
                let why = "the camera gave no picture".to_owned();
                self.inbox.send(Event::PhotoFailed { incident, why });
            }
            Happening::Photo(..) => {}
            Happening::SignOfLife => {
                drop(self.journal.sign_of_life());
                self.world
                    .plan
                    .add(now + SIGN_OF_LIFE, Happening::SignOfLife);
                self.measure(now);
            }
            Happening::Calm => self.calms_down(now),
        }
    }

    /// The sensor says what it sees, if it can.
    pub(super) fn reports(&mut self, device: usize, found: bool) {
        let sensor = self.world.sensors[device];
        if !sensor.dead {
            self.inbox.send(Event::Reading(Reading {
                found,
                ..Reading::seen(DEVICES[device].name, sensor.active)
            }));
        }
    }

    pub(super) fn owner(&mut self, command: Command) {
        let (reply, answer) = oneshot::channel();
        let (clock, outside) = (self.clock.clone(), self.world.outside.clone());
        let asked = clock.now();
        let before = outside.things().ledger.mark();
        self.turn(Letter {
            event: Event::Command {
                command,
                by: Actor::owner(Origin::Socket),
            },
            at: self.clock.boot(),
            reply: Some(reply),
        });
        // A command that changed nothing waits for nothing.
        let mark = Some(outside.things().ledger.mark()).filter(|mark| *mark > before);
        tokio::spawn(async move {
            if let Ok(answer) = answer.await {
                let now = clock.now();
                let things = &mut *outside.things();
                things
                    .ledger
                    .answered(mark.unwrap_or(0), now.saturating_sub(asked));
                things.log.line(now, format_args!("answer: {answer:?}"));
            }
        });
    }

    pub(super) fn calms_down(&mut self, now: Duration) {
        self.world.calm = true;
        self.calm_since = Some(now);
        {
            let things = &mut *self.world.outside.things();
            things.faults = Faults::default();
            things.kill_in = None;
        }
        self.world.clock_wrong = 0;
        self.clock.set_wrong_by(0);
        for device in 0..DEVICES.len() {
            self.world.sensors[device] = crate::world::Sensor::default();
            self.reports(device, false);
        }
        self.world.plan.add(
            now + Duration::from_secs(1),
            Happening::Owner(Command::Acknowledge),
        );
    }

    /// Nothing goes on any more, or too long.
    pub(super) fn is_over(&mut self) -> bool {
        let Some(since) = self.calm_since else {
            return false;
        };
        let now = self.clock.now();
        let status = self.status.borrow();
        let rests = self.waiting.borrow().count == 0
            && self.handle.waiting() == 0
            && status.incidents.is_empty()
            && !self.fan.load(Ordering::Relaxed);
        // What was handed over in this moment has not reached the outbox yet.
        self.rests_since = self.rests_since.or(Some(now)).filter(|_| rests);
        let rests = self
            .rests_since
            .is_some_and(|since| now > since + RESTS_FOR);
        if !rests && now > since + CALM_AT_MOST {
            let waiting = self.waiting.borrow().count;
            self.world.outside.things().ledger.violation(format!(
                "hours later {waiting} messages wait, {} incidents go on",
                status.incidents.len()
            ));
            return true;
        }
        rests
    }

    pub(super) fn measure(&mut self, now: Duration) {
        let Some(growth) = &mut self.world.growth else {
            return;
        };
        if now.as_secs() / 86_400 < growth.days.len() as u64 {
            return;
        }
        let state = self.world.outside.things().ledger.latest_state();
        let state = state.map_or(0, |state| {
            serde_json::to_string(&state).map_or(0, |it| it.len())
        });
        let waiting = self.waiting.borrow().count as usize;
        growth.days.push([state, waiting, self.handle.waiting()]);
        growth.resident.push(resident());
        self.world.outside.things().ledger.forget();
    }
}

/// Resident memory of this process in kB; 0 where nobody tells.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
