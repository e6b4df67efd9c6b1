//! What phone and webhook share: one careful HTTP client, and what became of a request.

use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, Url};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Failure, SetupError, on_one_line, shortened, tls};

/// A server must take the connection within this.
const CONNECT: Duration = Duration::from_secs(5);
/// A connection that nobody used for so long is closed.
const IDLE: Duration = Duration::from_secs(60);
/// Nobody's `Retry-After` holds an alarm back for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// So much of a body is read: Twilio's lists have 100 kB. A server that never ends must not fill
/// the Pi's memory.
const LONGEST_BODY: usize = 512 * 1024;

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 200, 429, …
    pub status: u16,
    /// Its `Retry-After`, as it is written.
    pub retry_after: Option<String>,
    /// The body, or its beginning if it broke off or is longer than 512 KiB.
    pub body: Vec<u8>,
}

impl Answer {
    /// 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A failure by its status: 408, 429 and 5xx are worth another try (after the `Retry-After`,
    /// or 10 min if that is longer), everything else is not.
    pub fn failure(&self, why: String) -> Failure {
        match self.status {
            408 | 429 | 500..=599 => Failure::Temporary {
                why,
                after: self.retry_after(),
            },
            _permanent => Failure::Permanent { why },
        }
    }

    /// What this response says. A body that breaks off is what came of it: whoever reads it finds
    /// it wanting, or has no need of it.
    pub(super) async fn of(mut response: Response) -> Answer {
        let retry_after = response.headers().get(RETRY_AFTER);
        let mut answer = Answer {
            status: response.status().as_u16(),
            retry_after: retry_after.and_then(|it| Some(it.to_str().ok()?.to_owned())),
            body: Vec::new(),
        };
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = LONGEST_BODY - answer.body.len();
            answer
                .body
                .extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() >= room {
                break;
            }
        }
        answer
    }

    fn retry_after(&self) -> Option<Duration> {
        let seconds = self.retry_after.as_ref()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
    }
}

/// A client that trusts this `ca-file`, or the system. It follows no redirects (secrets in headers
/// stay where they were meant to go) and obeys no proxy from the environment.
pub(super) fn client(ca_file: Option<&Path>) -> Result<Client, SetupError> {
    Client::builder()
        .tls_backend_preconfigured(tls::trusting(ca_file)?.as_ref().clone())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tcp_nodelay(true)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("asfaleia/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| SetupError::Http { why: explain(e) })
}

/// Connects to the server of an address, and encrypts if it is https. Nothing is asked for.
///
/// # Errors
///
/// What was being done and what went wrong, without the address: it may hold a token.
pub async fn reach(url: &str, ca_file: Option<&Path>, within: Duration) -> Result<(), String> {
    let url = Url::parse(url).map_err(|error| format!("reading the address: {error}"))?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let bare = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let setup = |why: String| format!("setting up TLS: {why}");
    let tls = tls::trusting(ca_file).map_err(|error| setup(error.to_string()))?;
    let reached = async {
        let stream = TcpStream::connect((bare.as_str(), port));
        let stream = stream
            .await
            .map_err(|error| format!("connecting: {error}"))?;
        if url.scheme() == "https" {
            let name = ServerName::try_from(bare.clone());
            let name = name.map_err(|error| setup(error.to_string()))?;
            let encrypted = TlsConnector::from(tls).connect(name, stream);
            encrypted
                .await
                .map_err(|error| format!("agreeing on TLS: {error}"))?;
        }
        Ok(())
    };
    let late = |_| Err(format!("no answer within {} s", within.as_secs()));
    let reached = tokio::time::timeout(within, reached).await;
    reached
        .unwrap_or_else(late)
        .map_err(|why: String| on_one_line(&why))
}

/// What went wrong, with its causes and without the address: that may hold an account or a token.
pub(super) fn explain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    on_one_line(&text)
}

/// The first words of a body, for a log.
pub(super) fn excerpt(body: &[u8]) -> String {
    shortened(&on_one_line(&String::from_utf8_lossy(body)), 200)
}
