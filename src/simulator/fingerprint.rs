//! A fingerprint module on a pseudo-terminal: it answers what the data sheets of R503 and R307 say,
//! byte for byte.

mod module;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::cable::Cable;
use super::faults::{Faults, ReaderFault};
use crate::access::finger::packet::PacketBuffer;
use module::Module;

/// The module. Dropped, it is switched off: its port goes away.
pub struct SimulatedReader {
    module: Arc<Mutex<Module>>,
    port: PathBuf,
    stop: Arc<AtomicBool>,
    answering: Option<JoinHandle<()>>,
}

/// Which module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// 200 templates, and a ring of light.
    R503,
    /// 1,000 templates, and no light: it does not answer to commands for one.
    R307,
}

/// What is laid on the sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finger {
    /// A clean finger. The same name is the same finger; one that was never enrolled is a
    /// stranger's.
    Of(String),
    /// One that cannot be read.
    Dirty,
}

/// What the ring of an R503 was told to show, by the numbers of its data sheet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ring {
    /// 1 breathes, 2 flashes, 3 on, 4 off.
    pub how: u8,
    /// How fast.
    pub speed: u8,
    /// 1 red, 2 blue, 3 purple.
    pub colour: u8,
    /// How often; 0 without end.
    pub count: u8,
}

impl SimulatedReader {
    /// Plugs in a module with no templates and no password. Its port is found under `finger` in the
    /// directory, and is another one after the cable was pulled.
    pub fn start(model: Model, directory: &Path, faults: &Faults) -> io::Result<SimulatedReader> {
        let port = directory.join("finger");
        let mut cable = Cable::at(port.clone());
        obey(&mut cable, faults)?;
        let module = Arc::new(Mutex::new(Module::new(model)));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, faults, stopped) = (module.clone(), faults.clone(), stop.clone());
        let answering = std::thread::Builder::new()
            .name("finger-simulated".to_owned())
            .spawn(move || answer(&mut cable, &shared, &faults, &stopped))?;
        Ok(SimulatedReader {
            module,
            port,
            stop,
            answering: Some(answering),
        })
    }

    /// What to configure as the reader's port.
    pub fn port(&self) -> &Path {
        &self.port
    }

    /// Lays a finger on the sensor, until another is laid or it is lifted.
    pub fn lay(&self, finger: Finger) {
        lock(&self.module).finger = Some(finger);
    }

    /// Lifts whatever lies on the sensor.
    pub fn lift(&self) {
        lock(&self.module).finger = None;
    }

    /// Whose templates it holds, by page.
    pub fn templates(&self) -> BTreeMap<u16, String> {
        lock(&self.module).templates.clone()
    }

    /// Stores a template past its host, as somebody with the module in his hands could.
    pub fn plant(&self, page: u16, finger: &str) {
        let mut module = lock(&self.module);
        module.templates.insert(page, finger.to_owned());
    }

    /// Sets its password, as SetPwd does.
    pub fn set_password(&self, password: u32) {
        lock(&self.module).password = password.to_be_bytes();
    }

    /// What its ring shows.
    pub fn ring(&self) -> Ring {
        lock(&self.module).ring
    }

    /// How many commands it was given.
    pub fn commands(&self) -> u64 {
        lock(&self.module).commands
    }
}

impl Drop for SimulatedReader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(answering) = self.answering.take() {
            let _ = answering.join();
        }
    }
}

/// Looks so often at what else may have happened: a fault, the end.
const LOOK_EVERY: Duration = Duration::from_millis(50);

fn lock(module: &Mutex<Module>) -> MutexGuard<'_, Module> {
    module.lock().unwrap_or_else(PoisonError::into_inner)
}

fn obey(cable: &mut Cable, faults: &Faults) -> io::Result<Option<ReaderFault>> {
    let fault = faults.now().finger;
    if fault == Some(ReaderFault::Unplugged) {
        cable.pull();
    } else {
        cable.plug_in()?;
    }
    Ok(fault)
}

/// Answers commands until it is stopped. A thread, and not a task: a terminal that nobody has open
/// is always ready, which a runtime would spin on.
fn answer(cable: &mut Cable, module: &Mutex<Module>, faults: &Faults, stop: &AtomicBool) {
    let mut buffer = PacketBuffer::default();
    let mut rng = fastrand::Rng::with_seed(0xF1_6E12);
    while !stop.load(Ordering::Relaxed) {
        let fault = match obey(cable, faults) {
            Ok(fault) => fault,
            Err(error) => {
                tracing::error!(%error, "the simulated finger reader cannot be plugged in");
                return;
            }
        };
        let Some(port) = cable.port() else {
            // Its power comes over the same cable.
            lock(module).is_open = false;
            buffer.clear();
            std::thread::sleep(LOOK_EVERY);
            continue;
        };
        let mut watched = [PollFd::new(port, PollFlags::IN)];
        let limit = Timespec::try_from(LOOK_EVERY).expect("it is short");
        let _ = poll(&mut watched, Some(&limit));
        let mut bytes = [0; 256];
        let count = match rustix::io::read(port, &mut bytes) {
            Ok(count) => count,
            Err(rustix::io::Errno::AGAIN) => 0,
            // Nobody has it open.
            Err(_) => {
                buffer.clear();
                std::thread::sleep(LOOK_EVERY);
                continue;
            }
        };
        let mut answers = Vec::new();
        buffer.push(&bytes[..count], |packet| {
            answers.extend(lock(module).answer(packet.ok()));
        });
        // What a full port cannot take is lost, as on a wire.
        let send = |bytes: &[u8]| {
            let _ = rustix::io::write(port, bytes);
        };
        if fault == Some(ReaderFault::Garbage) {
            send(
                &std::iter::repeat_with(|| rng.u8(..))
                    .take(40)
                    .collect::<Vec<u8>>(),
            );
        }
        for answer in answers {
            let mut bytes = answer.bytes();
            let (middle, last) = (bytes.len() / 2, bytes.len() - 1);
            match fault {
                None => {}
                Some(ReaderFault::Silent | ReaderFault::Unplugged) => bytes.clear(),
                Some(ReaderFault::Garbage) => bytes[middle] ^= 0x40,
                Some(ReaderFault::WrongSum) => bytes[last] ^= 0x01,
                Some(ReaderFault::Half) => bytes.truncate(middle),
            }
            send(&bytes);
        }
    }
}
