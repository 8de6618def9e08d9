//! `quipu import`: takes over what the existing scheduler has stored.

mod old_verbs;
mod shown;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use clap::{ArgAction, Args, ValueEnum};
use importer::{
    ImportError, ImportOptions, ImportReport, ImportScope, ImportSummary, ImportTarget, LocalStoreError,
    LocalStoreSource, PostgresSource, PostgresSourceError, RowRange, Source, import,
};
use log::{LocalLog, OpenError, Rocks, RocksError, StoreMemory};
use node::{DataFolderError, DataPaths, check_data_folder};
use projections::{DatabaseUrl, DatabaseUrlError};
use protocol::ProcessId;

use crate::failure::Failure;
pub use old_verbs::{MigrateToDiskArgs, MigrateToLocalArgs, OldVerbError};
use shown::{ImportShown, tell};

const EXAMPLES: &str = "\
The source is only read, from one snapshot. What it has is kept as it was, flaws too, and each row ends in the log or in the \
report. Killed anywhere, the same command goes on; run again after the source has grown, it takes what is new. Before the \
last time stop the existing scheduler. Then start the node there: SU_DATA_DIR=DIR quipu su, with the wallet as before.

Examples:
  quipu import --from postgres --plan                         counts, and tells every flaw
  quipu import --from postgres --to ./data --report flaws.jsonl
  quipu import --from local-store --to ./data         SU_FILE_DB_DIR and SU_INDEX_DB_DIR are set
  quipu import --from postgres --to ./data --process $P
  quipu import --from postgres --to ./data --range 0-100000   rows by their row_id

Exit codes: 0 all rows are in the log, 1 failed, 2 wrong usage or setting, 3 done, but rows are not in the log.";

/// Take over what the existing scheduler has stored
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportArgs {
    /// What it is stored in
    #[arg(long, value_name = "KIND")]
    from: SourceKind,

    /// The data folder that it goes to: one that is missing, empty, or was imported to before
    #[arg(long, value_name = "DIR", required_unless_present = "plan")]
    to: Option<PathBuf>,

    /// Do all but write: count the rows, and tell what is wrong with them
    #[arg(long, conflicts_with = "to")]
    plan: bool,

    /// The database, for --from postgres: the one that is written to, for a replica may lag behind
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,

    /// The folder with the stored bytes, for --from local-store
    #[arg(long, env, value_name = "DIR")]
    su_file_db_dir: Option<PathBuf>,

    /// The folder with the index, for --from local-store
    #[arg(long, env, value_name = "DIR")]
    su_index_db_dir: Option<PathBuf>,

    /// Rows with these numbers alone: FIRST-LAST, or FIRST for all from there on
    #[arg(long, value_name = "RANGE")]
    range: Option<RowRange>,

    /// This process alone; more than once for several
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    process: Vec<ProcessId>,

    /// Whether signatures are verified; wrong ones are told, and kept
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true)]
    signatures: bool,

    /// Write each flaw, and each row that is not in the log, to this file as a line of JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// What the existing scheduler stores in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SourceKind {
    /// A database
    Postgres,
    /// Its local store
    LocalStore,
}

/// Why nothing was imported, or not all.
#[derive(Debug, thiserror::Error)]
pub enum ImportCommandError {
    /// No database is named.
    #[error("--from postgres needs the database: DATABASE_URL, or --database-url")]
    NoDatabase,
    /// The address of the database cannot be used.
    #[error(transparent)]
    Url(#[from] DatabaseUrlError),
    /// The database is not read.
    #[error(transparent)]
    Postgres(#[from] PostgresSourceError),
    /// No local store is named.
    #[error(
        "--from local-store needs both of its folders: SU_FILE_DB_DIR and SU_INDEX_DB_DIR, or --su-file-db-dir and --su-index-db-dir"
    )]
    NoLocalStore,
    /// The local store is not read.
    #[error(transparent)]
    LocalStore(#[from] LocalStoreError),
    /// The folder has something else in it.
    #[error("--to names a folder that cannot be used")]
    Folder(#[from] DataFolderError),
    /// A node has the folder.
    #[error("a node is using the log in {}: stop it first", .0.display())]
    InUse(PathBuf),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] RocksError),
    /// The log cannot be opened.
    #[error("the log in {} cannot be opened", .path.display())]
    Log {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        error: OpenError,
    },
    /// The report cannot be made.
    #[error("the report {} cannot be written", .path.display())]
    Report {
        /// Where it was to be.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// It ended early.
    #[error("what was imported stays, and the same command goes on from there")]
    Import(#[from] ImportError),
    /// It is done, but for some rows.
    #[error("{0} rows are not in the log: --report names each")]
    LeftOut(u64),
}

impl ImportCommandError {
    /// Whether a setting is wrong.
    pub fn is_wrong_setting(&self) -> bool {
        matches!(self, Self::NoDatabase | Self::NoLocalStore | Self::Url(_))
    }
}

impl ImportArgs {
    /// Imports; what became of the rows goes to `out`, progress to standard error.
    ///
    /// # Errors
    /// When it does not come to its end, or rows are not in the log.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let mut source = self.source()?;
        let summary = self.import(source.as_mut())?;
        tell(&summary, self.plan, self.json, out)?;
        if summary.is_complete() { Ok(()) } else { Err(ImportCommandError::LeftOut(summary.left_out).into()) }
    }

    fn source(&self) -> Result<Box<dyn Source>, ImportCommandError> {
        match self.from {
            SourceKind::Postgres => {
                let url = self.database_url.as_deref().ok_or(ImportCommandError::NoDatabase)?;
                Ok(Box::new(PostgresSource::open(&DatabaseUrl::parse("DATABASE_URL", url)?)?))
            }
            SourceKind::LocalStore => match (&self.su_file_db_dir, &self.su_index_db_dir) {
                (Some(files), Some(index)) => Ok(Box::new(LocalStoreSource::open(files, index)?)),
                _ => Err(ImportCommandError::NoLocalStore),
            },
        }
    }

    fn import(&self, source: &mut dyn Source) -> Result<ImportSummary, ImportCommandError> {
        let log = self.to.as_deref().map(open_log).transpose()?;
        let target = log.as_ref().map(|log| log as &dyn ImportTarget);
        let mut lines = self.report.as_deref().map(report_file).transpose()?;
        let report = ImportReport::new(lines.as_mut().map(|lines| lines as &mut dyn Write));
        let options = ImportOptions {
            scope: ImportScope { processes: self.process.clone(), rows: self.range },
            verify: self.signatures,
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        };
        let mut shown = ImportShown::new(&source.name());
        let imported = import(source, target, &options, report, &mut |progress| shown.show(progress));
        Ok(imported?)
    }
}

/// The log of a data folder, which nobody else has open.
fn open_log(folder: &Path) -> Result<LocalLog<Rocks>, ImportCommandError> {
    let paths = DataPaths::in_folder(folder.to_owned());
    check_data_folder(&paths)?;
    let path = paths.log;
    if path.exists() && Rocks::is_in_use(&path)? {
        return Err(ImportCommandError::InUse(path));
    }
    let store = Rocks::open(&path, &StoreMemory::default())?;
    LocalLog::open(store, None).map_err(|error| ImportCommandError::Log { path, error })
}

fn report_file(path: &Path) -> Result<BufWriter<File>, ImportCommandError> {
    let made = File::create(path).map(BufWriter::new);
    made.map_err(|error| ImportCommandError::Report { path: path.to_owned(), error })
}
