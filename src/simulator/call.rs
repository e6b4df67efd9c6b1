//! A call of the simulated telephone service. It lives on the clock: what has become of it is worked
//! out when somebody asks.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

/// A placed call is in the queue for so long ...
const QUEUED: Duration = Duration::from_millis(200);
/// ... then rings until it is answered or found busy ...
pub(super) const RINGING: Duration = Duration::from_secs(1);
/// ... and is listened to.
const TALKING: Duration = Duration::from_secs(3);
/// Who does not answer lets it ring for the call's `Timeout`, but a rehearsal need not wait longer.
pub(super) const MOST_RINGING: Duration = Duration::from_secs(5);

pub(super) struct Call {
    pub(super) sid: String,
    pub(super) to: String,
    pub(super) from: String,
    pub(super) words: String,
    pub(super) placed: Instant,
    pub(super) placed_at: Timestamp,
    pub(super) received_ns: u64,
    /// How long it rings, and what follows.
    pub(super) rings: Duration,
    pub(super) answer: Answer,
    pub(super) machine_detection: bool,
    pub(super) hung_up: Option<(Instant, &'static str)>,
}

#[derive(Clone, Copy)]
pub(super) enum Answer {
    Talks,
    Busy,
    Never,
}

impl Call {
    pub(super) fn status(&self) -> &'static str {
        if let Some((_, status)) = self.hung_up {
            return status;
        }
        let age = self.placed.elapsed();
        let answered = QUEUED + self.rings;
        if age < QUEUED {
            "queued"
        } else if age < answered {
            "ringing"
        } else {
            match self.answer {
                Answer::Talks if age < answered + TALKING => "in-progress",
                Answer::Talks => "completed",
                Answer::Busy => "busy",
                Answer::Never => "no-answer",
            }
        }
    }

    /// `Status=completed` ends a call at any time; one that nobody took yet is `canceled`.
    pub(super) fn hang_up(&mut self) {
        let becomes = match self.status() {
            "queued" | "ringing" => "canceled",
            "in-progress" => "completed",
            _ => return,
        };
        self.hung_up = Some((Instant::now(), becomes));
    }

    /// Whole seconds that somebody listened.
    pub(super) fn duration(&self) -> Option<u64> {
        if self.status() != "completed" {
            return None;
        }
        let ended = self.hung_up.map_or(TALKING, |(at, _)| {
            at.duration_since(self.placed)
                .saturating_sub(QUEUED + self.rings)
        });
        Some(ended.as_secs())
    }

    pub(super) fn json(&self, account_sid: &str) -> Value {
        let status = self.status();
        let at = jiff::fmt::rfc2822::to_string(&self.placed_at.to_zoned(jiff::tz::TimeZone::UTC));
        let at = at.expect("the years of a simulation fit RFC 2822");
        let talked = matches!(status, "in-progress" | "completed");
        json!({
            "sid": self.sid,
            "account_sid": account_sid,
            "to": self.to,
            "from": self.from,
            "status": status,
            "direction": "outbound-api",
            "date_created": at,
            "start_time": (status != "queued").then_some(&at),
            "duration": self.duration().map(|seconds| seconds.to_string()),
            "answered_by": (self.machine_detection && talked).then_some("human"),
            "uri": format!("/2010-04-01/Accounts/{account_sid}/Calls/{}.json", self.sid),
        })
    }
}

/// `StartTime=`, `StartTime>=`, `StartTime<=`, each with a date or a whole timestamp.
pub(super) fn starts(placed: Timestamp, relation: &str, value: &str) -> bool {
    let (placed, value) = match value.parse::<Timestamp>() {
        Ok(_) => (placed.to_string(), value),
        Err(_) => (placed.strftime("%Y-%m-%d").to_string(), value),
    };
    // Both are written from the year down, in UTC.
    match relation.trim_end_matches('=') {
        ">" => placed.as_str() >= value,
        "<" => placed.as_str() <= value,
        _ => placed == value,
    }
}

/// What the voice says, once: the text of the first `<Say>`.
pub(super) fn spoken(twiml: &str) -> String {
    let said = twiml
        .split_once("<Say")
        .and_then(|(_, rest)| rest.split_once('>'))
        .and_then(|(_, rest)| rest.split_once("</Say>"))
        .map_or("", |(said, _)| said);
    // The ampersand last: `&amp;lt;` is the text `&lt;`.
    said.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_what_is_said_once() {
        let twiml = "<Response><Say voice=\"alice\">Tom &amp; Anna&apos;s &amp;lt;hall&amp;gt;</Say>\
                     <Pause length=\"1\"/><Say>again</Say></Response>";
        assert_eq!(spoken(twiml), "Tom & Anna's &lt;hall&gt;");
        assert_eq!(spoken("<Response><Hangup/></Response>"), "");
    }

    #[test]
    fn a_call_is_found_by_the_day_or_the_moment_it_was_placed() {
        let placed: Timestamp = "2026-11-23T10:18:07Z".parse().unwrap();
        for (relation, value, found) in [
            (">=", "2026-11-23", true),
            (">", "2026-11-24", false),
            ("", "2026-11-23", true),
            ("<=", "2026-11-22", false),
            (">=", "2026-11-23T10:18:00Z", true),
            (">=", "2026-11-23T10:18:08Z", false),
        ] {
            assert_eq!(starts(placed, relation, value), found, "{relation} {value}");
        }
    }
}
