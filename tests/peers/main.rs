//! Against real peers, which must be installed: a missing one fails its tests.

#![allow(clippy::unwrap_used)] // A test ends where something is not as it was made.

mod access;
mod broker;
mod finger;
mod house;
mod main_job;
mod mqtt;
mod openapi;

// The built program is talked to as in the tests that need no peers.
#[allow(dead_code)]
#[path = "../service/api.rs"]
mod api;
#[allow(dead_code)]
#[path = "../service/process.rs"]
mod process;
