//! asfaleia watches a home with a Raspberry Pi.

pub mod alarm;
pub mod clock;
pub mod config;
