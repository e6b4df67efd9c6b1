//! The listeners: TCP, with or without TLS, and the Unix socket; the same API on all.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::guard::Peer;
use super::socket::Socket;
use super::tls::Tls;
use super::{App, House, router};
use crate::alarm::{Event, Trouble, TroubleCode};
use crate::config::{self, WebTls};
use crate::login::Place;

/// A client that takes longer to say what it wants, or says nothing more, is hung up on.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// A client that takes nothing of what it asked for in this time is hung up on. (A test waits for it.)
const READS_WITHIN: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });
/// Requests that are being answered at the stop get so long.
const GRACE: Duration = Duration::from_millis(500);
/// Connections at once on each listener: two hundred dashboards and programs, and nobody may use up our
/// file descriptors (1,024 where nobody says otherwise).
const CONNECTIONS: usize = 320;
/// Of one address, or one IPv6 network, so that one client leaves places to others.
const OF_ONE_ADDRESS: usize = 240;
/// What a connection may hold in memory of what it reads; the longest head of a request, too. hyper's
/// own limit is 400 KiB, times all connections.
const BUFFER: usize = 16 * 1024;
/// After an accept that failed (no file descriptor free): trying at once would only spin.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// Serves until `stop` is cancelled; then open streams end, and requests under way are finished,
/// within half a second. `tcp` may come late: somebody else may hold its port for a while.
pub async fn serve(
    house: House,
    tcp: impl Future<Output = Option<TcpListener>>,
    socket: Option<Socket>,
    stop: CancellationToken,
) {
    let app = App {
        house: Arc::new(house),
        told: Arc::default(),
        stop: stop.clone(),
    };
    let router = router(app.clone());
    // Until the next start: what a reload says of it is not of this port.
    let web = app.house.config.borrow().web.clone();
    let on_tcp = async {
        let listener = tokio::select! {
            () = stop.cancelled() => None,
            listener = tcp => listener,
        };
        if let Some(listener) = listener {
            at_tcp(&app.house, web, listener, router.clone(), &stop).await;
        }
    };
    let on_socket = async {
        if let Some(socket) = socket {
            accept(Door::Socket(socket), router.clone(), &stop).await;
        }
    };
    futures_util::future::join(on_tcp, on_socket).await;
    // With neither there is nothing to serve, and the house is watched all the same.
    stop.cancelled().await;
}

async fn at_tcp(
    house: &House,
    web: Option<config::Web>,
    listener: TcpListener,
    router: Router,
    stop: &CancellationToken,
) {
    let proxied = web.as_ref().is_some_and(|web| web.behind_proxy);
    let door = |tls| Door::Tcp {
        listener,
        tls,
        proxied,
    };
    let Some(files) = web.and_then(|web| web.tls) else {
        return accept(door(None), router, stop).await;
    };
    let Some(tls) = first_certificate(house, files, stop).await else {
        return;
    };
    let renewing = renew(house, &tls);
    tokio::select! {
        () = accept(door(Some(Arc::clone(&tls))), router, stop) => {}
        () = renewing => {}
    }
}

fn certificate_files(house: &House) -> Option<WebTls> {
    house.config.borrow().web.as_ref()?.tls.clone()
}

/// Without a certificate nobody is served: not without encryption. It is read again with every
/// configuration.
async fn first_certificate(
    house: &House,
    mut files: WebTls,
    stop: &CancellationToken,
) -> Option<Arc<Tls>> {
    let mut config = house.config.clone();
    loop {
        match Tls::open(&files) {
            Ok(tls) => return Some(Arc::new(tls)),
            Err(why) => refused_certificate(house, why),
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            changed = config.changed() => changed.ok()?,
        }
        files = certificate_files(house).unwrap_or(files);
    }
}

/// A reload reads certificate and key again.
async fn renew(house: &House, tls: &Tls) {
    let mut config = house.config.clone();
    while config.changed().await.is_ok() {
        match certificate_files(house).map(|files| tls.renew(&files)) {
            Some(Err(why)) => refused_certificate(house, why),
            Some(Ok(())) => house.inbox.send(Event::TroubleCleared {
                code: TroubleCode::Web,
                subject: CERTIFICATE.to_owned(),
            }),
            None => {}
        }
    }
    std::future::pending().await
}

const CERTIFICATE: &str = "certificate";

fn refused_certificate(house: &House, why: String) {
    tracing::error!(why, "the web's certificate");
    house.inbox.send(Event::TroubleRaised(Trouble {
        code: TroubleCode::Web,
        subject: CERTIFICATE.to_owned(),
        text: format!("{why}; mend it, and run `asfaleia reload`"),
    }));
}

/// Connections one by one, each on a task of its own.
async fn accept(door: Door, router: Router, stop: &CancellationToken) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let crowd = Crowd::default();
    let mut connections = JoinSet::new();
    loop {
        // Those that have ended are let go of here: a set keeps them otherwise.
        while connections.try_join_next().is_some() {}
        let next = async {
            let place = Arc::clone(&free).acquire_owned().await;
            (place.expect("never closed"), door.next().await)
        };
        let (place, (client, from)) = tokio::select! {
            () = stop.cancelled() => break,
            (place, accepted) = next => match accepted {
                Ok(accepted) => (place, accepted),
                Err(error) => {
                    tracing::warn!(%error, "taking a web connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            },
        };
        let Some(counted) = crowd.enter(from) else {
            tracing::debug!(?from, "too many web connections from one address");
            continue;
        };
        let (router, stop) = (router.clone(), stop.clone());
        connections.spawn(async move {
            if let Err(error) = attend(client, router, stop).await {
                tracing::debug!(%error, "a web connection did not begin");
            }
            drop((place, counted));
        });
    }
    drop(door);
    let finished = async { while connections.join_next().await.is_some() {} };
    // Who is not done by then is cut off with the set.
    let _ = tokio::time::timeout(GRACE, finished).await;
}

/// How many connections there are from each place.
#[derive(Clone, Default)]
struct Crowd(Arc<Mutex<BTreeMap<Place, usize>>>);

impl Crowd {
    /// `None`: there are too many already. The Unix socket's clients have no address.
    fn enter(&self, from: Option<IpAddr>) -> Option<Counted> {
        let from = from.map(|address| Place::Address(address).counted());
        if let Some(place) = from {
            let mut crowd = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let count = crowd.entry(place).or_default();
            if *count >= OF_ONE_ADDRESS {
                return None;
            }
            *count += 1;
        }
        Some(Counted(self.clone(), from))
    }
}

/// One connection, as long as it lasts.
struct Counted(Crowd, Option<Place>);

impl Drop for Counted {
    fn drop(&mut self) {
        let Some(place) = self.1 else { return };
        let mut crowd = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = crowd.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                crowd.remove(&place);
            }
        }
    }
}

