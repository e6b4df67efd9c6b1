//! Fingerprint modules on a serial line: R307, R503, AS608 and their kin.
//!
//! [`FingerReader`] is the driver: a task that waits for touches, and shows the panel whose they were.
//! [`Fingers`] asks it to enrol and to forget. Templates stay in the module: of a finger the house
//! knows the slot (the module's page) and whose it is.

pub mod command;
mod enrol;
mod examine;
mod module;
pub mod packet;
mod reader;
mod wellness;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

pub use examine::{Examined, NotExamined, examine, is_there};
pub use reader::{FingerReader, ReaderPort};

/// How far an enrolment is: what to ask of the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Lay the finger on the reader.
    Lay,
    /// Lift it.
    Lift,
    /// Lay the same finger once more.
    LayAgain,
    /// It could not be read: clean it, and lay it flat.
    Unreadable,
    /// The two touches were different: from the beginning.
    Different,
}

/// Why a finger was not enrolled, or a slot not forgotten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FingerError {
    /// The reader is not there.
    #[error("the finger reader does not work: {0}")]
    NotThere(String),
    /// Nobody laid, or lifted, a finger.
    #[error("nobody came: the reader waited for {0} s")]
    NobodyCame(u64),
    /// The finger has a template already.
    #[error(
        "this finger is enrolled already, as number {0} of the reader: take another one, or forget \
         that one first"
    )]
    Known(u16),
    /// The touches were of different fingers each time.
    #[error("the two touches were different each time: use the same finger, laid flat")]
    Different,
    /// One finger at a time.
    #[error("another finger is being enrolled")]
    Busy,
    /// There is no room for another template.
    #[error("the reader is full: forget somebody first")]
    Full,
}

/// Asks the reader to enrol and to forget. Clones ask the same one. It outlives the reader, which
/// another configuration may replace or leave out.
#[derive(Debug, Clone)]
pub struct Fingers {
    asks: mpsc::Sender<Ask>,
    served: Asks,
    enrolling: Arc<Mutex<()>>,
}

impl Fingers {
    /// A reader that is asked at once does something within this time; an enrolment says where it is.
    const LOOK_EVERY: Duration = Duration::from_secs(1);

    /// The asking end, and what each [`FingerReader`] gets.
    pub fn new() -> (Fingers, Asks) {
        let (asks, asked) = mpsc::channel(8);
        let served = Asks(Arc::new(Mutex::new(asked)));
        let fingers = Fingers {
            asks,
            served: served.clone(),
            enrolling: Arc::default(),
        };
        (fingers, served)
    }

    /// Takes two touches of a finger, and stores their template in the first free slot, which is the
    /// answer. `progress` says what is awaited; when nobody listens to it any more, it ends. Until the
    /// slot is somebody's, it lets nobody in.
    pub async fn enrol(&self, progress: mpsc::Sender<Progress>) -> Result<u16, FingerError> {
        let _one = self.enrolling.try_lock().map_err(|_| FingerError::Busy)?;
        self.ask(|answer| Ask::Enrol { progress, answer }).await
    }

    /// Forgets the template in a slot; one that is not there is forgotten already.
    pub async fn delete(&self, slot: u16) -> Result<(), FingerError> {
        self.ask(|answer| Ask::Delete { slot, answer }).await
    }

    /// The slots that hold a template, whoever stored it.
    pub async fn known(&self) -> Result<BTreeSet<u16>, FingerError> {
        self.ask(Ask::Known).await
    }

    /// Forgets every template that the house did not enrol; says how many there were.
    pub async fn delete_unknown(&self) -> Result<usize, FingerError> {
        self.ask(Ask::DeleteUnknown).await
    }

    async fn ask<T>(
        &self,
        ask: impl FnOnce(oneshot::Sender<Result<T, FingerError>>) -> Ask,
    ) -> Result<T, FingerError> {
        let gone = || {
            let why = "there is none on a port: [access] finger = { port = … }";
            FingerError::NotThere(why.to_owned())
        };
        if self.is_served_by_nobody() {
            return Err(gone());
        }
        let (answer, mut answered) = oneshot::channel();
        (self.asks.send(ask(answer)).await).map_err(|_| gone())?;
        loop {
            match timeout(Self::LOOK_EVERY, &mut answered).await {
                Ok(answer) => return answer.map_err(|_| gone())?,
                // A new configuration may have come without a reader.
                Err(_) if self.is_served_by_nobody() => return Err(gone()),
                Err(_) => {}
            }
        }
    }

    fn is_served_by_nobody(&self) -> bool {
        self.served.0.try_lock().is_ok()
    }
}

/// What the reader is asked. Whichever reader runs takes it for itself.
#[derive(Debug, Clone)]
pub struct Asks(Arc<Mutex<mpsc::Receiver<Ask>>>);

/// One thing to do between two touches, and where the answer goes.
#[derive(Debug)]
enum Ask {
    Enrol {
        progress: mpsc::Sender<Progress>,
        answer: oneshot::Sender<Result<u16, FingerError>>,
    },
    Delete {
        slot: u16,
        answer: oneshot::Sender<Result<(), FingerError>>,
    },
    Known(oneshot::Sender<Result<BTreeSet<u16>, FingerError>>),
    DeleteUnknown(oneshot::Sender<Result<usize, FingerError>>),
}

impl Ask {
    /// The reader is not there.
    fn refuse(self, why: &str) {
        let error = FingerError::NotThere(why.to_owned());
        // Whoever asked may have left.
        match self {
            Ask::Enrol { answer, .. } => drop(answer.send(Err(error))),
            Ask::Delete { answer, .. } => drop(answer.send(Err(error))),
            Ask::Known(answer) => drop(answer.send(Err(error))),
            Ask::DeleteUnknown(answer) => drop(answer.send(Err(error))),
        }
    }
}
