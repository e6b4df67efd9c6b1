//! Who is let in, by what: sets of factors of one and the same person, tries that are slowed and
//! locked, and duress, which looks like any other grant.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::action::{About, Action, Notice, Pattern, Record};
use super::event::{Actor, Command, Origin, Right, Trouble, TroubleCode};
use super::policy::{AccessPolicy, Grant, Mode};
use super::state::Panel;
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

/// What proves who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Factor {
    /// A face.
    Face,
    /// A finger.
    Finger,
    /// A PIN.
    Pin,
}

impl Factor {
    /// The word for it in sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::Face => "face",
            Self::Finger => "finger",
            Self::Pin => "PIN",
        }
    }
}

/// Whose face, finger or PIN it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// An enrolled person's.
    Person(String),
    /// Somebody's whom an authenticator of its own on a wire lets pass: it names nobody, and fits
    /// any person.
    Anybody,
    /// Nobody's: a wrong try.
    Stranger,
}

/// A factor that was shown and waits for the others of its set. Kept in memory alone: after a restart
/// it is shown again.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Half {
    factor: Factor,
    /// `None` fits any person.
    person: Option<String>,
    at: BootTime,
}

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

/// What somebody shows, and what they want by it.
pub(super) struct Try {
    pub(super) factor: Factor,
    pub(super) who: Who,
    pub(super) duress: bool,
    /// As they came, with the right that they have without it.
    pub(super) by: Actor,
    /// `None`: what `[access] grant` says.
    pub(super) asks: Option<Command>,
}

impl Alarm {
    pub(super) fn tried(&mut self, tried: Try, now: BootTime, out: &mut Vec<Action>) -> Answer {
        let Try {
            factor,
            who,
            duress,
            by,
            asks,
        } = tried;
        if duress && let Who::Person(name) = &who {
            self.alert_silently(name, factor, by.origin, now, out);
        }
        let way = Way {
            origin: by.origin,
            factor,
            holder: by.name.clone(),
        };
        if let Some(wait) = self.too_soon(&way, now) {
            return self.refuse_for_now(&way, wait, (by, asks), now, out);
        }
        let person = match who {
            Who::Stranger => {
                self.wrong(&way, now, out);
                let why = format!("a {} that is nobody's", factor.word());
                if by.origin == Origin::Reader {
                    out.push(Action::Chirp(Pattern::ArmFailed));
                }
                let refusal = Answer::Forbidden(why.clone());
                return self.turn_away(factor, (by, asks), Some(&why), refusal, now, out);
            }
            Who::Person(name) => Some(name),
            Who::Anybody => None,
        };
        self.forget_tries(&way, now, out);
        self.shown(factor, person.clone(), now);
        if let Some((person, with)) = self.complete(factor, person.as_deref()) {
            let granted = Actor {
                name: person,
                right: Right::Owner,
                with,
                ..by
            };
            return self.grant(granted, asks, now, out);
        }
        let Some(command) = asks else {
            return Answer::Done;
        };
        let lacks = self.lacking(factor);
        let named = Actor {
            name: person.or(by.name),
            with: vec![factor],
            ..by
        };
        if named.right >= command.needs() {
            return self.command(command, named, now, out);
        }
        self.record_refusal(command.word(), named, vec![lacks.clone()], out);
        Answer::Refused(vec![lacks])
    }

    /// Somebody's face would be of use now: the entry delay or the siren runs, or another factor was
    /// shown.
    pub(super) fn face_awaited(&self) -> bool {
        let mut asked = self.policy.access.require.iter().flatten();
        let faces = asked.any(|factor| *factor == Factor::Face);
        let coming = match &self.durable.panel {
            Panel::Pending { .. } | Panel::Triggered { siren: Some(_), .. } => true,
            Panel::Disarmed
            | Panel::Arming { .. }
            | Panel::Armed { .. }
            | Panel::Paused { .. }
            | Panel::Triggered { siren: None, .. } => false,
        };
        let halves = &self.volatile.halves;
        faces && (coming || halves.iter().any(|half| half.factor != Factor::Face))
    }

