//! Email by SMTP: each delivery one recipient, each in a session of its own.
//!
//! Opening a session takes six round trips and a TLS handshake. It begins at the very moment of a
//! trigger ([`Mailer::prepare`]), while commit and photo are still under way; the mail then finds
//! a session that is logged in.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lettre::message::Mailbox;
use rustls::pki_types::ServerName;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};

use super::smtp::{Server, Session, SmtpError};
use super::{Delivered, Failure, Outgoing, SetupError, mime, tls};
use crate::config;

/// What an owner has to mend (a password, a server without STARTTLS) is not tried again sooner:
/// many servers lock out who knocks with a wrong password.
const WHEN_MENDED: Duration = Duration::from_secs(60);
/// More sessions at once than this are refused by some providers.
const MOST_PREPARED: usize = 4;
/// Time to take leave in.
const LEAVE: Duration = Duration::from_secs(2);

/// How long the mail server is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// An address must take the connection within this.
    pub connect: Duration,
    /// A delivery, from connecting to the last reply.
    pub delivery: Duration,
    /// A session that was prepared and is not used is closed after this.
    pub parked: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            connect: Duration::from_secs(10),
            delivery: Duration::from_secs(60),
            parked: Duration::from_secs(20),
        }
    }
}

/// Delivers mail. Cheap to clone; clones share their prepared sessions.
#[derive(Clone)]
pub struct Mailer {
    office: Arc<Office>,
}

struct Office {
    server: Server,
    from: Mailbox,
    patience: Patience,
    parked: Mutex<VecDeque<Parked>>,
}

/// A session that is being opened, or is open and waits for a mail.
struct Parked {
    number: u64,
    session: oneshot::Receiver<Result<Session, SmtpError>>,
}

impl Mailer {
    /// A mailer for this server. Reads `ca-file`; connects to nothing yet.
    pub fn new(email: &config::Email) -> Result<Mailer, SetupError> {
        Self::with_patience(email, Patience::default())
    }

    /// The same with other time limits.
    pub fn with_patience(email: &config::Email, patience: Patience) -> Result<Mailer, SetupError> {
        let value = |key, value: &str, why: String| SetupError::Value {
            key,
            value: value.to_owned(),
            why,
        };
        let name = ServerName::try_from(email.host.clone())
            .map_err(|e| value("email.host", &email.host, e.to_string()))?;
        let from = email
            .from
            .parse()
            .map_err(|e: lettre::address::AddressError| {
                value("email.from", &email.from, e.to_string())
            })?;
        let server = Server {
            host: email.host.clone(),
            port: email.port,
            security: email.security,
            tls: tls::trusting(email.ca_file.as_deref())?,
            name,
            login: email.login.clone(),
            connect: patience.connect,
        };
        let office = Office {
            server,
            from,
            patience,
            parked: Mutex::default(),
        };
        Ok(Mailer {
            office: Arc::new(office),
        })
    }

    /// Connects, encrypts and logs in as for a mail, and takes leave without one.
    ///
    /// # Errors
    ///
    /// How far it came, and what the server said against it, after `within` at most.
    pub async fn knock(&self, within: Duration) -> Result<(), SmtpError> {
        let deadline = Instant::now() + within;
        let session = Session::open(&self.office.server, deadline).await?;
        session.quit(deadline.min(Instant::now() + LEAVE)).await;
        Ok(())
    }

    /// Begins to open sessions for so many mails that are about to come. Returns at once; must be
    /// called within the tokio runtime. Sessions that nobody uses take leave after a while.
    pub fn prepare(&self, mails: usize) {
        let mut parked = self.office.parked();
        let wanted = mails.min(MOST_PREPARED);
        for _ in parked.len()..wanted {
            let number = fastrand::u64(..);
            let (offer, session) = oneshot::channel();
            parked.push_back(Parked { number, session });
            tokio::spawn(keep_ready(self.office.clone(), number, offer));
        }
    }

