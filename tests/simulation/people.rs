//! The ways to people: a mail server, a webhook and a telephone service, each with its moods.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use asfaleia::alarm::PhotoId;
use asfaleia::clock::WallTime;
use asfaleia::notify::{
    CallSid, CallStatus, Delivered, Failure, Outgoing, Photo, PlaceFailure, Progress,
};
use asfaleia::outbox::Paths;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::clock::{PiClock, millis, right};
use crate::outside::{Fate, Outside, Refused, Server};

/// The program's own limit for a request that is not answered.
const PATIENCE: Duration = Duration::from_secs(30);
const RINGS: Duration = Duration::from_secs(12);
const CLOCKS_DIFFER: Duration = Duration::from_secs(5);

/// A call as the telephone service knows it.
pub(crate) struct Call {
    number: String,
    placed: Duration,
    answered: bool,
    canceled: bool,
}

/// The world as one life of the process reaches it.
pub(crate) struct People {
    pub(crate) outside: Outside,
    pub(crate) clock: Arc<PiClock>,
    pub(crate) died: Arc<Notify>,
}

impl People {
    /// Between two steps the process may be killed.
    async fn step(&self) {
        let alive = self.outside.things().step();
        if !alive {
            self.died.notify_one();
            pending::<()>().await;
        }
    }

    fn fate(&self, server: impl Fn(&crate::outside::Faults) -> Server) -> Fate {
        let things = &mut *self.outside.things();
        let faults = things.faults;
        faults.fate(server(&faults), &mut things.rng)
    }

    fn note(&self, what: impl std::fmt::Display) {
        self.outside.things().log.line(self.clock.now(), what);
    }

    async fn deliver(&self, to: &str, mail: &Outgoing, fate: Fate) -> Result<Delivered, Failure> {
        let id = &*mail.message_id;
        self.outside.things().ledger.leaves(id, self.clock.now());
        self.step().await;
        match fate {
            Fate::Taken(there, back) => {
                sleep(there).await;
                self.step().await;
                self.outside.things().ledger.taken(id, None);
                self.note(format_args!("{to} has {id}"));
                self.step().await;
                sleep(back).await;
                Ok(Delivered {
                    reply: "250 taken".to_owned(),
                })
            }
            Fate::AnswerLost(there) => {
                sleep(there).await;
                self.step().await;
                {
                    let ledger = &mut self.outside.things().ledger;
                    ledger.taken(id, None);
                    ledger.answer_lost(id);
                }
                self.note(format_args!("{to} has {id}, and the answer got lost"));
                sleep(PATIENCE).await;
                Err(for_now("no answer", None))
            }
            Fate::Refused(there, Refused::ForNow(after)) => {
                sleep(there).await;
                Err(for_now("not now", after))
            }
            Fate::Refused(there, Refused::ForGood) => {
                sleep(there).await;
                self.note(format_args!("{to} refuses {id}"));
                Err(Failure::Permanent {
                    why: "never".to_owned(),
                })
            }
            Fate::Hangs => pending().await,
        }
    }

    fn new_call(&self, number: &str, message: &str) -> CallSid {
        let now = self.clock.now();
        let things = &mut *self.outside.things();
        things.ledger.taken(message, Some(number));
        things.calls.push(Call {
            number: number.to_owned(),
            placed: now,
            answered: things.faults.answered,
            canceled: false,
        });
        let sid = format!("CA{}", things.calls.len());
        things
            .log
            .line(now, format_args!("{sid} rings for {message}"));
        CallSid(sid)
    }

    /// A question to the telephone service.
    async fn ask<T>(&self, answer: impl FnOnce(&mut [Call]) -> T) -> Result<T, Failure> {
        let fate = self.fate(|faults| faults.phone);
        self.step().await;
        match fate {
            Fate::Taken(there, back) => {
                sleep(there).await;
                let answer = answer(&mut self.outside.things().calls);
                sleep(back).await;
                Ok(answer)
            }
            Fate::AnswerLost(there) => {
                sleep(there).await;
                answer(&mut self.outside.things().calls);
                sleep(PATIENCE).await;
                Err(for_now("no answer", None))
            }
            Fate::Refused(there, Refused::ForNow(after)) => {
                sleep(there).await;
                Err(for_now("not now", after))
            }
            Fate::Refused(there, Refused::ForGood) => {
                sleep(there).await;
                Err(Failure::Permanent {
                    why: "never".to_owned(),
                })
            }
            Fate::Hangs => pending().await,
        }
    }
}