    pub(super) fn access_deadline(&self) -> Option<BootTime> {
        let within = self.policy.access.within;
        let halves = (self.volatile.halves.iter()).map(|half| half.at + within);
        let tries = self.durable.tries.iter().map(|tries| tries.forget_at);
        halves.chain(tries).min()
    }

    pub(super) fn access_due(&mut self, at: BootTime, out: &mut Vec<Action>) {
        let within = self.policy.access.within;
        (self.volatile.halves).retain(|half| at < half.at + within);
        let old: Vec<Way> = (self.durable.tries.iter())
            .filter(|tries| tries.forget_at <= at)
            .map(|tries| tries.way.clone())
            .collect();
        for way in old {
            self.forget_tries(&way, at, out);
        }
    }

    /// After a start: troubles begin anew, wrong tries do not.
    pub(super) fn raise_tries_again(&mut self, now: BootTime, out: &mut Vec<Action>) {
        for tries in self.durable.tries.clone() {
            self.tell_tries(&tries, now, out);
        }
    }

    // ---- sets of factors -------------------------------------------------------------------

    fn shown(&mut self, factor: Factor, person: Option<String>, now: BootTime) {
        let halves = &mut self.volatile.halves;
        halves.retain(|half| half.factor != factor || half.person != person);
        halves.push(Half {
            factor,
            person,
            at: now,
        });
    }

    /// Whom the factor that was just shown lets in, and with which set; a name of `None`: all of it
    /// came from wires.
    fn complete(
        &self,
        factor: Factor,
        person: Option<&str>,
    ) -> Option<(Option<String>, Vec<Factor>)> {
        let access = &self.policy.access;
        let halves = &self.volatile.halves;
        let has = |person: Option<&str>, factor: Factor| {
            let fits = |half: &Half| half.person.is_none() || half.person.as_deref() == person;
            (halves.iter()).any(|half| half.factor == factor && fits(half))
        };
        // Who may be meant: whoever was shown; on a wire anybody who showed something else, the
        // latest first, and nobody by name.
        let named = halves
            .iter()
            .rev()
            .filter_map(|half| half.person.as_deref());
        let candidates: Vec<Option<&str>> = match person {
            Some(name) => vec![Some(name)],
            None => named.map(Some).chain([None]).collect(),
        };
        let sets = || (access.require.iter()).filter(|set| set.contains(&factor));
        candidates.into_iter().find_map(|person| {
            let set = sets().find(|set| set.iter().all(|factor| has(person, *factor)))?;
            // A name only if something of the set says so.
            let says = |half: &Half| half.person.is_some() && half.person.as_deref() == person;
            let by_name = (halves.iter()).any(|half| says(half) && set.contains(&half.factor));
            let name = person.filter(|_| by_name).map(str::to_owned);
            Some((name, set.clone()))
        })
    }

    /// What else is needed, in a sentence.
    fn lacking(&self, factor: Factor) -> String {
        let word = factor.word();
        let access = &self.policy.access;
        let Some(set) = access.require.iter().find(|set| set.contains(&factor)) else {
            return format!("a {word} lets nobody in: no set of [access] require asks for it");
        };
        let others = set.iter().filter(|other| **other != factor);
        let others: Vec<String> = others.map(|other| format!("a {}", other.word())).collect();
        let seconds = access.within.as_secs();
        format!("{} too, within {seconds} s", others.join(" and "))
    }

    // ---- what it grants --------------------------------------------------------------------

