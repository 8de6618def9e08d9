//! What several tests need: running a command line, histories, and a scheduler that can be told to be wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod history;
mod node;

use clap::Parser;

use crate::cli::Cli;
use crate::failure::Failure;

pub use history::{Scribe, item_json};
pub use node::{FakeNode, Misdeed};

/// What a command line prints.
pub fn quipu(words: &[&str]) -> Result<String, Failure> {
    let mut out = Vec::new();
    let cli = Cli::try_parse_from(std::iter::once(&"quipu").chain(words)).unwrap();
    cli.run(&mut out)?;
    Ok(String::from_utf8(out).unwrap())
}
