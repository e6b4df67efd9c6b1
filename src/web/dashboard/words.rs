//! The house in words and pictures (`assets/icons.svg`) that need no explanation.

use serde_json::{Value, json};

use crate::alarm::{GasStatus, IncidentKind, Mode, Record, SensorKind, SensorState, TroubleCode};
use crate::web::StatusBody;

/// The state as the big card shows it: `title`, `words`, `icon`, and `tone`, which is also its colour.
pub(super) fn state(body: &StatusBody) -> Value {
    let (title, words, icon, tone) = match body.state.as_str() {
        "disarmed" => (
            "Disarmed",
            "Gas, tamper and panic are watched; come in.",
            "open",
            "calm",
        ),
        "arming" => ("Arming", "Leave, and close what is open.", "away", "warn"),
        "armed_away" => (
            "Armed, away",
            "The whole house is watched.",
            "shield",
            "armed",
        ),
        "armed_home" => (
            "Armed, home",
            "What you chose for home is watched.",
            "home",
            "armed",
        ),
        "armed_night" => (
            "Armed, night",
            "What you chose for the night is watched.",
            "night",
            "armed",
        ),
        "pending" => (
            "Somebody came in",
            "Disarm, or the alarm begins.",
            "clock",
            "warn",
        ),
        "triggered" => ("Alarm", "People are being told.", "alarm", "alarm"),
        "paused" => (
            "Paused",
            "Intrusion is not watched now. It comes back by itself.",
            "pause",
            "warn",
        ),
        // The panel has no other.
        other => (other, "", "shield", "warn"),
    };
    let seen = (body.incidents.iter()).all(|incident| incident.acknowledged_by.is_some());
    let words = match (body.walk_test, &*body.state) {
        (true, _) => "A walk test is on: triggers beep and are listed, nothing else.",
        (false, "triggered") if seen => "Acknowledged: nobody is called any more.",
        (false, _) => words,
    };
    let (title, icon, tone) = match (tone, body.gas) {
        ("alarm", _) | (_, GasStatus::Clear | GasStatus::WarmingUp | GasStatus::Unwatched) => {
            (title.to_owned(), icon, tone)
        }
        (_, GasStatus::Alarm) => (format!("Gas! {title}"), "gas", "alarm"),
    };
    json!({ "title": title, "words": words, "icon": icon, "tone": tone })
}

/// What the countdown on the card counts to.
pub(super) fn until(state: &str) -> &'static str {
    match state {
        "arming" => "until it is armed",
        "pending" => "until the alarm",
        "triggered" => "until the siren stops",
        "paused" => "until it watches again",
        _ => "left",
    }
}

pub(super) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Away => "Away",
        Mode::Home => "Home",
        Mode::Night => "Night",
    }
}

/// A sensor's state in a word, and its tone: empty, `odd` or `on`.
pub(super) fn sensor(kind: SensorKind, state: SensorState) -> (&'static str, &'static str) {
    let (rest, active) = match kind {
        SensorKind::Motion => ("quiet", "motion"),
        SensorKind::Beam => ("clear", "broken"),
        SensorKind::Contact => ("closed", "open"),
        SensorKind::Gas => ("clean air", "gas"),
        SensorKind::Tamper => ("untouched", "tampered with"),
        SensorKind::Panic => ("ready", "pressed"),
    };
    match state {
        SensorState::Inactive => (rest, ""),
        SensorState::Active => (active, "on"),
        SensorState::Silent => ("silent", "odd"),
        SensorState::WarmingUp => ("warming up", "odd"),
        SensorState::Inhibited => ("takes no part", "odd"),
        SensorState::Soak => ("on trial", "odd"),
    }
}

/// A fan alone says nothing of the air.
pub(super) fn no_gas_sensor() -> Value {
    let words = "There is a fan, and nothing that watches for gas.";
    json!({ "title": "No gas sensor", "words": words, "tone": "warn" })
}

