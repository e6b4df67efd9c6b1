//! The words for everything that can be told.

use asfaleia::alarm::{
    About, Actor, BootReport, GoingOn, IncidentId, IncidentKind, Mode, Origin, Right, SensorKind,
    TroubleCode,
};
use asfaleia::clock::WallTime;
use asfaleia::notify::Outgoing;
use asfaleia::notify::words::Words;
use jiff::tz::{Offset, TimeZone};

use crate::{HAPPENED, about, alarm, burglary, photo};

fn words(mail: &Outgoing) -> Words<'_> {
    Words::in_zone(mail, TimeZone::UTC)
}

fn anna() -> Actor {
    Actor {
        name: Some("Anna".into()),
        origin: Origin::Dashboard,
        right: Right::Owner,
        with: Vec::new(),
    }
}

#[test]
fn every_message_has_its_subject_and_its_sentences() {
    let golden: Vec<(About, &str, &str)> = vec![
        (
            alarm("hall", SensorKind::Motion),
            "Home: ALARM motion in hall",
            "Motion in hall at 02:13:07, armed away.",
        ),
        (
            alarm("front door", SensorKind::Beam),
            "Home: ALARM beam broken at front door",
            "Beam broken at front door at 02:13:07, armed away.",
        ),
        (
            alarm("window", SensorKind::Contact),
            "Home: ALARM contact open at window",
            "Contact open at window at 02:13:07, armed away.",
        ),
        (
            alarm("siren box", SensorKind::Tamper),
            "Home: ALARM tamper at siren box",
            "Tamper at siren box at 02:13:07, armed away.",
        ),
        (
            alarm("bedside", SensorKind::Panic),
            "Home: ALARM panic at bedside",
            "Panic at bedside at 02:13:07, armed away.",
        ),
        (
            About::Alarm {
                kind: IncidentKind::Gas,
                sensor: "kitchen gas".into(),
                sensor_kind: SensorKind::Gas,
                mode: None,
                confirmed: false,
            },
            "Home: ALARM gas at kitchen gas",
            "Gas at kitchen gas at 02:13:07, disarmed. Open windows, use no switches and no \
             flames, leave the house.",
        ),
        (
            About::Alarm {
                kind: IncidentKind::Intrusion,
                sensor: "hall".into(),
                sensor_kind: SensorKind::Motion,
                mode: Some(Mode::Night),
                confirmed: true,
            },
            "Home: CONFIRMED ALARM motion in hall",
            "Motion in hall at 02:13:07, armed night. A second sensor confirms it.",
        ),
        (
            About::FollowUp {
                kind: IncidentKind::Intrusion,
                triggers: vec![("hall".into(), 12), ("front door".into(), 1)],
                confirmed: true,
                ladders_held_back: 2,
            },
            "Home: ALARM confirmed, goes on: hall 12×, front door 1×",
            "The alarm goes on. Triggers since the last message: hall 12×, front door 1×. \
             A second sensor confirms it. 2 further rounds of calls were held back.",
        ),
        (
            About::FollowUp {
                kind: IncidentKind::Gas,
                triggers: vec![],
                confirmed: false,
                ladders_held_back: 0,
            },
            "Home: GAS ALARM goes on",
            "The alarm goes on.",
        ),
        (
            About::AllClear {
                kind: IncidentKind::Gas,
                lasted_seconds: 754,
                triggers: 1,
                untold: vec![("hall".into(), 2)],
                ladders_held_back: 0,
                still_open: vec!["front door".into()],
            },
            "Home: all clear: gas over after 12 min",
            "The gas alarm is over at 02:13:07: all is quiet after 12 min and 1 trigger. Triggers \
             since the last message: hall 2×. Still open, and taking no part until closed: front \
             door.",
        ),
        (
            About::Disarmed {
                by: anna(),
                after_seconds: 12,
                paused: false,
            },
            "Home: disarmed by Anna after 12 s",
            "The alarm was disarmed by Anna after 12 s.",
        ),
        (
            About::Disarmed {
                by: Actor::owner(Origin::Reader),
                after_seconds: 8_000,
                paused: true,
            },
            "Home: paused by the reader at the door after 2 h 13 min",
            "The alarm was paused by the reader at the door after 2 h 13 min. Detection comes \
             back by itself.",
        ),
        (
            About::NobodyAnswered { contacts: 2 },
            "Home: NOBODY ANSWERED the calls",
            "2 contacts were called at 02:13:07 and nobody has acknowledged the alarm.",
        ),
        (
            About::Unwatched {
                sensor: "kitchen gas".into(),
                silent_seconds: 130,
            },
            "Home: kitchen gas is not being watched",
            "kitchen gas has been silent for 2 min. Silent is not clear: gas would not be \
             noticed there. See to its power and its cable.",
        ),
        (
            About::ArmedWithOpen {
                mode: Mode::Away,
                sensors: vec!["window".into(), "garage".into()],
            },
            "Home: armed (away) with window, garage open",
            "The panel is armed away at 02:13:07 although window, garage are open. What is open \
             is inhibited until it closes.",
        ),
        (
            About::Inhibited {
                sensor: "hall".into(),
                why: "it alarmed 5 times.".into(),
            },
            "Home: hall is inhibited",
            "hall does not take part: it alarmed 5 times.",
        ),
        (
            About::Troubles {
                raised: vec![(
                    TroubleCode::SensorSilent,
                    "garage".into(),
                    "no sign of life for 10 s.".into(),
                )],
                cleared: vec![(TroubleCode::Clock, String::new())],
            },
            "Home: trouble: sensor-silent (garage)",
            "sensor-silent (garage): no sign of life for 10 s. clock: over.",
        ),
        (
            About::Troubles {
                raised: vec![],
                cleared: vec![(TroubleCode::Mail, "smtp.example.org".into())],
            },
            "Home: trouble over: mail (smtp.example.org)",
            "mail (smtp.example.org): over.",
        ),
        (
            About::BootReport(BootReport {
                state: "armed_away".into(),
                incidents: vec![GoingOn {
                    id: IncidentId(3),
                    kind: IncidentKind::Gas,
                    sensors: vec!["kitchen gas".into(), "cellar".into()],
                    since_seconds: Some(600),
                }],
                active: vec!["window".into()],
                waiting: 1,
                oldest_seconds: Some(3 * 3_600),
                gap_seconds: Some(540),
            }),
            "Home: back after 9 min without a sign of life",
            "Power was away; the service is back at 02:13:07. Last sign of life 02:04, back at \
             02:13. State: armed away. Going on: gas incident 3 at kitchen gas, cellar, since \
             02:03. Active now: window. Waiting: 1 message, the oldest of 22 November 23:13.",
        ),
        (
            About::BootReport(BootReport {
                state: "disarmed".into(),
                ..BootReport::default()
            }),
            "Home: back after a power cut",
            "Power was away; the service is back at 02:13:07. For how long is not known yet, \
             because the clock is not set; another message says so once it is. State: disarmed.",
        ),
        (
            About::Drill { by: anna() },
            "Home: DRILL: this is a test, nothing happened",
            "DRILL: this is a test of every way to reach people, asked for by Anna at 02:13:07. \
             Nothing happened, and nothing needs to be done.",
        ),
        (
            About::Test { by: anna() },
            "Home: test message",
            "This is a test, asked for by Anna at 02:13:07. Nothing has happened.",
        ),
    ];
    for (fact, subject, sentences) in golden {
        let mail = about(fact);
        assert_eq!(words(&mail).subject(), subject);
        assert_eq!(words(&mail).short(), sentences);
        assert!(subject.ends_with(&words(&mail).title()));
        for sentence in sentences.split_inclusive(". ") {
            assert!(words(&mail).text().contains(sentence.trim()), "{sentence}");
        }
    }
}

