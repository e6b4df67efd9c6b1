//! The packets that fingerprint modules and their hosts exchange, as bytes and back. Pure.
//!
//! The protocol is that of the data sheets of R307, R503 and AS608 (and of the ZFM-20 before them),
//! big-endian throughout:
//!
//! | bytes | what |
//! | --- | --- |
//! | 2 | `EF 01` |
//! | 4 | the module's address, by default `FF FF FF FF` |
//! | 1 | what it is: 1 a command, 2 data, 7 an answer, 8 the last data |
//! | 2 | the length of what follows: the content and 2 |
//! | n | the content, 256 bytes at most |
//! | 2 | the sum of all bytes from "what it is" to the content's last, modulo 65,536 |

/// Address of a module that was given none.
pub const ANY_ADDRESS: u32 = 0xFFFF_FFFF;

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Which module it is for, or from.
    pub address: u32,
    /// What it is.
    pub kind: Kind,
    /// What it says; 256 bytes at most.
    pub content: Vec<u8>,
}

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// From the host.
    Command = 0x01,
    /// Part of an image or a template, more to come.
    Data = 0x02,
    /// From the module, one for each command.
    Answer = 0x07,
    /// The last part.
    End = 0x08,
}

/// Why bytes after an `EF 01` are no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPacket {
    /// No such kind.
    #[error("a packet of the unknown kind {0:#04x}")]
    Kind(u8),
    /// Shorter than its sum, or longer than any packet.
    #[error("a packet with the impossible length {0}")]
    Length(u16),
    /// It was damaged on its way.
    #[error("a packet whose sum is wrong")]
    Sum,
}

impl Packet {
    /// The most that a packet's content can be.
    pub const LONGEST: usize = 256;
    const START: [u8; 2] = [0xEF, 0x01];
    /// From the start to the length.
    const HEAD: usize = 9;

    /// A packet for, or from, a module that was given no address.
    pub fn new(kind: Kind, content: Vec<u8>) -> Self {
        Packet {
            address: ANY_ADDRESS,
            kind,
            content,
        }
    }

    /// As it goes over the wire.
    ///
    /// # Panics
    /// If the content is longer than [`Packet::LONGEST`].
    pub fn bytes(&self) -> Vec<u8> {
        assert!(self.content.len() <= Self::LONGEST, "it fits a packet");
        let length = u16::try_from(self.content.len() + 2).expect("it was just looked at");
        let mut bytes = Vec::with_capacity(Self::HEAD + usize::from(length));
        bytes.extend(Self::START);
        bytes.extend(self.address.to_be_bytes());
        bytes.push(self.kind as u8);
        bytes.extend(length.to_be_bytes());
        bytes.extend(&self.content);
        let sum = sum(&bytes[Self::KIND_AT..]);
        bytes.extend(sum.to_be_bytes());
        bytes
    }

    const KIND_AT: usize = 6;

    /// The packet that these bytes begin with, `START` and all, and how long it is; `None`: it is
    /// not whole yet.
    fn read(bytes: &[u8]) -> Result<Option<(Packet, usize)>, BadPacket> {
        let Some((head, rest)) = bytes.split_first_chunk::<{ Self::HEAD }>() else {
            return Ok(None);
        };
        let [_, _, a, b, c, d, kind, high, low] = *head;
        let kind = match kind {
            0x01 => Kind::Command,
            0x02 => Kind::Data,
            0x07 => Kind::Answer,
            0x08 => Kind::End,
            other => return Err(BadPacket::Kind(other)),
        };
        let length = u16::from_be_bytes([high, low]);
        let whole = usize::from(length);
        if !(2..=Self::LONGEST + 2).contains(&whole) {
            return Err(BadPacket::Length(length));
        }
        let Some(body) = rest.get(..whole) else {
            return Ok(None);
        };
        let (content, said) = body.split_last_chunk::<2>().expect("2 or more");
        let end = Self::HEAD + content.len();
        if u16::from_be_bytes(*said) != sum(&bytes[Self::KIND_AT..end]) {
            return Err(BadPacket::Sum);
        }
        let packet = Packet {
            address: u32::from_be_bytes([a, b, c, d]),
            kind,
            content: content.to_vec(),
        };
        Ok(Some((packet, Self::HEAD + whole)))
    }
}

fn sum(bytes: &[u8]) -> u16 {
    bytes
        .iter()
        .fold(0, |sum: u16, byte| sum.wrapping_add(u16::from(*byte)))
}

/// Finds packets in bytes as they come. What is no packet is passed over; after a damaged one it
/// looks for the next behind that one's first byte, so that a good one inside is not lost.
#[derive(Debug, Default)]
pub struct PacketBuffer {
    /// Begins with what may become a packet.
    bytes: Vec<u8>,
}

