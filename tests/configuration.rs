//! The configurations that are shipped, as their readers meet them.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use asfaleia::alarm::{Grant, Mode, PowerOn, SensorKind};
use asfaleia::config::{self, Depth, FingerInput, GpioBackend, Source};
use serde_json::Value;

fn shipped() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    files
}

fn named(name: &str) -> config::Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config")
        .join(name);
    config::load(&path, Depth::Shape).unwrap_or_else(|why| panic!("{why}"))
}

fn as_json(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap()
}

/// `asfaleia.toml` with all its commented keys switched on.
fn with_examples(text: &str) -> String {
    text.lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if is_key_or_header(rest) => rest,
            Some(_) | None => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn is_key_or_header(line: &str) -> bool {
    let key = line.split(" = ").next().unwrap_or_default();
    line.starts_with('[')
        || (line.contains(" = ") && key.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
}

#[test]
fn every_shipped_configuration_is_accepted() {
    for path in shipped() {
        let loaded = config::load(&path, Depth::Shape).unwrap_or_else(|why| panic!("{why}"));
        assert!(!loaded.config.sensors.is_empty(), "{}", path.display());
    }
}

#[test]
fn every_shipped_configuration_fits_the_schema() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for path in shipped() {
        let instance = as_json(&fs::read_to_string(&path).unwrap());
        let wrong: Vec<String> = validator
            .iter_errors(&instance)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
    }
}

#[test]
fn the_schema_refuses_what_the_program_refuses() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for wrong in [
        "[panel]\nentry-delai = \"20s\"",
        "[panel]\nentry-delay = \"20 years\"",
        "[panel]\nentry-delay = 20",
        "[[sensor]]\nname = \"a\"\nkind = \"smoke\"\nsimulated = true",
        "[[sensor]]\nname = \"a\"",
        "[[contact]]\nname = \"a\"\nphone = \"112\"",
        "[camera]\nburst = 0",
    ] {
        assert!(!validator.is_valid(&as_json(wrong)), "{wrong}");
        assert!(
            config::parse(wrong, "a.toml", Depth::Shape).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn the_commented_configuration_names_every_key_there_is() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/asfaleia.toml"))
            .unwrap();
    let reference =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md"))
            .unwrap();
    let mut keys = Vec::new();
    collect_keys(&schema(), &mut keys);
    assert!(keys.len() > 80, "{}", keys.len());
    for key in keys {
        let written = text.contains(&format!("{key} = ")) || text.contains(&format!("[{key}]"));
        assert!(written, "config/asfaleia.toml does not show `{key}`");
        assert!(
            reference.contains(&key),
            "docs/configuration.md does not explain `{key}`"
        );
    }
}

fn schema() -> Value {
    serde_json::from_str(config::schema()).unwrap()
}

fn collect_keys(schema: &Value, keys: &mut Vec<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            object.values().for_each(|value| collect_keys(value, keys));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_keys(item, keys)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_examples_in_the_comments_are_valid_keys_with_valid_values() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/asfaleia.toml"))
            .unwrap();
    // What excludes each other is shown side by side; one of each is left out here.
    let text: String = with_examples(&text)
        .lines()
        .filter(|line| {
            ![
                "simulated = true",
                "usb = ",
                "api-",
                "url-file",
                "tls = false",
            ]
            .iter()
            .any(|start| line.starts_with(start))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let loaded =
        config::parse(&text, "asfaleia.toml", Depth::Shape).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(loaded.config.sensors.len(), 5);
    assert_eq!(loaded.config.webhooks.len(), 1);
    assert!(loaded.config.access.is_some() && loaded.config.mqtt.is_some());
}

#[test]
fn what_the_commented_configuration_shows_as_defaults_are_the_defaults() {
    let shown = named("asfaleia.toml").config;
    let minimal = "[[sensor]]\nname = \"hall\"\nkind = \"motion\"\nsimulated = true\n[exhaust]\nsimulated = true\n[camera]\n[web]\n";
    let bare = config::parse(minimal, "a.toml", Depth::Shape)
        .unwrap()
        .config;
    assert_eq!(shown.site, bare.site);
    assert_eq!(shown.panel, bare.panel);
    assert_eq!(shown.gpio, bare.gpio);
    assert_eq!(shown.store, bare.store);
    assert_eq!(shown.messages, bare.messages);
    assert_eq!(shown.exhaust, bare.exhaust);
    assert_eq!(shown.watch, bare.watch);
    assert_eq!(format!("{:?}", shown.web), format!("{:?}", bare.web));
    assert_eq!(
        format!("{:?}", shown.sensors[0]),
        format!("{:?}", bare.sensors[0])
    );
    let (shown, bare) = (shown.camera.unwrap(), bare.camera.unwrap());
    assert_eq!(
        (shown.width, shown.height, shown.burst, shown.pre_roll),
        (bare.width, bare.height, bare.burst, bare.pre_roll)
    );
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let text = "[gpio]\nbackend = \"auto\"\n[[sensor]]\nname = \"a\"\nkind = \"motion\"\ngpio = \"GPIO18\"\n";
    let config = config::parse(text, "a.toml", Depth::Shape).unwrap().config;
    assert_eq!(config.gpio.backend, GpioBackend::GpioChip);
    let policy = config.policy();
    let sensor = &policy.sensors[0];
    assert_eq!(sensor.modes, Mode::ALL);
    assert_eq!(
        (sensor.hold, sensor.pulses, sensor.cooldown),
        (Duration::ZERO, 1, Duration::ZERO)
    );
    assert_eq!(
        (sensor.max_triggers, sensor.warm_up),
        (5, Duration::from_secs(60))
    );
    assert_eq!(
        (sensor.power_on, sensor.silent_after),
        (PowerOn::Boot, None)
    );
    assert_eq!(policy.panel.exit_delay, Duration::from_secs(30));
    assert_eq!(policy.panel.entry_delay, Duration::from_secs(20));
    assert_eq!(policy.panel.siren_time, Duration::from_secs(180));
    assert_eq!(
        (policy.burst, policy.photo_wait),
        (0, Duration::from_secs(5))
    );
    assert!(policy.phone.is_none() && policy.exhaust.is_none());
    let Source::Gpio(input) = &config.sensors[0].source else {
        panic!()
    };
    assert_eq!(input.debounce, Duration::from_millis(20));
}

#[test]
fn the_simulators_house_is_what_its_users_rely_on() {
    let loaded = named("simulator.toml");
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    // Its services are its own and on loopback: no secret file is needed to look into it fully.
    config::parse(&loaded.text, "simulator.toml", Depth::Full)
        .unwrap_or_else(|why| panic!("{why}"));
    let sensors: Vec<_> = loaded
        .config
        .sensors
        .iter()
        .map(|s| (s.name.as_str(), s.kind))
        .collect();
    let expected = [
        ("hall", SensorKind::Motion),
        ("front door", SensorKind::Beam),
        ("kitchen gas", SensorKind::Gas),
    ];
    assert_eq!(sensors, expected);
    assert!(
        loaded
            .config
            .sensors
            .iter()
            .all(|sensor| sensor.warm_up.is_zero())
    );
    let policy = loaded.config.policy();
    assert_eq!(policy.phone.unwrap().rungs.len(), 2);
    assert_eq!(
        (policy.burst, loaded.config.camera.unwrap().width),
        (3, 640)
    );
}

#[test]
fn the_classic_house_has_the_originals_pins() {
    let config = named("classic.toml").config;
    let text = format!("{config:?}");
    for pin in [18, 17, 4, 24, 21] {
        assert!(text.contains(&format!("Number({pin})")), "GPIO {pin}");
    }
    let access = config.access.unwrap();
    assert_eq!(
        (access.grant, access.pause_for),
        (Grant::Pause, Duration::from_secs(30))
    );
}

/// The place of each BCM number on the header of a Pi with 40 pins.
const HEADER: [u32; 28] = [
    27, 28, 3, 5, 7, 29, 31, 26, 24, 21, 19, 23, 32, 33, 8, 10, 36, 11, 12, 35, 38, 40, 15, 16, 18,
    22, 37, 13,
];

#[test]
fn the_wiring_is_drawn_and_told_as_the_classic_house_has_it() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = fs::read_to_string(docs.join("wiring.md")).unwrap();
    let drawing = fs::read_to_string(docs.join("wiring.svg")).unwrap();
    // What stands beside a circle with a place is as high as the place.
    let words = |colour: &str| -> Vec<(String, String)> {
        (drawing.lines())
            .filter(|line| line.starts_with("<text") && line.contains(colour))
            .map(|line| {
                let (attributes, rest) = line.split_once('>').unwrap();
                let (_, height) = attributes.split_once(" y=\"").unwrap();
                let height = height.split('"').next().unwrap();
                (height.to_owned(), rest.replace("</text>", ""))
            })
            .collect()
    };
    let (tags, all) = (words("fill=\"#ffffff\""), words(""));
    for pin in [18, 17, 4, 24, 21] {
        let name = format!("GPIO {pin}");
        let place = HEADER[pin].to_string();
        let tag = tags.iter().find(|(_, word)| *word == name);
        let (height, _) = tag.unwrap_or_else(|| panic!("{name} is not drawn as used"));
        assert!(
            all.contains(&(height.clone(), place.clone())),
            "{name} is not beside {place}"
        );
        assert!(page.contains(&format!("| {name} | {place} |")), "{name}");
    }
}

#[test]
fn the_originals_sketches_are_understood_unchanged() {
    let config = named("classic-mqtt.toml").config;
    let topics: Vec<_> = config
        .sensors
        .iter()
        .filter_map(|sensor| match &sensor.source {
            Source::Mqtt(topic) => {
                Some((sensor.kind, topic.topic.as_str(), topic.payload_on.as_str()))
            }
            Source::Gpio(_) | Source::NodeMcu { .. } | Source::Simulated => None,
        })
        .collect();
    assert_eq!(
        topics,
        [
            (SensorKind::Beam, "esp/test", "1"),
            (SensorKind::Gas, "esp/tes", "0")
        ]
    );
}

#[test]
fn a_secret_file_is_read_once_and_refused_when_others_can_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("smtp-password");
    let file = directory.path().join("asfaleia.toml");
    fs::write(&secret, "hunter2\n").unwrap();
    let text = format!(
        "[[sensor]]\nname = \"a\"\nkind = \"motion\"\nsimulated = true\n[[contact]]\nname = \"A\"\nemail = \"a@example.org\"\n[email]\nhost = \"smtp.example.org\"\nfrom = \"a@example.org\"\nusername = \"me\"\npassword-file = \"{}\"\n",
        secret.display()
    );
    fs::write(&file, &text).unwrap();

    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = config::load(&file, Depth::Full).unwrap_err();
    assert_eq!(refused.diagnostics.len(), 1);
    assert_eq!(
        (refused.diagnostics[0].line, refused.diagnostics[0].column),
        (12, 17)
    );
    assert!(
        refused
            .to_string()
            .contains(&format!("chmod 600 {}", secret.display()))
    );

    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let loaded = config::load(&file, Depth::Full).unwrap();
    let login = loaded.config.email.unwrap().login.unwrap();
    assert_eq!(
        secrecy::ExposeSecret::expose_secret(&login.password),
        "hunter2"
    );
    assert!(!format!("{login:?}").contains("hunter2"));

    fs::remove_file(&secret).unwrap();
    assert!(config::load(&file, Depth::Full).is_err());
    assert!(config::load(&file, Depth::Shape).is_ok());
}

#[test]
fn a_finger_readers_password_is_a_number_and_is_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("finger-password");
    let file = directory.path().join("asfaleia.toml");
    let text = format!(
        "[access]\nrequire = [[\"finger\"]]\nfinger = {{ port = \"/dev/serial0\", password-file = \"{}\" }}\n",
        secret.display()
    );
    fs::write(&file, text).unwrap();
    let password = |written: &str| {
        fs::write(&secret, written).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let loaded = config::load(&file, Depth::Full)?;
        match loaded.config.access.unwrap().finger.unwrap() {
            FingerInput::Serial { password, .. } => Ok::<_, config::Rejected>(password),
            FingerInput::Gpio(_) => unreachable!("it has a port"),
        }
    };
    assert_eq!(password("305419896\n").unwrap().0, 305_419_896);
    let hexadecimal = password("0x12345678").unwrap();
    assert_eq!(hexadecimal.0, 305_419_896);
    assert!(!format!("{hexadecimal:?}").contains("305419896"));
    let refused = password("s3cret").unwrap_err().to_string();
    assert!(
        refused.contains("4294967295") && !refused.contains("s3cret"),
        "{refused}"
    );
}

#[test]
fn a_missing_file_is_an_error_that_names_it() {
    let refused = config::load(Path::new("/nowhere/asfaleia.toml"), Depth::Shape).unwrap_err();
    assert!(refused.to_string().contains("/nowhere/asfaleia.toml"));
    assert!(refused.to_string().contains("--config FILE"));
}

proptest::proptest! {
    /// Whatever an editor leaves behind is accepted or refused with a place, never a crash.
    #[test]
    fn a_damaged_file_is_refused_with_its_place_and_never_a_crash(
        at in 0usize..6_000, cut in 0usize..40, put in "[\\[\\]{}=\"#\n a-zé0-9.,-]{0,12}"
    ) {
        let text = include_str!("../config/classic.toml");
        let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap();
        let (start, end) = (boundary(at % text.len()), boundary(at % text.len() + cut));
        let damaged = format!("{}{put}{}", &text[..start], &text[end..]);
        if let Err(rejected) = config::parse(&damaged, "a.toml", Depth::Shape) {
            proptest::prop_assert!(!rejected.diagnostics.is_empty());
            let lines = damaged.lines().count() + 1;
            for finding in rejected.diagnostics {
                proptest::prop_assert!((1..=lines).contains(&finding.line), "{}", finding);
            }
        }
    }
}
