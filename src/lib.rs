//! asfaleia watches a home with a Raspberry Pi.

pub mod actuators;
pub mod alarm;
pub mod camera;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod gpio;
pub mod inbox;
pub mod mqtt;
pub mod notify;
pub mod outbox;
pub mod panel;
pub mod sensors;
pub mod simulator;
pub mod store;
pub mod supervisor;
pub mod web;
