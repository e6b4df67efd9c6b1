//! Somebody is in the house, or only seems to be.

use super::*;

#[test]
fn motion_in_an_armed_house_rings_photographs_mails_and_calls() {
    let mut house = House::armed(Mode::Away);
    house.reads("hall", true);
    assert_eq!(house.state(), "triggered");
    assert!(house.did(&Action::Buzzer(Some(Pattern::Alarm))));
    let id = house.alarm.status().incidents[0].id;
    assert!(house.did(&Action::TakePhotos {
        incident: id,
        count: 3
    }));
    assert_eq!(house.calls(), 1);
    let mails = house.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].wait_for_photo, Some(house.now + secs(5)));
    assert!(matches!(&mails[0].about, About::Alarm { sensor, .. } if sensor.as_str() == "hall"));
}

#[test]
fn motion_in_a_disarmed_house_does_nothing() {
    let mut house = House::new(house());
    house.actions.clear();
    house.reads("hall", true);
    assert_eq!(house.actions, []);
}

#[test]
fn the_first_photo_goes_with_the_first_mail_and_the_rest_follow_counted() {
    let mut house = House::armed(Mode::Away);
    house.reads("hall", true);
    let incident = house.alarm.status().incidents[0].id;
    for photo in 1..=3 {
        house.event(Event::PhotoTaken {
            incident,
            photo: PhotoId(photo),
        });
    }
    assert!(house.did(&Action::Attach {
        incident,
        photo: Ok(PhotoId(1))
    }));
    for _ in 0..4 {
        house.reads("hall", false);
        house.reads("hall", true);
    }
    house.reads("hall", false);
    assert_eq!(house.mails().len(), 1);
    house.wait_with_gas(secs(60), false);
    let mails = house.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[1].photos, [PhotoId(2), PhotoId(3)]);
    assert!(
        matches!(&mails[1].about, About::FollowUp { triggers, .. } if triggers[..] == [("hall".into(), 4)])
    );
}

#[test]
fn five_hundred_triggers_are_one_incident_one_ladder_and_three_mails() {
    let mut house = House::armed(Mode::Away);
    for _ in 0..500 {
        house.reads("hall", true);
        house.wait(Duration::from_millis(5));
        house.reads("hall", false);
        house.wait(Duration::from_millis(5));
    }
    house.wait_with_gas(secs(600), false);
    assert_eq!(house.state(), "armed_away");
    assert_eq!(
        house.records(|r| matches!(r, Record::IncidentOpened { .. })),
        1
    );
    assert_eq!(house.records(|r| matches!(r, Record::Trigger { .. })), 500);
    assert_eq!(house.calls(), 1);
    let mails = house.mails();
    assert_eq!(mails.len(), 3, "alarm, follow-up, all-clear: {mails:?}");
    assert!(matches!(&mails[1].about, About::FollowUp { triggers, .. } if triggers[0].1 == 499));
}

#[test]
fn the_siren_stops_after_its_time_and_the_panel_returns_to_its_mode() {
    let mut house = House::armed(Mode::Night);
    house.reads("garage", true);
    house.reads("garage", false);
    house.wait_with_gas(secs(179), false);
    assert!(house.alarm.status().buzzer);
    house.wait_with_gas(secs(1), false);
    assert!(!house.alarm.status().buzzer);
    assert_eq!(house.state(), "triggered");
    house.wait_with_gas(secs(60), false);
    assert_eq!(house.state(), "armed_night");
    assert!(
        house.records(|r| matches!(r, Record::IncidentEnded { how, .. } if how == "cleared")) > 0
    );
}

#[test]
fn a_sensor_that_stays_open_is_inhibited_and_comes_back_by_itself() {
    let mut house = House::armed(Mode::Away);
    house.reads("garage", true);
    house.wait_with_gas(secs(300), false);
    assert_eq!(house.state(), "armed_away");
    assert_eq!(house.sensor("garage"), SensorState::Inhibited);
    house.reads("garage", false);
    assert_eq!(house.sensor("garage"), SensorState::Inactive);
    house.reads("garage", true);
    assert_eq!(house.state(), "triggered");
}

