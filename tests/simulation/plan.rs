//! What will happen on a day: burglars, leaks, owners, and everything that breaks meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use asfaleia::alarm::{Command, IncidentId, Mode};
use fastrand::Rng;

use crate::house::{BUTTON, CELLAR, DEVICES, DOOR, GARAGE, HALL, KITCHEN, WINDOW, pick};
use crate::outside::Faults;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);
/// Every half of `silent-after`, less a little.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(140);
pub(crate) const SIGN_OF_LIFE: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Happening {
    /// The surroundings of a sensor change.
    Level(usize, bool),
    /// A sensor says nothing any more; `true`: its device notices that it is gone.
    Dies(usize, bool),
    Revives(usize),
    Heartbeat(usize),
    /// After a start a driver tells what it found.
    Found(usize, u32),
    Owner(Command),
    Faults(Faults),
    /// The wall clock is wrong by so many milliseconds from now on.
    ClockWrong(i64),
    /// The process is killed so many steps later; `true`: and the machine starts anew.
    Kill(u32, bool),
    /// A photo asked for in this life.
    Photo(IncidentId, bool, u32),
    SignOfLife,
    /// Everything is mended, nothing is active, and nobody is killed any more.
    Calm,
}

/// By time, then in the order in which it was planned.
#[derive(Default)]
pub(crate) struct Plan {
    next: BTreeMap<(Duration, u64), Happening>,
    planned: u64,
}

impl Plan {
    pub(crate) fn add(&mut self, at: Duration, what: Happening) {
        self.planned += 1;
        self.next.insert((at, self.planned), what);
    }

