//! The map of the program, as data: who may use whom. A use that is not on the map fails here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// From the roof to the ground: each module of the crate, and which others it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("cli", EVERYTHING),
    ("doctor", EVERYTHING),
    ("init", &["camera", "config", "gpio", "sensors"]),
    ("simulator", EVERYTHING),
    ("daemon", EVERYTHING),
    (
        "panel",
        &[
            "actuators",
            "alarm",
            "camera",
            "clock",
            "inbox",
            "outbox",
            "store",
            "web",
        ],
    ),
    ("supervisor", &["alarm", "clock", "inbox"]),
    (
        "web",
        &[
            "access", "alarm", "clock", "config", "inbox", "login", "store",
        ],
    ),
    ("login", &["access", "alarm", "clock", "store"]),
    ("outbox", &["alarm", "clock", "config", "inbox", "notify"]),
    (
        "access",
        &[
            "alarm", "camera", "clock", "config", "gpio", "inbox", "sensors", "store",
        ],
    ),
    (
        "sensors",
        &["alarm", "clock", "config", "gpio", "inbox", "mqtt"],
    ),
    ("mqtt", &["alarm", "clock", "config", "inbox"]),
    ("camera", &["alarm", "clock", "config", "inbox", "store"]),
    ("actuators", &["alarm", "clock"]),
    ("notify", &["alarm", "clock", "config"]),
    ("store", &["alarm", "clock"]),
    ("gpio", &["alarm", "clock", "config"]),
    ("config", &["alarm"]),
    ("inbox", &["alarm", "clock"]),
    ("clock", &["alarm"]),
    ("alarm", &[]),
];

/// Wires the parts together, or shows them: may use all that is below it.
const EVERYTHING: &[&str] = &["*"];

/// What the decisions may use of the world: data, no clock, no I/O, no channel, no lock.
const ALARM_MAY_USE: &[&str] = &[
    "serde",
    "std::cmp",
    "std::collections",
    "std::fmt",
    "std::mem",
    "std::ops",
    "std::sync::Arc",
    "std::time::Duration",
];

/// Roots of paths that lead out of the crate.
const WORLD: &[&str] = &["std", "core", "alloc"];

#[test]
fn no_module_uses_what_is_not_on_the_map() {
    let mut forbidden = Vec::new();
    for (file, module) in sources() {
        let source = fs::read_to_string(&file).expect("the source can be read");
        forbidden.extend(
            wrong_uses(&source, &module)
                .into_iter()
                .map(|what| format!("{}: {what}", file.display())),
        );
    }
    assert_eq!(forbidden, Vec::<String>::new());
}

#[test]
fn the_map_and_the_crate_have_the_same_modules() {
    let lib = fs::read_to_string(src().join("lib.rs")).expect("lib.rs can be read");
    let declared: BTreeSet<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let mapped: BTreeSet<&str> = MAY_USE.iter().map(|(module, _)| *module).collect();
    assert_eq!(declared, mapped);
}

#[test]
fn the_map_runs_downwards() {
    let height: BTreeMap<&str, usize> = MAY_USE
        .iter()
        .enumerate()
        .map(|(height, (module, _))| (*module, height))
        .collect();
    for (module, uses) in MAY_USE {
        for used in uses.iter().filter(|used| **used != "*") {
            assert!(
                height[used] > height[module],
                "{module} uses {used}, which stands above it"
            );
        }
    }
}

#[test]
fn a_planted_use_is_found_however_it_is_written() {
    let alarm = |source: &str| wrong_uses(source, &["alarm".into(), "gas".into()]);
    for planted in [
        "use crate::store::Store;",
        "use crate::{alarm::Mode, store::Store};",
        "use super::super::store;",
        "use super::super::{clock, alarm};",
        "fn f() { crate::notify::send() }",
        "fn f() { println!(\"{}\", crate::clock::now()) }",
        "mod tests { use super::super::super::store; }",
        "use std::time::Instant;",
        "use std::time::{Duration, SystemTime};",
        "fn f() { std::thread::sleep(d) }",
        "use std::{fmt, fs};",
        "use std::sync::{Arc, Mutex};",
        "use tokio::sync::mpsc;",
        "fn f() { rustix::time::clock_gettime(id) }",
        "fn f() { tracing::info!(\"x\") }",
    ] {
        assert!(!alarm(planted).is_empty(), "not found: {planted}");
    }
    for allowed in [
        "use super::super::alarm::Mode;",
        "use super::{event::Event, time::BootTime};",
        "use std::time::Duration; // not crate::store::Store",
        "const TEXT: &str = \"crate::store\";",
        "use std::collections::{BTreeMap, VecDeque};",
        "mod tests { use super::super::event::Event; }",
        "fn f(due: Option<BootTime>) { due.map(BootTime::from_secs) }",
    ] {
        assert_eq!(alarm(allowed), Vec::<String>::new(), "{allowed}");
    }
    let web = |source: &str| wrong_uses(source, &["web".into()]);
    assert!(!web("use crate::panel::Panel;").is_empty());
    assert!(web("use crate::inbox::Inbox;").is_empty());
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file below `src/`, with the path of its module.
fn sources() -> Vec<(PathBuf, Vec<String>)> {
    let mut found = Vec::new();
    let mut folders = vec![(src(), Vec::new())];
    while let Some((folder, module)) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be listed") {
            let path = entry.expect("the entry can be read").path();
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let mut inner = module.clone();
            if path.is_dir() {
                inner.push(name);
                folders.push((path, inner));
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                if !matches!(name.as_str(), "mod" | "lib" | "main") {
                    inner.push(name);
                }
                found.push((path, inner));
            }
        }
    }
    found
}