#[test]
fn a_delayed_door_gives_the_owner_time_to_disarm() {
    let mut house = House::armed(Mode::Away);
    house.reads("front door", true);
    assert_eq!(house.state(), "pending");
    assert!(house.did(&Action::Buzzer(Some(Pattern::EntryDelay))));
    house.wait(secs(12));
    house.command(Command::Disarm);
    assert_eq!(house.state(), "disarmed");
    assert_eq!(house.mails(), Vec::<&Notice>::new());
    assert_eq!(house.calls(), 0);
    assert!(house.did(&Action::Buzzer(None)));
}

#[test]
fn an_entry_delay_that_runs_out_alarms_with_everything_sensed_meanwhile() {
    let mut policy = house();
    policy.sensors[0].entry = Entry::Follower;
    let mut house = House::armed_with(policy, Mode::Away);
    house.reads("front door", true);
    house.wait(secs(5));
    house.reads("hall", true);
    assert_eq!(house.state(), "pending");
    house.wait(secs(15));
    assert_eq!(house.state(), "triggered");
    let incident = &house.alarm.status().incidents[0];
    let names: Vec<_> = incident.causes.iter().map(|c| c.sensor.as_str()).collect();
    assert_eq!(names, ["front door", "hall"]);
}

#[test]
fn what_was_sensed_before_the_alarm_mail_is_told_in_the_follow_up() {
    let mut house = House::armed(Mode::Away);
    house.reads("front door", true);
    house.wait(secs(5));
    house.reads("hall", true);
    house.wait_with_gas(secs(60), false);
    let mails = house.mails();
    assert!(matches!(&mails[0].about, About::Alarm { sensor, .. } if sensor.as_str() == "hall"));
    assert!(
        matches!(&mails[1].about, About::FollowUp { triggers, .. } if triggers[..] == [("front door".into(), 1)]),
        "{mails:?}"
    );
}

#[test]
fn a_follower_alone_alarms_at_once() {
    let mut policy = house();
    policy.sensors[0].entry = Entry::Follower;
    let mut house = House::armed_with(policy, Mode::Away);
    house.reads("hall", true);
    assert_eq!(house.state(), "triggered");
}

#[test]
fn an_instant_sensor_cuts_an_entry_delay_short() {
    let mut house = House::armed(Mode::Away);
    house.reads("front door", true);
    house.reads("garage", true);
    assert_eq!(house.state(), "triggered");
}

#[test]
fn an_open_beam_refuses_arming_unless_forced() {
    let mut house = House::new(house());
    house.reads("garage", true);
    let arm = |force| Command::Arm {
        mode: Mode::Away,
        force,
    };
    assert_eq!(
        house.command(arm(false)),
        Answer::Refused(vec!["\"garage\" is broken".into()])
    );
    assert!(house.did(&Action::Chirp(Pattern::ArmFailed)));
    assert_eq!(house.command(arm(true)), Answer::Done);
    assert_eq!(house.sensor("garage"), SensorState::Inhibited);
    assert_eq!(house.state(), "arming");
}

#[test]
fn a_silent_sensor_refuses_arming() {
    let mut house = House::new(house());
    house.wait(secs(11));
    let answer = house.command(Command::Arm {
        mode: Mode::Away,
        force: false,
    });
    assert_eq!(
        answer,
        Answer::Refused(vec!["\"kitchen gas\" is silent".into()])
    );
}

#[test]
fn a_delayed_door_still_open_when_the_exit_delay_ends_is_inhibited_and_announced() {
    let mut house = House::new(house());
    house.reads("kitchen gas", false);
    house.reads("front door", true);
    let answer = house.command(Command::Arm {
        mode: Mode::Away,
        force: false,
    });
    assert_eq!(answer, Answer::Done);
    house.wait_with_gas(secs(30), false);
    assert_eq!(house.state(), "armed_away");
    assert_eq!(house.sensor("front door"), SensorState::Inhibited);
    assert!(house.did(&Action::Chirp(Pattern::ArmFailed)));
    let told = |n: &&Notice| matches!(&n.about, About::ArmedWithOpen { sensors, .. } if sensors[0].as_str() == "front door");
    assert!(house.mails().iter().any(told));
    house.reads("front door", false);
    house.reads("front door", true);
    assert_eq!(house.state(), "pending");
}

