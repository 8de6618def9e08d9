//! The positions of the log.

protocol::position!(
    /// The place of an event within the whole log, from 0, without gaps.
    Seq
);
