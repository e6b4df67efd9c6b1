//! The built program in the simulated house: somebody comes home and is known by their face.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::models;

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

struct House {
    dir: TempDir,
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
    fn start() -> House {
        let dir = tempfile::tempdir().unwrap();
        let house = HOUSE
            .replace("MODELS", models().to_str().unwrap())
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

    fn ask(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
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

    fn status(&self) -> Value {
        self.ask(reqwest::Method::GET, "status", None)
    }

    /// Whether it comes to be so within this time.
    fn becomes(&self, state: &str, within: Duration) -> bool {
        let began = Instant::now();
        while began.elapsed() < within {
            if self.status()["state"] == state {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    fn show(&self, pictures: Option<&Path>) {
        self.ask(
            reqwest::Method::PUT,
            "sim/face",
            Some(json!({ "pictures": pictures })),
        );
    }

    fn cli(&self, args: &[&str]) -> (i32, String, String) {
        let ended = asfaleia(self.dir.path()).args(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            ended.status.code().unwrap(),
            text(ended.stdout),
            text(ended.stderr),
        )
    }

    /// Armed, and somebody comes in: a face is awaited.
    fn somebody_comes_in(&self) {
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
    command
}

/// The folder of one of the people.
fn folder(person: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("ASFALEIA_FACES").unwrap()).join(person)
}

#[test]
fn who_comes_home_is_known_by_the_face_and_a_print_of_it_is_not() {
    let house = House::start();
    let mut names = crate::pictures::people().into_iter().map(|it| it.name);
    let (anna, stranger) = (names.next().unwrap(), names.next_back().unwrap());
    let (anna, stranger) = (folder(&anna), folder(&stranger));
    let enrols = |name: &str, from: &Path| {
        let from = from.to_str().unwrap();
        let (code, said, error) = house.cli(&["enroll", "face", name, "--images", from]);
        assert_eq!(code, 0, "{said}{error}");
        assert!(said.contains("is known by 5 views"), "{said}");
    };
    enrols("Anna", &anna);
    assert_eq!(house.cli(&["people"]).1, "Anna: 5 views of the face\n");

    let pictures = |folder: &Path| -> PathBuf {
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|it| it.unwrap().path())
            .collect();
        files.sort();
        files.remove(0)
    };
    let test = |picture: &Path| -> Value {
        let (code, said, error) = house.cli(&[
            "test",
            "face",
            "--json",
            "--image",
            picture.to_str().unwrap(),
        ]);
        assert_eq!(code, 0, "{error}");
        assert_eq!(said.lines().count(), 1, "{said}");
        serde_json::from_str(&said).unwrap()
    };
    assert_eq!(test(&pictures(&anna))["name"], "Anna");
    let other = test(&pictures(&stranger));
    assert_eq!(other["name"], Value::Null, "{other}");
    assert!(
        other["similarity"].as_f64().unwrap() < 0.5 && other["faces"] == 1,
        "{other}"
    );

    // A still picture, and somebody else in person.
    house.somebody_comes_in();
    for before in [pictures(&anna), stranger] {
        house.show(Some(&before));
        assert!(
            !house.becomes("disarmed", Duration::from_secs(6)),
            "{}",
            before.display()
        );
    }
    // Those who turned their heads for their pictures are known; not everybody did.
    let others: Vec<String> = names.take(4).collect();
    for name in &others {
        enrols(name, &folder(name));
    }
    let known = others.iter().find(|name| {
        house.show(Some(&folder(name)));
        house.becomes("disarmed", Duration::from_secs(30))
    });
    let known = known.unwrap_or_else(|| panic!("nobody is known: {}", house.status()));
    let events = house.ask(reqwest::Method::GET, "events?limit=1000", None);
    let mut events = events["events"].as_array().unwrap().iter();
    let granted = events.find(|it| it["kind"] == "granted");
    let by = &granted.expect("it is written down")["data"]["by"];
    assert_eq!(
        (&by["name"], &by["with"]),
        (&json!(known), &json!(["face"]))
    );
    let troubles = house.status()["troubles"].to_string();
    assert!(!troubles.contains("\"face\""), "{troubles}");

    assert_eq!(house.cli(&["forget", known]).0, 0);
    house.somebody_comes_in();
    assert!(!house.becomes("disarmed", Duration::from_secs(4)));
}
