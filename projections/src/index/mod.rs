//! The index: where an id is scheduled, and which nonce a time falls on.
//!
//! It is kept without a write-ahead log of its own: after a crash it resumes from the cursor of what its store had
//! flushed, and the follower applies the rest again from the log. It can be deleted at any time.

mod error;
mod keys;
mod db;
mod cursor;
mod folder;
mod run;
mod entries;
mod shared;
mod writer;
mod lookup;
mod replay;
mod watchers;

pub use error::IndexError;
pub use lookup::{Index, IndexPlace};
pub use replay::IndexReplay;
pub use watchers::ProcessWatch;
pub use writer::IndexWriter;

/// The name of the projection.
const NAME: &str = "index";

#[cfg(test)]
mod tests;
