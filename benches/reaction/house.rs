//! A house with one sensor of the kind that is measured, watched by the built program.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use asfaleia::sensors::line::crc16;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixDatagram, UnixStream};

use crate::authority::Authority;
use crate::peers::{Arrivals, mail_server, telephone};
use crate::{Round, now, soon};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    Simulated,
    Serial,
    Mqtt,
}

impl Input {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::Serial => "serial",
            Self::Mqtt => "mqtt",
        }
    }
}

pub(crate) struct House {
    input: Input,
    directory: TempDir,
    service: Child,
    broker: Option<Child>,
    mails: Arrivals,
    calls: Arrivals,
    wire: Wire,
    ready_after: Duration,
    _authority: Authority,
}

enum Wire {
    Api,
    Line { pty: OwnedFd, sequence: u64 },
    Topic { broker: tokio::net::TcpStream },
}

impl House {
    /// `None`: mosquitto is not installed.
    pub(crate) async fn start(input: Input, stall: Option<u64>) -> Option<House> {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let authority = Authority::new();
        let (mail, mails) = mail_server(authority.acceptor()).await;
        let (phone, calls) = telephone(authority.acceptor()).await;
        let (sensor, extra, wire, broker) = match input {
            Input::Simulated => (
                "simulated = true".to_owned(),
                String::new(),
                Wire::Api,
                None,
            ),
            Input::Serial => {
                let pty = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pty");
                grantpt(&pty).expect("ours");
                unlockpt(&pty).expect("ours");
                let name = ptsname(&pty, Vec::new()).expect("it has a name");
                let name = name.to_string_lossy().into_owned();
                let node = format!("[[nodemcu]]\nname = \"kitchen\"\nport = \"{name}\"\n");
                let sensor = "nodemcu = \"kitchen.gas\"\nwarm-up = \"0s\"\nsilent-after = \"1h\"";
                let wire = Wire::Line { pty, sequence: 0 };
                (sensor.to_owned(), node, wire, None)
            }
            Input::Mqtt => {
                let (broker, port) = mosquitto(directory.path()).await?;
                let sensor = "mqtt = { topic = \"esp/tes\", payload-on = \"0\", payload-off = \"1\" }\n\
                              warm-up = \"0s\"\nsilent-after = \"1h\"";
                let section = format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n");
                let stream = mqtt_client(port).await;
                let wire = Wire::Topic { broker: stream };
                (sensor.to_owned(), section, wire, Some(broker))
            }
        };
        let kind = if input == Input::Simulated {
            "beam"
        } else {
            "gas"
        };
        let secret = secret(directory.path());
        let config = format!(
            r#"
[panel]
exit-delay = "0s"
[gpio]
backend = "simulated"
[[sensor]]
name = "the sensor"
kind = "{kind}"
{sensor}
{extra}
[buzzer]
simulated = true
[exhaust]
simulated = true
run-on = "1ms"
[camera]
device = "simulated"
width = 640
height = 480
burst = 1
[email]
host = "localhost"
port = {mail}
security = "starttls"
username = "me"
password-file = "{secret}"
from = "a@example.org"
ca-file = "{ca}"
[phone]
base-url = "https://localhost:{phone}"
account-sid = "AC0"
auth-token-file = "{secret}"
from = "+15005550006"
ladder-every = "0s"
ca-file = "{ca}"
[[contact]]
name = "Anna"
email = "anna@example.org"
phone = "+302101234567"
[store]
path = "{store}"
"#,
            mail = mail.port(),
            phone = phone.port(),
            secret = secret.display(),
            ca = authority.file().display(),
            store = directory.path().join("store").display(),
        );
        let file = directory.path().join("asfaleia.toml");
        std::fs::write(&file, config).expect("it can be written");
        let log = std::fs::File::create(directory.path().join("log")).expect("a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_asfaleia"));
        command
            .arg("run")
            .args(stall.map(|ms| format!("--stall-store={ms}")))
            .arg("--config")
            .arg(&file)
            .arg("--socket")
            .arg(directory.path().join("socket"))
            .env("ASFALEIA_LOG", "warn")
            .env("NOTIFY_SOCKET", directory.path().join("notify"))
            .stdout(Stdio::null())
            .stderr(log);
        let notified = UnixDatagram::bind(directory.path().join("notify")).expect("a socket");
        let started = Instant::now();
        let service = command.spawn().expect("the program starts");
        let mut message = [0; 256];
        soon(notified.recv(&mut message))
            .await
            .expect("it is ready");
        let ready_after = started.elapsed();
        let mut house = House {
            input,
            directory,
            service,
            broker,
            mails,
            calls,
            wire,
            ready_after,
            _authority: authority,
        };
        house
            .wait_for("the socket", |house| house.socket().exists())
            .await;
        house.until(|status| status["state"] == "disarmed").await;
        // The sensor's first word, and roots and tickets fetched.
        house.set(false).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some(house)
    }

    pub(crate) fn output_name(&self) -> &'static str {
        match self.input {
            Input::Simulated => "buzzer switched",
            Input::Serial | Input::Mqtt => "exhaust switched",
        }
    }

    /// One alarm from rest to rest.
    pub(crate) async fn round(&mut self) -> Round {
        let output = match self.input {
            Input::Simulated => "buzzer",
            Input::Serial | Input::Mqtt => "exhaust",
        };
        if self.input == Input::Simulated {
            self.ask("POST", "arm", &json!({"mode": "away"})).await;
        }
        let sent = self.set(true).await;
        let call = soon(self.calls.recv()).await.expect("the server runs");
        let mail = soon(self.mails.recv()).await.expect("the server runs");
        let outputs = self.ask("GET", "sim/outputs", &Value::Null).await;
        let switched = outputs[output]["changed_ns"].as_u64().expect("a number");
        self.set(false).await;
        if self.input == Input::Simulated {
            self.ask("POST", "disarm", &Value::Null).await;
        } else {
            self.ask("POST", "ack", &Value::Null).await;
        }
        self.until(|status| status["incidents"] == json!([]) && status["outbox"]["waiting"] == 0)
            .await;
        let since = |at: u64| at.saturating_sub(sent) as f64 / 1e6;
        Round {
            output: since(switched),
            call: since(call),
            mail: since(mail),
        }
    }

    /// Sends a reading; returns when.
    async fn set(&mut self, active: bool) -> u64 {
        match &mut self.wire {
            Wire::Api => {
                let sent = now();
                self.ask(
                    "PUT",
                    "sim/sensors/the%20sensor",
                    &json!({"active": active}),
                )
                .await;
                sent
            }
            Wire::Line { pty, sequence } => {
                *sequence += 1;
                let raw = 300 + *sequence % 7;
                let gas = u8::from(active);
                let text = format!("ASF1 kitchen {sequence} {sequence} gas={gas} raw={raw}");
                let line = format!("{text} *{:04X}\n", crc16(text.as_bytes()));
                let sent = now();
                rustix::io::write(&*pty, line.as_bytes()).expect("the line is open");
                sent
            }
            Wire::Topic { broker } => {
                let payload = if active { b'0' } else { b'1' };
                let mut packet = vec![0x30, 10, 0, 7];
                packet.extend_from_slice(b"esp/tes");
                packet.push(payload);
                let sent = now();
                broker
                    .write_all(&packet)
                    .await
                    .expect("the broker takes it");
                sent
            }
        }
    }

    /// Where the API answers.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    async fn until(&mut self, fits: impl Fn(&Value) -> bool) {
        for _ in 0..2_000 {
            let status = self.ask("GET", "status", &Value::Null).await;
            if fits(&status) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let status = self.ask("GET", "status", &Value::Null).await;
        panic!(
            "the house does not come to rest: {status:#}\n{}",
            self.log()
        );
    }

    async fn wait_for(&mut self, what: &str, mut there: impl FnMut(&House) -> bool) {
        for _ in 0..1_000 {
            if there(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{what} does not come: {}", self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// The API on the socket.
    async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let mut socket = UnixStream::connect(self.socket())
            .await
            .expect("it answers");
        let request = format!(
            "{method} /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        socket
            .write_all(request.as_bytes())
            .await
            .expect("it takes it");
        let mut answer = String::new();
        soon(socket.read_to_string(&mut answer))
            .await
            .expect("it answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        serde_json::from_str(body).unwrap_or(Value::Null)
    }

    /// From the start of the process until it said READY, in milliseconds.
    pub(crate) fn ready_after(&self) -> f64 {
        self.ready_after.as_secs_f64() * 1e3
    }

    /// Processor time in nanoseconds, and bytes that went to the disk.
    pub(crate) fn used(&self) -> (u64, u64) {
        let folder = format!("/proc/{}", self.service.id());
        let mut cpu = 0;
        for task in std::fs::read_dir(format!("{folder}/task")).expect("it runs") {
            let file = task.expect("a task").path().join("schedstat");
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let first = text.split(' ').next().and_then(|it| it.parse::<u64>().ok());
            cpu += first.unwrap_or(0);
        }
        let io = std::fs::read_to_string(format!("{folder}/io")).expect("it runs");
        let written = (io.lines()).find_map(|line| line.strip_prefix("write_bytes: "));
        let written = written.and_then(|it| it.parse().ok());
        (cpu, written.expect("the kernel counts it"))
    }

    /// Resident memory of the program, as the kernel says it.
    pub(crate) fn resident(&self) -> String {
        let path = format!("/proc/{}/status", self.service.id());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS"));
        line.unwrap_or("unknown").to_owned()
    }

    /// The program, as its parent sees it.
    pub(crate) fn service(&mut self) -> &mut Child {
        &mut self.service
    }

    pub(crate) async fn stop(mut self) {
        // It may have been told to end already.
        let _ = self.service().kill();
        self.service().wait().expect("it ends");
        if let Some(mut broker) = self.broker {
            broker.kill().expect("it runs");
            broker.wait().expect("it ends");
        }
    }
}

fn secret(directory: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let file = directory.join("secret");
    std::fs::write(&file, "secret").expect("it can be written");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("it is ours");
    file
}

/// A broker on a free port.
async fn mosquitto(directory: &Path) -> Option<(Child, u16)> {
    let program = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"]
        .into_iter()
        .find(|path| Path::new(path).exists())?;
    let probe = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let port = probe.local_addr().expect("it is bound").port();
    drop(probe);
    let file = directory.join("mosquitto.conf");
    let config = format!("listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n");
    std::fs::write(&file, config).expect("it can be written");
    let broker = Command::new(program)
        .arg("-c")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto starts");
    Some((broker, port))
}

/// The least MQTT client: CONNECT, then PUBLISH with QoS 0.
async fn mqtt_client(port: u16) -> tokio::net::TcpStream {
    let mut stream = loop {
        match tokio::net::TcpStream::connect(("127.0.0.1", port)).await {
            Ok(stream) => break stream,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    stream.set_nodelay(true).expect("TCP has it");
    let mut connect = vec![0x10, 17, 0, 4];
    connect.extend_from_slice(b"MQTT\x04\x02\x00\x00\x00\x05bench");
    stream.write_all(&connect).await.expect("it is open");
    let mut acknowledged = [0; 4];
    soon(stream.read_exact(&mut acknowledged))
        .await
        .expect("it answers");
    assert_eq!(acknowledged, [0x20, 2, 0, 0], "the broker lets us in");
    stream
}
