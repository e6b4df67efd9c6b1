//! Durations and sizes as people write them, both ways.

use std::time::Duration;

/// What a duration may look like, for error messages.
pub(super) const DURATION_FORM: &str = r#"a duration in quotes: a number and a unit of ms, s, m, h or d, such as "500ms", "30s", "5m", "1h 30m" or "30d""#;

/// The same for the JSON Schema.
pub(super) const DURATION_PATTERN: &str =
    r"^\s*[0-9]+\s*(ms|s|m|h|d)(\s*[0-9]+\s*(ms|s|m|h|d))*\s*$";

/// What a size may look like.
pub(super) const SIZE_FORM: &str = r#"a size in quotes: a number and a unit of kB, MB, GB, KiB, MiB or GiB, such as "500MB" or "2GiB""#;

/// The same for the JSON Schema.
pub(super) const SIZE_PATTERN: &str = r"^\s*[0-9]+\s*(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)\s*$";

/// Ten years: nothing here waits longer, and sums of such durations stay far from overflow.
const LONGEST: Duration = Duration::from_secs(3_650 * 86_400);

/// `"30s"`, `"1h 30m"`. Errors are a sentence without the allowed forms.
pub(super) fn read_duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("a duration is empty".to_owned());
    }
    let mut millis: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = split_number(rest)
            .ok_or_else(|| format!("\"{text}\" is no duration: a number is missing"))?;
        let unit_end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "" => return Err(format!("\"{text}\" is no duration: the unit is missing")),
            other => return Err(format!("\"{text}\" is no duration: \"{other}\" is no unit")),
        };
        millis = number
            .checked_mul(factor)
            .and_then(|part| millis.checked_add(part))
            .filter(|sum| *sum <= LONGEST.as_millis() as u64)
            .ok_or_else(|| format!("\"{text}\" is longer than ten years"))?;
        rest = after.trim_start();
    }
    Ok(Duration::from_millis(millis))
}

/// `"2GiB"`, `"500MB"`, in bytes.
pub(super) fn read_size(text: &str) -> Result<u64, String> {
    let wrong = |why: &str| format!("\"{text}\" is no size: {why}");
    let (number, unit) = split_number(text.trim()).ok_or_else(|| wrong("a number is missing"))?;
    let factor: u64 = match unit.trim() {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "" => return Err(wrong("the unit is missing")),
        other => return Err(wrong(&format!("\"{other}\" is no unit"))),
    };
    number
        .checked_mul(factor)
        .ok_or_else(|| wrong("it is too large"))
}

/// The shortest form that reads back as the same duration (to the millisecond).
pub(crate) fn write_duration(duration: Duration) -> String {
    let mut millis = duration.as_millis();
    let mut parts = Vec::new();
    for (unit, factor) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ] {
        if millis >= factor {
            parts.push(format!("{}{unit}", millis / factor));
            millis %= factor;
        }
    }
    if parts.is_empty() {
        "0s".to_owned()
    } else {
        parts.join(" ")
    }
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    Some((number.parse().ok()?, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_add_up_their_parts() {
        for (text, millis) in [
            ("500ms", 500),
            ("0s", 0),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            (" 2 d ", 172_800_000),
        ] {
            assert_eq!(
                read_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_and_said_why() {
        for (text, why) in [
            ("", "empty"),
            ("30", "unit is missing"),
            ("s", "number is missing"),
            ("-3s", "number is missing"),
            ("1.5h", "unit is missing"),
            ("5min", "\"min\" is no unit"),
            ("4000d", "ten years"),
            ("99999999999999999999s", "number is missing"),
            ("18446744073709551615d", "ten years"),
        ] {
            let said = read_duration(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn a_duration_that_was_written_reads_back() {
        for millis in [0, 1, 20, 999, 1_000, 61_001, 86_400_000, 93_784_005] {
            let duration = Duration::from_millis(millis);
            assert_eq!(read_duration(&write_duration(duration)), Ok(duration));
        }
    }

    #[test]
    fn sizes_know_both_families_of_units() {
        assert_eq!(read_size("2GiB"), Ok(2 << 30));
        assert_eq!(read_size("500 MB"), Ok(500_000_000));
        for text in ["", "GB", "5", "5 XB", "99999999TiB", "-1MB"] {
            assert!(read_size(text).is_err(), "{text}");
        }
    }
}
