//! A mail server that remembers which life of the service sent each mail.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A mail that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) message_id: String,
    pub(crate) to: String,
    /// The life in which its connection was opened.
    pub(crate) life: u32,
    /// When its final dot came.
    pub(crate) at: Instant,
}

/// Ends with the test's process: its threads wait for connections that nobody opens.
#[derive(Clone)]
pub(crate) struct PostOffice {
    pub(crate) port: u16,
    taken: Arc<Mutex<Vec<Taken>>>,
    life: Arc<AtomicU32>,
}

impl PostOffice {
    /// Its last word about a mail comes after up to `slow`: time to die in between.
    pub(crate) fn open(slow: Duration) -> PostOffice {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let office = PostOffice {
            port: listener.local_addr().unwrap().port(),
            taken: Arc::default(),
            life: Arc::default(),
        };
        let clerk = office.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let clerk = clerk.clone();
                let life = clerk.life.load(Ordering::SeqCst);
                std::thread::spawn(move || clerk.converse(stream, life, slow));
            }
        });
        office
    }

    /// From now on another life.
    pub(crate) fn next_life(&self) -> u32 {
        self.life.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }

    fn converse(&self, mut stream: TcpStream, life: u32, slow: Duration) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        writeln!(stream, "220 ready\r").ok()?;
        let mut to = String::new();
        while let Some(Ok(line)) = lines.next() {
            if let Some(address) = line.strip_prefix("RCPT TO:") {
                to = address.to_owned();
            }
            if line != "DATA" {
                writeln!(stream, "250 ok\r").ok()?;
                continue;
            }
            writeln!(stream, "354 go on\r").ok()?;
            let mut message_id = None;
            loop {
                let line = lines.next()?.ok()?;
                if line == "." {
                    break;
                }
                let id = line.strip_prefix("Message-ID: ").map(str::to_owned);
                message_id = message_id.or(id);
            }
            self.taken.lock().unwrap().push(Taken {
                message_id: message_id.expect("every mail has one"),
                to: to.clone(),
                life,
                at: Instant::now(),
            });
            std::thread::sleep(slow.mul_f64(fastrand::f64()));
            writeln!(stream, "250 taken\r").ok()?;
        }
        Some(())
    }
}
