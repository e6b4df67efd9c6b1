//! The ways to people in a replay: how long a try takes, and what becomes of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::timeline::What;
use crate::alarm::{BootTime, PhotoId};
use crate::clock::Stamp;
use crate::notify::words::Words;
use crate::notify::{
    CallSid, CallStatus, Delivered, Failure, Outgoing, Photo, PlaceFailure, Progress,
};
use crate::outbox::{Job, Message, Outcome, Recipient, Start};
use crate::simulator::{Answers, FaultSet, NetworkFault, PhoneFault, SmtpFault};

/// A server takes a mail, or another program a request, in this time.
const DELIVERING: Duration = Duration::from_millis(300);
/// The telephone service takes a call in this time.
const PLACING: Duration = Duration::from_secs(1);
/// It tells where a call stands in this time.
const ASKING: Duration = Duration::from_millis(100);
/// Nothing listens: that is known at once.
const REFUSING: Duration = Duration::from_millis(10);
/// The mailer's patience with a server that says nothing.
const MAIL_PATIENCE: Duration = Duration::from_secs(60);
/// The telephone's.
const PHONE_PATIENCE: Duration = Duration::from_secs(15);
/// A mailer asks a server that refuses the login again after this.
const LOGIN_AGAIN: Duration = Duration::from_secs(300);
/// Somebody picks up after so many rings' time ...
const RINGING: Duration = Duration::from_secs(5);
/// ... and has heard everything by then.
const HEARD: Duration = Duration::from_secs(20);
/// An engaged line is known after this.
const ENGAGED: Duration = Duration::from_secs(2);

/// What became of a try, when, and what of it belongs into the timeline if it went well.
pub(super) struct Tried {
    pub(super) takes: Duration,
    pub(super) outcome: Outcome,
    pub(super) worth_telling: Option<What>,
}

/// Mail server, telephone service and the people at the other end.
pub(super) struct Ways {
    answers: Answers,
    ring_time: Duration,
    zone: TimeZone,
    site: String,
    /// The number that picks up, if anybody does: whoever was called first.
    first: Option<String>,
    calls: BTreeMap<String, Call>,
}

struct Call {
    placed: BootTime,
    progress: Vec<(Duration, Progress)>,
}

impl Ways {
    pub(super) fn new(answers: Answers, ring_time: Duration, site: &str, zone: TimeZone) -> Self {
        Ways {
            answers,
            ring_time,
            zone,
            site: site.to_owned(),
            first: None,
            calls: BTreeMap::new(),
        }
    }

    /// Tries it.
    pub(super) fn attempt(&mut self, start: &Start, faults: &FaultSet, now: &Stamp) -> Tried {
        match &start.job {
            Job::Deliver => self.deliver(&start.message, faults, now),
            Job::Place(rung) => {
                let mail = self.outgoing(&start.message, now);
                let words = Words::in_zone(&mail, self.zone.clone()).spoken();
                let (takes, placed) = self.place(&rung.number, faults, now.boot);
                Tried {
                    takes,
                    worth_telling: placed.is_ok().then(|| What::Call {
                        to: rung.contact.clone(),
                        words,
                    }),
                    outcome: Outcome::Placed(placed),
                }
            }
            // What was not answered was not placed: here no request gets lost on its way back.
            Job::LookUp(..) => quietly(faults, |_| Ok(Vec::new()), Outcome::LookedUp),
            Job::Poll(sid) => quietly(
                faults,
                |takes| Ok(self.status(sid, now.boot + takes)),
                Outcome::Polled,
            ),
        }
    }

    fn deliver(&self, message: &Message, faults: &FaultSet, now: &Stamp) -> Tried {
        let mail = self.outgoing(message, now);
        let words = Words::in_zone(&mail, self.zone.clone());
        let (fault, what) = match &message.to {
            Recipient::Email { contact } => (
                faults.at_mail(),
                What::Mail {
                    to: contact.clone(),
                    subject: words.subject(),
                    text: words.short(),
                    photos: mail.photos.len(),
                },
            ),
            Recipient::Webhook { name } => (
                (faults.network).map(|NetworkFault::Down| SmtpFault::Down),
                What::Webhook {
                    to: name.clone(),
                    title: words.title(),
                },
            ),
            Recipient::Phone => unreachable!("a phone row has a ladder, which places calls"),
        };
        let failed = |takes, why: &str, after| (takes, Err(temporary(why, after)));
        let (takes, delivered) = match fault {
            None => {
                let reply = "taken".to_owned();
                (DELIVERING, Ok(Delivered { reply }))
            }
            Some(SmtpFault::Down) => failed(REFUSING, "the server cannot be reached", None),
            Some(SmtpFault::Hang) => failed(MAIL_PATIENCE, "the server says nothing", None),
            Some(SmtpFault::TryLater) => {
                failed(DELIVERING, "the server answered 451: try again later", None)
            }
            Some(SmtpFault::LoginRefused) => {
                let why = "the server answered 535: login refused";
                failed(DELIVERING, why, Some(LOGIN_AGAIN))
            }
        };
        Tried {
            takes,
            worth_telling: delivered.is_ok().then_some(what),
            outcome: Outcome::Delivered(delivered),
        }
    }

