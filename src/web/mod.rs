//! The HTTP API: reads a snapshot, sends Events, acts on nothing.
