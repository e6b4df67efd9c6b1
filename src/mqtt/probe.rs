//! Whether the broker lets us in, asked beside a service that may run.

use std::time::Duration;

use rumqttc::{AsyncClient, ConnectReturnCode, ConnectionError, Event, Packet};
use tokio::time::timeout;

use super::connection;
use super::state::Names;
use crate::config::{Mqtt, Site};

/// Why the broker cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It does not know this name and password.
    #[error("the broker refuses the login")]
    Login,
    /// No connection, or not in time.
    #[error("{0}")]
    Unreachable(String),
}

/// Connects, logs in, and takes leave; subscribes to nothing and says nothing. Under a name of its
/// own: a broker throws out whoever has the same.
///
/// # Errors
///
/// Why not, after `within` at most.
pub async fn knock(mqtt: &Mqtt, site: &Site, within: Duration) -> Result<(), Refused> {
    let names = Names::new(site, &[]);
    let unreachable = Refused::Unreachable;
    let client = format!("asfaleia-{}-doctor", names.id);
    let options =
        connection::without_will(mqtt, client).map_err(|error| unreachable(error.to_string()))?;
    let (client, mut events) = AsyncClient::builder(options).build();
    let connected = async {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    // The answer counts, not the leave-taking.
                    let _ = client.disconnect().await;
                    let _ = events.poll().await;
                    return Ok(());
                }
                Ok(_) => {}
                Err(ConnectionError::ConnectionRefused(
                    ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
                )) => return Err(Refused::Login),
                Err(error) => return Err(unreachable(error.to_string())),
            }
        }
    };
    let late = format!("no answer within {} s", within.as_secs());
    timeout(within, connected)
        .await
        .unwrap_or(Err(Refused::Unreachable(late)))
}
