//! A mail server that does what a script says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;

/// Where in the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Greeting,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    MidContent,
    Content,
}

/// What the server does instead of agreeing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Say(&'static str),
    Hang,
    HangUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    Never,
    OnRequest,
    FromTheStart,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Script {
    pub(crate) tls: Tls,
    /// What follows `250-AUTH `.
    pub(crate) auth: &'static str,
    pub(crate) pipelining: bool,
    /// Misbehaviour, and in how many connections.
    pub(crate) act: Option<(Step, Act, usize)>,
}

impl Default for Script {
    fn default() -> Self {
        Script {
            tls: Tls::OnRequest,
            auth: "PLAIN LOGIN",
            pipelining: false,
            act: None,
        }
    }
}

/// What the server saw.
#[derive(Debug)]
pub(crate) enum Seen {
    Connection,
    Command(String),
    Mail(Vec<u8>),
}

pub(crate) struct MailServer {
    pub(crate) address: SocketAddr,
    pub(crate) authority: Authority,
    seen: mpsc::UnboundedReceiver<Seen>,
    mended: watch::Sender<bool>,
}

/// What has to come, soon.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what)
        .await
        .expect("it came within a minute")
}

impl MailServer {
    pub(crate) async fn start(script: Script) -> MailServer {
        Self::start_as(script, Authority::new()).await
    }

    pub(crate) async fn start_as(script: Script, authority: Authority) -> MailServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, seen) = mpsc::unbounded_channel();
        let acceptor = authority.acceptor();
        let mended = watch::Sender::new(false);
        let mut well = mended.subscribe();
        tokio::spawn(async move {
            let mut connections = 0;
            while let Ok((stream, _)) = listener.accept().await {
                tell.send(Seen::Connection).ok();
                let mut script = script;
                let over = *well.borrow_and_update();
                if over || script.act.is_some_and(|(_, _, times)| connections >= times) {
                    script.act = None;
                }
                connections += 1;
                let conversation = serve(stream, script, acceptor.clone(), tell.clone());
                let mut mended = well.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = conversation => {}
                        // As a server ends that is started again.
                        _ = mended.changed() => {}
                    }
                });
            }
        });
        MailServer {
            address,
            authority,
            seen,
            mended,
        }
    }

    /// Started again, and well: conversations from before break, and it agrees to everything.
    #[allow(dead_code)] // tests/faults mends it
    pub(crate) fn mend(&self) {
        self.mended.send_replace(true);
    }

    /// The next mail, and all commands before it.
    pub(crate) async fn mail(&mut self) -> (Vec<u8>, Vec<String>) {
        let mut commands = Vec::new();
        loop {
            match soon(self.seen.recv()).await.expect("the server runs") {
                Seen::Mail(mail) => return (mail, commands),
                Seen::Command(command) => commands.push(command),
                Seen::Connection => {}
            }
        }
    }

    /// Waits for this command; returns how many connections were seen until then.
    pub(crate) async fn command(&mut self, verb: &str) -> usize {
        let mut connections = 0;
        loop {
            match soon(self.seen.recv()).await.expect("the server runs") {
                Seen::Command(command) if command.starts_with(verb) => return connections,
                Seen::Connection => connections += 1,
                Seen::Command(_) | Seen::Mail(_) => {}
            }
        }
    }

    /// Everything seen so far.
    pub(crate) fn so_far(&mut self) -> Vec<Seen> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }
}

