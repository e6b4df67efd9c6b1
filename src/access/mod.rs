//! Who is there: people, what they are known by, and what reads it.
//!
//! Readers put `Event::Shown` into the inbox; whether that lets anybody in is decided in `alarm`.

pub mod face;
pub mod finger;
pub mod people;
pub mod pin;
pub mod wires;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;
use tracing::info;

use crate::alarm::{Actor, Factor, Record, Status, Way, Who};
use crate::clock::SharedClock;
use crate::store::{Credential, KnownBy, PeopleChange};

use people::{NotAName, People};
use pin::{NotAPin, Pin};

/// Who is known, and whose PIN is whose. Clones share it.
#[derive(Clone)]
pub struct Access(Arc<Shared>);

struct Shared {
    people: watch::Sender<Arc<People>>,
    keep: Keep,
    status: watch::Receiver<Arc<Status>>,
    clock: SharedClock,
    /// One hash at a time: each takes 19 MiB and a core.
    hashing: Mutex<()>,
    /// One change of who is known at a time.
    changing: Mutex<()>,
}

/// Commits changes of who is known, and a line of history that says so. Resolves to whether they
/// are on the disk.
pub type Keep = Box<dyn Fn(Vec<PeopleChange>, Record) -> BoxFuture<'static, bool> + Send + Sync>;

/// A disk that hangs is not waited for any longer.
const KEPT_WITHIN: Duration = Duration::from_secs(5);

/// The panel takes a try within so long.
const SOON: Duration = Duration::from_millis(500);

/// Why somebody could not be enrolled or forgotten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotEnrolled {
    /// The name cannot be shown.
    #[error(transparent)]
    Name(#[from] NotAName),
    /// It is no PIN.
    #[error(transparent)]
    Pin(#[from] NotAPin),
    /// It is somebody's already. It does not say whose.
    #[error("this PIN cannot be had: choose another")]
    Taken,
    /// The system could not hash it.
    #[error("{0}")]
    System(String),
    /// The store does not take it.
    #[error(
        "this is not on the disk yet (the trouble `store` says why): it is in force until the next \
         start, and kept if the disk takes it before"
    )]
    NotKept,
    /// There is nobody to forget.
    #[error("nobody is known as \"{0}\"; `asfaleia people` lists everybody")]
    Nobody(String),
}

impl Access {
    /// Those who are known, as the store has them; `status` tells which ways in have to wait.
    pub fn new(
        known: Vec<Credential>,
        keep: Keep,
        status: watch::Receiver<Arc<Status>>,
        clock: SharedClock,
    ) -> Access {
        Access(Arc::new(Shared {
            people: watch::Sender::new(Arc::new(People::new(known))),
            keep,
            status,
            clock,
            hashing: Mutex::default(),
            changing: Mutex::default(),
        }))
    }

    /// Everybody who is known now.
    pub fn people(&self) -> Arc<People> {
        self.0.people.borrow().clone()
    }

    /// Everybody who is known, for readers: changes whenever somebody is enrolled or forgotten.
    pub fn follow(&self) -> watch::Receiver<Arc<People>> {
        self.0.people.subscribe()
    }

    /// Whose PIN this is, and whether it is typed under duress. Compared off the runtime, one at a
    /// time; where wrong ones came from not at all before their wait is over, which is waited for
    /// where many share the way in.
    pub async fn whose(&self, typed: SecretString, by: &Actor) -> (Who, bool) {
        let Ok(pin) = Pin::parse(typed.expose_secret()) else {
            return (Who::Stranger, false);
        };
        let _one = loop {
            let one = self.0.hashing.lock().await;
            match self.wait_of(by) {
                None => break one,
                // A moment before its end the panel might count what was never compared.
                Some((wait, shared)) if shared || wait < SOON => {
                    drop(one);
                    tokio::time::sleep(wait).await;
                }
                Some(_) => return (Who::Stranger, false),
            }
        };
        let people = self.people();
        let compared = tokio::task::spawn_blocking(move || pin::whose(&pin, &people)).await;
        // One that panics has not said yes.
        compared.unwrap_or((Who::Stranger, false))
    }

