//! The service's API, asked as any program may: HTTP over TCP or the Unix socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

#[allow(dead_code)]
#[path = "../api/document.rs"]
mod document;

/// Longer than anything takes; a test that waits so long has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Asks until there is an answer.
pub(crate) fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(15));
    }
}

/// Where a service answers.
#[derive(Clone)]
pub(crate) enum Api {
    Tcp(SocketAddr),
    Socket(PathBuf),
}

/// A connection that is kept.
pub(crate) struct Wire {
    host: String,
    reader: BufReader<Box<dyn Both>>,
}

trait Both: Read + Write {}
impl<T: Read + Write> Both for T {}

impl Api {
    pub(crate) fn try_connect(&self) -> std::io::Result<Wire> {
        let (host, stream): (String, Box<dyn Both>) = match self {
            Api::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(DEADLINE))?;
                (address.to_string(), Box::new(stream))
            }
            Api::Socket(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(DEADLINE))?;
                ("localhost".to_owned(), Box::new(stream))
            }
        };
        let reader = BufReader::new(stream);
        Ok(Wire { host, reader })
    }

    pub(crate) fn connect(&self) -> Wire {
        self.try_connect().unwrap()
    }

    /// Status and body.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (status, bytes) = self.connect().ask(method, path, body);
        let body = serde_json::from_slice(&bytes);
        (status, body.unwrap_or(Value::Null))
    }

    /// The answer of a service that may be on its way out: none where it ended before it had answered.
    pub(crate) fn try_get(&self, path: &str) -> Option<Value> {
        let mut wire = self.try_connect().ok()?;
        wire.try_send("GET", path, &Value::Null).ok()?;
        let (status, _, body) = wire.try_answer().ok()?;
        assert_eq!(status, 200, "GET {path}");
        serde_json::from_slice(&body).ok()
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, &Value::Null);
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        let (status, bytes) = self.connect().ask("GET", path, &Value::Null);
        assert_eq!(status, 200, "GET {path}");
        bytes
    }

    pub(crate) fn post(&self, path: &str, body: Value) {
        let (status, answer) = self.ask("POST", path, &body);
        assert_eq!(status, 200, "POST {path}: {answer}");
    }

    pub(crate) fn set(&self, sensor: &str, active: bool) {
        self.sim_sensor(sensor, json!({ "active": active }));
    }

    pub(crate) fn pulse(&self, sensor: &str) {
        self.sim_sensor(sensor, json!({ "pulse": "200ms" }));
    }

    fn sim_sensor(&self, sensor: &str, body: Value) {
        let path = format!("sim/sensors/{}", sensor.replace(' ', "%20"));
        let (status, answer) = self.ask("PUT", &path, &body);
        assert_eq!(status, 200, "PUT {path}: {answer}");
    }

    pub(crate) fn faults(&self, faults: Value) {
        let (status, answer) = self.ask("PUT", "sim/faults", &faults);
        assert_eq!(status, 200, "{answer}");
    }

    pub(crate) fn status(&self) -> Value {
        self.get("status")
    }

    pub(crate) fn state(&self) -> String {
        self.status()["state"].as_str().unwrap().to_owned()
    }

    /// Also in the history: it is committed, and a kill finds it.
    pub(crate) fn until_state(&self, state: &str) {
        until(&format!("the state {state}"), || {
            (self.state() == state && self.committed_state()? == state).then_some(())
        });
    }

    /// Waits until the state that is shown is in the history too: a command is answered after 20 ms,
    /// committed or not.
    pub(crate) fn until_committed(&self) {
        until("the state in the history", || {
            (self.committed_state()? == self.state()).then_some(())
        });
    }

    fn committed_state(&self) -> Option<String> {
        let states = self.events_of("state");
        Some(states.last()?["data"]["to"].as_str().unwrap().to_owned())
    }

    /// Waits for the status to fit. Outputs are switched, and mails and history may tell of it, before
    /// it shows what they come from.
    pub(crate) fn until_status(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        until(what, || {
            let status = self.status();
            fits(&status).then_some(status)
        })
    }

    pub(crate) fn until_gas(&self, gas: &str) {
        self.until_status(&format!("the gas {gas}"), |status| status["gas"] == gas);
    }

    /// Waits for a sensor to be shown like this.
    pub(crate) fn until_sensor(&self, sensor: &str, state: &str) {
        self.until_status(&format!("{sensor} to be {state}"), |status| {
            let mut sensors = status["sensors"].as_array().unwrap().iter();
            sensors.any(|it| it["name"] == sensor && it["state"] == state)
        });
    }

    /// The end of the delay, pause or siren, in milliseconds since 1970.
    pub(crate) fn ends_at(&self) -> i64 {
        let status = self.status();
        let text = status["until"].as_str().expect("something ends");
        millis(text)
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.status()["outbox"]["waiting"].as_u64().unwrap()
    }

    pub(crate) fn output(&self, output: &str) -> bool {
        self.get("sim/outputs")[output]["active"].as_bool().unwrap()
    }

    pub(crate) fn until_output(&self, output: &str, active: bool) {
        until(&format!("{output}: {active}"), || {
            (self.output(output) == active).then_some(())
        });
    }

    /// The text of this trouble, if it stands.
    pub(crate) fn trouble(&self, code: &str) -> Option<String> {
        let status = self.status();
        let troubles = status["troubles"].as_array().unwrap();
        let trouble = troubles.iter().find(|trouble| trouble["code"] == code)?;
        Some(trouble["text"].as_str().unwrap().to_owned())
    }

    pub(crate) fn until_trouble(&self, code: &str) -> String {
        until(&format!("the trouble {code}"), || self.trouble(code))
    }

    pub(crate) fn until_no_trouble(&self, code: &str) {
        until(&format!("the end of the trouble {code}"), || {
            self.trouble(code).is_none().then_some(())
        });
    }

    /// The whole history.
    pub(crate) fn events(&self) -> Vec<Value> {
        let mut events: Vec<Value> = Vec::new();
        loop {
            let last = events
                .last()
                .map_or(0, |event| event["id"].as_u64().unwrap());
            let mut page = self.get(&format!("events?after={last}&limit=1000"));
            let Value::Array(page) = page["events"].take() else {
                panic!("a page of events is a list")
            };
            if page.is_empty() {
                return events;
            }
            events.extend(page);
        }
    }

    /// The history's lines of one kind.
    pub(crate) fn events_of(&self, kind: &str) -> Vec<Value> {
        let mut events = self.events();
        events.retain(|event| event["kind"] == kind);
        events
    }

    /// Waits for a message to have come to this in the history; returns what was said about it.
    pub(crate) fn until_message(&self, channel: &str, outcome: &str) -> String {
        until(&format!("{channel}: {outcome}"), || {
            let data = |event: Value| event["data"].clone();
            let found = |data: &Value| data["channel"] == channel && data["outcome"] == outcome;
            let mut messages = self.events_of("message").into_iter().map(data);
            let message = messages.find(found)?;
            Some(message["detail"].as_str().unwrap().to_owned())
        })
    }

    /// What the simulator's mail server took.
    pub(crate) fn mails(&self) -> Vec<Value> {
        list(self.get("sim/mails"))
    }

    /// What the simulator's telephone service took.
    pub(crate) fn calls(&self) -> Vec<Value> {
        list(self.get("sim/calls"))
    }

    pub(crate) fn until_mails(&self, subject: &str, count: usize) -> Vec<Value> {
        until_mails(|| self.mails(), subject, count)
    }

    pub(crate) fn until_calls(&self, count: usize) -> Vec<Value> {
        until(&format!("{count} calls"), || {
            let calls = self.calls();
            (calls.len() >= count).then_some(calls)
        })
    }
}

