//! The decisions, pure.
//!
//! Uses std and serde alone: no clock, no I/O, no channel, no lock.

mod action;
mod event;
mod incident;
mod ladder;
mod policy;
mod status;
mod time;

pub use action::{About, Action, Effect, Notice, Pattern, Record};
pub use event::{
    Actor, Command, Event, Origin, Reading, Right, Started, StoreFound, Test, Trouble, TroubleCode,
};
pub use incident::{Cause, Ending, Incident, IncidentId, IncidentKind, PhotoId};
pub use ladder::{CallEnd, End, Ladder, Refusal, Step};
pub use policy::{
    Confirm, Entry, ExhaustPolicy, Held, Mode, PanelPolicy, PhonePolicy, Policy, PowerOn, Rung,
    SensorKind, SensorName, SensorPolicy,
};
pub use status::{Answer, GasStatus, SensorState, SensorStatus, Status};
pub use time::BootTime;
