//! `quipu gate`: what the engine has that remembers the log of a node.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, Subcommand};
use gate::{Durability, Gate, GateContents, GateError};
use node::verify_gate;
use projections::Progress;
use serde_json::json;

use crate::client::runtime;
use crate::failure::Failure;
use crate::output::{TextTable, counted};
use crate::settings::{GateEngineArgs, SettingError};
use crate::shown::{Shown, attend};

const EXAMPLES: &str = "\
The engine is that of the node, by the same variables or flags; it is asked itself, whether the node runs or not. Nothing is \
changed there.

Examples:
  quipu gate status --gate postgres --gate-url postgres://quipu:SECRET@10.0.0.7/quipu_log
  GATE=s3://bucket/folder quipu gate status --json
  GATE=s3://bucket/folder quipu gate verify --work-dir /var/tmp

Exit codes: 0 done, and what was read is sound; 1 failed, or not sound (one line on standard error says why), 2 wrong usage or \
setting.";

/// Show or verify what the engine has that remembers the log of a node
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct GateCommandArgs {
    #[command(subcommand)]
    command: GateCommand,
}

#[derive(Debug, Subcommand)]
enum GateCommand {
    /// Show whose log the engine has, how far it goes, and which node may write it
    #[command(after_help = EXAMPLES)]
    Status {
        #[command(flatten)]
        engine: GateEngineArgs,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Read all that the engine has, as a node with an empty data folder would, and verify records, order and signatures
    #[command(after_help = EXAMPLES)]
    Verify {
        #[command(flatten)]
        engine: GateEngineArgs,
        /// Where what is read is kept until the end, in a folder of its own: as much room as the log takes [default: where
        /// this machine has temporary files]
        #[arg(long, value_name = "DIR")]
        work_dir: Option<PathBuf>,
    },
}

/// Why nothing can be said of a gate.
#[derive(Debug, thiserror::Error)]
pub enum GateCommandError {
    /// It cannot be asked, or what it has is damaged.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// There is no room for what is read.
    #[error("cannot make a folder for what is read in {}; expected --work-dir to be one with room", .dir.display())]
    Work {
        /// Where it was to be.
        dir: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
}

impl GateCommandArgs {
    /// Writes what was asked for to `out`.
    ///
    /// # Errors
    /// When the engine is not reached, or what it has is not sound.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        match self.command {
            GateCommand::Status { engine, json } => {
                let gate = engine.to_read().map_err(SettingError::from)?;
                let contents = runtime()?.block_on(look(&gate)).map_err(GateCommandError::from)?;
                let kind = gate.kind();
                if json {
                    writeln!(
                        out,
                        "{}",
                        contents.map_or(json!({ "gate": kind }), |contents| told(kind, &contents))
                    )?;
                    return Ok(());
                }
                let text = contents.map_or_else(nothing, |contents| described(kind, &contents));
                Ok(out.write_all(text.as_bytes())?)
            }
            GateCommand::Verify { engine, work_dir } => {
                let gate = engine.to_read().map_err(SettingError::from)?;
                verify(&gate, work_dir, out)
            }
        }
    }
}

async fn look(gate: &Arc<dyn Gate>) -> Result<Option<GateContents>, GateError> {
    let contents = gate.look().await;
    gate.close().await;
    contents
}

fn verify(gate: &Arc<dyn Gate>, work_dir: Option<PathBuf>, out: &mut dyn Write) -> Result<(), Failure> {
    let dir = work_dir.unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::Builder::new().prefix("quipu-gate-verify-").tempdir_in(&dir);
    let folder = folder.map_err(|error| GateCommandError::Work { dir, error })?;
    let (progress, mut shown, started) = (Arc::new(Progress::default()), Shown::new(), Instant::now());
    let verified = runtime()?.block_on(async {
        let verified = tokio::select! {
            verified = verify_gate(gate, folder.path(), &progress) => verified,
            never = attend(&progress, &mut shown, started) => match never {},
        };
        gate.close().await;
        verified
    });
    shown.clear();
    let text = verified?.map_or_else(nothing, |GateContents { store, end, .. }| {
        let (events, records) = (counted(end.events, "event"), counted(end.records, "record"));
        format!("{events} in {records} of store {store}: sound\n")
    });
    Ok(out.write_all(text.as_bytes())?)
}

fn nothing() -> String {
    "the gate has nothing yet: the first node that claims it makes it its own\n".to_owned()
}

fn described(kind: &str, contents: &GateContents) -> String {
    let GateContents { store, end, claim, durability } = contents;
    let copies = match durability {
        Durability::Replicated => "as many as the engine is set up for",
        Durability::SingleCopy => "a single one: what is lost there is lost",
    };
    let mut table = TextTable::default();
    table.row("gate", kind);
    table.row("store", store.to_string());
    table.row("has", end.to_string());
    table.row("digest", end.digest.to_string());
    table.row("written by", format!("node {} in term {}", claim.owner, claim.term));
    table.row("copies", copies);
    table.render()
}

fn told(kind: &str, contents: &GateContents) -> serde_json::Value {
    let GateContents { store, end, claim, durability } = contents;
    json!({
        "gate": kind,
        "store": store.to_string(),
        "records": end.records,
        "events": end.events,
        "digest": end.digest.to_string(),
        "owner": claim.owner.to_string(),
        "term": claim.term.0,
        "single_copy": *durability == Durability::SingleCopy,
    })
}
