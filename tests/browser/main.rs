//! The dashboard and the virtual house in a real browser, Debian's Chromium, which must be installed:
//! without it these tests fail.

#![allow(clippy::unwrap_used)] // A test ends where something is not as it was made.

mod browser;
mod dashboard;
mod everybody;
mod login;
mod pictures;
mod virtual_house;

// The built program is talked to as in the tests that need no browser.
#[allow(dead_code)]
#[path = "../service/api.rs"]
mod api;
#[allow(dead_code)]
#[path = "../service/process.rs"]
mod process;
