//! The built program, as its owner meets it: processes, files, sockets and signals. Nothing but
//! loopback is needed.

#![allow(clippy::unwrap_used)] // A test ends where something is not as it was made.

mod access;
mod api;
mod command_line;
mod configuration;
mod drill;
mod failing;
mod faults;
mod finger;
mod home;
mod load;
mod login;
mod process;
mod restart;
mod run;
mod simulate;
mod store;
mod systemd;
mod virtual_house;