/// Gas, with its calm or its loud face.
pub(super) fn gas(gas: GasStatus) -> Value {
    let (title, words, tone) = match gas {
        GasStatus::Clear => (
            "The air is clean",
            "Gas is watched, whatever else is off.",
            "calm",
        ),
        GasStatus::WarmingUp => (
            "A gas sensor is warming up",
            "Gas would switch the fan already; nobody is called before it can be trusted.",
            "calm",
        ),
        GasStatus::Unwatched => (
            "Gas is not being watched",
            "A gas sensor is silent: see the troubles.",
            "warn",
        ),
        GasStatus::Alarm => (
            "Gas!",
            "Switch nothing, open the windows, leave, and call from outside.",
            "alarm",
        ),
    };
    json!({ "title": title, "words": words, "tone": tone })
}

pub(super) fn incident(kind: IncidentKind) -> (&'static str, &'static str) {
    match kind {
        IncidentKind::Intrusion => ("Intrusion", "alarm"),
        IncidentKind::Gas => ("Gas", "gas"),
    }
}

/// A path to people, such as `email:Anna`, and its picture.
pub(super) fn path(path: &str) -> (String, &'static str) {
    let (channel, to) = path.split_once(':').unwrap_or((path, ""));
    let (title, icon) = match channel {
        "email" => ("Mail", "mail"),
        "phone" => ("Telephone", "phone"),
        "webhook" => ("Webhook", "away"),
        "mqtt" => ("MQTT", "beam"),
        "camera" => ("Camera", "camera"),
        "drill" => ("The last drill", "checks"),
        other => (other, "away"),
    };
    match to {
        "" => (title.to_owned(), icon),
        to => (format!("{title}: {to}"), icon),
    }
}

/// What can be tried by itself: the form's word, title, icon.
pub(super) const TESTS: [(&str, &str, &str); 5] = [
    ("email", "Mail", "mail"),
    ("call", "Call", "phone"),
    ("photo", "Photo", "camera"),
    ("buzzer", "Buzzer", "alarm"),
    ("relay", "Fan's relay", "fan"),
];

/// What has a trouble, with its code: people look the code up.
pub(super) fn trouble(code: TroubleCode, subject: &str) -> String {
    match subject {
        "" => code.word().to_owned(),
        subject => format!("{}: {subject}", code.word()),
    }
}

/// Kinds of lines that one may look for: the word of the query, and the title.
pub(super) const KINDS: [(&str, &str); 6] = [
    ("all", "everything"),
    ("alarms", "alarms and sensors"),
    ("people", "commands and people"),
    ("messages", "messages"),
    ("photos", "photos"),
    ("troubles", "troubles and the service"),
];

/// To which of [`KINDS`] a line belongs.
pub(super) fn kind_of(line: &Record) -> &'static str {
    match line {
        Record::State { .. }
        | Record::Trigger { .. }
        | Record::IncidentOpened { .. }
        | Record::Confirmed { .. }
        | Record::IncidentEnded { .. }
        | Record::Inhibited { .. }
        | Record::Restored { .. }
        | Record::Exhaust { .. } => "alarms",
        Record::Acknowledged { .. }
        | Record::Silenced { .. }
        | Record::Granted { .. }
        | Record::Enrolled { .. }
        | Record::Forgotten { .. }
        | Record::Login { .. }
        | Record::Refused { .. }
        | Record::Test { .. }
        | Record::WalkTest { .. }
        | Record::Drill { .. } => "people",
        Record::Message { .. }
        | Record::LadderHeldBack {}
        | Record::NobodyAnswered {}
        | Record::Proof { .. } => "messages",
        Record::Photo { .. } | Record::PhotoFailed { .. } => "photos",
        Record::TroubleRaised { .. }
        | Record::TroubleCleared { .. }
        | Record::Started { .. }
        | Record::BootReport(_)
        | Record::Configuration { .. } => "troubles",
    }
}
