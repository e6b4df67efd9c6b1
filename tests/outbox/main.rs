//! The outbox from outside: what is tried when, and that every message and every ladder ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod calls;
mod decisions;
mod deliveries;
mod drill;
mod duress;
mod ladder;
mod world;
