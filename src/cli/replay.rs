//! `asfaleia replay`: a night in milliseconds.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::Places;
use super::exit::{Exit, Failed, Result};
use crate::config::{Config, write_duration};
use crate::simulator::replay::{self, Alarmed, Recorded, Timeline};
use crate::simulator::{
    ExtraSensor, Scenario, ScenarioError, Setting, SettingError, changed_config,
};

/// The house of `asfaleia simulate`.
const HOUSE: &str = include_str!("../../config/simulator.toml");

/// `asfaleia replay`
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// A scenario, or the record of an incident
    pub file: PathBuf,
    /// Change a setting first, such as sensor.hall.pulses=2
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

fn setting(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        Some(_) | None => Err("write KEY=VALUE, such as sensor.hall.pulses=2".to_owned()),
    }
}

pub(super) fn run(places: &Places, args: ReplayArgs) -> Result {
    let began = Instant::now();
    let settings: std::result::Result<Vec<Setting>, SettingError> = (args.set.iter())
        .map(|(key, value)| Setting::parse(key, value))
        .collect();
    let house = House {
        file: places.config.clone(),
        settings: settings.map_err(refused)?,
    };
    let file = args.file.display();
    let text = std::fs::read_to_string(&args.file)
        .map_err(|why| Failed::new(Exit::NoInput, format!("reading {file}: {why}")))?;
    let (timeline, outcome) = if text.trim_start().starts_with('{') {
        let recorded = Recorded::parse(&text)
            .map_err(|why| Failed::new(Exit::Data, format!("{file}: {why}")))?;
        again(&recorded, &house)?
    } else {
        let scenario = Scenario::parse(&text, &file.to_string()).map_err(unfit)?;
        let config = house.config(&scenario.extra_sensors)?;
        scenario.cast(&config).map_err(unfit)?;
        (replay::play(&scenario, &config), Vec::new())
    };

    let mut out = std::io::stdout().lock();
    if args.json {
        write!(out, "{}", timeline.json())?;
        for (which, alarm) in &outcome {
            let alarm = alarm
                .as_ref()
                .map(|it| json!({ "at": it.at.rfc3339(), "sensor": it.by }));
            writeln!(
                out,
                "{}",
                json!({ "kind": "outcome", "data": { "of": which, "alarm": alarm } })
            )?;
        }
    } else {
        write!(out, "{timeline}")?;
        for (which, alarm) in &outcome {
            let what = match alarm {
                Some(Alarmed { at, by }) => format!("alarm at {} by {by}", timeline.clock(*at)),
                None => "no alarm".to_owned(),
            };
            writeln!(out, "{which}: {what}")?;
        }
        // Not among the output, which is the same each time.
        let night = write_duration(timeline.lasted);
        let took = began.elapsed().as_millis();
        let _ = writeln!(std::io::stderr(), "{night} in {took} ms");
    }
    Ok(())
}

/// What was recorded and what would have been, in words: which, and the first alarm.
type Outcomes = Vec<(String, Option<Alarmed>)>;

fn again(recorded: &Recorded, house: &House) -> Result<(Timeline, Outcomes)> {
    let config = house.config(&[])?;
    for name in recorded.unknown_sensors(&config) {
        // Nobody may be reading; the timeline goes on without it.
        let _ = writeln!(
            std::io::stderr(),
            "asfaleia: the configuration has no sensor {:?}: what it did is left out",
            name.as_str()
        );
    }
    let timeline = recorded.play(&config);
    let first = timeline.alarms().next();
    let now = first.map(|(at, by, _)| Alarmed { at, by: by.clone() });
    let mut outcomes = Vec::new();
    if let Some(then) = recorded.alarm() {
        outcomes.push(("as recorded".to_owned(), Some(then.clone())));
    }
    let changes: Vec<String> = house.settings.iter().map(ToString::to_string).collect();
    let which = match changes.as_slice() {
        [] => "with this configuration".to_owned(),
        changes => format!("with {}", changes.join(", ")),
    };
    outcomes.push((which, now));
    Ok((timeline, outcomes))
}

/// The configuration that is played on.
struct House {
    /// `None`: the simulator's.
    file: Option<PathBuf>,
    settings: Vec<Setting>,
}

impl House {
    fn config(&self, extra: &[ExtraSensor]) -> Result<Config> {
        let (text, name) = match &self.file {
            None => (HOUSE.to_owned(), "simulator.toml".to_owned()),
            Some(path) => (read(path)?, path.display().to_string()),
        };
        let changed = changed_config(&text, &name, extra, &self.settings).map_err(refused)?;
        Ok(changed.config)
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|why| {
        let path = path.display();
        Failed::new(
            Exit::NoInput,
            format!("reading the configuration {path}: {why} (name another with --config)"),
        )
    })
}

fn refused(error: SettingError) -> Failed {
    let exit = match &error {
        SettingError::Key(_) | SettingError::Path { .. } => Exit::Usage,
        SettingError::Configuration(_) | SettingError::Refused { .. } => Exit::Config,
    };
    Failed::new(exit, error)
}

fn unfit(error: ScenarioError) -> Failed {
    let exit = match &error {
        ScenarioError::Unreadable { .. } => Exit::NoInput,
        ScenarioError::Refused(_) => Exit::Data,
    };
    Failed::new(exit, error)
}