#[test]
fn the_owner_who_leaves_through_the_hall_raises_no_alarm() {
    let mut house = House::new(house());
    house.reads("kitchen gas", false);
    house.command(Command::Arm {
        mode: Mode::Away,
        force: false,
    });
    house.wait_with_gas(secs(29), false);
    house.reads("hall", true);
    house.wait_with_gas(secs(3), false);
    assert_eq!(house.state(), "armed_away");
    house.reads("hall", false);
    house.reads("hall", true);
    assert_eq!(house.state(), "triggered");
}

#[test]
fn a_sensor_counts_only_in_its_modes() {
    let mut policy = house();
    policy.sensors[0].modes = vec![Mode::Away];
    let mut house = House::armed_with(policy, Mode::Home);
    house.reads("hall", true);
    assert_eq!(house.state(), "armed_home");
}

#[test]
fn panic_works_while_disarmed_and_goes_back_to_disarmed() {
    let mut house = House::new(house());
    house.reads("kitchen gas", false);
    house.reads("panic", true);
    assert_eq!(house.state(), "triggered");
    assert_eq!(house.calls(), 1);
    house.reads("panic", false);
    house.wait_with_gas(secs(240), false);
    assert_eq!(house.state(), "disarmed");
}

#[test]
fn disarming_stops_the_siren_and_the_calls_and_says_who_did_it() {
    let mut house = House::armed(Mode::Away);
    house.reads("hall", true);
    let incident = house.alarm.status().incidents[0].id;
    house.wait(secs(12));
    house.command(Command::Disarm);
    assert!(house.did(&Action::Buzzer(None)));
    assert!(house.did(&Action::StopCalls {
        whose: Calls::Of(incident)
    }));
    let about = &house.mails().last().expect("a mail").about;
    assert!(
        matches!(about, About::Disarmed { by, after_seconds: 12, paused: false } if by.who() == "Anna")
    );
}

#[test]
fn acknowledging_stops_the_calls_and_nothing_else() {
    let mut house = House::armed(Mode::Away);
    house.reads("hall", true);
    house.command(Command::Acknowledge);
    assert!(house.did(&Action::StopCalls { whose: Calls::All }));
    assert_eq!(house.state(), "triggered");
    assert!(house.alarm.status().buzzer);
}

#[test]
fn an_incident_that_ended_unseen_can_still_be_acknowledged_and_its_calls_stop() {
    let mut house = House::armed(Mode::Away);
    house.reads("hall", true);
    house.reads("hall", false);
    house.wait_with_gas(secs(300), false);
    assert_eq!(house.state(), "armed_away");
    house.actions.clear();
    house.command(Command::Acknowledge);
    assert!(house.did(&Action::StopCalls { whose: Calls::All }));
    let acknowledged = |action: &&Action| matches!(action, Action::Save(incident) if incident.acknowledged.is_some());
    assert_eq!(house.actions.iter().filter(acknowledged).count(), 1);
    house.actions.clear();
    house.command(Command::Acknowledge);
    assert_eq!(house.records(|_| true), 0, "once");
}

#[test]
fn an_acknowledgement_reaches_every_incident_that_is_over_and_none_that_goes_on() {
    let mut policy = house();
    policy.sensors[2].max_triggers = 0;
    let mut house = House::armed_with(policy, Mode::Away);
    for _ in 0..40 {
        house.reads("garage", true);
        house.reads("garage", false);
        house.wait_with_gas(secs(241), false);
    }
    house.reads("garage", true);
    house.command(Command::Acknowledge);
    assert!(house.did(&Action::AcknowledgeEnded {
        by: anna(),
        before: IncidentId(41)
    }));
}

#[test]
fn a_guest_sees_and_acknowledges_but_does_not_disarm() {
    let mut house = House::armed(Mode::Away);
    house.reads("hall", true);
    let by = Actor {
        right: Right::Guest,
        ..anna()
    };
    let disarm = Event::Command {
        command: Command::Disarm,
        by: by.clone(),
    };
    assert!(matches!(house.event(disarm), Answer::Forbidden(_)));
    assert_eq!(house.state(), "triggered");
    let acknowledge = Event::Command {
        command: Command::Acknowledge,
        by,
    };
    assert_eq!(house.event(acknowledge), Answer::Done);
}

