//! One SMTP conversation (RFC 5321) over a connection of our own.
//!
//! lettre makes the commands and reads the replies. Its own connection is not used: it sets no
//! TCP_NODELAY, sends the final dot by itself (together a 40 ms step), keeps no time limit within
//! the conversation, and waits for each answer where PIPELINING (RFC 2920) saves round trips.

mod opening;

use std::future::Future;
use std::io;

use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Quit, Rcpt};
use lettre::transport::smtp::extension::{ClientId, MailParameter};
use lettre::transport::smtp::response::Response;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::{Instant, timeout_at};

use super::{on_one_line, shortened};

pub use lettre::address::Envelope;
pub(super) use opening::Server;
pub use opening::ready_for_tls;

/// A reply may be so long; more is no mail server.
const LONGEST_REPLY: u64 = 64 * 1024;

/// From here on the server may have the mail.
const SENDING: &str = "sending the mail";

/// Why a conversation failed.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// The connection could not be made, broke, or brought no answer in time.
    #[error("{doing}: {why}")]
    Broken {
        /// What was being done.
        doing: &'static str,
        /// What went wrong.
        why: String,
    },
    /// The server said no.
    #[error("{doing}: the server answered \"{reply}\"")]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// Its code.
        code: u16,
        /// Code and text.
        reply: String,
    },
    /// The server cannot what the configuration asks for.
    #[error("the server does not offer {what}")]
    Lacking {
        /// What, and what to do about it.
        what: &'static str,
    },
}

impl SmtpError {
    /// The connection was gone before the mail was handed over: a session that waited too long.
    pub(super) fn was_stale(&self) -> bool {
        match self {
            Self::Broken { doing, .. } => *doing != SENDING,
            // 421: the server closes the connection.
            Self::Refused { code, .. } => *code == 421,
            Self::Lacking { .. } => false,
        }
    }
}

/// A session; in the hands of others, one that is logged in.
pub struct Session<W = Box<dyn Wire>> {
    wire: BufReader<W>,
    /// What the server offers, in upper case: `PIPELINING`, `AUTH PLAIN LOGIN`, …
    offers: Vec<String>,
}

