//! Times as people read them, on the house's own clock and in its time zone.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clock::WallTime;

/// Now, and where.
pub(super) struct Time {
    now: Timestamp,
    zone: TimeZone,
}

impl Time {
    pub(super) fn at(now: WallTime) -> Self {
        Time {
            now: now.timestamp(),
            zone: TimeZone::system(),
        }
    }

    /// Of a time as the API writes it: `3 min ago`.
    pub(super) fn ago(&self, time: &str) -> String {
        let Ok(then) = time.parse::<Timestamp>() else {
            return String::new();
        };
        match self.now.as_second() - then.as_second() {
            ..60 => "just now".to_owned(),
            seconds @ 60..5_400 => format!("{} min ago", seconds / 60),
            seconds @ 5_400..129_600 => format!("{} h ago", (seconds + 1_800) / 3_600),
            seconds => format!("{} days ago", (seconds + 43_200) / 86_400),
        }
    }

    /// How long it is until then: `0:27`.
    pub(super) fn left(&self, time: &str) -> String {
        let then = time.parse::<Timestamp>().unwrap_or(self.now);
        let seconds = (then.as_second() - self.now.as_second()).max(0);
        format!("{}:{:02}", seconds / 60, seconds % 60)
    }

    /// The hour, with the day if it is another one: `20:13:05`, `3 Nov 20:13:05`.
    pub(super) fn on_the_clock(&self, time: &str) -> String {
        let Ok(then) = time.parse::<Timestamp>() else {
            return String::new();
        };
        let then = then.to_zoned(self.zone.clone());
        let today = self.now.to_zoned(self.zone.clone());
        let format = if then.date() == today.date() {
            "%H:%M:%S"
        } else if then.year() == today.year() {
            "%-d %b %H:%M:%S"
        } else {
            "%-d %b %Y %H:%M"
        };
        then.strftime(format).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time() -> Time {
        Time {
            now: "2026-11-23T09:51:11Z".parse().unwrap(),
            zone: TimeZone::UTC,
        }
    }

    #[test]
    fn how_long_ago_something_was_is_told_in_the_unit_that_fits() {
        for (then, told) in [
            ("2026-11-23T09:51:30Z", "just now"),
            ("2026-11-23T09:50:30Z", "just now"),
            ("2026-11-23T09:48:00Z", "3 min ago"),
            ("2026-11-23T06:50:00Z", "3 h ago"),
            ("2026-11-20T09:50:00Z", "3 days ago"),
            ("nonsense", ""),
        ] {
            assert_eq!(time().ago(then), told, "{then}");
        }
    }

    #[test]
    fn another_day_is_named() {
        assert_eq!(time().on_the_clock("2026-11-23T08:01:02Z"), "08:01:02");
        assert_eq!(
            time().on_the_clock("2026-11-03T08:01:02Z"),
            "3 Nov 08:01:02"
        );
        assert_eq!(
            time().on_the_clock("2025-11-03T08:01:02Z"),
            "3 Nov 2025 08:01"
        );
    }

    #[test]
    fn what_is_over_has_nothing_left() {
        assert_eq!(time().left("2026-11-23T09:52:38Z"), "1:27");
        assert_eq!(time().left("2026-11-23T09:51:00Z"), "0:00");
    }
}
