//! The least HTTP client: what is sent is what the test wrote.

use std::io::{BufRead, BufReader, Read, Write};
use std::time::Duration;

use serde_json::Value;

use super::document::{fits_schema, hold};
use super::house::FakeHouse;

/// Longer than anything takes; a test that waits so long has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The sentence of an error body, which every error has.
    pub(crate) fn error(&self) -> String {
        let json = self.json();
        let sentence = json["error"].as_str().expect("an error has a sentence");
        assert!(sentence.len() > 10, "not a sentence: {sentence:?}");
        sentence.to_owned()
    }
}

impl FakeHouse {
    /// Over TCP, as a well-behaved program does.
    pub(crate) fn tcp(&self, method: &str, path: &str, body: &str) -> Answer {
        let host = format!("127.0.0.1:{}", self.address.port());
        self.tcp_with(
            method,
            path,
            &[("Host", &host), ("Content-Type", "application/json")],
            body,
        )
    }

    /// Over TCP with exactly these headers (and the length).
    pub(crate) fn tcp_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        exchange(self.connect_tcp(), method, path, headers, body)
    }

    /// Over the Unix socket.
    pub(crate) fn unix(&self, method: &str, path: &str, body: &str) -> Answer {
        exchange(
            self.connect_unix(),
            method,
            path,
            &[("Host", "localhost")],
            body,
        )
    }

    pub(crate) fn connect_tcp(&self) -> Box<dyn Wire> {
        let wire = std::net::TcpStream::connect(self.address).unwrap();
        wire.set_read_timeout(Some(DEADLINE)).unwrap();
        Box::new(wire)
    }

    pub(crate) fn connect_unix(&self) -> Box<dyn Wire> {
        let wire = std::os::unix::net::UnixStream::connect(&self.socket).unwrap();
        wire.set_read_timeout(Some(DEADLINE)).unwrap();
        Box::new(wire)
    }

    /// An open stream of server-sent events.
    pub(crate) fn stream(&self, query: &str, header: &str) -> Sse {
        let mut wire = self.connect_unix();
        write!(
            wire,
            "GET /api/v1/stream{query} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n"
        )
        .unwrap();
        let mut lines = BufReader::new(wire);
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert!(line.contains("200"), "{line}");
        hold("GET", "/api/v1/stream", 200, Some("text/event-stream"), b"");
        Sse { lines }
    }
}

fn exchange(
    mut wire: Box<dyn Wire>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", body.len());
    wire.write_all(head.as_bytes()).unwrap();
    // Whoever refuses a body by its head may have hung up before it came.
    let _ = wire.write_all(body.as_bytes());
    let answer = read_answer(wire);
    let kind = answer.header("content-type");
    hold(method, path, answer.status, kind, &answer.body);
    answer
}

pub(crate) fn read_answer(mut wire: Box<dyn Wire>) -> Answer {
    let mut bytes = Vec::new();
    match wire.read_to_end(&mut bytes) {
        Ok(_) => {}
        // What was refused unread ends so, after the answer.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(&bytes)));
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        head,
        body: bytes[end + 4..].to_vec(),
    }
}

/// Server-sent events as they come.
pub(crate) struct Sse {
    lines: BufReader<Box<dyn Wire>>,
}

#[derive(Debug, Default)]
pub(crate) struct SseEvent {
    pub(crate) kind: Option<String>,
    pub(crate) id: Option<u64>,
    pub(crate) data: Value,
}

impl Sse {
    /// The next event; `None` when the stream has ended. (Lines of the chunked coding are neither
    /// `event:` nor `data:`, and each event is a chunk.)
    pub(crate) fn next(&mut self) -> Option<SseEvent> {
        let mut event = SseEvent::default();
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            let line = line.trim_end();
            if let Some(kind) = line.strip_prefix("event: ") {
                event.kind = Some(kind.to_owned());
            } else if let Some(id) = line.strip_prefix("id: ") {
                event.id = Some(id.parse().unwrap());
            } else if let Some(data) = line.strip_prefix("data: ") {
                event.data = serde_json::from_str(data).unwrap();
            } else if line.is_empty() && !event.data.is_null() {
                match event.kind.as_deref() {
                    None => fits_schema("Event", &event.data),
                    Some("status") => fits_schema("Status", &event.data),
                    Some(other) => assert_eq!(other, "alive"),
                }
                return Some(event);
            }
        }
    }

    pub(crate) fn next_status(&mut self) -> Value {
        loop {
            let event = self.next().expect("the stream goes on");
            if event.kind.as_deref() == Some("status") {
                return event.data;
            }
        }
    }

    /// The next events of history.
    pub(crate) fn history(&mut self, count: usize) -> Vec<Value> {
        let mut events = Vec::new();
        while events.len() < count {
            let event = self.next().expect("the stream goes on");
            if event.kind.is_none() {
                assert_eq!(event.id, event.data["id"].as_u64());
                events.push(event.data);
            }
        }
        events
    }

    pub(crate) fn ids(&mut self, count: usize) -> Vec<u64> {
        let events = self.history(count);
        events
            .iter()
            .map(|event| event["id"].as_u64().unwrap())
            .collect()
    }
}