#[test]
fn silencing_stops_the_siren_and_the_incident_goes_on() {
    let mut house = House::armed(Mode::Away);
    house.reads("hall", true);
    house.command(Command::Silence);
    assert!(!house.alarm.status().buzzer);
    assert_eq!(house.state(), "triggered");
    house.reads("garage", true);
    assert!(
        !house.alarm.status().buzzer,
        "silenced stays silent, whoever else triggers"
    );
}

#[test]
fn somebody_who_moves_on_through_the_house_rings_again_after_the_siren_has_stopped() {
    let mut house = House::armed(Mode::Away);
    house.reads("hall", true);
    house.reads("hall", false);
    house.wait_with_gas(secs(181), false);
    assert!(!house.alarm.status().buzzer);
    house.reads("garage", true);
    assert!(house.alarm.status().buzzer);
}

#[test]
fn nothing_sensed_during_a_pause_alarms_afterwards() {
    let mut house = House::armed(Mode::Away);
    house.command(Command::Pause);
    assert_eq!(house.state(), "paused");
    assert!(house.did(&Action::Chirp(Pattern::OwnerRecognised)));
    house.reads("hall", true);
    house.reads("garage", true);
    house.wait_with_gas(secs(31), false);
    assert_eq!(house.state(), "armed_away");
    house.reads("garage", false);
    house.reads("garage", true);
    assert_eq!(house.state(), "triggered");
}

#[test]
fn panic_and_gas_are_not_paused() {
    let mut house = House::armed(Mode::Away);
    house.command(Command::Pause);
    house.reads("panic", true);
    assert_eq!(house.state(), "triggered");
    house.reads("kitchen gas", true);
    assert!(house.did(&Action::Exhaust(true)));
}

#[test]
fn a_soaking_sensor_is_logged_and_never_alarms() {
    let mut policy = house();
    policy.sensors[0].soak = true;
    let mut house = House::armed_with(policy, Mode::Away);
    house.reads("hall", true);
    assert_eq!(house.state(), "armed_away");
    let soaked = |r: &Record| {
        matches!(
            r,
            Record::Trigger {
                effect: Effect::Soak,
                ..
            }
        )
    };
    assert_eq!(house.records(soaked), 1);
}

#[test]
fn a_sensor_that_alarms_too_often_is_inhibited_and_announced() {
    let mut policy = house();
    policy.sensors[2].max_triggers = 2;
    let mut house = House::armed_with(policy, Mode::Away);
    for _ in 0..2 {
        assert_eq!(house.state(), "armed_away");
        house.reads("garage", true);
        house.reads("garage", false);
        house.wait_with_gas(secs(241), false);
    }
    assert_eq!(house.sensor("garage"), SensorState::Inhibited);
    let told = |n: &&Notice| matches!(n.about, About::Inhibited { .. });
    assert!(house.mails().iter().any(told));
    house.reads("garage", true);
    assert_eq!(house.state(), "armed_away");
    house.reads("garage", false);
    house.wait_with_gas(secs(24 * 3600), false);
    house.reads("garage", true);
    assert_eq!(
        house.state(),
        "triggered",
        "after a day it takes part again"
    );
}

#[test]
fn a_second_ladder_within_five_minutes_is_held_back_and_counted_in_a_mail() {
    let mut house = House::armed(Mode::Away);
    house.reads("hall", true);
    house.command(Command::Disarm);
    house.reads("hall", false);
    house.command(Command::Arm {
        mode: Mode::Away,
        force: false,
    });
    house.wait_with_gas(secs(31), false);
    house.actions.clear();
    house.reads("hall", true);
    assert_eq!(house.calls(), 0);
    house.wait_with_gas(secs(60), false);
    let counted = |n: &&Notice| {
        matches!(
            n.about,
            About::FollowUp {
                ladders_held_back: 1,
                ..
            }
        )
    };
    assert!(house.mails().iter().any(counted));
    house.reads("panic", true);
    assert_eq!(house.calls(), 1, "panic is never held back");
}

