//! The `quipu` command: the node itself, and clients good enough to try one, to script against and to measure.
//!
//! Every command is a clap `Args` struct beside its code, with a `run` that writes what was asked for to the
//! output it is given and everything else to standard error.

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "they panic when nobody takes the output")]

mod environment;
mod cli;
mod failure;
mod output;
mod secret;
mod stderr;
mod terminal;
mod client;
mod compose;
mod wallet;
mod spawn;
mod send;
mod read;
mod status;
mod told;
mod top;
mod sync;
mod verify_item;
mod ui;
mod projections;
mod replay;
mod shown;
mod location;
mod dead_letters;
mod reupload;
mod completions;
mod manual;
mod moving;
mod config;
mod bench;
mod backups;
mod import;
mod export;
mod compare;
mod settings;
mod node;
mod router;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod commands_tests;

pub use cli::Cli;
pub use environment::read_env_file;
pub use failure::Failure;
pub use stderr::FlushedStderr;
pub use terminal::StandardOutput;
