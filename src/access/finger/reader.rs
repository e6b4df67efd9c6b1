//! The driver: opens the port, waits for touches, does what it is asked between them, and comes back
//! after whatever went wrong.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::command::{Buffer, Light};
use super::enrol::{NotEnrolled, enrol};
use super::module::{Fault, Module, Touch};
use super::wellness::Wellness;
use super::{Ask, Asks, FingerError};
use crate::access::people::People;
use crate::alarm::{Event, Factor, Origin, Trouble, TroubleCode, Who};
use crate::config::{ModulePassword, NodePort};
use crate::inbox::Inbox;
use crate::sensors::port::{OpenError, Ports};

/// Where a module is, and how to speak to it.
#[derive(Debug, Clone)]
pub struct ReaderPort {
    /// Device file.
    pub port: PathBuf,
    /// Usually [`Self::BAUD`].
    pub baud: u32,
    /// What the module asks for.
    pub password: ModulePassword,
}

impl ReaderPort {
    /// How fast modules are as sold.
    pub const BAUD: u32 = 57_600;
}

/// A fingerprint module: its touches, what it is asked, and how it is.
///
/// It is a way in, and lets nobody in by itself: what is noise, late, damaged or not understood is
/// no touch at all. A module that does not work is the trouble `finger-reader`, templates that are not
/// ours are `finger-unknown`.
pub struct FingerReader {
    port: ReaderPort,
    ports: Ports,
    /// Who is known, as it changes.
    people: watch::Receiver<Arc<People>>,
    asks: Asks,
    inbox: Inbox,
}

/// Why there is no reader.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("{0}")]
    Fault(#[from] Fault),
}

/// What is known of the finger that lies on the sensor.
#[derive(Debug, Default)]
struct Laid {
    /// It did not match so often.
    strange: u32,
    /// What it is was told.
    told: bool,
}

impl FingerReader {
    /// From one look at the sensor to the next: a touch is noticed within it. A look is 24 bytes and
    /// three wake-ups, and takes 150 us of a desktop's core.
    const LOOK_EVERY: Duration = Duration::from_millis(800);
    /// The same, while a finger lies on it.
    const LOOK_AGAIN: Duration = Duration::from_millis(100);
    /// A finger is a stranger's when so many images of one touch did not match: the first is often
    /// taken too early.
    const IMAGES: u32 = 3;
    /// From one comparison of the module's templates with the house's to the next.
    const COMPARE_EVERY: Duration = Duration::from_secs(60);
    /// So many faults in a row, and the port is opened anew.
    const FAULTS: u32 = 3;
    /// From the first failed try to the next; doubles up to [`Self::LONGEST_WAIT`].
    const FIRST_WAIT: Duration = Duration::from_millis(50);
    const LONGEST_WAIT: Duration = Duration::from_secs(2);

    /// The reader at this port.
    pub fn new(
        port: ReaderPort,
        ports: Ports,
        people: watch::Receiver<Arc<People>>,
        asks: Asks,
        inbox: Inbox,
    ) -> Self {
        FingerReader {
            port,
            ports,
            people,
            asks,
            inbox,
        }
    }

    /// There is no reader any more: what was wrong with it is over.
    pub fn clear_troubles(inbox: &Inbox) {
        clear(inbox, TroubleCode::FingerReader);
        clear(inbox, TroubleCode::FingerUnknown);
        clear(inbox, TroubleCode::FingerMissing);
    }

    /// Watches the reader until the future is dropped; then it may be watched again. Another one that
    /// is watched with the same asks is waited for.
    pub async fn watch(&self) {
        let mut asks = self.asks.0.lock().await;
        let mut wait = Self::FIRST_WAIT;
        let mut wellness = Wellness::default();
        loop {
            let lost: Lost = match self.open().await {
                Ok(mut session) => {
                    wait = Self::FIRST_WAIT;
                    let well_after = wellness.came(Instant::now());
                    let mut serving = pin!(session.serve(&mut asks));
                    let fault = tokio::select! {
                        fault = &mut serving => fault,
                        () = sleep(well_after) => {
                            if wellness.lasted() {
                                self.clear(TroubleCode::FingerReader);
                            }
                            serving.await
                        }
                    };
                    fault.into()
                }
                Err(lost) => lost,
            };
            let why = lost.to_string();
            // Each try, for as long as it is gone: no line of the log is written for that.
            tracing::debug!(why, "the finger reader is lost");
            if wellness.lost(Instant::now()) {
                let text = format!(
                    "the finger reader on {} does not work: {why}",
                    self.port.port.display()
                );
                self.raise(TroubleCode::FingerReader, text);
            }
            let until = Instant::now() + wait;
            loop {
                tokio::select! {
                    () = sleep_until(until) => break,
                    Some(ask) = asks.recv() => ask.refuse(&why),
                }
            }
            wait = (wait * 2).min(Self::LONGEST_WAIT);
        }
    }

