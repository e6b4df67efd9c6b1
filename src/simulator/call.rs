//! A call of the simulated telephone service. It lives on the clock: what has become of it is worked
//! out when somebody asks.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock;

/// A placed call is in the queue for so long ...
const QUEUED: Duration = Duration::from_millis(200);
/// ... then rings until it is answered or found busy ...
pub(super) const RINGING: Duration = Duration::from_secs(1);
/// ... and is listened to.
pub(super) const TALKING: Duration = Duration::from_secs(3);
/// Who does not answer lets it ring for the call's `Timeout`, but a rehearsal need not wait longer.
pub(super) const MOST_RINGING: Duration = Duration::from_secs(5);
/// A person at the page listens until they hang up, and no longer than this.
const LISTENING: Duration = Duration::from_secs(60);

/// What somebody at the page does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Decision {
    /// Somebody is on their way: it rings on, for its whole `Timeout`.
    Ring,
    /// It is answered, and listened to until it is hung up.
    Answer,
    /// They talk to somebody else.
    Engaged,
    /// Nobody comes.
    Ignore,
    /// Whoever answered hangs up.
    HangUp,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) sid: String,
    pub(super) to: String,
    pub(super) from: String,
    pub(super) words: String,
    pub(super) placed_at: Timestamp,
    /// When it was placed, on `CLOCK_MONOTONIC`: it goes on when this program is started again.
    pub(super) received_ns: u64,
    /// For how long its caller lets it ring.
    pub(super) timeout: Duration,
    /// How long it rings, and what follows.
    pub(super) rings: Duration,
    pub(super) answer: Answer,
    /// How long it is listened to.
    pub(super) talks: Duration,
    pub(super) machine_detection: bool,
    pub(super) hung_up: Option<HungUp>,
}

/// The end of a call that did not end by itself.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct HungUp {
    /// So long after it was placed.
    at: Duration,
    /// Before anybody took it.
    unanswered: bool,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) enum Answer {
    Talks,
    Busy,
    Never,
}

impl Call {
    pub(super) fn status(&self) -> &'static str {
        match self.hung_up {
            Some(HungUp { unanswered, .. }) if unanswered => return "canceled",
            Some(_) => return "completed",
            None => {}
        }
        let age = self.age();
        let answered = QUEUED + self.rings;
        if age < QUEUED {
            "queued"
        } else if age < answered {
            "ringing"
        } else {
            match self.answer {
                Answer::Talks if age < answered + self.talks => "in-progress",
                Answer::Talks => "completed",
                Answer::Busy => "busy",
                Answer::Never => "no-answer",
            }
        }
    }

    /// `Status=completed` ends a call at any time; one that nobody took yet is `canceled`.
    pub(super) fn hang_up(&mut self) {
        let unanswered = match self.status() {
            "queued" | "ringing" => true,
            "in-progress" => false,
            _ => return,
        };
        let at = self.age();
        self.hung_up = Some(HungUp { at, unanswered });
    }

    /// Somebody at the page does this with it. `Err`: it is too late for that, and why.
    pub(super) fn decide(&mut self, decision: Decision) -> Result<(), String> {
        let status = self.status();
        let in_time = match decision {
            Decision::HangUp => status == "in-progress",
            Decision::Ring | Decision::Answer | Decision::Engaged | Decision::Ignore => {
                matches!(status, "queued" | "ringing")
            }
        };
        if !in_time {
            return Err(format!("this call is {status}"));
        }
        let rang = self.age().saturating_sub(QUEUED);
        let (rings, answer) = match decision {
            Decision::Ring => (self.timeout, Answer::Never),
            Decision::Answer => (rang, Answer::Talks),
            Decision::Engaged => (rang, Answer::Busy),
            Decision::Ignore => (self.timeout.min(MOST_RINGING).max(rang), Answer::Never),
            Decision::HangUp => {
                self.hang_up();
                return Ok(());
            }
        };
        (self.rings, self.answer, self.talks) = (rings, answer, LISTENING);
        Ok(())
    }

    fn age(&self) -> Duration {
        Duration::from_nanos(clock::monotonic_nanos().saturating_sub(self.received_ns))
    }

    /// Whole seconds that somebody listened.
    pub(super) fn duration(&self) -> Option<u64> {
        if self.status() != "completed" {
            return None;
        }
        let ended = self.hung_up.map_or(self.talks, |hung_up| {
            hung_up.at.saturating_sub(QUEUED + self.rings)
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
