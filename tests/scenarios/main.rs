//! The shipped scenarios tell their stories, and `replay` prints them.

mod program;

use std::path::{Path, PathBuf};

use asfaleia::alarm::{Pattern, Record, TroubleCode};
use asfaleia::simulator::replay::{self, Line, Timeline, What};
use asfaleia::simulator::{Scenario, ScenarioError, Setting, changed_config};
use serde_json::json;

const HOUSE: &str = include_str!("../../config/simulator.toml");

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/scenarios")
}

fn shipped(name: &str) -> Scenario {
    Scenario::load(&scenarios().join(format!("{name}.toml"))).unwrap_or_else(|why| panic!("{why}"))
}

fn played(scenario: &Scenario, settings: &[(&str, &str)]) -> Timeline {
    let settings: Vec<Setting> = (settings.iter())
        .map(|(key, value)| Setting::parse(key, value).expect("a setting"))
        .collect();
    let house = changed_config(HOUSE, "house.toml", &scenario.extra_sensors, &settings);
    let config = house.unwrap_or_else(|why| panic!("{why}")).config;
    scenario.cast(&config).unwrap_or_else(|why| panic!("{why}"));
    replay::play(scenario, &config)
}

fn script(steps: &str) -> Timeline {
    let head = "title = \"Test\"\nmode = \"away\"\nstarts = \"02:00\"\nends = \"20m\"\n";
    played(
        &Scenario::parse(&format!("{head}{steps}"), "test.toml").expect("a scenario"),
        &[],
    )
}

/// The first line that fits.
fn first(timeline: &Timeline, fits: impl Fn(&What) -> bool) -> &Line {
    let line = timeline.lines.iter().find(|line| fits(&line.what));
    line.unwrap_or_else(|| panic!("not in\n{timeline}"))
}

fn clock(timeline: &Timeline, fits: impl Fn(&What) -> bool) -> String {
    timeline.clock(first(timeline, fits).at)
}

fn record(fits: impl Fn(&Record) -> bool) -> impl Fn(&What) -> bool {
    move |what| matches!(what, What::History(record) if fits(record))
}

fn calls(timeline: &Timeline) -> Vec<&str> {
    let calls = timeline.lines.iter().filter_map(|line| match &line.what {
        What::Call { to, .. } => Some(to.as_str()),
        _ => None,
    });
    calls.collect()
}

fn subjects(timeline: &Timeline, contact: &str) -> Vec<String> {
    let mails = timeline.lines.iter().filter_map(|line| match &line.what {
        What::Mail { to, subject, .. } if to == contact => Some(subject.clone()),
        _ => None,
    });
    mails.collect()
}

#[test]
fn the_burglary_alarms_once_and_climbs_the_ladder_twice_in_vain() {
    let night = played(&shipped("burglary"), &[]);
    let alarms: Vec<_> = night
        .alarms()
        .map(|(at, by, _)| (night.clock(at), by.to_string()))
        .collect();
    assert_eq!(alarms, [("02:13:10".to_owned(), "front door".to_owned())]);
    assert_eq!(calls(&night), ["Anna", "Ben", "Anna", "Ben"]);
    let words = first(&night, |what| matches!(what, What::Call { .. }));
    assert!(
        words.what.text().contains("Beam broken at front door"),
        "{night}"
    );
    let mails = subjects(&night, "Anna");
    assert_eq!(mails[0], "Home: ALARM beam broken at front door");
    assert!(
        mails.contains(&"Home: NOBODY ANSWERED the calls".to_owned()),
        "{night}"
    );
    assert!(mails.last().unwrap().contains("all clear"), "{night}");
    let mail = first(&night, |what| matches!(what, What::Mail { .. }));
    assert!(matches!(mail.what, What::Mail { photos: 1, .. }), "{night}");
    let unanswered = record(|it| matches!(it, Record::NobodyAnswered {}));
    let seen = record(|it| matches!(it, Record::Acknowledged { .. }));
    assert!(
        first(&night, unanswered).at < first(&night, seen).at,
        "{night}"
    );
    let silent = |what: &What| matches!(what, What::Buzzer { pattern: None });
    assert_eq!(
        clock(&night, silent),
        "02:16:10",
        "the siren's three minutes"
    );
    let back = record(|it| matches!(it, Record::State { to, .. } if to == "armed_away"));
    assert_eq!(clock(&night, back), "02:17:10");
}

