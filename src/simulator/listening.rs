//! A loopback port that refuses connections while its service is "down", and comes back as itself.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::faults::FaultSet;

/// Any free port of the loopback address.
pub(super) async fn bind() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// The same port again, as soon as it is to be had.
pub(super) async fn bind_again(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => {
                tracing::warn!(%address, %error, "a simulated service waits for its port");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// Waits until the faults are so. If the simulated world has ended, for ever: nobody is left whom
/// it could matter to.
pub(super) async fn until(
    faults: &mut watch::Receiver<FaultSet>,
    wanted: impl FnMut(&FaultSet) -> bool,
) {
    if faults.wait_for(wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}
