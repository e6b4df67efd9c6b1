//! Wrong tries: slowed, and locked, each way in by itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::access::Factor;
use super::action::Action;
use super::event::{Actor, Command, Origin, Right, Trouble, TroubleCode};
use super::policy::AccessPolicy;
use super::status::Answer;
use super::step::Alarm;
use super::time::BootTime;

/// So many wrong tries in a row lock the way they came by.
const TRIES: u32 = 5;
/// A lock lasts so long; each further wrong try locks again.
const LOCKED: Duration = Duration::from_secs(90);
/// The wait after the first wrong try; doubled with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// A way that many share is never locked, but no try follows another sooner than this.
const LONGEST_SHARED_WAIT: Duration = Duration::from_secs(10);
/// Wrong tries are forgotten after a right one, or when there was none for so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);

/// One way in: what is tried by one never counts against another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// Where the tries come from.
    pub origin: Origin,
    /// What is tried.
    pub factor: Factor,
    /// Whose token or session, where there is one.
    pub holder: Option<String>,
}

impl Way {
    /// Many use it, and it cannot be told who.
    fn is_shared(&self, access: &AccessPolicy) -> bool {
        match self.origin {
            Origin::Mqtt => true,
            Origin::Dashboard => access.proxied,
            Origin::Socket | Origin::Token | Origin::Reader | Origin::Schedule => false,
        }
    }

    fn words(&self) -> String {
        let place = match self.origin {
            Origin::Socket => "the command line",
            Origin::Dashboard => "the dashboard",
            Origin::Token => "a program",
            Origin::Mqtt => "MQTT",
            Origin::Reader => "the reader at the door",
            Origin::Schedule => "the schedule",
        };
        let holder = (self.holder.as_ref()).map_or(String::new(), |name| format!(" ({name})"));
        format!("{} by {place}{holder}", self.factor.word())
    }
}

/// The wrong tries of one way in. Survives restarts: who locked it out does not get in by a power cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tries {
    /// Which way.
    pub way: Way,
    /// Many use it: it is slowed, never locked.
    pub shared: bool,
    /// How many in a row.
    pub wrong: u32,
    /// No other try counts before this.
    pub not_before: BootTime,
    /// They are forgotten then.
    pub forget_at: BootTime,
    /// A try that came too soon was written down; the next ones are not.
    pub told: bool,
}

/// What is asked for at the door.
const ACCESS: &str = "access";

impl Alarm {
    /// After a start: troubles begin anew, wrong tries do not.
    pub(super) fn raise_tries_again(&mut self, now: BootTime, out: &mut Vec<Action>) {
        for tries in self.durable.tries.clone() {
            self.tell_tries(&tries, now, out);
        }
    }

    pub(super) fn too_soon(&self, way: &Way, now: BootTime) -> Option<Duration> {
        let tries = self.durable.tries.iter().find(|tries| tries.way == *way)?;
        (now < tries.not_before).then(|| now.until(tries.not_before))
    }

    pub(super) fn refuse_for_now(
        &mut self,
        way: &Way,
        wait: Duration,
        tried: (Actor, Option<Command>),
        now: BootTime,
        out: &mut Vec<Action>,
    ) -> Answer {
        let seconds = wait.as_millis().div_ceil(1_000);
        let why = format!("too many wrong tries: again in {seconds} s");
        let tries = self.durable.tries.iter_mut();
        let told = tries
            .filter(|tries| tries.way == *way)
            .all(|tries| std::mem::replace(&mut tries.told, true));
        // Whoever tries on and on does not fill the card.
        let tell = (!told).then_some(&why);
        let refusal = Answer::TooSoon(why.clone());
        self.turn_away(way.factor, tried, tell, refusal, now, out)
    }

    /// No right comes of it. What needs none goes on: a slip of the finger keeps nobody from arming.
    pub(super) fn turn_away(
        &mut self,
        factor: Factor,
        (by, asks): (Actor, Option<Command>),
        why: Option<&String>,
        refusal: Answer,
        now: BootTime,
        out: &mut Vec<Action>,
    ) -> Answer {
        let refused = asks.as_ref().map_or(ACCESS, Command::word);
        let goes_on = asks.filter(|it| it.needs() < Right::Owner && it.needs() <= by.right);
        if let Some(why) = why {
            let tried = Actor {
                with: vec![factor],
                ..by.clone()
            };
            let word = goes_on.as_ref().map_or(refused, |_| ACCESS);
            self.record_refusal(word, tried, vec![why.clone()], out);
        }
        match goes_on {
            Some(command) => self.command(command, by, now, out),
            None => refusal,
        }
    }

    pub(super) fn wrong(&mut self, way: &Way, now: BootTime, out: &mut Vec<Action>) {
        let known = self.durable.tries.iter().find(|it| it.way == *way);
        let wrong = known.map_or(0, |known| known.wrong).saturating_add(1);
        self.durable.tries.retain(|tries| tries.way != *way);
        let doubled = FIRST_WAIT * 2_u32.pow((wrong - 1).min(TRIES));
        let shared = way.is_shared(&self.policy.access);
        let wait = match shared {
            true => doubled.min(LONGEST_SHARED_WAIT),
            false if wrong < TRIES => doubled,
            false => LOCKED,
        };
        let tries = Tries {
            way: way.clone(),
            shared,
            wrong,
            not_before: now + wait,
            forget_at: now + FORGOTTEN_AFTER,
            told: false,
        };
        self.tell_tries(&tries, now, out);
        self.durable.tries.push(tries);
    }

    fn tell_tries(&mut self, tries: &Tries, now: BootTime, out: &mut Vec<Action>) {
        if tries.wrong < TRIES {
            return;
        }
        let way = tries.way.words();
        let then = match tries.shared {
            true => "each further one has to wait".to_owned(),
            false => format!("this way in is locked for {} s", LOCKED.as_secs()),
        };
        let trouble = Trouble {
            code: TroubleCode::AccessTries,
            text: format!("{TRIES} wrong tries or more in a row, {way}; {then}"),
            subject: way,
        };
        self.raise(trouble, now, out);
    }

    pub(super) fn forget_tries(&mut self, way: &Way, now: BootTime, out: &mut Vec<Action>) {
        let before = self.durable.tries.len();
        self.durable.tries.retain(|tries| tries.way != *way);
        if self.durable.tries.len() < before {
            self.clear(TroubleCode::AccessTries, &way.words(), now, out);
        }
    }
}
