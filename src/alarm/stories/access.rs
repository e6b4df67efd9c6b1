//! Who is let in, and what they find.

use super::*;

/// What the original asked for, and a PIN.
fn door(grant: Grant) -> Policy {
    let mut policy = house();
    policy.access = AccessPolicy {
        require: vec![vec![Factor::Face, Factor::Finger], vec![Factor::Pin]],
        within: secs(30),
        grant,
        proxied: false,
    };
    policy
}

fn anna() -> Who {
    Who::Person("Anna".into())
}

impl House {
    fn shows(&mut self, factor: Factor, who: Who) -> Answer {
        self.event(Event::Shown {
            factor,
            who,
            origin: Origin::Reader,
            duress: false,
        })
    }

    fn types(&mut self, command: Command, origin: Origin, who: Who) -> Answer {
        self.event(Event::Typed {
            command,
            by: Actor {
                right: Right::Bridge,
                ..Actor::owner(origin)
            },
            who,
            duress: false,
        })
    }

    fn refused(&self) -> usize {
        self.records(|what| matches!(what, Record::Refused { .. }))
    }
}

#[test]
fn face_and_finger_disarm_and_the_incident_says_who_and_how() {
    let mut house = House::armed_with(door(Grant::Disarm), Mode::Away);
    house.reads("hall", true);
    house.wait(secs(12));
    assert_eq!(house.shows(Factor::Finger, anna()), Answer::Done);
    assert_eq!(house.state(), "triggered", "a finger alone is not enough");
    house.shows(Factor::Face, anna());
    assert_eq!(house.state(), "disarmed");
    let disarmed = |about: &About| match about {
        About::Disarmed {
            by, after_seconds, ..
        } => {
            assert_eq!(by.described(), "Anna (face and finger)");
            *after_seconds == 12
        }
        _ => false,
    };
    assert!(house.mails().iter().any(|mail| disarmed(&mail.about)));
    assert_eq!(
        house.records(|what| matches!(what, Record::Granted { what, .. } if what == "disarm")),
        1
    );
    assert!(house.did(&Action::Chirp(Pattern::OwnerRecognised)));
    assert!(house.did(&Action::StopCalls { whose: Calls::All }));
}

#[test]
fn the_originals_two_wires_halt_detection_for_half_a_minute_and_nothing_of_it_alarms_later() {
    let mut house = House::armed_with(door(Grant::Pause), Mode::Away);
    house.shows(Factor::Face, Who::Anybody);
    house.wait(secs(10));
    house.shows(Factor::Finger, Who::Anybody);
    assert_eq!(house.state(), "paused");
    let beeps = |action: &&Action| **action == Action::Chirp(Pattern::OwnerRecognised);
    assert_eq!(house.actions.iter().filter(beeps).count(), 1);
    house.reads("hall", true);
    house.wait_with_gas(secs(31), false);
    assert_eq!(house.state(), "armed_away", "and watches again");
    assert!(house.mails().is_empty());
    house.reads("hall", false);
    house.reads("hall", true);
    assert_eq!(house.state(), "triggered");
}

#[test]
fn panic_and_tamper_are_not_paused() {
    let mut house = House::armed_with(door(Grant::Pause), Mode::Away);
    house.shows(Factor::Face, Who::Anybody);
    house.shows(Factor::Finger, Who::Anybody);
    house.reads("panic", true);
    assert_eq!(house.state(), "triggered");
}

#[test]
fn access_that_pauses_ends_a_panic_that_began_in_a_disarmed_house() {
    let mut house = House::new(door(Grant::Pause));
    house.reads("panic", true);
    assert_eq!(house.state(), "triggered");
    house.shows(Factor::Face, Who::Anybody);
    house.shows(Factor::Finger, Who::Anybody);
    assert_eq!(house.state(), "disarmed");
    assert!(!house.alarm.status().buzzer);
    let disarmed =
        |what: &Record| matches!(what, Record::IncidentEnded { how, .. } if how == "disarmed");
    assert_eq!(house.records(disarmed), 1);
}

#[test]
fn two_peoples_halves_and_halves_too_far_apart_let_nobody_in() {
    let mut house = House::armed_with(door(Grant::Disarm), Mode::Away);
    house.shows(Factor::Finger, anna());
    house.shows(Factor::Face, Who::Person("Ben".into()));
    assert_eq!(house.state(), "armed_away");
    house.wait(secs(30));
    house.shows(Factor::Face, anna());
    assert_eq!(house.state(), "armed_away");
    house.wait(secs(29));
    house.shows(Factor::Finger, anna());
    assert_eq!(house.state(), "disarmed");
}

#[test]
fn a_wire_fits_the_person_whom_the_other_half_names() {
    let mut house = House::armed_with(door(Grant::Disarm), Mode::Away);
    house.shows(Factor::Face, anna());
    house.shows(Factor::Finger, Who::Anybody);
    let by_anna = |what: &Record| matches!(what, Record::Granted { by, .. } if by.described() == "Anna (face and finger)");
    assert_eq!(house.records(by_anna), 1);
}

