//! Protocol buffers, as far as a model needs them (<https://protobuf.dev/programming-guides/encoding/>).
//! Pure.

use super::fold::Unexpected;

type Result<T> = std::result::Result<T, Unexpected>;

pub(super) enum Payload<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes of a fixed width.
    Fixed(&'a [u8]),
}

pub(super) struct Field<'a> {
    pub(super) number: u64,
    pub(super) payload: Payload<'a>,
}

impl Field<'_> {
    pub(super) fn number(number: u64, value: u64) -> Self {
        Field {
            number,
            payload: Payload::Number(value),
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match &self.payload {
            Payload::Number(value) => {
                put_varint(out, self.number << 3);
                put_varint(out, *value);
            }
            Payload::Bytes(bytes) => put_bytes(out, self.number, bytes),
            Payload::Fixed(bytes) => {
                let wire = if bytes.len() == 8 { 1 } else { 5 };
                put_varint(out, self.number << 3 | wire);
                out.extend_from_slice(bytes);
            }
        }
    }
}

pub(super) fn put_bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().ok_or(Unexpected("it is cut off"))?;
        *bytes = rest;
        value |= u64::from(first & 0x7F) << shift;
        if first & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Unexpected("a number that is too long"))
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8]> {
    let (taken, rest) = usize::try_from(length)
        .ok()
        .and_then(|length| bytes.split_at_checked(length))
        .ok_or(Unexpected("it is cut off"))?;
    *bytes = rest;
    Ok(taken)
}

fn field<'a>(bytes: &mut &'a [u8]) -> Result<Field<'a>> {
    let key = varint(bytes)?;
    let payload = match key & 7 {
        0 => Payload::Number(varint(bytes)?),
        1 => Payload::Fixed(take(bytes, 8)?),
        2 => {
            let length = varint(bytes)?;
            Payload::Bytes(take(bytes, length)?)
        }
        5 => Payload::Fixed(take(bytes, 4)?),
        _ => return Err(Unexpected("a field of an unknown kind")),
    };
    Ok(Field {
        number: key >> 3,
        payload,
    })
}

/// All fields; one that cannot be read is the last.
pub(super) fn fields(mut bytes: &[u8]) -> impl Iterator<Item = Result<Field<'_>>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let field = field(&mut bytes);
        if field.is_err() {
            bytes = &[];
        }
        Some(field)
    })
}

pub(super) fn texts(bytes: &[u8], wanted: u64) -> Result<Vec<&str>> {
    let mut texts = Vec::new();
    for field in fields(bytes) {
        let Field { number, payload } = field?;
        if let Payload::Bytes(text) = payload
            && number == wanted
        {
            texts.push(str::from_utf8(text).map_err(|_| Unexpected("a name that is no text"))?);
        }
    }
    Ok(texts)
}

pub(super) fn text(bytes: &[u8], wanted: u64) -> Result<&str> {
    let texts = texts(bytes, wanted)?;
    texts
        .first()
        .copied()
        .ok_or(Unexpected("a name is missing"))
}
