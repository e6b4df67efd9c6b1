//! The emulated fingerprint module, spoken to by pyfingerprint: what our own driver and our own
//! emulator agree on could be wrong in both.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use asfaleia::simulator::{Faults, Finger, Model, SimulatedReader};
use serde_json::{Value, json};

use crate::api::DEADLINE;

/// `finger_client.py`, and what it says.
struct Client {
    child: Child,
    said: Receiver<Value>,
}

impl Client {
    fn start(port: &Path) -> Client {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        // Debian's python3, which sees Debian's python3-serial and python3-pil.
        let mut child = Command::new("/usr/bin/python3")
            .arg(root.join("tests/peers/finger_client.py"))
            .arg(port)
            .env("PYTHONPATH", root.join("target/python"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, said) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if tell.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return; // the test is over
                }
            }
        });
        Client { child, said }
    }

    #[track_caller]
    fn says(&self, what: Value) {
        let said = self.said.recv_timeout(DEADLINE);
        assert_eq!(said.expect("tests/run installs pyfingerprint"), what);
    }

    /// It asks for something, which is done before it goes on.
    #[track_caller]
    fn asks(&mut self, what: &str, act: impl FnOnce()) {
        self.says(json!(what));
        act();
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(b"done\n").unwrap();
        stdin.flush().unwrap();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn pyfingerprint_enrols_searches_counts_and_deletes() {
    let dir = tempfile::tempdir().unwrap();
    let module = SimulatedReader::start(Model::R503, dir.path(), &Faults::default()).unwrap();
    module.set_password(4_711);
    let lay = |name: &str| module.lay(Finger::Of(name.to_owned()));
    let mut client = Client::start(module.port());

    client.says(json!({"wrong password": false}));
    client.says(json!({"right password": true, "capacity": 200}));
    client.says(json!({"count": 0, "finger": false}));
    client.asks("lay Anna's", || lay("Anna's"));
    client.says(json!({"found": -1}));
    client.asks("lift", || module.lift());
    client.says(json!({"finger": false}));
    client.asks("lay Ben's", || lay("Ben's"));
    client.says(json!({"same": false, "template": false}));
    client.asks("lay Anna's", || lay("Anna's"));
    client.says(json!({"same": true, "template": true}));
    client.says(json!({"stored": 0}));
    client.says(json!({"stored": 150}));
    client.says(json!({"count": 2, "pages": [0, 150]}));

    client.says(json!({"found": 0, "score": true}));
    client.asks("lay a stranger's", || lay("a stranger's"));
    client.says(json!({"found": -1}));
    client.asks("lay a dirty one", || module.lay(Finger::Dirty));
    let refused = client.said.recv_timeout(DEADLINE).unwrap();
    let why = refused["refused"].as_str().unwrap();
    assert!(
        ["too messy", "too few"].iter().any(|it| why.contains(it)),
        "{why}"
    );
    client.says(json!({"loaded": true}));
    client.says(json!({"found": 0}));
    client.says(json!({"deleted": true}));
    client.says(json!({"found": 150, "count": 1}));
    client.says(json!({"cleared": true, "left": 0}));
    assert!(client.child.wait().unwrap().success());
}
