//! A NodeMCU on a pseudo-terminal: it writes what the real one writes, byte for byte.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::cable::Cable;
use super::faults::{FaultSet, Faults, NodeFault};
use crate::config::NodeKey;
use crate::sensors::line::crc16;

/// The node. Dropped, it is switched off: the port goes away.
pub struct SimulatedNode {
    node: Arc<Mutex<Node>>,
    port: PathBuf,
    every: watch::Sender<Duration>,
    ticking: JoinHandle<()>,
}

impl SimulatedNode {
    /// Plugs in a node of this name with these inputs, all inactive. Its port is found under
    /// `nodemcu-<name>` in the directory: a link that is re-pointed when the cable is put back, as
    /// `/dev/serial/by-id` does it. Needs a tokio runtime.
    pub fn start(
        name: &str,
        keys: &[NodeKey],
        directory: &Path,
        faults: &Faults,
    ) -> io::Result<SimulatedNode> {
        let port = directory.join(format!("nodemcu-{name}"));
        let levels = keys.iter().map(|key| (*key, false)).collect();
        let mut node = Node {
            name: name.to_owned(),
            levels,
            cable: Cable::at(port.clone()),
            was_open: false,
            noisy: false,
            seq: 0,
            since: Instant::now(),
            // The same noise in every run.
            rng: fastrand::Rng::with_seed(0x0E5B_8266),
        };
        node.obey(&faults.now())?;
        let node = Arc::new(Mutex::new(node));
        let (every, beats) = watch::channel(EVERY);
        let ticking = tokio::spawn(tick(node.clone(), faults.watch(), beats));
        Ok(SimulatedNode {
            node,
            port,
            every,
            ticking,
        })
    }

    /// What to configure as the node's port.
    pub fn port(&self) -> &Path {
        &self.port
    }

    /// So many of its seconds pass in one.
    pub fn set_speed(&self, speed: u32) {
        self.every.send_replace(EVERY / speed.max(1));
    }

    /// An input changes; the node sends a line before this returns. Keys it does not have are
    /// ignored.
    pub fn set(&self, key: NodeKey, active: bool) {
        let mut node = lock(&self.node);
        for (_, level) in node.levels.iter_mut().filter(|(has, _)| *has == key) {
            *level = active;
        }
        node.send();
    }
}

impl Drop for SimulatedNode {
    fn drop(&mut self) {
        self.ticking.abort();
        lock(&self.node).cable.pull();
    }
}

/// The firmware's heartbeat.
const EVERY: Duration = Duration::from_secs(1);

struct Node {
    name: String,
    levels: Vec<(NodeKey, bool)>,
    cable: Cable,
    /// Somebody had the port open at the last line.
    was_open: bool,
    noisy: bool,
    seq: u32,
    since: Instant,
    rng: fastrand::Rng,
}

async fn tick(
    node: Arc<Mutex<Node>>,
    mut faults: watch::Receiver<FaultSet>,
    mut every: watch::Receiver<Duration>,
) {
    let heart = |every: Duration| {
        let mut heartbeat = tokio::time::interval(every);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat
    };
    let mut heartbeat = heart(EVERY);
    loop {
        tokio::select! {
            _ = heartbeat.tick() => lock(&node).send(),
            Ok(()) = every.changed() => heartbeat = heart(*every.borrow_and_update()),
            // Whoever could break it may be gone: it goes on as it is.
            Ok(()) = faults.changed() => {
                let set = *faults.borrow_and_update();
                if let Err(error) = lock(&node).obey(&set) {
                    tracing::error!(%error, "the simulated NodeMCU cannot be plugged in");
                }
            }
        }
    }
}

fn lock(node: &Mutex<Node>) -> MutexGuard<'_, Node> {
    node.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Node {
    fn obey(&mut self, faults: &FaultSet) -> io::Result<()> {
        self.noisy = faults.nodemcu == Some(NodeFault::Garbage);
        match faults.nodemcu {
            Some(NodeFault::Unplugged) => {
                self.cable.pull();
                Ok(())
            }
            Some(NodeFault::Garbage) | None => self.cable.plug_in(),
        }
    }

    /// One line, if the cable is in and somebody reads: what a port's buffer cannot take is lost,
    /// as on a real one.
    fn send(&mut self) {
        self.seq = self.seq.wrapping_add(1);
        let line = self.line();
        let Some(port) = self.cable.port() else {
            return;
        };
        // Reading takes what the host sent, and fails with EIO while nobody has the port open:
        // then nothing may pile up that would be read as news later.
        let mut sent_by_host = [0; 256];
        let is_open = rustix::io::read(port, &mut sent_by_host) != Err(rustix::io::Errno::IO);
        if !is_open {
            if std::mem::take(&mut self.was_open) {
                let _ = self.cable.forget_unread();
            }
            return;
        }
        self.was_open = true;
        let bytes = if self.noisy {
            with_noise(line, self.seq, &mut self.rng)
        } else {
            line.into_bytes()
        };
        let _ = rustix::io::write(port, &bytes);
    }

    /// The format that `sensors::line` reads.
    fn line(&mut self) -> String {
        let uptime = self.since.elapsed().as_secs();
        let mut line = format!("ASF1 {} {} {uptime}", self.name, self.seq);
        for (key, active) in &self.levels {
            let level = u8::from(*active);
            // Writing to a string cannot fail.
            let _ = match key {
                NodeKey::Beam => write!(line, " beam={level}"),
                NodeKey::Gas => {
                    // An MQ-6 in clean air and in gas, never quite still.
                    let air = if *active { 610 } else { 180 };
                    let raw = air + self.rng.u16(0..20);
                    write!(line, " gas={level} raw={raw}")
                }
            };
        }
        let crc = crc16(line.as_bytes());
        let _ = writeln!(line, " *{crc:04X}");
        line
    }
}

/// Every other line is hit in its middle, and noise comes as a line of its own.
fn with_noise(line: String, seq: u32, rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut noise = || -> Vec<u8> {
        let length = rng.usize(3..40);
        let bytes = std::iter::repeat_with(|| rng.u8(..)).filter(|byte| *byte != b'\n');
        bytes.take(length).collect()
    };
    let mut bytes = line.into_bytes();
    if seq.is_multiple_of(2) {
        let middle = bytes.len() / 2;
        bytes.splice(middle..middle + 1, noise());
        bytes.extend(noise());
        bytes.push(b'\n');
    }
    bytes
}
