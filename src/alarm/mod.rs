//! The decisions, pure.
//!
//! Uses std and serde alone: no clock, no I/O, no channel, no lock.

mod access;
#[cfg(test)]
mod access_properties;
mod action;
mod arming;
mod commands;
mod drill;
mod duress;
mod event;
#[cfg(test)]
mod fixtures;
mod gas;
mod incident;
mod intrusion;
mod ladder;
mod open;
mod policy;
#[cfg(test)]
mod properties;
mod readings;
mod sensing;
mod start;
mod state;
mod status;
mod step;
#[cfg(test)]
mod stories;
mod supervision;
mod time;
mod tries;
mod troubles;

pub use access::{Factor, Who};
pub use action::{About, Action, Effect, LoginDeed, Notice, Pattern, Record};
pub use drill::Proof;
pub use event::{
    Actor, Away, Command, Event, Origin, Reading, Right, Started, StoreFound, Test, Trouble,
    TroubleCode,
};
pub use incident::{Cause, Ending, Incident, IncidentId, IncidentKind, PhotoId};
pub use ladder::{CallEnd, Calls, End, Ladder, Refusal, Step};
pub use policy::{
    AccessPolicy, Confirm, Entry, ExhaustPolicy, Grant, Held, Mode, PanelPolicy, PhonePolicy,
    Policy, PowerOn, Rung, SensorKind, SensorName, SensorPolicy,
};
pub use start::{BootReport, GoingOn};
pub use state::{Durable, Fan, Gas, Inhibition, Marks, Open, Panel, Recording, Seen};
pub use status::{Answer, GasStatus, SensorState, SensorStatus, Status};
pub use step::Alarm;
pub use time::BootTime;
pub use tries::{Tries, Way};
