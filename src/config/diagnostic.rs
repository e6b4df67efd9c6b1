//! What is wrong with a configuration, where, and what to write instead.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

/// One finding in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Whether the file can be used in spite of it.
    pub severity: Severity,
    /// The file, as it was named.
    pub file: String,
    /// From 1. A finding about the whole file stands in line 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What is allowed, or what to do about it.
    pub help: Option<String>,
    /// The line itself, with what could be a secret or a full phone number made unreadable.
    pub source: String,
    #[serde(skip)]
    width: usize,
}

/// How bad a [`Diagnostic`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is used; the owner should know.
    Warning,
}

/// The configuration was refused: all that is wrong with it, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Errors, with the warnings between them. At least one error.
    pub diagnostics: Vec<Diagnostic>,
}

impl Diagnostic {
    /// A finding about `span` (bytes) of `text`.
    pub(crate) fn new(
        severity: Severity,
        file: &str,
        text: &str,
        span: Range<usize>,
        message: String,
        help: Option<String>,
    ) -> Self {
        let start = floor_boundary(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = floor_boundary(text, span.end).clamp(start, line_end.max(start));
        Diagnostic {
            severity,
            file: file.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            message,
            help,
            source: presentable(text[line_start..line_end].trim_end_matches('\r')),
            width: text[start..end].trim_end().chars().count().max(1),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        // A tab before the value is kept, so that the caret stands under it on any terminal.
        let indent: String = self
            .source
            .chars()
            .take(self.column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        writeln!(f, "{severity}: {}", self.message)?;
        writeln!(f, "{gutter}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {}", self.source)?;
        write!(f, "{gutter} | {indent}{}", "^".repeat(self.width))?;
        if let Some(help) = &self.help {
            write!(f, "\n{gutter} = help: {help}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.diagnostics {
            writeln!(f, "{diagnostic}\n")?;
        }
        let errors = self
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == Severity::Error)
            .count();
        let plural = if errors == 1 { "" } else { "s" };
        write!(f, "the configuration was refused: {errors} error{plural}")
    }
}

impl std::error::Error for Rejected {}

/// The allowed word that `wrong` was most likely meant to be.
pub(super) fn nearest<'a>(wrong: &str, allowed: &[&'a str]) -> Option<&'a str> {
    let wrong = wrong.to_lowercase().replace('_', "-");
    allowed
        .iter()
        .map(|word| (distance(&wrong, word), *word))
        .min()
        .filter(|(distance, word)| *distance <= word.len().div_ceil(3))
        .map(|(_, word)| word)
}

/// Levenshtein's distance: how many letters to put in, take out or change.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Findings end up in logs. A number that could be a telephone's loses its middle, and what
/// somebody wrote beside a key such as `password` loses all of it. No column moves.
pub(crate) fn presentable(line: &str) -> String {
    let mut chars: Vec<char> = line.chars().collect();
    hide_phone_numbers(&mut chars);
    hide_secrets(&mut chars);
    chars.into_iter().collect()
}

fn hide_phone_numbers(chars: &mut [char]) {
    let mut digits: Vec<usize> = Vec::new();
    for at in 0..=chars.len() {
        match chars.get(at) {
            Some(c) if c.is_ascii_digit() => digits.push(at),
            Some(' ' | '-' | '(' | ')' | '/') if !digits.is_empty() => {}
            _ => {
                if digits.len() >= 7 {
                    for hidden in &digits[3..digits.len() - 2] {
                        chars[*hidden] = '*';
                    }
                }
                digits.clear();
            }
        }
    }
}

fn hide_secrets(chars: &mut [char]) {
    let lower: String = chars.iter().map(char::to_ascii_lowercase).collect();
    let key = lower.split('=').next().unwrap_or_default();
    let names_a_secret = [
        "password",
        "token",
        "secret",
        "authorization",
        "headers",
        "passwd",
    ]
    .iter()
    .any(|word| lower.contains(word))
        || key.trim() == "pin";
    // `password-file = "/etc/…"` names a file and is worth showing.
    if !names_a_secret || key.contains("-file") {
        return;
    }
    let mut quote = None;
    for c in chars.iter_mut() {
        match (*c, quote) {
            ('"' | '\'', None) => quote = Some(*c),
            (_, Some(open)) if *c == open => quote = None,
            (_, Some(_)) => *c = '*',
            (_, None) => {}
        }
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, span: Range<usize>) -> Diagnostic {
        let help = Some("write 2".to_owned());
        Diagnostic::new(
            Severity::Error,
            "a.toml",
            text,
            span,
            "wrong".to_owned(),
            help,
        )
    }

    #[test]
    fn a_diagnostic_shows_the_line_with_a_caret_under_the_value() {
        let text = "a = 1\nbé = \"xyz\"\n";
        let start = text.find("\"xyz\"").unwrap();
        let shown = at(text, start..start + 5);
        assert_eq!((shown.line, shown.column), (2, 6));
        assert_eq!(
            shown.to_string(),
            "error: wrong\n --> a.toml:2:6\n  |\n2 | bé = \"xyz\"\n  |      ^^^^^\n  = help: write 2"
        );
    }

    #[test]
    fn a_value_of_several_lines_is_underlined_on_its_first() {
        let shown = at("a = [\n 1,\n 2\n]\n", 4..14);
        assert_eq!(shown.width, 1);
        let at_the_end = at("a = ", 4..4);
        assert_eq!((at_the_end.line, at_the_end.width), (1, 1));
        assert_eq!(at("", 0..0).line, 1);
    }

    #[test]
    fn phone_numbers_and_secrets_do_not_get_into_findings() {
        let shown = at("phone = \"+30 210 123-4567\"", 0..5).to_string();
        assert!(!shown.contains("123") && shown.contains("+30 2"), "{shown}");
        assert!(
            !at("password = \"hunter2\"", 0..8)
                .to_string()
                .contains("hunter2")
        );
        assert!(
            !at("headers = { A = 'Bearer x9' }", 0..8)
                .to_string()
                .contains("x9")
        );
        assert!(!at("pin = '1234'", 0..3).to_string().contains("1234"));
        assert!(
            at("password-file = \"/etc/x\"", 0..8)
                .to_string()
                .contains("/etc/x")
        );
    }

    #[test]
    fn a_slip_of_the_keyboard_is_guessed_and_a_wild_word_is_not() {
        let allowed = ["entry-delay", "exit-delay", "siren-time"];
        assert_eq!(nearest("entry_delay", &allowed), Some("entry-delay"));
        assert_eq!(nearest("sirentime", &allowed), Some("siren-time"));
        assert_eq!(nearest("banana", &allowed), None);
    }
}
