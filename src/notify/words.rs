//! The words for what happened. Pure: facts in, text out.

mod story;

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use super::{Outgoing, on_one_line};
use crate::alarm::{About, IncidentKind, Mode, SensorKind, SensorName, TroubleCode};
use crate::clock::WallTime;

/// A message delivered later than this after it happened says so.
const LATE_MS: i64 = 60_000;

/// How a drill is told from an alarm.
const DRILL: &str = "DRILL: this is a test, nothing happened";

/// Finds the words for one message.
#[derive(Debug)]
pub struct Words<'a> {
    mail: &'a Outgoing,
    zone: TimeZone,
}

impl<'a> Words<'a> {
    /// Words with times in the system's zone.
    pub fn new(mail: &'a Outgoing) -> Self {
        Self::in_zone(mail, TimeZone::system())
    }

    /// Words with times in this zone.
    pub fn in_zone(mail: &'a Outgoing, zone: TimeZone) -> Self {
        Words { mail, zone }
    }

    /// The subject of the mail: `Home: ALARM motion in hall`. One line, whatever the names hold.
    pub fn subject(&self) -> String {
        let late = match self.late() {
            Some(late) => format!(" ({late})"),
            None => String::new(),
        };
        format!("{}: {}{late}", on_one_line(&self.mail.site), self.title())
    }

    /// The headline, without the site: `ALARM motion in hall`. One line.
    pub fn title(&self) -> String {
        let title = match &self.mail.notice.about {
            About::Alarm {
                sensor,
                sensor_kind,
                confirmed,
                ..
            } => {
                let alarm = if *confirmed {
                    "CONFIRMED ALARM"
                } else {
                    "ALARM"
                };
                format!("{alarm} {}", event(*sensor_kind, sensor))
            }
            About::FollowUp {
                kind,
                triggers,
                confirmed,
                ..
            } => {
                let what = match (kind, confirmed) {
                    (IncidentKind::Gas, _) => "GAS ALARM goes on",
                    (IncidentKind::Intrusion, true) => "ALARM confirmed, goes on",
                    (IncidentKind::Intrusion, false) => "ALARM goes on",
                };
                if triggers.is_empty() {
                    what.to_owned()
                } else {
                    format!("{what}: {}", counted(triggers))
                }
            }
            About::AllClear {
                kind,
                lasted_seconds,
                ..
            } => format!(
                "all clear: {} over after {}",
                word(*kind),
                lasting(*lasted_seconds)
            ),
            About::Disarmed {
                by,
                after_seconds,
                paused,
            } => {
                let done = if *paused { "paused" } else { "disarmed" };
                format!(
                    "{done} by {} after {}",
                    by.described(),
                    lasting(*after_seconds)
                )
            }
            About::NobodyAnswered { .. } => "NOBODY ANSWERED the calls".to_owned(),
            About::Unwatched { sensor, .. } => format!("{sensor} is not being watched"),
            About::ArmedWithOpen { mode, sensors } => {
                format!("armed ({}) with {} open", mode.word(), listed(sensors))
            }
            About::Inhibited { sensor, .. } => format!("{sensor} is inhibited"),
            About::Troubles { raised, cleared } => troubles_title(raised, cleared),
            About::BootReport(report) => match report.gap_seconds {
                Some(gap) => format!("back after {} without a sign of life", lasting(gap)),
                None => "back after a power cut".to_owned(),
            },
            About::Drill { .. } => DRILL.to_owned(),
            About::Test { .. } => "test message".to_owned(),
            About::Duress { by } => format!("SILENT ALARM: {} is under duress", by.who()),
        };
        on_one_line(&title)
    }

    /// The message in a few sentences on one line: for webhooks.
    pub fn short(&self) -> String {
        self.sentences().join(" ")
    }

