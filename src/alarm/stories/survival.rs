//! Nothing is silently off: starts, reboots, lost state.

use super::*;

#[test]
fn an_unreadable_store_arms_away() {
    let now = BootTime::from_secs(5);
    let mut alarm = Alarm::new(house(), Durable::default(), now);
    let started = Started {
        new_boot: true,
        store: StoreFound::Unreadable,
        gap: None,
        waiting: 0,
        arm_away: false,
    };
    alarm.step(Event::Started(started), now, &mut Vec::new());
    assert_eq!(alarm.status().state, "armed_away");
    let troubles = alarm.status().troubles;
    assert!(
        troubles
            .iter()
            .any(|(t, _)| t.code == TroubleCode::StateLost)
    );
}

#[test]
fn a_panel_that_was_never_armed_says_so_until_it_is() {
    let mut house = House::new(house());
    let never = |house: &House| {
        let troubles = house.alarm.status().troubles;
        troubles
            .iter()
            .any(|(t, _)| t.code == TroubleCode::NeverArmed)
    };
    assert!(never(&house));
    house.command(Command::Arm {
        mode: Mode::Home,
        force: false,
    });
    assert!(!never(&house));
}

#[test]
fn an_entry_delay_goes_on_in_another_boot_with_what_was_left() {
    let mut house = House::armed(Mode::Away);
    house.reads("front door", true);
    house.wait(secs(8));
    let mut durable = house.alarm.durable().clone();
    let now = BootTime::from_secs(7);
    durable.rebase(house.now, now);
    let mut alarm = Alarm::new(super::fixtures::house(), durable, now);
    assert_eq!(alarm.status().state, "pending");
    assert_eq!(alarm.status().until, Some(now + secs(12)));
    let mut out = Vec::new();
    alarm.step(Event::Tick, now + secs(12), &mut out);
    assert_eq!(alarm.status().state, "triggered");
}

#[test]
fn a_boot_report_says_what_is_active_after_power_was_away() {
    let now = BootTime::from_secs(10);
    let mut durable = Durable {
        ever_armed: true,
        panel: Panel::Armed { mode: Mode::Night },
        ..Durable::default()
    };
    durable.next_incident = 9;
    let mut policy = house();
    policy.sensors.push(sensor("window", SensorKind::Contact));
    policy.sensors[5].modes = vec![Mode::Away];
    let mut house = House {
        alarm: Alarm::new(policy, durable, now),
        now,
        actions: Vec::new(),
    };
    house.event(Event::Started(Started {
        new_boot: true,
        store: StoreFound::Restored,
        gap: Some(secs(540)),
        waiting: 2,
        arm_away: false,
    }));
    house.reads("window", true);
    house.wait(secs(6));
    let about = &house.mails()[0].about;
    let expected = About::BootReport {
        state: "armed_night".into(),
        incidents: Vec::new(),
        active: vec!["window".into()],
        waiting: 2,
        gap_seconds: Some(540),
    };
    assert_eq!(about, &expected);
}