    fn place(
        &mut self,
        number: &str,
        faults: &FaultSet,
        now: BootTime,
    ) -> (Duration, Result<CallSid, PlaceFailure>) {
        let temporary = |why: &str, after| {
            let why = why.to_owned();
            Err(PlaceFailure::Temporary { why, after })
        };
        match faults.at_phone() {
            Some(PhoneFault::Down) => {
                return (REFUSING, temporary("the service cannot be reached", None));
            }
            Some(PhoneFault::Hang) => {
                let why = "the service says nothing".to_owned();
                return (PHONE_PATIENCE, Err(PlaceFailure::Uncertain { why }));
            }
            Some(PhoneFault::Fails) => {
                return (PLACING, temporary("the service answered 500", None));
            }
            Some(PhoneFault::TooMany) => {
                return (PLACING, temporary("the service answered 429", None));
            }
            Some(PhoneFault::Busy | PhoneFault::NoAnswer) | None => {}
        }
        let first = self.first.get_or_insert_with(|| number.to_owned());
        let answers = self.answers == Answers::TheFirst && first == number;
        let progress = if faults.at_phone() == Some(PhoneFault::Busy) {
            vec![(ENGAGED, Progress::Busy)]
        } else if answers && faults.at_phone().is_none() {
            vec![
                (RINGING, Progress::InProgress),
                (HEARD, Progress::Completed),
            ]
        } else {
            vec![(self.ring_time, Progress::NoAnswer)]
        };
        let sid = format!("CA{}", self.calls.len() + 1);
        let placed = now + PLACING;
        self.calls.insert(sid.clone(), Call { placed, progress });
        (PLACING, Ok(CallSid(sid)))
    }

    fn status(&self, sid: &CallSid, now: BootTime) -> CallStatus {
        let progress = self.calls.get(&sid.0).map_or(Progress::Canceled, |call| {
            let age = now.since(call.placed);
            let reached = call.progress.iter().rev().find(|(after, _)| *after <= age);
            reached.map_or(Progress::Ringing, |(_, progress)| *progress)
        });
        CallStatus {
            progress,
            by_machine: false,
        }
    }

    fn outgoing(&self, message: &Message, now: &Stamp) -> Outgoing {
        let (happened, clock_set) = message.happened_at(now);
        let photo = |id: &PhotoId| Photo {
            id: *id,
            taken: happened,
            jpeg: Arc::from([]),
        };
        Outgoing {
            notice: message.notice.clone(),
            site: self.site.clone(),
            happened,
            now: now.wall,
            clock_set,
            photos: message.photos.iter().map(photo).collect(),
            photo_missing: message.photo_missing.clone(),
            message_id: message.message_id.clone(),
            in_reply_to: message.in_reply_to.clone(),
            first_call: message.first_call_at(now),
        }
    }
}

/// A question to the telephone service, which nobody needs to read about.
fn quietly<T>(
    faults: &FaultSet,
    answer: impl FnOnce(Duration) -> Result<T, Failure>,
    outcome: impl FnOnce(Result<T, Failure>) -> Outcome,
) -> Tried {
    let (takes, answer) = match faults.at_phone() {
        Some(PhoneFault::Down) => (REFUSING, Err(temporary("it cannot be reached", None))),
        Some(PhoneFault::Hang) => (PHONE_PATIENCE, Err(temporary("it says nothing", None))),
        Some(PhoneFault::Fails) => (ASKING, Err(temporary("it answered 500", None))),
        Some(PhoneFault::TooMany) => (ASKING, Err(temporary("it answered 429", None))),
        Some(PhoneFault::Busy | PhoneFault::NoAnswer) | None => (ASKING, answer(ASKING)),
    };
    Tried {
        takes,
        outcome: outcome(answer),
        worth_telling: None,
    }
}

fn temporary(why: &str, after: Option<Duration>) -> Failure {
    Failure::Temporary {
        why: why.to_owned(),
        after,
    }
}
