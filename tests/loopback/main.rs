//! The simulator's mail server, telephone service and NodeMCU, driven as the program drives them.

#![allow(clippy::unwrap_used)] // The helpers of a test are test code too.

mod mail;
mod node;
mod telephone;

use std::net::SocketAddr;
use std::time::Duration;

use asfaleia::simulator::{Faults, MailServer};
use lettre::AsyncTransport;
use serde_json::json;
use tokio::io::AsyncBufReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use mail::{Talk, mail, transport};
use telephone::telephone;

/// Longer than anything here takes: a test that gets there fails.
const DEADLINE: Duration = Duration::from_secs(10);
/// Long enough to see that nothing comes.
const A_MOMENT: Duration = Duration::from_millis(150);

/// Waits until connecting there is refused.
async fn refuses(address: SocketAddr) {
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, refused).await.expect("it refuses");
}

/// Waits until connecting there works.
async fn accepts(address: SocketAddr) {
    let accepted = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, accepted).await.expect("it accepts");
}

#[tokio::test]
async fn what_is_down_refuses_connections_and_comes_back_on_the_same_port() {
    let faults = Faults::default();
    let mails = MailServer::start(&faults).await.unwrap();
    let phone = telephone(&faults).await;
    for fault in [
        json!({"smtp": "down", "phone": "down"}),
        json!({"network": "down"}),
    ] {
        let mut parked = Talk::with(&mails).await;
        assert_eq!(parked.say("", 1).await, [220]);
        // A connection that never asks anything does not hold the telephone service.
        let idle = TcpStream::connect(phone.service.address()).await.unwrap();
        faults.put(fault).unwrap();
        refuses(mails.address()).await;
        refuses(phone.service.address()).await;
        let cut = timeout(DEADLINE, parked.0.fill_buf()).await.unwrap();
        assert!(cut.map_or(true, <[u8]>::is_empty), "the session was cut");
        faults
            .put(json!({"smtp": null, "phone": null, "network": null}))
            .unwrap();
        accepts(mails.address()).await;
        accepts(phone.service.address()).await;
        drop(idle);
    }
    transport(&mails).send(mail(b"x")).await.unwrap();
    assert_eq!(phone.place("+306900000001").await.0, 201);
}
