//! What the ao data protocol says of data items, for every room that speaks it.

mod code;
mod ids;

pub use code::Code;
pub use ids::{AssignmentId, HashChain, MessageId, Nonce, ProcessId, Timestamp};
