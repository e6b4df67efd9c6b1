//! What owners write.

use std::time::Duration;

use asfaleia::config::{self, Depth};
use asfaleia::outbox::Channels;
use asfaleia::simulator::{Scenario, Setting, changed_config, replay};

use super::{HOUSE, house};

/// A configuration.
pub fn config(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    match config::parse(text, "fuzz.toml", Depth::Shape) {
        Ok(loaded) => {
            let _ = loaded.config.policy();
            let _ = Channels::from(&loaded.config);
            let _ = (
                house().loosens(&loaded.config),
                loaded.config.loosens(house()),
            );
            assert!(loaded.config.loosens(&loaded.config).is_empty());
            let pulses = Setting::parse("sensor.hall.pulses", "2").expect("it is a setting");
            let _ = changed_config(text, "fuzz.toml", &[], &[pulses]).map_err(|e| e.to_string());
        }
        Err(rejected) => {
            assert!(!rejected.diagnostics.is_empty(), "refused without a word");
            let _ = rejected.to_string();
        }
    }
}

/// `--set KEY=VALUE` on the simulator's house.
pub fn setting(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let (key, value) = text.split_once('=').unwrap_or((text, "2"));
    if let Ok(setting) = Setting::parse(key, value) {
        let _ = changed_config(HOUSE, "house.toml", &[], &[setting]).map_err(|e| e.to_string());
    }
}

/// A scenario; a short one is played too.
pub fn scenario(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let scenario = match Scenario::parse(text, "fuzz.toml") {
        Ok(scenario) => scenario,
        Err(error) => return drop(error.to_string()),
    };
    let times: Vec<_> = scenario.cues().iter().map(|cue| cue.at).collect();
    assert!(times.is_sorted() && times.last().is_none_or(|last| *last <= scenario.ends));
    let changed = changed_config(HOUSE, "house.toml", &scenario.extra_sensors, &[]);
    let Ok(changed) = changed.map_err(|error| error.to_string()) else {
        return;
    };
    if scenario
        .cast(&changed.config)
        .map_err(|e| e.to_string())
        .is_ok()
        && scenario.ends <= Duration::from_secs(300)
    {
        let _ = replay::play(&scenario, &changed.config);
    }
}
