//! The commands of the existing scheduler's tool: what to type instead of those that copied stores, and the one that means
//! the same here.

use std::io::Write;
use std::str::FromStr;

use clap::Args;
use protocol::ProcessId;

use crate::client::OperatorArgs;
use crate::failure::Failure;
use crate::reupload::ReuploadArgs;
use crate::stderr::say;

const DISK_EXAMPLES: &str = "\
Example:
  quipu import --from postgres --to ./data    instead of migrate_to_disk 0-100000

Exit codes: 2, always.";
const LOCAL_EXAMPLES: &str = "\
Example:
  quipu import --from postgres --to ./data    instead of migrate_to_local

Exit codes: 2, always.";
const REUPLOAD_EXAMPLES: &str = "\
Example:
  quipu reupload --process $P,$Q --since 1760000000000    as reupload_bundles $P,$Q 1760000000000

Exit codes: 0 done, 1 failed (one line on standard error says why), 2 wrong usage or setting.";

/// Why a range is not passed on.
const NO_RANGE: &str = ". Its --range is another one: the first and the last row_id, of which the highest is above the number of rows, \
    where migrate_to_disk counts rows by their time";

/// Not a command here: says what to type instead
#[derive(Debug, Args)]
#[command(name = "migrate_to_disk", hide = true, after_help = DISK_EXAMPLES)]
pub struct MigrateToDiskArgs {
    /// Rows: FIRST-LAST, or FIRST
    #[arg(allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Not a command here: says what to type instead
#[derive(Debug, Args)]
#[command(name = "migrate_to_local", hide = true, after_help = LOCAL_EXAMPLES)]
pub struct MigrateToLocalArgs {
    /// Whether to forget how far it came
    #[arg(allow_hyphen_values = true)]
    words: Vec<String>,
}

/// As `quipu reupload`, by the name and in the words of the existing scheduler's tool
#[derive(Debug, Args)]
#[command(name = "reupload_bundles", hide = true, after_help = REUPLOAD_EXAMPLES)]
pub struct ReuploadBundlesArgs {
    /// The processes, separated by commas
    #[arg(value_name = "P[,P...]", allow_hyphen_values = true)]
    pids: ProcessNames,
    /// What is later than this many milliseconds since 1970
    since: String,
    /// Taken, and of no use: the node sends as much at a time as the upload node takes
    delay_ms: Option<u64>,
    #[command(flatten)]
    node: OperatorArgs,
}

/// Ids with commas between them, in one word.
#[derive(Clone, Debug)]
struct ProcessNames(Vec<ProcessId>);

impl FromStr for ProcessNames {
    type Err = <ProcessId as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl ReuploadBundlesArgs {
    /// Does it.
    ///
    /// # Errors
    /// As `quipu reupload`.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        // There, too, what is no number was none, and meant all.
        let since = self.since.parse().ok();
        say(format_args!(
            "this is quipu reupload --process P,... --since MILLISECONDS, which the node does from its log"
        ));
        if self.delay_ms.is_some() {
            say(format_args!("the delay has no effect"));
        }
        ReuploadArgs::of_bundles(self.pids.0, since, self.node).run(out)
    }
}

/// What to type instead of an old command.
#[derive(Debug, thiserror::Error)]
pub enum OldVerbError {
    /// Of blobs into a byte store.
    #[error(
        "migrate_to_disk copied blobs from Postgres into a byte store, which a node here has not: its log holds all. Type \
         quipu import --from postgres --to DIR instead, which takes all{0}"
    )]
    ToDisk(&'static str),
    /// Of everything into a local store.
    #[error(
        "migrate_to_local copied Postgres into the store of the existing scheduler. Type quipu import --from postgres --to DIR \
         instead; typed again it goes on where it was{0}"
    )]
    ToLocal(&'static str),
}

impl MigrateToDiskArgs {
    /// Says what to type.
    ///
    /// # Errors
    /// Always.
    pub fn run(self) -> Result<(), Failure> {
        Err(OldVerbError::ToDisk(if self.words.is_empty() { "" } else { NO_RANGE }).into())
    }
}

impl MigrateToLocalArgs {
    /// Says what to type.
    ///
    /// # Errors
    /// Always.
    pub fn run(self) -> Result<(), Failure> {
        let clears = self.words.first().is_some_and(|word| word == "clear");
        let nothing_to_clear =
            if clears { ", and there is nothing to clear: what is in the log is known again" } else { "" };
        Err(OldVerbError::ToLocal(nothing_to_clear).into())
    }
}
