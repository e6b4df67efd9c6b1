//! A mail server on loopback: takes every mail and keeps it to be looked at.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mail_parser::{Message, MessageParser, MimeHeaders};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::faults::{FaultSet, Faults, SmtpFault};
use super::listening::{bind, bind_again, until};
use crate::clock;

/// The mail server. Runs as long as the runtime it was started on.
#[derive(Clone)]
pub struct MailServer {
    address: SocketAddr,
    mailbox: Arc<Mailbox>,
}

/// One attachment of a mail, for the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailAttachment {
    /// Its MIME type, such as `image/jpeg`.
    pub kind: String,
    /// Its content, decoded.
    pub content: Vec<u8>,
}

impl MailServer {
    /// Listens on a free port of 127.0.0.1, without TLS, and takes any login.
    pub async fn start(faults: &Faults) -> io::Result<MailServer> {
        let (listener, address) = bind().await?;
        let mailbox = Arc::new(Mailbox::default());
        tokio::spawn(serve(listener, address, mailbox.clone(), faults.watch()));
        Ok(MailServer { address, mailbox })
    }

    /// Where it listens; the same for as long as it runs.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The mails that arrived, oldest first, as `GET sim/mails` shows them. At most the last 200.
    pub fn mails(&self) -> Value {
        // Parsed here, not on arrival: what arrives is timed.
        let received = self.mailbox.received().clone();
        received.iter().map(Received::json).collect()
    }

    /// A mail as it arrived, by its place in [`mails`](MailServer::mails).
    pub fn raw(&self, mail: usize) -> Option<Arc<[u8]>> {
        self.mailbox
            .received()
            .get(mail)
            .map(|mail| mail.raw.clone())
    }

    pub(super) fn remembered(&self) -> VecDeque<Received> {
        self.mailbox.received().clone()
    }

    pub(super) fn recall(&self, mails: VecDeque<Received>) {
        *self.mailbox.received() = mails;
    }

    /// An attachment of a mail, both by their place.
    pub fn attachment(&self, mail: usize, attachment: u32) -> Option<MailAttachment> {
        let raw = self.raw(mail)?;
        let message = MessageParser::default().parse(&*raw)?;
        let part = message.attachment(attachment)?;
        Some(MailAttachment {
            kind: mime_type(part),
            content: part.contents().to_vec(),
        })
    }
}

/// The most mails, and the most bytes of them, that are kept.
const MOST_MAILS: usize = 200;
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// The largest mail that is taken.
const LARGEST: usize = 20 * 1024 * 1024;

#[derive(Default)]
struct Mailbox(Mutex<VecDeque<Received>>);

/// A mail as it arrived.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Received {
    from: String,
    to: Vec<String>,
    #[serde(with = "as_text")]
    raw: Arc<[u8]>,
    received_ns: u64,
}

/// A mail is text, and as text it is kept.
mod as_text {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(raw: &Arc<[u8]>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&String::from_utf8_lossy(raw))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<[u8]>, D::Error> {
        String::deserialize(from).map(|text| text.into_bytes().into())
    }
}

impl Mailbox {
    fn received(&self) -> MutexGuard<'_, VecDeque<Received>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, mail: Received) {
        let mut received = self.received();
        received.push_back(mail);
        let mut bytes: usize = received.iter().map(|mail| mail.raw.len()).sum();
        while received.len() > MOST_MAILS || (received.len() > 1 && bytes > MOST_BYTES) {
            bytes -= received.pop_front().map_or(0, |mail| mail.raw.len());
        }
    }
}

impl Received {
    fn json(&self) -> Value {
        let message = MessageParser::default()
            .parse(&*self.raw)
            .unwrap_or_default();
        json!({
            "from": self.from,
            "to": self.to,
            "subject": message.subject(),
            "message_id": message.message_id(),
            "text": message.body_text(0),
            "attachments": attachments(&message),
            "received_ns": self.received_ns,
        })
    }
}

