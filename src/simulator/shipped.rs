//! The scenarios that the program brings with it.

use super::{ExtraSensor, Scenario};

/// A scenario of `config/scenarios`, under its file's name.
macro_rules! shipped {
    ($($name:literal),*) => {
        &[$(($name, include_str!(concat!("../../config/scenarios/", $name, ".toml")))),*]
    };
}

const SHIPPED: &[(&str, &str)] = shipped![
    "burglary",
    "gas-leak",
    "owner-comes-home",
    "false-alarms",
    "network-loss",
    "panic"
];

/// Each with its name and what the comment above it says.
pub(super) fn scenarios() -> impl Iterator<Item = (&'static str, String, Scenario)> {
    SHIPPED.iter().map(|(name, text)| {
        let scenario = Scenario::parse(text, name).expect("a test reads every shipped scenario");
        (*name, about(text), scenario)
    })
}

/// Every sensor that a shipped scenario needs beside those of the shipped house.
pub fn shipped_sensors() -> Vec<ExtraSensor> {
    let mut sensors: Vec<ExtraSensor> = Vec::new();
    for (_, _, scenario) in scenarios() {
        for sensor in scenario.extra_sensors {
            if sensors.iter().all(|it| it.name != sensor.name) {
                sensors.push(sensor);
            }
        }
    }
    sensors
}

/// The comment that a file begins with, on one line.
fn about(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix('#'));
    let lines: Vec<&str> = lines.map(str::trim).collect();
    lines.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scenario_is_listed_and_says_what_it_is_about() {
        let files = std::fs::read_dir("config/scenarios").unwrap().count();
        assert_eq!(files, SHIPPED.len(), "a file that is not listed");
        for (name, about, scenario) in scenarios() {
            assert!(about.ends_with(|c: char| !c.is_whitespace()), "{name}");
            assert!(about.len() > scenario.title.len(), "{name}: {about}");
        }
        let names: Vec<String> = (shipped_sensors().iter())
            .map(|sensor| sensor.name.to_string())
            .collect();
        assert_eq!(names, ["back door", "panic button"]);
    }
}
