//! What can be written in a configuration already and is not built yet.

use super::{Config, FaceInput, FingerInput, Source};

/// Parts of this configuration that are not built yet, a sentence each. `check` warns of them,
/// `run` must refuse them.
pub fn not_built_yet(config: &Config) -> Vec<String> {
    parts(config)
        .into_iter()
        .map(|(_, sentence)| sentence)
        .collect()
}

/// The same, with the keys that ask for them.
pub(super) fn parts(config: &Config) -> Vec<(&'static [&'static str], String)> {
    let mut parts: Vec<(&'static [&'static str], String)> = Vec::new();
    if let Some(web) = &config.web
        && (web.tls.is_some() || !web.listen.ip().is_loopback())
    {
        let key: &[&str] = if web.tls.is_some() {
            &["web", "tls"]
        } else {
            &["web", "listen"]
        };
        parts.push((
            key,
            "the dashboard beyond loopback, with its login, is not built yet".to_owned(),
        ));
    }
    parts
}

impl Config {
    /// Some line of the board is used.
    pub fn has_wires(&self) -> bool {
        let access = self.access.as_ref();
        self.sensors
            .iter()
            .any(|sensor| matches!(sensor.source, Source::Gpio(_)))
            || self
                .buzzer
                .as_ref()
                .is_some_and(|buzzer| buzzer.line.is_some())
            || self
                .exhaust
                .as_ref()
                .is_some_and(|exhaust| exhaust.output.line.is_some())
            || access.is_some_and(|access| {
                matches!(access.face, Some(FaceInput::Gpio(_)))
                    || matches!(access.finger, Some(FingerInput::Gpio(_)))
            })
    }
}
