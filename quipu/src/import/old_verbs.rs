//! The commands of the existing scheduler's tool that copied stores: what to type instead.

use clap::Args;

use crate::failure::Failure;

const DISK_EXAMPLES: &str = "\
Example:
  quipu import --from postgres --to ./data --range 0-100000    instead of migrate_to_disk 0-100000";
const LOCAL_EXAMPLES: &str = "\
Example:
  quipu import --from postgres --to ./data    instead of migrate_to_local";

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

/// What to type instead of an old command.
#[derive(Debug, thiserror::Error)]
pub enum OldVerbError {
    /// Of blobs into a byte store.
    #[error(
        "migrate_to_disk copied blobs from Postgres into a byte store, which a node here has not: its log holds all. Type \
         quipu import --from postgres --to DIR{0} instead"
    )]
    ToDisk(String),
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
        let range = self.words.first().map(|range| format!(" --range {range}")).unwrap_or_default();
        Err(OldVerbError::ToDisk(range).into())
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