#[test]
fn toggle_arms_a_disarmed_house_and_disarms_any_other() {
    let mut house = House::new(door(Grant::Toggle));
    let both = |house: &mut House| {
        house.shows(Factor::Face, anna());
        house.shows(Factor::Finger, anna());
    };
    both(&mut house);
    assert_eq!(house.state(), "arming");
    house.shows(Factor::Face, anna());
    assert_eq!(house.state(), "arming", "what let her in lets her in once");
    house.wait(secs(31));
    both(&mut house);
    assert_eq!(house.state(), "disarmed");
}

#[test]
fn access_stops_an_intrusion_alarm_and_the_calls_and_never_the_fan() {
    let mut house = House::armed_with(door(Grant::Disarm), Mode::Away);
    house.reads("kitchen gas", true);
    house.shows(Factor::Face, anna());
    house.shows(Factor::Finger, anna());
    assert_eq!(house.state(), "disarmed");
    let status = house.alarm.status();
    assert!(status.exhaust && status.buzzer);
    let (by, _) = status.incidents[0].acknowledged.as_ref().unwrap();
    assert_eq!(by.who(), "Anna");
}

#[test]
fn over_mqtt_a_pin_disarms_and_without_one_that_is_somebodys_only_arming_goes() {
    let mut house = House::armed_with(door(Grant::Disarm), Mode::Away);
    let wrong = house.types(Command::Disarm, Origin::Mqtt, Who::Stranger);
    assert!(matches!(wrong, Answer::Forbidden(_)), "{wrong:?}");
    assert_eq!(house.state(), "armed_away");
    house.wait(secs(1));
    assert_eq!(
        house.types(Command::Disarm, Origin::Mqtt, anna()),
        Answer::Done
    );
    assert_eq!(house.state(), "disarmed");
    let arm = Command::Arm {
        mode: Mode::Home,
        force: false,
    };
    assert_eq!(
        house.types(arm, Origin::Mqtt, Who::Stranger),
        Answer::Done,
        "a slip of the finger keeps nobody from arming"
    );
    assert_eq!(house.state(), "arming");
}

#[test]
fn a_pin_that_no_set_asks_for_alone_is_not_enough() {
    let mut policy = door(Grant::Disarm);
    policy.access.require = vec![vec![Factor::Finger, Factor::Pin]];
    let mut house = House::armed_with(policy.clone(), Mode::Away);
    let half = house.types(Command::Disarm, Origin::Mqtt, anna());
    let lacks = "a finger too, within 30 s".to_owned();
    assert_eq!(half, Answer::Refused(vec![lacks]));
    house.shows(Factor::Finger, anna());
    assert_eq!(house.state(), "disarmed");
    policy.access.require = vec![vec![Factor::Finger]];
    let mut house = House::armed_with(policy, Mode::Away);
    let none = house.types(Command::Disarm, Origin::Mqtt, anna());
    assert!(matches!(none, Answer::Refused(why) if why[0].contains("lets nobody in")));
}

#[test]
fn five_wrong_pins_lock_their_origin_for_ninety_seconds_and_no_other() {
    let mut house = House::armed_with(door(Grant::Disarm), Mode::Away);
    for waits in [1, 2, 4, 8] {
        house.types(Command::Disarm, Origin::Token, Who::Stranger);
        let soon = house.types(Command::Disarm, Origin::Token, anna());
        assert!(matches!(soon, Answer::TooSoon(_)), "{soon:?}");
        house.wait(secs(waits));
    }
    house.types(Command::Disarm, Origin::Token, Who::Stranger);
    let told = |house: &House| {
        let troubles = house.alarm.status().troubles;
        (troubles.iter()).any(|(it, _)| it.code == TroubleCode::AccessTries)
    };
    assert!(told(&house));
    house.wait(secs(89));
    let locked = house.types(Command::Disarm, Origin::Token, anna());
    assert_eq!(
        locked,
        Answer::TooSoon("too many wrong tries: again in 1 s".to_owned())
    );
    house.shows(Factor::Finger, anna());
    house.shows(Factor::Face, anna());
    assert_eq!(house.state(), "disarmed", "the door is another origin");
    house.wait(secs(1));
    assert_eq!(
        house.types(Command::Disarm, Origin::Token, anna()),
        Answer::Done
    );
    assert!(!told(&house), "a right one ends it");
}

#[test]
fn an_origin_that_many_share_is_slowed_and_never_locked() {
    let mut house = House::armed_with(door(Grant::Disarm), Mode::Away);
    for _ in 0..50 {
        house.types(Command::Disarm, Origin::Mqtt, Who::Stranger);
        house.wait(secs(10));
    }
    assert_eq!(
        house.types(Command::Disarm, Origin::Mqtt, anna()),
        Answer::Done
    );
}

#[test]
fn a_dashboard_behind_a_proxy_is_one_that_many_share() {
    let mut policy = door(Grant::Disarm);
    policy.access.proxied = true;
    let mut house = House::armed_with(policy, Mode::Away);
    for _ in 0..20 {
        house.types(Command::Disarm, Origin::Dashboard, Who::Stranger);
        house.wait(secs(10));
    }
    house.types(Command::Disarm, Origin::Dashboard, anna());
    assert_eq!(house.state(), "disarmed");
}

