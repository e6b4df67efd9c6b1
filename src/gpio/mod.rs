//! Wires: one small interface, several back ends.
