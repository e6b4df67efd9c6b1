//! The port of `[web]`: bound before the start, or as soon as it is free.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tracing::info;

use super::health::cleared;
use crate::alarm::TroubleCode;
use crate::inbox::Inbox;

/// A program that is being restarted has left by then; an address that comes with the Wi-Fi is there.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The listener, at once if it is `bound`; else once nobody else holds the address that was `taken` at
/// the start, which ends that trouble. `None`: there is to be none.
pub(super) async fn listener(
    bound: Option<TcpListener>,
    taken: Option<SocketAddr>,
    inbox: Inbox,
) -> Option<TcpListener> {
    if bound.is_some() {
        return bound;
    }
    let address = taken?;
    loop {
        tokio::time::sleep(AGAIN_AFTER).await;
        // Why not is told already: by the trouble that stands.
        if let Ok(listener) = TcpListener::bind(address).await {
            info!(%address, "listening for [web]");
            inbox.send(cleared(TroubleCode::Web, &address.to_string()));
            return Some(listener);
        }
    }
}
