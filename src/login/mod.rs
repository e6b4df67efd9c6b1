//! Who may come in over TCP: people with a password, their sessions, tokens of programs.
//!
//! What they show is compared here; what they may do with it is decided where it is asked.

mod accounts;
mod password;
mod secret;
mod tries;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::SecretString;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tracing::{info, warn};

pub use password::{Cost, FEWEST};
pub use tries::{LOCKED, Place, TRIES};

use crate::access::people::{NotAName, name as good_name};
use crate::alarm::{Actor, LoginDeed, Origin, Record, Right};
use crate::clock::{SharedClock, WallTime};
use crate::store::{self, Account, Hash, LoginChange, Session};
use tries::Tries;

/// A session that was not used for so long has ended.
const IDLE: Duration = Duration::from_secs(30 * 86_400);
/// That a session is used is written down once in so long.
const USED_EVERY: Duration = Duration::from_secs(86_400);
/// Browsers that one account is logged in with; the one that came first goes.
const SESSIONS: usize = 20;
/// Tries that wait for others to be compared. Each takes 19 MiB, so it is one at a time.
const WAITING: usize = 16;
/// A disk that hangs is not waited for any longer.
const KEPT_WITHIN: Duration = Duration::from_secs(5);
/// What tokens begin with, so that whoever finds one knows what it is.
const TOKEN: &str = "asf_";

/// Accounts, sessions and tokens. Clones share them.
#[derive(Clone)]
pub struct Logins(Arc<Shared>);

struct Shared {
    known: Mutex<store::Logins>,
    keep: Keep,
    clock: SharedClock,
    cost: Cost,
    tries: Mutex<Tries>,
    /// The hash of the code for the first visit.
    code: Mutex<Option<Hash>>,
    hashing: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// One change of accounts and tokens at a time.
    changing: tokio::sync::Mutex<()>,
    /// Something ended: whoever is still served has to show again that they may be.
    ended: watch::Sender<()>,
}

/// Commits changes of who may log in, and a line of history that says so. Resolves to whether they
/// are on the disk.
pub type Keep =
    Box<dyn Fn(Vec<LoginChange>, Option<Record>) -> BoxFuture<'static, bool> + Send + Sync>;

/// Who showed something that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The account's or the token's name.
    pub name: String,
    /// What it allows.
    pub right: Right,
    /// Which session or token, as long as it is one: see [`Logins::holds`].
    pub key: Key,
}

/// A session or token, without its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Of a browser.
    Session(Hash),
    /// Of a program.
    Token(Hash),
}

/// Somebody wrote this for the account: small and large letters are the same, as telephones write
/// names their own way.
pub fn is_name_of(written: &str, account: &str) -> bool {
    written.trim().to_lowercase() == account.to_lowercase()
}

/// Why somebody may not come in, or somebody else not be let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotIn {
    /// It does not say which of both.
    #[error("the name or the password is wrong")]
    Wrong,
    /// The code of the first visit.
    #[error("the code is wrong: the service's log has it (journalctl -u asfaleia)")]
    WrongCode,
    /// They have to wait.
    #[error("too many wrong tries from here: again in {} s", .0.as_secs().max(1))]
    TooSoon(Duration),
    /// Many others try.
    #[error("many try to log in just now: again in a few seconds")]
    Busy,
    /// Somebody came first.
    #[error("an owner has a password already: log in with it")]
    NotTheFirst,
    /// The name cannot be shown.
    #[error(transparent)]
    Name(#[from] NotAName),
    /// Too short or too long.
    #[error("a password has {FEWEST} characters at least, and 1,024 bytes at most")]
    Password,
    /// It was to be typed twice.
    #[error("the two passwords are not the same")]
    Different,
    /// A token of this name is there.
    #[error("there is a token \"{0}\" already: revoke it, or choose another name")]
    Taken(String),
    /// There is none.
    #[error("there is no {0} \"{1}\"")]
    Nobody(&'static str, String),
    /// Somebody must be able to let others in.
    #[error("this is the last owner: make somebody else an owner first")]
    LastOwner,
    /// The system.
    #[error("{0}")]
    System(String),
    /// The store does not take it.
    #[error(
        "this is not on the disk yet (the trouble `store` says why): it is in force until the next \
         start, and kept if the disk takes it before"
    )]
    NotKept,
}

