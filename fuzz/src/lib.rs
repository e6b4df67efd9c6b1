//! What any bytes may be done to, and what must hold for all of them: no panic, no endless loop,
//! memory in bounds, and what each target says.
//!
//! `tests/fuzz` tries new bytes on them, `tests/corpora.rs` those that were worth keeping.

use std::sync::LazyLock;

use asfaleia::config::{Config, Depth};

mod faces;
mod files;
mod net;
mod saved;
mod sensed;
mod store;

pub use faces::{model, picture};
pub use files::{config, scenario, setting};
pub use net::{smtp, twilio};
pub use saved::{message, state};
pub use sensed::{finger, line, mqtt_command, mqtt_payload};
pub use store::store;

/// What is done with bytes. Panics where something does not hold.
pub type Body = fn(&[u8]);

/// Every target: its name is that of its corpus.
pub const TARGETS: &[(&str, Body)] = &[
    ("config", config),
    ("finger", finger),
    ("line", line),
    ("message", message),
    ("model", model),
    ("mqtt_command", mqtt_command),
    ("mqtt_payload", mqtt_payload),
    ("picture", picture),
    ("scenario", scenario),
    ("setting", setting),
    ("smtp", smtp),
    ("state", state),
    ("store", store),
    ("twilio", twilio),
];

/// The house of `asfaleia simulate`: it has one of everything.
const HOUSE: &str = include_str!("../../config/simulator.toml");

fn house() -> &'static Config {
    static READ: LazyLock<Config> = LazyLock::new(|| {
        let loaded = asfaleia::config::parse(HOUSE, "house", Depth::Shape);
        loaded.expect("it is shipped").config
    });
    &READ
}

/// Told to people or written to a log: one line, and no more of it than a screen holds.
fn is_presentable(text: &str, longest: usize) {
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.chars().count() <= longest, "{text:?}");
}