    /// Delivers one mail to one contact, in a prepared session if there is one.
    pub async fn deliver(
        &self,
        to: &config::Contact,
        mail: &Outgoing,
    ) -> Result<Delivered, Failure> {
        let deadline = Instant::now() + self.office.patience.delivery;
        let unfit = |why: String| Failure::Permanent {
            why: format!("writing the mail to {}: {why}", to.name),
        };
        let address = to.email.as_deref().unwrap_or_default();
        let address = address
            .parse()
            .map_err(|e: lettre::address::AddressError| unfit(e.to_string()))?;
        let mailbox = Mailbox::new(Some(super::on_one_line(&to.name)), address);
        let message =
            mime::compose(&self.office.from, mailbox, mail).map_err(|e| unfit(e.to_string()))?;
        let bytes = message.formatted();

        let prepared = self.office.prepared(deadline).await;
        let was_parked = prepared.is_some();
        let mut session = match prepared {
            Some(opened) => opened,
            None => Session::open(&self.office.server, deadline).await,
        }
        .map_err(|e| self.office.failure(e, Stage::Opening))?;
        let mut sent = session.send(message.envelope(), &bytes, deadline).await;
        if was_parked && matches!(&sent, Err(e) if e.was_stale()) {
            session = Session::open(&self.office.server, deadline)
                .await
                .map_err(|e| self.office.failure(e, Stage::Opening))?;
            sent = session.send(message.envelope(), &bytes, deadline).await;
        }
        // The answer counts, not the leave-taking.
        tokio::spawn(session.quit(Instant::now() + LEAVE));
        sent.map(|reply| Delivered { reply })
            .map_err(|e| self.office.failure(e, Stage::Sending))
    }
}

/// How far a conversation had come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was said about this mail yet.
    Opening,
    /// The refusal is about this mail.
    Sending,
}

impl Office {
    fn parked(&self) -> std::sync::MutexGuard<'_, VecDeque<Parked>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a prepared session, waiting for one that is being opened. One that just now could
    /// not be opened is the answer as well: trying again at once would fare the same.
    async fn prepared(&self, deadline: Instant) -> Option<Result<Session, SmtpError>> {
        let parked = self.parked().pop_front()?;
        timeout_at(deadline, parked.session).await.ok()?.ok()
    }

    fn take(&self, number: u64) -> Option<Parked> {
        let mut parked = self.parked();
        let at = parked.iter().position(|parked| parked.number == number)?;
        parked.remove(at)
    }

    fn failure(&self, error: SmtpError, stage: Stage) -> Failure {
        let Server { host, port, .. } = &self.server;
        let why = format!("mail by {host}:{port}: {error}");
        match error {
            SmtpError::Broken { .. } => Failure::Temporary { why, after: None },
            SmtpError::Lacking { .. } => Failure::Temporary {
                why,
                after: Some(WHEN_MENDED),
            },
            SmtpError::Refused { code, .. } => match (code, stage) {
                (..500, _) => Failure::Temporary { why, after: None },
                // 530, 534, 535: the login. A mended password must still bring the mail.
                (530 | 534 | 535, _) | (_, Stage::Opening) => Failure::Temporary {
                    why,
                    after: Some(WHEN_MENDED),
                },
                (_, Stage::Sending) => Failure::Permanent { why },
            },
        }
    }
}

/// Opens a session, offers it, and takes leave if nobody wanted it.
async fn keep_ready(
    office: Arc<Office>,
    number: u64,
    offer: oneshot::Sender<Result<Session, SmtpError>>,
) {
    let deadline = Instant::now() + office.patience.delivery;
    let opened = Session::open(&office.server, deadline).await;
    let open = opened.is_ok();
    if let Err(error) = &opened {
        tracing::debug!(%error, "a mail session could not be prepared");
        // Only a delivery that waits already shall have this answer; a later one tries itself.
        office.take(number);
    }
    if offer.send(opened).is_err() || !open {
        return;
    }
    sleep(office.patience.parked).await;
    if let Some(mut parked) = office.take(number)
        && let Ok(Ok(session)) = parked.session.try_recv()
    {
        session.quit(Instant::now() + LEAVE).await;
    }
}