impl Logins {
    /// Those whom the store has.
    pub fn new(known: store::Logins, keep: Keep, clock: SharedClock, cost: Cost) -> Logins {
        Logins(Arc::new(Shared {
            known: Mutex::new(known),
            keep,
            clock,
            cost,
            tries: Mutex::default(),
            code: Mutex::default(),
            hashing: Arc::new(Semaphore::new(1)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            changing: tokio::sync::Mutex::default(),
            ended: watch::Sender::new(()),
        }))
    }

    /// An owner has a password.
    pub fn has_owner(&self) -> bool {
        owners(&self.known()) > 0
    }

    /// The code with which the first visit may come from elsewhere than this machine. The one before
    /// counts no longer, nor does this one once an owner has a password.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn first_code(&self) -> Result<String, String> {
        let code = secret::code()?;
        let hash = Hash::of(&secret::as_typed(&code));
        *unpoisoned(&self.0.code) = Some(hash);
        Ok(code)
    }

    /// Logs somebody in: what their cookie is to hold. It is new each time.
    ///
    /// # Errors
    /// Name or password is wrong, or they have to wait.
    pub async fn log_in(
        &self,
        name: &str,
        password: SecretString,
        place: Place,
    ) -> Result<String, NotIn> {
        let (here, name) = (self.clone(), name.to_owned());
        // To the end, also if whoever asked hangs up: a try that is not waited for counts as well.
        let trying = tokio::spawn(async move { here.try_to_log_in(&name, password, place).await });
        trying.await.unwrap_or_else(|_| Err(failed_inside()))
    }

    async fn try_to_log_in(
        &self,
        name: &str,
        password: SecretString,
        place: Place,
    ) -> Result<String, NotIn> {
        self.begin(place)?;
        let account = self.account(name);
        let kept = account.as_ref().map(|account| account.hash.clone());
        let cost = self.0.cost;
        let fits = self
            .hashing(move || password::fits(&password, kept.as_deref(), cost))
            .await;
        match (fits, account) {
            (Ok(true), Some(account)) => {
                self.tries().end(place, true);
                self.open_session(&account, place).await
            }
            (Ok(_), account) => {
                let name = account.map(|account| account.name);
                self.wrong(place, name, "wrong name or password");
                Err(NotIn::Wrong)
            }
            (Err(busy), _) => {
                self.tries().end(place, false);
                Err(busy)
            }
        }
    }

    /// The first visit: gives the owner their password and logs them in. `here`: at this machine; from
    /// elsewhere they show the code.
    ///
    /// # Errors
    /// There is an owner, the code is wrong, or what they chose cannot be.
    pub async fn welcome(
        &self,
        name: &str,
        password: SecretString,
        code: Option<&str>,
        place: Place,
        here: bool,
    ) -> Result<String, NotIn> {
        let _one = self.0.changing.lock().await;
        if self.has_owner() {
            return Err(NotIn::NotTheFirst);
        }
        let name = good_name(name.trim())?;
        if !password::is_one(&password) {
            return Err(NotIn::Password);
        }
        if !here {
            self.begin(place)?;
            let typed = Hash::of(&secret::as_typed(code.unwrap_or_default()));
            let right = *unpoisoned(&self.0.code) == Some(typed);
            if !right {
                self.wrong(place, None, "wrong code of the first visit");
                return Err(NotIn::WrongCode);
            }
            self.tries().end(place, true);
        }
        let by = Actor {
            name: Some(name.to_owned()),
            ..Actor::owner(Origin::Dashboard)
        };
        let account = self
            .give_password(name, Some(Right::Owner), password, by, place, None)
            .await?;
        self.open_session(&account, place).await
    }