#[test]
fn the_gas_leak_starts_the_fan_at_once_and_ends_when_it_has_run_on() {
    let night = played(&shipped("gas-leak"), &[]);
    let fan = |wanted: bool| record(move |it| *it == Record::Exhaust { on: wanted });
    let gas = first(&night, |what| {
        matches!(what, What::Sensor { active: true, .. })
    });
    assert_eq!(first(&night, fan(true)).at, gas.at);
    let sounds = Some(Pattern::Gas);
    let buzzer = |what: &What| matches!(what, What::Buzzer { pattern } if *pattern == sounds);
    assert_eq!(first(&night, buzzer).at, gas.at);
    // Clear at 19:52, and five minutes more; neither "silence" nor "ack" changes that.
    assert_eq!(clock(&night, fan(false)), "19:57:00");
    let mails = subjects(&night, "Ben");
    assert!(
        mails.last().unwrap().contains("all clear: gas over"),
        "{night}"
    );
    assert_eq!(calls(&night).len(), 8, "again after ten minutes\n{night}");
}

#[test]
fn the_owner_who_disarms_in_time_causes_no_alarm() {
    let night = played(&shipped("owner-comes-home"), &[]);
    assert_eq!(night.summary().incidents, 0, "{night}");
    assert!(subjects(&night, "Anna").is_empty(), "{night}");
    let pending = record(|it| matches!(it, Record::State { to, .. } if to == "pending"));
    assert_eq!(clock(&night, pending), "18:06:00");
    let armed = record(|it| matches!(it, Record::State { to, .. } if to == "armed_night"));
    assert_eq!(clock(&night, armed), "23:05:30");
    let late = played(
        &shipped("owner-comes-home"),
        &[("panel.entry-delay", "10s")],
    );
    assert_eq!(
        late.summary().incidents,
        1,
        "too late by two seconds\n{late}"
    );
}

#[test]
fn false_alarms_are_gone_when_two_pulses_are_asked_for() {
    let scenario = shipped("false-alarms");
    let night = played(&scenario, &[]);
    assert_eq!(night.summary().incidents, 3, "{night}");
    assert_eq!(calls(&night), ["Anna", "Anna", "Anna"]);
    let quiet = played(&scenario, &[("sensor.hall.pulses", "2")]);
    assert_eq!(quiet.summary().incidents, 0, "{quiet}");
    assert_eq!(quiet.summary().mails + quiet.summary().calls, 0, "{quiet}");
}

#[test]
fn mails_and_calls_of_a_lost_network_leave_later_and_say_so() {
    let night = played(&shipped("network-loss"), &[]);
    let mails = subjects(&night, "Ben");
    assert!(
        mails[0].contains("ALARM beam broken at front door (happened 03:02, delivered 03:2"),
        "{night}"
    );
    let mended = first(&night, |what| {
        *what == What::Fault(json!({ "network": null }))
    });
    let call = first(&night, |what| matches!(what, What::Call { .. }));
    assert!(mended.at < call.at, "{night}");
    assert!(call.what.text().contains("This call is late"), "{night}");
    let trouble = |code| {
        record(move |it| matches!(it, Record::TroubleRaised { code: is, .. } if *is == code))
    };
    first(&night, trouble(TroubleCode::Mail));
    first(&night, trouble(TroubleCode::Phone));
}

#[test]
fn panic_alarms_while_disarmed_and_goes_back_to_disarmed() {
    let night = played(&shipped("panic"), &[]);
    let from = record(
        |it| matches!(it, Record::State { from, to, .. } if from == "disarmed" && to == "triggered"),
    );
    assert_eq!(clock(&night, from), "16:20:20");
    assert_eq!(calls(&night), ["Anna"], "she answers, and disarms\n{night}");
    let mails = subjects(&night, "Ben");
    assert_eq!(mails.last().unwrap(), "Home: disarmed by Anna after 100 s");
}

#[test]
fn every_shipped_scenario_is_played_the_same_way_each_time() {
    let files = std::fs::read_dir(scenarios()).unwrap();
    let mut count = 0;
    for file in files {
        let path = file.unwrap().path();
        let scenario = Scenario::load(&path).unwrap_or_else(|why| panic!("{why}"));
        let (once, again) = (played(&scenario, &[]), played(&scenario, &[]));
        assert_eq!(once.to_string(), again.to_string());
        assert_eq!(once.json(), again.json());
        count += 1;
    }
    assert_eq!(count, 6, "a scenario without a test of its story");
}

#[test]
fn a_pulled_cable_makes_the_gas_sensor_silent_and_its_return_is_heard() {
    let night = script(
        "[[step]]\nat = \"1m\"\nfault = { nodemcu = \"unplugged\" }\n\
         [[step]]\nat = \"5m\"\nsensor = \"kitchen gas\"\nactive = true\n\
         [[step]]\nat = \"6m\"\nfault = { nodemcu = \"ok\" }\n",
    );
    let silent = record(
        |it| matches!(it, Record::TroubleRaised { code, .. } if *code == TroubleCode::SensorSilent),
    );
    assert_eq!(clock(&night, silent), "02:01:00");
    let called = first(&night, |what| matches!(what, What::Call { .. }));
    assert!(
        called.what.text().contains("it is not being watched"),
        "{night}"
    );
    let fan = record(|it| *it == Record::Exhaust { on: true });
    assert_eq!(
        clock(&night, fan),
        "02:06:00",
        "a silent sensor tells nothing"
    );
}

