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

/// The same house after a restart within the boot.
fn restarted(house: &House) -> House {
    let durable = house.alarm.durable().clone();
    let mut back = House {
        alarm: Alarm::new(super::fixtures::house(), durable, house.now),
        now: house.now,
        actions: Vec::new(),
    };
    back.event(Event::Started(Started {
        new_boot: false,
        store: StoreFound::Restored,
        gap: None,
        waiting: 0,
        arm_away: false,
    }));
    back
}

#[test]
fn what_was_given_up_stands_after_a_restart_until_something_arrives() {
    let mut house = House::new(house());
    let given_up = |house: &House| {
        let mut troubles = house.alarm.status().troubles.into_iter();
        troubles.find(|(trouble, _)| trouble.code == TroubleCode::GivenUp)
    };
    let lost = Trouble {
        code: TroubleCode::GivenUp,
        subject: "Anna".into(),
        text: "a mail to Anna was given up".into(),
    };
    house.event(Event::TroubleRaised(lost.clone()));
    let mut back = restarted(&house);
    assert_eq!(given_up(&back).unwrap().0, lost);
    back.event(Event::TroubleCleared {
        code: TroubleCode::GivenUp,
        subject: "Anna".into(),
    });
    assert_eq!(given_up(&restarted(&back)), None);
}

#[test]
fn an_entry_delay_goes_on_in_another_boot_with_what_was_left() {
    let mut house = House::armed(Mode::Away);
    house.reads("front door", true);
    house.wait(secs(8));
    let mut durable = house.alarm.durable().clone();
    let now = BootTime::from_secs(7);
    durable.rebase(house.now, house.now, now);
    let mut alarm = Alarm::new(super::fixtures::house(), durable, now);
    assert_eq!(alarm.status().state, "pending");
    assert_eq!(alarm.status().until, Some(now + secs(12)));
    let mut out = Vec::new();
    alarm.step(Event::Tick, now + secs(12), &mut out);
    assert_eq!(alarm.status().state, "triggered");
}

#[test]
fn what_went_on_before_a_power_cut_is_counted_after_it() {
    let mut house = House::new(house());
    house.reads("kitchen gas", true);
    house.reads("panic", true);
    let saved_at = house.now;
    // An hour later power is cut, twice, each time for as long as it takes.
    let mut durable = house.alarm.durable().clone();
    durable.rebase(saved_at, saved_at + secs(3_600), BootTime::from_secs(7));
    let (saved_at, cut) = (BootTime::from_secs(7), BootTime::from_secs(107));
    durable.rebase(saved_at, cut, BootTime::from_secs(5));
    house.now = BootTime::from_secs(5);
    house.alarm = Alarm::new(super::fixtures::house(), durable, house.now);
    house.actions.clear();

    house.command(Command::Disarm);
    let after = |notice: &&Notice| {
        matches!(
            notice.about,
            About::Disarmed {
                after_seconds: 3_700,
                ..
            }
        )
    };
    assert!(house.mails().iter().any(after), "{:?}", house.mails());

    let long = |house: &House| {
        let mut troubles = house.alarm.status().troubles.into_iter();
        troubles.any(|(trouble, _)| trouble.code == TroubleCode::ExhaustLong)
    };
    house.wait_with_gas(secs(3_499), true);
    assert!(!long(&house));
    house.wait_with_gas(secs(1), true);
    assert!(long(&house), "7,200 s in all");
}

#[test]
fn a_sensor_that_flaps_through_the_entry_delay_is_saved_once_with_its_count() {
    let mut policy = house();
    policy.sensors[0].entry = Entry::Follower;
    let mut house = House::armed_with(policy, Mode::Away);
    house.reads("front door", true);
    for _ in 0..500 {
        house.reads("hall", true);
        house.wait(Duration::from_millis(5));
        house.reads("hall", false);
        house.wait(Duration::from_millis(5));
    }
    let panel = &house.alarm.durable().panel;
    assert!(matches!(panel, Panel::Pending { sensed, .. } if sensed.len() == 2));
    house.wait(secs(20));
    let counts: Vec<_> = (house.alarm.status().incidents[0].causes.iter())
        .map(|cause| (cause.sensor.to_string(), cause.count))
        .collect();
    assert_eq!(counts, [("front door".into(), 1), ("hall".into(), 500)]);
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
    let report = BootReport {
        state: "armed_night".into(),
        active: vec!["window".into()],
        waiting: 2,
        gap_seconds: Some(540),
        ..BootReport::default()
    };
    let mail = house.mails()[0];
    assert_eq!(mail.about, About::BootReport(report.clone()));
    assert_eq!(mail.happened, now, "seconds count back from the start");
    assert!(house.records(|what| *what == Record::BootReport(report.clone())) == 1);
}

