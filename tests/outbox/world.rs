//! What both kinds of test stand on: notices, a clock on tokio's (paused) time, and a world that
//! writes down what it is asked for and answers as it was told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asfaleia::alarm::{
    About, Action, BootTime, IncidentId, IncidentKind, Mode, Notice, PhotoId, Record, Rung,
    SensorKind,
};
use asfaleia::clock::{Clock, SharedClock, Stamp, WallTime};
use asfaleia::inbox::{Inbox, Letter};
use asfaleia::notify::{
    CallSid, CallStatus, Delivered, Failure, Outgoing, Photo, PlaceFailure, Progress,
};
use asfaleia::outbox::{
    AddressBook, Channels, Command, Outbox, Parts, Paths, Receipt, Store, Threads, Update, Waiting,
    run,
};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

pub(crate) const BOOT: BootTime = BootTime::from_secs(100);
pub(crate) const WALL: WallTime = WallTime(1_795_427_471_000);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const INCIDENT: IncidentId = IncidentId(7);

pub(crate) fn channels() -> Channels {
    Channels {
        duress: vec!["Bob".into()],
        emails: vec!["Anna".into(), "Bob".into()],
        webhooks: vec!["ntfy".into()],
        phone: true,
        give_up: DAY,
        site: "Home".into(),
        site_id: "home".into(),
    }
}

pub(crate) fn book() -> AddressBook {
    AddressBook::new(
        channels(),
        Threads::default(),
        1,
        fastrand::Rng::with_seed(1),
    )
}

pub(crate) fn alarm(happened: BootTime) -> Notice {
    Notice {
        about: About::Alarm {
            kind: IncidentKind::Intrusion,
            sensor: "hall".into(),
            sensor_kind: SensorKind::Motion,
            mode: Some(Mode::Away),
            confirmed: false,
        },
        incident: Some(INCIDENT),
        happened,
        wait_for_photo: None,
        photos: Vec::new(),
    }
}

pub(crate) fn all_clear(happened: BootTime) -> Notice {
    Notice {
        about: About::AllClear {
            kind: IncidentKind::Intrusion,
            lasted_seconds: 60,
            triggers: 1,
            untold: Vec::new(),
            ladders_held_back: 0,
            still_open: Vec::new(),
        },
        ..alarm(happened)
    }
}

pub(crate) fn call(happened: BootTime, rounds: u32) -> Action {
    let rung = |contact: &str, number: &str| Rung {
        contact: contact.into(),
        number: number.into(),
    };
    Action::Call {
        incident: Some(INCIDENT),
        notice: alarm(happened),
        rungs: vec![rung("Anna", "+302101234501"), rung("Bob", "+302101234502")],
        rounds,
        ack_time: Duration::from_secs(120),
    }
}

/// Something that the outbox asked of the world.
#[derive(Debug)]
pub(crate) enum Seen {
    PrepareEmail(usize),
    PreparePhone,
    Mail(String, Box<Outgoing>),
    Webhook(String),
    Place(String),
    Find(String, WallTime),
    Status(String),
    Cancel(String),
}

/// Answers that were told in advance; without one, all goes well.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) mail: VecDeque<Answer<Result<Delivered, Failure>>>,
    pub(crate) place: VecDeque<Answer<Result<CallSid, PlaceFailure>>>,
    pub(crate) find: VecDeque<Result<Vec<CallSid>, Failure>>,
    pub(crate) status: VecDeque<Progress>,
    placed: u32,
}

pub(crate) enum Answer<T> {
    Now(T),
    Hang,
    Panic,
}

pub(crate) struct Script {
    clock: TestClock,
    pub(crate) answers: Mutex<Answers>,
    seen: mpsc::UnboundedSender<(Duration, Seen)>,
}

impl Script {
    fn note(&self, seen: Seen) {
        let _ = self.seen.send((self.clock.0.elapsed(), seen));
    }
}

