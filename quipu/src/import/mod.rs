//! `quipu import`: takes over what the existing scheduler has stored.

mod disk;
mod mark;
mod old_verbs;
mod shown;
mod sources;
mod turns;

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::{ArgAction, Args};
use gateway::{EndpointError, GatewayError};
use importer::{
    ForeignStoreError, ImportError, ImportOptions, ImportReport, ImportScope, ImportSummary, ImportTarget,
    PostgresSourceError, RowRange, Source, TenantError, UrlSourceError, WaitingGatewayError, import,
};
use log::{LocalLog, OpenError, Rocks, RocksError, StoreMemory};
use node::{DataFolderError, DataPaths, LeadershipError, check_data_folder, check_role_blocking};
use projections::DatabaseUrlError;
use protocol::ProcessId;

use crate::failure::Failure;
use crate::output::{counted, processes};
use crate::stderr::say;
use disk::watched;
use mark::ImportMark;
pub use mark::ImportMarkError;
pub use old_verbs::{MigrateToDiskArgs, MigrateToLocalArgs, OldVerbError, ReuploadBundlesArgs};
use shown::{ImportShown, tell};
pub use sources::ProcessFileError;
use sources::SourceArgs;
pub(crate) use sources::read_processes;
use turns::ImportTurn;
pub use turns::TurnError;

const EXAMPLES: &str = "\
The source is only read, from one snapshot. What it has is kept as it was, flaws too, and each row ends in the log or in the \
report. Killed anywhere, the same command goes on; run again after the source has grown, it takes what is new. Before the \
last time stop the existing scheduler. Then start the node there: SU_DATA_DIR=DIR quipu su, with the wallet as before.

Parts may be started at once, in several terminals: one is at work, with all processors, and the others wait for their \
turn, those with the lowest rows first. A process goes into the log in its order: parts by --process come in any order, of \
those by --range the one with the lowest nonces has to be started first, and after them the same command without it: until \
all is there no node starts on the folder. Rows of messages are what --range numbers, in each \
database of its own; a process comes with its messages.

Examples:
  quipu import --from postgres --plan                         counts, and tells every flaw
  quipu import --from postgres --to ./data --report flaws.jsonl
  quipu import --from local-store --to ./data    SU_FILE_DB_DIR and SU_INDEX_DB_DIR are set
  quipu import --from tenants --to ./data        with the variables of the scheduler
  quipu import --from url --url http://su.example --to ./data --processes ids.txt
  quipu import --from postgres --to ./data --process $P
  quipu import --from postgres --to ./data --range 0-100000   rows by their row_id

Exit codes: 0 all rows are in the log, 1 failed, 2 wrong usage or setting, 3 done, but rows are not in the log.";

/// How often a log that is in use is looked at again, and the pause between.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// Take over what the existing scheduler has stored
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportArgs {
    #[command(flatten)]
    source: SourceArgs,

    /// The data folder that it goes to: one that is missing, empty, or was imported to before
    #[arg(long, value_name = "DIR", required_unless_present = "plan")]
    to: Option<PathBuf>,

    /// Do all but write: count the rows, and tell what is wrong with them
    #[arg(long, conflicts_with = "to")]
    plan: bool,

    /// Messages in the rows with these numbers alone: FIRST-LAST, or FIRST for all from there on
    #[arg(long, value_name = "RANGE")]
    range: Option<RowRange>,

    /// This process alone; more than once for several
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    process: Vec<ProcessId>,

    /// The processes in this file alone, an id on each line
    #[arg(long, value_name = "FILE")]
    processes: Option<PathBuf>,

    /// Whether signatures are verified; wrong ones are told, and kept
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true)]
    signatures: bool,

    /// Leave out for good what JSON does not show and the gateway does not have; without it the process ends there for now,
    /// and the same command goes on once the gateway has it
    #[arg(long)]
    pass_missing: bool,

    /// Add each flaw, and each row that is not in the log, to this file as a line of JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// Why nothing was imported, or not all.
