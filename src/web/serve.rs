//! The listeners: loopback TCP and the Unix socket, the same API on both.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::guard::Peer;
use super::{App, House, router};

/// A client that takes longer to say what it wants, or says nothing more, is hung up on.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// Requests that are being answered at the stop get so long.
const GRACE: Duration = Duration::from_millis(500);
/// Connections at once on each listener: two hundred dashboards and programs, and nobody may use up our
/// file descriptors (1,024 where nobody says otherwise).
const CONNECTIONS: usize = 256;
/// What a connection may hold in memory of what it reads; the longest head of a request, too. hyper's
/// own limit is 400 KiB, times all connections.
const BUFFER: usize = 16 * 1024;
/// After an accept that failed (no file descriptor free): trying at once would only spin.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// The group that may use the socket, where it exists.
const GROUP: &str = "asfaleia";

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
    let router = router(app);
    let on_tcp = async {
        let listener = tokio::select! {
            () = stop.cancelled() => None,
            listener = tcp => listener,
        };
        if let Some(listener) = listener {
            let ours = match listener.local_addr() {
                Ok(ours) => ours,
                Err(error) => return tracing::error!(%error, "asking for the address of the web"),
            };
            accept(listener, router.clone(), Peer::Tcp { ours }, &stop).await;
        }
    };
    let on_socket = async {
        if let Some(socket) = socket {
            accept(socket, router.clone(), Peer::Socket, &stop).await;
        }
    };
    futures_util::future::join(on_tcp, on_socket).await;
    // With neither there is nothing to serve, and the house is watched all the same.
    stop.cancelled().await;
}

/// Where the command line looks for a running service, and a service makes its socket.
pub fn usual_sockets() -> Vec<PathBuf> {
    let system = PathBuf::from("/run/asfaleia/asfaleia.sock");
    let own = std::env::var_os("XDG_RUNTIME_DIR")
        .filter(|dir| !dir.is_empty())
        .map(|dir| PathBuf::from(dir).join("asfaleia/asfaleia.sock"));
    std::iter::once(system).chain(own).collect()
}

/// The Unix socket; its file goes when this is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Why there is no Unix socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody answers there.
    #[error(
        "another asfaleia answers at {}: stop it (systemctl stop asfaleia), or name another socket with --socket",
        .0.display()
    )]
    InUse(PathBuf),
    /// A file that is no socket is in the way.
    #[error("{} is in the way and is no socket: move it, or name another with --socket", .0.display())]
    NotASocket(PathBuf),
    /// Anything else.
    #[error(
        "making the socket {}: {error} (its directory must exist and be writable: systemd's \
         RuntimeDirectory makes it; or name another with --socket)",
        .path.display()
    )]
    Io {
        /// Where.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
}

/// Makes the Unix socket: 0660, of the group `asfaleia` where there is one. A file that a killed
/// service left behind is replaced; one that somebody answers at is not. Its directory must be
/// there. To be called on a tokio runtime.
///
/// # Errors
/// Somebody answers there, another file is in the way, or the directory does not let us.
pub fn bind_socket(path: &Path) -> Result<Socket, SocketError> {
    let failed = |error| SocketError::Io {
        path: path.to_owned(),
        error,
    };
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
            return Err(SocketError::InUse(path.to_owned()));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    // It gets its rights under another name: nobody slips in before.
    let mut unready = path.as_os_str().to_owned();
    unready.push("~");
    let unready = PathBuf::from(unready);
    let made = (|| {
        let _ = std::fs::remove_file(&unready);
        let listener = UnixListener::bind(&unready)?;
        std::fs::set_permissions(&unready, std::fs::Permissions::from_mode(0o660))?;
        // A service of that group makes it so, and its sandbox forbids the call.
        if let Some(group) = group_id(GROUP)
            && std::fs::metadata(&unready)?.gid() != group
            && let Err(error) = chown(&unready, None, Some(group))
        {
            tracing::warn!(%error, "giving the socket to the group {GROUP}: only this user can use it");
        }
        std::fs::rename(&unready, path)?;
        Ok(listener)
    })();
    let listener = made.map_err(|error| {
        let _ = std::fs::remove_file(&unready);
        failed(error)
    })?;
    Ok(Socket {
        listener,
        path: path.to_owned(),
    })
}

/// Connections one by one, each on a task of its own.
async fn accept<L: Listener>(listener: L, router: Router, peer: Peer, stop: &CancellationToken) {
    let router = router.layer(Extension(peer));
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // Those that have ended are let go of here: a set keeps them otherwise.
        while connections.try_join_next().is_some() {}
        let next = async {
            let place = Arc::clone(&free).acquire_owned().await;
            (place.expect("never closed"), listener.accept().await)
        };
        let (place, stream) = tokio::select! {
            () = stop.cancelled() => break,
            (place, accepted) = next => match accepted {
                Ok(stream) => (place, stream),
                Err(error) => {
                    tracing::warn!(%error, "taking a web connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            },
        };
        let (router, stop) = (router.clone(), stop.clone());
        connections.spawn(async move {
            connection(stream, router, stop).await;
            drop(place);
        });
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    // Who is not done by then is cut off with the set.
    let _ = tokio::time::timeout(GRACE, finished).await;
}

async fn connection<S>(stream: S, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
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

/// TCP and the Unix socket alike.
trait Listener {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    async fn accept(&self) -> io::Result<Self::Stream>;
}

impl Listener for TcpListener {
    type Stream = tokio::net::TcpStream;

    async fn accept(&self) -> io::Result<Self::Stream> {
        let (stream, _) = TcpListener::accept(self).await?;
        // A small answer leaves at once. It fails when the client is gone already.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

impl Listener for Socket {
    type Stream = tokio::net::UnixStream;

    async fn accept(&self) -> io::Result<Self::Stream> {
        Ok(self.listener.accept().await?.0)
    }
}

/// The number of a group of this machine.
fn group_id(name: &str) -> Option<u32> {
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    })
}
