//! What the ao data protocol says, for every room that speaks it: the ids of the field, the tags of items, what clients
//! post and what schedulers sign, and the codes by which something is refused.

mod ids;
pub mod tags;
pub mod values;
mod form;
mod submission;
mod assignment;
mod code;

pub use assignment::{Assignment, AssignmentTags, excludes};
pub use code::Code;
pub use form::{FormError, check_spawn, check_tags, settlement_depth};
pub use ids::{AssignmentId, HashChain, MessageId, Nonce, ProcessId, Timestamp, sha256};
pub use submission::{Submission, SubmissionError};
