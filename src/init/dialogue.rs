//! Questions and answers, at a terminal or through a pipe.

use std::any::Any;
use std::io::{self, BufRead, Write};

use secrecy::SecretString;

use super::House;
use crate::config::{self, Depth, Severity};

/// Keeps a terminal from showing what is typed until the guard is dropped; `None`: it is no
/// terminal.
pub type Echo = fn() -> Option<Box<dyn Any>>;

/// Asks, and reads the answers. At the end of the input every further answer is the default.
pub struct Dialogue<'a> {
    /// Answers, a line each.
    pub input: &'a mut dyn BufRead,
    /// Questions.
    pub output: &'a mut dyn Write,
    /// Somebody sits there and can be asked again.
    pub terminal: bool,
    /// Nothing is asked, and every default taken.
    pub ended: bool,
    /// Hides what is typed.
    pub hide: Echo,
}

/// Why there is no house.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The input or output failed.
    #[error("asking: {0}")]
    Io(#[from] io::Error),
    /// An answer through a pipe that the configuration does not take.
    #[error("{0}; nothing was written")]
    Refused(String),
}

impl Dialogue<'_> {
    /// One answer; an empty one, or none, is the default.
    pub fn ask(&mut self, question: &str, default: &str) -> io::Result<String> {
        let answer = self.read(question, default)?;
        if !self.terminal && !self.ended {
            writeln!(self.output, "{answer}")?;
        }
        Ok(answer)
    }

    fn read(&mut self, question: &str, default: &str) -> io::Result<String> {
        if self.ended {
            return Ok(default.to_owned());
        }
        match default {
            "" => write!(self.output, "{question}: ")?,
            default => write!(self.output, "{question} [{default}]: ")?,
        }
        self.output.flush()?;
        let mut line = String::new();
        if self.input.read_line(&mut line)? == 0 {
            self.ended = true;
            writeln!(self.output)?;
        }
        Ok(match line.trim() {
            "" => default.to_owned(),
            answer => answer.to_owned(),
        })
    }

    /// One answer, where `none` (and an empty default) is one too.
    pub fn ask_for(&mut self, question: &str, default: Option<&str>) -> io::Result<Option<String>> {
        let answer = self.ask(question, default.unwrap_or("none"))?;
        Ok(Some(answer).filter(|answer| answer != "none"))
    }

    /// Yes or no.
    pub fn agrees(&mut self, question: &str, default: bool) -> io::Result<bool> {
        let answer = self.ask(question, if default { "yes" } else { "no" })?;
        Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
    }

    /// An answer that is not shown. `None`: it was empty.
    pub fn ask_secretly(&mut self, question: &str) -> io::Result<Option<SecretString>> {
        if self.ended {
            return Ok(None);
        }
        // Before the question: who answers at once is hidden as well.
        let hidden = (self.hide)();
        let question = format!("{question} (is not shown)");
        let answer = self.read(&question, "")?;
        drop(hidden);
        // What was typed had a line's end, which was not shown either.
        if !self.ended {
            writeln!(self.output)?;
        }
        Ok(Some(answer).filter(|it| !it.is_empty()).map(Into::into))
    }

    /// Asks for a part of the house. What a configuration would not take is asked again at a
    /// terminal, and ends it all in a pipe: the lines that follow answer other questions.
    pub fn settle(
        &mut self,
        house: &mut House,
        ask: &dyn Fn(&mut Self, &mut House) -> io::Result<()>,
    ) -> Result<(), Unanswered> {
        loop {
            let mut asked = house.clone();
            ask(self, &mut asked)?;
            let Some(why) = refused(&asked) else {
                *house = asked;
                return Ok(());
            };
            if !self.terminal || self.ended {
                return Err(Unanswered::Refused(why));
            }
            writeln!(self.output, "  {why}")?;
        }
    }
}

/// The first thing that `asfaleia check --shape` would refuse.
fn refused(house: &House) -> Option<String> {
    let text = house.configuration();
    let rejected = config::parse(&text, "the answers", Depth::Shape).err()?;
    let mut errors = rejected.diagnostics.into_iter();
    let error = errors.find(|it| it.severity == Severity::Error)?;
    let help = error
        .help
        .map(|help| format!(" ({help})"))
        .unwrap_or_default();
    Some(format!("{}{help}", error.message))
}
