use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::alarm::BootTime;
use crate::clock::Clock;

const MORNING: i64 = 1_795_427_471_000;
const DAY: i64 = 86_400;
const PASSWORD: &str = "correct horse";

/// Seconds since the morning; the machine was switched on a hundred seconds before.
#[derive(Default)]
struct TestClock {
    seconds: AtomicI64,
    unset: std::sync::atomic::AtomicBool,
}

impl Clock for TestClock {
    fn boot(&self) -> BootTime {
        let seconds = self.seconds.load(Ordering::Relaxed);
        BootTime::from_secs(100 + u64::try_from(seconds).unwrap())
    }

    fn wall(&self) -> WallTime {
        let since = match self.unset.load(Ordering::Relaxed) {
            true => 0,
            false => MORNING,
        };
        WallTime(since + self.seconds.load(Ordering::Relaxed) * 1_000)
    }

    fn boot_id(&self) -> &str {
        "b"
    }
}

impl TestClock {
    fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }
}

struct House {
    logins: Logins,
    clock: Arc<TestClock>,
    kept: Arc<Mutex<store::Logins>>,
    commits: Arc<Mutex<Vec<Option<Record>>>>,
}

fn house() -> House {
    house_of(store::Logins::default())
}

fn house_of(known: store::Logins) -> House {
    let clock = Arc::new(TestClock::default());
    let kept = Arc::new(Mutex::new(known.clone()));
    let commits = Arc::new(Mutex::new(Vec::new()));
    let (keeper, counter) = (kept.clone(), commits.clone());
    let keep: Keep = Box::new(move |changes, says| {
        for change in &changes {
            keeper.lock().unwrap().change(change);
        }
        counter.lock().unwrap().push(says);
        Box::pin(async { true })
    });
    let cost = Cost { kib: 8, passes: 1 };
    House {
        logins: Logins::new(known, keep, clock.clone(), cost),
        clock,
        kept,
        commits,
    }
}

fn here() -> Place {
    Place::Address("192.0.2.1".parse().unwrap())
}

fn there() -> Place {
    Place::Address("192.0.2.2".parse().unwrap())
}

fn owner() -> Actor {
    Actor::owner(Origin::Socket)
}

impl House {
    async fn gives(&self, name: &str, right: Option<Right>) -> Result<Account, NotIn> {
        let set = self.logins.set_password(
            name,
            right,
            PASSWORD.into(),
            owner(),
            Place::CommandLine,
            None,
        );
        set.await
    }

    async fn logs_in(&self, name: &str, password: &str, place: Place) -> Result<String, NotIn> {
        self.logins.log_in(name, password.into(), place).await
    }

    fn who(&self, secret: &str) -> Option<(String, Right)> {
        self.logins.session(secret).map(|it| (it.name, it.right))
    }

    /// As after a power cut: what was committed, and nothing else.
    fn restarted(self) -> House {
        let kept = self.kept.lock().unwrap().clone();
        let again = house_of(kept);
        let seconds = self.clock.seconds.load(Ordering::Relaxed);
        again.clock.pass(seconds);
        again
    }
}

#[tokio::test]
async fn somebody_with_a_password_logs_in_and_stays_so_over_a_restart() {
    let house = house();
    house.gives("Anna", None).await.unwrap();
    let secret = house.logs_in(" anna ", PASSWORD, here()).await.unwrap();
    let anna = Some(("Anna".to_owned(), Right::Owner));
    assert_eq!(house.who(&secret), anna);
    let other = house.logs_in("Anna", PASSWORD, here()).await.unwrap();
    assert_ne!(secret, other);
    assert_ne!(house.logins.csrf(&secret), house.logins.csrf(&other));
    let kept = format!("{:?}", house.kept.lock().unwrap());
    assert!(!kept.contains(&secret) && !kept.contains(PASSWORD));
    let house = house.restarted();
    assert_eq!(house.who(&secret), anna);
    assert_eq!(house.who(""), None);
    assert_eq!(house.who(&secret.to_uppercase()), None);
}