impl Paths for Script {
    async fn prepare_email(&self, sessions: usize) {
        self.note(Seen::PrepareEmail(sessions));
    }

    async fn prepare_phone(&self) {
        self.note(Seen::PreparePhone);
    }

    async fn photo(&self, id: PhotoId) -> Option<Photo> {
        Some(Photo {
            id,
            taken: WALL,
            jpeg: Arc::from([0xff, 0xd8]),
        })
    }

    async fn email(&self, contact: &str, mail: &Outgoing) -> Result<Delivered, Failure> {
        self.note(Seen::Mail(contact.into(), Box::new(mail.clone())));
        let answer = self.answers.lock().unwrap().mail.pop_front();
        answer_with(answer, || Ok(delivered())).await
    }

    async fn webhook(&self, name: &str, _: &Outgoing) -> Result<Delivered, Failure> {
        self.note(Seen::Webhook(name.into()));
        Ok(delivered())
    }

    async fn place(&self, number: &str, _: &Outgoing) -> Result<CallSid, PlaceFailure> {
        self.note(Seen::Place(number.into()));
        let (answer, sid) = {
            let mut answers = self.answers.lock().unwrap();
            answers.placed += 1;
            let sid = CallSid(format!("CA{}", answers.placed));
            (answers.place.pop_front(), sid)
        };
        answer_with(answer, || Ok(sid)).await
    }

    async fn find(&self, number: &str, since: WallTime) -> Result<Vec<CallSid>, Failure> {
        self.note(Seen::Find(number.into(), since));
        let answer = self.answers.lock().unwrap().find.pop_front();
        answer.unwrap_or_else(|| Ok(Vec::new()))
    }

    async fn status(&self, call: &CallSid) -> Result<CallStatus, Failure> {
        self.note(Seen::Status(call.0.clone()));
        let answer = self.answers.lock().unwrap().status.pop_front();
        Ok(CallStatus {
            progress: answer.unwrap_or(Progress::NoAnswer),
            by_machine: false,
        })
    }

    async fn cancel(&self, call: &CallSid) -> Result<(), Failure> {
        self.note(Seen::Cancel(call.0.clone()));
        Ok(())
    }
}

async fn answer_with<T>(answer: Option<Answer<T>>, well: impl FnOnce() -> T) -> T {
    match answer {
        None => well(),
        Some(Answer::Now(answer)) => answer,
        Some(Answer::Hang) => std::future::pending().await,
        Some(Answer::Panic) => panic!("a planted bug"),
    }
}

pub(crate) fn delivered() -> Delivered {
    Delivered {
        reply: "250 queued".into(),
    }
}

pub(crate) fn later(why: &str) -> Failure {
    Failure::Temporary {
        why: why.into(),
        after: None,
    }
}

/// Remembers what was committed; confirms after `takes`.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) updates: Mutex<Vec<Update>>,
    pub(crate) takes: Mutex<Duration>,
}

impl Store for Ledger {
    fn commit(&self, update: Update) -> Receipt {
        self.updates.lock().unwrap().push(update);
        committed_after(*self.takes.lock().unwrap())
    }
}

impl Ledger {
    /// `channel to outcome` of every line of history.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        let updates = self.updates.lock().unwrap();
        (updates.iter().flat_map(|update| &update.records))
            .map(|(_, record)| match record {
                Record::Proof {
                    path,
                    outcome,
                    detail,
                } => format!("proof of {path}: {outcome:?} {detail}"),
                Record::Message {
                    channel,
                    to,
                    outcome,
                    ..
                } => format!("{channel} {to} {outcome}"),
                other => panic!("not the outbox's: {other:?}"),
            })
            .collect()
    }
}

pub(crate) fn committed_after(takes: Duration) -> Receipt {
    Box::pin(async move {
        tokio::time::sleep(takes).await;
        true
    })
}

/// Boot and wall clock on tokio's time.
#[derive(Clone, Copy)]
pub(crate) struct TestClock(Instant);