impl PacketBuffer {
    /// Takes bytes, and gives each packet, or damaged one, that they complete. Where the bytes are
    /// cut changes nothing. Never holds more than one packet's bytes.
    pub fn push(&mut self, bytes: &[u8], mut take: impl FnMut(Result<Packet, BadPacket>)) {
        self.bytes.extend(bytes);
        let mut at = 0;
        loop {
            at += to_start(&self.bytes[at..]);
            match Packet::read(&self.bytes[at..]) {
                Ok(Some((packet, length))) => {
                    take(Ok(packet));
                    at += length;
                }
                Ok(None) => break,
                Err(bad) => {
                    take(Err(bad));
                    at += 1;
                }
            }
        }
        self.bytes.drain(..at);
    }

    /// Forgets what has come so far.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }
}

/// How many bytes stand before the first that may begin a packet.
fn to_start(bytes: &[u8]) -> usize {
    let [first, second] = Packet::START;
    (0..bytes.len())
        .find(|at| bytes[*at] == first && bytes.get(at + 1).is_none_or(|next| *next == second))
        .unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// TemplateNum, as the data sheets print it.
    const TEMPLATE_NUM: [u8; 12] = [
        0xEF, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0x00, 0x03, 0x1D, 0x00, 0x21,
    ];

    fn read(chunks: &[&[u8]]) -> Vec<Result<Packet, BadPacket>> {
        let mut buffer = PacketBuffer::default();
        let mut all = Vec::new();
        for chunk in chunks {
            buffer.push(chunk, |packet| all.push(packet));
            assert!(buffer.bytes.len() < Packet::HEAD + 2 + Packet::LONGEST);
        }
        all
    }

    #[test]
    fn a_packet_is_written_as_the_data_sheet_prints_it() {
        let packet = Packet::new(Kind::Command, vec![0x1D]);
        assert_eq!(packet.bytes(), TEMPLATE_NUM);
        assert_eq!(read(&[&TEMPLATE_NUM]), [Ok(packet)]);
    }

    #[test]
    fn a_wrong_sum_a_wrong_length_and_a_wrong_kind_are_refused() {
        let spoilt = |at: usize, byte: u8| {
            let mut bytes = TEMPLATE_NUM;
            bytes[at] = byte;
            read(&[&bytes])
        };
        assert_eq!(spoilt(11, 0x22), [Err(BadPacket::Sum)]);
        assert_eq!(spoilt(9, 0x1C), [Err(BadPacket::Sum)]);
        assert_eq!(spoilt(7, 0xFF), [Err(BadPacket::Length(0xFF03))]);
        assert_eq!(spoilt(8, 0x01), [Err(BadPacket::Length(1))]);
        assert_eq!(spoilt(6, 0x03), [Err(BadPacket::Kind(3))]);
    }

    #[test]
    fn a_packet_inside_a_damaged_one_is_found() {
        // The head of a long packet, and then the cable was touched.
        let mut bytes = vec![0xEF, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0x07, 0x00, 0x0E, 0xEF];
        bytes.extend(TEMPLATE_NUM);
        bytes.extend([0; 8]);
        let all = read(&[&bytes]);
        let good = Packet::new(Kind::Command, vec![0x1D]);
        assert_eq!(all, [Err(BadPacket::Sum), Ok(good)]);
    }

    proptest! {
        #[test]
        fn what_was_written_reads_the_same_between_noise(
            address: u32,
            content in proptest::collection::vec(any::<u8>(), 0..=Packet::LONGEST),
            noise in proptest::collection::vec(any::<u8>().prop_filter("no start", |it| *it != 0xEF), 0..40),
        ) {
            let packet = Packet { address, kind: Kind::Answer, content };
            let bytes = packet.bytes();
            let all = read(&[&noise, &bytes, &noise, &bytes]);
            prop_assert_eq!(all, [Ok(packet.clone()), Ok(packet)]);
        }

        #[test]
        fn one_damaged_byte_is_never_read_as_another_packet(
            content in proptest::collection::vec(any::<u8>(), 1..20),
            at: prop::sample::Index,
            by in 1..=255_u8,
        ) {
            let packet = Packet::new(Kind::Answer, content);
            let mut bytes = packet.bytes();
            let at = at.index(bytes.len());
            // A shorter length may find a sum that fits, once in 65,536: the answer is then too short.
            prop_assume!(!(7..9).contains(&at));
            bytes[at] = bytes[at].wrapping_add(by);
            for read in read(&[&bytes]) {
                // The address stands outside the sum: who reads compares it.
                prop_assert!(read.is_err() || read.is_ok_and(|read| read.address != ANY_ADDRESS));
            }
        }
    }
}
