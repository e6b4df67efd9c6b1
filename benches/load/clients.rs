//! Who asks: streams that listen, and programs that want the status again and again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::soon;

/// What they saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// Events of the streams: history, and the status.
    pub(crate) events: AtomicU64,
    /// Streams that have heard something, or hear on.
    pub(crate) listening: AtomicU64,
    /// Answers to `GET status`.
    pub(crate) answers: AtomicU64,
    /// The slowest of them, in microseconds.
    pub(crate) slowest_us: AtomicU64,
}

/// The clients; gone when this is dropped.
pub(crate) struct Clients {
    pub(crate) seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

impl Clients {
    /// So many streams, and so many requests a second over ten connections that are kept.
    pub(crate) async fn connect(socket: &Path, streams: u64, requests: u64) -> Clients {
        const PROGRAMS: u64 = 10;
        let seen = Arc::new(Seen::default());
        let mut tasks = JoinSet::new();
        for _ in 0..streams {
            tasks.spawn(listen(socket.to_owned(), seen.clone()));
        }
        soon(async {
            while seen.listening.load(Relaxed) < streams {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        if requests > 0 {
            let each = Duration::from_secs(1) * PROGRAMS as u32 / requests as u32;
            for _ in 0..PROGRAMS {
                tasks.spawn(ask(socket.to_owned(), each, seen.clone()));
            }
        }
        Clients {
            seen,
            _tasks: tasks,
        }
    }
}

/// A dashboard: reads what it is told until it is hung up on.
async fn listen(socket: PathBuf, seen: Arc<Seen>) {
    let mut stream = UnixStream::connect(socket).await.expect("it answers");
    let request = "GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("it asks");
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next_line().await.expect("it answers");
    assert_eq!(first.as_deref(), Some("HTTP/1.1 200 OK"));
    seen.listening.fetch_add(1, Relaxed);
    while let Ok(Some(line)) = lines.next_line().await {
        if line.starts_with("data: ") {
            seen.events.fetch_add(1, Relaxed);
        }
    }
    seen.listening.fetch_sub(1, Relaxed);
}

/// A program: asks for the status, at this interval.
async fn ask(socket: PathBuf, each: Duration, seen: Arc<Seen>) {
    let stream = UnixStream::connect(socket).await.expect("it answers");
    let mut stream = BufReader::new(stream);
    let mut ticks = interval(each);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut line = String::new();
    let mut body = Vec::new();
    loop {
        ticks.tick().await;
        let began = Instant::now();
        let request = "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let sent = stream.get_mut().write_all(request.as_bytes()).await;
        sent.expect("it asks");
        let mut length = 0;
        loop {
            line.clear();
            stream.read_line(&mut line).await.expect("it answers");
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim_end().parse().expect("a length is a number");
            }
            if line == "\r\n" {
                break;
            }
        }
        body.resize(length, 0);
        stream.read_exact(&mut body).await.expect("it answers");
        let took = began.elapsed().as_micros() as u64;
        seen.slowest_us.fetch_max(took, Relaxed);
        seen.answers.fetch_add(1, Relaxed);
    }
}
