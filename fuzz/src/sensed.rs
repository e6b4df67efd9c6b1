//! What sensors, and whoever may publish, send.

use asfaleia::access::finger::packet::{BadPacket, Packet, PacketBuffer};
use asfaleia::clock::SystemClock;
use asfaleia::config::{MqttTopic, Sensor, Source};
use asfaleia::inbox::Inbox;
use asfaleia::mqtt::{Message, command};
use asfaleia::sensors::Errors;
use asfaleia::sensors::line::{self, BadLine, Line, LineBuffer};
use asfaleia::sensors::mqtt::MqttSensors;

/// A serial line. First byte: how the rest is cut into chunks. Then the same words once more, each
/// line with the checksum it should have: no fuzzer finds those.
pub fn line(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else {
        return;
    };
    let cut = usize::from(*cut).max(1);
    let chunks: Vec<_> = bytes.chunks(cut).collect();
    let (whole, cut) = (lines(&[bytes]), lines(&chunks));
    assert_eq!(whole, cut, "where it is cut changes nothing");
    assert!(whole.len() <= bytes.len() + 1);
    for one in &whole {
        assert!(one.len() <= LineBuffer::LONGEST);
        read_again(line::parse(one));
        if let Ok(body) = str::from_utf8(one) {
            let signed = format!("{body} *{:04X}", line::crc16(body.as_bytes()));
            let read = line::parse(signed.as_bytes());
            assert_ne!(read, Err(BadLine::Checksum), "{signed}");
            read_again(read);
        }
    }
}

/// A fingerprint module's line. First byte: how the rest is cut into chunks.
pub fn finger(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else {
        return;
    };
    let cut = usize::from(*cut).max(1);
    let chunks: Vec<_> = bytes.chunks(cut).collect();
    let whole = packets(&[bytes]);
    assert_eq!(whole, packets(&chunks), "where it is cut changes nothing");
    for packet in whole.into_iter().flatten() {
        assert!(packet.content.len() <= Packet::LONGEST);
        let written = packet.bytes();
        assert!(bytes.windows(written.len()).any(|part| part == written));
    }
}

fn packets(chunks: &[&[u8]]) -> Vec<Result<Packet, BadPacket>> {
    let mut buffer = PacketBuffer::default();
    let mut packets = Vec::new();
    for chunk in chunks {
        buffer.push(chunk, |packet| packets.push(packet));
    }
    packets
}

/// What was read is in range, and reads the same when it is written.
fn read_again(read: Result<Line, BadLine>) {
    let Ok(read) = read else { return };
    assert!(read.raw.is_none_or(|raw| raw <= 1023));
    assert!(!read.node.is_empty() && !read.node.contains(' '));
    if (read.gas, read.raw, read.beam) != (None, None, None) {
        let written = line::write(&read);
        assert_eq!(line::parse(written.trim_end().as_bytes()), Ok(read));
    }
}

fn lines(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut buffer = LineBuffer::default();
    let mut lines = Vec::new();
    for chunk in chunks {
        buffer.push(chunk, |line| lines.push(line.to_vec()));
    }
    lines
}

/// A JSON pointer as an owner may write it, a line end, and what comes on the topic.
pub fn mqtt_payload(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n');
    let (pointer, payload) = match end {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (&b"/occupancy"[..], data),
    };
    let pointer = String::from_utf8_lossy(pointer);
    let topic = |json: Option<&str>, on: &str, off: &str| MqttTopic {
        topic: "zigbee2mqtt/hall".into(),
        json: json.map(str::to_owned),
        payload_on: on.into(),
        payload_off: off.into(),
    };
    let like = &super::house().sensors[0];
    let sensors = [
        ("plain", topic(None, "1", "0")),
        ("json", topic(Some("/occupancy"), "true", "false")),
        ("pointed", topic(Some(&pointer), "1", "0")),
    ]
    .map(|(name, topic)| Sensor {
        name: name.into(),
        source: Source::Mqtt(topic),
        ..like.clone()
    });
    let (inbox, letters) = Inbox::new(SystemClock::shared());
    let errors = Errors::default();
    let heard = MqttSensors::new(&sensors, inbox, errors.clone());
    for retained in [true, false] {
        heard.take(&Message {
            topic: "zigbee2mqtt/hall",
            payload,
            retained,
        });
    }
    let read = letters.try_iter().count() as u64;
    let not_understood: u64 = sensors.iter().map(|it| errors.of(&it.name)).sum();
    // Seen after found is news: nothing is folded away here.
    assert_eq!(read + not_understood, 6, "each is read, or counted");
}

/// What comes on the command topic.
pub fn mqtt_command(data: &[u8]) {
    use secrecy::ExposeSecret;
    if let Some(order) = command::parse(data)
        && let Some(code) = &order.code
        && code.expose_secret().len() > 3
        && code
            .expose_secret()
            .bytes()
            .all(|byte| byte.is_ascii_digit())
    {
        assert!(!format!("{order:?}").contains(code.expose_secret()));
    }
}