#[test]
fn whoever_tries_on_and_on_does_not_fill_the_card() {
    let mut house = House::armed_with(door(Grant::Disarm), Mode::Away);
    for _ in 0..5 {
        house.types(Command::Disarm, Origin::Token, Who::Stranger);
        house.wait(secs(8));
    }
    let before = house.refused();
    for _ in 0..1_000 {
        house.types(Command::Disarm, Origin::Token, Who::Stranger);
    }
    assert_eq!(house.refused(), before + 1);
}

#[test]
fn a_lock_outlives_a_restart_and_a_power_cut() {
    let mut house = House::armed_with(door(Grant::Disarm), Mode::Away);
    for _ in 0..5 {
        house.types(Command::Disarm, Origin::Token, Who::Stranger);
        house.wait(secs(8));
    }
    let mut durable = house.alarm.durable().clone();
    let now = BootTime::from_secs(9);
    durable.rebase(house.now, house.now, now);
    house.alarm = Alarm::new(door(Grant::Disarm), durable, now);
    house.now = now;
    let locked = house.types(Command::Disarm, Origin::Token, anna());
    assert!(matches!(locked, Answer::TooSoon(_)), "{locked:?}");
    house.wait(secs(82));
    house.types(Command::Disarm, Origin::Token, anna());
    assert_eq!(house.state(), "disarmed");
}

#[test]
fn an_owner_who_types_a_pin_types_a_right_one() {
    let mut house = House::armed_with(door(Grant::Disarm), Mode::Away);
    let typed = |who| Event::Typed {
        command: Command::Disarm,
        by: super::anna(),
        who,
        duress: false,
    };
    let wrong = house.event(typed(Who::Stranger));
    assert!(matches!(wrong, Answer::Forbidden(_)), "{wrong:?}");
    assert_eq!(house.state(), "armed_away");
    house.wait(secs(1));
    assert_eq!(house.event(typed(anna())), Answer::Done);
    assert_eq!(house.state(), "disarmed");
}

#[test]
fn a_face_is_awaited_when_the_entry_delay_runs_or_a_finger_was_felt() {
    let mut house = House::armed_with(door(Grant::Disarm), Mode::Away);
    let awaited = |house: &House| house.alarm.status().face_awaited;
    assert!(!awaited(&house));
    house.shows(Factor::Finger, anna());
    assert!(awaited(&house));
    house.wait(secs(30));
    assert!(!awaited(&house), "and then no more");
    house.reads("front door", true);
    assert_eq!(house.state(), "pending");
    assert!(awaited(&house));
}

#[test]
fn a_code_that_comes_too_soon_keeps_nobody_from_arming() {
    let mut house = House::new(door(Grant::Disarm));
    let arm = || Command::Arm {
        mode: Mode::Away,
        force: false,
    };
    house.types(Command::Disarm, Origin::Mqtt, Who::Stranger);
    house.actions.clear();
    assert_eq!(
        house.types(arm(), Origin::Mqtt, Who::Stranger),
        Answer::Done
    );
    assert_eq!(house.state(), "arming");
    assert!(!house.did(&Action::Chirp(Pattern::ArmFailed)));
}

#[test]
fn a_finger_laid_again_and_again_under_duress_calls_once() {
    let mut policy = door(Grant::Disarm);
    let phone = policy.phone.as_mut().unwrap();
    phone.duress = phone.rungs.clone();
    let mut house = House::armed_with(policy, Mode::Away);
    for _ in 0..3 {
        house.event(Event::Shown {
            factor: Factor::Finger,
            who: anna(),
            origin: Origin::Reader,
            duress: true,
        });
        house.wait(secs(20));
    }
    assert_eq!(house.calls(), 1);
    let silent = |mail: &&&Notice| mail.is_silent();
    assert_eq!(house.mails().iter().filter(silent).count(), 3);
}

#[test]
fn duress_looks_like_any_other_grant_and_tells_those_alone_who_shall_know() {
    let mut policy = door(Grant::Disarm);
    let guard = Rung {
        contact: "the guard".into(),
        number: "+302101234560".into(),
    };
    policy.phone.as_mut().unwrap().duress = vec![guard.clone()];
    let mut house = House::armed_with(policy, Mode::Away);
    let answer = house.event(Event::Typed {
        command: Command::Disarm,
        by: Actor {
            right: Right::Bridge,
            ..Actor::owner(Origin::Mqtt)
        },
        who: anna(),
        duress: true,
    });
    assert_eq!((answer, house.state()), (Answer::Done, "disarmed"));
    let (silent, seen): (Vec<Action>, Vec<Action>) =
        house.actions.iter().cloned().partition(Action::is_silent);
    assert!(matches!(&silent[0], Action::RecordDuress { by } if by.described() == "Anna (PIN)"));
    assert!(matches!(&silent[1], Action::Send(notice) if notice.is_silent()));
    assert!(matches!(&silent[2], Action::Call { rungs, .. } if *rungs == [guard]));
    assert_eq!(silent.len(), 3);
    assert!(!format!("{seen:?}").to_lowercase().contains("duress"));
}