impl Paths for People {
    async fn prepare_email(&self, _: usize) {
        self.step().await;
    }

    async fn prepare_phone(&self) {
        self.step().await;
    }

    async fn photo(&self, id: PhotoId) -> Option<Photo> {
        Some(Photo {
            id,
            taken: right(self.clock.now()),
            jpeg: Arc::from([0xff, 0xd8]),
        })
    }

    async fn email(&self, contact: &str, mail: &Outgoing) -> Result<Delivered, Failure> {
        let fate = self.fate(|faults| faults.mail);
        self.deliver(contact, mail, fate).await
    }

    async fn webhook(&self, name: &str, message: &Outgoing) -> Result<Delivered, Failure> {
        let fate = self.fate(|faults| faults.webhook);
        self.deliver(name, message, fate).await
    }

    async fn place(&self, number: &str, spoken: &Outgoing) -> Result<CallSid, PlaceFailure> {
        let id = &*spoken.message_id;
        let fate = self.fate(|faults| faults.phone);
        self.outside.things().ledger.leaves(id, self.clock.now());
        self.step().await;
        match fate {
            Fate::Taken(there, back) => {
                sleep(there).await;
                self.step().await;
                let call = self.new_call(number, id);
                self.step().await;
                sleep(back).await;
                Ok(call)
            }
            Fate::AnswerLost(there) => {
                sleep(there).await;
                self.new_call(number, id);
                self.outside.things().ledger.answer_lost(id);
                self.step().await;
                sleep(PATIENCE).await;
                let why = "no answer".to_owned();
                Err(PlaceFailure::Uncertain { why })
            }
            Fate::Refused(there, Refused::ForNow(after)) => {
                sleep(there).await;
                let why = "not now".to_owned();
                Err(PlaceFailure::Temporary { why, after })
            }
            Fate::Refused(there, Refused::ForGood) => {
                sleep(there).await;
                let why = "no such number".to_owned();
                let code = Some(21_217);
                Err(PlaceFailure::Permanent { why, code })
            }
            Fate::Hangs => pending().await,
        }
    }

    async fn find(&self, number: &str, since: WallTime) -> Result<Vec<CallSid>, Failure> {
        let since = since.0 - millis(CLOCKS_DIFFER);
        self.ask(|calls| {
            let newest_first = calls.iter().enumerate().rev();
            newest_first
                .filter(|(_, call)| call.number == number && right(call.placed).0 >= since)
                .map(|(at, _)| CallSid(format!("CA{}", at + 1)))
                .collect()
        })
        .await
    }

    async fn status(&self, call: &CallSid) -> Result<CallStatus, Failure> {
        let now = self.clock.now();
        self.ask(|calls| {
            let call = find(calls, call);
            let age = now.saturating_sub(call.placed);
            let progress = match (call.canceled, call.answered) {
                (true, _) => Progress::Canceled,
                (false, _) if age < RINGS => Progress::Ringing,
                (false, true) => Progress::Completed,
                (false, false) => Progress::NoAnswer,
            };
            CallStatus {
                progress,
                by_machine: false,
            }
        })
        .await
    }

    async fn cancel(&self, call: &CallSid) -> Result<(), Failure> {
        self.ask(|calls| find(calls, call).canceled = true).await
    }
}

fn find<'a>(calls: &'a mut [Call], sid: &CallSid) -> &'a mut Call {
    let number = sid.0.trim_start_matches("CA").parse::<usize>();
    let number = number.expect("a number of ours");
    &mut calls[number - 1]
}

fn for_now(why: &str, after: Option<Duration>) -> Failure {
    Failure::Temporary {
        why: why.to_owned(),
        after,
    }
}