#[test]
fn what_waits_for_confirmation_is_done_when_a_second_sensor_confirms() {
    let mut policy = house();
    policy.sensors[0].confirm = Some(Confirm {
        sensors: vec!["garage".into()],
        within: secs(60),
        holds_back: vec![Held::Buzzer, Held::Email, Held::Phone],
    });
    let mut house = House::armed_with(policy, Mode::Away);
    house.reads("hall", true);
    assert_eq!(house.state(), "triggered");
    assert_eq!((house.calls(), house.mails().len()), (0, 0));
    assert!(!house.alarm.status().buzzer);
    house.wait(secs(5));
    house.reads("garage", true);
    assert_eq!((house.calls(), house.mails().len()), (1, 1));
    assert!(house.alarm.status().buzzer);
    assert!(house.alarm.status().incidents[0].confirmed);
    house.wait_with_gas(secs(60), false);
    let about = &house.mails()[1].about;
    assert!(
        matches!(about, About::FollowUp { triggers, .. } if triggers[..] == [("hall".into(), 1)]),
        "what began it is told, too: {about:?}"
    );
}

#[test]
fn a_level_that_was_found_is_acted_on_but_is_no_motion() {
    let mut house = House::armed(Mode::Away);
    let found = |name: &str| {
        Event::Reading(Reading {
            found: true,
            ..Reading::seen(name, true)
        })
    };
    house.event(found("hall"));
    assert_eq!(house.state(), "armed_away");
    house.event(found("garage"));
    assert_eq!(house.state(), "triggered");
}

#[test]
fn a_pir_is_ignored_while_it_warms_up() {
    let mut policy = house();
    policy.sensors[0].power_on = PowerOn::Boot;
    policy.sensors[0].warm_up = secs(1_060);
    let mut house = House::armed_with(policy, Mode::Away);
    house.reads("hall", true);
    assert_eq!(house.state(), "armed_away");
    assert_eq!(house.sensor("hall"), SensorState::WarmingUp);
    house.wait(secs(30));
    assert_eq!(house.state(), "triggered", "still active when it is warm");
}

#[test]
fn a_walk_test_beeps_and_lists_and_does_nothing_else() {
    let mut house = House::new(house());
    house.command(Command::WalkTest(true));
    house.actions.clear();
    house.reads("hall", true);
    assert!(house.did(&Action::Chirp(Pattern::WalkTest)));
    assert_eq!(house.actions.len(), 2);
    house.reads("kitchen gas", true);
    assert!(house.did(&Action::Exhaust(true)), "gas is never a test");
    house.wait(secs(31 * 60));
    assert!(!house.alarm.status().walk_test, "it ends by itself");
}

#[test]
fn a_reboot_holds_no_call_back_that_is_not_within_five_minutes_of_the_last() {
    let mut house = House::armed(Mode::Away);
    house.reads("hall", true);
    house.command(Command::Disarm);
    house.wait(secs(86_400));
    let mut durable = house.alarm.durable().clone();
    durable.panel = Panel::Armed { mode: Mode::Away };
    let now = BootTime::from_secs(60);
    durable.rebase(house.now, house.now, now);
    let mut alarm = Alarm::new(super::fixtures::house(), durable, now);
    let mut out = Vec::new();
    alarm.step(Event::Reading(Reading::seen("hall", true)), now, &mut out);
    assert!(
        out.iter()
            .any(|action| matches!(action, Action::Call { .. }))
    );
}

#[test]
fn a_sensor_that_holds_nothing_back_is_not_muted_by_one_that_does() {
    let mut policy = house();
    policy.sensors[0].confirm = Some(Confirm {
        sensors: vec!["front door".into()],
        within: secs(60),
        holds_back: vec![Held::Buzzer, Held::Email, Held::Phone],
    });
    let mut house = House::armed_with(policy, Mode::Away);
    house.reads("hall", true);
    assert_eq!((house.calls(), house.mails().len()), (0, 0));
    house.reads("garage", true);
    assert_eq!((house.calls(), house.mails().len()), (1, 1));
    assert!(house.alarm.status().buzzer);
    assert!(!house.alarm.status().incidents[0].confirmed);
}

