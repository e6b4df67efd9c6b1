//! Owns the broker connection, both ways.
