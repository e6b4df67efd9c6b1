//! Who is there.

pub mod face;
