//! `quipu location`: the record on Arweave that says where a scheduler is, shown, published, and seen with the eyes of those
//! who read it.

mod check;
mod findings;
mod probes;
mod shown;

use std::io::Write;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::Value;

use crate::client::{AdminArgs, ClientError, OperatorArgs, runtime};
use crate::failure::Failure;
use crate::output::time;
use check::CheckArgs;

const EXAMPLES: &str = "\
Clients find the scheduler of a process by its wallet, and that by a record on Arweave. A node with LOCATION_URL, or the router in \
front of several, publishes its record by itself.

Examples:
  quipu location show                       what gateways told the node of the record
  quipu location publish                    publish it now, although nothing seems wrong
  quipu location publish --admin http://127.0.0.1:9001 --su-data-dir ./router-data  at a router
  quipu location check https://su.example   whether clients of all kinds are led there
  quipu location check https://su.example --graphql-url https://arweave.net --process $P

Exit codes: 0 done, 1 failed (one line on standard error says why), 2 wrong usage or setting, 3 checked, and somebody is not led \
to the scheduler or not answered as needed; or published and not done with: the record is kept, and sent again until it is taken.";

/// Show, publish or check the record that says where a scheduler is
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct LocationCommandArgs {
    #[command(subcommand)]
    command: LocationCommand,
}

#[derive(Debug, Subcommand)]
enum LocationCommand {
    /// Show what gateways tell of the record, and what was published last
    #[command(after_help = EXAMPLES)]
    Show {
        #[command(flatten)]
        node: AdminArgs,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Publish the record now, although nothing is wrong with it; not within two hours of one that gateways tell
    #[command(after_help = EXAMPLES)]
    Publish {
        #[command(flatten)]
        node: OperatorArgs,
        /// Print what was published as JSON
        #[arg(long)]
        json: bool,
    },
    /// Look up the record of the scheduler at a URL as each reader does, and see whether the URL answers as they need
    #[command(after_help = EXAMPLES)]
    Check(CheckArgs),
}

/// Not all is as it should be.
#[derive(Debug, thiserror::Error)]
pub enum LocationCommandError {
    /// The gateways cannot be asked.
    #[error("no gateway can be asked: {0}")]
    Setup(String),
    /// Something is wrong.
    #[error("{0} of {1} findings are not as they should be")]
    Wrong(usize, usize),
    /// What was published is not with the upload node, or that is not kept.
    #[error("the record is not done with, and is tried again: {0}")]
    Unsent(String),
}

/// What was published, as the node tells it.
#[derive(Deserialize)]
struct Published {
    publication: PublicationSeen,
    trouble: Option<String>,
}

#[derive(Deserialize)]
struct PublicationSeen {
    nonce: u64,
    id: String,
    url: String,
    published_ms: u64,
}

impl LocationCommandArgs {
    /// Writes what was asked for to `out`.
    ///
    /// # Errors
    /// When the node or the gateways are not reached or refuse, or a reader would not get to the scheduler.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        match self.command {
            LocationCommand::Show { node, json } => {
                let node = node.connect()?;
                let told: Value = runtime()?.block_on(node.get("/location"))?;
                if json {
                    writeln!(out, "{told}")?;
                    return Ok(());
                }
                let seen = serde_json::from_value(told)
                    .map_err(|error| ClientError::Answer { url: node.url().to_owned(), error })?;
                out.write_all(shown::render(&seen).as_bytes())?;
                Ok(())
            }
            LocationCommand::Publish { node, json } => {
                let node = node.connect()?;
                let told: Value = runtime()?.block_on(node.post("/location/publications", None))?;
                let Published { publication, trouble } = Published::deserialize(&told)
                    .map_err(|error| ClientError::Answer { url: node.url().to_owned(), error })?;
                match (json, &trouble) {
                    (true, _) => writeln!(out, "{told}")?,
                    (false, None) => writeln!(out, "published {}", publication.line())?,
                    (false, Some(_)) => writeln!(out, "kept, and sent again: {}", publication.line())?,
                }
                trouble.map_or(Ok(()), |trouble| Err(LocationCommandError::Unsent(trouble).into()))
            }
            LocationCommand::Check(args) => args.run(out),
        }
    }
}

impl PublicationSeen {
    fn line(&self) -> String {
        let Self { nonce, id, url, published_ms } = self;
        format!("{id}, which leads to {url}, nonce {nonce}, {}", time(*published_ms))
    }
}
