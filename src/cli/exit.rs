//! Exit codes, as sysexits.h numbers them, and what goes with them.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

/// What a subcommand ends with.
pub type Result<T = ()> = std::result::Result<T, Failed>;

/// Exit codes of sysexits.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok = 0,
    /// The command line is wrong.
    Usage = 64,
    /// A file's content is wrong.
    Data = 65,
    /// A file is not there or cannot be read.
    NoInput = 66,
    /// The service is not running, or not well.
    Unavailable = 69,
    /// A mistake of ours.
    Software = 70,
    /// The operating system refused something.
    OsErr = 71,
    /// A file cannot be made, or is not to be replaced.
    CantCreate = 73,
    /// Reading or writing failed.
    IoErr = 74,
    /// Not now: try again later.
    TempFail = 75,
    /// No right to it.
    NoPerm = 77,
    /// The configuration is wrong.
    Config = 78,
}

impl Exit {
    /// What another process of ours ended with; `None`: a signal ended it.
    pub fn of(code: Option<i32>) -> Exit {
        let all = [
            Exit::Ok,
            Exit::Usage,
            Exit::Data,
            Exit::NoInput,
            Exit::Unavailable,
            Exit::Software,
            Exit::OsErr,
            Exit::CantCreate,
            Exit::IoErr,
            Exit::TempFail,
            Exit::NoPerm,
            Exit::Config,
        ];
        let found = all.into_iter().find(|exit| Some(*exit as i32) == code);
        found.unwrap_or(Exit::Software)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// A subcommand that did not do what it should.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failed {
    /// The exit code.
    pub exit: Exit,
    /// A sentence: what was being done, what is wrong, what to do about it. May be empty: nothing
    /// is printed then.
    pub error: String,
}

impl Failed {
    /// With this code and this sentence.
    pub fn new(exit: Exit, error: impl Display) -> Self {
        Failed {
            exit,
            error: error.to_string(),
        }
    }

    /// The exit code alone: everything has been said.
    pub fn silently(exit: Exit) -> Self {
        Failed::new(exit, "")
    }
}

/// Writing to standard output failed. When its reader has left (`… | head`) that is no failure.
impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failed::silently(Exit::Ok),
            _ => Failed::new(Exit::IoErr, format!("writing the output: {error}")),
        }
    }
}
