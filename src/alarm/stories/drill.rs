//! Drills: a test along every path.

use super::*;

fn drill(buzzer: bool, relay: bool) -> Command {
    Command::Drill { buzzer, relay }
}

#[test]
fn a_drill_calls_everybody_once_mails_with_a_photo_and_switches_nothing() {
    let mut house = House::armed(Mode::Away);
    assert_eq!(house.command(drill(false, false)), Answer::Done);
    let about = About::Drill { by: anna() };
    assert_eq!(house.mails().len(), 1);
    assert_eq!(house.mails()[0].about, about);
    assert_eq!(house.mails()[0].wait_for_photo, Some(house.now + secs(5)));
    assert!(house.did(&Action::Prove { camera: true }));
    let call = house.actions.iter().find_map(|action| match action {
        Action::Call {
            rungs,
            rounds,
            ack_time,
            notice,
            ..
        } => Some((rungs.len(), *rounds, *ack_time, &notice.about)),
        _ => None,
    });
    assert_eq!(call, Some((2, 1, Duration::ZERO, &about)));
    assert!(!house.did(&Action::Exhaust(true)));
    let sounds = |action: &Action| matches!(action, Action::Chirp(_) | Action::Buzzer(_));
    assert!(!house.actions.iter().any(sounds));
    assert_eq!(house.state(), "armed_away");
}

#[test]
fn a_drill_tries_buzzer_and_relay_only_when_asked_and_shortly() {
    let mut house = House::new(house());
    house.command(drill(true, true));
    assert!(house.did(&Action::Chirp(Pattern::OwnerRecognised)));
    assert!(house.did(&Action::Exhaust(true)));
    house.wait(secs(3));
    assert!(house.did(&Action::Exhaust(false)));
}

#[test]
fn a_drill_waits_until_the_incident_is_over() {
    let mut house = House::armed(Mode::Away);
    house.reads("hall", true);
    let Answer::Refused(reasons) = house.command(drill(false, false)) else {
        panic!("a drill in the middle of an alarm");
    };
    assert!(reasons[0].contains("an incident goes on"), "{reasons:?}");
    house.command(Command::Disarm);
    assert_eq!(house.command(drill(false, false)), Answer::Done);
}

#[test]
fn nobody_but_an_owner_holds_a_drill() {
    let mut house = House::new(house());
    let by = Actor {
        right: Right::Bridge,
        ..Actor::owner(Origin::Mqtt)
    };
    let command = drill(false, false);
    let answer = house.event(Event::Command { command, by });
    assert!(matches!(answer, Answer::Forbidden(_)), "{answer:?}");
}