#[tokio::test]
async fn the_first_is_an_owner_others_are_guests_and_an_owner_stays() {
    let house = house();
    assert_eq!(house.gives("Anna", None).await.unwrap().right, Right::Owner);
    assert_eq!(house.gives("Ben", None).await.unwrap().right, Right::Guest);
    let last = house.gives("Anna", Some(Right::Guest)).await;
    assert_eq!(last.unwrap_err(), NotIn::LastOwner);
    let gone = |name: &str| {
        let (logins, name) = (house.logins.clone(), name.to_owned());
        async move {
            logins
                .remove_account(&name, owner(), Place::CommandLine)
                .await
        }
    };
    assert_eq!(gone("Anna").await, Err(NotIn::LastOwner));
    house.gives("Ben", Some(Right::Owner)).await.unwrap();
    let secret = house.logs_in("Anna", PASSWORD, here()).await.unwrap();
    gone("anna").await.unwrap();
    assert_eq!(
        house.who(&secret),
        None,
        "the session went with the account"
    );
    assert_eq!(gone("Ben").await, Err(NotIn::LastOwner));
    assert!(matches!(gone("Eve").await, Err(NotIn::Nobody(..))));
}

#[tokio::test]
async fn a_new_password_ends_every_session_but_the_one_that_asked() {
    let house = house();
    house.gives("Anna", None).await.unwrap();
    let mine = house.logs_in("Anna", PASSWORD, here()).await.unwrap();
    let other = house.logs_in("Anna", PASSWORD, there()).await.unwrap();
    let key = house.logins.session(&mine).unwrap().key;
    let mut ended = house.logins.ended();
    ended.mark_unchanged();
    house
        .logins
        .set_password(
            "Anna",
            None,
            "battery staple".into(),
            owner(),
            here(),
            Some(key),
        )
        .await
        .unwrap();
    assert!(house.who(&mine).is_some());
    assert_eq!(house.who(&other), None);
    assert!(ended.has_changed().unwrap());
    assert!(house.logs_in("Anna", PASSWORD, there()).await.is_err());
    house.gives("Anna", None).await.unwrap();
    assert_eq!(house.who(&mine), None, "the command line ends all of them");
}

#[tokio::test]
async fn logging_out_ends_one_session_or_all() {
    let house = house();
    house.gives("Anna", None).await.unwrap();
    let mut secrets = Vec::new();
    for _ in 0..3 {
        secrets.push(house.logs_in("Anna", PASSWORD, here()).await.unwrap());
    }
    let out = |secret: &str, everywhere| {
        let holder = house.logins.session(secret).unwrap();
        let by = Actor {
            name: Some(holder.name),
            ..Actor::owner(Origin::Dashboard)
        };
        let logins = house.logins.clone();
        async move { logins.log_out(holder.key, everywhere, by, here()).await }
    };
    out(&secrets[0], false).await.unwrap();
    assert_eq!(house.who(&secrets[0]), None);
    assert!(house.who(&secrets[1]).is_some());
    out(&secrets[1], true).await.unwrap();
    assert!(secrets.iter().all(|secret| house.who(secret).is_none()));
    assert_eq!(house.kept.lock().unwrap().sessions, []);
}

#[tokio::test]
async fn an_unused_session_ends_after_thirty_days_and_a_used_one_is_written_once_a_day() {
    let house = house();
    house.gives("Anna", None).await.unwrap();
    let used = house.logs_in("Anna", PASSWORD, here()).await.unwrap();
    let unused = house.logs_in("Anna", PASSWORD, here()).await.unwrap();
    let commits = || house.commits.lock().unwrap().len();
    let before = commits();
    for _ in 0..31 {
        house.clock.pass(DAY);
        assert!(house.who(&used).is_some());
        assert!(house.who(&used).is_some());
    }
    assert!((15..=31).contains(&(commits() - before)));
    assert_eq!(house.who(&unused), None);
    // The next log-in sweeps.
    house.logs_in("Anna", PASSWORD, here()).await.unwrap();
    assert_eq!(house.kept.lock().unwrap().sessions.len(), 2);
}