fn boot_reports(house: &House) -> Vec<BootReport> {
    let reports = house
        .mails()
        .into_iter()
        .filter_map(|mail| match &mail.about {
            About::BootReport(report) => Some(report.clone()),
            _ => None,
        });
    reports.collect()
}

/// A house that comes back after a power cut in the middle of an alarm, with a clock that is not
/// set.
fn back_in_the_dark() -> House {
    let mut before = House::armed(Mode::Away);
    before.reads("hall", true);
    let mut durable = before.alarm.durable().clone();
    let now = BootTime::from_secs(10);
    durable.rebase(before.now, before.now, now);
    durable.no_trouble_mail_before = Some(now + secs(86_400));
    let mut house = House {
        alarm: Alarm::new(super::fixtures::house(), durable, now),
        now,
        actions: Vec::new(),
    };
    house.event(Event::Started(Started {
        new_boot: true,
        store: StoreFound::Restored,
        gap: None,
        waiting: 1,
        arm_away: false,
    }));
    house
}

fn known() -> Event {
    Event::Away(Away {
        gap: Some(secs(540)),
        oldest_waiting: Some(secs(600)),
        incidents: vec![(IncidentId(1), secs(660))],
    })
}

#[test]
fn a_boot_report_waits_for_the_clock_and_says_what_was_going_on_since_when() {
    let mut house = back_in_the_dark();
    house.wait(secs(20));
    assert_eq!(boot_reports(&house), []);
    house.event(known());
    house.wait(secs(100));
    let reports = boot_reports(&house);
    assert_eq!(reports.len(), 1);
    let incident = GoingOn {
        id: IncidentId(1),
        kind: IncidentKind::Intrusion,
        sensors: vec!["hall".into()],
        since_seconds: Some(660),
    };
    assert_eq!(reports[0].incidents, [incident]);
    assert_eq!(reports[0].oldest_seconds, Some(600));
    assert_eq!(reports[0].gap_seconds, Some(540));
}

#[test]
fn a_boot_report_that_left_without_the_gap_is_completed_when_the_clock_is_set() {
    let mut house = back_in_the_dark();
    house.wait(secs(61));
    assert_eq!(boot_reports(&house).len(), 1);
    assert_eq!(boot_reports(&house)[0].gap_seconds, None);
    house.wait(secs(200));
    house.event(known());
    house.event(known());
    house.wait(secs(100));
    let reports = boot_reports(&house);
    assert_eq!(reports.len(), 2, "completed once");
    assert_eq!(reports[1].gap_seconds, Some(540));
}

#[test]
fn a_restart_without_a_power_cut_is_written_down_and_not_mailed() {
    let now = BootTime::from_secs(10);
    let mut house = House {
        alarm: Alarm::new(house(), Durable::default(), now),
        now,
        actions: Vec::new(),
    };
    house.event(Event::Started(Started {
        new_boot: false,
        store: StoreFound::Restored,
        gap: Some(secs(2)),
        waiting: 0,
        arm_away: false,
    }));
    house.wait(secs(6));
    assert_eq!(
        house.records(|what| matches!(what, Record::BootReport(_))),
        1
    );
    assert_eq!(house.mails().len(), 0);
}

#[test]
fn an_edge_that_is_read_after_a_freeze_shows_its_own_time_and_undoes_nothing() {
    let mut house = House::armed(Mode::Away);
    house.reads("front door", true);
    house.wait(secs(15));
    // Frozen: the edge came, and the entry delay's end too, before the edge was read.
    let edge = house.now + secs(1);
    house.wait(secs(10));
    assert_eq!(house.state(), "triggered");
    let reading = Event::Reading(Reading::seen("hall", true));
    house.alarm.step(reading, edge, &mut house.actions);
    let status = house.alarm.status();
    let hall = status.sensors.iter().find(|it| it.name.as_str() == "hall");
    assert_eq!(hall.expect("the sensor exists").since, edge);
    assert_eq!(house.state(), "triggered");
    let causes = &status.incidents[0].causes;
    let hall = causes.iter().find(|it| it.sensor.as_str() == "hall");
    assert_eq!(hall.expect("it takes part").count, 1);
}