async fn connection<S>(stream: S, peer: Peer, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a web connection ended early");
    }
}

/// Where clients come in.
enum Door {
    Tcp {
        listener: TcpListener,
        tls: Option<Arc<Tls>>,
        proxied: bool,
    },
    Socket(Socket),
}

impl Door {
    /// The next client, and their address.
    async fn next(&self) -> io::Result<(Client, Option<IpAddr>)> {
        match self {
            Door::Tcp {
                listener,
                tls,
                proxied,
            } => {
                let (stream, from) = listener.accept().await?;
                // A small answer leaves at once. It fails when the client is gone already.
                let _ = stream.set_nodelay(true);
                let _ = hang_up_on_who_does_not_read(&stream);
                let client = Client::Tcp {
                    stream,
                    tls: tls.clone(),
                    proxied: *proxied,
                };
                Ok((client, Some(from.ip())))
            }
            Door::Socket(socket) => Ok((Client::Unix(socket.accept().await?), None)),
        }
    }
}

/// Only the kernel sees whether they read: what we write waits in its buffers for a while. It counts
/// also while a client answers that it has no room (tcp(7), `TCP_USER_TIMEOUT`).
#[cfg(target_os = "linux")]
fn hang_up_on_who_does_not_read(stream: &TcpStream) -> io::Result<()> {
    let millis = u32::try_from(READS_WITHIN.as_millis()).expect("less than 49 days");
    Ok(rustix::net::sockopt::set_tcp_user_timeout(stream, millis)?)
}

/// `simulate` alone runs elsewhere, on loopback.
#[cfg(not(target_os = "linux"))]
fn hang_up_on_who_does_not_read(_: &TcpStream) -> io::Result<()> {
    Ok(())
}

enum Client {
    Tcp {
        stream: TcpStream,
        tls: Option<Arc<Tls>>,
        proxied: bool,
    },
    Unix(UnixStream),
}

/// From the handshake, if there is one, to the end.
async fn attend(client: Client, router: Router, stop: CancellationToken) -> io::Result<()> {
    let (stream, tls, proxied) = match client {
        Client::Unix(stream) => {
            connection(stream, Peer::Socket, router, stop).await;
            return Ok(());
        }
        Client::Tcp {
            stream,
            tls,
            proxied,
        } => (stream, tls, proxied),
    };
    let (ours, theirs) = (stream.local_addr()?, stream.peer_addr()?.ip());
    let peer = |certificate| Peer::Tcp {
        ours,
        theirs,
        certificate,
        proxied,
    };
    match tls {
        None => connection(stream, peer(None), router, stop).await,
        Some(tls) => {
            let (stream, certificate) = tls.begin(stream).await?;
            connection(stream, peer(Some(certificate)), router, stop).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::{Body, Bytes};
    use axum::routing::get;
    use futures_util::stream::unfold;
    use tokio::io::AsyncWriteExt;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_hung_up_on() {
        let gone = CancellationToken::new();
        let writing = gone.clone();
        let endless = get(async move || {
            let kilobytes = Bytes::from_static(&[b'x'; 16 * 1024]);
            let body = unfold(writing.drop_guard(), move |written| {
                let more = Ok::<_, Infallible>(kilobytes.clone());
                async move { Some((more, written)) }
            });
            Body::from_stream(body)
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let door = Door::Tcp {
            listener,
            tls: None,
            proxied: false,
        };
        let stop = CancellationToken::new();
        let client = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let asks = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n";
            stream.write_all(asks).await.unwrap();
            let hung_up = tokio::time::timeout(DEADLINE, gone.cancelled()).await;
            drop(stream);
            hung_up.is_ok()
        };
        let router = Router::new().route("/", endless);
        let hung_up = tokio::select! {
            () = accept(door, router, &stop) => panic!("it goes on"),
            hung_up = client => hung_up,
        };
        assert!(hung_up, "it is written to for ever");
    }

    #[test]
    fn a_household_has_its_share_of_connections_and_leaves_the_others_theirs() {
        let crowd = Crowd::default();
        let from = |address: &str| crowd.enter(Some(address.parse().unwrap()));
        let many = (0..OF_ONE_ADDRESS).map(|it| from(&format!("2001:db8:0:1::{it:x}")));
        let many: Vec<Option<Counted>> = many.collect();
        assert!(many.iter().all(Option::is_some));
        assert!(from("2001:db8:0:1:ffff::1").is_none());
        assert!(from("2001:db8:0:2::1").is_some());
        assert!(from("192.0.2.1").is_some() && crowd.enter(None).is_some());
        drop(many);
        assert!(from("2001:db8:0:1:ffff::1").is_some());
    }
}
