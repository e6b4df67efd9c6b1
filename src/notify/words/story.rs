//! What happened, in sentences.

use super::{Words, capitalised, counted, event, lasting, listed, trouble, word};
use crate::alarm::{About, BootReport, IncidentKind, Mode, SensorName};
use crate::clock::WallTime;

impl Words<'_> {
    /// The sentences about the fact itself; how late it is and the like is added elsewhere.
    pub(super) fn story(&self) -> Vec<String> {
        let at = match self.mail.clock_set {
            true => format!(" at {}", self.local(self.mail.happened, "%H:%M:%S")),
            false => String::new(),
        };
        match &self.mail.notice.about {
            About::Alarm {
                kind,
                sensor,
                sensor_kind,
                mode,
                confirmed,
            } => {
                let mut story = vec![format!(
                    "{}{at}, {}.",
                    capitalised(&event(*sensor_kind, sensor)),
                    armed(*mode)
                )];
                if *confirmed {
                    story.push("A second sensor confirms it.".into());
                }
                if *kind == IncidentKind::Gas {
                    story.push(
                        "Open windows, use no switches and no flames, leave the house.".into(),
                    );
                }
                story
            }
            About::FollowUp {
                triggers,
                confirmed,
                ladders_held_back,
                ..
            } => {
                let mut story = vec!["The alarm goes on.".to_owned()];
                if !triggers.is_empty() {
                    story.push(format!("Triggers since the last message: {}.", counted(triggers)));
                }
                if *confirmed {
                    story.push("A second sensor confirms it.".into());
                }
                story.extend(held_back(*ladders_held_back));
                story
            }
            About::AllClear {
                kind,
                lasted_seconds,
                triggers,
                untold,
                ladders_held_back,
                still_open,
            } => {
                let mut story = vec![format!(
                    "The {} alarm is over{at}: all is quiet after {} and {}.",
                    word(*kind),
                    lasting(*lasted_seconds),
                    number(*triggers, "trigger"),
                )];
                if !untold.is_empty() {
                    story.push(format!("Triggers since the last message: {}.", counted(untold)));
                }
                story.extend(held_back(*ladders_held_back));
                if !still_open.is_empty() {
                    let names: Vec<&str> = still_open.iter().map(|name| name.as_str()).collect();
                    story.push(format!(
                        "Still open, and taking no part until closed: {}.",
                        names.join(", ")
                    ));
                }
                story
            }
            About::Disarmed { paused: false, .. } => {
                vec![format!("The alarm was {}.", self.title())]
            }
            About::Disarmed { paused: true, .. } => vec![
                format!("The alarm was {}.", self.title()),
                "Detection comes back by itself.".into(),
            ],
            About::NobodyAnswered { contacts } => vec![format!(
                "{} called{at} and nobody has acknowledged the alarm.",
                match contacts {
                    1 => "One contact was".to_owned(),
                    n => format!("{n} contacts were"),
                }
            )],
            About::Unwatched {
                sensor,
                silent_seconds,
            } => vec![
                format!("{sensor} has been silent for {}.", lasting(*silent_seconds)),
                "Silent is not clear: gas would not be noticed there. See to its power and its cable.".into(),
            ],
            About::ArmedWithOpen { mode, sensors } => vec![
                format!("The panel is armed {}{at} although {} open.", mode.word(), are(sensors)),
                "What is open is inhibited until it closes.".into(),
            ],
            About::Inhibited { sensor, why } => {
                vec![format!("{sensor} does not take part: {}.", why.trim_end_matches('.'))]
            }
            About::Troubles { raised, cleared } => {
                let begun = raised.iter().map(|(code, subject, text)| {
                    format!("{}: {text}", trouble(*code, subject))
                });
                let over = cleared
                    .iter()
                    .map(|(code, subject)| format!("{}: over.", trouble(*code, subject)));
                begun.chain(over).collect()
            }
            About::BootReport(report) => self.boot_report(report, &at),
            About::Drill { by } => vec![format!(
                "DRILL: this is a test of every way to reach people, asked for by {}{at}. Nothing \
                 happened, and nothing needs to be done.",
                by.who()
            )],
            About::Duress { by } => vec![
                format!("A PIN or finger for duress was used{at}: {}.", by.described()),
                "Somebody is forced to open. The house does what it was told and shows nothing of \
                 this alarm. Do not call there; call for help."
                    .into(),
            ],
            About::Test { by } => vec![format!(
                "This is a test, asked for by {}{at}. Nothing has happened.",
                by.who()
            )],
        }
    }
}

impl Words<'_> {
    fn boot_report(&self, report: &BootReport, at: &str) -> Vec<String> {
        let mut story = vec![format!("Power was away; the service is back{at}.")];
        match report.gap_seconds {
            Some(gap) if self.mail.clock_set => story.push(format!(
                "Last sign of life {}, back at {}.",
                self.before(gap),
                self.hour(self.mail.happened)
            )),
            Some(_) => {}
            None => story.push(
                "For how long is not known yet, because the clock is not set; another message \
                 says so once it is."
                    .into(),
            ),
        }
        story.push(format!("State: {}.", report.state.replace('_', " ")));
        for incident in &report.incidents {
            let since = incident.since_seconds.filter(|_| self.mail.clock_set);
            story.push(format!(
                "Going on: {} incident {} at {}{}.",
                word(incident.kind),
                incident.id,
                listed(&incident.sensors),
                since.map_or(String::new(), |ago| format!(", since {}", self.before(ago))),
            ));
        }
        if !report.active.is_empty() {
            story.push(format!("Active now: {}.", listed(&report.active)));
        }
        if report.waiting > 0 {
            let oldest = report.oldest_seconds.filter(|_| self.mail.clock_set);
            story.push(format!(
                "Waiting: {}{}.",
                number(report.waiting, "message"),
                oldest.map_or(String::new(), |ago| format!(
                    ", the oldest of {}",
                    self.before(ago)
                )),
            ));
        }
        story
    }

    /// When it was so many seconds before it happened: the hour, and the day if it was another.
    fn before(&self, seconds: u64) -> String {
        let millis = i64::try_from(seconds)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000);
        let then = WallTime(self.mail.happened.as_millis().saturating_sub(millis));
        match self.local(then, "%F") == self.local(self.mail.happened, "%F") {
            true => self.hour(then),
            false => self.local(then, "%-d %B %H:%M"),
        }
    }
}

fn are(sensors: &[SensorName]) -> String {
    let verb = if sensors.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", listed(sensors))
}

fn armed(mode: Option<Mode>) -> String {
    match mode {
        Some(mode) => format!("armed {}", mode.word()),
        None => "disarmed".to_owned(),
    }
}

fn number(count: u32, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

fn held_back(ladders: u32) -> Option<String> {
    match ladders {
        0 => None,
        1 => Some("One further round of calls was held back.".into()),
        n => Some(format!("{n} further rounds of calls were held back.")),
    }
}
