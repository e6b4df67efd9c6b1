//! To come in this very series.