#[tokio::test]
async fn a_clock_that_is_not_set_neither_ends_a_session_nor_writes() {
    let house = house();
    house.gives("Anna", None).await.unwrap();
    house.clock.unset.store(true, Ordering::Relaxed);
    let secret = house.logs_in("Anna", PASSWORD, here()).await.unwrap();
    let before = house.commits.lock().unwrap().len();
    assert!(house.who(&secret).is_some());
    assert_eq!(house.commits.lock().unwrap().len(), before);
    house.clock.unset.store(false, Ordering::Relaxed);
    assert!(house.who(&secret).is_some());
    house.clock.pass(31 * DAY);
    assert_eq!(house.who(&secret), None);
}

#[tokio::test]
async fn an_account_has_so_many_sessions_and_no_more() {
    let house = house();
    house.gives("Anna", None).await.unwrap();
    let first = house.logs_in("Anna", PASSWORD, here()).await.unwrap();
    let mut last = String::new();
    for _ in 0..SESSIONS {
        house.clock.pass(1);
        last = house.logs_in("Anna", PASSWORD, here()).await.unwrap();
    }
    assert_eq!(house.kept.lock().unwrap().sessions.len(), SESSIONS);
    assert_eq!(house.who(&first), None);
    assert!(house.who(&last).is_some());
}

#[tokio::test]
async fn wrong_passwords_lock_the_place_they_come_from_and_no_other() {
    let house = house();
    house.gives("Anna", None).await.unwrap();
    for name in ["Anna", "nobody", "Anna", "Anna", "hunter2!"] {
        assert_eq!(
            house.logs_in(name, "wrong one", here()).await,
            Err(NotIn::Wrong)
        );
        let waits = house.logs_in("Anna", PASSWORD, here()).await;
        let Err(NotIn::TooSoon(wait)) = waits else {
            panic!("{waits:?}");
        };
        if wait < LOCKED {
            house.clock.pass(i64::try_from(wait.as_secs()).unwrap());
        }
    }
    house.logs_in("Anna", PASSWORD, there()).await.unwrap();
    let said = format!("{:?}", house.commits.lock().unwrap());
    assert_eq!(said.matches("Refused").count(), 2, "{said}");
    assert!(said.contains("192.0.2.1; locked for 90 s"), "{said}");
    assert!(
        !said.contains("hunter2") && !said.contains(PASSWORD),
        "{said}"
    );
    house.clock.pass(90);
    house.logs_in("Anna", PASSWORD, here()).await.unwrap();
}

#[tokio::test]
async fn a_try_whose_sender_hangs_up_counts_all_the_same() {
    let house = house();
    house.gives("Anna", None).await.unwrap();
    let logins = house.logins.clone();
    let held = logins.0.hashing.clone().acquire_owned().await.unwrap();
    let trying =
        tokio::spawn(async move { logins.log_in("Anna", "wrong one".into(), here()).await });
    while house
        .logins
        .tries()
        .begin(here(), house.clock.boot())
        .is_ok()
    {
        house.logins.tries().end(here(), true);
        tokio::task::yield_now().await;
    }
    trying.abort();
    assert!(trying.await.unwrap_err().is_cancelled());
    drop(held);
    while house.commits.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    let again = house.logs_in("Anna", PASSWORD, here()).await;
    assert!(matches!(again, Err(NotIn::TooSoon(_))), "{again:?}");
}

