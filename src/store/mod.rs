//! SQLite: state, incidents, events, messages; photos beside it.