impl Clock for TestClock {
    fn boot(&self) -> BootTime {
        BOOT + self.0.elapsed()
    }

    fn wall(&self) -> WallTime {
        WallTime(WALL.0 + i64::try_from(self.0.elapsed().as_millis()).unwrap())
    }

    fn boot_id(&self) -> &str {
        "first"
    }
}

/// A running outbox in a world of fakes.
pub(crate) struct World {
    pub(crate) clock: SharedClock,
    pub(crate) book: AddressBook,
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    pub(crate) script: Arc<Script>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) letters: std::sync::mpsc::Receiver<Letter>,
    pub(crate) waiting: watch::Receiver<Waiting>,
    pub(crate) task: tokio::task::JoinHandle<()>,
    seen: mpsc::UnboundedReceiver<(Duration, Seen)>,
}

impl World {
    pub(crate) fn new() -> World {
        World::with(|_, _| {})
    }

    /// With an outbox that is prepared before it runs.
    pub(crate) fn with(prepare: impl FnOnce(&mut Outbox, &Stamp)) -> World {
        let test_clock = TestClock(Instant::now());
        let clock: SharedClock = Arc::new(test_clock);
        let (seen, seen_rx) = mpsc::unbounded_channel();
        let script = Arc::new(Script {
            clock: test_clock,
            answers: Mutex::default(),
            seen,
        });
        let ledger = Arc::new(Ledger::default());
        let (inbox, letters) = Inbox::new(clock.clone());
        let (waiting_tx, waiting) = watch::channel(Waiting::default());
        let (commands, commands_rx) = mpsc::unbounded_channel();
        let mut outbox = Outbox::new(channels(), fastrand::Rng::with_seed(2));
        prepare(&mut outbox, &Stamp::now(&*clock));
        let parts = Parts {
            paths: script.clone(),
            store: ledger.clone(),
            inbox,
            waiting: waiting_tx,
        };
        World {
            clock,
            book: book(),
            commands,
            script,
            ledger,
            letters,
            waiting,
            task: tokio::spawn(run(outbox, commands_rx, parts)),
            seen: seen_rx,
        }
    }

    pub(crate) fn answers(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.script.answers.lock().unwrap()
    }

    /// As the panel does it: the rows of the actions, with a commit that takes so long.
    pub(crate) fn accept(&mut self, actions: &[Action], commit_takes: Duration) {
        let now = Stamp::now(&*self.clock);
        let book = &mut self.book;
        let rows = actions.iter().flat_map(|it| book.rows(it, &now)).collect();
        self.tell(Command::Accept {
            rows,
            receipt: Some(committed_after(commit_takes)),
        });
    }

    pub(crate) fn tell(&self, command: Command) {
        assert!(self.commands.send(command).is_ok(), "the outbox runs");
    }

    /// The next thing the world is asked for, and when.
    pub(crate) async fn seen(&mut self) -> (Duration, Seen) {
        (tokio::time::timeout(DAY * 3, self.seen.recv()).await)
            .expect("something is asked for within three days")
            .expect("the outbox runs")
    }

    /// The next one that is not a preparation.
    pub(crate) async fn tried(&mut self) -> (Duration, Seen) {
        loop {
            match self.seen().await {
                (_, Seen::PrepareEmail(_) | Seen::PreparePhone) => {}
                other => return other,
            }
        }
    }

    /// Whom the next call goes to, and when; what is asked for in between must be polls.
    pub(crate) async fn placed(&mut self) -> (Duration, String) {
        loop {
            match self.tried().await {
                (at, Seen::Place(number)) => return (at, number),
                (_, Seen::Status(_)) => {}
                other => panic!("expected a call: {other:?}"),
            }
        }
    }

    /// Nothing is asked for during this time.
    pub(crate) async fn quiet(&mut self, time: Duration) {
        let seen = tokio::time::timeout(time, self.seen.recv()).await;
        assert!(seen.is_err(), "not expected: {seen:?}");
    }
}