async fn serve(
    stream: TcpStream,
    script: Script,
    acceptor: TlsAcceptor,
    tell: mpsc::UnboundedSender<Seen>,
) {
    stream.set_nodelay(true).unwrap();
    let tell = Arc::new(tell);
    if script.tls == Tls::FromTheStart {
        if let Ok(stream) = acceptor.accept(stream).await {
            converse(stream, script, true, true, &tell).await;
        }
        return;
    }
    // `None`: over. Otherwise the client asked for TLS.
    if let Some(stream) = converse(stream, script, true, false, &tell).await
        && let Ok(stream) = acceptor.accept(stream).await
    {
        converse(stream, script, false, true, &tell).await;
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    script: Script,
    greet: bool,
    encrypted: bool,
    tell: &mpsc::UnboundedSender<Seen>,
) -> Option<S> {
    let mut wire = BufReader::new(stream);
    if greet {
        answer(&mut wire, script, Step::Greeting, "220 ready").await?;
    }
    loop {
        let line = read_line(&mut wire).await?;
        tell.send(Seen::Command(line.clone())).ok();
        match line.split(' ').next().unwrap() {
            "EHLO" => {
                let mut hello = String::from("250-mail.example.org\r\n");
                if script.tls == Tls::OnRequest && !encrypted {
                    hello.push_str("250-STARTTLS\r\n");
                } else if !script.auth.is_empty() {
                    hello.push_str(&format!("250-AUTH {}\r\n", script.auth));
                }
                if script.pipelining {
                    hello.push_str("250-PIPELINING\r\n");
                }
                hello.push_str("250 8BITMIME");
                answer(&mut wire, script, Step::Ehlo, &hello).await?;
            }
            "STARTTLS" => {
                answer(&mut wire, script, Step::StartTls, "220 go on").await?;
                return Some(wire.into_inner());
            }
            "AUTH" if line == "AUTH LOGIN" => {
                say(&mut wire, "334 VXNlcm5hbWU6").await?; // Username:
                let name = read_line(&mut wire).await?;
                say(&mut wire, "334 UGFzc3dvcmQ6").await?; // Password:
                let word = read_line(&mut wire).await?;
                tell.send(Seen::Command(format!("{name} {word}"))).ok();
                answer(&mut wire, script, Step::Auth, "235 welcome").await?;
            }
            "AUTH" => answer(&mut wire, script, Step::Auth, "235 welcome").await?,
            "MAIL" => {
                // Whom pipelining was offered, sends it all at once.
                assert_eq!(script.pipelining, wire.buffer().starts_with(b"RCPT"));
                answer(&mut wire, script, Step::Mail, "250 sender ok").await?;
            }
            "RCPT" => answer(&mut wire, script, Step::Rcpt, "250 recipient ok").await?,
            "DATA" => {
                answer(&mut wire, script, Step::Data, "354 go ahead").await?;
                let mut mail = Vec::new();
                loop {
                    let mut line = Vec::new();
                    wire.read_until(b'\n', &mut line).await.ok()?;
                    if line == b".\r\n" {
                        break;
                    }
                    mail.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
                    if matches!(script.act, Some((Step::MidContent, _, _))) {
                        return None;
                    }
                }
                tell.send(Seen::Mail(mail)).ok();
                answer(&mut wire, script, Step::Content, "250 2.0.0 queued as 4711").await?;
            }
            "QUIT" => {
                say(&mut wire, "221 bye").await?;
                return None;
            }
            other => panic!("an unexpected command: {other}"),
        }
    }
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut BufReader<S>,
    script: Script,
    step: Step,
    agreed: &str,
) -> Option<()> {
    match script.act {
        Some((at, Act::Say(text), _)) if at == step => say(wire, text).await,
        Some((at, Act::Hang, _)) if at == step => std::future::pending().await,
        Some((at, Act::HangUp, _)) if at == step => None,
        Some((_, Act::Say(_) | Act::Hang | Act::HangUp, _)) | None => say(wire, agreed).await,
    }
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(wire: &mut BufReader<S>, text: &str) -> Option<()> {
    let line = format!("{text}\r\n");
    wire.get_mut().write_all(line.as_bytes()).await.ok()?;
    wire.get_mut().flush().await.ok()
}

async fn read_line<S: AsyncRead + AsyncWrite + Unpin>(wire: &mut BufReader<S>) -> Option<String> {
    let mut line = String::new();
    let read = wire.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}
