//! The append-only event log: the one truth of a scheduler, of which everything else is a projection.
//!
//! Start with [`Log`]: its documentation is the contract that every engine keeps.

mod ids;
mod event;
mod contract;

pub use contract::{Append, AppendError, Identity, Log, ReadError, Receipt, StoreId, Tail, Term};
pub use event::{Body, BodyRef, DeepHash, Event, EventRef, Head, Kind, Knot};
pub use ids::{AssignmentId, HashChain, MessageId, Nonce, ProcessId, Seq, Timestamp};
