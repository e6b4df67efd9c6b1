//! A line of history as people read it.

use crate::alarm::{Actor, Effect, IncidentKind, Record, Test};

/// One line of history in words, such as `hall (motion): alarm`.
pub fn sentence(what: &Record) -> String {
    match what {
        Record::Started {
            new_boot,
            gap_seconds,
            state,
        } => {
            let how = if *new_boot { "after a boot" } else { "again" };
            let gap = gap_seconds.map_or(String::new(), |gap| {
                format!(", without a sign of life for {gap} s")
            });
            format!("service started {how}, {state}{gap}")
        }
        Record::State { from, to, by } => format!("{from} -> {to}{}", by_whom(by.as_ref())),
        Record::Trigger {
            sensor,
            sensor_kind,
            effect,
        } => format!(
            "{sensor} ({}): {}",
            sensor_kind.word(),
            effect_word(*effect)
        ),
        Record::IncidentOpened {
            incident_kind,
            sensor,
        } => format!("{} incident began at {sensor}", kind_word(*incident_kind)),
        Record::Confirmed { sensor } => format!("confirmed by {sensor}"),
        Record::IncidentEnded { how, by } => {
            format!("incident ended: {how}{}", by_whom(by.as_ref()))
        }
        Record::Acknowledged { by } => format!("acknowledged by {}", by.who()),
        Record::Silenced { by } => format!("buzzer silenced by {}", by.who()),
        Record::Refused {
            command,
            by,
            reasons,
        } => format!("{command} refused to {}: {}", by.who(), reasons.join("; ")),
        Record::Inhibited { sensor, why } => format!("{sensor} inhibited: {why}"),
        Record::Restored { sensor } => format!("{sensor} takes part again"),
        Record::Exhaust { on } => format!("exhaust fan {}", on_off(*on)),
        Record::Photo { photo } => format!("photo {photo} taken"),
        Record::PhotoFailed { why } => format!("no photo: {why}"),
        Record::LadderHeldBack {} => "calls held back: others were made just before".to_owned(),
        Record::NobodyAnswered {} => "everybody was called and nobody acknowledged".to_owned(),
        Record::TroubleRaised {
            code,
            subject,
            text,
        } => format!("trouble {}{}: {text}", code.word(), of(subject)),
        Record::TroubleCleared { code, subject } => {
            format!("trouble {}{} is over", code.word(), of(subject))
        }
        Record::Message {
            channel,
            to,
            outcome,
            detail,
        } => {
            let detail = match detail.as_str() {
                "" => String::new(),
                detail => format!(" ({detail})"),
            };
            format!("{channel} to {to}: {outcome}{detail}")
        }
        Record::Configuration { text } => format!("configuration: {text}"),
        Record::WalkTest { on } => format!("walk test {}", on_off(*on)),
        Record::Test { what, by } => format!("test of {} by {}", test_word(*what), by.who()),
    }
}

fn by_whom(by: Option<&Actor>) -> String {
    by.map_or(String::new(), |by| format!(" by {}", by.who()))
}

fn of(subject: &str) -> String {
    match subject {
        "" => String::new(),
        subject => format!(" of {subject}"),
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn kind_word(kind: IncidentKind) -> &'static str {
    match kind {
        IncidentKind::Intrusion => "intrusion",
        IncidentKind::Gas => "gas",
    }
}

fn effect_word(effect: Effect) -> &'static str {
    match effect {
        Effect::Alarm => "alarm",
        Effect::FollowUp => "again",
        Effect::EntryDelay => "entry delay",
        Effect::Soak => "on trial, no alarm",
        Effect::WalkTest => "walk test",
        Effect::Gas => "gas alarm",
        Effect::WarmUp => "gas while warming up, fan only",
    }
}

fn test_word(what: Test) -> &'static str {
    match what {
        Test::Email => "email",
        Test::Call => "call",
        Test::Photo => "photo",
        Test::Buzzer => "buzzer",
        Test::Relay => "relay",
    }
}
