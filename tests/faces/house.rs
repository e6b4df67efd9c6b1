//! The built program in the simulated house, with a camera that knows faces.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::models;

/// A child that hangs is given up after 20 s; a machine may be busy.
const DEADLINE: Duration = Duration::from_secs(90);

pub(crate) const ASTRONAUT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/faces/astronaut.png"
);

const HOUSE: &str = r#"
[panel]
exit-delay = "0s"
entry-delay = "45s"

[gpio]
backend = "simulated"

[[sensor]]
name = "front door"
kind = "contact"
simulated = true
entry = "delayed"

[[sensor]]
name = "kitchen gas"
kind = "gas"
simulated = true

[exhaust]
gpio = 4

[camera]
device = "simulated"
width = 640
height = 480

[access]
require = [["face"], ["pin"]]
face = "camera"
models = "MODELS"

[store]
path = "STORE"
"#;

pub(crate) struct House {
    pub(crate) dir: TempDir,
    program: Child,
    api: String,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

impl House {
    /// With the real models.
    pub(crate) fn start() -> House {
        House::with_models(&models())
    }

    pub(crate) fn with_models(models: &Path) -> House {
        let dir = tempfile::tempdir().unwrap();
        let house = HOUSE
            .replace("MODELS", models.to_str().unwrap())
            .replace("STORE", dir.path().join("store").to_str().unwrap());
        std::fs::write(dir.path().join("house.toml"), house).unwrap();
        let mut program = asfaleia(dir.path())
            .args([
                "simulate",
                "--headless",
                "--listen",
                "127.0.0.1:0",
                "--data",
            ])
            .arg(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(program.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let address = line
            .trim()
            .strip_prefix("listening on ")
            .expect("it says where");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        House {
            api: format!("{address}/api/v1/"),
            dir,
            program,
            runtime,
            client: reqwest::Client::builder()
                .pool_max_idle_per_host(0) // the service closes what is idle
                .no_proxy()
                .build()
                .unwrap(),
        }
    }

    pub(crate) fn ask(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.client.request(method, format!("{}{path}", self.api));
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.runtime.block_on(async {
            let answer = request.send().await.unwrap();
            let status = answer.status();
            let body: Value = answer.json().await.unwrap();
            assert!(status.is_success(), "{path}: {body}");
            body
        })
    }

    pub(crate) fn status(&self) -> Value {
        self.ask(reqwest::Method::GET, "status", None)
    }

    /// The text of the trouble `face`, if there is one.
    pub(crate) fn trouble(&self) -> Option<String> {
        let status = self.status();
        let troubles = status["troubles"].as_array().unwrap().iter();
        let face = troubles.clone().find(|it| it["code"] == "face");
        face.map(|it| it["text"].as_str().unwrap().to_owned())
    }

    /// The child that looks at faces, while there is one.
    pub(crate) fn child(&self) -> Option<Pid> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.program.id())).unwrap();
        let children = tasks
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
        let children: Vec<String> = children.collect();
        let mut children = children.iter().flat_map(|line| line.split_whitespace());
        let child = children.find(|id| {
            let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0)
                .any(|word| word == b"recognise")
        })?;
        Pid::from_raw(child.parse().unwrap())
    }

    /// The program's memory: kilobytes of its own, and of its file.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.program.id())).unwrap();
        let of = |key: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(key)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        (of("RssAnon"), of("RssFile"))
    }

    /// Makes the astronaut of the fixtures known as Anna: a house needs somebody to look for.
    pub(crate) fn enrols_anna(&self) {
        let pictures = self.dir.path().join("anna");
        std::fs::create_dir(&pictures).unwrap();
        for n in 1..=5 {
            std::fs::copy(ASTRONAUT, pictures.join(format!("{n}.png"))).unwrap();
        }
        let pictures = pictures.to_str().unwrap();
        let (code, said, error) = self.cli(&["enroll", "face", "Anna", "--images", pictures]);
        assert_eq!(code, 0, "{said}{error}");
    }

    /// A command of the program's, to this house.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = asfaleia(self.dir.path());
        command.args(args);
        command
    }

    /// Whether it comes to be so within this time.
    pub(crate) fn becomes(&self, state: &str, within: Duration) -> bool {
        let began = Instant::now();
        while began.elapsed() < within {
            if self.status()["state"] == state {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    pub(crate) fn show(&self, pictures: Option<&Path>) {
        self.ask(
            reqwest::Method::PUT,
            "sim/face",
            Some(json!({ "pictures": pictures })),
        );
    }

    pub(crate) fn cli(&self, args: &[&str]) -> (i32, String, String) {
        let ended = self.command(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            ended.status.code().unwrap(),
            text(ended.stdout),
            text(ended.stderr),
        )
    }

    /// Armed, and somebody comes in: a face is awaited.
    pub(crate) fn somebody_comes_in(&self) {
        self.ask(
            reqwest::Method::POST,
            "arm",
            Some(json!({ "mode": "away", "force": true })),
        );
        assert!(self.becomes("armed_away", Duration::from_secs(20)));
        let door = "sim/sensors/front%20door";
        self.ask(
            reqwest::Method::PUT,
            door,
            Some(json!({ "pulse": "500ms" })),
        );
        assert!(self.becomes("pending", Duration::from_secs(10)));
    }
}

fn asfaleia(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_asfaleia"));
    command.arg("--config").arg(dir.join("house.toml"));
    command.arg("--socket").arg(dir.join("asfaleia.sock"));
    // Models may lie in the sources: here are none.
    command.current_dir(dir);
    command
}

/// Waits for what comes to be.
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(there) = condition() {
            return there;
        }
        assert!(began.elapsed() < DEADLINE, "waited for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
