//! What must hold whatever happens, in any order.

use std::time::Duration;

use proptest::prelude::*;

use super::fixtures::house;
use super::*;

/// One thing that may happen, and how long after the last.
#[derive(Debug, Clone)]
struct Happening {
    after: Duration,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Reads {
        sensor: &'static str,
        active: bool,
        found: bool,
    },
    Lost(&'static str),
    Commands(Command, Right),
    Photo(u64, bool),
    NobodyAnswered,
    Trouble(bool),
    Tick,
}

const SENSORS: [&str; 5] = ["hall", "front door", "garage", "kitchen gas", "panic"];

fn happening() -> impl Strategy<Value = Happening> {
    let after = prop_oneof![
        3 => Just(0u64),
        5 => 0u64..2_000,
        3 => 0u64..40_000,
        1 => 0u64..700_000,
    ]
    .prop_map(Duration::from_millis);
    let mode = prop::sample::select(Mode::ALL.to_vec());
    let command = prop_oneof![
        4 => (mode, any::<bool>()).prop_map(|(mode, force)| Command::Arm { mode, force }),
        1 => Just(Command::Disarm),
        1 => Just(Command::Pause),
        1 => Just(Command::Silence),
        1 => Just(Command::Acknowledge),
        1 => any::<bool>().prop_map(Command::WalkTest),
    ];
    let right = prop::sample::select(vec![Right::Owner, Right::Bridge, Right::Guest]);
    let what = prop_oneof![
        12 => (prop::sample::select(SENSORS.to_vec()), any::<bool>(), prop::bool::weighted(0.1))
            .prop_map(|(sensor, active, found)| What::Reads { sensor, active, found }),
        1 => prop::sample::select(SENSORS.to_vec()).prop_map(What::Lost),
        5 => (command, right).prop_map(|(command, right)| What::Commands(command, right)),
        2 => (1u64..4, any::<bool>()).prop_map(|(id, taken)| What::Photo(id, taken)),
        1 => Just(What::NobodyAnswered),
        1 => any::<bool>().prop_map(What::Trouble),
        2 => Just(What::Tick),
    ];
    (after, what).prop_map(|(after, what)| Happening { after, what })
}

fn event(what: &What) -> Event {
    match what {
        What::Reads {
            sensor,
            active,
            found,
        } => Event::Reading(Reading {
            found: *found,
            ..Reading::seen(*sensor, *active)
        }),
        What::Lost(sensor) => Event::Lost {
            sensor: (*sensor).into(),
        },
        What::Commands(command, right) => Event::Command {
            command: command.clone(),
            by: Actor {
                name: None,
                origin: Origin::Mqtt,
                right: *right,
                with: Vec::new(),
            },
        },
        What::Photo(incident, true) => Event::PhotoTaken {
            incident: IncidentId(*incident),
            photo: PhotoId(1),
        },
        What::Photo(incident, false) => Event::PhotoFailed {
            incident: IncidentId(*incident),
            why: "the lens cap is on".into(),
        },
        What::NobodyAnswered => Event::NobodyAnswered { incident: None },
        What::Trouble(true) => Event::TroubleRaised(Trouble {
            code: TroubleCode::Mail,
            subject: "smtp".into(),
            text: "refused".into(),
        }),
        What::Trouble(false) => Event::TroubleCleared {
            code: TroubleCode::Mail,
            subject: "smtp".into(),
        },
        What::Tick => Event::Tick,
    }
}

fn begin() -> (Alarm, BootTime) {
    let now = BootTime::from_secs(1_000);
    let mut alarm = Alarm::new(house(), Durable::default(), now);
    let started = Started {
        new_boot: false,
        store: StoreFound::Fresh,
        gap: None,
        waiting: 0,
        arm_away: false,
    };
    alarm.step(Event::Started(started), now, &mut Vec::new());
    (alarm, now)
}

/// What gas says, kept by the test itself: known clear since, or `None`.
#[derive(Default)]
struct GasWitness {
    clear_since: Option<BootTime>,
    heard: Option<BootTime>,
    active: bool,
}

const RUN_ON: Duration = Duration::from_secs(300);
const SILENT_AFTER: Duration = Duration::from_secs(10);

impl GasWitness {
    fn sees(&mut self, what: &What, now: BootTime) {
        // Silence begins 10 s after the last word: not clear from then on.
        if self.heard.is_some_and(|heard| now >= heard + SILENT_AFTER) {
            self.clear_since = None;
        }
        match what {
            What::Reads {
                sensor: "kitchen gas",
                active,
                ..
            } => {
                self.heard = Some(now);
                self.active = *active;
                if *active {
                    self.clear_since = None;
                } else {
                    self.clear_since.get_or_insert(now);
                }
            }
            What::Lost("kitchen gas") => self.clear_since = None,
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn gas_switches_the_fan_on_in_the_same_step_whatever_else_goes_on(
        before in prop::collection::vec(happening(), 0..60)
    ) {
        let (mut alarm, mut now) = begin();
        for happening in &before {
            now = now + happening.after;
            alarm.step(event(&happening.what), now, &mut Vec::new());
        }
        let on_before = alarm.status().exhaust;
        let mut out = Vec::new();
        alarm.step(Event::Reading(Reading::seen("kitchen gas", true)), now, &mut out);
        prop_assert!(alarm.status().exhaust);
        prop_assert!(on_before || out.contains(&Action::Exhaust(true)));
    }

    #[test]
    fn the_fan_goes_off_after_clear_and_run_on_and_never_before(
        happenings in prop::collection::vec(happening(), 1..120)
    ) {
        let (mut alarm, mut now) = begin();
        let mut witness = GasWitness::default();
        for happening in &happenings {
            let end = now + happening.after;
            // Deadlines run one by one, as in the panel's loop, so that each is seen at its time.
            while let Some(due) = alarm.deadline().filter(|due| *due <= end) {
                now = now.max(due);
                let mut out = Vec::new();
                witness.sees(&What::Tick, now);
                alarm.step(Event::Tick, now, &mut out);
                if out.contains(&Action::Exhaust(false)) {
                    let since = witness.clear_since;
                    prop_assert!(
                        since.is_some_and(|since| now.since(since) >= RUN_ON),
                        "off at {now:?}, clear since {since:?}"
                    );
                }
            }
            now = end;
            witness.sees(&happening.what, now);
            let mut out = Vec::new();
            alarm.step(event(&happening.what), now, &mut out);
            prop_assert!(!out.contains(&Action::Exhaust(false)), "only a deadline stops the fan");
        }
        // And it does go off, once the sensor says that all is clear.
        for _ in 0..=RUN_ON.as_secs() {
            alarm.step(Event::Reading(Reading::seen("kitchen gas", false)), now, &mut Vec::new());
            now = now + Duration::from_secs(1);
        }
        alarm.step(Event::Tick, now, &mut Vec::new());
        prop_assert!(!alarm.status().exhaust);
    }

    #[test]
    fn only_somebody_with_the_right_to_it_disarms(
        happenings in prop::collection::vec(happening(), 1..150)
    ) {
        let (mut alarm, mut now) = begin();
        // What the panel must go back to when an incident clears by itself.
        let mut from_disarmed = false;
        for happening in &happenings {
            now = now + happening.after;
            let before = alarm.durable().panel.clone();
            alarm.step(event(&happening.what), now, &mut Vec::new());
            let after = &alarm.durable().panel;
            if let (Panel::Disarmed, Panel::Triggered { .. }) = (&before, after) {
                from_disarmed = true;
            }
            if before != Panel::Disarmed && *after == Panel::Disarmed {
                let by_right =
                    matches!(happening.what, What::Commands(Command::Disarm, Right::Owner));
                prop_assert!(by_right || from_disarmed, "{before:?} became disarmed by itself");
            }
            if *after == Panel::Disarmed {
                from_disarmed = false;
            }
        }
    }

    #[test]
    fn a_stray_tick_changes_nothing(
        happenings in prop::collection::vec(happening(), 1..100),
        early in 0.0f64..1.0,
    ) {
        let (mut alarm, mut now) = begin();
        for happening in &happenings {
            now = now + happening.after;
            alarm.step(event(&happening.what), now, &mut Vec::new());
            let Some(due) = alarm.deadline() else { continue };
            let stray = now + now.until(due).mul_f64(early).saturating_sub(Duration::from_nanos(1));
            if stray >= due {
                continue;
            }
            let mut ticked = alarm.clone();
            let mut out = Vec::new();
            ticked.step(Event::Tick, stray, &mut out);
            prop_assert_eq!(&out, &Vec::new());
            prop_assert_eq!(ticked.durable(), alarm.durable());
            prop_assert_eq!(ticked.deadline(), alarm.deadline());
        }
    }

    #[test]
    fn saved_and_restored_in_the_same_boot_it_behaves_as_the_original(
        before in prop::collection::vec(happening(), 0..60),
        after in prop::collection::vec(happening(), 0..60),
    ) {
        let (mut original, mut now) = begin();
        for happening in &before {
            now = now + happening.after;
            original.step(event(&happening.what), now, &mut Vec::new());
        }
        let saved = serde_json::to_string(original.durable()).expect("it can be saved");
        let durable: Durable = serde_json::from_str(&saved).expect("it can be read again");
        prop_assert_eq!(&durable, original.durable());
        let mut restored = Alarm::new(house(), durable, now);
        let started = Started {
            new_boot: false,
            store: StoreFound::Restored,
            gap: None,
            waiting: 0,
            arm_away: false,
        };
        // The start of a service: levels are read, the walk test and troubles begin anew.
        restored.step(Event::Started(started), now, &mut Vec::new());
        original.step(
            Event::Command { command: Command::WalkTest(false), by: Actor::owner(Origin::Socket) },
            now,
            &mut Vec::new(),
        );
        let levels = original.status();
        for sensor in &levels.sensors {
            let alive = sensor.state != SensorState::Silent;
            let level = original.level(&sensor.name);
            for alarm in [&mut original, &mut restored] {
                let event = match level {
                    // Whether a held motion was seen to begin is the one thing a restart forgets.
                    Some(_) if alive && sensor.kind.is_momentary() => {
                        Event::Reading(Reading::seen(sensor.name.as_str(), false))
                    }
                    Some(active) if alive => Event::Reading(Reading {
                        found: true,
                        ..Reading::seen(sensor.name.as_str(), active)
                    }),
                    Some(_) | None => Event::Lost { sensor: sensor.name.clone() },
                };
                alarm.step(event, now, &mut Vec::new());
            }
        }
        for happening in &after {
            now = now + happening.after;
            original.step(event(&happening.what), now, &mut Vec::new());
            restored.step(event(&happening.what), now, &mut Vec::new());
            prop_assert_eq!(&restored.durable().panel, &original.durable().panel);
            prop_assert_eq!(&restored.durable().gas.fan, &original.durable().gas.fan);
            prop_assert_eq!(restored.status().buzzer, original.status().buzzer);
            prop_assert_eq!(restored.status().exhaust, original.status().exhaust);
        }
    }

    #[test]
    fn left_alone_every_state_comes_to_rest(
        happenings in prop::collection::vec(happening(), 1..100)
    ) {
        let (mut alarm, mut now) = begin();
        for happening in &happenings {
            now = now + happening.after;
            alarm.step(event(&happening.what), now, &mut Vec::new());
        }
        for name in SENSORS {
            alarm.step(Event::Reading(Reading::seen(name, false)), now, &mut Vec::new());
        }
        let gas_off_at = now + Duration::from_secs(3_600);
        while now < gas_off_at {
            now = now + Duration::from_secs(5);
            alarm.step(Event::Reading(Reading::seen("kitchen gas", false)), now, &mut Vec::new());
        }
        let status = alarm.status();
        prop_assert!(!status.buzzer && !status.exhaust, "{status:?}");
        prop_assert!(status.incidents.is_empty());
        prop_assert!(status.state == "disarmed" || status.state.starts_with("armed_"));
    }
}
