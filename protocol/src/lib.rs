//! What the ao data protocol says of data items, for every room that speaks it.

mod ids;

pub use ids::{AssignmentId, HashChain, MessageId, Nonce, ProcessId, Timestamp};