/// What `source`, the text of `module`, uses against the map.
fn wrong_uses(source: &str, module: &[String]) -> Vec<String> {
    let Some(top) = module.first() else {
        return Vec::new(); // lib.rs and main.rs are the roof
    };
    let (_, allowed) = MAY_USE
        .iter()
        .find(|(name, _)| name == top)
        .unwrap_or_else(|| panic!("{top} is not on the map"));
    let modules: BTreeSet<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    let tokens = TokenStream::from_str(source).expect("it is Rust");
    let mut paths = Vec::new();
    collect(tokens, module.len(), &mut paths);

    let mut wrong = Vec::new();
    // What the crate's tests of `alarm` use is their own affair; its decisions are not.
    let pure = top == "alarm" && !matches!(module.last().map(String::as_str), Some("properties"));
    for path in paths {
        match path.split_first() {
            Some((root, rest)) if root == "crate" => {
                let Some(used) = rest.first() else { continue };
                let known = modules.contains(used.as_str()) && used != top;
                if known && !allowed.contains(&"*") && !allowed.contains(&used.as_str()) {
                    wrong.push(format!("{top} may not use {used}"));
                }
            }
            Some((root, _)) if pure => {
                let text = path.join("::");
                let world = WORLD.contains(&root.as_str()) || CRATES.contains(&root.as_str());
                let fine = ALARM_MAY_USE
                    .iter()
                    .any(|may| text == *may || text.starts_with(&format!("{may}::")));
                if world && !fine {
                    wrong.push(format!("alarm may not use {text}"));
                }
            }
            Some(_) | None => {}
        }
    }
    wrong
}

/// Crates that the rest of the program depends on.
const CRATES: &[&str] = &[
    "anyhow",
    "axum",
    "clap",
    "fastrand",
    "futures_util",
    "getrandom",
    "jiff",
    "lettre",
    "minijinja",
    "rand",
    "reqwest",
    "rumqttc",
    "rusqlite",
    "rustix",
    "rustls",
    "sd_notify",
    "serde_json",
    "serial2_tokio",
    "tokio",
    "tokio_rustls",
    "tokio_util",
    "toml",
    "tracing",
];

/// Every path in `tokens`, with `super`s resolved: `["crate", "store", ...]` or `["std", ...]`.
/// `depth` is how deep below the crate's root the module stands.
fn collect(tokens: TokenStream, depth: usize, paths: &mut Vec<Vec<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(_) if !follows_path(&tokens, at) => {
                at = path_from(&tokens, at, depth, &[], paths);
            }
            TokenTree::Group(group) => {
                // `mod name { ... }` stands one deeper than what surrounds it.
                let inline = at >= 2
                    && group.delimiter() == Delimiter::Brace
                    && tokens[at - 2].to_string() == "mod";
                collect(group.stream(), depth + usize::from(inline), paths);
                at += 1;
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
        }
    }
}

/// Does `::` stand before this token?
fn follows_path(tokens: &[TokenTree], at: usize) -> bool {
    at >= 2 && tokens[at - 1].to_string() == ":" && tokens[at - 2].to_string() == ":"
}

/// Reads `a::b::{c, d::e}` from `at`; returns where it ends.
fn path_from(
    tokens: &[TokenTree],
    mut at: usize,
    depth: usize,
    before: &[String],
    paths: &mut Vec<Vec<String>>,
) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(ident)) => path.push(ident.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for part in inner.split(|token| token.to_string() == ",") {
                    if !part.is_empty() {
                        path_from(part, 0, depth, &path, paths);
                    }
                }
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        let colons = [at, at + 1].map(|at| tokens.get(at).map(ToString::to_string));
        if colons.iter().all(|token| token.as_deref() == Some(":")) {
            at += 2;
        } else {
            break;
        }
    }
    if path.len() > 1 {
        paths.push(resolved(path, depth));
    }
    at
}

/// `super::super::x` in a module at depth 2 is `crate::x`.
fn resolved(path: Vec<String>, depth: usize) -> Vec<String> {
    let supers = path.iter().take_while(|part| *part == "super").count();
    if supers > 0 && supers >= depth {
        let mut absolute = vec!["crate".to_owned()];
        absolute.extend(path.into_iter().skip(supers));
        return absolute;
    }
    path
}
