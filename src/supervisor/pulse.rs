//! Whether every part truly turns: each is asked now and then, and has to answer from its own loop.
//!
//! A question costs a part one wake-up. That it waits for work is fine; that it is stuck inside a
//! step, or gone, is not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{error, info};

use crate::alarm::{Event, Trouble, TroubleCode};
use crate::inbox::Inbox;

/// A task's step takes milliseconds.
const TASK_WITHIN: Duration = Duration::from_secs(5);
/// A part that hung has to answer so often in a row before its trouble is over.
const WELL_AFTER: u32 = 3;

/// A part answers by sending; one that is gone drops it.
pub type Question = oneshot::Sender<()>;

/// Something that has to turn.
pub struct Part {
    /// How it is called in the log and in troubles.
    pub name: String,
    /// A part that has not answered for so long hangs.
    pub within: Duration,
    /// What it means if it hangs.
    pub stakes: Stakes,
    /// Passes the question on. Must not block.
    pub ask: Box<dyn FnMut(Question) + Send>,
}

/// What it means if a part hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stakes {
    /// The house is not watched as it should be, and a restart mends it: the trouble `task-hangs`,
    /// and systemd's watchdog is not fed.
    Protection,
    /// The disk. Alarms go on from memory, and a restart would only wait for the same disk: the
    /// trouble `store`.
    Disk,
}

/// All parts that have to turn. Cheap to clone.
#[derive(Clone)]
pub struct Pulses {
    asked: Arc<Mutex<Vec<Asked>>>,
    inbox: Inbox,
}

