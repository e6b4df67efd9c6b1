//! `asfaleia doctor` and `asfaleia init`, as their user meets them: the built program, real sockets,
//! pseudo-terminals and files.

#![allow(clippy::unwrap_used)] // A test ends where something is not as it was made.

mod examination;
mod init;
mod readers;
mod servers;

#[allow(dead_code)] // The whole client; other tests use the rest.
#[path = "../service/api.rs"]
mod api;
#[allow(dead_code)]
#[path = "../notify/authority.rs"]
mod authority;
#[allow(dead_code)]
#[path = "../service/home.rs"]
mod home;
#[allow(dead_code)]
#[path = "../notify/mail_server.rs"]
mod mail_server;
#[allow(dead_code)]
#[path = "../service/process.rs"]
mod process;
