//! `--set sensor.hall.pulses=2`: a configuration with something changed, before it is checked.

use std::fmt;

use toml::{Table, Value};

use super::ExtraSensor;
use crate::alarm::Entry;
use crate::config::{self, Depth, Diagnostic, Loaded, Rejected, Severity};

/// Sections that are lists: an element is addressed by its name.
const LISTS: &[&str] = &["sensor", "nodemcu", "contact", "webhook"];

/// One change of a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    path: Vec<String>,
    value: Value,
    /// As it was written: `sensor.hall.pulses=2`; a phone number without its middle.
    written: String,
}

/// A configuration cannot be changed so.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// The key is no path.
    #[error(
        "--set {0}: this is no key; write it as in the configuration, names with spaces in \
         quotes: sensor.\"front door\".entry=delayed"
    )]
    Key(String),
    /// The path leads to nothing.
    #[error("--set {written}: {why}")]
    Path {
        /// The setting.
        written: String,
        /// What is not there, and what is.
        why: String,
    },
    /// The configuration was refused before anything was changed.
    #[error(transparent)]
    Configuration(#[from] Rejected),
    /// The changed configuration is refused.
    #[error("{}", changed(.settings, .found))]
    Refused {
        /// All settings, as they were written.
        settings: Vec<String>,
        /// What is wrong with it now.
        found: Vec<Diagnostic>,
    },
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Setting {
    /// Reads a key and a value, such as `2`, `true`, `["away"]`. What is no TOML is a text: `30s`,
    /// `delayed`; a phone number too, though TOML would take it for a number.
    pub fn parse(key: &str, value: &str) -> Result<Setting, SettingError> {
        let written = config::presentable(&format!("{key}={value}"));
        // TOML reads its own dotted keys best.
        let document: Result<Table, _> = format!("{key} = 0").parse();
        let mut table = document.map_err(|_| SettingError::Key(written.clone()))?;
        let mut path = Vec::new();
        while let Some((key, inner)) = table.into_iter().next() {
            path.push(key);
            table = match inner {
                Value::Table(inner) => inner,
                _ => break,
            };
        }
        // A comment is TOML as well.
        if path.is_empty() {
            return Err(SettingError::Key(written));
        }
        let value = (!value.starts_with('+'))
            .then(|| format!("value = {value}").parse().ok())
            .flatten()
            .and_then(|mut table: Table| table.remove("value"))
            .unwrap_or_else(|| Value::String(value.to_owned()));
        Ok(Setting {
            path,
            value,
            written,
        })
    }

    fn apply(&self, file: &mut Table) -> Result<(), SettingError> {
        let fail = |why: String| SettingError::Path {
            written: self.written.clone(),
            why,
        };
        let mut keys = self.path.iter();
        let mut key = keys.next().expect("a key has a part");
        let mut table = file;
        if LISTS.contains(&key.as_str()) {
            let (Some(name), Some(inner)) = (keys.next(), keys.next()) else {
                let why = format!("`{key}` is a list: say which one, and what of it");
                return Err(fail(why));
            };
            let Some(Value::Array(elements)) = table.get_mut(key) else {
                return Err(fail(format!("there is no [[{key}]]")));
            };
            let names = listed(elements);
            let element = (elements.iter_mut())
                .filter_map(Value::as_table_mut)
                .find(|element| element.get("name").and_then(Value::as_str) == Some(name));
            table = element
                .ok_or_else(|| fail(format!("there is no {key} {name:?}; there is: {names}")))?;
            key = inner;
        }
        for inner in keys {
            let value = table.entry(key).or_insert_with(|| Table::new().into());
            let Value::Table(section) = value else {
                return Err(fail(format!("`{key}` is a value, it has no keys")));
            };
            (table, key) = (section, inner);
        }
        table.insert(key.clone(), self.value.clone());
        Ok(())
    }
}

/// This configuration, with the sensors of a scenario and with settings. Sensors that it has
/// already stay as they are. Nothing outside the text is looked at.
pub fn changed_config(
    text: &str,
    file: &str,
    extra: &[ExtraSensor],
    settings: &[Setting],
) -> Result<Loaded, SettingError> {
    let original = config::parse(text, file, Depth::Shape)?;
    if extra.is_empty() && settings.is_empty() {
        return Ok(original);
    }
    let mut table: Table = text.parse().expect("what was read as TOML is TOML");
    add(&mut table, extra);
    for setting in settings {
        setting.apply(&mut table)?;
    }
    let changed = config::parse(&table.to_string(), file, Depth::Shape);
    changed.map_err(|rejected| SettingError::Refused {
        settings: settings.iter().map(|it| it.written.clone()).collect(),
        found: rejected.diagnostics,
    })
}

fn add(table: &mut Table, extra: &[ExtraSensor]) {
    let sensors = (table.entry("sensor")).or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(sensors) = sensors else {
        return;
    };
    for sensor in extra {
        let name = Value::from(sensor.name.as_str());
        if sensors.iter().any(|it| it.get("name") == Some(&name)) {
            continue;
        }
        let mut entry = Table::from_iter([
            ("name".to_owned(), name),
            ("kind".to_owned(), sensor.kind.word().into()),
            ("simulated".to_owned(), true.into()),
        ]);
        let delay = match sensor.entry {
            Entry::Instant => None, // the default, and the only one for gas, tamper and panic
            Entry::Delayed => Some("delayed"),
            Entry::Follower => Some("follower"),
        };
        entry.extend(delay.map(|delay| ("entry".to_owned(), delay.into())));
        sensors.push(entry.into());
    }
}

fn listed(elements: &[Value]) -> String {
    let names: Vec<String> = (elements.iter())
        .filter_map(|element| Some(format!("{:?}", element.get("name")?.as_str()?)))
        .collect();
    names.join(", ")
}

/// Lines and columns of a text that nobody has written would mislead.
fn changed(settings: &[String], found: &[Diagnostic]) -> impl fmt::Display {
    let settings: Vec<String> = settings.iter().map(|it| format!("--set {it}")).collect();
    let errors = found.iter().filter(|it| it.severity == Severity::Error);
    let errors: Vec<String> = errors
        .map(|error| {
            let at = error.source.trim();
            let help = (error.help.as_ref()).map_or(String::new(), |help| format!("; {help}"));
            format!("  {at}: {}{help}", error.message)
        })
        .collect();
    let with = match settings.is_empty() {
        true => "the scenario's sensors".to_owned(),
        false => settings.join(" "),
    };
    let errors = errors.join("\n");
    format!("with {with} the configuration is refused:\n{errors}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::SensorKind;
    use crate::config::Config;

    const HOUSE: &str = include_str!("../../config/simulator.toml");

    fn with(settings: &[(&str, &str)]) -> Result<Config, SettingError> {
        let settings: Result<Vec<_>, _> = (settings.iter())
            .map(|(key, value)| Setting::parse(key, value))
            .collect();
        let changed = changed_config(HOUSE, "house.toml", &[], &settings?)?;
        Ok(changed.config)
    }

    fn refusal(key: &str, value: &str) -> String {
        match with(&[(key, value)]) {
            Ok(_) => panic!("accepted: {key}={value}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn settings_change_what_is_there_and_add_what_is_not() {
        let config = with(&[
            ("sensor.hall.pulses", "2"),
            ("sensor.\"front door\".entry", "delayed"),
            ("panel.entry-delay", "30s"),
            ("sensor.hall.modes", "[\"away\"]"),
            ("contact.Ben.phone", "+302101111111"),
            ("sensor.\"front door\".confirm-with.sensors", "[\"hall\"]"),
            ("sensor.\"front door\".confirm-with.within", "5m"),
        ])
        .unwrap();
        assert_eq!(config.sensors[0].pulses, 2);
        assert_eq!(config.sensors[1].entry, Entry::Delayed);
        assert_eq!(config.sensors[0].modes.len(), 1);
        assert_eq!(config.panel.entry_delay.as_secs(), 30);
        assert_eq!(config.contacts[1].phone.as_deref(), Some("+302101111111"));
        let confirm = config.sensors[1].confirm.as_ref().unwrap();
        assert_eq!(confirm.within.as_secs(), 300);
        assert_eq!(config.email.unwrap().host, "127.0.0.1", "all else stays");
    }

    #[test]
    #[rustfmt::skip]
    fn a_setting_that_leads_nowhere_or_is_refused_says_why() {
        for (key, value, said) in [
            ("sensor.hal.pulses", "2", "there is no sensor \"hal\"; there is: \"hall\", \"front door\""),
            ("webhook.ntfy.url", "x", "there is no [[webhook]]"),
            ("sensor.front door.entry", "delayed", "names with spaces in quotes"),
            ("sensor", "3", "is a list"),
            ("#sensor", "3", "this is no key"), // a comment; found by a fuzz target
            ("", "3", "this is no key"),
            ("site.name.x", "1", "`name` is a value"),
            ("sensor.hall.pules", "2", "unknown key `pules`"),
            ("sensor.hall.pulses", "0", "--set sensor.hall.pulses=0"),
            ("panel.entry-delay", "50s", "allowed: 45s at most"),
            ("panel.entry-delay", "30", "\"30s\""),
        ] {
            let error = refusal(key, value);
            assert!(error.contains(said), "{key}={value}: {error}");
        }
    }

    #[test]
    fn a_scenario_brings_its_sensors_unless_they_are_there() {
        let extra = |name: &str, kind| ExtraSensor {
            name: name.into(),
            kind,
            entry: Entry::Delayed,
        };
        let extra = [
            extra("back door", SensorKind::Contact),
            extra("hall", SensorKind::Gas),
        ];
        let changed = changed_config(HOUSE, "house.toml", &extra, &[]).unwrap();
        let config = changed.config;
        assert_eq!(config.sensors.len(), 4);
        assert_eq!(config.sensors[3].kind, SensorKind::Contact);
        assert_eq!(config.sensors[3].entry, Entry::Delayed);
        assert_eq!(config.sensors[0].kind, SensorKind::Motion);
    }
}
