//! What the module does with a command, and what it answers.

use std::collections::BTreeMap;

use super::{Finger, Model, Ring};
use crate::access::finger::command::code;
use crate::access::finger::packet::{Kind, Packet};

/// The module as its commands see it.
pub(super) struct Module {
    model: Model,
    pub(super) finger: Option<Finger>,
    image: Option<Finger>,
    /// Whose characteristics the two buffers hold.
    buffers: [Option<String>; 2],
    pub(super) templates: BTreeMap<u16, String>,
    pub(super) password: [u8; 4],
    /// The right password was given since the power came.
    pub(super) is_open: bool,
    pub(super) ring: Ring,
    pub(super) commands: u64,
}

impl Module {
    pub(super) fn new(model: Model) -> Self {
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
    pub(super) fn answer(&mut self, packet: Option<Packet>) -> Option<Packet> {
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
