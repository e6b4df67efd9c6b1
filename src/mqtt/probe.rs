//! Whether the broker lets us in, asked beside a service that may run.

use std::time::Duration;

use rumqttc::{AsyncClient, ConnectReturnCode, ConnectionError, Event, Packet};
use tokio::time::timeout;

use super::connection;
use super::state::Names;
use crate::config::{Mqtt, Site};

/// Time to take leave in.
const LEAVE: Duration = Duration::from_secs(1);

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
    let late = || "no answer in time".to_owned();
    let client = format!("asfaleia-{}-doctor", names.id);
    let options =
        connection::without_will(mqtt, client).map_err(|error| unreachable(error.to_string()))?;
    let (client, mut events) = AsyncClient::builder(options).build();
    let connected = async {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    // The answer counts, not the leave-taking.
                    let leave = async {
                        let _ = client.disconnect().await;
                        while events.poll().await.is_ok() {}
                    };
                    let _ = timeout(LEAVE, leave).await;
                    return Ok(());
                }
                Ok(_) => {}
                Err(ConnectionError::ConnectionRefused(
                    ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
                )) => return Err(Refused::Login),
                Err(ConnectionError::NetworkTimeout) => return Err(unreachable(late())),
                Err(error) => return Err(unreachable(error.to_string())),
            }
        }
    };
    timeout(within, connected)
        .await
        .unwrap_or(Err(unreachable(late())))
}
