//! The original's house (`config/classic-mqtt.toml`) with a broker, a mail server and a telephone
//! service that are not ours, each a process of its own.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;
use tempfile::TempDir;

use crate::api::{Api, DEADLINE, until};
use crate::mqtt::{Mosquitto, Peer};
use crate::process::{Running, asfaleia, changed};

const CLASSIC: &str = include_str!("../../config/classic-mqtt.toml");

pub(crate) struct House {
    pub(crate) mail: Script,
    pub(crate) telephone: Script,
    pub(crate) peer: Peer,
    pub(crate) api: Api,
    // Ended in this order.
    _service: Running,
    pub(crate) mosquitto: Mosquitto,
    _dir: TempDir,
}

impl House {
    /// The service runs, is connected to the broker, and trusts the right authority.
    pub(crate) fn start(changes: &[(&str, &str)]) -> House {
        Self::trusting("ca.pem", changes)
    }

    /// The same, trusting `ca.pem` or `other-ca.pem`.
    pub(crate) fn trusting(ca: &str, changes: &[(&str, &str)]) -> House {
        let mosquitto = Mosquitto::open();
        let dir = tempfile::tempdir().unwrap();
        issue(dir.path(), "ca.pem");
        // Of the same name, by somebody else.
        issue(&dir.path().join("other"), "other-ca.pem");
        let mail = Script::start("mail_server.py", dir.path(), ["me@example.org", "s3cret"]);
        let account = ["ACxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "t0ken"];
        let telephone = Script::start("telephone_service.py", dir.path(), account);

        let secret = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
            path.display().to_string()
        };
        let ca = match ca {
            "ca.pem" => dir.path().join(ca),
            other => dir.path().join("other").join(other),
        };
        let ca = format!("ca-file = \"{}\"", ca.display());
        let text = changed(
            CLASSIC,
            &[
                ("port = 1883", &format!("port = {}", mosquitto.port())),
                ("[mqtt]", "[gpio]\nbackend = \"simulated\"\n\n[mqtt]"),
                ("device = \"auto\"", "device = \"simulated\""),
                ("smtp.gmail.com", "localhost"),
                ("port = 587", &format!("port = {}\n{ca}", mail.port)),
                (
                    "/etc/asfaleia/secrets/smtp-password",
                    &secret("smtp-password", "s3cret\n"),
                ),
                (
                    "[phone]\n",
                    &format!(
                        "[phone]\nbase-url = \"https://localhost:{}\"\n{ca}\n",
                        telephone.port
                    ),
                ),
                (
                    "/etc/asfaleia/secrets/twilio-token",
                    &secret("twilio-token", "t0ken\n"),
                ),
            ],
        );
        let store = format!(
            "\n[store]\npath = \"{}\"\n",
            dir.path().join("store").display()
        );
        let text = changed(&text, changes) + &store;
        let file = dir.path().join("asfaleia.toml");
        std::fs::write(&file, text).unwrap();

        let peer = Peer::at(&mosquitto);
        peer.subscribe("home/+/availability");
        let socket = dir.path().join("asfaleia.sock");
        let mut command = asfaleia();
        command.arg("run").arg("--config").arg(file);
        command.arg("--socket").arg(&socket);
        let service = Running::start(command, &dir.path().join("log"));
        let api = Api::Socket(socket);
        until("an answer on the socket", || api.try_connect().ok());
        peer.hears_last("/availability", "online");
        House {
            mail,
            telephone,
            peer,
            api,
            _service: service,
            mosquitto,
            _dir: dir,
        }
    }

    /// Another program at the broker as it runs now.
    pub(crate) fn another_peer(&self) -> Peer {
        Peer::at(&self.mosquitto)
    }
}

/// An authority at `ca`, and a certificate of it for `localhost` with its key.
fn issue(dir: &Path, ca: &str) {
    std::fs::create_dir_all(dir).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let server_key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&server_key, &issuer).unwrap();
    std::fs::write(dir.join(ca), root.pem()).unwrap();
    std::fs::write(dir.join("server.pem"), certificate.pem()).unwrap();
    std::fs::write(dir.join("server-key.pem"), server_key.serialize_pem()).unwrap();
}

/// A peer in Python, and what it tells: a line of JSON for each thing that reached it.
pub(crate) struct Script {
    child: Child,
    log: PathBuf,
    port: u16,
    told: Receiver<Value>,
}

impl Script {
    fn start(name: &str, dir: &Path, login: [&str; 2]) -> Script {
        // It gets the listener itself: between here and there nobody else takes the port.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/peers")
            .join(name);
        let log = dir.join(name).with_extension("log");
        // Debian's python3, which sees Debian's python3-aiosmtpd.
        let mut child = Command::new("/usr/bin/python3")
            .arg(script)
            .arg(dir.join("server.pem"))
            .arg(dir.join("server-key.pem"))
            .args(login)
            .stdin(OwnedFd::from(listener))
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .expect("python3 is installed: apt-get install python3-aiosmtpd");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if tell.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return; // the test is over
                }
            }
        });
        let script = Script {
            child,
            log,
            port,
            told,
        };
        let first = script.told.recv_timeout(DEADLINE);
        assert_eq!(
            first.expect("apt-get install python3-aiosmtpd"),
            "ready",
            "{name}"
        );
        script
    }

    /// What reaches it next.
    pub(crate) fn next(&self) -> Value {
        self.told.recv_timeout(DEADLINE).unwrap()
    }

    /// What reaches it within this time, if anything does.
    pub(crate) fn next_within(&self, time: Duration) -> Option<Value> {
        self.told.recv_timeout(time).ok()
    }

    /// Everything that reached it and was not asked for yet.
    pub(crate) fn so_far(&self) -> Vec<Value> {
        self.told.try_iter().collect()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let said = std::fs::read_to_string(&self.log);
            eprintln!("--- what the peer said ---\n{}", said.unwrap_or_default());
        }
    }
}
