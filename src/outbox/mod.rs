//! Messages until they are delivered: retry, ladder.