#[test]
fn the_text_of_an_alarm_says_what_where_when_and_mode() {
    let mut mail = burglary();
    mail.photo_missing = Some("the camera gave no picture within 5 s".into());
    assert_eq!(
        words(&mail).text(),
        "ALARM motion in hall\n\
         \n\
         Motion in hall at 02:13:07, armed away.\n\
         No photo: the camera gave no picture within 5 s.\n\
         \n\
         What:     motion\n\
         Where:    hall\n\
         Mode:     away\n\
         Site:     Home\n\
         When:     Monday 23 November 2026, 02:13:07 UTC\n\
         Incident: 17\n"
    );
}

#[test]
fn the_html_shows_the_photos_and_escapes_every_name() {
    let mut mail = about(alarm("<script>\"&'", SensorKind::Motion));
    mail.photos = vec![photo(5, 10)];
    let html = words(&mail).html();
    assert!(
        html.contains("<img src=\"cid:photo-5@asfaleia\" alt=\"photo of 2026-11-23 02:13:07\"")
    );
    assert!(html.contains("ALARM motion in &lt;script&gt;&quot;&amp;&#39;"));
    assert!(!html.contains("<script>"));
}

#[test]
fn a_late_message_says_when_it_happened_and_when_it_came() {
    let mut mail = burglary();
    mail.now = WallTime(HAPPENED.as_millis() + 60_000);
    assert_eq!(words(&mail).late(), None);
    mail.now = WallTime(HAPPENED.as_millis() + 18 * 60_000);
    assert_eq!(
        words(&mail).subject(),
        "Home: ALARM motion in hall (happened 02:13, delivered 02:31)"
    );
    assert!(
        words(&mail)
            .text()
            .contains("This message is late: happened 02:13, delivered 02:31.\n")
    );
    assert_eq!(
        words(&mail).spoken(),
        "Alarm at Home. Motion in hall, at 02:13. This call is late: it is now 02:31."
    );
}