    pub(crate) fn due(&self) -> Option<Duration> {
        self.next.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn take(&mut self, now: Duration) -> Option<Happening> {
        let first = self.next.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    fn routine(&mut self) {
        for (device, it) in DEVICES.iter().enumerate() {
            if it.heartbeat {
                self.add(HEARTBEAT, Happening::Heartbeat(device));
            }
        }
        self.add(SIGN_OF_LIFE, Happening::SignOfLife);
        self.arms(Duration::from_secs(60), Mode::Away);
    }

    fn arms(&mut self, at: Duration, mode: Mode) {
        let force = true;
        self.add(at, Happening::Owner(Command::Arm { mode, force }));
    }

    /// A day on which everything breaks.
    pub(crate) fn bad_day(rng: &mut Rng) -> Plan {
        let mut plan = Plan::default();
        plan.routine();
        for _ in 0..rng.u32(10..15) {
            let at = secs(rng, 300, 84_000);
            plan.trouble(at, rng);
            match rng.u32(..9) {
                0..3 => plan.burglar(at, rng),
                3..6 => plan.leak(at, rng),
                6 => plan.panic(at, rng),
                7 => plan.dead_sensor(at, rng),
                _ => plan.owner_comes_home(at, rng),
            }
        }
        for _ in 0..rng.u32(2..5) {
            let at = secs(rng, 120, 85_000);
            plan.arms(at, pick(rng, &Mode::ALL));
        }
        for _ in 0..rng.u32(..3) {
            let at = secs(rng, 120, 85_000);
            let hours = rng.i64(-30..30);
            plan.add(at, Happening::ClockWrong(hours * 3_600_000));
            plan.add(at + secs(rng, 60, 7_200), Happening::ClockWrong(0));
        }
        plan.add(DAY, Happening::Calm);
        plan
    }

    /// Days on which little happens and everything works.
    pub(crate) fn quiet_days(days: u32, rng: &mut Rng) -> Plan {
        let mut plan = Plan::default();
        plan.routine();
        for day in 0..days {
            let begins = DAY * day;
            let at = begins + secs(rng, 3_600, 40_000);
            plan.burglar(at, rng);
            let at = begins + secs(rng, 45_000, 80_000);
            match day % 4 {
                0 => plan.leak(at, rng),
                1 => plan.dead_sensor(at, rng),
                2 => plan.owner_comes_home(at, rng),
                _ => plan.panic(at, rng),
            }
            plan.add(
                at + secs(rng, 60, 900),
                Happening::Owner(Command::Acknowledge),
            );
        }
        plan.add(DAY * days, Happening::Calm);
        plan
    }

    /// Things break shortly before, and the process is killed in the middle.
    fn trouble(&mut self, at: Duration, rng: &mut Rng) {
        if rng.u32(..10) < 7 {
            let faults = match rng.u32(..5) {
                0 => Faults::everything(rng),
                _ => Faults::some(rng),
            };
            let before = at.saturating_sub(secs(rng, 0, 60));
            self.add(before, Happening::Faults(faults));
            let mended = Faults {
                answered: rng.bool(),
                ..Faults::default()
            };
            self.add(at + secs(rng, 30, 5_400), Happening::Faults(mended));
        }
        for _ in 0..rng.u32(..3) {
            let soon = pick(rng, &[0, 0, 2, 60, 600]);
            let when = at + Duration::from_millis(rng.u64(..=soon * 1_000));
            self.add(when, Happening::Kill(rng.u32(..40), rng.u32(..3) == 0));
        }
    }

    fn level(&mut self, at: Duration, device: usize, active: bool) {
        self.add(at, Happening::Level(device, active));
    }

    fn flaps(&mut self, device: usize, at: Duration, times: u32, rng: &mut Rng) {
        let mut at = at;
        for _ in 0..times {
            self.level(at, device, true);
            at += Duration::from_millis(rng.u64(50..20_000));
            self.level(at, device, false);
            at += Duration::from_millis(rng.u64(50..40_000));
        }
    }

    fn burglar(&mut self, at: Duration, rng: &mut Rng) {
        let way_in = pick(rng, &[DOOR, GARAGE, WINDOW, HALL]);
        self.level(at, way_in, true);
        // Doors and windows stay open for a while.
        self.level(at + secs(rng, 1, 2_400), way_in, false);
        let times = rng.u32(..6);
        self.flaps(HALL, at + secs(rng, 1, 30), times, rng);
        if rng.bool() {
            let command = pick(rng, &[0, 1, 2]);
            let command = match command {
                0 => Command::Disarm,
                1 => Command::Acknowledge,
                _ => Command::Silence,
            };
            let then = at + secs(rng, 5, 900);
            if command == Command::Disarm {
                self.arms(then + secs(rng, 60, 3_600), pick(rng, &Mode::ALL));
            }
            self.add(then, Happening::Owner(command));
        }
    }

    fn leak(&mut self, at: Duration, rng: &mut Rng) {
        let device = pick(rng, &[KITCHEN, CELLAR]);
        let times = rng.u32(1..5);
        self.flaps(device, at, times, rng);
        if rng.bool() {
            let later = at + secs(rng, 60, 400);
            self.level(later, device, true);
            self.level(later + secs(rng, 10, 1_800), device, false);
        }
        if rng.bool() {
            let command = pick(rng, &[0, 1, 2]);
            let command = match command {
                0 => Command::Disarm,
                1 => Command::Acknowledge,
                _ => Command::Silence,
            };
            let then = at + secs(rng, 5, 900);
            if command == Command::Disarm {
                self.arms(then + secs(rng, 60, 3_600), Mode::Away);
            }
            self.add(then, Happening::Owner(command));
        }
        if rng.u32(..4) == 0 {
            let dies = at + secs(rng, 1, 300);
            self.add(dies, Happening::Dies(device, rng.bool()));
            self.add(dies + secs(rng, 60, 1_200), Happening::Revives(device));
        }
    }

    fn panic(&mut self, at: Duration, rng: &mut Rng) {
        self.level(at, BUTTON, true);
        self.level(at + secs(rng, 1, 5), BUTTON, false);
    }

    fn dead_sensor(&mut self, at: Duration, rng: &mut Rng) {
        let device = rng.usize(..DEVICES.len());
        self.add(at, Happening::Dies(device, rng.bool()));
        self.add(at + secs(rng, 60, 3_600), Happening::Revives(device));
    }

    fn owner_comes_home(&mut self, at: Duration, rng: &mut Rng) {
        self.level(at, DOOR, true);
        let inside = at + secs(rng, 2, 15);
        self.level(inside, HALL, true);
        self.level(inside, DOOR, false);
        let command = if rng.u32(..4) == 0 {
            Command::Pause
        } else {
            Command::Disarm
        };
        self.add(inside + secs(rng, 1, 8), Happening::Owner(command));
        self.level(inside + secs(rng, 9, 60), HALL, false);
        self.arms(inside + secs(rng, 600, 7_200), pick(rng, &Mode::ALL));
    }
}

fn secs(rng: &mut Rng, from: u64, to: u64) -> Duration {
    Duration::from_millis(rng.u64(from * 1_000..=to * 1_000))
}
