//! Owns the broker connection, both ways.

/// A message that came in.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its bytes.
    pub payload: &'a [u8],
    /// The broker had kept it: true at some time, not necessarily news.
    pub retained: bool,
}