#[test]
fn a_trigger_of_an_incident_that_is_over_still_confirms_within_its_window() {
    let mut policy = house();
    policy.sensors[0].confirm = Some(Confirm {
        sensors: vec!["garage".into()],
        within: secs(1_800),
        holds_back: Vec::new(),
    });
    let mut house = House::armed_with(policy, Mode::Away);
    house.reads("garage", true);
    house.reads("garage", false);
    house.wait_with_gas(secs(245), false);
    assert_eq!(house.state(), "armed_away");
    house.reads("hall", true);
    assert!(house.alarm.status().incidents[0].confirmed);
    assert_eq!(house.calls(), 2, "confirmed alarms are not held back");
}

#[test]
fn two_triggers_of_one_entry_delay_confirm_only_within_the_window() {
    let mut policy = house();
    policy.panel.entry_delay = secs(45);
    policy.sensors[0].entry = Entry::Follower;
    policy.sensors[0].confirm = Some(Confirm {
        sensors: vec!["front door".into()],
        within: secs(10),
        holds_back: Vec::new(),
    });
    let mut house = House::armed_with(policy, Mode::Away);
    house.reads("front door", true);
    house.wait(secs(40));
    house.reads("hall", true);
    house.wait(secs(5));
    assert_eq!(house.state(), "triggered");
    assert!(!house.alarm.status().incidents[0].confirmed);
}

#[test]
fn panic_calls_for_help_also_in_an_incident_that_was_acknowledged_and_once() {
    let mut house = House::armed(Mode::Away);
    house.reads("hall", true);
    house.command(Command::Acknowledge);
    house.actions.clear();
    for _ in 0..5 {
        house.reads("panic", true);
        house.reads("panic", false);
    }
    assert_eq!(house.calls(), 1);
}

#[test]
fn a_door_that_opens_after_the_siren_and_stays_open_does_not_keep_the_incident_open_for_ever() {
    let mut house = House::armed(Mode::Away);
    house.reads("garage", true);
    house.reads("garage", false);
    house.wait_with_gas(secs(200), false);
    house.reads("garage", true);
    house.wait_with_gas(secs(600), false);
    assert_eq!(house.state(), "armed_away");
    assert_eq!(house.sensor("garage"), SensorState::Inhibited);
}

#[test]
fn a_pulled_cable_is_no_all_clear_before_the_siren_time_has_passed_again() {
    let mut policy = house();
    policy.sensors[2].silent_after = Some(secs(10));
    let mut house = House::new(policy);
    house.reads("kitchen gas", false);
    house.reads("garage", false);
    house.command(Command::Arm {
        mode: Mode::Away,
        force: true,
    });
    for _ in 0..31 {
        house.wait(secs(1));
        house.reads("kitchen gas", false);
        house.reads("garage", false);
    }
    house.reads("garage", true);
    house.event(Event::Lost {
        sensor: "garage".into(),
    });
    house.command(Command::Silence);
    house.wait_with_gas(secs(30), false);
    assert_eq!(house.state(), "triggered");
}

#[test]
fn an_owner_who_passes_while_arming_does_not_use_up_the_cooldown() {
    let mut policy = house();
    policy.sensors[0].cooldown = secs(300);
    let mut house = House::new(policy);
    house.reads("kitchen gas", false);
    house.command(Command::Arm {
        mode: Mode::Away,
        force: false,
    });
    house.reads("hall", true);
    house.reads("hall", false);
    house.wait_with_gas(secs(60), false);
    house.reads("hall", true);
    assert_eq!(house.state(), "triggered");
}

#[test]
fn a_motion_seen_after_a_retained_one_is_not_swallowed() {
    let mut house = House::armed(Mode::Away);
    house.event(Event::Reading(Reading {
        found: true,
        ..Reading::seen("hall", true)
    }));
    assert_eq!(house.state(), "armed_away");
    house.reads("hall", true);
    assert_eq!(house.state(), "triggered");
}

#[test]
fn a_sensor_that_stays_open_again_and_again_is_inhibited_for_good() {
    let mut policy = house();
    policy.sensors[2].max_triggers = 2;
    let mut house = House::armed_with(policy, Mode::Away);
    for _ in 0..2 {
        house.reads("garage", true);
        house.wait_with_gas(secs(600), false);
        house.reads("garage", false);
        house.wait_with_gas(secs(60), false);
    }
    house.reads("garage", true);
    assert_eq!(house.state(), "armed_away");
}
