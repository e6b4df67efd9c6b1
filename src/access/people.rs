//! The people who are known, as they are at one moment: what readers look things up in.

use std::collections::BTreeMap;

use super::face::{Embedding, SAME, too_close};
use crate::clock::WallTime;
use crate::store::{Credential, KnownBy, PeopleChange, TEMPLATE, known_after};

/// Everybody who is known. Readers take it anew from its `watch` for each try: it is replaced, never
/// changed.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct People {
    credentials: Vec<Credential>,
}

/// One person, for lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name they were enrolled by.
    pub name: String,
    /// They have a PIN. One for duress counts for none: whoever looks on must not know of it.
    pub pin: bool,
    /// How many fingers, duress fingers among them.
    pub fingers: usize,
    /// How many views of the face.
    pub faces: usize,
    /// When they were first enrolled.
    pub since: WallTime,
}

impl People {
    /// Those whom these rows describe.
    pub fn new(mut credentials: Vec<Credential>) -> Self {
        credentials.sort_by_key(|credential| credential.id);
        People { credentials }
    }

    /// Those who are known after these changes.
    pub fn changed(&self, changes: &[PeopleChange]) -> People {
        People::new(known_after(&self.credentials, changes))
    }

    /// What a person is not known by any more when they get this: everybody has one PIN, one
    /// for duress, and one face.
    pub fn replaced_by(&self, person: &str, new: &KnownBy) -> Vec<u64> {
        let same_kind = |old: &KnownBy| match (old, new) {
            (KnownBy::Pin { duress: old, .. }, KnownBy::Pin { duress: new, .. }) => old == new,
            (KnownBy::Face { .. }, KnownBy::Face { .. }) => true,
            (KnownBy::Pin { .. } | KnownBy::Finger { .. } | KnownBy::Face { .. }, _) => false,
        };
        (self.credentials.iter())
            .filter(|it| it.person == person && same_kind(&it.known_by))
            .map(|it| it.id)
            .collect()
    }

    /// What changes when a person becomes known by these, all of one kind.
    pub fn enrolling(
        &self,
        person: &str,
        by_these: Vec<KnownBy>,
        enrolled: WallTime,
    ) -> Vec<PeopleChange> {
        let last_id = self.credentials.iter().map(|it| it.id).max().unwrap_or(0);
        let mut replaced: Vec<u64> = (by_these.iter())
            .flat_map(|new| self.replaced_by(person, new))
            .collect();
        replaced.sort_unstable();
        replaced.dedup();
        let removed = replaced.into_iter().map(PeopleChange::Removed);
        let new = (last_id + 1..).zip(by_these).map(|(id, known_by)| {
            PeopleChange::Enrolled(Credential {
                id,
                person: person.to_owned(),
                enrolled,
                known_by,
            })
        });
        removed.chain(new).collect()
    }

    /// A warning, if this face is so like somebody else's that both may be taken for each other.
    pub fn taken_for(&self, person: &str, views: &[Embedding]) -> Option<String> {
        let others = self.faces().filter(|(name, _)| *name != person);
        let others: Vec<(&str, &[f32])> = others.map(|(name, it)| (name, &it[..])).collect();
        let (name, similarity) = too_close(views, &others)?;
        Some(format!(
            "this face is so like {name}'s (similarity {similarity:.2} of {SAME} that one person \
             has with themselves) that they may be taken for each other: ask for a second factor"
        ))
    }

    /// Everything that anybody is known by, the oldest first.
    pub fn credentials(&self) -> &[Credential] {
        &self.credentials
    }

    /// Everybody, by name.
    pub fn list(&self) -> Vec<Person> {
        let mut people: BTreeMap<&str, Person> = BTreeMap::new();
        for credential in &self.credentials {
            let person = people.entry(&credential.person).or_insert_with(|| Person {
                name: credential.person.clone(),
                pin: false,
                fingers: 0,
                faces: 0,
                since: credential.enrolled,
            });
            match credential.known_by {
                KnownBy::Pin { duress, .. } => person.pin |= !duress,
                KnownBy::Finger { .. } => person.fingers += 1,
                KnownBy::Face { .. } => person.faces += 1,
            }
        }
        people.into_values().collect()
    }

