//! Copies of a store that a killed service left, damaged: each is started on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::api::{Api, until};
use crate::home::Home;
use crate::process::Running;
use crate::{Violations, number, side_by_side};

const DATABASE: &str = "asfaleia.db";
const LOG: &str = "asfaleia.db-wal";

/// What is done to the copy.
#[derive(Debug, Clone)]
enum Damage {
    /// Only so many bytes are left of this file.
    CutOff(&'static str, usize),
    /// From here on, so many bytes are others.
    Noise(&'static str, usize, usize),
    /// It is gone.
    Removed(&'static str),
    /// It is empty.
    Emptied(&'static str),
}

/// Two stores as a kill leaves them. The one was armed, and its log written back into the database,
/// before the alarm; of the other everything since it was begun is in the log: armed, disarmed,
/// armed again and triggered.
fn killed_stores(home: &Home) -> [PathBuf; 2] {
    let service = home.armed();
    service.api.post("disarm", json!({}));
    service.api.post("arm", json!({}));
    service.api.pulse("hall");
    home.until_mails("ALARM motion in hall", 1);
    service.api.until_message("email", "delivered");
    until_marked(home, &service.api);
    service.running.kill();
    let all_in_log = home.dir.path().join("all in the log");
    copy(&home.store(), &all_in_log);

    let service = home.start();
    service.api.post("disarm", json!({}));
    service.api.post("arm", json!({}));
    assert!(service.running.stop().success());
    let service = home.start();
    service.api.pulse("hall");
    home.until_mails("ALARM motion in hall", 2);
    service.api.until_message("email", "delivered");
    service.running.kill();
    let written_back = home.dir.path().join("written back");
    copy(&home.store(), &written_back);
    [all_in_log, written_back]
}

/// The mark beside the database follows an arming when the store has nothing else to do.
fn until_marked(home: &Home, api: &Api) {
    let armed = api.events_of("state").into_iter().rev();
    let armed = armed.map(|event| (event["data"]["from"].clone(), event["id"].clone()));
    let (_, id) = armed
        .into_iter()
        .find(|(from, _)| from == "disarmed")
        .unwrap();
    until("the mark of the arming", || {
        let mark = fs::read_to_string(home.store().join("in-use")).ok()?;
        (mark.lines().nth(1)?.parse().ok() == id.as_u64()).then_some(())
    });
}

#[test]
fn however_its_store_is_damaged_the_panel_is_never_silently_disarmed_and_alarms() {
    let damages: usize = number("DAMAGES", 120);
    let seed: u64 = number("SEED", fastrand::u64(..));
    let home = Home::with(&[
        ("gpio = 18\nwarm-up = \"0s\"", "simulated = true"),
        (
            "[camera]\ndevice = \"simulated\"\nwidth = 320\nheight = 240\n",
            "",
        ),
        (
            "[[nodemcu]]\nname = \"kitchen\"\nport = \"DIR/nodemcu-kitchen\"\n",
            "",
        ),
        ("nodemcu = \"kitchen.gas\"", "simulated = true"),
    ]);
    // Without a node the gas is watched from the start.
    let stores = killed_stores(&home);
    let cases = cases(&stores, damages, &mut fastrand::Rng::with_seed(seed));
    let violations = Violations::default();
    let lost = std::sync::atomic::AtomicUsize::new(0);
    side_by_side(&cases, 3, |(store, damage)| {
        let copied = tempfile::tempdir().unwrap();
        let dir = copied.path().join("store");
        copy(store, &dir);
        damage.inflict(&dir);
        let found = Started::on(&home, &copied).alarms();
        match found {
            Ok(was_lost) => {
                lost.fetch_add(usize::from(was_lost), std::sync::atomic::Ordering::Relaxed);
            }
            Err(what) => {
                let store = store.file_name().unwrap();
                violations.note(format!("{damage:?} of {store:?}: {what}"));
            }
        }
    });
    let lost = lost.into_inner();
    violations.close(&format!(
        "store: damaged: {} inputs, seed {seed}, {} restored, {lost} lost and armed away",
        cases.len(),
        cases.len() - lost,
    ));
}

fn cases(stores: &[PathBuf; 2], damages: usize, rng: &mut fastrand::Rng) -> Vec<(PathBuf, Damage)> {
    let mut cases = Vec::new();
    let each = damages / 8;
    for store in stores {
        for file in [DATABASE, LOG] {
            let size = fs::metadata(store.join(file)).unwrap().len() as usize;
            cases.push((store.clone(), Damage::Removed(file)));
            cases.push((store.clone(), Damage::Emptied(file)));
            for n in 0..each {
                let length = (size * n + rng.usize(..size)) / each;
                cases.push((store.clone(), Damage::CutOff(file, length)));
                let begin = rng.usize(..size);
                let length = 1 << rng.u32(0..13);
                cases.push((store.clone(), Damage::Noise(file, begin, length)));
            }
        }
    }
    cases
}

impl Damage {
    fn inflict(&self, dir: &Path) {
        match self {
            Damage::CutOff(file, length) => {
                let file = fs::File::options().write(true).open(dir.join(file));
                file.unwrap().set_len(*length as u64).unwrap();
            }
            Damage::Noise(file, begin, length) => {
                let mut bytes = fs::read(dir.join(file)).unwrap();
                let end = bytes.len().min(begin + length);
                bytes[*begin..end]
                    .iter_mut()
                    .for_each(|byte| *byte = fastrand::u8(..));
                fs::write(dir.join(file), bytes).unwrap();
            }
            Damage::Removed(file) => fs::remove_file(dir.join(file)).unwrap(),
            Damage::Emptied(file) => fs::write(dir.join(file), "").unwrap(),
        }
    }
}

/// A service on a damaged copy.
struct Started {
    running: Running,
    api: Api,
}

impl Started {
    fn on(home: &Home, copied: &TempDir) -> Started {
        let dir = copied.path();
        let config = fs::read_to_string(home.file()).unwrap();
        let store = home.store().display().to_string();
        let config = config.replace(&store, dir.join("store").to_str().unwrap());
        fs::write(dir.join("asfaleia.toml"), config).unwrap();
        let socket = dir.join("asfaleia.sock");
        let mut command: Command = crate::process::asfaleia();
        command
            .arg("run")
            .arg("--config")
            .arg(dir.join("asfaleia.toml"));
        command.arg("--socket").arg(&socket);
        let mut running = Running::start(command, &dir.join("log"));
        let api = Api::Socket(socket);
        until("an answer on the socket", || {
            let ended = running.child.try_wait().unwrap();
            assert!(ended.is_none(), "the service ended: {ended:?}");
            api.try_connect().ok()
        });
        Started { running, api }
    }

    /// Armed or triggered as before, or armed because the state was lost; and it alarms. Whether
    /// the state was lost.
    fn alarms(self) -> Result<bool, String> {
        let status = self.api.status();
        let lost = self.api.trouble("state-lost").is_some();
        match status["state"].as_str().unwrap() {
            "armed_away" | "triggered" => {}
            _ => return Err(format!("{status}")),
        }
        self.api.pulse("hall");
        self.api.until_output("buzzer", true);
        self.api.set("kitchen gas", true);
        self.api.until_output("exhaust", true);
        // It is written down, or it is said that it cannot be.
        until("the gas to be in the store, or a trouble", || {
            let written = self.api.events_of("exhaust").len();
            (written > 0 || self.api.trouble("store").is_some()).then_some(())
        });
        self.running.kill();
        Ok(lost)
    }
}

/// The files of a directory; what is in directories within it stays out.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
