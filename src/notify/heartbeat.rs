//! The heartbeat: an outside service is asked for an address, and so notices when nobody asks any
//! more.

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Url};

use super::{SetupError, http};

/// From the connection to the answer's head: well below the minute until the next one.
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks one address.
pub struct Heartbeat {
    client: Client,
    url: Url,
}

impl Heartbeat {
    /// The heartbeat at this address, which trusts the system, or this `ca-file`. Connects to
    /// nothing yet.
    ///
    /// # Errors
    ///
    /// When HTTP cannot be set up, or this is no address.
    pub fn new(url: &str, ca_file: Option<&Path>) -> Result<Heartbeat, SetupError> {
        let url = Url::parse(url).map_err(|why| SetupError::Value {
            key: "heartbeat",
            // The address itself is the secret.
            value: "…".to_owned(),
            why: why.to_string(),
        })?;
        let client = http::client(ca_file)?;
        Ok(Heartbeat { client, url })
    }

    /// Which server, for people: path and query are as good as a password.
    pub fn server(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Asks once. The answer's body is not read.
    ///
    /// # Errors
    ///
    /// A sentence that says why it was not answered, after 15 s at most.
    pub async fn beat(&self) -> Result<(), String> {
        let request = self.client.get(self.url.clone()).timeout(PATIENCE);
        let failed = |why: String| format!("asking {}: {why}", self.server());
        let answer = request.send().await;
        let answer = answer.map_err(|error| failed(http::explain(error)))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(failed(format!("it answered {status}"))),
        }
    }
}
