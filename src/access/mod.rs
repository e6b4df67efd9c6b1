//! Who is there.

pub mod finger;