    /// Whose finger the module keeps in this slot, and whether it is laid under duress.
    pub fn finger(&self, slot: u16) -> Option<(&str, bool)> {
        self.credentials.iter().find_map(|it| match it.known_by {
            KnownBy::Finger { slot: kept, duress } if kept == slot => {
                Some((it.person.as_str(), duress))
            }
            KnownBy::Finger { .. } | KnownBy::Pin { .. } | KnownBy::Face { .. } => None,
        })
    }

    /// The slots that this person's fingers have in the module; everybody's without a name.
    pub fn slots(&self, person: Option<&str>) -> Vec<u16> {
        (self.credentials.iter())
            .filter(|it| person.is_none_or(|name| it.person == name))
            .filter_map(|it| match it.known_by {
                KnownBy::Finger { slot, .. } => Some(slot),
                KnownBy::Pin { .. } | KnownBy::Face { .. } => None,
            })
            .collect()
    }

    /// Every view of every face, and whose it is.
    pub fn faces(&self) -> impl Iterator<Item = (&str, &[f32; TEMPLATE])> {
        self.credentials.iter().filter_map(|it| match &it.known_by {
            KnownBy::Face { template } => Some((it.person.as_str(), &**template)),
            KnownBy::Pin { .. } | KnownBy::Finger { .. } => None,
        })
    }

    /// The hash of every PIN, whose it is, and whether it is typed under duress.
    pub fn pins(&self) -> impl Iterator<Item = (&str, &str, bool)> {
        self.credentials.iter().filter_map(|it| match &it.known_by {
            KnownBy::Pin { hash, duress } => Some((hash.as_str(), it.person.as_str(), *duress)),
            KnownBy::Face { .. } | KnownBy::Finger { .. } => None,
        })
    }
}

/// Why somebody cannot have this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no name to enrol: 1 to 64 letters, digits, spaces or any of . ' _ -, beginning and \
     ending with a letter or digit"
)]
pub struct NotAName(pub String);

/// The name, as it will be shown in mails, logs and paths of the API.
///
/// # Errors
/// It is empty, too long, or holds what would mislead there.
pub fn name(text: &str) -> Result<&str, NotAName> {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '.' | '\'' | '_' | '-');
    let good = text.chars().count() <= 64
        && text.starts_with(char::is_alphanumeric)
        && text.ends_with(char::is_alphanumeric)
        && text.chars().all(inner);
    if good {
        return Ok(text);
    }
    Err(NotAName(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: u64, person: &str, known_by: KnownBy) -> Credential {
        Credential {
            id,
            person: person.to_owned(),
            enrolled: WallTime(i64::try_from(id).unwrap()),
            known_by,
        }
    }

    #[test]
    fn a_slot_is_a_persons_finger_and_duress_is_known_by_it() {
        let finger = |slot, duress| KnownBy::Finger { slot, duress };
        let people = People::new(vec![
            known(3, "Ben", finger(9, false)),
            known(1, "Anna", finger(7, false)),
            known(2, "Anna", finger(8, true)),
        ]);
        assert_eq!(people.finger(7), Some(("Anna", false)));
        assert_eq!(people.finger(8), Some(("Anna", true)));
        assert_eq!(people.finger(1), None);
        assert_eq!(people.slots(Some("Anna")), [7, 8]);
        assert_eq!(people.slots(None), [7, 8, 9]);
        let names: Vec<String> = people.list().into_iter().map(|it| it.name).collect();
        assert_eq!(names, ["Anna", "Ben"]);
        assert_eq!(people.list()[0].fingers, 2);
        assert_eq!(people.list()[0].since, WallTime(1));
    }

    #[test]
    fn a_name_can_be_shown_anywhere() {
        for good in ["Anna", "Ζωή", "Ben 2", "O'Neill", "Anna-Maria", "dr. x"] {
            assert_eq!(name(good), Ok(good));
        }
        for bad in [
            "",
            " Anna",
            "Anna ",
            "a/b",
            "a\nb",
            "..",
            "<b>",
            &"x".repeat(65),
        ] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }
}