    async fn open(&self) -> Result<Session<'_>, Lost> {
        let port = NodePort::Path(self.port.port.clone());
        let open = (self.ports.open(&port, self.port.baud, HashSet::new())).await?;
        let path = open.path().display().to_string();
        let module = Module::begin(open, self.port.password.0).await?;
        let mut session = Session {
            reader: self,
            module,
            people: self.people.clone(),
            laid: Laid::default(),
            told: None,
        };
        session.compare().await?;
        tracing::info!(port = %path, capacity = session.module.capacity(), "the finger reader is there");
        Ok(session)
    }

    fn raise(&self, code: TroubleCode, text: String) {
        tracing::warn!(code = code.word(), "{text}");
        self.inbox.send(Event::TroubleRaised(Trouble {
            code,
            subject: String::new(),
            text,
        }));
    }

    fn clear(&self, code: TroubleCode) {
        clear(&self.inbox, code);
    }
}

fn clear(inbox: &Inbox, code: TroubleCode) {
    inbox.send(Event::TroubleCleared {
        code,
        subject: String::new(),
    });
}

/// A module that answers.
struct Session<'a> {
    reader: &'a FingerReader,
    module: Module,
    people: watch::Receiver<Arc<People>>,
    laid: Laid,
    /// How many templates are not ours, and how many of ours are not there, as it was told.
    told: Option<(usize, usize)>,
}

