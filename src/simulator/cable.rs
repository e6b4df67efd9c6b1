//! The cable of a simulated device: a pseudo-terminal under a name that stays.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, QueueSelector};

/// A serial cable that can be pulled and put back. Dropped, it is pulled.
pub(super) struct Cable {
    /// Re-pointed when the cable is put back, as `/dev/serial/by-id` does it.
    link: PathBuf,
    /// Our end; `None`: it is pulled.
    port: Option<OwnedFd>,
    /// What the port was called the last time.
    last_name: String,
}

impl Cable {
    /// A cable whose port is found under this name, once it is plugged in.
    pub(super) fn at(link: PathBuf) -> Self {
        Cable {
            link,
            port: None,
            last_name: String::new(),
        }
    }

    /// Our end, which does not block; `None`: the cable is pulled. Reading fails with EIO while
    /// nobody has the other end open.
    pub(super) fn port(&self) -> Option<&OwnedFd> {
        self.port.as_ref()
    }

    /// Pulls it, if it is in: whoever has the other end open is hung up.
    pub(super) fn pull(&mut self) {
        if self.port.is_some() {
            // The link first: who is hung up looks for the port at once.
            let _ = std::fs::remove_file(&self.link);
            self.port = None;
        }
    }

    /// Puts it in, if it is out: under the same name there is another port.
    pub(super) fn plug_in(&mut self) -> io::Result<()> {
        if self.port.is_some() {
            return Ok(());
        }
        let (mut port, mut name) = open_port()?;
        if name == self.last_name {
            // The kernel gives the lowest free name: a second one is another.
            (port, name) = open_port()?;
        }
        let _ = std::fs::remove_file(&self.link);
        std::os::unix::fs::symlink(&name, &self.link)?;
        self.last_name = name;
        self.port = Some(port);
        Ok(())
    }

    /// Drops what was sent and nobody read.
    pub(super) fn forget_unread(&self) -> io::Result<()> {
        match &self.port {
            Some(port) => forget_unread(port, &self.last_name),
            None => Ok(()),
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.pull();
    }
}

/// A new port and its name, ready to be opened: raw, and without echo.
fn open_port() -> io::Result<(OwnedFd, String)> {
    let port = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    rustix::pty::grantpt(&port)?;
    rustix::pty::unlockpt(&port)?;
    rustix::io::ioctl_fionbio(&port, true)?;
    let mut settings = rustix::termios::tcgetattr(&port)?;
    settings.make_raw();
    rustix::termios::tcsetattr(&port, OptionalActions::Now, &settings)?;
    let name = rustix::pty::ptsname(&port, Vec::new())?;
    let name = name.into_string().map_err(io::Error::other)?;
    forget_unread(&port, &name)?;
    Ok((port, name))
}

/// Drops what is in the port's buffers, ours and the reader's. Opened and closed for this, the port
/// knows from then on when nobody has it open.
fn forget_unread(port: &OwnedFd, name: &str) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let reader = rustix::fs::open(name, flags, Mode::empty())?;
    rustix::termios::tcflush(port, QueueSelector::OFlush)?;
    rustix::termios::tcflush(&reader, QueueSelector::IFlush)?;
    Ok(())
}
