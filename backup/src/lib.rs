//! Copies of a store beside a running node: the checkpoints that a node makes and hands out.

mod checkpoints;
mod hash;

pub use checkpoints::{CheckpointFile, CheckpointId, Checkpoints, CheckpointsError, KeptCheckpoint};
pub use hash::{FileHash, HashError};