impl Session<'_> {
    /// Waits for touches and for what is asked, until the module is lost.
    async fn serve(&mut self, asks: &mut mpsc::Receiver<Ask>) -> Fault {
        let mut compare_at = Instant::now() + FingerReader::COMPARE_EVERY;
        let mut faults = 0;
        loop {
            let pause = if self.laid.strange > 0 || self.laid.told {
                FingerReader::LOOK_AGAIN
            } else {
                FingerReader::LOOK_EVERY
            };
            // Only the waiting is cut off; what is said to the module is said to its end.
            let done = tokio::select! {
                Some(ask) = asks.recv() => self.answer(ask).await,
                Ok(()) = self.people.changed() => self.compare().await,
                () = sleep_until(compare_at) => {
                    compare_at += FingerReader::COMPARE_EVERY;
                    self.compare().await
                }
                () = sleep(pause) => self.look().await,
            };
            match done {
                Ok(()) => faults = 0,
                Err(fault) => {
                    tracing::debug!(%fault, "the finger reader");
                    faults += 1;
                    // A finger that was half read is read from the beginning.
                    self.laid = Laid::default();
                    if fault.is_final() || faults == FingerReader::FAULTS {
                        return fault;
                    }
                    if let Err(fault) = self.module.wait_for_quiet().await {
                        return fault;
                    }
                }
            }
        }
    }

    /// One look at the sensor.
    async fn look(&mut self) -> Result<(), Fault> {
        if self.laid.told {
            if self.module.is_free().await? {
                self.laid = Laid::default();
            }
            return Ok(());
        }
        match self.module.touch(Buffer::One).await? {
            Touch::Read => {}
            Touch::Unreadable => return Ok(()),
            // Lifted before it was clear.
            Touch::None if self.laid.strange > 0 => return self.show(Who::Stranger, false).await,
            Touch::None => return Ok(()),
        }
        let found = self.module.search().await?;
        let known = found.and_then(|slot| {
            let people = self.people.borrow();
            let (person, duress) = people.finger(slot)?;
            Some((Who::Person(person.to_owned()), duress))
        });
        match known {
            Some((who, duress)) => self.show(who, duress).await,
            None => {
                self.laid.strange += 1;
                if self.laid.strange < FingerReader::IMAGES {
                    return Ok(());
                }
                self.show(Who::Stranger, false).await
            }
        }
    }

    /// Shows the panel whose finger it is, and the person that it was seen: under duress the same.
    async fn show(&mut self, who: Who, duress: bool) -> Result<(), Fault> {
        let light = match who {
            Who::Person(_) | Who::Anybody => Light::Known,
            Who::Stranger => Light::Stranger,
        };
        // Whatever becomes of the light, this touch was told.
        self.laid.told = true;
        self.reader.inbox.send(Event::Shown {
            factor: Factor::Finger,
            who,
            origin: Origin::Reader,
            duress,
        });
        self.module.show(light).await
    }

    /// Compares the module's templates with ours.
    async fn compare(&mut self) -> Result<(), Fault> {
        self.people.mark_unchanged();
        let ours = self.enrolled();
        let theirs = self.module.index().await?;
        let differ = ((&theirs - &ours).len(), (&ours - &theirs).len());
        if self.told.replace(differ) == Some(differ) {
            return Ok(());
        }
        let (unknown, missing) = differ;
        self.say(TroubleCode::FingerUnknown, unknown, || {
            format!("the finger reader knows fingers that nobody enrolled here ({unknown}): they let nobody in")
        });
        self.say(TroubleCode::FingerMissing, missing, || {
            format!("the finger reader has lost fingers that were enrolled ({missing}): enrol them again")
        });
        Ok(())
    }

    fn say(&self, code: TroubleCode, count: usize, text: impl FnOnce() -> String) {
        if count == 0 {
            self.reader.clear(code);
        } else {
            self.reader.raise(code, text());
        }
    }

    async fn answer(&mut self, ask: Ask) -> Result<(), Fault> {
        match ask {
            Ask::Enrol { progress, answer } => {
                let taken = self.enrolled();
                let enrolled = enrol(&mut self.module, &taken, &progress).await;
                // The finger that still lies there has been dealt with.
                self.laid.told = true;
                match enrolled {
                    Ok(slot) => {
                        if answer.send(Ok(slot)).is_err() {
                            // Nobody knows whose it is.
                            self.module.delete(slot).await?;
                        }
                        Ok(())
                    }
                    Err(NotEnrolled::Finger(error)) => {
                        let _ = answer.send(Err(error));
                        self.module.show(Light::Stranger).await
                    }
                    Err(NotEnrolled::Left) => self.module.show(Light::Off).await,
                    Err(NotEnrolled::Fault(fault)) => failed(answer, fault),
                }
            }
            Ask::Delete { slot, answer } => match self.module.delete(slot).await {
                Ok(()) => {
                    let _ = answer.send(Ok(()));
                    self.compare().await
                }
                Err(fault) => failed(answer, fault),
            },
            Ask::Known(answer) => match self.module.index().await {
                Ok(known) => {
                    let _ = answer.send(Ok(known));
                    Ok(())
                }
                Err(fault) => failed(answer, fault),
            },
            Ask::DeleteUnknown(answer) => match self.delete_unknown().await {
                Ok(count) => {
                    let _ = answer.send(Ok(count));
                    self.compare().await
                }
                Err(fault) => failed(answer, fault),
            },
        }
    }

    /// The slots that are somebody's.
    fn enrolled(&self) -> BTreeSet<u16> {
        self.people.borrow().slots(None).into_iter().collect()
    }

    async fn delete_unknown(&mut self) -> Result<usize, Fault> {
        let unknown = &self.module.index().await? - &self.enrolled();
        for slot in &unknown {
            self.module.delete(*slot).await?;
        }
        Ok(unknown.len())
    }
}

/// Tells whoever asked that the module failed, and that it did.
fn failed<T>(
    answer: tokio::sync::oneshot::Sender<Result<T, FingerError>>,
    fault: Fault,
) -> Result<(), Fault> {
    let _ = answer.send(Err(FingerError::NotThere(fault.to_string())));
    Err(fault)
}
