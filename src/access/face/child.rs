//! The daemon's end of the child that looks at pictures.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::eyes::FRAME;
use super::message::{Answer, Look, MOST_BYTES};
use super::models::{KEPT, place};
use crate::config::Config;

/// A look takes a second on a Pi 3, the first one three with the loading. What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// A child whose pipes are closed ends at once.
const ENDS: Duration = Duration::from_secs(1);

/// How the child is started.
#[derive(Debug, Clone)]
pub struct Start {
    /// The program: this one.
    pub program: PathBuf,
    /// Where the models were installed.
    pub models: PathBuf,
    /// Where what is made of them is kept; `None`: nowhere.
    pub kept: Option<PathBuf>,
    /// How closely it looks: [`FRAME`](super::FRAME) or [`STILL`](super::STILL).
    pub side: usize,
    /// How long a look may take.
    pub patience: Duration,
}

impl Start {
    /// This program as it runs, also after its file was replaced; models and store are the
    /// configuration's.
    pub fn of(config: &Config) -> Self {
        let configured = config.access.as_ref().map(|access| access.models.as_path());
        Start::itself(place(configured), Some(config.store.path.join(KEPT)))
    }

    /// This program as it runs.
    pub fn itself(models: PathBuf, kept: Option<PathBuf>) -> Self {
        Start {
            program: "/proc/self/exe".into(),
            models,
            kept,
            side: FRAME,
            patience: PATIENCE,
        }
    }
}

/// Why a picture was not looked at.
#[derive(Debug, thiserror::Error)]
pub enum NoLook {
    /// The child has ended, hangs, or could not be started; it is gone.
    #[error("recognising faces {0}")]
    Broken(String),
    /// It says why.
    #[error("{0}")]
    Refused(String),
}

/// The child while it runs. Dropped, it is killed.
pub struct Looker {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    patience: Duration,
}

impl Looker {
    /// Starts it. What it needs it loads with the first picture.
    ///
    /// # Errors
    /// The system starts no more processes.
    pub fn start(start: &Start) -> io::Result<Self> {
        let mut command = Command::new(&start.program);
        command.arg("recognise").arg("--models").arg(&start.models);
        command.arg("--side").arg(start.side.to_string());
        if let Some(kept) = &start.kept {
            command.arg("--kept").arg(kept);
        }
        let mut child = command
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().expect("it was asked for");
        let output = child.stdout.take().expect("it was asked for");
        Ok(Looker {
            child,
            input,
            output,
            patience: start.patience,
        })
    }

    /// Its process, for measurements.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// What there is in this picture's file.
    ///
    /// # Errors
    /// [`NoLook::Broken`]: drop it, and start another.
    pub async fn look(&mut self, picture: &[u8]) -> Result<Look, NoLook> {
        let broken = |why: &str| NoLook::Broken(why.to_owned());
        match timeout(self.patience, self.exchange(picture)).await {
            Err(_) => Err(broken("hangs: the child was ended")),
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Err(NoLook::Broken(
                format!("gave an answer that is none: {error}"),
            )),
            Ok(Err(_)) => Err(NoLook::Broken(
                match timeout(ENDS, self.child.wait()).await {
                    Ok(Ok(status)) => format!("failed: its child ended ({status})"),
                    Ok(Err(_)) | Err(_) => "failed: its child does not listen".to_owned(),
                },
            )),
            Ok(Ok(Answer::Looked(look))) => Ok(look),
            Ok(Ok(Answer::Not(why))) => Err(NoLook::Refused(why)),
        }
    }

    async fn exchange(&mut self, picture: &[u8]) -> io::Result<Answer> {
        let length = u32::try_from(picture.len()).map_err(io::Error::other)?;
        self.input.write_all(&length.to_le_bytes()).await?;
        self.input.write_all(picture).await?;
        self.input.flush().await?;
        let length = self.output.read_u32_le().await?;
        if length > MOST_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long"));
        }
        let mut answer = vec![0; length as usize];
        self.output.read_exact(&mut answer).await?;
        // One that is cut off is no end of the pipe.
        serde_json::from_slice(&answer)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}