/// Plain or encrypted.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl Session {
    /// Sends one mail and returns the server's last word. The session can be used again.
    pub async fn send(
        &mut self,
        envelope: &Envelope,
        mail: &[u8],
        deadline: Instant,
    ) -> Result<String, SmtpError> {
        let mut parameters = Vec::new();
        let mut addresses = envelope.from().into_iter().chain(envelope.to());
        if !addresses.all(|address| AsRef::<str>::as_ref(address).is_ascii()) {
            if !self.can("SMTPUTF8") {
                let what = "SMTPUTF8, which an address with letters beyond ASCII needs";
                return Err(SmtpError::Lacking { what });
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let mut commands = vec![(
            "naming the sender",
            Mail::new(envelope.from().cloned(), parameters).to_string(),
        )];
        for to in envelope.to() {
            commands.push((
                "naming the recipient",
                Rcpt::new(to.clone(), vec![]).to_string(),
            ));
        }
        commands.push(("announcing the mail", Data.to_string()));

        let pipelining = self.can("PIPELINING");
        if pipelining {
            let all: String = commands
                .iter()
                .map(|(_, command)| command.as_str())
                .collect();
            self.write("naming the sender", all.as_bytes(), deadline)
                .await?;
        }
        for (doing, command) in &commands {
            if !pipelining {
                self.write(doing, command.as_bytes(), deadline).await?;
            }
            self.reply(doing, deadline).await?;
        }
        self.write(SENDING, &on_the_wire(mail), deadline).await?;
        Ok(said(&self.reply(SENDING, deadline).await?))
    }

    /// Takes leave.
    pub async fn quit(mut self, deadline: Instant) {
        let doing = "taking leave";
        if self
            .write(doing, Quit.to_string().as_bytes(), deadline)
            .await
            .is_ok()
        {
            let _ = self.reply(doing, deadline).await;
        }
        let _ = timeout_at(deadline, self.wire.get_mut().shutdown()).await;
    }
}

impl<W: AsyncRead + AsyncWrite + Unpin> Session<W> {
    fn over(wire: W) -> Session<W> {
        Session {
            wire: BufReader::new(wire),
            offers: Vec::new(),
        }
    }

    async fn greeting(&mut self, deadline: Instant) -> Result<(), SmtpError> {
        self.reply("waiting for the greeting", deadline).await?;
        Ok(())
    }

    async fn hello(&mut self, deadline: Instant) -> Result<(), SmtpError> {
        let hello = Ehlo::new(ClientId::default()).to_string();
        let reply = self.ask("saying hello", &hello, deadline).await?;
        let offers = reply.message().skip(1);
        self.offers = offers
            .map(|line| line.trim().to_ascii_uppercase())
            .collect();
        Ok(())
    }

    fn can(&self, extension: &str) -> bool {
        self.offers.iter().any(|line| line == extension)
    }

    async fn ask(
        &mut self,
        doing: &'static str,
        command: &str,
        deadline: Instant,
    ) -> Result<Response, SmtpError> {
        self.write(doing, command.as_bytes(), deadline).await?;
        self.reply(doing, deadline).await
    }

    async fn write(
        &mut self,
        doing: &'static str,
        bytes: &[u8],
        deadline: Instant,
    ) -> Result<(), SmtpError> {
        let wire = self.wire.get_mut();
        within(deadline, doing, async {
            wire.write_all(bytes).await?;
            wire.flush().await
        })
        .await
    }

    async fn reply(
        &mut self,
        doing: &'static str,
        deadline: Instant,
    ) -> Result<Response, SmtpError> {
        let reply = within(deadline, doing, read_reply(&mut self.wire)).await?;
        if reply.is_positive() {
            Ok(reply)
        } else {
            Err(refused(doing, &reply))
        }
    }
}

async fn read_reply<R: AsyncRead + Unpin>(wire: &mut BufReader<R>) -> io::Result<Response> {
    let mut wire = wire.take(LONGEST_REPLY);
    let mut reply = String::with_capacity(128);
    loop {
        let mut line = Vec::with_capacity(64);
        wire.read_until(b'\n', &mut line).await?;
        if !line.ends_with(b"\n") {
            let closed = "the server closed the connection";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, closed));
        }
        let goes_on = line.get(3) == Some(&b'-');
        // lettre wants the space and the CR that some servers leave out.
        reply.push_str(String::from_utf8_lossy(&line).trim_end());
        if !goes_on {
            reply.push_str(if reply.len() < 4 { " \r\n" } else { "\r\n" });
            break;
        }
        reply.push_str("\r\n");
    }
    let odd = |_| io::Error::other("the answer is not SMTP");
    reply.parse().map_err(odd)
}

/// The mail with dots doubled at the start of lines, and the final dot: one write, so that they
/// leave together.
fn on_the_wire(mail: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(mail.len() + 64);
    for line in mail.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    if !wire.ends_with(b"\r\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

async fn within<T>(
    deadline: Instant,
    doing: &'static str,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, SmtpError> {
    match timeout_at(deadline, work).await {
        Ok(done) => done.map_err(|e| broken(doing, &e)),
        Err(_) => Err(SmtpError::Broken {
            doing,
            why: "no answer in time".into(),
        }),
    }
}

fn broken(doing: &'static str, error: &io::Error) -> SmtpError {
    SmtpError::Broken {
        doing,
        why: on_one_line(&error.to_string()),
    }
}

fn refused(doing: &'static str, reply: &Response) -> SmtpError {
    SmtpError::Refused {
        doing,
        code: reply.code().into(),
        reply: said(reply),
    }
}

fn said(reply: &Response) -> String {
    let lines: Vec<_> = reply.message().collect();
    let said = on_one_line(&format!("{} {}", reply.code(), lines.join(" ")));
    // It goes into the log, the history and a mail about the trouble.
    shortened(&said, 300)
}
