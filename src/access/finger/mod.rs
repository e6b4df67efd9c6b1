//! Fingerprint modules on a serial line: R307, R503, AS608 and their kin.
//!
//! [`FingerReader`] is the driver: a task that waits for touches and tells whose they were by the
//! slot (the module's page) of the template. [`Fingers`] asks it to enrol and to forget. Templates
//! stay in the module; who a slot belongs to is the house's affair.

pub mod command;
mod enrol;
mod module;
pub mod packet;
mod reader;

use std::collections::BTreeSet;

use tokio::sync::{mpsc, oneshot};

pub use reader::{FingerReader, ReaderPort};

/// What a finger on the reader turned out to be. Told once a touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touched {
    /// A finger that the house enrolled.
    Match {
        /// Its template's page in the module.
        slot: u16,
        /// How well it fits, by the module's own measure.
        score: u16,
    },
    /// A finger of nobody: unknown to the module, or of a template that the house did not enrol.
    Stranger,
}

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
    /// There is no room for another template.
    #[error("the reader is full: forget somebody first")]
    Full,
}

/// Asks the reader to enrol and to forget. Clones ask the same one.
#[derive(Debug, Clone)]
pub struct Fingers {
    asks: mpsc::Sender<Ask>,
}

impl Fingers {
    /// The asking end, and what the [`FingerReader`] gets. Both outlive restarts of its task.
    pub fn new() -> (Fingers, Asks) {
        let (asks, asked) = mpsc::channel(4);
        (Fingers { asks }, Asks(asked))
    }

    /// Takes two touches of a finger, and stores their template in the first free slot, which is the
    /// answer. `progress` says what is awaited; when nobody listens to it any more, it ends. The
    /// house must have room for the slot: until it is among the enrolled ones, it lets nobody in.
    pub async fn enrol(&self, progress: mpsc::Sender<Progress>) -> Result<u16, FingerError> {
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
        let (answer, answered) = oneshot::channel();
        let gone = || FingerError::NotThere("it was stopped".to_owned());
        (self.asks.send(ask(answer)).await).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// What the reader is asked; it lives as long as the reader is configured.
#[derive(Debug)]
pub struct Asks(mpsc::Receiver<Ask>);

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
