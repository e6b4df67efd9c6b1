//! A line of history as people read it.

use crate::alarm::{Actor, BootReport, Effect, IncidentKind, Proof, Record, SensorName, Test};

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
        Record::Acknowledged { by } => format!("acknowledged by {}", by.described()),
        Record::Enrolled { person, factor, by } => {
            format!(
                "a {} of {person} enrolled by {}",
                factor.word(),
                by.described()
            )
        }
        Record::Forgotten { person, by } => format!("{person} forgotten by {}", by.described()),
        Record::Granted { what, by } => format!("let in to {what}: {}", by.described()),
        Record::Silenced { by } => format!("buzzer silenced by {}", by.described()),
        Record::Login {
            did,
            name,
            place,
            by,
        } => format!("{name}: {} by {} ({place})", did.word(), by.described()),
        Record::Refused {
            command,
            by,
            reasons,
        } => format!(
            "{command} refused to {}: {}",
            by.described(),
            reasons.join("; ")
        ),
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
            format!("{channel} to {to}: {outcome}{}", within(detail))
        }
        Record::Configuration { text } => format!("configuration: {text}"),
        Record::WalkTest { on } => format!("walk test {}", on_off(*on)),
        Record::BootReport(report) => boot_report(report),
        Record::Drill { by } => format!("drill, asked for by {}", by.described()),
        Record::Proof {
            path,
            outcome,
            detail,
        } => format!(
            "drill of {path}: {}{}",
            proof_word(*outcome),
            within(detail)
        ),
        Record::Test { what, by } => format!("test of {} by {}", test_word(*what), by.described()),
    }
}

/// Why, where a rule of the panel is behind it.
pub(super) fn reason(what: &Record) -> Option<&'static str> {
    Some(match what {
        Record::Trigger { effect, .. } => match effect {
            Effect::Alarm => {
                "the sensor takes part in this mode: siren, photos, mail and calls begin at once"
            }
            Effect::FollowUp => {
                "the alarm goes on: told in the same thread of mails, at most one each minute"
            }
            Effect::EntryDelay => "its entry is delayed: whoever disarms in time lives here",
            Effect::Soak => "a new sensor on trial is written down, and never alarms",
            Effect::WalkTest => "in a walk test it beeps and is listed, nothing else",
            Effect::Gas => {
                "gas always counts, armed or not: the fan first, then buzzer, mail and calls"
            }
            Effect::WarmUp => "a cold sensor may be wrong: it switches the fan, and tells nobody",
        },
        Record::Exhaust { on: true } => "gas: no disk, network or lock is on this way",
        Record::Exhaust { on: false } => "no gas for the whole run-on, and not before",
        Record::Acknowledged { .. } => "the calls stop; mail and photos still arrive",
        Record::Silenced { .. } => "the buzzer alone is silent; the incident goes on",
        Record::Confirmed { .. } => "two different sensors within the window",
        Record::Inhibited { .. } => "it comes back by itself",
        Record::LadderHeldBack {} => {
            "at most one ladder of calls each ladder-every; this one was mailed and counted"
        }
        Record::NobodyAnswered {} => "the ladder was climbed as often as configured",
        Record::PhotoFailed { .. } => "the mail goes without, and says why",
        Record::IncidentEnded { how, .. } if how == "cleared" => {
            "the siren has stopped, and every sensor was quiet for clear-after"
        }
        Record::Started { .. } => "what must survive was in the store",
        Record::State { .. }
        | Record::IncidentOpened { .. }
        | Record::IncidentEnded { .. }
        | Record::Granted { .. }
        | Record::Enrolled { .. }
        | Record::Forgotten { .. }
        | Record::Login { .. }
        | Record::Refused { .. }
        | Record::Restored { .. }
        | Record::Photo { .. }
        | Record::TroubleRaised { .. }
        | Record::TroubleCleared { .. }
        | Record::Message { .. }
        | Record::Configuration { .. }
        | Record::WalkTest { .. }
        | Record::BootReport(_)
        | Record::Drill { .. }
        | Record::Proof { .. }
        | Record::Test { .. } => return None,
    })
}

/// What was found at a start, on one line.
fn boot_report(report: &BootReport) -> String {
    let mut text = format!("back in the state {}", report.state);
    for incident in &report.incidents {
        text += &format!(
            "; {} incident {} goes on ({}{})",
            kind_word(incident.kind),
            incident.id,
            names(&incident.sensors),
            (incident.since_seconds).map_or(String::new(), |ago| format!(", for {ago} s")),
        );
    }
    if !report.active.is_empty() {
        text += &format!("; active: {}", names(&report.active));
    }
    if report.waiting > 0 {
        text += &format!("; messages that wait: {}", report.waiting);
    }
    if let Some(oldest) = report.oldest_seconds {
        text += &format!(", the oldest for {oldest} s");
    }
    match report.gap_seconds {
        Some(gap) => text + &format!("; without a sign of life for {gap} s"),
        None => text + "; for how long it was away is not known: the clock is not set",
    }
}

fn names(sensors: &[SensorName]) -> String {
    let names: Vec<&str> = sensors.iter().map(SensorName::as_str).collect();
    names.join(", ")
}

fn within(detail: &str) -> String {
    match detail {
        "" => String::new(),
        detail => format!(" ({detail})"),
    }
}

fn proof_word(proof: Proof) -> &'static str {
    match proof {
        Proof::Pending => "under way",
        Proof::Delivered => "delivered",
        Proof::Failed => "failed",
    }
}

fn by_whom(by: Option<&Actor>) -> String {
    by.map_or(String::new(), |by| format!(" by {}", by.described()))
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
