//! A house with a real service in it (`asfaleia run`), and a mail server, a telephone service and
//! a NodeMCU in the test's own process.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use asfaleia::config::NodeKey;
use asfaleia::simulator::{
    Faults, MailServer, Model, SimulatedNode, SimulatedReader, TelephoneService,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::api::{Api, list, until, until_mails};
use crate::process::{Running, asfaleia, changed, outcome};

/// Where the house stands, and what outlives the service.
pub(crate) struct Home {
    faults: Faults,
    mail: MailServer,
    telephone: TelephoneService,
    node: SimulatedNode,
    // After what runs on it.
    _runtime: Runtime,
    pub(crate) dir: TempDir,
}

/// A service that runs in a home.
pub(crate) struct Service {
    pub(crate) running: Running,
    pub(crate) api: Api,
}

const CONFIG: &str = r#"
[site]
name = "Home"
id = "home"
node = "test"

[panel]
exit-delay = "0s"
entry-delay = "40s"

[gpio]
backend = "simulated"

[[sensor]]
name = "hall"
kind = "motion"
gpio = 18
warm-up = "0s"

[[sensor]]
name = "front door"
kind = "contact"
simulated = true
entry = "delayed"

[[nodemcu]]
name = "kitchen"
port = "DIR/nodemcu-kitchen"

[[sensor]]
name = "kitchen gas"
kind = "gas"
nodemcu = "kitchen.gas"
warm-up = "0s"

[buzzer]
gpio = 17

[exhaust]
gpio = 4
run-on = "1s"

[camera]
device = "simulated"
width = 320
height = 240

[email]
host = "127.0.0.1"
port = MAIL_PORT
security = "plaintext"
from = "Asfaleia <asfaleia@localhost>"

[phone]
base-url = "http://TELEPHONE"
account-sid = "ACtest"
auth-token-file = "DIR/token"
from = "+15005550006"

[[contact]]
name = "Anna"
email = "anna@example.org"
phone = "+302101234567"

[store]
path = "DIR/store"
"#;

impl Home {
    /// The house above with these changes: each text for another.
    pub(crate) fn with(changes: &[(&str, &str)]) -> Home {
        let dir = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let faults = Faults::default();
        let (mail, telephone, node) = runtime.block_on(async {
            let mail = MailServer::start(&faults).await.unwrap();
            let login = ("ACtest", "s3cret");
            let telephone = TelephoneService::start(&faults, "ACtest", login).await;
            let keys = [NodeKey::Gas];
            let node = SimulatedNode::start("kitchen", &keys, dir.path(), &faults);
            (mail, telephone.unwrap(), node.unwrap())
        });
        let token = dir.path().join("token");
        std::fs::write(&token, "s3cret\n").unwrap();
        std::fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
        let home = Home {
            faults,
            mail,
            telephone,
            node,
            _runtime: runtime,
            dir,
        };
        home.write(&home.config(changes));
        home
    }

    /// The text of its configuration with these changes.
    pub(crate) fn config(&self, changes: &[(&str, &str)]) -> String {
        let text = changed(CONFIG, changes);
        text.replace("MAIL_PORT", &self.mail.address().port().to_string())
            .replace("TELEPHONE", &self.telephone.address().to_string())
            .replace("DIR", self.dir.path().to_str().unwrap())
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("asfaleia.toml")
    }

    pub(crate) fn write(&self, config: &str) {
        std::fs::write(self.file(), config).unwrap();
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("asfaleia.sock")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// `asfaleia run` in this house, not started yet.
    pub(crate) fn command(&self) -> Command {
        let mut command = asfaleia();
        command.arg("run").arg("--config").arg(self.file());
        command.arg("--socket").arg(self.socket());
        command
    }

    /// Starts the service and waits until it answers.
    pub(crate) fn start(&self) -> Service {
        self.launch(self.command())
    }

    pub(crate) fn launch(&self, command: Command) -> Service {
        let running = Running::start(command, &self.dir.path().join("log"));
        let api = Api::Socket(self.socket());
        let mut service = Service { running, api };
        until("an answer on the socket", || {
            let ended = service.running.child.try_wait().unwrap();
            assert!(ended.is_none(), "the service ended: {ended:?}");
            service.api.try_connect().ok()
        });
        service
    }

    /// Starts the service, waits until the node was heard, and arms away: committed, a kill finds it.
    pub(crate) fn armed(&self) -> Service {
        let service = self.start();
        service.until_heard();
        service.api.post("arm", json!({ "mode": "away" }));
        service.api.until_committed();
        service
    }

    /// A finger reader; its port is `DIR/finger` in the configuration. It breaks with this house's
    /// faults.
    pub(crate) fn finger_reader(&self) -> SimulatedReader {
        SimulatedReader::start(Model::R503, self.dir.path(), &self.faults).unwrap()
    }

    /// Another command of the program, to this house's service.
    pub(crate) fn cli(&self, args: &[&str]) -> (i32, String, String) {
        outcome(self.cli_command(args))
    }

    pub(crate) fn cli_command(&self, args: &[&str]) -> Command {
        let mut command = asfaleia();
        command.args(args).arg("--config").arg(self.file());
        command.arg("--socket").arg(self.socket());
        command
    }

    /// Breaks or mends something outside the service.
    pub(crate) fn faults(&self, faults: Value) {
        self.faults.put(faults).unwrap();
    }

    pub(crate) fn gas(&self, leaks: bool) {
        self.node.set(NodeKey::Gas, leaks);
    }

    pub(crate) fn mails(&self) -> Vec<Value> {
        list(self.mail.mails())
    }

    pub(crate) fn until_mails(&self, subject: &str, count: usize) -> Vec<Value> {
        until_mails(|| self.mails(), subject, count)
    }

    pub(crate) fn calls(&self) -> Vec<Value> {
        list(self.telephone.calls())
    }

    pub(crate) fn until_calls(&self, count: usize) -> Vec<Value> {
        until(&format!("{count} calls"), || {
            let calls = self.calls();
            (calls.len() >= count).then_some(calls)
        })
    }
}

impl Service {
    /// Waits until the node on the serial line was heard: until then its sensor tells nothing.
    pub(crate) fn until_heard(&self) {
        self.api.until_gas("clear");
    }
}