#[tokio::test]
async fn only_so_many_wait_for_each_other() {
    let house = house();
    let held = house
        .logins
        .0
        .hashing
        .clone()
        .acquire_owned()
        .await
        .unwrap();
    let tries = (0..=WAITING).map(|n| {
        let place = Place::Address(std::net::Ipv4Addr::from(u32::try_from(n).unwrap()).into());
        let logins = house.logins.clone();
        tokio::spawn(async move { logins.log_in("Anna", "wrong one".into(), place).await })
    });
    let tries: Vec<_> = tries.collect();
    let ended = || tries.iter().filter(|it| it.is_finished()).count();
    while ended() < 1 {
        tokio::task::yield_now().await;
    }
    drop(held);
    let mut outcomes = Vec::new();
    for outcome in tries {
        outcomes.push(outcome.await.unwrap());
    }
    let busy = outcomes
        .iter()
        .filter(|it| **it == Err(NotIn::Busy))
        .count();
    assert_eq!(busy, 1, "{outcomes:?}");
}

#[tokio::test]
async fn the_first_visit_sets_the_owners_password_here_or_with_the_code_and_only_once() {
    let house = house();
    assert!(!house.logins.has_owner());
    let visit = |code: Option<&'static str>, place, is_here| {
        let logins = house.logins.clone();
        async move {
            let password = PASSWORD.into();
            logins.welcome("Anna", password, code, place, is_here).await
        }
    };
    assert_eq!(
        visit(None, there(), false).await,
        Err(NotIn::WrongCode),
        "there is no code"
    );
    let code: &'static str = Box::leak(house.logins.first_code().unwrap().into_boxed_str());
    let tried = visit(Some(code), there(), false).await;
    assert!(matches!(tried, Err(NotIn::TooSoon(_))), "{tried:?}");
    assert_eq!(
        visit(Some("0000-0000-0000"), here(), false).await,
        Err(NotIn::WrongCode)
    );
    house.clock.pass(1);
    let secret = visit(Some(code), here(), false).await.unwrap();
    assert_eq!(house.who(&secret), Some(("Anna".to_owned(), Right::Owner)));
    assert_eq!(
        visit(Some(code), here(), false).await,
        Err(NotIn::NotTheFirst)
    );
    assert_eq!(visit(None, here(), true).await, Err(NotIn::NotTheFirst));

    let house = house_of(store::Logins::default());
    let short = house
        .logins
        .welcome("Anna", "1234567".into(), None, here(), true);
    assert_eq!(short.await, Err(NotIn::Password));
    let odd = house
        .logins
        .welcome("A<b>", PASSWORD.into(), None, here(), true);
    assert!(matches!(odd.await, Err(NotIn::Name(_))));
    let welcomed = house
        .logins
        .welcome("Anna", PASSWORD.into(), None, here(), true);
    assert!(house.who(&welcomed.await.unwrap()).is_some());
}

#[tokio::test]
async fn a_token_is_told_once_and_counts_until_it_is_revoked() {
    let house = house();
    let add = |right| {
        let logins = house.logins.clone();
        async move {
            logins
                .add_token("home assistant", right, owner(), Place::CommandLine)
                .await
        }
    };
    let token = add(Right::Guest).await.unwrap();
    assert!(
        token.starts_with("asf_") && token.len() == 68,
        "{}",
        token.len()
    );
    let holder = house.logins.token(&token).unwrap();
    assert_eq!(
        (holder.name.as_str(), holder.right),
        ("home assistant", Right::Guest)
    );
    assert_eq!(
        add(Right::Owner).await,
        Err(NotIn::Taken("home assistant".into()))
    );
    assert_eq!(house.logins.session(&token), None, "it is no cookie");
    assert!(!format!("{:?}", house.kept.lock().unwrap()).contains(&token));
    let revoked = house
        .logins
        .revoke_token("home assistant", owner(), Place::CommandLine);
    revoked.await.unwrap();
    assert_eq!(house.logins.token(&token), None);
    assert!(!house.logins.holds(holder.key));
}
