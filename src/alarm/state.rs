//! What the alarm knows: what must survive a power cut, and what need not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::access::Half;
use super::action::Pattern;
use super::event::Away;
use super::incident::{Cause, Incident, IncidentId, PhotoId};
use super::policy::{Held, Mode, SensorKind, SensorName};
use super::sensing::Sensing;
use super::time::BootTime;
use super::tries::Tries;
use super::troubles::Troubles;

/// What must survive: committed whenever it changes, restored exactly. Everything in it that is a
/// time is a [`BootTime`], so that [`Durable::rebase`] can carry it into another boot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Durable {
    /// The intrusion machine.
    pub panel: Panel,
    /// The intrusion incident that goes on.
    pub intrusion: Option<Open>,
    /// The gas machine.
    pub gas: Gas,
    /// Incidents that ended before anybody acknowledged them, the newest last.
    pub unseen: Vec<Incident>,
    /// The number of the next incident.
    pub next_incident: u64,
    /// What is remembered of each sensor beyond its level.
    pub marks: BTreeMap<SensorName, Marks>,
    /// No new intrusion ladder before this, unless it is urgent.
    pub no_ladder_before: Option<BootTime>,
    /// The panel was armed at least once.
    pub ever_armed: bool,
    /// No further mail of troubles before this.
    pub no_trouble_mail_before: Option<BootTime>,
    /// Ways in that were tried in vain.
    #[serde(default)]
    pub tries: Vec<Tries>,
    /// To whom messages were given up, and what is said about it: a loss is not over with a restart.
    #[serde(default)]
    pub given_up: BTreeMap<String, String>,
}

impl Default for Durable {
    fn default() -> Self {
        Durable {
            panel: Panel::Disarmed,
            intrusion: None,
            gas: Gas::default(),
            unseen: Vec::new(),
            next_incident: 1,
            marks: BTreeMap::new(),
            no_ladder_before: None,
            ever_armed: false,
            no_trouble_mail_before: None,
            tries: Vec::new(),
            given_up: BTreeMap::new(),
        }
    }
}

/// The intrusion machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Panel {
    /// Only what always counts can alarm.
    Disarmed,
    /// The exit delay runs.
    Arming {
        /// What for.
        mode: Mode,
        /// Until when.
        until: BootTime,
    },
    /// Watching.
    Armed {
        /// What for.
        mode: Mode,
    },
    /// The entry delay runs.
    Pending {
        /// What the panel is armed for.
        mode: Mode,
        /// Until when.
        until: BootTime,
        /// What was sensed meanwhile; becomes part of the incident.
        #[serde(deserialize_with = "causes")]
        sensed: Vec<Cause>,
    },
    /// Detection is halted for an owner who was recognised.
    Paused {
        /// What the panel goes back to.
        mode: Mode,
        /// Until when.
        until: BootTime,
    },
    /// An intrusion incident goes on.
    Triggered {
        /// What the panel goes back to; `None` is disarmed.
        back_to: Option<Mode>,
        /// Until when the siren sounds; `None` once it has stopped.
        siren: Option<BootTime>,
        /// Somebody silenced it.
        silenced: bool,
        /// Since when the siren has stopped and every sensor of the incident is quiet.
        quiet_since: Option<BootTime>,
    },
}

/// Earlier versions saved each trigger by itself.
fn causes<'a, D: Deserializer<'a>>(saved: D) -> Result<Vec<Cause>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Sensed {
        Cause(Cause),
        Trigger(SensorName, SensorKind, BootTime),
    }
    let mut causes = Vec::new();
    for sensed in Vec::<Sensed>::deserialize(saved)? {
        match sensed {
            Sensed::Cause(cause) => causes.push(cause),
            Sensed::Trigger(name, kind, at) => {
                Cause::count(&mut causes, name, kind, at);
            }
        }
    }
    Ok(causes)
}

