//! What must hold of access whatever is shown, typed and sensed, in any order.

use std::time::Duration;

use proptest::prelude::*;

use super::fixtures::house;
use super::*;

const WITHIN: Duration = Duration::from_secs(30);
const PEOPLE: [&str; 2] = ["Anna", "Ben"];

#[derive(Debug, Clone)]
enum What {
    Shown(Factor, Who, bool),
    Typed(Command, Actor, Who, bool),
    Commanded(Command, Right),
    Sensed(&'static str, bool),
    Ticked,
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        5 => prop::sample::select(PEOPLE.to_vec()).prop_map(|name| Who::Person(name.to_owned())),
        2 => Just(Who::Stranger),
    ]
}

fn shower() -> impl Strategy<Value = Who> {
    prop_oneof![6 => who(), 1 => Just(Who::Anybody)]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        2 => Just(Command::Arm { mode: Mode::Away, force: true }),
        3 => Just(Command::Disarm),
        1 => Just(Command::Pause),
        1 => Just(Command::Silence),
        1 => Just(Command::Acknowledge),
    ]
}

/// Nobody here is an owner without proof.
fn stranger_to_us(right: Right) -> impl Strategy<Value = Actor> {
    let origin = prop::sample::select(vec![Origin::Mqtt, Origin::Token, Origin::Dashboard]);
    let holder = prop::option::weighted(0.2, Just("keypad".to_owned()));
    (origin, holder).prop_map(move |(origin, name)| Actor {
        name,
        right,
        ..Actor::owner(origin)
    })
}

fn what() -> impl Strategy<Value = What> {
    let factor = prop::sample::select(vec![Factor::Face, Factor::Finger]);
    let duress = prop::bool::weighted(0.3);
    let sensor = prop::sample::select(vec!["hall", "front door", "kitchen gas", "panic"]);
    let right = prop::sample::select(vec![Right::Guest, Right::Bridge]);
    prop_oneof![
        6 => (factor, shower(), duress)
            .prop_map(|(factor, who, duress)| What::Shown(factor, who, duress)),
        4 => (command(), stranger_to_us(Right::Bridge), who(), duress)
            .prop_map(|(command, by, who, duress)| What::Typed(command, by, who, duress)),
        2 => (command(), right).prop_map(|(command, right)| What::Commanded(command, right)),
        3 => (sensor, any::<bool>()).prop_map(|(sensor, active)| What::Sensed(sensor, active)),
        1 => Just(What::Ticked),
    ]
}

type Happening = (Duration, What);

fn happenings(most: usize) -> impl Strategy<Value = Vec<Happening>> {
    let after = prop_oneof![
        4 => 0u64..3_000,
        3 => 0u64..40_000,
        1 => 0u64..200_000,
    ]
    .prop_map(Duration::from_millis);
    prop::collection::vec((after, what()), 1..most)
}

fn event(what: &What) -> Event {
    match what.clone() {
        What::Shown(factor, who, duress) => Event::Shown {
            factor,
            who,
            origin: Origin::Reader,
            duress,
        },
        What::Typed(command, by, who, duress) => Event::Typed {
            command,
            by,
            who,
            duress,
        },
        What::Commanded(command, right) => Event::Command {
            command,
            by: Actor {
                right,
                ..Actor::owner(Origin::Token)
            },
        },
        What::Sensed(sensor, active) => Event::Reading(Reading::seen(sensor, active)),
        What::Ticked => Event::Tick,
    }
}

fn sets() -> impl Strategy<Value = Vec<Vec<Factor>>> {
    use Factor::{Face, Finger, Pin};
    prop::sample::select(vec![
        vec![vec![Face, Finger], vec![Pin]],
        vec![vec![Face, Finger, Pin]],
        vec![vec![Finger, Pin]],
        vec![vec![Face, Finger]],
        vec![vec![Face, Pin], vec![Finger, Pin]],
        vec![vec![Finger]],
    ])
}

fn begin(require: Vec<Vec<Factor>>, grant: Grant) -> (Alarm, BootTime) {
    let now = BootTime::from_secs(1_000);
    let mut policy = house();
    policy.access = AccessPolicy {
        require,
        within: WITHIN,
        grant,
        proxied: false,
    };
    let phone = policy.phone.as_mut().expect("the house has a telephone");
    phone.duress = phone.rungs[1..].to_vec();
    (Alarm::new(policy, Durable::default(), now), now)
}

fn grant() -> impl Strategy<Value = Grant> {
    prop::sample::select(vec![Grant::Disarm, Grant::Toggle, Grant::Pause])
}

/// Everything that was shown and was somebody's, kept by the test itself.
#[derive(Default)]
struct Witness(Vec<(Factor, Option<String>, BootTime)>);

impl Witness {
    fn sees(&mut self, what: &What, now: BootTime) {
        let (factor, who) = match what {
            What::Shown(factor, who, _) => (*factor, who),
            What::Typed(_, _, who, _) => (Factor::Pin, who),
            What::Commanded(..) | What::Sensed(..) | What::Ticked => return,
        };
        match who {
            Who::Person(name) => self.0.push((factor, Some(name.clone()), now)),
            Who::Anybody => self.0.push((factor, None, now)),
            Who::Stranger => {}
        }
    }