/// As long as it lives, the part is asked.
#[must_use]
pub struct Watched(#[expect(dead_code, reason = "it lives")] Arc<()>);

struct Asked {
    part: Part,
    lives: Weak<()>,
    /// The question that is open, and since when none was answered.
    open: Option<(Instant, oneshot::Receiver<()>)>,
    /// It hung; so often it has answered since.
    hung: Option<u32>,
}

impl Pulses {
    /// Nothing is asked yet. The panel is told what hangs.
    pub fn new(inbox: Inbox) -> Self {
        Pulses {
            asked: Arc::default(),
            inbox,
        }
    }

    /// From now on the part has to answer.
    pub fn watch(&self, part: Part) -> Watched {
        let lives = Arc::new(());
        self.asked().push(Asked {
            part,
            lives: Arc::downgrade(&lives),
            open: None,
            hung: None,
        });
        Watched(lives)
    }

    /// A task that has to turn for as long as it runs: between two questions it must have been
    /// polled, and have come back.
    pub fn task<F: Future>(&self, name: &str, task: F) -> impl Future<Output = F::Output> + use<F> {
        let (asked, mut questions) = mpsc::unbounded_channel::<Question>();
        let watched = self.watch(Part {
            name: name.to_owned(),
            within: TASK_WITHIN,
            stakes: Stakes::Protection,
            ask: Box::new(move |question| drop(asked.send(question))),
        });
        async move {
            let _watched = watched;
            let mut task = std::pin::pin!(task);
            loop {
                tokio::select! {
                    biased; // the answer comes after a step
                    done = &mut task => return done,
                    Some(question) = questions.recv() => drop(question.send(())),
                }
            }
        }
    }

    /// Looks at the answers to the last round, and asks again. Whether all turns that the house's
    /// protection needs; what does not is logged by name, and is a trouble.
    pub fn round(&self) -> bool {
        let now = Instant::now();
        let mut turning = true;
        self.asked().retain_mut(|asked| {
            if asked.lives.strong_count() == 0 {
                if asked.hung.is_some() {
                    self.inbox.send(asked.over());
                }
                return false;
            }
            let silent = asked.look(now);
            match asked.news(silent) {
                News::None => {}
                News::Hangs(event) | News::Over(event) => self.inbox.send(event),
            }
            if silent >= asked.part.within && asked.part.stakes == Stakes::Protection {
                turning = false;
            }
            true
        });
        turning
    }

    fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        // Parts are put in and taken out whole.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum News {
    None,
    Hangs(Event),
    Over(Event),
}

impl Asked {
    /// How long it has not answered; asks again if it has, or let the question fall.
    fn look(&mut self, now: Instant) -> Duration {
        let since = match &mut self.open {
            None => now,
            Some((since, answer)) => match answer.try_recv() {
                Ok(()) => now,
                Err(TryRecvError::Empty) => return now - *since,
                Err(TryRecvError::Closed) => *since,
            },
        };
        let (question, answer) = oneshot::channel();
        (self.part.ask)(question);
        self.open = Some((since, answer));
        now - since
    }

    fn news(&mut self, silent: Duration) -> News {
        let name = &self.part.name;
        match &mut self.hung {
            None if silent >= self.part.within => {
                error!(part = name, ?silent, "does not turn");
                self.hung = Some(0);
                News::Hangs(self.hangs(silent))
            }
            None => News::None,
            Some(well) if silent.is_zero() => {
                *well += 1;
                if *well < WELL_AFTER {
                    return News::None;
                }
                info!(part = name, "turns again");
                self.hung = None;
                News::Over(self.over())
            }
            Some(well) => {
                *well = 0;
                News::None
            }
        }
    }

    fn hangs(&self, silent: Duration) -> Event {
        let (code, subject) = self.trouble();
        let (name, secs) = (&self.part.name, silent.as_secs());
        let text = match self.part.stakes {
            Stakes::Protection => format!(
                "the part \"{name}\" has not answered for {secs} s: under systemd the service is \
                 restarted if it goes on; otherwise restart it"
            ),
            Stakes::Disk => format!(
                "the disk has not answered for {secs} s: alarms go on from memory; look at the \
                 card"
            ),
        };
        Event::TroubleRaised(Trouble {
            code,
            subject,
            text,
        })
    }

    fn over(&self) -> Event {
        let (code, subject) = self.trouble();
        Event::TroubleCleared { code, subject }
    }

    fn trouble(&self) -> (TroubleCode, String) {
        match self.part.stakes {
            Stakes::Protection => (TroubleCode::TaskHangs, self.part.name.clone()),
            Stakes::Disk => (TroubleCode::Store, "disk".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::Receiver;

    use super::*;
    use crate::clock::SystemClock;
    use crate::inbox::Letter;

    const PERIOD: Duration = Duration::from_secs(10);

    fn pulses() -> (Pulses, Receiver<Letter>) {
        let (inbox, letters) = Inbox::new(SystemClock::shared());
        (Pulses::new(inbox), letters)
    }

    async fn round(pulses: &Pulses) -> bool {
        tokio::time::sleep(PERIOD).await;
        pulses.round()
    }

    fn news(letters: &Receiver<Letter>) -> Vec<(bool, TroubleCode, String)> {
        (letters.try_iter())
            .map(|letter| match letter.event {
                Event::TroubleRaised(trouble) => (true, trouble.code, trouble.subject),
                Event::TroubleCleared { code, subject } => (false, code, subject),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    /// A part that answers while this is true.
    fn answering(name: &str, stakes: Stakes, turns: &Arc<AtomicBool>) -> Part {
        let (turns, mut kept) = (turns.clone(), Vec::new());
        Part {
            name: name.to_owned(),
            within: Duration::from_secs(15),
            stakes,
            ask: Box::new(
                move |question: Question| match turns.load(Ordering::Relaxed) {
                    true => drop(question.send(())),
                    false => kept.push(question),
                },
            ),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_hangs_beyond_its_limit_is_named_and_starves_the_watchdog() {
        let (pulses, letters) = pulses();
        let turns = Arc::new(AtomicBool::new(true));
        let _camera = pulses.watch(answering("camera", Stakes::Protection, &turns));
        let _other = pulses.watch(answering(
            "other",
            Stakes::Protection,
            &Arc::new(true.into()),
        ));
        for _ in 0..5 {
            assert!(round(&pulses).await);
        }
        turns.store(false, Ordering::Relaxed);
        assert!(round(&pulses).await, "asked");
        assert!(round(&pulses).await, "10 s: a step may take so long");
        assert_eq!(news(&letters), []);
        assert!(!round(&pulses).await);
        assert!(!round(&pulses).await);
        let camera = || (TroubleCode::TaskHangs, "camera".to_owned());
        assert_eq!(news(&letters), [(true, camera().0, camera().1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_is_a_trouble_of_the_store_and_no_reason_to_restart() {
        let (pulses, letters) = pulses();
        let turns = Arc::new(AtomicBool::new(false));
        let _store = pulses.watch(answering("store", Stakes::Disk, &turns));
        for _ in 0..5 {
            assert!(round(&pulses).await);
        }
        let disk = "disk".to_owned();
        assert_eq!(news(&letters), [(true, TroubleCode::Store, disk)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_answers_again_feeds_at_once_and_is_well_after_three_answers() {
        let (pulses, letters) = pulses();
        // Lets every second question fall, and then answers.
        let turns = Arc::new(AtomicBool::new(false));
        let answers = turns.clone();
        let _part = pulses.watch(Part {
            name: "gpio".to_owned(),
            within: Duration::from_secs(5),
            stakes: Stakes::Protection,
            ask: Box::new(move |question| {
                if answers.load(Ordering::Relaxed) {
                    let _ = question.send(());
                }
            }),
        });
        assert!(round(&pulses).await);
        assert!(!round(&pulses).await, "a question that fell is no answer");
        turns.store(true, Ordering::Relaxed);
        assert!(!round(&pulses).await);
        assert!(round(&pulses).await && round(&pulses).await);
        assert_eq!(news(&letters).len(), 1, "not over yet");
        assert!(round(&pulses).await);
        let gpio = "gpio".to_owned();
        assert_eq!(news(&letters), [(false, TroubleCode::TaskHangs, gpio)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_is_let_go_is_asked_no_more_and_takes_its_trouble_with_it() {
        let (pulses, letters) = pulses();
        let turns = Arc::new(AtomicBool::new(false));
        let node = pulses.watch(answering("node", Stakes::Protection, &turns));
        while round(&pulses).await {}
        drop(node);
        assert!(round(&pulses).await);
        assert_eq!(news(&letters).len(), 2, "hangs, and over");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_task_that_waits_turns_and_one_that_blocks_does_not() {
        let (pulses, letters) = pulses();
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        let waiting = tokio::spawn(pulses.task("waits", std::future::pending::<()>()));
        let blocking = tokio::spawn(pulses.task("blocks", async move {
            let _ = blocked.recv(); // a blocking call in a task: the slip that this finds
        }));
        // Real time: what blocks, blocks a thread.
        let deadline = Instant::now() + Duration::from_secs(20);
        while pulses.round() {
            assert!(Instant::now() < deadline, "the blocked task was not found");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let blocks = "blocks".to_owned();
        assert_eq!(news(&letters), [(true, TroubleCode::TaskHangs, blocks)]);
        drop(release);
        blocking.await.unwrap();
        assert!(pulses.round(), "what has ended is not missed");
        waiting.abort();
    }
}
