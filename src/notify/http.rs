//! What phone and webhook share: one careful HTTP client, and what became of a request.

use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, StatusCode};

use super::{Failure, SetupError, on_one_line, shortened, tls};

/// A server must take the connection within this.
const CONNECT: Duration = Duration::from_secs(5);
/// A connection that nobody used for so long is closed.
const IDLE: Duration = Duration::from_secs(60);
/// Nobody's `Retry-After` holds an alarm back for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

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

/// Failure by status: 408, 429 and 5xx are worth another try, everything else is not.
pub(super) fn failure(status: StatusCode, headers: &HeaderMap, why: String) -> Failure {
    if status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
    {
        let after = retry_after(headers);
        Failure::Temporary { why, after }
    } else {
        Failure::Permanent { why }
    }
}

/// The first words of a body, for a log.
pub(super) fn excerpt(body: &str) -> String {
    shortened(&on_one_line(body), 200)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}
