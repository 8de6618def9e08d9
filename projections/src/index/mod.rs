//! The index: where an id is scheduled, and which nonce a time falls on.
//!
//! It is kept without a write-ahead log of its own: after a crash it resumes from the cursor of what its store had
//! flushed, and the follower applies the rest again from the log. It can be deleted at any time.

mod keys;
mod run;
mod entries;
mod cursor;
mod store;
mod home;
mod shared;
mod lookup;
mod writer;
mod replay;

pub use lookup::{Index, Place};
pub use replay::IndexReplay;
pub use store::IndexError;
pub use writer::IndexWriter;

#[cfg(test)]
mod tests;
