//! The Unix socket: where it is, and who may use it.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// The group that may use the socket, where it exists.
const GROUP: &str = "asfaleia";

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

impl Socket {
    /// The next client.
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }
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

/// The number of a group of this machine.
fn group_id(name: &str) -> Option<u32> {
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    })
}
