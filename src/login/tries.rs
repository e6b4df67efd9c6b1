//! Wrong passwords: each place they come from is slowed and locked by itself, so that nobody locks
//! out somebody else. In memory, and bounded: a restart forgets them, as whoever can restart the
//! service needs no password.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::alarm::BootTime;

/// So many wrong tries in a row lock a place, as with PINs.
pub const TRIES: u32 = 5;
/// For so long; each further wrong try locks again.
pub const LOCKED: Duration = Duration::from_secs(90);
/// The wait after the first wrong try; doubled with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// A place that many share is never locked, but no try follows another sooner than this.
const LONGEST_SHARED_WAIT: Duration = Duration::from_secs(10);
/// Wrong tries are forgotten when there was none for so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);
/// So many places are remembered: 100 kB. Beyond them the one that is forgotten soonest goes, and
/// hashing one at a time is what slows whoever has more addresses than that.
const PLACES: usize = 1_024;

/// Where somebody tries to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// At the command line.
    CommandLine,
    /// At this address.
    Address(IpAddr),
    /// Behind a proxy that does not say where: many share it.
    Proxy,
}

impl Place {
    /// What counts as one place: a household has an IPv6 network, not an address.
    pub(crate) fn counted(self) -> Place {
        match self {
            Place::Address(address) => Place::Address(match address.to_canonical() {
                IpAddr::V6(address) if !address.is_loopback() => {
                    let network = u128::from(address) >> 64 << 64;
                    IpAddr::V6(Ipv6Addr::from(network))
                }
                other => other,
            }),
            Place::CommandLine | Place::Proxy => self,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::CommandLine => f.write_str("the command line"),
            Place::Address(address) => write!(f, "{}", address.to_canonical()),
            Place::Proxy => f.write_str("behind the proxy"),
        }
    }
}

/// What was tried where.
#[derive(Debug, Default)]
pub(super) struct Tries(BTreeMap<Place, Tried>);

#[derive(Debug)]
struct Tried {
    wrong: u32,
    not_before: BootTime,
    forget_at: BootTime,
    /// One is being compared.
    under_way: bool,
}

impl Tries {
    /// Whoever tries here may now; then [`right`](Tries::right) or [`wrong`](Tries::wrong) must
    /// follow.
    ///
    /// # Errors
    /// For how long they have to wait.
    pub(super) fn begin(&mut self, place: Place, now: BootTime) -> Result<(), Duration> {
        self.0
            .retain(|_, tried| tried.under_way || now < tried.forget_at);
        let place = place.counted();
        if let Some(tried) = self.0.get_mut(&place) {
            let wait = now.until(tried.not_before);
            if !wait.is_zero() {
                return Err(wait);
            }
            if tried.under_way {
                return Err(FIRST_WAIT);
            }
            tried.under_way = true;
            return Ok(());
        }
        if self.0.len() >= PLACES {
            let soonest = self.0.iter().filter(|(_, tried)| !tried.under_way);
            let soonest = soonest.min_by_key(|(_, tried)| tried.forget_at);
            match soonest.map(|(place, _)| *place) {
                Some(place) => self.0.remove(&place),
                None => return Err(FIRST_WAIT),
            };
        }
        let tried = Tried {
            wrong: 0,
            not_before: now,
            forget_at: now + FORGOTTEN_AFTER,
            under_way: true,
        };
        self.0.insert(place, tried);
        Ok(())
    }

    /// It was right; or it was not compared, which forgets nothing.
    pub(super) fn end(&mut self, place: Place, was_right: bool) {
        let place = place.counted();
        match self.0.get_mut(&place) {
            Some(tried) if !was_right && tried.wrong > 0 => tried.under_way = false,
            Some(_) | None => drop(self.0.remove(&place)),
        }
    }

    /// It was wrong. How many that are in a row.
    pub(super) fn wrong(&mut self, place: Place, now: BootTime) -> u32 {
        let shared = place == Place::Proxy;
        let Some(tried) = self.0.get_mut(&place.counted()) else {
            return 0;
        };
        tried.wrong = tried.wrong.saturating_add(1);
        let doubled = FIRST_WAIT * 2_u32.pow((tried.wrong - 1).min(TRIES));
        let wait = match shared {
            true => doubled.min(LONGEST_SHARED_WAIT),
            false if tried.wrong < TRIES => doubled,
            false => LOCKED,
        };
        tried.not_before = now + wait;
        tried.forget_at = now + FORGOTTEN_AFTER;
        tried.under_way = false;
        tried.wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Place {
        Place::Address(address.parse().unwrap())
    }

    #[test]
    fn wrong_tries_are_slowed_then_locked_and_forgotten_after_a_right_one() {
        let mut tries = Tries::default();
        let mut now = BootTime::from_secs(100);
        let here = at("192.0.2.1");
        for wait in [1, 2, 4, 8, 90, 90] {
            tries.begin(here, now).unwrap();
            tries.wrong(here, now);
            let wait = Duration::from_secs(wait);
            assert_eq!(tries.begin(here, now), Err(wait));
            tries.begin(at("192.0.2.2"), now).unwrap();
            tries.end(at("192.0.2.2"), true);
            now = now + wait;
        }
        tries.begin(here, now).unwrap();
        tries.end(here, true);
        tries.begin(here, now).unwrap();
        assert_eq!(tries.wrong(here, now), 1);
    }

    #[test]
    fn one_place_tries_one_at_a_time() {
        let mut tries = Tries::default();
        let now = BootTime::from_secs(1);
        tries.begin(at("192.0.2.1"), now).unwrap();
        assert!(tries.begin(at("192.0.2.1"), now).is_err());
        tries.begin(at("192.0.2.2"), now).unwrap();
    }

    #[test]
    fn what_many_share_is_slowed_and_never_locked() {
        let mut tries = Tries::default();
        let mut now = BootTime::from_secs(1);
        for _ in 0..50 {
            tries.begin(Place::Proxy, now).unwrap();
            tries.wrong(Place::Proxy, now);
            now = now + LONGEST_SHARED_WAIT;
        }
    }

    #[test]
    fn an_ipv6_network_is_one_place_and_an_ipv4_address_is_one_however_written() {
        assert_eq!(at("2001:db8::1").counted(), at("2001:db8::2").counted());
        assert_ne!(at("2001:db8:1::1").counted(), at("2001:db8:2::1").counted());
        assert_eq!(at("::ffff:192.0.2.1").counted(), at("192.0.2.1").counted());
        assert_ne!(at("::1").counted(), at("::2").counted());
    }

    #[test]
    fn memory_is_bounded_however_many_places_there_are() {
        let mut tries = Tries::default();
        let now = BootTime::from_secs(1);
        for n in 0..10_000_u32 {
            let place = Place::Address(IpAddr::V4(n.into()));
            tries.begin(place, now).unwrap();
            tries.wrong(place, now);
        }
        assert!(tries.0.len() <= PLACES);
        tries.begin(at("192.0.2.1"), now + FORGOTTEN_AFTER).unwrap();
        assert_eq!(tries.0.len(), 1);
    }
}