impl Panel {
    /// The state's name, as Home Assistant's `alarm_control_panel` has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Disarmed => "disarmed",
            Self::Arming { .. } => "arming",
            Self::Armed { mode } => mode.state_name(),
            Self::Pending { .. } => "pending",
            Self::Paused { .. } => "paused",
            Self::Triggered { .. } => "triggered",
        }
    }

    /// What the panel is armed, or being armed, for.
    pub fn mode(&self) -> Option<Mode> {
        match self {
            Self::Disarmed => None,
            Self::Arming { mode, .. }
            | Self::Armed { mode }
            | Self::Pending { mode, .. }
            | Self::Paused { mode, .. } => Some(*mode),
            Self::Triggered { back_to, .. } => *back_to,
        }
    }

    /// The end of a delay, a pause or the siren.
    pub fn until(&self) -> Option<BootTime> {
        match self {
            Self::Disarmed | Self::Armed { .. } => None,
            Self::Arming { until, .. }
            | Self::Pending { until, .. }
            | Self::Paused { until, .. } => Some(*until),
            Self::Triggered { siren, .. } => *siren,
        }
    }
}

/// An incident that goes on, with what has not been told yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// The incident itself.
    pub incident: Incident,
    /// How long it had gone on in earlier boots, as far as this boot's clock does not say.
    #[serde(default)]
    pub earlier: Duration,
    /// What waits for a second sensor to confirm the alarm.
    pub held: Vec<Held>,
    /// A phone ladder was begun for it.
    pub called: bool,
    /// When the last mail about it was sent; `None` while mail is held back.
    pub last_mail: Option<BootTime>,
    /// Until when the first mail waits for a photo; `None` once that is settled.
    pub photo_until: Option<BootTime>,
    /// Triggers that no mail has counted yet.
    pub untold: Vec<(SensorName, u32)>,
    /// Photos that no mail has carried yet.
    pub photos: Vec<PhotoId>,
    /// It was confirmed and no mail has said so yet.
    pub confirmed_untold: bool,
    /// Ladders held back by `ladder-every` that no mail has counted yet.
    pub ladders_held_back: u32,
}

impl Open {
    /// How long it has gone on, without the time in which power was away.
    pub fn lasted(&self, now: BootTime) -> Duration {
        self.earlier.saturating_add(now.since(self.incident.since))
    }

    /// There is something to tell.
    pub fn has_news(&self) -> bool {
        !self.untold.is_empty()
            || !self.photos.is_empty()
            || self.confirmed_untold
            || self.ladders_held_back > 0
    }
}

/// The gas machine.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gas {
    /// The fan, while it is wanted.
    pub fan: Option<Fan>,
    /// The sensors that reported gas since the fan went on. Each must be clear, and say so,
    /// before it goes off.
    pub sensors: BTreeSet<SensorName>,
    /// The gas incident that goes on.
    pub open: Option<Open>,
    /// When to call again if nobody acknowledged.
    pub call_again: Option<BootTime>,
    /// Somebody silenced the buzzer.
    pub silenced: bool,
}

/// The exhaust fan while it is wanted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fan {
    /// Since when.
    pub since: BootTime,
    /// How long it had run in earlier boots, as far as this boot's clock does not say.
    #[serde(default)]
    pub earlier: Duration,
    /// When it goes off; `None` while there is gas, or nobody knows.
    pub off_at: Option<BootTime>,
    /// That it ran for longer than `max-run` has been told.
    pub long_told: bool,
}

/// What is remembered of a sensor beyond its level.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Marks {
    /// It takes no part for now.
    pub inhibited: Option<Inhibition>,
    /// Its activity has been dealt with (sensed during a pause or an exit delay): it must go
    /// inactive before it counts again.
    pub spent: bool,
    /// Its last trigger since the last arming, to confirm another's.
    pub last_trigger: Option<BootTime>,
    /// Incidents that it began since the last arming.
    pub own_incidents: u32,
    /// Its first reading in this boot, from which the warm-up of a node's sensor is counted.
    pub powered: Option<BootTime>,
    /// Its silence has been announced by a call.
    pub unwatched_told: bool,
}

/// Why a sensor takes no part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inhibition {
    /// It stays open: until it closes.
    UntilClosed,
    /// It alarmed too often: until then, or the next arming.
    Until(BootTime),
}

impl Fan {
    /// How long it has run, without the time in which power was away.
    pub fn ran(&self, now: BootTime) -> Duration {
        self.earlier.saturating_add(now.since(self.since))
    }
}

