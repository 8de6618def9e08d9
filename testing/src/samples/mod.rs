//! Processes with items and assignments as a scheduler makes them. The log takes this folder in by its path.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod noise;
mod signer;
mod user;
mod process;

pub use noise::Noise;
pub use process::{SampleProcess, fact};
pub use signer::NoiseSigner;
pub use user::{SampleUser, id_of};