    /// Gives a person a PIN, in the place of the one they had.
    ///
    /// # Errors
    /// It is none, or somebody's, or the name cannot be shown, or the disk does not take it.
    pub async fn enrol_pin(
        &self,
        name: &str,
        typed: SecretString,
        duress: bool,
        by: Actor,
    ) -> Result<(), NotEnrolled> {
        let pin = Pin::parse(typed.expose_secret())?;
        let _one = self.0.hashing.lock().await;
        let people = self.people();
        let hashed = tokio::task::spawn_blocking(move || {
            let (who, _) = pin::whose(&pin, &people);
            (who == Who::Stranger).then(|| pin::hash(&pin))
        });
        let hash = hashed
            .await
            .map_err(|_| NotEnrolled::System("hashing the PIN failed".to_owned()))?
            .ok_or(NotEnrolled::Taken)?
            .map_err(NotEnrolled::System)?;
        self.enrol(name, vec![KnownBy::Pin { hash, duress }], by)
            .await
    }

    /// Makes a person known by these, all of one kind. A PIN or a face takes the place of the one they
    /// had; fingers are added.
    ///
    /// # Errors
    /// The name cannot be shown, or the disk does not take it.
    pub async fn enrol(
        &self,
        name: &str,
        by_these: Vec<KnownBy>,
        by: Actor,
    ) -> Result<(), NotEnrolled> {
        let name = people::name(name)?;
        let Some(first) = by_these.first() else {
            return Ok(());
        };
        let factor = match first {
            KnownBy::Pin { .. } => Factor::Pin,
            KnownBy::Finger { .. } => Factor::Finger,
            KnownBy::Face { .. } => Factor::Face,
        };
        let _one = self.0.changing.lock().await;
        let changes = self.people().enrolling(name, by_these, self.0.clock.wall());
        info!(person = name, factor = factor.word(), "enrolled");
        let person = name.to_owned();
        self.change(changes, Record::Enrolled { person, factor, by })
            .await
    }

    /// Forgets a person, with all that they were known by. The slots of their fingers, which the
    /// module has to forget too.
    ///
    /// # Errors
    /// There is nobody of this name, or the disk does not take it.
    pub async fn forget(&self, name: &str, by: Actor) -> Result<Vec<u16>, NotEnrolled> {
        let _one = self.0.changing.lock().await;
        let known = self.people();
        if !known.credentials().iter().any(|it| it.person == name) {
            return Err(NotEnrolled::Nobody(name.to_owned()));
        }
        let slots = known.slots(Some(name));
        info!(person = name, "forgotten");
        let person = name.to_owned();
        let changes = vec![PeopleChange::Forgotten(person.clone())];
        self.change(changes, Record::Forgotten { person, by })
            .await?;
        Ok(slots)
    }

    async fn change(&self, changes: Vec<PeopleChange>, says: Record) -> Result<(), NotEnrolled> {
        let known = self.people().changed(&changes);
        self.0.people.send_replace(Arc::new(known));
        let kept = timeout(KEPT_WITHIN, (self.0.keep)(changes, says)).await;
        kept.unwrap_or(false)
            .then_some(())
            .ok_or(NotEnrolled::NotKept)
    }