    fn grant(
        &mut self,
        by: Actor,
        asks: Option<Command>,
        now: BootTime,
        out: &mut Vec<Action>,
    ) -> Answer {
        // What let somebody in once lets nobody in again.
        let halves = &mut self.volatile.halves;
        halves.retain(|half| half.person.is_some() && half.person != by.name);
        let granted = asks.unwrap_or_else(|| self.granted());
        let what = granted.word().to_owned();
        self.record(
            None,
            Record::Granted {
                what,
                by: by.clone(),
            },
            out,
        );
        let at_the_door = by.origin == Origin::Reader;
        let before = out.len();
        let answer = self.command(granted, by.clone(), now, out);
        self.acknowledge(&by, now, out);
        let heard = (out[before..].iter()).any(|action| matches!(action, Action::Chirp(_)));
        if at_the_door && !heard {
            out.push(Action::Chirp(Pattern::OwnerRecognised));
        }
        answer
    }

    fn granted(&self) -> Command {
        match (self.policy.access.grant, &self.durable.panel) {
            (Grant::Pause, _) => Command::Pause,
            (Grant::Toggle, Panel::Disarmed) => Command::Arm {
                mode: Mode::Away,
                force: false,
            },
            (Grant::Toggle | Grant::Disarm, _) => Command::Disarm,
        }
    }

    // ---- wrong tries -----------------------------------------------------------------------

    fn too_soon(&self, way: &Way, now: BootTime) -> Option<Duration> {
        let tries = self.durable.tries.iter().find(|tries| tries.way == *way)?;
        (now < tries.not_before).then(|| now.until(tries.not_before))
    }

    fn refuse_for_now(
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
    fn turn_away(
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

    fn wrong(&mut self, way: &Way, now: BootTime, out: &mut Vec<Action>) {
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

    fn forget_tries(&mut self, way: &Way, now: BootTime, out: &mut Vec<Action>) {
        let before = self.durable.tries.len();
        self.durable.tries.retain(|tries| tries.way != *way);
        if self.durable.tries.len() < before {
            self.clear(TroubleCode::AccessTries, &way.words(), now, out);
        }
    }

    // ---- duress ----------------------------------------------------------------------------

    /// Tells those who are to hear of it, and nobody else. Nothing of it is in the state: whoever
    /// looks on sees what an ordinary finger or PIN does.
    fn alert_silently(
        &mut self,
        person: &str,
        factor: Factor,
        origin: Origin,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        let by = Actor {
            name: Some(person.to_owned()),
            origin,
            right: Right::Owner,
            with: vec![factor],
        };
        let notice = Notice::plain(About::Duress { by: by.clone() }, now);
        out.push(Action::RecordDuress { by });
        out.push(Action::Send(notice.clone()));
        let rung = (self.volatile.no_silent_call_before).is_none_or(|before| before <= now);
        if let Some(phone) = &self.policy.phone
            && !phone.duress.is_empty()
            && rung
        {
            // Somebody who is made to type it again and again is called for once.
            self.volatile.no_silent_call_before = Some(now + phone.ladder_every);
            out.push(Action::Call {
                incident: None,
                notice,
                rungs: phone.duress.clone(),
                rounds: phone.rounds,
                // Nobody is asked to acknowledge: that could be seen.
                ack_time: Duration::ZERO,
            });
        }
    }
}

/// What is asked for at the door.
const ACCESS: &str = "access";

impl Action {
    /// Of a silent alarm: whoever shows, counts or publishes anything leaves it out.
    pub fn is_silent(&self) -> bool {
        match self {
            Action::RecordDuress { .. } => true,
            Action::Send(notice) | Action::Call { notice, .. } => notice.is_silent(),
            Action::Buzzer(_)
            | Action::Chirp(_)
            | Action::Exhaust(_)
            | Action::TakePhotos { .. }
            | Action::Save(_)
            | Action::Record { .. }
            | Action::Attach { .. }
            | Action::StopCalls { .. }
            | Action::SaveRecording(_)
            | Action::TryCamera
            | Action::Prove { .. } => false,
        }
    }
}

impl Notice {
    /// It tells of duress.
    pub fn is_silent(&self) -> bool {
        matches!(self.about, About::Duress { .. })
    }
}
