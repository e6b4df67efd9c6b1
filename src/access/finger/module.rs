//! A conversation with a module: a command, its answer, and what can go wrong on the way.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::command::{Buffer, Command, Light, code};
use super::packet::{ANY_ADDRESS, BadPacket, Kind, Packet, PacketBuffer};
use crate::sensors::port::OpenPort;

/// A module on an open port, which knows the password.
pub(super) struct Module {
    line: Line,
    capacity: u16,
    has_light: bool,
}

/// What became of a look at the sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touch {
    /// No finger.
    None,
    /// A finger, but too dirty, dry or short to be read.
    Unreadable,
    /// What is characteristic of it is in the buffer.
    Read,
}

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("it did not answer in {} s", Line::PATIENCE.as_secs())]
    Silent,
    #[error("its answer came damaged: {0}")]
    Damaged(#[from] BadPacket),
    #[error("it answered something else than what it was asked")]
    Strange,
    #[error("it refused, with the code {0:#04x}")]
    Refused(u8),
    #[error("it takes another password: see `password-file` of [access] finger")]
    Password,
    #[error("the cable was pulled, or the port closed")]
    HangUp,
    #[error("the port failed: {0}")]
    Port(#[source] io::Error),
}

impl Fault {
    /// Nothing can be said over this port any more.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Fault::HangUp | Fault::Port(_) | Fault::Password => true,
            Fault::Silent | Fault::Damaged(_) | Fault::Strange | Fault::Refused(_) => false,
        }
    }
}

impl Module {
    /// Begins a conversation: gives the password, and asks what module it is.
    pub(super) async fn begin(port: OpenPort, password: u32) -> Result<Self, Fault> {
        let mut line = Line::new(port);
        match line.ask(Command::Password(password)).await? {
            Answer::Done(_) => {}
            Answer::Refused(code::WRONG_PASSWORD) => return Err(Fault::Password),
            Answer::Refused(other) => return Err(Fault::Refused(other)),
        }
        // Status, system, capacity, security level, address, packet size and baud.
        let parameters = line.done(Command::Parameters).await?;
        let capacity = u16::from_be_bytes([parameters[4], parameters[5]]);
        // Only an R503 has a ring of light: others refuse, or do not answer at all.
        let has_light = match line.ask(Command::Light(Light::Off)).await {
            Ok(Answer::Done(_)) => true,
            Ok(Answer::Refused(_)) => false,
            Err(fault) if fault.is_final() => return Err(fault),
            Err(_) => {
                line.wait_for_quiet().await?;
                false
            }
        };
        Ok(Module {
            line,
            capacity,
            has_light,
        })
    }

    /// How many templates it can hold: pages are numbered below it.
    pub(super) fn capacity(&self) -> u16 {
        self.capacity
    }

    /// No finger lies on the sensor.
    pub(super) async fn is_free(&mut self) -> Result<bool, Fault> {
        match self.line.ask(Command::TakeImage).await? {
            Answer::Done(_) | Answer::Refused(code::NO_IMAGE) => Ok(false),
            Answer::Refused(code::NO_FINGER) => Ok(true),
            Answer::Refused(other) => Err(Fault::Refused(other)),
        }
    }

    /// Looks for a finger, and reads it into the buffer.
    pub(super) async fn touch(&mut self, into: Buffer) -> Result<Touch, Fault> {
        if self.is_free().await? {
            return Ok(Touch::None);
        }
        match self.line.ask(Command::Characterise(into)).await? {
            Answer::Done(_) => Ok(Touch::Read),
            Answer::Refused(code::DISORDERLY | code::TOO_LITTLE | code::INVALID_IMAGE) => {
                Ok(Touch::Unreadable)
            }
            Answer::Refused(other) => Err(Fault::Refused(other)),
        }
    }

    /// The page whose template matches what was read into buffer 1, by the module's own measure.
    pub(super) async fn search(&mut self) -> Result<Option<u16>, Fault> {
        let search = Command::Search {
            pages: self.capacity,
        };
        match self.line.ask(search).await? {
            Answer::Done(found) => {
                // The page, and how well it fits.
                let page = u16::from_be_bytes([found[0], found[1]]);
                if page >= self.capacity {
                    return Err(Fault::Strange);
                }
                Ok(Some(page))
            }
            Answer::Refused(code::NOT_FOUND) => Ok(None),
            Answer::Refused(other) => Err(Fault::Refused(other)),
        }
    }

    /// Makes one template of both buffers; `false`: they are of different fingers.
    pub(super) async fn combine(&mut self) -> Result<bool, Fault> {
        match self.line.ask(Command::Combine).await? {
            Answer::Done(_) => Ok(true),
            Answer::Refused(code::DIFFERENT | code::NO_MATCH) => Ok(false),
            Answer::Refused(other) => Err(Fault::Refused(other)),
        }
    }

