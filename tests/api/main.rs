//! The HTTP API as its users meet it: real TCP and Unix sockets, and the built program on the
//! command line, in front of a house whose panel, history and devices are fakes.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail as tests do")]

mod breaking;
mod command_line;
mod commands;
mod dashboard;
mod document;
mod guards;
mod history;
mod house;
mod login;
mod openapi;
mod people;
mod security;
mod sim;
mod status;
mod stream;
mod wire;
