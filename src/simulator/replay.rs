//! A night in milliseconds: a scenario, or what was recorded of an incident, over the real panel,
//! the real outbox and the real words, in virtual time and without any I/O.

mod backstage;
mod devices;
mod recorded;
mod timeline;
mod ways;
mod world;

use std::time::Duration;

use jiff::civil::date;
use jiff::tz::TimeZone;

use super::{Answers, Scenario};
use crate::alarm::{Mode, SensorName};
use crate::clock::WallTime;
use crate::config::{Config, write_duration};

pub use recorded::{Alarmed, Recorded, RecordedError};
pub use timeline::{Line, Summary, Timeline, What};

use world::{Next, World};

/// What is played.
struct Script {
    title: String,
    mode: Option<Mode>,
    begins: WallTime,
    lasts: Duration,
    answers: Answers,
    /// So long after the beginning.
    plan: Vec<(Duration, Next)>,
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
        title: format!(
            "{} ({} from {}, {})",
            scenario.title,
            write_duration(scenario.ends),
            scenario.starts.strftime("%H:%M"),
            armed(scenario.mode),
        ),
        mode: scenario.mode,
        begins: WallTime(begins.timestamp().as_millisecond()),
        lasts: scenario.ends,
        answers: scenario.answers,
        plan: (scenario.cues().iter())
            .map(|cue| (cue.at, Next::Cue(cue.what.clone())))
            .collect(),
        active: Vec::new(),
        zone: TimeZone::UTC,
    };
    World::new(script, config).run()
}

fn armed(mode: Option<Mode>) -> String {
    match mode {
        Some(mode) => format!("armed {}", mode.word()),
        None => "disarmed".to_owned(),
    }
}
