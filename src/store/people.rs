//! What people are known by, as rows.

use std::path::Path;

use rusqlite::types::Type;
use rusqlite::{Connection, Row, Transaction, params};

use super::error::StoreError;
use super::schema::{self, DATABASE};
use super::writing::key;
use crate::clock::WallTime;

/// Floats in a face's template: what the model SFace puts out.
pub const TEMPLATE: usize = 128;

/// One thing that a person is known by.
#[derive(Clone, PartialEq)]
pub struct Credential {
    /// Its number; only grows.
    pub id: u64,
    /// The person's name.
    pub person: String,
    /// When it was enrolled.
    pub enrolled: WallTime,
    /// What it is.
    pub known_by: KnownBy,
}

/// What a person is known by.
#[derive(Clone, PartialEq)]
pub enum KnownBy {
    /// A PIN.
    Pin {
        /// Its argon2id hash, as a PHC string.
        hash: String,
        /// Typed under duress: does what it seems to do, and alerts silently.
        duress: bool,
    },
    /// A finger.
    Finger {
        /// Where the module keeps it.
        slot: u16,
        /// Laid under duress.
        duress: bool,
    },
    /// One view of a face.
    Face {
        /// The model's embedding, of length 1.
        template: Box<[f32; TEMPLATE]>,
    },
}

/// A change of who is known. Doing it twice does what doing it once does.
#[derive(Debug, Clone, PartialEq)]
pub enum PeopleChange {
    /// Something new that somebody is known by.
    Enrolled(Credential),
    /// One thing that somebody was known by.
    Removed(u64),
    /// A person, with all that they were known by.
    Forgotten(String),
}

/// Those who are known after these changes.
pub fn known_after(known: &[Credential], changes: &[PeopleChange]) -> Vec<Credential> {
    let mut known = known.to_vec();
    for change in changes {
        match change {
            PeopleChange::Enrolled(credential) => {
                known.retain(|it| it.id != credential.id);
                known.push(credential.clone());
            }
            PeopleChange::Removed(id) => known.retain(|it| it.id != *id),
            PeopleChange::Forgotten(name) => known.retain(|it| it.person != *name),
        }
    }
    known
}

/// Who is known, in a store that nobody has open. Nothing is changed there.
///
/// # Errors
/// It cannot be read.
pub fn people_in(dir: &Path) -> Result<Vec<Credential>, StoreError> {
    let path = dir.join(DATABASE);
    let connection = schema::open_frozen(&path)?;
    read(&connection).map_err(|error| StoreError::sql("reading who is known from", &path, &error))
}

/// Neither a hash nor a template belongs into a log.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (word, duress, slot) = match &self.known_by {
            KnownBy::Pin { duress, .. } => ("pin", *duress, None),
            KnownBy::Finger { slot, duress } => ("finger", *duress, Some(*slot)),
            KnownBy::Face { .. } => ("face", false, None),
        };
        f.debug_struct("Credential")
            .field("id", &self.id)
            .field("person", &self.person)
            .field("kind", &word)
            .field("slot", &slot)
            .field("duress", &duress)
            .finish_non_exhaustive()
    }
}

pub(super) fn write(transaction: &Transaction<'_>, change: &PeopleChange) -> rusqlite::Result<()> {
    match change {
        PeopleChange::Enrolled(credential) => enrol(transaction, credential)?,
        PeopleChange::Removed(id) => {
            transaction.execute("DELETE FROM credentials WHERE id = ?1", [key(*id)])?
        }
        PeopleChange::Forgotten(person) => {
            transaction.execute("DELETE FROM credentials WHERE person = ?1", [person])?
        }
    };
    Ok(())
}

pub(super) fn enrol(
    transaction: &Transaction<'_>,
    credential: &Credential,
) -> rusqlite::Result<usize> {
    let (kind, duress, slot, secret) = match &credential.known_by {
        KnownBy::Pin { hash, duress } => (PIN, *duress, None, Some(hash.clone().into_bytes())),
        KnownBy::Finger { slot, duress } => (FINGER, *duress, Some(*slot), None),
        KnownBy::Face { template } => {
            let bytes = template.iter().flat_map(|it| it.to_le_bytes()).collect();
            (FACE, false, None, Some(bytes))
        }
    };
    transaction.execute(
        "INSERT OR REPLACE INTO credentials VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            key(credential.id),
            credential.person,
            credential.enrolled.0,
            kind,
            duress,
            slot,
            secret
        ],
    )
}

/// Everybody who is known, the oldest credential first. One that cannot be read lets nobody in, and
/// must not cost the panel its state.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<Credential>> {
    let mut question = connection.prepare("SELECT * FROM credentials ORDER BY id")?;
    let mut rows = question.query([])?;
    let mut known = Vec::new();
    while let Some(row) = rows.next()? {
        match credential(row) {
            Ok(credential) => known.push(credential),
            Err(error) => tracing::warn!(%error, "a credential cannot be read: enrol it again"),
        }
    }
    Ok(known)
}

fn credential(row: &Row<'_>) -> rusqlite::Result<Credential> {
    let kind: String = row.get("kind")?;
    let duress = row.get("duress")?;
    let secret = || row.get::<_, Vec<u8>>("secret");
    let odd = |what: &str| {
        let why = format!("a credential's {what} is damaged");
        rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, why.into())
    };
    let known_by = match kind.as_str() {
        PIN => {
            let hash = String::from_utf8(secret()?).map_err(|_| odd("hash"))?;
            KnownBy::Pin { hash, duress }
        }
        FINGER => {
            let slot = row.get("slot")?;
            KnownBy::Finger { slot, duress }
        }
        FACE => {
            let bytes = secret()?;
            let (floats, rest) = bytes.as_chunks::<4>();
            let template: Box<[f32]> = floats.iter().map(|it| f32::from_le_bytes(*it)).collect();
            let template = template.try_into().map_err(|_| odd("template"))?;
            if !rest.is_empty() {
                return Err(odd("template"));
            }
            KnownBy::Face { template }
        }
        _unknown => return Err(odd("kind")),
    };
    Ok(Credential {
        id: row.get::<_, i64>("id")?.cast_unsigned(),
        person: row.get("person")?,
        enrolled: WallTime(row.get("enrolled_wall_ms")?),
        known_by,
    })
}

const PIN: &str = "pin";
const FINGER: &str = "finger";
const FACE: &str = "face";