#[test]
fn a_ladders_later_call_is_late_only_if_its_first_one_was() {
    let mut mail = burglary();
    let after = |minutes: i64| WallTime(HAPPENED.as_millis() + minutes * 60_000);
    mail.now = after(5);
    mail.first_call = Some(after(0));
    assert_eq!(
        words(&mail).spoken(),
        "Alarm at Home. Motion in hall, at 02:13."
    );
    mail.first_call = Some(after(3));
    let spoken = words(&mail).spoken();
    assert!(spoken.contains("late: it is now 02:18"), "{spoken}");
}

#[test]
fn a_time_from_before_the_clock_was_set_is_not_told_as_true() {
    let mut mail = burglary();
    mail.happened = WallTime(60_000);
    mail.clock_set = false;
    let words = words(&mail);
    assert_eq!(words.time(), None);
    assert_eq!(words.late(), None);
    assert!(words.text().contains("the time is not known"));
    for text in [words.text(), words.html(), words.spoken(), words.subject()] {
        assert!(!text.contains("1970") && !text.contains("00:01"), "{text}");
    }
}

#[test]
fn times_are_local() {
    let mail = burglary();
    let athens = Words::in_zone(&mail, TimeZone::fixed(Offset::constant(2)));
    assert!(athens.short().contains("04:13:07"));
    assert_eq!(athens.time().as_deref(), Some("2026-11-23T04:13:07+02:00"));
}

#[test]
fn the_voice_names_site_sensor_kind_and_time() {
    for (fact, spoken) in [
        (
            alarm("hall", SensorKind::Motion),
            "Alarm at Home. Motion in hall, at 02:13.",
        ),
        (
            alarm("kitchen gas", SensorKind::Gas),
            "Gas alarm at Home. Gas at kitchen gas, at 02:13.",
        ),
        (
            About::Unwatched {
                sensor: "kitchen gas".into(),
                silent_seconds: 130,
            },
            "Warning from Home. The sensor kitchen gas is silent: it is not being watched, at 02:13.",
        ),
        (
            About::Test { by: anna() },
            "This is a test call from Home. All is well, at 02:13.",
        ),
        (
            About::Drill { by: anna() },
            "DRILL: this is a test, nothing happened. A drill of Home, at 02:13.",
        ),
        (
            About::NobodyAnswered { contacts: 1 },
            "Message from Home: NOBODY ANSWERED the calls, at 02:13.",
        ),
    ] {
        assert_eq!(words(&about(fact)).spoken(), spoken);
    }
}

#[test]
fn names_cannot_break_out_of_a_line() {
    let mut mail = about(alarm(
        "hall\r\nBcc: thief@example.org\u{2028}\u{0}x",
        SensorKind::Motion,
    ));
    mail.site = "Home\n\n".into();
    let words = words(&mail);
    for line in [
        words.subject(),
        words.title(),
        words.short(),
        words.spoken(),
    ] {
        assert!(
            !line.chars().any(|c| c.is_control() || c == '\u{2028}'),
            "{line:?}"
        );
    }
    assert_eq!(
        words.subject(),
        "Home: ALARM motion in hall Bcc: thief@example.org x"
    );
    assert!(!words.text().lines().any(|line| line.starts_with("Bcc")));
}