#[test]
fn a_healthy_gas_sensor_is_never_silent() {
    let night = script("");
    assert_eq!(night.lines, [], "{night}");
}

#[test]
fn an_alarm_without_a_camera_is_mailed_without_a_photo_and_says_why() {
    for (fault, why) in [
        ("gone", "check its cable"),
        ("stalled", "no picture in 4 s"),
    ] {
        let night = script(&format!(
            "[[step]]\nat = \"1m\"\nfault = {{ camera = \"{fault}\" }}\n\
             [[step]]\nat = \"2m\"\nsensor = \"hall\"\npulse = \"1s\"\n"
        ));
        let mail = first(&night, |what| matches!(what, What::Mail { .. }));
        let What::Mail { text, photos, .. } = &mail.what else {
            unreachable!()
        };
        assert_eq!(*photos, 0);
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn a_telephone_that_is_busy_or_says_nothing_does_not_stop_the_ladder() {
    let busy = script(
        "[[step]]\nat = \"0s\"\nfault = { phone = \"busy\" }\n\
         [[step]]\nat = \"1m\"\nsensor = \"hall\"\npulse = \"1s\"\n",
    );
    assert_eq!(calls(&busy), ["Anna", "Ben", "Anna", "Ben"]);
    let hangs = script(
        "[[step]]\nat = \"0s\"\nfault = { phone = \"hang\" }\n\
         [[step]]\nat = \"1m\"\nsensor = \"hall\"\npulse = \"1s\"\n\
         [[step]]\nat = \"3m\"\nfault = { phone = \"ok\" }\n",
    );
    let call = first(&hangs, |what| matches!(what, What::Call { .. }));
    assert!(
        hangs.clock(call.at).as_str() > "02:03:00" && calls(&hangs)[0] == "Anna",
        "{hangs}"
    );
}

#[test]
#[rustfmt::skip]
fn what_is_wrong_with_a_scenario_is_said_with_its_place() {
    const HEAD: &str = "title = \"x\"\nmode = \"away\"\nstarts = \"02:00\"\nends = \"5m\"\n";
    let step = |step: &str| format!("{HEAD}[[step]]\nat = \"1s\"\n{step}\n");
    for (text, line, column, said, allowed) in [
        (HEAD.replace("away", "aray"), 2, 8, "unknown word `aray`", "did you mean `away`"),
        (HEAD.replace("02:00", "2 o'clock"), 3, 10, "is no time of day", "\"02:13\""),
        (HEAD.replace("5m", "5min"), 4, 8, "\"min\" is no unit", "1h 30m"),
        (format!("{HEAD}answer = \"nobody\"\n"), 5, 1, "unknown key `answer`", "`answers`"),
        (format!("{HEAD}answers = \"all\"\n"), 5, 11, "unknown word `all`", "nobody"),
        (step("sensor = \"hall\"\npulze = \"1s\""), 8, 1, "unknown key `pulze`", "`pulse`"),
        (step("sensor = \"hall\""), 7, 10, "what does this sensor do", "active = true"),
        (step("sensor = \"hall\"\npulse = \"0s\""), 8, 9, "a pulse takes some time", "1ms"),
        (step("sensor = \"hall\"\nactive = true\ncommand = \"ack\""), 5, 1, "a step is one thing", "`fault`"),
        (step(""), 5, 1, "a step is one thing", "`command`"),
        (step("command = \"arm\""), 7, 11, "unknown command \"arm\"", "\"arm away\""),
        (step("fault = { smpt = \"down\" }"), 7, 9, "unknown key `smpt`", "smtp"),
        (step("fault = { smtp = \"broken\" }"), 7, 9, "unknown word `broken`", "451"),
        (step("command = \"ack\"").replace("1s", "6m"), 6, 6, "ends at 5m", "`ends`"),
        (format!("{}[[step]]\nat = \"500ms\"\ncommand = \"ack\"\n", step("command = \"ack\"")), 9, 6, "out of order", "order of time"),
        (step("sensor = \"attic\"\npulse = \"1s\""), 7, 10, "no sensor \"attic\"", "\"kitchen gas\""),
    ] {
        let config = changed_config(HOUSE, "house.toml", &[], &[]).unwrap().config;
        let refused = Scenario::parse(&text, "x.toml").and_then(|scenario| scenario.cast(&config));
        let Err(ScenarioError::Refused(found)) = refused else { panic!("accepted:\n{text}") };
        assert_eq!(found.len(), 1, "{text}");
        let shown = found[0].to_string();
        assert_eq!((found[0].line, found[0].column), (line, column), "{shown}");
        assert!(shown.contains(said) && shown.contains(allowed), "{shown}");
        assert!(shown.contains(text.lines().nth(line - 1).unwrap()), "{shown}");
    }
}