impl Durable {
    /// Carries every time into another boot: a deadline keeps what was left of it when it was
    /// saved. What began before this boot keeps how long it had gone on at the last sign of life.
    /// Node power-on times belong to the old boot and are forgotten.
    pub fn rebase(&mut self, saved_at: BootTime, last_life: BootTime, now: BootTime) {
        let earlier = |since: BootTime| {
            let known = now.since(since.rebased(saved_at, now));
            last_life.since(since).saturating_sub(known)
        };
        let shift = |at: &mut BootTime| *at = at.rebased(saved_at, now);
        let shift_some = |at: &mut Option<BootTime>| {
            if let Some(at) = at {
                shift(at);
            }
        };
        match &mut self.panel {
            Panel::Disarmed | Panel::Armed { .. } => {}
            Panel::Arming { until, .. } | Panel::Paused { until, .. } => shift(until),
            Panel::Pending { until, sensed, .. } => {
                shift(until);
                for cause in sensed {
                    cause.shift(shift);
                }
            }
            Panel::Triggered {
                siren, quiet_since, ..
            } => {
                shift_some(siren);
                shift_some(quiet_since);
            }
        }
        for open in [&mut self.intrusion, &mut self.gas.open]
            .into_iter()
            .flatten()
        {
            open.earlier = open.earlier.saturating_add(earlier(open.incident.since));
            shift_some(&mut open.last_mail);
            shift_some(&mut open.photo_until);
            open.incident.shift(shift);
        }
        for incident in &mut self.unseen {
            incident.shift(shift);
        }
        if let Some(fan) = &mut self.gas.fan {
            fan.earlier = fan.earlier.saturating_add(earlier(fan.since));
            shift(&mut fan.since);
            shift_some(&mut fan.off_at);
        }
        shift_some(&mut self.gas.call_again);
        shift_some(&mut self.no_ladder_before);
        shift_some(&mut self.no_trouble_mail_before);
        for tries in &mut self.tries {
            shift(&mut tries.not_before);
            shift(&mut tries.forget_at);
        }
        for marks in self.marks.values_mut() {
            marks.powered = None;
            shift_some(&mut marks.last_trigger);
            if let Some(Inhibition::Until(at)) = &mut marks.inhibited {
                shift(at);
            }
        }
    }
}

/// What need not survive: levels are read again at the start, counters begin anew.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Volatile {
    /// The latest time that was handed in. Time never runs backwards.
    pub(super) now: BootTime,
    /// When this run began.
    pub(super) started: BootTime,
    /// What each sensor is doing.
    pub(super) sensing: BTreeMap<SensorName, Sensing>,
    /// What the sensors did lately, to explain an alarm.
    pub(super) seen: VecDeque<Seen>,
    /// What lessens protection.
    pub(super) troubles: Troubles,
    /// Factors that were shown and wait for the others of their set.
    pub(super) halves: Vec<Half>,
    /// No second silent ladder before this.
    pub(super) no_silent_call_before: Option<BootTime>,
    /// What the buzzer was last told.
    pub(super) buzzer: Option<Pattern>,
    /// What the fan was last told; `None` before the first word.
    pub(super) exhaust: Option<bool>,
    /// The relay is being tried until then.
    pub(super) relay_test: Option<BootTime>,
    /// A walk test runs until then.
    pub(super) walk_test: Option<BootTime>,
    /// When the boot report is due, and what is to be said in it.
    pub(super) boot_report: Option<DueReport>,
}

/// A boot report: waits for the sensors' first readings, and for the clock.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DueReport {
    /// `None`: it has left.
    pub(super) due: Option<BootTime>,
    pub(super) power_was_away: bool,
    pub(super) waiting: u32,
    pub(super) away: Away,
}

/// One reading, remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// When.
    pub at: BootTime,
    /// Which sensor.
    pub sensor: SensorName,
    /// What it said.
    pub active: bool,
    /// A level found rather than a change seen.
    pub found: bool,
}

/// What the sensors did around an incident: enough to explain it and to play it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// Which incident.
    pub incident: IncidentId,
    /// What the panel was armed for when it began.
    pub mode: Option<Mode>,
    /// When it began.
    pub since: BootTime,
    /// The readings, oldest first.
    pub seen: Vec<Seen>,
}