    /// Whose session it is whose cookie holds this.
    pub fn session(&self, secret: &str) -> Option<Holder> {
        let hash = Hash::of(secret);
        let now = self.0.clock.wall();
        let mut known = self.known();
        let session = known.sessions.iter_mut().find(|it| it.hash == hash)?;
        if is_idle(session, now) {
            return None;
        }
        let account = session.account.clone();
        let is_due = past(session.used, now).is_none_or(|past| past > USED_EVERY);
        let used = (is_due && now.is_set()).then(|| {
            session.used = now;
            session.clone()
        });
        let right = known.accounts.iter().find(|it| it.name == account)?.right;
        drop(known);
        if let Some(session) = used {
            drop((self.0.keep)(vec![LoginChange::Session(session)], None));
        }
        let key = Key::Session(hash);
        Some(Holder {
            name: account,
            right,
            key,
        })
    }

    /// What pages of this session send back with whatever changes something.
    pub fn csrf(&self, secret: &str) -> String {
        secret::csrf(secret)
    }

    /// Who holds this token.
    pub fn token(&self, secret: &str) -> Option<Holder> {
        let hash = Hash::of(secret);
        let known = self.known();
        let token = known.tokens.iter().find(|it| it.hash == hash)?;
        Some(Holder {
            name: token.name.clone(),
            right: token.right,
            key: Key::Token(hash),
        })
    }

    /// This session or token still is one.
    pub fn holds(&self, key: Key) -> bool {
        let known = self.known();
        match key {
            Key::Session(hash) => known.sessions.iter().any(|it| it.hash == hash),
            Key::Token(hash) => known.tokens.iter().any(|it| it.hash == hash),
        }
    }

    /// Changes when a session or token ends: ask [`Logins::holds`] again.
    pub fn ended(&self) -> watch::Receiver<()> {
        self.0.ended.subscribe()
    }

    /// Ends this session, or every one of its account.
    ///
    /// # Errors
    /// The disk does not take it.
    pub async fn log_out(
        &self,
        key: Key,
        everywhere: bool,
        by: Actor,
        place: Place,
    ) -> Result<(), NotIn> {
        let Key::Session(this) = key else {
            return Ok(());
        };
        let account = by.name.clone().unwrap_or_default();
        let (gone, did) = match everywhere {
            true => (self.sessions_of(&account), LoginDeed::LoggedOutEverywhere),
            false => (vec![this], LoginDeed::LoggedOut),
        };
        let gone = gone.into_iter().map(LoginChange::SessionGone).collect();
        self.change(gone, did, &account, by, place).await
    }

    async fn open_session(&self, account: &Account, place: Place) -> Result<String, NotIn> {
        let secret = secret::fresh().map_err(NotIn::System)?;
        let now = self.0.clock.wall();
        let session = Session {
            hash: Hash::of(&secret),
            account: account.name.clone(),
            since: now,
            used: now,
        };
        let mut changes = self.sessions_to_end(&account.name, now);
        changes.push(LoginChange::Session(session));
        let by = Actor {
            name: Some(account.name.clone()),
            origin: Origin::Dashboard,
            right: account.right,
            with: Vec::new(),
        };
        let kept = self
            .change(changes, LoginDeed::LoggedIn, &account.name, by, place)
            .await;
        match kept {
            // Whoever logs in while the disk fails wants to know what is wrong.
            Ok(()) | Err(NotIn::NotKept) => Ok(secret),
            Err(why) => Err(why),
        }
    }

    /// Those that nobody used for long; and so many of the account's that one more may come.
    fn sessions_to_end(&self, account: &str, now: WallTime) -> Vec<LoginChange> {
        let known = self.known();
        let (idle, used): (Vec<_>, Vec<_>) = known.sessions.iter().partition(|it| is_idle(it, now));
        let own: Vec<_> = used.iter().filter(|it| it.account == account).collect();
        let oldest = own.len().saturating_sub(SESSIONS - 1);
        let ended = idle.iter().chain(own.into_iter().take(oldest));
        ended.map(|it| LoginChange::SessionGone(it.hash)).collect()
    }

