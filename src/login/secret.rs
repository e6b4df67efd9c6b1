//! Secrets that we make: what a session's cookie holds, tokens, the code of the first visit. Each is
//! random enough that its SHA-256 can be kept where a password needs argon2id.

use std::fmt::Write;

use ring::hmac;
use rustix::rand::{GetRandomFlags, getrandom};

/// Bytes of randomness in a session or token: nobody guesses 256 bits.
const BYTES: usize = 32;
/// Signs of a code that people type: 60 bits, and tries are slowed.
const CODE: usize = 12;
/// No sign looks like another one: Crockford's base 32.
const SIGNS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// 64 hexadecimal digits that nobody knows.
///
/// # Errors
/// The system has no random numbers.
pub(super) fn fresh() -> Result<String, String> {
    Ok(hexadecimal(&random::<BYTES>()?))
}

/// A code to type, such as `7K2M-Q9XD-4TRA`.
///
/// # Errors
/// The system has no random numbers.
pub(super) fn code() -> Result<String, String> {
    let random = random::<CODE>()?;
    let signs: Vec<char> = (random.iter())
        .map(|byte| char::from(SIGNS[usize::from(byte % 32)]))
        .collect();
    let groups: Vec<String> = signs
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    Ok(groups.join("-"))
}

/// The code as it was meant: dashes and spaces do not count, nor does small or large.
pub(super) fn as_typed(code: &str) -> String {
    let signs = code.chars().filter(char::is_ascii_alphanumeric);
    signs.map(|sign| sign.to_ascii_uppercase()).collect()
}

/// What pages of a session send back: nobody can tell it who does not know the session's secret.
pub(super) fn csrf(secret: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hexadecimal(hmac::sign(&key, b"asfaleia csrf").as_ref())
}

fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    match getrandom(&mut bytes, GetRandomFlags::empty()) {
        Ok(filled) if filled == N => Ok(bytes),
        Ok(_) => Err("asking the system for random numbers: too few came".to_owned()),
        Err(error) => Err(format!("asking the system for random numbers: {error}")),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same_and_a_code_can_be_typed() {
        assert_ne!(fresh().unwrap(), fresh().unwrap());
        assert_eq!(fresh().unwrap().len(), 64);
        let code = code().unwrap();
        assert_eq!(code.len(), 14, "{code}");
        assert_eq!(as_typed(&code.to_lowercase()), code.replace('-', ""));
    }

    #[test]
    fn a_page_of_one_session_says_nothing_of_another() {
        assert_eq!(csrf("one"), csrf("one"));
        assert_ne!(csrf("one"), csrf("other"));
        assert!(!csrf("one").contains("one"));
    }
}
