//! The decisions, pure.
//!
//! Uses std and serde alone: no clock, no I/O, no channel, no lock.

mod action;
mod arming;
mod commands;
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
mod troubles;

pub use action::{About, Action, Calls, Effect, Notice, Pattern, Record};
pub use event::{
    Actor, Command, Event, Origin, Reading, Right, Started, StoreFound, Test, Trouble, TroubleCode,
};
pub use incident::{Cause, Ending, Incident, IncidentId, IncidentKind, PhotoId};
pub use ladder::{CallEnd, End, Ladder, Refusal, Step};
pub use policy::{
    Confirm, Entry, ExhaustPolicy, Held, Mode, PanelPolicy, PhonePolicy, Policy, PowerOn, Rung,
    SensorKind, SensorName, SensorPolicy,
};
pub use state::{Durable, Fan, Gas, Inhibition, Marks, Open, Panel, Recording, Seen};
pub use status::{Answer, GasStatus, SensorState, SensorStatus, Status};
pub use step::Alarm;
pub use time::BootTime;
