//! A night in milliseconds: a scenario, or what was recorded of an incident, over the real panel,
//! the real outbox and the real words, in virtual time and without any I/O.

mod backstage;
mod recorded;
mod timeline;
mod ways;
mod world;

use std::time::Duration;

use jiff::civil::date;
use jiff::tz::TimeZone;

use super::{Answers, Cue, Scenario};
use crate::alarm::{Mode, SensorName};
use crate::clock::WallTime;
use crate::config::Config;

pub use recorded::{Alarmed, Recorded, RecordedError};
pub use timeline::{Line, Summary, Timeline, What};

use world::World;

/// What is played.
struct Script<'a> {
    title: String,
    mode: Option<Mode>,
    begins: WallTime,
    lasts: Duration,
    answers: Answers,
    cues: &'a [Cue],
    /// Sensors that were active when it began.
    active: Vec<SensorName>,
    zone: TimeZone,
}

/// Plays a scenario in this house. The same scenario in the same house gives the same timeline:
/// it is always the same day, and local time is UTC.
pub fn play(scenario: &Scenario, config: &Config) -> Timeline {
    let begins = date(2026, 11, 23).to_datetime(scenario.starts);
    let begins = (begins.to_zoned(TimeZone::UTC)).expect("every time of day is in UTC once");
    let script = Script {
        title: scenario.title.clone(),
        mode: scenario.mode,
        begins: WallTime(begins.timestamp().as_millisecond()),
        lasts: scenario.ends,
        answers: scenario.answers,
        cues: scenario.cues(),
        active: Vec::new(),
        zone: TimeZone::UTC,
    };
    World::new(&script, config).run()
}
