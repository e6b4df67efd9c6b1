//! The line that a NodeMCU sends: parsed, written, and cut out of a stream of bytes. Pure.
//!
//! `ASF1 <node> <seq> <uptime-s> <key>=<value>[ <key>=<value>]… *<crc16-hex>\n`

/// One line of a node. A key that it does not have is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// The node's name: printable ASCII without spaces.
    pub node: String,
    /// Counts lines; begins anew when the node restarts.
    pub seq: u32,
    /// Seconds since the node was switched on or reset.
    pub uptime: u32,
    /// `gas`: `true` is gas.
    pub gas: Option<bool>,
    /// `raw`: the gas sensor's voltage, 0..=1023.
    pub raw: Option<u16>,
    /// `beam`: `true` is broken.
    pub beam: Option<bool>,
}

/// Why bytes are not a line of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// Not `ASF1 … *CRC`.
    #[error("it is not of the form ASF1 NODE SEQ UPTIME KEY=VALUE *CRC")]
    Form,
    /// Damaged on the way.
    #[error("its checksum is wrong")]
    Checksum,
    /// A number that is none, or out of range, or a key given twice.
    #[error("a value in it cannot be")]
    Value,
}

/// Reads one line, without its line end. Keys that are not known are passed over: a newer node
/// may say more.
pub fn parse(line: &[u8]) -> Result<Line, BadLine> {
    let text = std::str::from_utf8(line).map_err(|_| BadLine::Form)?;
    let (body, crc) = text.rsplit_once(" *").ok_or(BadLine::Form)?;
    let mut words = body.split(' ');
    if words.next() != Some("ASF1") {
        return Err(BadLine::Form);
    }
    // Compared as text: exactly four upper-case digits.
    if crc != checksum(body) {
        return Err(BadLine::Checksum);
    }
    let mut word = || words.next().ok_or(BadLine::Form);
    let node = word()?;
    if node.is_empty() || !node.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(BadLine::Form);
    }
    let mut line = Line {
        node: node.to_owned(),
        seq: number(word()?)?,
        uptime: number(word()?)?,
        ..Line::default()
    };
    let mut pairs = words.peekable();
    if pairs.peek().is_none() {
        return Err(BadLine::Form);
    }
    for pair in pairs {
        let (key, value) = pair.split_once('=').ok_or(BadLine::Form)?;
        match key {
            "gas" => once(&mut line.gas, bit(value)?)?,
            "beam" => once(&mut line.beam, bit(value)?)?,
            "raw" => {
                let raw = u16::try_from(number(value)?).map_err(|_| BadLine::Value)?;
                if raw > 1023 {
                    return Err(BadLine::Value);
                }
                once(&mut line.raw, raw)?;
            }
            "" => return Err(BadLine::Form),
            _unknown => {}
        }
    }
    Ok(line)
}

/// Writes a line as a node does, with its line end.
pub fn write(line: &Line) -> String {
    let mut body = format!("ASF1 {} {} {}", line.node, line.seq, line.uptime);
    if let Some(gas) = line.gas {
        body += &format!(" gas={}", u8::from(gas));
    }
    if let Some(raw) = line.raw {
        body += &format!(" raw={raw}");
    }
    if let Some(beam) = line.beam {
        body += &format!(" beam={}", u8::from(beam));
    }
    let crc = checksum(&body);
    format!("{body} *{crc}\n")
}

/// CRC-16/CCITT-FALSE: polynomial 0x1021, starts at 0xFFFF, not reflected, nothing added.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 {
                shifted
            } else {
                shifted ^ 0x1021
            }
        })
    })
}

/// Cuts lines out of chunks of any size. Bounded: noise without a line end is dropped.
#[derive(Debug, Default)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    overlong: bool,
}

impl LineBuffer {
    /// The longest line that can be meant; ours have about 50 bytes.
    pub const LONGEST: usize = 255;

    /// Takes the next bytes and hands each complete line to `take`, without its line end. A line
    /// that is too long to be meant is handed over empty, once for each [`Self::LONGEST`] bytes of
    /// noise: it is an error to count, and nothing to read.
    pub fn push(&mut self, chunk: &[u8], mut take: impl FnMut(&[u8])) {
        for byte in chunk {
            match byte {
                b'\n' => {
                    let line = self.bytes.strip_suffix(b"\r").unwrap_or(&self.bytes);
                    // The tail of a line whose beginning was dropped has been counted already.
                    if !self.overlong && !line.is_empty() {
                        take(line);
                    }
                    self.clear();
                }
                _ if self.bytes.len() == Self::LONGEST => {
                    take(b"");
                    self.clear();
                    self.overlong = true;
                }
                byte => self.bytes.push(*byte),
            }
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.overlong = false;
    }
}

fn checksum(body: &str) -> String {
    format!("{:04X}", crc16(body.as_bytes()))
}

fn number(digits: &str) -> Result<u32, BadLine> {
    // `parse` alone would take a plus sign.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadLine::Value);
    }
    digits.parse().map_err(|_| BadLine::Value)
}