    async fn change(
        &self,
        changes: Vec<LoginChange>,
        did: LoginDeed,
        name: &str,
        by: Actor,
        place: Place,
    ) -> Result<(), NotIn> {
        {
            let mut known = self.known();
            for change in &changes {
                known.change(change);
            }
        }
        self.0.ended.send_replace(());
        info!(did = did.word(), name, by = by.who(), %place, "login");
        let record = Record::Login {
            did,
            name: name.to_owned(),
            place: place.to_string(),
            by,
        };
        let kept = timeout(KEPT_WITHIN, (self.0.keep)(changes, Some(record))).await;
        kept.unwrap_or(false).then_some(()).ok_or(NotIn::NotKept)
    }

    fn begin(&self, place: Place) -> Result<(), NotIn> {
        let now = self.0.clock.boot();
        self.tries().begin(place, now).map_err(NotIn::TooSoon)
    }

    /// Counts it. Written down are the first and the one that locks: whoever tries on and on does not
    /// fill the card. Nor does a name that nobody has: it may be a password.
    fn wrong(&self, place: Place, name: Option<String>, why: &str) {
        let now = self.0.clock.boot();
        let wrong = self.tries().wrong(place, now);
        if wrong != 1 && wrong != TRIES {
            return;
        }
        warn!(%place, wrong, why, "a login is refused");
        let locked = match (wrong, place) {
            (TRIES, Place::Address(_) | Place::CommandLine) => {
                format!(
                    "; locked for {} s, and again with each further one",
                    LOCKED.as_secs()
                )
            }
            (TRIES, Place::Proxy) => "; each further one has to wait".to_owned(),
            _ => String::new(),
        };
        let record = Record::Refused {
            command: "login".to_owned(),
            by: Actor {
                name,
                origin: Origin::Dashboard,
                right: Right::Guest,
                with: Vec::new(),
            },
            reasons: vec![format!("{why} at {place}{locked}")],
        };
        drop((self.0.keep)(Vec::new(), Some(record)));
    }

    /// Hashes off the runtime, one at a time, to the end.
    async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotIn> {
        let waiting = Arc::clone(&self.0.waiting).try_acquire_owned();
        let waiting = waiting.map_err(|_| NotIn::Busy)?;
        let one = Arc::clone(&self.0.hashing).acquire_owned().await;
        let hashed = tokio::task::spawn_blocking(move || {
            let _held = (waiting, one);
            work()
        });
        hashed.await.map_err(|_| failed_inside())
    }

    fn account(&self, name: &str) -> Option<Account> {
        let known = self.known();
        let mut accounts = known.accounts.iter();
        accounts.find(|it| is_name_of(name, &it.name)).cloned()
    }

    fn sessions_of(&self, account: &str) -> Vec<Hash> {
        let known = self.known();
        let own = known.sessions.iter().filter(|it| it.account == account);
        own.map(|it| it.hash).collect()
    }

    fn known(&self) -> MutexGuard<'_, store::Logins> {
        unpoisoned(&self.0.known)
    }

    fn tries(&self) -> MutexGuard<'_, Tries> {
        unpoisoned(&self.0.tries)
    }
}

fn owners(known: &store::Logins) -> usize {
    let owners = known.accounts.iter().filter(|it| it.right == Right::Owner);
    owners.count()
}

fn is_idle(session: &Session, now: WallTime) -> bool {
    past(session.used, now).is_some_and(|past| past > IDLE)
}

/// How long ago that was; not known while the clock is not set, then or now.
fn past(then: WallTime, now: WallTime) -> Option<Duration> {
    let known = then.is_set() && now.is_set();
    known.then(|| Duration::from_millis(u64::try_from(now.0 - then.0).unwrap_or(0)))
}

fn failed_inside() -> NotIn {
    NotIn::System("comparing the password failed inside the service; its log says more".to_owned())
}

/// What a panicking thread left is right: every change is made at once.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
