//! The built program, broken for real: killed, its disk filled and damaged, the servers it talks to
//! hanging, refusing and dropping. Each test ends with a line that says how much was broken.
//! `KILLS`, `DAMAGES` and `SEED` in the environment make it more, or the same again.

#![allow(clippy::unwrap_used)] // A test ends where something is not as it was made.

mod devices;
mod disk;
mod kills;
mod mail;
mod names;
mod namespace;
mod post_office;
mod store;
mod telephone;
mod telephone_exchange;

// The built program is talked to as in the other tests, and so are the servers.
#[allow(dead_code)]
#[path = "../service/api.rs"]
mod api;
#[allow(dead_code)]
#[path = "../notify/authority.rs"]
mod authority;
#[allow(dead_code)]
#[path = "../service/home.rs"]
mod home;
#[allow(dead_code)]
#[path = "../notify/mail_server.rs"]
mod mail_server;
#[allow(dead_code)]
#[path = "../service/process.rs"]
mod process;

use std::io::Write;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

/// What did not hold, found from many threads.
#[derive(Default)]
pub(crate) struct Violations(Mutex<Vec<String>>);

impl Violations {
    pub(crate) fn note(&self, what: impl Into<String>) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.push(what.into());
    }

    pub(crate) fn unless(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.note(what());
        }
    }

    /// Says what was broken, also where the test runner keeps the output of tests to itself.
    pub(crate) fn close(self, broken: &str) {
        let noted = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let line = format!("faults: {broken}, {} violations\n", noted.len());
        std::io::stdout().write_all(line.as_bytes()).unwrap();
        assert!(noted.is_empty(), "{line}{}", noted.join("\n"));
    }
}

/// From the environment, or this.
pub(crate) fn number<T: FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => (text.parse()).unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    }
}

/// Each case by itself, so many at once.
pub(crate) fn side_by_side<T: Sync>(cases: &[T], at_once: usize, rehearse: impl Fn(&T) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { return };
                    rehearse(case);
                }
            });
        }
    });
}
