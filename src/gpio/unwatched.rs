//! Lines that are not watched: one trouble for all of them, over when the last one is back.

use super::Signal;
use crate::alarm::{Event, Trouble, TroubleCode};
use crate::config::Line;

/// The lines of one watch that are gone, each with the reason.
#[derive(Debug, Default)]
pub struct Unwatched(Vec<(Line, String)>);

impl Unwatched {
    /// Takes note of a signal. `true` if it changes what is to be said.
    pub fn note(&mut self, signal: &Signal) -> bool {
        match signal {
            Signal::Gone { lines, why } => {
                self.0.retain(|(line, _)| !lines.contains(line));
                let gone = lines.iter().map(|line| (line.clone(), why.clone()));
                self.0.splice(..0, gone);
                true
            }
            Signal::Found(edge) => {
                let before = self.why().map(str::to_owned);
                self.0.retain(|(line, _)| *line != edge.line);
                before.as_deref() != self.why()
            }
            Signal::Changed(_) => false,
        }
    }

    /// What the panel is told: what is the matter with `what`, or that it is over.
    pub fn event(&self, subject: &str, what: &str) -> Event {
        let (code, subject) = (TroubleCode::GpioGone, subject.to_owned());
        match self.why() {
            None => Event::TroubleCleared { code, subject },
            Some(why) => Event::TroubleRaised(Trouble {
                code,
                subject,
                text: format!("{what} are not watched: {why}"),
            }),
        }
    }

    /// Of the lines that went last.
    fn why(&self) -> Option<&str> {
        self.0.first().map(|(_, why)| why.as_str())
    }
}
