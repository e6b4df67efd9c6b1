//! asfaleia watches a home with a Raspberry Pi: sensors in; siren, photos, mail, phone calls and
//! ventilation out.
//!
//! # The map
//!
//! From the roof to the ground; a module uses only what stands below it, and
//! `tests/architecture.rs` says which.
//!
//! - [`cli`]: the command line, one file a subcommand.
//! - [`doctor`]: probes what is configured, says what was found and what mends it; changes nothing.
//! - [`init`]: a few questions, and a configuration that passes.
//! - [`simulator`]: the virtual house's mail server, telephone service and NodeMCU on loopback, and
//!   what breaks them.
//! - [`daemon`]: builds every part from the configuration in reading order, and stops them; decides
//!   nothing.
//! - [`panel`]: the one thread that owns the state: switches outputs at once, hands the rest over.
//! - [`supervisor`]: named tasks that are restarted alone; systemd's ready, watchdog and stopping.
//! - [`web`]: the HTTP API, dashboard and metrics: reads a snapshot, sends events, acts on nothing.
//! - [`login`]: who may come in over TCP: accounts, sessions, tokens.
//! - [`outbox`]: messages until they are delivered: rows, retries, the phone ladder.
//! - [`access`]: who is there: people, PINs, fingers and faces.
//! - [`mqtt`]: owns the broker connection, both ways.
//! - [`sensors`]: IN: from a device's bytes and edges to events.
//! - [`camera`]: owns the camera: photos for alarms, pre-roll.
//! - [`actuators`]: OUT, now: the buzzer's rhythms and the exhaust relay.
//! - [`notify`]: OUT, to people: one message to one recipient by email, phone or webhook.
//! - [`store`]: SQLite: state, incidents, history and messages, committed together; photos beside it.
//! - [`gpio`]: wires: one small interface, several back ends.
//! - [`config`]: the TOML as written -> a `Config` that cannot be wrong.
//! - [`inbox`]: the one queue into the panel.
//! - [`clock`]: where time comes from: the boot clock for decisions, wall time for people.
//! - [`alarm`]: THE DECISIONS, pure: no clock, no I/O, no channel, no lock.
//!
//! # The flow
//!
//! ```text
//! sensors, mqtt, web --Event--> inbox --> panel: alarm.step(event, now)
//!        ^                                  |
//!        |                                  +- in the same turn --> actuators
//!        |                                  +- handed over -------> camera
//!        |                                  +- handed over -------> store (one commit), then outbox
//!        |                                                                            |
//!        +-------- outcomes come back as events --------- notify: mail, phone, webhook +
//! ```
//!
//! The panel waits for nothing. What has to be told is committed first, and delivered when it is on
//! the disk, or 20 ms after the trigger if the card is slow. `docs/architecture.md` goes on from here.

pub mod access;
pub mod actuators;
pub mod alarm;
pub mod camera;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
#[cfg(target_os = "linux")]
pub mod doctor;
pub mod gpio;
pub mod inbox;
#[cfg(target_os = "linux")]
pub mod init;
pub mod login;
pub mod mqtt;
pub mod notify;
pub mod outbox;
pub mod panel;
pub mod sensors;
pub mod simulator;
pub mod store;
pub mod supervisor;
pub mod web;
