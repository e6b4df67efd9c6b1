//! Everything outside the process that its parts can touch: what is broken, and who sees it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use asfaleia::alarm::IncidentId;
use asfaleia::store::{Disk, StoreFailure};
use fastrand::Rng;

use crate::house::pick;
use crate::ledger::Ledger;
use crate::log::Log;
use crate::people::Call;

/// Shared by the scheduler and the parts of the process; one thread, so never waited for.
#[derive(Clone)]
pub(crate) struct Outside(Arc<Mutex<Things>>);

pub(crate) struct Things {
    pub(crate) rng: Rng,
    pub(crate) faults: Faults,
    pub(crate) ledger: Ledger,
    pub(crate) log: Log,
    pub(crate) calls: Vec<Call>,
    pub(crate) photos_wanted: Vec<(IncidentId, u32)>,
    /// The process is killed after so many steps.
    pub(crate) kill_in: Option<u32>,
    pub(crate) dead: bool,
}

impl Outside {
    pub(crate) fn new(rng: Rng, log: Log) -> Outside {
        Outside(Arc::new(Mutex::new(Things {
            rng,
            faults: Faults::default(),
            ledger: Ledger::default(),
            log,
            calls: Vec::new(),
            photos_wanted: Vec::new(),
            kill_in: None,
            dead: false,
        })))
    }

    pub(crate) fn things(&self) -> MutexGuard<'_, Things> {
        self.0.lock().expect("nobody panicked with it")
    }
}

impl Things {
    /// The process takes a step. `false`: it is dead.
    pub(crate) fn step(&mut self) -> bool {
        self.ledger.summary.steps += 1;
        if let Some(left) = &mut self.kill_in {
            self.dead |= *left == 0;
            *left = left.saturating_sub(1);
        }
        !self.dead
    }
}

/// What is broken.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Faults {
    pub(crate) mail: Server,
    pub(crate) webhook: Server,
    pub(crate) phone: Server,
    pub(crate) network_down: bool,
    pub(crate) card: Card,
    pub(crate) camera: Camera,
    /// People pick up the phone.
    pub(crate) answered: bool,
}

/// How a server fares.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) enum Server {
    #[default]
    Fine,
    Down,
    Hangs,
    NotNow,
    Refuses,
    LosesAnswers,
    Late,
    Moody,
}

/// How the card fares.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) enum Card {
    #[default]
    Fine,
    Slow,
    Full,
    ReadOnly,
    Moody,
}

/// How the camera fares.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) enum Camera {
    #[default]
    Fine,
    Fails,
    Silent,
}

/// What a server does with one request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    /// Taken, and said so; so long each way.
    Taken(Duration, Duration),
    /// Taken, and nobody heard of it.
    AnswerLost(Duration),
    /// Refused, for now or for good.
    Refused(Duration, Refused),
    Hangs,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Refused {
    ForNow(Option<Duration>),
    ForGood,
}

impl Faults {
    /// One to all of them.
    pub(crate) fn some(rng: &mut Rng) -> Faults {
        use Server::*;
        let servers = [
            Fine,
            Fine,
            Down,
            Hangs,
            NotNow,
            Refuses,
            LosesAnswers,
            Late,
            Moody,
        ];
        let cards = [
            Card::Fine,
            Card::Fine,
            Card::Slow,
            Card::Slow,
            Card::Full,
            Card::ReadOnly,
            Card::Moody,
        ];
        Faults {
            mail: pick(rng, &servers),
            webhook: pick(rng, &servers),
            phone: pick(rng, &servers),
            network_down: rng.u32(..6) == 0,
            card: pick(rng, &cards),
            camera: pick(rng, &[Camera::Fine, Camera::Fails, Camera::Silent]),
            answered: rng.bool(),
        }
    }

    /// Everything at once.
    pub(crate) fn everything(rng: &mut Rng) -> Faults {
        Faults {
            mail: Server::Hangs,
            webhook: Server::Hangs,
            phone: Server::Hangs,
            network_down: false,
            card: pick(rng, &[Card::Full, Card::ReadOnly]),
            camera: Camera::Silent,
            answered: false,
        }
    }

    pub(crate) fn fate(&self, server: Server, rng: &mut Rng) -> Fate {
        let quick = Duration::from_millis(rng.u64(..300));
        let back = Duration::from_millis(rng.u64(..50));
        let long = Duration::from_millis(rng.u64(2_000..60_000));
        let server = match server {
            _ if self.network_down => Server::Down,
            Server::Moody => pick(
                rng,
                &[
                    Server::Fine,
                    Server::Down,
                    Server::NotNow,
                    Server::LosesAnswers,
                    Server::Late,
                ],
            ),
            other => other,
        };
        match server {
            Server::Fine | Server::Moody => Fate::Taken(quick, back),
            Server::Late => Fate::Taken(long, back),
            Server::Down => Fate::Refused(back, Refused::ForNow(None)),
            Server::NotNow => {
                let after = rng.bool().then(|| Duration::from_secs(rng.u64(..300)));
                Fate::Refused(quick, Refused::ForNow(after))
            }
            Server::Refuses => Fate::Refused(quick, Refused::ForGood),
            Server::LosesAnswers => Fate::AnswerLost(quick),
            Server::Hangs => Fate::Hangs,
        }
    }

    /// How long the card takes for a commit, and what it says.
    pub(crate) fn commit(&self, rng: &mut Rng) -> (Duration, Disk) {
        let ms = Duration::from_millis;
        match self.card {
            Card::Fine => (ms(rng.u64(..4)), Disk::Real),
            Card::Slow => (ms(pick(rng, &[15, 18, 19, 20, 25, 300, 3_000])), Disk::Real),
            Card::Full => (ms(1), Disk::Refuses(StoreFailure::Full)),
            Card::ReadOnly => (ms(1), Disk::Refuses(StoreFailure::ReadOnly)),
            Card::Moody => {
                let disk = match rng.u32(..4) {
                    0 => Disk::Refuses(StoreFailure::Device),
                    1 => Disk::Denies(StoreFailure::Device),
                    _ => Disk::Real,
                };
                (ms(rng.u64(..100)), disk)
            }
        }
    }
}
