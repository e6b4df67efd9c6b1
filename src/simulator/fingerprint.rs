//! A fingerprint module on a pseudo-terminal: it answers what the data sheets of R503 and R307 say,
//! byte for byte.

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
use crate::access::finger::command::code;
use crate::access::finger::packet::{Kind, Packet, PacketBuffer};

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

/// The module as its commands see it.
struct Module {
    model: Model,
    finger: Option<Finger>,
    image: Option<Finger>,
    /// Whose characteristics the two buffers hold.
    buffers: [Option<String>; 2],
    templates: BTreeMap<u16, String>,
    password: [u8; 4],
    /// The right password was given since the power came.
    is_open: bool,
    ring: Ring,
    commands: u64,
}

impl Module {
    fn new(model: Model) -> Self {
        Module {
            model,
            finger: None,
            image: None,
            buffers: [None, None],
            templates: BTreeMap::new(),
            password: [0; 4],
            is_open: false,
            ring: Ring::default(),
            commands: 0,
        }
    }

    fn capacity(&self) -> u16 {
        match self.model {
            Model::R503 => 200,
            Model::R307 => 1_000,
        }
    }

    /// The answer to a packet, if there is one; `None` came damaged.
    fn answer(&mut self, packet: Option<Packet>) -> Option<Packet> {
        let content = match packet {
            Some(packet) if packet.kind == Kind::Command => {
                self.commands += 1;
                self.obey(&packet.content)?
            }
            // Images and templates are not taken from a host.
            Some(_) => return None,
            None => vec![code::DAMAGED],
        };
        Some(Packet::new(Kind::Answer, content))
    }

    /// The content of the answer to a command.
    fn obey(&mut self, command: &[u8]) -> Option<Vec<u8>> {
        let page = |high: u8, low: u8| u16::from_be_bytes([high, low]);
        if self.password != [0; 4] && !self.is_open && command.first() != Some(&0x13) {
            return Some(vec![code::ASKS_PASSWORD]);
        }
        let answer = match *command {
            // GenImg
            [0x01] => {
                self.image.clone_from(&self.finger);
                let seen = self.image.is_some();
                vec![if seen { code::OK } else { code::NO_FINGER }]
            }
            // Img2Tz
            [0x02, buffer] => vec![self.characterise(buffer)],
            // Match
            [0x03] => self.compare(),
            // Search, and its quicker kind
            [0x04 | 0x1B, buffer, a, b, c, d] => self.search(buffer, page(a, b), page(c, d)),
            // RegModel
            [0x05] => vec![match &self.buffers {
                [Some(one), Some(two)] if one == two => code::OK,
                _ => code::DIFFERENT,
            }],
            // Store
            [0x06, buffer, a, b] => vec![self.store(buffer, page(a, b))],
            // LoadChar
            [0x07, buffer, a, b] => vec![self.load(buffer, page(a, b))],
            // DeletChar
            [0x0C, a, b, c, d] => vec![self.delete(page(a, b), page(c, d))],
            // Empty
            [0x0D] => {
                self.templates.clear();
                vec![code::OK]
            }
            // ReadSysPara
            [0x0F] => self.parameters(),
            // SetPwd
            [0x12, a, b, c, d] => {
                self.password = [a, b, c, d];
                vec![code::OK]
            }
            // VfyPwd
            [0x13, a, b, c, d] => {
                self.is_open = self.password == [a, b, c, d];
                let right = self.is_open;
                vec![if right {
                    code::OK
                } else {
                    code::WRONG_PASSWORD
                }]
            }
            // TemplateNum
            [0x1D] => {
                let count = u16::try_from(self.templates.len()).expect("pages are 16 bits");
                [&[code::OK], &count.to_be_bytes()[..]].concat()
            }
            // ReadIndexTable
            [0x1F, table] => self.index(table),
            // AuraLedConfig
            [0x35, how, speed, colour, count] if self.model == Model::R503 => {
                self.ring = Ring {
                    how,
                    speed,
                    colour,
                    count,
                };
                vec![code::OK]
            }
            // A module says nothing to what it does not know.
            _ => return None,
        };
        Some(answer)
    }

    fn buffer(&mut self, number: u8) -> &mut Option<String> {
        // Any other number means the second, the data sheets say.
        &mut self.buffers[usize::from(number != 1)]
    }

    fn characterise(&mut self, buffer: u8) -> u8 {
        match self.image.clone() {
            Some(Finger::Of(name)) => {
                *self.buffer(buffer) = Some(name);
                code::OK
            }
            // Now this, now that.
            Some(Finger::Dirty) if self.commands % 4 < 2 => code::DISORDERLY,
            Some(Finger::Dirty) => code::TOO_LITTLE,
            None => code::INVALID_IMAGE,
        }
    }

    /// How well a template fits its own finger.
    const SCORE: u16 = 142;

    fn compare(&self) -> Vec<u8> {
        let (code, score) = match &self.buffers {
            [Some(one), Some(two)] if one == two => (code::OK, Self::SCORE),
            _ => (code::NO_MATCH, 0),
        };
        [&[code], &score.to_be_bytes()[..]].concat()
    }

    fn search(&mut self, buffer: u8, from: u16, count: u16) -> Vec<u8> {
        let wanted = self.buffer(buffer).clone();
        let pages = from..from.saturating_add(count);
        let found = (self.templates.range(pages))
            .find(|(_, name)| wanted.as_ref() == Some(name))
            .map(|(page, _)| *page);
        let (code, page, score) = match found {
            Some(page) => (code::OK, page, Self::SCORE),
            None => (code::NOT_FOUND, 0, 0),
        };
        [&[code], &page.to_be_bytes()[..], &score.to_be_bytes()].concat()
    }

    fn store(&mut self, buffer: u8, page: u16) -> u8 {
        match self.buffer(buffer).clone() {
            _ if page >= self.capacity() => code::BAD_PAGE,
            Some(name) => {
                self.templates.insert(page, name);
                code::OK
            }
            None => code::NO_TEMPLATE,
        }
    }

    fn load(&mut self, buffer: u8, page: u16) -> u8 {
        match self.templates.get(&page).cloned() {
            _ if page >= self.capacity() => code::BAD_PAGE,
            Some(name) => {
                *self.buffer(buffer) = Some(name);
                code::OK
            }
            None => code::NO_TEMPLATE,
        }
    }

    fn delete(&mut self, from: u16, count: u16) -> u8 {
        match from.checked_add(count) {
            Some(end) if end <= self.capacity() => {
                self.templates.retain(|page, _| !(from..end).contains(page));
                code::OK
            }
            Some(_) | None => code::NOT_DELETED,
        }
    }

    /// Status, system, capacity, security level, address, packet size (2: 128 bytes), baud / 9600.
    fn parameters(&self) -> Vec<u8> {
        let mut answer = vec![code::OK];
        for word in [0, 9, self.capacity(), 3, 0xFFFF, 0xFFFF, 2, 6] {
            answer.extend(u16::to_be_bytes(word));
        }
        answer
    }

    fn index(&self, table: u8) -> Vec<u8> {
        let first = u16::from(table) * 256;
        let mut answer = vec![code::OK; 33];
        for page in self
            .templates
            .range(first..=first | 0xFF)
            .map(|(page, _)| page - first)
        {
            answer[1 + usize::from(page / 8)] |= 1 << (page % 8);
        }
        answer
    }
}
