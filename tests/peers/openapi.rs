//! The document of the API and the metrics, as programs read them that are not ours: schemathesis asks
//! what the document says can be asked, and much that it says cannot; Prometheus' own client reads the
//! metrics.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::api::Api;
use crate::process::Simulator;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Debian's python3 with what `tests/run` installs beside it.
fn python() -> Command {
    let mut python = Command::new("/usr/bin/python3");
    let path = [here("target/python-schemathesis"), here("tests/peers")];
    python.env("PYTHONPATH", std::env::join_paths(path).unwrap());
    python
}

/// Lets schemathesis loose on what these arguments choose; the same requests each time.
fn schemathesis(api: &Api, arguments: &[&str]) {
    let Api::Tcp(address) = api else {
        panic!("it speaks TCP")
    };
    let dir = tempfile::tempdir().unwrap();
    let output = python()
        .current_dir(&dir) // it leaves what it found
        .env("SCHEMATHESIS_HOOKS", "schemathesis_hooks")
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(here("tests/peers/schemathesis.toml"))
        .arg("run")
        .arg(format!("http://{address}/api/v1/openapi.json"))
        .args(["--phases", "examples,coverage,fuzzing", "--checks", "all"])
        .args(["--max-examples", "25", "--seed", "6"])
        .args(["--request-timeout", "30", "--generation-database", "none"])
        .args(arguments)
        .output()
        .expect("python3 is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(said.contains("Fuzzing"), "{said}");
}

/// What breaks things is asked by itself, below: of a camera that was broken there is no picture, and
/// 503 is then right.
#[test]
fn schemathesis_finds_no_answer_that_is_not_documented() {
    let house = Simulator::start();
    schemathesis(&house.api, &["--exclude-path", "/api/v1/sim/faults"]);
    assert_eq!(house.api.ask("GET", "/healthz", &Value::Null).0, 200);
}

#[test]
fn schemathesis_breaks_and_mends_everything() {
    let house = Simulator::start();
    schemathesis(&house.api, &["--include-path", "/api/v1/sim/faults"]);
    assert_eq!(house.api.ask("GET", "/healthz", &Value::Null).0, 200);
}

#[test]
fn prometheus_reads_the_metrics_as_they_are_meant() {
    let name = r#"the "old" hall\, 1st"#;
    let named = format!("name = '{name}'\nkind = \"motion\"");
    let house = Simulator::with(&[("name = \"hall\"\nkind = \"motion\"", &named)]);
    let text = house.api.bytes("/metrics");
    let mut reader = python()
        .arg(here("tests/peers/metrics.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    reader.stdin.take().unwrap().write_all(&text).unwrap();
    let read = reader.wait_with_output().unwrap();
    assert!(
        read.status.success(),
        "tests/run installs prometheus-client"
    );
    let families: Value = serde_json::from_slice(&read.stdout).unwrap();
    let families = families.as_array().unwrap();
    assert!(families.len() >= 10, "{families:#?}");
    for family in families {
        let text = |key: &str| family[key].as_str().unwrap();
        assert!(text("name").starts_with("asfaleia_"), "{family}");
        assert!(text("help").ends_with('.'), "{family}");
        assert!(["gauge", "counter"].contains(&text("type")), "{family}");
    }
    let samples = |family: &str| {
        let found = families.iter().find(|it| it["name"] == family);
        found.unwrap_or_else(|| panic!("no {family}"))["samples"].clone()
    };
    let state = json!([["asfaleia_state", {"state": "armed_away"}, 1]]);
    assert_eq!(samples("asfaleia_state"), state);
    // A counter's family is named without `_total`, its samples with it.
    let errors = samples("asfaleia_sensor_errors");
    assert_eq!(errors[0][0], "asfaleia_sensor_errors_total");
    assert_eq!(errors[0][1]["sensor"], name);
}
