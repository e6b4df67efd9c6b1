//! Who is let in, by what: sets of factors of one and the same person.

use serde::{Deserialize, Serialize};

use super::action::{Action, Pattern, Record};
use super::event::{Actor, Command, Origin, Right};
use super::policy::{Grant, Mode};
use super::state::Panel;
use super::status::Answer;
use super::step::Alarm;
use super::time::BootTime;
use super::tries::Way;

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
}