    /// The plain text of the mail.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.title());
        for sentence in self.sentences() {
            let _ = writeln!(text, "{sentence}");
        }
        text.push('\n');
        for (name, value) in self.facts() {
            let _ = writeln!(text, "{:<10}{value}", format!("{name}:"));
        }
        text
    }

    /// The same as HTML, with the photos shown in it (`cid:photo-ID@asfaleia`).
    pub fn html(&self) -> String {
        let mut html =
            String::from("<!DOCTYPE html>\n<html><body style=\"font-family:sans-serif\">\n");
        let _ = writeln!(html, "<h2>{}</h2>", escaped(&self.title()));
        for sentence in self.sentences() {
            let _ = writeln!(html, "<p>{}</p>", escaped(&sentence));
        }
        for photo in &self.mail.photos {
            let taken = format!("photo of {}", self.moment(photo.taken));
            let _ = writeln!(
                html,
                "<p><img src=\"cid:{}\" alt=\"{taken}\" style=\"max-width:100%\"></p>",
                content_id(photo.id.0),
                taken = escaped(&taken),
            );
        }
        html.push_str("<table>\n");
        for (name, value) in self.facts() {
            let _ = writeln!(html, "<tr><td>{name}</td><td>{}</td></tr>", escaped(&value));
        }
        html.push_str("</table>\n</body></html>\n");
        html
    }

    /// What the voice says: site, sensor, kind and time in plain words.
    pub fn spoken(&self) -> String {
        let site = &self.mail.site;
        let what = match &self.mail.notice.about {
            About::Alarm {
                kind,
                sensor,
                sensor_kind,
                confirmed,
                ..
            } => {
                let alarm = match (kind, confirmed) {
                    (IncidentKind::Gas, _) => "Gas alarm",
                    (IncidentKind::Intrusion, true) => "Confirmed alarm",
                    (IncidentKind::Intrusion, false) => "Alarm",
                };
                format!(
                    "{alarm} at {site}. {}",
                    capitalised(&event(*sensor_kind, sensor))
                )
            }
            About::Unwatched { sensor, .. } => {
                format!(
                    "Warning from {site}. The sensor {sensor} is silent: it is not being watched"
                )
            }
            About::Test { .. } => format!("This is a test call from {site}. All is well"),
            About::Drill { .. } => format!("{DRILL}. A drill of {site}"),
            About::Duress { by } => format!(
                "Silent alarm at {site}. {} is under duress. Nobody at the house knows of this \
                 call. Do not call there",
                by.who()
            ),
            About::FollowUp { .. }
            | About::AllClear { .. }
            | About::Disarmed { .. }
            | About::NobodyAnswered { .. }
            | About::ArmedWithOpen { .. }
            | About::Inhibited { .. }
            | About::Troubles { .. }
            | About::BootReport(_) => format!("Message from {site}: {}", self.title()),
        };
        let when = match (self.mail.clock_set, self.late()) {
            (false, _) => "at a time that is not known".to_owned(),
            (true, None) => format!("at {}", self.hour(self.mail.happened)),
            (true, Some(_)) => format!(
                "at {}. This call is late: it is now {}",
                self.hour(self.mail.happened),
                self.hour(self.mail.now)
            ),
        };
        on_one_line(&format!("{what}, {when}."))
    }

    /// When it happened, RFC 3339 with the local offset; `None` if the clock was not set.
    pub fn time(&self) -> Option<String> {
        let zoned = self.mail.happened.timestamp().to_zoned(self.zone.clone());
        self.mail
            .clock_set
            .then(|| zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
    }

    /// When it happened and when it is delivered, if that is late.
    pub fn late(&self) -> Option<String> {
        let (happened, now) = (self.mail.happened, self.mail.now);
        // The later calls of a ladder come at its own pace.
        let began = self.mail.first_call.unwrap_or(now);
        let late = self.mail.clock_set && began.as_millis() - happened.as_millis() > LATE_MS;
        late.then(|| {
            format!(
                "happened {}, delivered {}",
                self.hour(happened),
                self.hour(now)
            )
        })
    }

    /// `2026-11-23 02:13:07`, for file names and captions.
    pub(super) fn moment(&self, at: WallTime) -> String {
        self.local(at, "%Y-%m-%d %H:%M:%S")
    }

    fn sentences(&self) -> Vec<String> {
        let mut sentences = self.story();
        if let Some(late) = self.late() {
            sentences.push(format!("This message is late: {late}."));
        }
        if !self.mail.clock_set {
            sentences
                .push("The clock was not set when this happened: the time is not known.".into());
        }
        if let Some(why) = &self.mail.photo_missing {
            sentences.push(format!("No photo: {}.", why.trim_end_matches('.')));
        }
        sentences
            .iter()
            .map(|sentence| on_one_line(sentence))
            .collect()
    }

    /// The table under the story.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        if let About::Alarm {
            sensor,
            sensor_kind,
            mode,
            ..
        } = &self.mail.notice.about
        {
            facts.push(("What", sensor_kind.word().to_owned()));
            facts.push(("Where", on_one_line(sensor.as_str())));
            facts.push(("Mode", mode.map_or("disarmed", Mode::word).to_owned()));
        }
        facts.push(("Site", on_one_line(&self.mail.site)));
        if self.mail.clock_set {
            facts.push((
                "When",
                self.local(self.mail.happened, "%A %-d %B %Y, %H:%M:%S %Z"),
            ));
        }
        if let Some(incident) = self.mail.notice.incident {
            facts.push(("Incident", incident.to_string()));
        }
        facts
    }

    fn hour(&self, at: WallTime) -> String {
        self.local(at, "%H:%M")
    }

    fn local(&self, at: WallTime, format: &str) -> String {
        let zoned = at.timestamp().to_zoned(self.zone.clone());
        zoned.strftime(format).to_string()
    }
}