#[derive(Debug, thiserror::Error)]
pub enum ImportCommandError {
    /// A setting that the source needs is missing.
    #[error("{0}")]
    Missing(&'static str),
    /// There is no byte store where one has to be.
    #[error(
        "USE_DISK=true says that the scheduler has a byte store, and {}: its content hashes would be lost for good, and with them \
         what keeps duplicates out. SU_DATA_DIR (--su-data-dir) names it; USE_DISK=false imports without one",
        .0.as_ref().map_or("SU_DATA_DIR is not set".to_owned(), |folder| format!("there is none in {}", folder.display()))
    )]
    NoByteStore(Option<PathBuf>),
    /// The same of the tenants.
    #[error(
        "USE_DISK=true says that the tenants have byte stores, and MULTI_TENANT_BASE_DATA_DIR is not set: their content hashes \
         would be lost for good, and with them what keeps duplicates out. MULTI_TENANT_BASE_DATA_DIR \
         (--multi-tenant-base-data-dir) names the folder that they are in; USE_DISK=false imports without them"
    )]
    NoTenantStores,
    /// The file of processes cannot be used.
    #[error(transparent)]
    Processes(#[from] ProcessFileError),
    /// The address of a service cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A list cannot be fetched.
    #[error(transparent)]
    List(#[from] GatewayError),
    /// Tenants are not read.
    #[error(transparent)]
    Tenants(#[from] TenantError),
    /// A scheduler is not asked.
    #[error(transparent)]
    Scheduler(#[from] UrlSourceError),
    /// A gateway is not asked.
    #[error(transparent)]
    Gateway(#[from] WaitingGatewayError),
    /// The address of the database cannot be used.
    #[error(transparent)]
    Url(#[from] DatabaseUrlError),
    /// The database is not read.
    #[error(transparent)]
    Postgres(#[from] PostgresSourceError),
    /// A store is not read.
    #[error(transparent)]
    ForeignStore(#[from] ForeignStoreError),
    /// The folder has something else in it.
    #[error("--to names a folder that cannot be used")]
    Folder(#[from] DataFolderError),
    /// The log in it is another node's.
    #[error(
        "nothing is imported into a log that follows another one: it would have what the other has not. Import into that of the leader"
    )]
    Follows(#[source] LeadershipError),
    /// A node has the folder.
    #[error("a node is using the log in {}: stop it first", .0.display())]
    InUse(PathBuf),
    /// Turns cannot be taken.
    #[error(transparent)]
    Turn(#[from] TurnError),
    /// It cannot be said that it is underway.
    #[error(transparent)]
    Mark(#[from] ImportMarkError),
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
    Import(#[source] ImportError),
    /// A plan ended early.
    #[error(transparent)]
    Plan(ImportError),
    /// It is done, but for some rows.
    #[error(
        "not in the log: {}, each of which --report names; where the source can be repaired, repair it and import into a new folder, \
         for a log takes nothing in before what it has", counted(*.0, "row")
    )]
    LeftOut(u64),
    /// The same of a plan.
    #[error("an import would leave out {}, each of which --report names", counted(*.0, "row"))]
    WouldLeaveOut(u64),
    /// It is done, but for what the source or a gateway may serve later.
    #[error(
        "not in the log yet: {}, since the source or the gateway does not serve now what they need. The same command goes on \
         once that is served; until then no node starts on the folder. --pass-missing leaves such rows out for good",
        counted(*.0, "row")
    )]
    Awaited(u64),
    /// It is done, but what was asked for is not there.
    #[error("the source has nothing of {}: {}", processes(*.count), .first.join(", "))]
    Absent {
        /// How many processes.
        count: u64,
        /// The first of them.
        first: Vec<String>,
    },
}

impl ImportArgs {
    /// Imports; what became of the rows goes to `out`, progress to standard error.
    ///
    /// # Errors
    /// When it does not come to its end, or rows are not in the log.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        self.source.check(self.range.is_some(), !self.process.is_empty() || self.processes.is_some())?;
        let (mut source, _turn) = self.source_in_turn()?;
        let summary = self.import(source.as_mut())?;
        tell(&summary, self.plan, self.json, out)?;
        match (summary.left_out, summary.absent) {
            (0, 0) => Ok(()),
            _ if summary.awaited > 0 => Err(ImportCommandError::Awaited(summary.awaited).into()),
            (0, count) => Err(ImportCommandError::Absent { count, first: summary.first_absent }.into()),
            (rows, _) if self.plan => Err(ImportCommandError::WouldLeaveOut(rows).into()),
            (rows, _) => Err(ImportCommandError::LeftOut(rows).into()),
        }
    }

    /// The source, once no other import into the folder is at work. Nothing is held of it while this one waits.
    fn source_in_turn(&self) -> Result<(Box<dyn Source>, Option<ImportTurn>), ImportCommandError> {
        let source = self.source.open(self.to.as_deref())?;
        let Some(folder) = &self.to else { return Ok((source, None)) };
        check_folder(&DataPaths::in_folder(folder.clone()))?;
        let first_row = self.range.map_or(0, |range| range.first);
        if let Some(turn) = ImportTurn::take(folder, first_row)? {
            return Ok((source, Some(turn)));
        }
        drop(source);
        say(format_args!("waiting for the end of another import into {}", folder.display()));
        let turn = ImportTurn::wait(folder, first_row)?;
        Ok((self.source.open(Some(folder))?, Some(turn)))
    }

    fn import(&self, source: &mut dyn Source) -> Result<ImportSummary, ImportCommandError> {
        let mut processes = self.process.clone();
        if let Some(path) = &self.processes {
            processes.extend(read_processes(path)?);
        }
        processes.sort_unstable();
        processes.dedup();
        let log = self.to.as_deref().map(open_log).transpose()?;
        let mark = self
            .to
            .as_deref()
            .map(|folder| ImportMark::set(folder, &source.name(), &processes))
            .transpose()?;
        let target = log.as_ref().map(|log| log as &dyn ImportTarget);
        let mut lines = self.report.as_deref().map(report_file).transpose()?;
        let report = ImportReport::new(lines.as_mut().map(|lines| lines as &mut dyn Write));
        let options = ImportOptions {
            scope: ImportScope { processes, rows: self.range },
            verify: self.signatures,
            elsewhere: self.source.elsewhere()?,
            pass_missing: self.pass_missing,
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        };
        let mut shown = ImportShown::new(&source.name(), self.plan);
        let import = || import(source, target, &options, report, &mut |progress| shown.show(progress));
        let imported = match (&log, &self.to) {
            (Some(log), Some(folder)) => watched(log, folder, import),
            _ => import(),
        };
        let ended = if self.plan { ImportCommandError::Plan } else { ImportCommandError::Import };
        let summary = imported.map_err(ended)?;
        // Of a part by rows nobody knows whether the others are there, and of what a gateway may have later it is not.
        if self.range.is_none() && summary.awaited == 0 {
            let left = mark.map(ImportMark::done).transpose()?.flatten();
            if let Some(left) = left {
                say(format_args!(
                    "another import into the folder has not come to its end, that of {left}: no node starts before"
                ));
            }
        }
        Ok(summary)
    }
}

/// Refuses a folder with something else in it, and one whose log is another node's. Nothing is written.
fn check_folder(paths: &DataPaths) -> Result<(), ImportCommandError> {
    check_data_folder(paths)?;
    check_role_blocking(paths).map_err(ImportCommandError::Follows)
}

/// The log of a data folder, which nobody else has open.
fn open_log(folder: &Path) -> Result<LocalLog<Rocks>, ImportCommandError> {
    let paths = DataPaths::in_folder(folder.to_owned());
    check_folder(&paths)?;
    let path = paths.log;
    // An import before this one that was killed gives its locks back one by one.
    let mut attempts = ATTEMPTS;
    while path.exists() && Rocks::is_in_use(&path)? {
        attempts = attempts.checked_sub(1).ok_or_else(|| ImportCommandError::InUse(path.clone()))?;
        thread::sleep(PAUSE);
    }
    let store = Rocks::open(&path, &StoreMemory::default())?;
    LocalLog::open(store, None).map_err(|error| ImportCommandError::Log { path, error })
}

/// The report, at its end: of what is in the log by now the runs before have told.
fn report_file(path: &Path) -> Result<BufWriter<File>, ImportCommandError> {
    let opened = || {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut last = [b'\n'];
        if file.metadata()?.len() > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        // A line that a kill broke off spoils no other.
        if last != [b'\n'] {
            file.write_all(b"\n")?;
        }
        Ok(BufWriter::new(file))
    };
    opened().map_err(|error| ImportCommandError::Report { path: path.to_owned(), error })
}