    /// One and the same person has shown all of some set, or wires have that fit anybody.
    fn let_in(&self, require: &[Vec<Factor>], now: BootTime) -> bool {
        PEOPLE.iter().any(|person| {
            require.iter().any(|set| {
                set.iter().all(|wanted| {
                    self.0.iter().any(|(factor, name, at)| {
                        let fits = name.as_deref().is_none_or(|name| name == *person);
                        factor == wanted && fits && now.since(*at) < WITHIN
                    })
                })
            })
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_but_a_whole_set_of_one_persons_factors_grants_anything(
        require in sets(), grant in grant(), happenings in happenings(150)
    ) {
        let (mut alarm, mut now) = begin(require.clone(), grant);
        let mut witness = Witness::default();
        for (after, what) in &happenings {
            now = now + *after;
            witness.sees(what, now);
            let (before, mut out) = (alarm.durable().panel.clone(), Vec::new());
            alarm.step(event(what), now, &mut out);
            let granted = |action: &&Action| {
                matches!(action, Action::Record { what: Record::Granted { .. }, .. })
            };
            if let Some(action) = out.iter().find(granted) {
                prop_assert!(witness.let_in(&require, now), "{action:?} at {now:?}");
                // What let somebody in once does not do so again.
                witness.0.retain(|(_, name, _)| match action {
                    Action::Record { what: Record::Granted { by, .. }, .. } => {
                        name.is_some() && *name != by.name
                    }
                    _ => true,
                });
            } else {
                let by_somebody = |action: &&Action| matches!(
                    action,
                    Action::Record { what: Record::State { to, by: Some(_), .. }, .. }
                        if to == "disarmed" || to == "paused"
                );
                let let_off = out.iter().find(by_somebody);
                prop_assert!(let_off.is_none(), "{let_off:?} from {before:?}");
            }
        }
    }

    #[test]
    fn duress_never_shows_in_anything_that_an_onlooker_could_see(
        require in sets(), grant in grant(), happenings in happenings(120)
    ) {
        let (mut forced, mut now) = begin(require, grant);
        let mut free = forced.clone();
        for (after, what) in &happenings {
            now = now + *after;
            let calm = match what.clone() {
                What::Shown(factor, who, _) => What::Shown(factor, who, false),
                What::Typed(command, by, who, _) => What::Typed(command, by, who, false),
                other @ (What::Commanded(..) | What::Sensed(..) | What::Ticked) => other,
            };
            let (mut seen, mut ordinary) = (Vec::new(), Vec::new());
            let answer = forced.step(event(what), now, &mut seen);
            prop_assert_eq!(answer, free.step(event(&calm), now, &mut ordinary));
            let silent = seen.iter().filter(|action| action.is_silent()).count();
            let marked = matches!(
                what,
                What::Shown(_, Who::Person(_), true) | What::Typed(_, _, Who::Person(_), true)
            );
            prop_assert_eq!(silent > 0, marked);
            seen.retain(|action| !action.is_silent());
            prop_assert_eq!(seen, ordinary);
            prop_assert_eq!(forced.status(), free.status());
            prop_assert_eq!(forced.durable(), free.durable());
            prop_assert_eq!(forced.deadline(), free.deadline());
        }
    }

    #[test]
    fn what_is_tried_in_one_place_never_locks_another(
        happenings in happenings(120), wrong in 1usize..40
    ) {
        // Two houses see the same; in one of them somebody tries PINs at the dashboard besides.
        let require = vec![vec![Factor::Face, Factor::Finger], vec![Factor::Pin]];
        let (mut quiet, mut now) = begin(require, Grant::Disarm);
        let mut tried = quiet.clone();
        let elsewhere = |what: &What| match what {
            What::Typed(_, by, ..) => by.origin != Origin::Dashboard,
            What::Shown(..) | What::Commanded(..) | What::Sensed(..) | What::Ticked => true,
        };
        let guess = Event::Typed {
            command: Command::Disarm,
            by: Actor { right: Right::Guest, ..Actor::owner(Origin::Dashboard) },
            who: Who::Stranger,
            duress: false,
        };
        for (turn, (after, what)) in happenings.iter().filter(|(_, it)| elsewhere(it)).enumerate() {
            now = now + *after;
            if turn < wrong {
                tried.step(guess.clone(), now, &mut Vec::new());
            }
            let answer = tried.step(event(what), now, &mut Vec::new());
            prop_assert_eq!(answer, quiet.step(event(what), now, &mut Vec::new()));
            prop_assert_eq!(&tried.durable().panel, &quiet.durable().panel);
        }
    }

    #[test]
    fn an_origin_is_never_locked_for_longer_than_ninety_seconds(
        happenings in happenings(120), origin in prop::sample::select(vec![
            Origin::Mqtt, Origin::Token, Origin::Dashboard,
        ])
    ) {
        let (mut alarm, mut now) = begin(vec![vec![Factor::Pin]], Grant::Disarm);
        for (after, what) in &happenings {
            now = now + *after;
            alarm.step(event(what), now, &mut Vec::new());
        }
        let shared = origin == Origin::Mqtt;
        now = now + Duration::from_secs(if shared { 10 } else { 90 });
        let typed = Event::Typed {
            command: Command::Disarm,
            by: Actor { right: Right::Guest, ..Actor::owner(origin) },
            who: Who::Person("Anna".into()),
            duress: false,
        };
        prop_assert_eq!(alarm.step(typed, now, &mut Vec::new()), Answer::Done);
        prop_assert_eq!(alarm.status().state, "disarmed");
    }
}