fn bit(value: &str) -> Result<bool, BadLine> {
    match value {
        "0" => Ok(false),
        "1" => Ok(true),
        _other => Err(BadLine::Value),
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), BadLine> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(BadLine::Value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signed(body: &str) -> Vec<u8> {
        format!("{body} *{}", checksum(body)).into_bytes()
    }

    fn lines(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut buffer = LineBuffer::default();
        let mut lines = Vec::new();
        for chunk in chunks {
            buffer.push(chunk, |line| lines.push(line.to_vec()));
        }
        lines
    }

    #[test]
    fn the_checksum_is_crc_16_ccitt_false() {
        assert_eq!(crc16(b"123456789"), 0x29B1);
        assert_eq!(crc16(b""), 0xFFFF);
    }

    #[test]
    fn a_line_of_the_kitchen_is_read() {
        let line = parse(&signed("ASF1 kitchen 7 61 gas=1 raw=734")).unwrap();
        assert_eq!(
            line,
            Line {
                node: "kitchen".into(),
                seq: 7,
                uptime: 61,
                gas: Some(true),
                raw: Some(734),
                beam: None,
            }
        );
    }

    #[test]
    fn what_a_newer_node_adds_is_passed_over() {
        let line = parse(&signed("ASF1 kitchen 7 61 rssi=-60 beam=0")).unwrap();
        assert_eq!(line.beam, Some(false));
    }

    #[test]
    fn lines_that_cannot_be_are_refused() {
        for (body, why) in [
            ("ASF2 kitchen 7 61 gas=1", BadLine::Form),
            ("ASF1 kitchen 7 61", BadLine::Form),
            ("ASF1  7 61 gas=1", BadLine::Form),
            ("ASF1 kitchen 7 61 gas", BadLine::Form),
            ("ASF1 kitchen 7 61  gas=1", BadLine::Form),
            ("ASF1 kitchen +7 61 gas=1", BadLine::Value),
            ("ASF1 kitchen 7 99999999999 gas=1", BadLine::Value),
            ("ASF1 kitchen 7 61 gas=2", BadLine::Value),
            ("ASF1 kitchen 7 61 gas=", BadLine::Value),
            ("ASF1 kitchen 7 61 gas=0 gas=1", BadLine::Value),
            ("ASF1 kitchen 7 61 raw=1024", BadLine::Value),
        ] {
            assert_eq!(parse(&signed(body)), Err(why), "{body}");
        }
    }

    #[test]
    fn every_single_damaged_byte_is_noticed() {
        let good = signed("ASF1 kitchen 7 61 gas=0 raw=100");
        for index in 0..good.len() {
            for flip in 1..=255_u8 {
                let mut bad = good.clone();
                bad[index] ^= flip;
                assert!(parse(&bad).is_err(), "{}", String::from_utf8_lossy(&bad));
            }
        }
    }

    #[test]
    fn the_checksum_has_four_upper_case_digits() {
        let good = String::from_utf8(signed("ASF1 kitchen 7 61 gas=0")).unwrap();
        let (body, crc) = good.rsplit_once('*').unwrap();
        for crc in [crc.to_lowercase(), format!("0{crc}"), crc[1..].to_owned()] {
            let line = format!("{body}*{crc}");
            assert_eq!(parse(line.as_bytes()), Err(BadLine::Checksum), "{line}");
        }
    }

    #[test]
    fn half_lines_are_put_together_and_carriage_returns_dropped() {
        assert_eq!(
            lines(&[b"ab", b"", b"c\r\n\r\n\nd", b"\n"]),
            [b"abc".to_vec(), b"d".to_vec()]
        );
    }

    #[test]
    fn noise_without_an_end_is_bounded_and_counted_and_the_next_line_is_whole() {
        let noise = vec![0xA5; 10 * LineBuffer::LONGEST];
        let lines = lines(&[&noise, b"tail\n", b"good\n"]);
        let (last, errors) = lines.split_last().unwrap();
        assert_eq!(last, b"good");
        assert!((9..=10).contains(&errors.len()), "{}", errors.len());
        assert!(errors.iter().all(Vec::is_empty));
    }

    prop_compose! {
        fn any_line()(
            node in "[!-~]{1,20}",
            seq: u32,
            uptime: u32,
            gas in any::<Option<bool>>(),
            raw in proptest::option::of(0..=1023_u16),
            beam: bool,
        ) -> Line {
            Line { node, seq, uptime, gas, raw, beam: Some(beam) }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(line in any_line(), cut in 0..40_usize) {
            let bytes = write(&line).into_bytes();
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            let read: Vec<_> = lines(&[head, tail]).iter().map(|line| parse(line)).collect();
            prop_assert_eq!(read, [Ok(line)]);
        }

        #[test]
        fn no_bytes_make_it_panic(chunks: Vec<Vec<u8>>) {
            let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            for line in lines(&chunks) {
                let _ = parse(&line);
            }
        }

        #[test]
        fn no_text_with_a_good_checksum_makes_it_panic(body in "ASF1( [!-~]{0,8}){0,6}") {
            let _ = parse(&signed(&body));
        }
    }
}
