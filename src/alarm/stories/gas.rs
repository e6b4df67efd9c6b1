//! Gas: the fan runs, and nothing of intrusion touches it.

use super::*;

#[test]
fn a_gas_leak_starts_the_fan_even_when_disarmed() {
    let mut house = House::new(house());
    house.reads("kitchen gas", true);
    assert!(house.did(&Action::Exhaust(true)));
    assert!(house.did(&Action::Buzzer(Some(Pattern::Gas))));
    assert_eq!(house.calls(), 1);
    assert_eq!(house.alarm.status().gas, GasStatus::Alarm);
}

#[test]
fn the_fan_stops_only_when_the_gas_has_been_clear_for_the_run_on() {
    let mut house = House::new(house());
    house.reads("kitchen gas", true);
    house.wait_with_gas(secs(60), true);
    house.reads("kitchen gas", false);
    house.wait_with_gas(secs(200), false);
    house.reads("kitchen gas", true);
    house.reads("kitchen gas", false);
    house.wait_with_gas(secs(299), false);
    assert!(!house.did(&Action::Exhaust(false)) || house.alarm.status().exhaust);
    assert!(house.alarm.status().exhaust);
    house.wait_with_gas(secs(2), false);
    assert!(!house.alarm.status().exhaust);
    let all_clear = |n: &&Notice| {
        matches!(
            n.about,
            About::AllClear {
                kind: IncidentKind::Gas,
                ..
            }
        )
    };
    assert!(house.mails().iter().any(all_clear));
}

#[test]
fn a_silent_gas_sensor_is_not_clear() {
    let mut house = House::new(house());
    house.reads("kitchen gas", true);
    house.reads("kitchen gas", false);
    house.wait(secs(3_600)); // the node says nothing any more
    assert!(house.alarm.status().exhaust);
}

#[test]
fn a_warming_gas_sensor_switches_the_fan_and_calls_nobody() {
    let mut policy = house();
    policy.sensors[3].warm_up = secs(180);
    let mut house = House::new(policy);
    house.reads("kitchen gas", true);
    assert!(house.did(&Action::Exhaust(true)));
    assert_eq!((house.calls(), house.mails().len()), (0, 0));
    assert_eq!(house.alarm.status().gas, GasStatus::WarmingUp);
    house.wait_with_gas(secs(181), true);
    assert_eq!(house.calls(), 1, "still gas when it is warm");
}

#[test]
fn the_all_clear_of_gas_stops_the_calls_and_no_earlier_moment_does() {
    let mut house = House::new(house());
    house.reads("kitchen gas", true);
    let incident = house.alarm.status().incidents[0].id;
    let stop = Action::StopCalls {
        whose: Calls::Of(incident),
    };
    house.wait_with_gas(secs(299), false);
    assert!(!house.did(&stop), "the gas may come back");
    house.wait_with_gas(secs(2), false);
    assert!(house.did(&stop));
}

#[test]
fn gas_calls_again_until_somebody_acknowledges() {
    let mut house = House::new(house());
    house.reads("kitchen gas", true);
    house.wait_with_gas(secs(601), true);
    assert_eq!(house.calls(), 2);
    house.command(Command::Acknowledge);
    house.wait_with_gas(secs(1_200), true);
    assert_eq!(house.calls(), 2);
    assert!(house.alarm.status().exhaust);
}

#[test]
fn a_moment_of_clear_air_does_not_end_the_repeated_calls() {
    let mut house = House::new(house());
    house.reads("kitchen gas", true);
    house.wait_with_gas(secs(598), true);
    house.wait_with_gas(secs(4), false);
    house.wait_with_gas(secs(601), true);
    assert_eq!(house.calls(), 2);
}

#[test]
fn a_gas_sensor_taken_off_trial_counts_at_once() {
    let mut policy = house();
    policy.sensors[3].soak = true;
    let mut house = House::new(policy.clone());
    house.reads("kitchen gas", true);
    assert!(!house.alarm.status().exhaust);
    policy.sensors[3].soak = false;
    house.event(Event::PolicyChanged(Box::new(policy)));
    assert!(house.alarm.status().exhaust);
    assert_eq!(house.alarm.status().gas, GasStatus::Alarm);
}

#[test]
fn a_gas_sensor_that_dies_after_a_restart_is_announced_again() {
    let mut house = House::new(house());
    house.wait(secs(200));
    assert_eq!(house.calls(), 1);
    let durable = house.alarm.durable().clone();
    house.alarm = Alarm::new(super::fixtures::house(), durable, house.now);
    house.actions.clear();
    house.reads("kitchen gas", false);
    house.wait(secs(200));
    assert_eq!(house.calls(), 1);
}

#[test]
fn disarming_pausing_and_silencing_leave_the_fan_on() {
    let mut house = House::armed(Mode::Away);
    house.reads("kitchen gas", true);
    house.command(Command::Pause);
    house.command(Command::Disarm);
    house.command(Command::Silence);
    house.wait_with_gas(secs(60), true);
    assert!(house.alarm.status().exhaust);
    assert!(!house.alarm.status().buzzer);
}

#[test]
fn a_gas_sensor_that_stays_silent_is_announced_by_a_call() {
    let mut house = House::new(house());
    house.wait(secs(10));
    assert_eq!(house.alarm.status().gas, GasStatus::Unwatched);
    house.wait(secs(119));
    assert_eq!(house.calls(), 0);
    house.wait(secs(2));
    assert_eq!(house.calls(), 1);
    house.wait(secs(3_600));
    assert_eq!(house.calls(), 1, "once");
    house.reads("kitchen gas", false);
    assert_eq!(house.alarm.status().gas, GasStatus::Clear);
}

#[test]
fn a_fan_that_runs_too_long_is_a_trouble_and_stays_on() {
    let mut house = House::new(house());
    house.reads("kitchen gas", true);
    house.wait_with_gas(secs(7_201), true);
    assert!(house.alarm.status().exhaust);
    let troubles = house.alarm.status().troubles;
    assert!(
        troubles
            .iter()
            .any(|(t, _)| t.code == TroubleCode::ExhaustLong)
    );
}

#[test]
fn a_raw_value_stuck_at_the_end_of_the_scale_is_implausible_until_it_moves() {
    let mut house = House::new(house());
    let raw = |raw| {
        Event::Reading(Reading {
            raw: Some(raw),
            ..Reading::seen("kitchen gas", false)
        })
    };
    let implausible = |house: &House| {
        let troubles = house.alarm.status().troubles;
        troubles
            .iter()
            .any(|(t, _)| t.code == TroubleCode::SensorImplausible)
    };
    for _ in 0..61 {
        house.event(raw(1023));
        house.wait(secs(1));
    }
    assert!(implausible(&house));
    house.event(raw(300));
    assert!(!implausible(&house));
    for _ in 0..3_601 {
        house.event(raw(300));
        house.wait(secs(1));
    }
    assert!(implausible(&house), "frozen for an hour");
}
