//! Opening a session: connect, encrypt, log in.

use std::sync::Arc;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::commands::{Auth, Starttls};
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Duration, Instant};
use tokio_rustls::TlsConnector;

use super::{Session, SmtpError, Wire, broken, refused, within};
use crate::config::{Login, SmtpSecurity};

/// What it takes to open a session.
#[derive(Debug)]
pub(in crate::notify) struct Server {
    /// Its name or address.
    pub(in crate::notify) host: String,
    /// Its port.
    pub(in crate::notify) port: u16,
    /// How it is spoken to.
    pub(in crate::notify) security: SmtpSecurity,
    /// Whom we trust.
    pub(in crate::notify) tls: Arc<rustls::ClientConfig>,
    /// Its certificate must be for this.
    pub(in crate::notify) name: ServerName<'static>,
    /// Login, if it wants one.
    pub(in crate::notify) login: Option<Login>,
    /// An address must take the connection within this.
    pub(in crate::notify) connect: Duration,
}

impl Session {
    /// Connects, encrypts and logs in.
    pub(in crate::notify) async fn open(
        server: &Server,
        deadline: Instant,
    ) -> Result<Session, SmtpError> {
        let stream = connect(server, deadline).await?;
        let wire: Box<dyn Wire> = match server.security {
            SmtpSecurity::Plaintext => Box::new(stream),
            SmtpSecurity::Tls => encrypted(server, stream, deadline).await?,
            SmtpSecurity::StartTls => {
                let stream = ready_for_tls(stream, deadline).await?;
                let wire = encrypted(server, stream, deadline).await?;
                return Self::begin(wire, false, server.login.as_ref(), deadline).await;
            }
        };
        Self::begin(wire, true, server.login.as_ref(), deadline).await
    }

    /// Says hello and logs in over a connection that is there, and encrypted if it has to be.
    /// `greets`: the server speaks first, as it does but for the second half of STARTTLS.
    pub async fn begin(
        wire: Box<dyn Wire>,
        greets: bool,
        login: Option<&Login>,
        deadline: Instant,
    ) -> Result<Session, SmtpError> {
        let mut session = Session::over(wire);
        if greets {
            session.greeting(deadline).await?;
        }
        session.hello(deadline).await?;
        if let Some(login) = login {
            session.log_in(login, deadline).await?;
        }
        Ok(session)
    }

    async fn log_in(&mut self, login: &Login, deadline: Instant) -> Result<(), SmtpError> {
        let doing = "logging in";
        let odd = |e: lettre::transport::smtp::Error| SmtpError::Broken {
            doing,
            why: e.to_string(),
        };
        let mechanism = self.mechanism().ok_or(SmtpError::Lacking {
            what: "AUTH PLAIN or AUTH LOGIN, but [email] has a username",
        })?;
        let credentials = Credentials::new(
            login.username.clone(),
            login.password.expose_secret().to_owned(),
        );
        let auth = Auth::new(mechanism, credentials.clone(), None).map_err(odd)?;
        let mut reply = self.ask(doing, &auth.to_string(), deadline).await?;
        // AUTH LOGIN asks twice: for the name and for the password.
        for _ in 0..2 {
            if !reply.has_code(334) {
                break;
            }
            let answer =
                Auth::new_from_response(mechanism, credentials.clone(), &reply).map_err(odd)?;
            reply = self.ask(doing, &answer.to_string(), deadline).await?;
        }
        if !reply.has_code(235) {
            return Err(refused(doing, &reply));
        }
        Ok(())
    }

    fn mechanism(&self) -> Option<Mechanism> {
        let offered = |name: &str| {
            self.offers.iter().any(|line| {
                let mut words = line.split([' ', '=']);
                words.next() == Some("AUTH") && words.any(|word| word == name)
            })
        };
        if offered("PLAIN") {
            Some(Mechanism::Plain)
        } else {
            offered("LOGIN").then_some(Mechanism::Login)
        }
    }
}

async fn connect(server: &Server, deadline: Instant) -> Result<TcpStream, SmtpError> {
    let doing = "looking up its address";
    let lookup = lookup_host((server.host.as_str(), server.port));
    let addresses = within(deadline, doing, lookup).await?;
    let mut last = SmtpError::Broken {
        doing,
        why: "it has none".into(),
    };
    for address in addresses {
        let soon = deadline.min(Instant::now() + server.connect);
        match within(soon, "connecting", TcpStream::connect(address)).await {
            Ok(stream) => {
                // A command must not wait for the acknowledgement of the one before.
                let nodelay = stream.set_nodelay(true);
                return nodelay
                    .map(|()| stream)
                    .map_err(|e| broken("connecting", &e));
            }
            Err(e) => last = e,
        }
    }
    Err(last)
}

/// The part before TLS. What the server sends ahead of the handshake would be a stranger's words
/// inside the encrypted session (CVE-2011-0411), so it ends the conversation.
pub async fn ready_for_tls<W: Wire>(stream: W, deadline: Instant) -> Result<W, SmtpError> {
    let mut plain = Session::over(stream);
    plain.greeting(deadline).await?;
    plain.hello(deadline).await?;
    if !plain.can("STARTTLS") {
        return Err(SmtpError::Lacking {
            what: "STARTTLS; without it nothing is sent (port 465 wants security = \"tls\")",
        });
    }
    let doing = "asking for TLS";
    plain.ask(doing, &Starttls.to_string(), deadline).await?;
    if !plain.wire.buffer().is_empty() {
        let why = "the server went on in the clear".to_owned();
        return Err(SmtpError::Broken { doing, why });
    }
    Ok(plain.wire.into_inner())
}

async fn encrypted(
    server: &Server,
    stream: TcpStream,
    deadline: Instant,
) -> Result<Box<dyn Wire>, SmtpError> {
    let connector = TlsConnector::from(server.tls.clone());
    let handshake = connector.connect(server.name.clone(), stream);
    let stream = within(deadline, "agreeing on TLS", handshake).await?;
    Ok(Box::new(stream))
}
