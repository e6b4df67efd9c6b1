//! The configuration: does it pass, and is it complete enough to be looked at?

use std::path::Path;

use super::{Finding, Part};
use crate::config::{self, Config, Depth, Diagnostic, Severity, Source};

/// Reads it. One that fails for its secrets alone is gone on with, without them.
pub(super) fn read(file: &Path) -> (Option<Config>, Vec<Finding>) {
    match config::load(file, Depth::Full) {
        Ok(loaded) => {
            let mut findings = vec![passes(file, &loaded.config)];
            findings.extend(loaded.warnings.iter().map(diagnosed));
            findings.extend(simulated(&loaded.config));
            (Some(loaded.config), findings)
        }
        Err(rejected) => {
            let shape = config::load(file, Depth::Shape).ok();
            let findings = rejected.diagnostics.iter().map(diagnosed).collect();
            (shape.map(|loaded| loaded.config), findings)
        }
    }
}

fn passes(file: &Path, config: &Config) -> Finding {
    let found = format!(
        "passes: {} sensors, {} contacts",
        config.sensors.len(),
        config.contacts.len()
    );
    Finding::ok(Part::Configuration, file.display().to_string(), found)
}

fn diagnosed(diagnostic: &Diagnostic) -> Finding {
    let Diagnostic { file, line, .. } = diagnostic;
    let subject = format!("{file}:{line}");
    let found = diagnostic.message.clone();
    let denied = found.contains("ermission denied") && !rustix::process::geteuid().is_root();
    let mend = match (&diagnostic.help, denied) {
        (_, true) => "look again as root: `sudo asfaleia doctor`".to_owned(),
        (Some(help), false) => help.clone(),
        (None, false) => "`asfaleia check` shows the line".to_owned(),
    };
    match diagnostic.severity {
        Severity::Error => Finding::error(Part::Configuration, subject, found, mend),
        Severity::Warning => Finding::warning(Part::Configuration, subject, found, mend),
    }
}

/// Sensors that watch nothing real.
fn simulated(config: &Config) -> Option<Finding> {
    let sensors = config.sensors.iter();
    let simulated = sensors.filter(|sensor| sensor.source == Source::Simulated);
    let names: Vec<&str> = simulated.map(|sensor| sensor.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        Finding::warning(
            Part::Configuration,
            names.join(", "),
            "simulated: watches nothing real",
            "give it a source (gpio, nodemcu, mqtt), when you mean to guard a house",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_secret_that_others_can_read_is_an_error_and_the_rest_is_looked_at_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("password");
        std::fs::write(&secret, "hunter2\n").unwrap();
        std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o644)).unwrap();
        let file = dir.path().join("a.toml");
        let text = format!(
            "[email]\nhost = \"localhost\"\nusername = \"me\"\npassword-file = {secret:?}\n\
             from = \"me@example.org\"\n"
        );
        std::fs::write(&file, text).unwrap();
        let (config, findings) = read(&file);
        assert!(config.is_some());
        let error = findings.iter().find(|it| it.verdict == Verdict::Error);
        let error = error.unwrap();
        assert!(
            error.mend.as_ref().unwrap().contains("chmod 600"),
            "{error:?}"
        );
        assert!(error.subject.ends_with("a.toml:4"), "{error:?}");
    }

    #[test]
    fn a_file_that_is_not_there_says_what_to_do() {
        let (config, findings) = read(Path::new("/nowhere/asfaleia.toml"));
        assert!(config.is_none());
        assert!(
            findings[0].mend.as_ref().unwrap().contains("--config"),
            "{findings:?}"
        );
    }
}
