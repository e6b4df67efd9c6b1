//! Text -> the sections as written, with everything that is wrong in their form.
//!
//! serde stops at its first error. So the value an error points at is taken out of the parsed
//! document and the rest is read again, until it reads: that finds every error, and whatever
//! parsed can still be checked across keys.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::diagnostic::nearest;
use super::raw::RawFile;

/// Something wrong at a place: span in bytes, message, help.
pub(super) type Finding = (Range<usize>, String, Option<String>);

/// What could be read of a file.
pub(super) struct Written<'a> {
    /// The text itself.
    pub(super) text: &'a str,
    /// The sections that could be read.
    pub(super) file: RawFile,
    /// The whole document, also what could not be read.
    pub(super) document: Spanned<DeTable<'a>>,
    /// What is wrong in its form.
    pub(super) findings: Vec<Finding>,
}

impl Written<'_> {
    /// The section is in the file, however broken.
    pub(super) fn has(&self, section: &str) -> bool {
        self.document.get_ref().contains_key(section)
    }

    /// The names of all elements of a section such as `[[sensor]]`, however broken they are.
    pub(super) fn names(&self, section: &str) -> BTreeSet<String> {
        let elements = self.document.get_ref().get(section);
        elements
            .and_then(|value| value.get_ref().as_array())
            .into_iter()
            .flatten()
            .filter_map(|element| element.get_ref().get("name")?.get_ref().as_str())
            .map(str::to_owned)
            .collect()
    }

    /// Whether the section or element that stands at `place` has the key, however broken.
    pub(super) fn element_has(&self, place: &Range<usize>, key: &str) -> bool {
        let sections = self.document.get_ref().values();
        let elements = sections.flat_map(|value| match value.get_ref() {
            DeValue::Array(elements) => elements.iter().collect(),
            DeValue::Table(_)
            | DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => vec![value],
        });
        elements
            .filter(|element| element.span() == *place)
            .any(|element| element.get_ref().get(key).is_some())
    }

    /// Where a key stands, or as much of the way to it as exists.
    pub(super) fn place(&self, path: &[&str]) -> Range<usize> {
        let mut table = self.document.get_ref();
        let mut place = 0..0;
        for key in path {
            let Some(value) = table.get(*key) else { break };
            place = value.span();
            let Some(inner) = value.get_ref().as_table() else {
                break;
            };
            table = inner;
        }
        place
    }
}

/// Reads the sections. The error is what keeps the text from being TOML at all.
pub(super) fn parse(text: &str) -> Result<Written<'_>, Vec<Finding>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors
            .iter()
            .map(|error| {
                (
                    error.span().unwrap_or(0..0),
                    error.message().to_owned(),
                    None,
                )
            })
            .collect());
    }
    let mut findings = Vec::new();
    let mut remaining = document.clone();
    // What was taken out, by its table: that it is missing now is not the owner's fault.
    let mut taken: Vec<(Range<usize>, String)> = Vec::new();
    loop {
        let error = match RawFile::deserialize(toml::de::Deserializer::from(remaining.clone())) {
            Ok(file) => {
                return Ok(Written {
                    text,
                    file,
                    document,
                    findings,
                });
            }
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        let our_doing = missing_key(error.message())
            .is_some_and(|key| taken.contains(&(span.clone(), key.to_owned())));
        if !our_doing {
            let (message, help) = explain(error.message());
            findings.push((span.clone(), message, help));
        }
        let whole = remaining.span();
        match take_out(remaining.get_mut(), &whole, &span) {
            Some(place) => taken.push(place),
            // An error that points nowhere: nothing more can be learned.
            None => return Err(findings),
        }
    }
}

/// Takes out the smallest thing that covers `error`; answers with its table and key.
fn take_out(
    table: &mut DeTable<'_>,
    table_span: &Range<usize>,
    error: &Range<usize>,
) -> Option<(Range<usize>, String)> {
    let mut wrong = None;
    for (key, value) in table.iter_mut() {
        let span = value.span();
        if key.span() == *error {
            wrong = Some(key.get_ref().to_string());
            break;
        }
        match value.get_mut() {
            DeValue::Table(inner) if span != *error => {
                if let Some(found) = take_out(inner, &span, error) {
                    return Some(found);
                }
            }
            DeValue::Array(elements) => {
                for element in elements.iter_mut() {
                    let element_span = element.span();
                    if let DeValue::Table(inner) = element.get_mut()
                        && element_span != *error
                        && let Some(found) = take_out(inner, &element_span, error)
                    {
                        return Some(found);
                    }
                }
                let before = elements.len();
                *elements = std::mem::replace(elements, DeArray::new())
                    .into_iter()
                    .filter(|element| element.span() != *error || !element.get_ref().is_table())
                    .collect();
                if elements.len() < before {
                    return Some((span, key.get_ref().to_string()));
                }
            }
            DeValue::Table(_)
            | DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
        if span.start <= error.start && error.end <= span.end {
            wrong = Some(key.get_ref().to_string());
            break;
        }
    }
    let key = wrong?;
    table.remove(key.as_str())?;
    Some((table_span.clone(), key))
}

fn missing_key(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// serde's words for what is wrong -> what is wrong, and what is allowed.
pub(crate) fn explain(message: &str) -> (String, Option<String>) {
    if let Some((ours, help)) = message.split_once('\n') {
        return (ours.to_owned(), Some(format!("allowed: {help}")));
    }
    if let Some(key) = missing_key(message) {
        return (
            format!("the key `{key}` is missing here"),
            Some(format!("add `{key} = …`")),
        );
    }
    let Some((what, expected)) = message.split_once(", expected ") else {
        return (message.to_owned(), None);
    };
    let words: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let unknown = |what: &str, rest: &str| {
        let word = rest.trim_matches('`');
        let guess = nearest(word, &words)
            .map(|guess| format!("did you mean `{guess}`? "))
            .unwrap_or_default();
        let allowed = format!("{guess}allowed here: {}", words.join(", "));
        (format!("{what} `{word}`"), Some(allowed))
    };
    if let Some(rest) = what.strip_prefix("unknown field ") {
        unknown("unknown key", rest)
    } else if let Some(rest) = what.strip_prefix("unknown variant ") {
        unknown("unknown word", rest)
    } else {
        (what.to_owned(), Some(format!("allowed: {expected}")))
    }
}
