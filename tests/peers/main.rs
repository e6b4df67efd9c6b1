//! Against real peers, which must be installed: a missing one fails its tests.

#![allow(clippy::unwrap_used)] // A test ends where something is not as it was made.

mod mqtt;