    /// For how long no PIN counts from there, and whether many share that way in.
    fn wait_of(&self, by: &Actor) -> Option<(Duration, bool)> {
        let status = self.0.status.borrow();
        let way = |way: &Way| {
            way.factor == Factor::Pin && way.origin == by.origin && way.holder == by.name
        };
        let tries = status.tries.iter().find(|tries| way(&tries.way))?;
        let wait = self.0.clock.boot().until(tries.not_before);
        (!wait.is_zero()).then_some((wait, tries.shared))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Kept;

    use super::*;
    use crate::alarm::{Alarm, BootTime, Durable, Origin, Policy, Tries};
    use crate::clock::SystemClock;
    use crate::config::{self, Depth};

    struct House {
        access: Access,
        status: watch::Sender<Arc<Status>>,
        kept: Arc<Kept<Vec<PeopleChange>>>,
        clock: SharedClock,
    }

    fn house() -> House {
        let config = config::parse("", "test", Depth::Shape).unwrap().config;
        let policy: Policy = config.policy();
        let panel = Alarm::new(policy, Durable::default(), BootTime::ZERO).status();
        let (status, shown) = watch::channel(Arc::new(panel));
        let kept = Arc::new(Kept::new(Vec::new()));
        let keeper = Arc::clone(&kept);
        let keep: Keep = Box::new(move |changes, _| {
            keeper.lock().unwrap().extend(changes);
            Box::pin(async { true })
        });
        let clock = SystemClock::shared();
        House {
            access: Access::new(Vec::new(), keep, shown, clock.clone()),
            status,
            kept,
            clock,
        }
    }

    fn owner() -> Actor {
        Actor::owner(Origin::Socket)
    }

    impl House {
        async fn enrols(&self, name: &str, pin: &str, duress: bool) -> Result<(), NotEnrolled> {
            self.access
                .enrol_pin(name, pin.into(), duress, owner())
                .await
        }

        /// What is tried at this origin has to wait.
        fn must_wait(&self, origin: Origin, shared: bool, wait: Duration) {
            let now = self.clock.boot();
            let way = Way {
                origin,
                factor: Factor::Pin,
                holder: None,
            };
            let tries = Tries {
                way,
                shared,
                wrong: 5,
                not_before: now + wait,
                forget_at: now + wait,
                told: false,
            };
            self.status.send_modify(|status| {
                let mut tried = Status::clone(status);
                tried.tries = vec![tries];
                *status = Arc::new(tried);
            });
        }
    }

    #[tokio::test]
    async fn a_pin_is_one_persons_and_a_new_one_takes_its_place() {
        let house = house();
        house.enrols("Anna", "2580", false).await.unwrap();
        house.enrols("Anna", "0852", true).await.unwrap();
        assert_eq!(
            house.enrols("Ben", "2580", false).await,
            Err(NotEnrolled::Taken)
        );
        assert_eq!(
            house.enrols("Ben", "0852", false).await,
            Err(NotEnrolled::Taken)
        );
        house.enrols("Anna", "1470", false).await.unwrap();
        let by = owner();
        let whose = |pin: &str| house.access.whose(pin.into(), &by);
        assert_eq!(whose("2580").await.0, Who::Stranger);
        assert_eq!(whose("1470").await, (Who::Person("Anna".into()), false));
        assert_eq!(whose("0852").await, (Who::Person("Anna".into()), true));
        assert_eq!(house.kept.lock().unwrap().len(), 4, "one was removed");
        house.access.forget("Anna", owner()).await.unwrap();
        assert_eq!(house.access.people().list(), []);
        let nobody = house.access.forget("Anna", owner()).await;
        assert_eq!(nobody, Err(NotEnrolled::Nobody("Anna".into())));
    }

    #[tokio::test]
    async fn where_it_is_locked_a_pin_is_not_looked_at_and_where_many_try_it_waits() {
        let house = house();
        house.enrols("Anna", "2580", false).await.unwrap();
        let whose = async |origin| {
            let by = Actor::owner(origin);
            house.access.whose("2580".into(), &by).await
        };
        house.must_wait(Origin::Token, false, Duration::from_secs(90));
        assert_eq!(whose(Origin::Token).await.0, Who::Stranger);
        assert_eq!(whose(Origin::Dashboard).await.0, Who::Person("Anna".into()));
        let wait = Duration::from_millis(800);
        house.must_wait(Origin::Mqtt, true, wait);
        let start = house.clock.boot();
        assert_eq!(whose(Origin::Mqtt).await.0, Who::Person("Anna".into()));
        assert!(house.clock.boot().since(start) >= wait);
    }
}