    /// Writes the template to a page.
    pub(super) async fn store(&mut self, page: u16) -> Result<(), Fault> {
        self.line.done(Command::Store(page)).await.map(drop)
    }

    /// Forgets the template of a page.
    pub(super) async fn delete(&mut self, page: u16) -> Result<(), Fault> {
        self.line.done(Command::Delete(page)).await.map(drop)
    }

    /// Which pages hold a template.
    pub(super) async fn index(&mut self) -> Result<BTreeSet<u16>, Fault> {
        let mut pages = BTreeSet::new();
        for table in 0..self.capacity.div_ceil(256) {
            let command = Command::Index {
                table: u8::try_from(table).expect("65,536 pages are 256 tables"),
            };
            let bits = self.line.done(command).await?;
            // Page 0 is the lowest bit of the first byte.
            let set = (0..256_u16).filter(|at| bits[usize::from(at / 8)] & (1 << (at % 8)) != 0);
            pages.extend(set.map(|at| table * 256 + at));
        }
        Ok(pages)
    }

    /// Shows something, if there is a light.
    pub(super) async fn show(&mut self, light: Light) -> Result<(), Fault> {
        if self.has_light {
            self.line.done(Command::Light(light)).await?;
        }
        Ok(())
    }

    /// After a fault: waits until nothing comes any more, so that no late answer is taken for that
    /// of the next command.
    pub(super) async fn wait_for_quiet(&mut self) -> Result<(), Fault> {
        self.line.wait_for_quiet().await
    }
}

/// What a module said to a command, in order.
enum Answer {
    /// It is done; what follows the code, as long as the command says.
    Done(Vec<u8>),
    /// It is not, and this is why.
    Refused(u8),
}

/// The wire: one command at a time, and its answer.
struct Line {
    port: OpenPort,
    buffer: PacketBuffer,
}

impl Line {
    /// The data sheets' longest (a search, an image) is one second.
    const PATIENCE: Duration = Duration::from_secs(2);
    /// Nothing for so long is quiet.
    const QUIET: Duration = Duration::from_millis(500);

    fn new(port: OpenPort) -> Self {
        Line {
            port,
            buffer: PacketBuffer::default(),
        }
    }

    /// The answer to a command that has to succeed.
    async fn done(&mut self, command: Command) -> Result<Vec<u8>, Fault> {
        match self.ask(command).await? {
            Answer::Done(rest) => Ok(rest),
            Answer::Refused(code) => Err(Fault::Refused(code)),
        }
    }

    async fn ask(&mut self, command: Command) -> Result<Answer, Fault> {
        self.buffer.clear();
        self.port.discard_input().map_err(Fault::Port)?;
        let deadline = Instant::now() + Self::PATIENCE;
        let packet = Packet::new(Kind::Command, command.content()).bytes();
        match timeout_at(deadline, self.port.write(&packet)).await {
            Ok(written) => written.map_err(Fault::Port)?,
            Err(_) => return Err(Fault::Silent),
        }
        let answer = timeout_at(deadline, self.packet())
            .await
            .unwrap_or(Err(Fault::Silent))?;
        if answer.address != ANY_ADDRESS || answer.kind != Kind::Answer {
            return Err(Fault::Strange);
        }
        match answer.content.split_first() {
            Some((&code::OK, rest)) if answer.content.len() == command.answer_length() => {
                Ok(Answer::Done(rest.to_vec()))
            }
            // "Not found" comes with an empty page and score, from some; refusals of others do not.
            Some((code, _))
                if *code != code::OK
                    && [1, command.answer_length()].contains(&answer.content.len()) =>
            {
                Ok(Answer::Refused(*code))
            }
            Some(_) | None => Err(Fault::Strange),
        }
    }

    /// The next packet; a damaged one is a fault.
    async fn packet(&mut self) -> Result<Packet, Fault> {
        loop {
            let mut bytes = [0; 64];
            let count = match self.port.read(&mut bytes).await {
                // Not "nothing yet": a port that hung up says so again and again.
                Ok(0) => return Err(Fault::HangUp),
                Ok(count) => count,
                Err(error) => return Err(Fault::Port(error)),
            };
            let mut first = None;
            self.buffer.push(&bytes[..count], |packet| {
                first.get_or_insert(packet);
            });
            if let Some(packet) = first {
                return Ok(packet?);
            }
        }
    }

    async fn wait_for_quiet(&mut self) -> Result<(), Fault> {
        self.buffer.clear();
        let deadline = Instant::now() + Self::PATIENCE;
        loop {
            match timeout(Self::QUIET, self.port.read(&mut [0; 64])).await {
                Err(_) => return Ok(()),
                Ok(Ok(0)) => return Err(Fault::HangUp),
                Ok(Ok(_)) if Instant::now() < deadline => {}
                // Noise without end: the next command will find out.
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => return Err(Fault::Port(error)),
            }
        }
    }
}
