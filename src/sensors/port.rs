//! Serial ports: finding the right one, and having it alone.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, Mode, OFlags};
use serial2_tokio::SerialPort;

use crate::config::NodePort;

/// Where serial ports are looked for.
#[derive(Debug, Clone)]
pub struct Ports {
    sys: Arc<Path>,
    dev: Arc<Path>,
}

/// Which device a port is: the same name may be another device after an unplug.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PortId {
    path: PathBuf,
    inode: u64,
    created: (i64, i64),
}

/// A port that is ours alone, as long as it is held.
pub(crate) struct OpenPort {
    id: PortId,
    port: SerialPort,
    lock: OwnedFd,
}

/// Why there is no port.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("no USB serial port with these ids is plugged in, or all are somebody else's")]
    NoneLeft,
    #[error("opening {path}: {error}{hint}")]
    Open {
        path: PathBuf,
        error: io::Error,
        hint: &'static str,
    },
}

impl Default for Ports {
    fn default() -> Self {
        Ports::under("/sys/class/tty", "/dev")
    }
}

impl Ports {
    /// Looks for ports in other places than the system's: `sys` lists them, `dev` has the device
    /// files.
    pub fn under(sys: impl AsRef<Path>, dev: impl AsRef<Path>) -> Self {
        Ports {
            sys: sys.as_ref().into(),
            dev: dev.as_ref().into(),
        }
    }

    /// Opens the first port that fits, is free, and is not to be avoided: 8 bits, no parity, 1 stop
    /// bit.
    pub(crate) async fn open(
        &self,
        port: &NodePort,
        baud: u32,
        avoided: HashSet<PortId>,
    ) -> Result<OpenPort, OpenError> {
        let candidates = self.candidates(port);
        let open = move || {
            let mut last = OpenError::NoneLeft;
            for path in candidates {
                let id = match PortId::of(&path) {
                    Ok(id) if avoided.contains(&id) => continue,
                    Ok(id) => id,
                    Err(error) => {
                        last = OpenError::because(path, error);
                        continue;
                    }
                };
                match open_alone(&path, baud) {
                    Ok((port, lock)) => {
                        return Ok(OpenPort { id, port, lock });
                    }
                    Err(error) => last = OpenError::because(path, error),
                }
            }
            Err(last)
        };
        // Opening talks to the USB device and may take its time.
        tokio::task::spawn_blocking(open)
            .await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// Another port fits too, and is not to be avoided.
    pub(super) fn has_other(
        &self,
        port: &NodePort,
        than: &PortId,
        avoided: &HashSet<PortId>,
    ) -> bool {
        self.candidates(port)
            .iter()
            .filter_map(|path| PortId::of(path).ok())
            .any(|id| id != *than && !avoided.contains(&id))
    }

    /// How to call the port in a sentence.
    pub(super) fn describe(&self, port: &NodePort) -> String {
        match port {
            NodePort::Path(path) => path.display().to_string(),
            NodePort::Usb { vendor, product } => format!("USB {vendor}:{product}"),
        }
    }

    /// The device files that may be this port: one that is named, and any number by USB ids.
    pub fn candidates(&self, port: &NodePort) -> Vec<PathBuf> {
        let (vendor, product) = match port {
            NodePort::Path(path) => return vec![path.clone()],
            NodePort::Usb { vendor, product } => (vendor, product),
        };
        let Ok(entries) = fs::read_dir(&self.sys) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .filter(|entry| {
                usb_ids(&entry.path()).is_some_and(|(v, p)| v == *vendor && p == *product)
            })
            .map(|entry| self.dev.join(entry.file_name()))
            .collect();
        paths.sort();
        paths
    }
}

impl OpenPort {
    /// Its device file.
    pub(crate) fn path(&self) -> &Path {
        &self.id.path
    }

    /// Which device it is.
    pub(super) fn id(&self) -> &PortId {
        &self.id
    }

    /// Waits for bytes. `Ok(0)` is a hang-up.
    pub(crate) async fn read(&self, chunk: &mut [u8]) -> io::Result<usize> {
        self.port.read(chunk).await
    }

    /// Writes all of it. Waits while the other side takes nothing: put a limit to it.
    pub(crate) async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.port.write_all(bytes).await
    }

    /// Forgets what came and was not read.
    pub(crate) fn discard_input(&self) -> io::Result<()> {
        self.port.discard_input_buffer()
    }
}

impl Drop for OpenPort {
    fn drop(&mut self) {
        // A pseudo-terminal would stay exclusive, and be busy for our own next try.
        let _ = rustix::termios::ioctl_tiocnxcl(&self.lock);
    }
}

impl PortId {
    /// The same device still has the name.
    pub(super) fn is_there(&self) -> bool {
        PortId::of(&self.path).is_ok_and(|id| id == *self)
    }

    fn of(path: &Path) -> io::Result<Self> {
        let file = fs::metadata(path)?;
        Ok(PortId {
            path: path.to_owned(),
            inode: file.ino(),
            created: (file.ctime(), file.ctime_nsec()),
        })
    }
}

impl OpenError {
    fn because(path: PathBuf, error: io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => " (add asfaleia's user to the group dialout)",
            io::ErrorKind::NotFound => " (is it plugged in?)",
            io::ErrorKind::WouldBlock | io::ErrorKind::ResourceBusy => {
                " (another program, or another node, has it open)"
            }
            _other => "",
        };
        OpenError::Open { path, error, hint }
    }
}

/// Names of serial ports that stay with the device, whichever socket it is plugged into.
pub fn by_id() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/dev/serial/by-id") else {
        return Vec::new();
    };
    let mut ports: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    ports.sort();
    ports
}

/// The vendor and product of the USB device that this entry of `/sys/class/tty` belongs to.
fn usb_ids(tty: &Path) -> Option<(String, String)> {
    let device = fs::canonicalize(tty.join("device")).ok()?;
    // `device` is the interface of a ttyACM, and one step below it for a ttyUSB; the ids are the
    // device's, above the interface.
    let usb = device
        .ancestors()
        .take(4)
        .find(|above| above.join("idVendor").exists())?;
    let id = |name| fs::read_to_string(usb.join(name)).map(|id| id.trim().to_lowercase());
    Some((id("idVendor").ok()?, id("idProduct").ok()?))
}

/// Opens a port so that no other program, and no other node of ours, reads our lines away.
fn open_alone(path: &Path, baud: u32) -> io::Result<(SerialPort, OwnedFd)> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let lock = rustix::fs::open(path, flags, Mode::empty())?;
    // The lock tells our own tasks from each other: root may open what is exclusive.
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    let port = SerialPort::open(path, baud)?;
    rustix::termios::ioctl_tiocexcl(&lock)?;
    Ok((port, lock))
}
