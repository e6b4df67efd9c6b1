//! Passwords: what one is, how it is kept, whether one that was typed fits.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use rustix::rand::{GetRandomFlags, getrandom};
use secrecy::{ExposeSecret, SecretString};

/// Characters of a password, at least: NIST SP 800-63B asks for 8, and for no rules beside it.
pub const FEWEST: usize = 8;
/// Bytes at most: more is no password.
const MOST: usize = 1_024;
/// Bytes of salt: RFC 9106, section 3.1.
const SALT: usize = 16;

/// What a hash costs. The default is what OWASP's "Password Storage Cheat Sheet" says for argon2id:
/// 19 MiB and two passes, some tenths of a second on a Pi 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB, at least 8.
    pub kib: u32,
    /// How often it is gone through, at least once.
    pub passes: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Cost {
            kib: 19 * 1024,
            passes: 2,
        }
    }
}

impl Cost {
    fn argon2id(self) -> Result<Argon2<'static>, String> {
        let params = Params::new(self.kib, self.passes, 1, None);
        let params = params.map_err(|error| format!("hashing at this cost: {error}"))?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

/// It is long enough and no book.
pub(super) fn is_one(password: &SecretString) -> bool {
    let text = password.expose_secret();
    text.chars().count() >= FEWEST && text.len() <= MOST
}

/// How it is kept: a PHC string with a salt of its own. Blocks.
///
/// # Errors
/// The system has no random numbers or not the memory.
pub(super) fn hash(password: &SecretString, cost: Cost) -> Result<String, String> {
    let mut salt = [0; SALT];
    getrandom(&mut salt, GetRandomFlags::empty())
        .map_err(|error| format!("asking the system for a salt: {error}"))?;
    let hash: PasswordHash = cost
        .argon2id()?
        .hash_password_with_salt(password.expose_secret().as_bytes(), &salt)
        .map_err(|error| format!("hashing the password: {error}"))?;
    Ok(hash.to_string())
}

/// It was hashed to that; with `None`, which nothing fits, it takes as long. Blocks.
pub(super) fn fits(password: &SecretString, kept: Option<&str>, cost: Cost) -> bool {
    let Some(kept) = kept else {
        let _ = hash(password, cost); // only for its time
        return false;
    };
    let Ok(argon2id) = cost.argon2id() else {
        return false;
    };
    // The cost is the one that it was hashed at.
    PasswordHash::new(kept).is_ok_and(|kept| {
        let typed = password.expose_secret().as_bytes();
        argon2id.verify_password(typed, &kept).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_alone_whatever_hashing_costs_now() {
        let little = Cost { kib: 8, passes: 1 };
        let kept = hash(&"correct horse".into(), little).unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{kept}");
        let more = Cost { kib: 16, passes: 1 };
        assert!(fits(&"correct horse".into(), Some(&kept), more));
        assert!(!fits(&"correct horsf".into(), Some(&kept), more));
        assert!(!fits(&"correct horse".into(), None, more));
        assert!(!fits(&"correct horse".into(), Some("nonsense"), more));
    }

    #[test]
    fn the_shipped_cost_is_the_recommended_one() {
        let kept = hash(&"correct horse".into(), Cost::default()).unwrap();
        assert!(
            kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{kept}"
        );
    }

    #[test]
    fn a_password_is_long_enough_and_nothing_else_is_asked() {
        for (text, good) in [
            ("", false),
            ("1234567", false),
            ("        ", true),
            ("пароль-ж", true),
        ] {
            assert_eq!(is_one(&text.into()), good, "{text}");
        }
        assert!(!is_one(&"x".repeat(1_025).into()));
    }
}