fn attachments(message: &Message<'_>) -> Value {
    let about = |part| {
        json!({
            "name": MimeHeaders::attachment_name(part),
            "type": mime_type(part),
            "bytes": part.len(),
        })
    };
    message.attachments().map(about).collect()
}

fn mime_type(part: &mail_parser::MessagePart<'_>) -> String {
    part.content_type().map_or_else(
        || "application/octet-stream".into(),
        |kind| match kind.subtype() {
            Some(subtype) => format!("{}/{subtype}", kind.ctype()),
            None => kind.ctype().to_owned(),
        },
    )
}

async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    mailbox: Arc<Mailbox>,
    mut faults: watch::Receiver<FaultSet>,
) {
    let is_down = |set: &FaultSet| set.at_mail() == Some(SmtpFault::Down);
    let mut listener = Some(listener);
    loop {
        let Some(open) = &listener else {
            until(&mut faults, |set| !is_down(set)).await;
            listener = Some(bind_again(address).await);
            continue;
        };
        tokio::select! {
            // A fault that is there already when somebody connects must win.
            biased;
            () = until(&mut faults, is_down) => listener = None,
            accepted = open.accept() => match accepted {
                Ok((stream, _)) => {
                    let (mailbox, faults) = (mailbox.clone(), faults.clone());
                    let mut cut = faults.clone();
                    tokio::spawn(async move {
                        tokio::select! {
                            // A client that goes away in the middle is its own business.
                            _ = Session::new(stream, mailbox, faults).converse() => {}
                            () = until(&mut cut, is_down) => {}
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the simulated mail server cannot accept");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
        }
    }
}

struct Session {
    stream: BufReader<TcpStream>,
    mailbox: Arc<Mailbox>,
    faults: watch::Receiver<FaultSet>,
    from: Option<String>,
    to: Vec<String>,
}

impl Session {
    fn new(stream: TcpStream, mailbox: Arc<Mailbox>, faults: watch::Receiver<FaultSet>) -> Self {
        // Each reply leaves at once: Nagle's algorithm would be what is timed.
        let _ = stream.set_nodelay(true);
        Session {
            stream: BufReader::with_capacity(16 * 1024, stream),
            mailbox,
            faults,
            from: None,
            to: Vec::new(),
        }
    }

    async fn converse(mut self) -> io::Result<()> {
        self.reply("220 asfaleia-simulator ESMTP").await?;
        while let Some(line) = self.line().await? {
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => {
                    self.forget_mail();
                    self.reply(&format!(
                        "250-asfaleia-simulator\r\n250-SIZE {LARGEST}\r\n250-8BITMIME\r\n\
                         250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250 AUTH PLAIN LOGIN"
                    ))
                    .await?;
                }
                "HELO" => {
                    self.forget_mail();
                    self.reply("250 asfaleia-simulator").await?;
                }
                "AUTH" => self.login(rest).await?,
                "MAIL" => self.mail_from(rest).await?,
                "RCPT" => self.recipient(rest).await?,
                "DATA" => self.data().await?,
                "RSET" => {
                    self.forget_mail();
                    self.reply("250 2.0.0 forgotten").await?;
                }
                "NOOP" => self.reply("250 2.0.0 nothing done").await?,
                "QUIT" => return self.reply("221 2.0.0 bye").await,
                _ => self.reply("500 5.5.2 no such command here").await?,
            }
        }
        Ok(())
    }

    /// AUTH PLAIN with or without its initial answer, AUTH LOGIN: any name and password will do.
    async fn login(&mut self, how: &str) -> io::Result<()> {
        let (mechanism, initial) = how.split_once(' ').unwrap_or((how, ""));
        // Base64 of "Username:" and "Password:".
        let questions: &[&str] = match (mechanism.to_ascii_uppercase().as_str(), initial) {
            ("PLAIN", "") => &["334 "],
            ("PLAIN", _) => &[],
            ("LOGIN", "") => &["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"],
            ("LOGIN", _) => &["334 UGFzc3dvcmQ6"],
            (_, _) => return self.reply("504 5.5.4 PLAIN or LOGIN").await,
        };
        for question in questions {
            self.reply(question).await?;
            if self.line().await?.is_none() {
                return Ok(());
            }
        }
        if self.fault() == Some(SmtpFault::LoginRefused) {
            return self.reply(LOGIN_REFUSED).await;
        }
        self.reply("235 2.7.0 come in").await
    }

    async fn mail_from(&mut self, path: &str) -> io::Result<()> {
        if self.fault() == Some(SmtpFault::LoginRefused) {
            return self.reply(LOGIN_REFUSED).await;
        }
        let Some(address) = address(path, "FROM:") else {
            return self.reply("501 5.5.4 MAIL FROM:<address>").await;
        };
        self.forget_mail();
        self.from = Some(address);
        self.reply("250 2.1.0 sender ok").await
    }

    async fn recipient(&mut self, path: &str) -> io::Result<()> {
        if self.from.is_none() {
            return self.reply("503 5.5.1 MAIL first").await;
        }
        if self.fault() == Some(SmtpFault::TryLater) {
            return self.reply("451 4.7.1 try again later").await;
        }
        let Some(address) = address(path, "TO:") else {
            return self.reply("501 5.5.4 RCPT TO:<address>").await;
        };
        self.to.push(address);
        self.reply("250 2.1.5 recipient ok").await
    }

    async fn data(&mut self) -> io::Result<()> {
        if self.to.is_empty() {
            return self.reply("503 5.5.1 RCPT first").await;
        }
        self.reply("354 end with a dot").await?;
        let mut raw = Vec::new();
        loop {
            let begin = raw.len();
            if self.stream.read_until(b'\n', &mut raw).await? == 0 {
                return Ok(());
            }
            if matches!(&raw[begin..], b".\r\n" | b".\n") {
                raw.truncate(begin);
                break;
            }
            if raw[begin] == b'.' {
                raw.remove(begin);
            }
            if raw.len() > LARGEST {
                raw.clear();
                // What is left of it is no conversation: the connection ends with the reply.
                self.reply("552 5.3.4 too large").await?;
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        let received_ns = clock::monotonic_nanos();
        self.mailbox.put(Received {
            from: self.from.take().unwrap_or_default(),
            to: std::mem::take(&mut self.to),
            raw: raw.into(),
            received_ns,
        });
        self.reply("250 2.0.0 taken").await
    }

    fn forget_mail(&mut self) {
        self.from = None;
        self.to.clear();
    }

    fn fault(&self) -> Option<SmtpFault> {
        self.faults.borrow().at_mail()
    }

    /// One command without its line end; `None` when the client has gone.
    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let mut bounded = tokio::io::AsyncReadExt::take(&mut self.stream, LONGEST_LINE);
        bounded.read_until(b'\n', &mut line).await?;
        Ok(line
            .ends_with(b"\n")
            .then(|| String::from_utf8_lossy(&line).trim_end().to_owned()))
    }

    async fn reply(&mut self, text: &str) -> io::Result<()> {
        let hangs = |set: &FaultSet| set.at_mail() == Some(SmtpFault::Hang);
        until(&mut self.faults, |set| !hangs(set)).await;
        self.stream
            .write_all(format!("{text}\r\n").as_bytes())
            .await
    }
}

const LOGIN_REFUSED: &str = "535 5.7.8 authentication credentials invalid";
/// RFC 5321 allows 512 bytes, RFC 4954 12288 for a login.
const LONGEST_LINE: u64 = 12_288;

/// `FROM:<anna@example.org> SIZE=…` -> `anna@example.org`.
fn address(path: &str, keyword: &str) -> Option<String> {
    let (start, rest) = path.split_at_checked(keyword.len())?;
    let (address, _) = rest.trim_start().strip_prefix('<')?.split_once('>')?;
    start
        .eq_ignore_ascii_case(keyword)
        .then(|| address.to_owned())
}
