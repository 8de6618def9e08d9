//! Uploads: every item, then its assignment, goes to the upload node, in the background.
//!
//! What is promised: each part is sent at least once, in the order of the log within its process; what the node has
//! confirmed is not sent again after a kill; what it refuses for good is kept as a [`DeadLetter`] and the process
//! goes on. A process that is stuck holds up no other, however long that lasts. Where it stands is
//! in a small RocksDB with a write-ahead log and without syncs: after a power cut some is sent again, which is
//! harmless, for the upload node knows items by their ids.

mod blocking;
mod target;
mod piece;
mod keys;
mod cursor;
mod store;
mod stuck;
mod aside;
mod legacy;
mod reconcile;
mod cache;
mod sender;
mod shared;
mod handle;
mod unsent;
mod missing;
mod replay;
mod window;
mod reading;
mod waits;
mod queue;
mod rounds;
mod failing;
mod following;
mod runner;

pub use handle::{RetryReport, UploadsHandle};
pub use missing::{MissingUpload, Search, SearchOutcome, Searched};
pub use piece::{DeadLetter, UploadPart};
pub use runner::UploadRunner;
pub use target::{Arrivals, UploadTarget, UploadTargets};

/// The name of the projection.
const NAME: &str = "uploads";

#[cfg(test)]
mod tests;