/// The `Content-ID` of a photo within its mail, bare.
pub(super) fn content_id(photo: u64) -> String {
    format!("photo-{photo}@asfaleia")
}

fn event(kind: SensorKind, sensor: &SensorName) -> String {
    match kind {
        SensorKind::Motion => format!("motion in {sensor}"),
        SensorKind::Beam => format!("beam broken at {sensor}"),
        SensorKind::Contact => format!("contact open at {sensor}"),
        SensorKind::Gas => format!("gas at {sensor}"),
        SensorKind::Tamper => format!("tamper at {sensor}"),
        SensorKind::Panic => format!("panic at {sensor}"),
    }
}

fn word(kind: IncidentKind) -> &'static str {
    match kind {
        IncidentKind::Intrusion => "intrusion",
        IncidentKind::Gas => "gas",
    }
}

fn counted(triggers: &[(SensorName, u32)]) -> String {
    let each: Vec<_> = triggers
        .iter()
        .map(|(sensor, count)| format!("{sensor} {count}×"))
        .collect();
    each.join(", ")
}

fn listed(sensors: &[SensorName]) -> String {
    let names: Vec<_> = sensors.iter().map(SensorName::as_str).collect();
    names.join(", ")
}

fn trouble(code: TroubleCode, subject: &str) -> String {
    if subject.is_empty() {
        code.word().to_owned()
    } else {
        format!("{} ({subject})", code.word())
    }
}

fn troubles_title(
    raised: &[(TroubleCode, String, String)],
    cleared: &[(TroubleCode, String)],
) -> String {
    match (raised, cleared) {
        ([(code, subject, _)], _) => format!("trouble: {}", trouble(*code, subject)),
        ([], [(code, subject)]) => format!("trouble over: {}", trouble(*code, subject)),
        ([], over) => format!("{} troubles over", over.len()),
        (several, _) => format!("{} troubles", several.len()),
    }
}

fn lasting(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// For HTML and XML, text and quoted attributes alike.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
