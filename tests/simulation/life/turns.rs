//! The panel's turns, and what must be true after each.

use super::*;

impl Life<'_> {
    /// The panel is what it was before anything else happens.
    pub(super) fn first_turn(&mut self, started: Event, new_boot: bool, counts_from: BootTime) {
        let state = self.world.outside.things().ledger.state();
        let reported = (state.iter())
            .flat_map(|state| &state.alarm.gas.sensors)
            .filter_map(|name| DEVICES.iter().find(|it| it.name == name.as_str()))
            .map(|device| device.name)
            .collect::<BTreeSet<_>>();
        let off_at = state
            .as_ref()
            .and_then(|state| state.alarm.gas.fan.as_ref()?.off_at);
        let off_in = off_at.map(|off_at| counts_from.until(off_at));
        self.world.gas.restarts(reported, off_in, self.clock.now());
        let at = self.clock.boot();
        self.turn(Letter {
            event: started,
            at,
            reply: None,
        });
        if let Some(state) = state {
            let status = self.status.borrow().clone();
            let things = &mut *self.world.outside.things();
            let alarm = &state.alarm;
            // In another boot a delay keeps what was left of it.
            let over = !new_boot && alarm.panel.until().is_some_and(|until| until <= at);
            let forgotten = ([&alarm.intrusion, &alarm.gas.open].into_iter().flatten())
                .map(|open| open.incident.id)
                .any(|id| {
                    let goes_on = status.incidents.iter().any(|incident| incident.id == id);
                    !goes_on && !things.ledger.has_ended(id)
                });
            let sounds = matches!(status.buzzer_pattern, Some(Pattern::Alarm | Pattern::Gas));
            let found = if status.mode != alarm.panel.mode() {
                Some("the mode is another one")
            } else if alarm.gas.fan.is_some() && !self.fan.load(Ordering::Relaxed) {
                Some("the fan does not run")
            } else if forgotten {
                Some("an incident is forgotten")
            } else if siren_sounds(&state) && !over && !sounds {
                Some("the siren is silent")
            } else {
                None
            };
            if let Some(what) = found.filter(|_| !things.dead) {
                let is = status.state;
                things
                    .ledger
                    .violation(format!("after a restart {what}; the panel is {is}"));
            }
        }
        let now = self.clock.now();
        for device in 0..DEVICES.len() {
            let after = Duration::from_millis(self.world.rng.u64(..3_000));
            let found = Happening::Found(device, self.world.life);
            self.world.plan.add(now + after, found);
        }
        // Time comes over the network, sooner or later.
        if self.world.clock_wrong != 0 {
            let after = Duration::from_secs(self.world.rng.u64(1..40));
            self.world.plan.add(now + after, Happening::ClockWrong(0));
        }
    }

    pub(super) fn turn(&mut self, letter: Letter) {
        if !self.alive() {
            return;
        }
        self.world.outside.things().ledger.owner_disarms = matches!(
            letter.event,
            Event::Command {
                command: Command::Disarm,
                ..
            }
        );
        let read = match &letter.event {
            Event::Reading(reading) => Some(reading.clone()),
            _ => None,
        };
        let before = self.status.borrow().clone();
        self.panel.turn(letter);
        if self.is_dead() {
            return;
        }
        if let Some(reading) = read {
            self.after_a_reading(&reading, &before);
        }
        self.after_a_turn();
    }

    pub(super) fn after_a_reading(&mut self, reading: &Reading, before: &Status) {
        let name = reading.sensor.as_str();
        let index = DEVICES.iter().position(|device| device.name == name);
        let index = index.expect("all sensors are the house's");
        let device = &DEVICES[index];
        if device.kind == SensorKind::Gas {
            let now = self.clock.now();
            self.world.gas.says(device.name, reading.active, now);
        }
        // What is still open after a restart is an alarm.
        let armed = matches!(before.state, "armed_away" | "armed_home" | "armed_night");
        let Some(mode) = before
            .mode
            .filter(|_| armed && reading.active && reading.found)
        else {
            return;
        };
        let things = &mut *self.world.outside.things();
        let counts = is_instant(index, mode)
            && things.ledger.latest_state().is_none_or(|state| {
                let marks = state.alarm.marks.get(&reading.sensor);
                marks.is_none_or(|marks| !marks.spent && marks.inhibited.is_none())
            });
        let known = (before.sensors.iter())
            .any(|sensor| sensor.name == reading.sensor && sensor.state == SensorState::Active);
        let now = self.status.borrow().state;
        if counts && !known && now != "triggered" {
            (things.ledger).violation(format!("{name} was found active, and the panel is {now}"));
        }
    }

    pub(super) fn after_a_turn(&mut self) {
        if self.is_dead() {
            return;
        }
        let now = self.clock.now();
        let status = self.status.borrow().clone();
        for sensor in &status.sensors {
            let device = DEVICES.iter().find(|it| it.name == sensor.name.as_str());
            if let Some(device) = device
                && sensor.state == SensorState::Silent
            {
                self.world.gas.silent(device.name);
            }
        }
        let gas: Vec<&str> = (DEVICES.iter())
            .filter(|device| device.kind == SensorKind::Gas)
            .map(|device| device.name)
            .collect();
        let on = self.fan.load(Ordering::Relaxed);
        let wrong = self.world.gas.check(on, now, &gas);
        let wanted = {
            let things = &mut *self.world.outside.things();
            if let Some(what) = wrong {
                things.ledger.violation(what);
            }
            std::mem::take(&mut things.photos_wanted)
        };
        for (incident, count) in wanted {
            let camera = self.world.outside.things().faults.camera;
            for n in 0..count {
                let (after, taken) = match camera {
                    Camera::Fine => (50 + 1_000 * u64::from(n), true),
                    Camera::Fails => (4_000, false),
                    Camera::Silent => continue,
                };
                let photo = Happening::Photo(incident, taken, self.world.life);
                self.world
                    .plan
                    .add(now + Duration::from_millis(after), photo);
            }
        }
    }
}
