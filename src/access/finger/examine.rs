//! A look at a module that no driver has: who watches it need not be disturbed.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use super::module::{Fault, Module};
use super::reader::ReaderPort;
use crate::config::{ModulePassword, NodePort};
use crate::sensors::port::{OpenError, Ports};

/// What a module says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// How many templates it can hold.
    pub capacity: u16,
    /// The pages that hold one.
    pub templates: BTreeSet<u16>,
}

/// Why it says nothing.
#[derive(Debug, thiserror::Error)]
pub enum NotExamined {
    /// The port cannot be opened.
    #[error("{0}")]
    Port(String),
    /// A module is there, and takes another password.
    #[error("it takes another password")]
    Password,
    /// What is there does not answer as a module does.
    #[error("{0}")]
    Silent(String),
}

impl From<OpenError> for NotExamined {
    fn from(error: OpenError) -> Self {
        NotExamined::Port(error.to_string())
    }
}

impl From<Fault> for NotExamined {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Password => NotExamined::Password,
            Fault::Silent
            | Fault::Damaged(_)
            | Fault::Strange
            | Fault::Refused(_)
            | Fault::HangUp
            | Fault::Port(_) => NotExamined::Silent(fault.to_string()),
        }
    }
}

/// Opens the port, gives the password, and asks what it holds. Changes nothing but its light, which
/// is switched off. Takes some seconds if nobody answers.
///
/// # Errors
/// Nobody is there, or none who knows the password.
pub async fn examine(reader: &ReaderPort) -> Result<Examined, NotExamined> {
    let port = NodePort::Path(reader.port.clone());
    let ports = Ports::default();
    let open = ports.open(&port, reader.baud, HashSet::new()).await?;
    let mut module = Module::begin(open, reader.password.0).await?;
    Ok(Examined {
        capacity: module.capacity(),
        templates: module.index().await?,
    })
}

/// Whether a module is on this port, whatever its password.
pub async fn is_there(port: &Path) -> bool {
    let reader = ReaderPort {
        port: port.to_owned(),
        baud: ReaderPort::BAUD,
        password: ModulePassword::default(),
    };
    match examine(&reader).await {
        Ok(_) | Err(NotExamined::Password) => true,
        Err(NotExamined::Port(_) | NotExamined::Silent(_)) => false,
    }
}
