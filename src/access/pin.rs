//! PINs: what one is, how it is kept, and whether one that was typed is somebody's.
//!
//! A hash takes 19 MiB and some tenths of a second on a Pi: never on the panel's thread, and never
//! two at a time (see [`Access`](super::Access)).

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use secrecy::{ExposeSecret, SecretString};

use super::people::People;
use crate::alarm::Who;

/// Digits of a PIN, at least ...
pub const FEWEST_DIGITS: usize = 4;
/// ... and at most.
pub const MOST_DIGITS: usize = 10;

/// OWASP's "Password Storage Cheat Sheet" for argon2id: 19 MiB, two passes, one lane. More memory
/// would press a Pi 3's other programs out of its 1 GB.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Bytes of salt: RFC 9106, section 3.1, recommends 16 for passwords.
const SALT: usize = 16;

/// Four to ten digits. Never printed.
#[derive(Debug, Clone)]
pub struct Pin(SecretString);

/// Why that is no PIN. It does not repeat what was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a PIN has {FEWEST_DIGITS} to {MOST_DIGITS} digits and nothing else")]
pub struct NotAPin;

impl Pin {
    /// Reads one.
    ///
    /// # Errors
    /// It has other signs than digits, or too few or too many of them.
    pub fn parse(text: &str) -> Result<Pin, NotAPin> {
        let good = (FEWEST_DIGITS..=MOST_DIGITS).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_digit());
        good.then(|| Pin(text.into())).ok_or(NotAPin)
    }

    fn bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

/// How it is kept: a PHC string with a salt of its own. Blocks for some tenths of a second.
///
/// # Errors
/// The system has no random numbers, or no 19 MiB of memory.
pub fn hash(pin: &Pin) -> Result<String, String> {
    let mut salt = [0; SALT];
    rustix::rand::getrandom(&mut salt, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| format!("asking the system for a salt: {error}"))?;
    let hash: PasswordHash = argon2id()
        .hash_password_with_salt(pin.bytes(), &salt)
        .map_err(|error| format!("hashing the PIN: {error}"))?;
    Ok(hash.to_string())
}

/// Whose PIN this is, and whether it is typed under duress. Compares it with every PIN there is,
/// whichever fits, and with one that nobody has if there is none: the time that it takes tells
/// nothing. Blocks for as many tenths of a second as there are PINs.
pub fn whose(pin: &Pin, people: &People) -> (Who, bool) {
    let mut found = (Who::Stranger, false);
    let mut compared = 0;
    for (kept, person, duress) in people.pins() {
        compared += 1;
        if fits(pin, kept) {
            found = (Who::Person(person.to_owned()), duress);
        }
    }
    if compared == 0 {
        let _ = hash(pin); // only for its time
    }
    found
}

/// This PIN was hashed to that.
fn fits(pin: &Pin, kept: &str) -> bool {
    PasswordHash::new(kept).is_ok_and(|kept| argon2id().verify_password(pin.bytes(), &kept).is_ok())
}

fn argon2id() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("within argon2's limits");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::WallTime;
    use crate::store::{Credential, KnownBy};

    fn pin(text: &str) -> Pin {
        Pin::parse(text).unwrap()
    }

    fn people(pins: &[(&str, &str, bool)]) -> People {
        let known = |(id, (person, text, duress)): (usize, &(&str, &str, bool))| Credential {
            id: id as u64,
            person: (*person).to_owned(),
            enrolled: WallTime(0),
            known_by: KnownBy::Pin {
                hash: hash(&pin(text)).unwrap(),
                duress: *duress,
            },
        };
        People::new(pins.iter().enumerate().map(known).collect())
    }

    #[test]
    fn a_pin_is_somebodys_or_a_strangers() {
        let people = people(&[("Anna", "2580", false), ("Anna", "0852", true)]);
        let anna = || Who::Person("Anna".into());
        assert_eq!(whose(&pin("2580"), &people), (anna(), false));
        assert_eq!(whose(&pin("0852"), &people), (anna(), true));
        assert_eq!(whose(&pin("2581"), &people), (Who::Stranger, false));
        assert_eq!(
            whose(&pin("2580"), &People::default()),
            (Who::Stranger, false)
        );
    }

    #[test]
    fn it_is_kept_as_argon2id_with_a_salt_of_its_own() {
        let (one, other) = (hash(&pin("2580")).unwrap(), hash(&pin("2580")).unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
    }

    #[test]
    fn what_is_no_pin_is_refused_without_repeating_it() {
        for text in ["", "123", "12345678901", "12 4", "abcd", "١٢٣٤", "1234\n"] {
            assert_eq!(Pin::parse(text).unwrap_err(), NotAPin);
        }
        assert!(!format!("{:?}", pin("2580")).contains("2580"));
    }
}
