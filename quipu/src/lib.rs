//! The `quipu` command: the node itself, and clients good enough to try one, to script against and to measure.
//!
//! Every command is a clap `Args` struct beside its code, with a `run` that writes what was asked for to the
//! output it is given and everything else to standard error.

mod bench;
mod cli;
mod client;
#[cfg(test)]
mod commands_tests;
mod completions;
mod compose;
mod env_file;
mod failure;
mod node;
mod output;
mod read;
mod send;
mod spawn;
mod status;
#[cfg(test)]
mod testing;
mod wallet;

pub use cli::Cli;
pub use env_file::read_env_file;
pub use failure::Failure;