/// Waits for so many mails whose subject has this in it.
pub(crate) fn until_mails(
    mails: impl Fn() -> Vec<Value>,
    subject: &str,
    count: usize,
) -> Vec<Value> {
    until(&format!("{count} mails with {subject:?}"), || {
        let mut mails = mails();
        mails.retain(|mail| mail["subject"].as_str().unwrap().contains(subject));
        (mails.len() >= count).then_some(mails)
    })
}

pub(crate) fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        other => panic!("not a list: {other}"),
    }
}

/// RFC 3339 to milliseconds since 1970.
pub(crate) fn millis(rfc3339: &str) -> i64 {
    rfc3339.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

impl Wire {
    /// One request on this connection: status and body.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &Value) -> (u16, Vec<u8>) {
        self.send(method, path, body);
        let (status, kind, body) = self.try_answer().expect("an answer");
        document::hold(method, &full(path), status, kind.as_deref(), &body);
        (status, body)
    }

    pub(crate) fn send(&mut self, method: &str, path: &str, body: &Value) {
        self.try_send(method, path, body).expect("the request sent");
    }

    fn try_send(&mut self, method: &str, path: &str, body: &Value) -> std::io::Result<()> {
        let path = full(path);
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.reader.get_mut().write_all(request.as_bytes())
    }

    /// Status, media type and body.
    fn try_answer(&mut self) -> std::io::Result<(u16, Option<String>, Vec<u8>)> {
        let first = self.try_line()?;
        if first.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let status = first.split(' ').nth(1).expect("a status line");
        let status = status.parse().unwrap();
        let (mut length, mut kind) = (0, None);
        loop {
            let line = self.try_line()?.to_ascii_lowercase();
            assert!(!line.contains("chunked"), "every answer has a length");
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if let Some(value) = line.strip_prefix("content-type:") {
                kind = Some(value.trim().to_owned());
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body)?;
        Ok((status, kind, body))
    }

    /// The next line, without its end. Empty too when the other side has hung up.
    pub(crate) fn line(&mut self) -> String {
        self.try_line().expect("a line")
    }

    fn try_line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// Everything until the other side hangs up.
    pub(crate) fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).unwrap();
        rest
    }
}

/// A path as it goes over the wire: what has no `/` in front is the API's.
fn full(path: &str) -> String {
    match path.strip_prefix('/') {
        Some(_) => path.to_owned(),
        None => format!("/api/v1/{path}"),
    }
}
