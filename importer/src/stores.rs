//! A RocksDB of the existing scheduler, opened to read it alone: without a lock, beside a scheduler that runs. What RocksDB
//! notes of that goes to a folder of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rocksdb::{DB, Options};
use tempfile::TempDir;
use thiserror::Error;

/// How often it is opened, and the pause between: a scheduler that runs may delete a file that is about to be opened.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Such a store, as it was when it was opened.
pub(crate) struct ForeignStore {
    db: DB,
    _notes: TempDir,
}

/// Why a store is not read.
#[derive(Debug, Error)]
pub enum ForeignStoreError {
    /// It cannot be opened.
    #[error("{variable}: no store of the existing scheduler can be read in {}", .path.display())]
    Open {
        /// The variable that names it.
        variable: &'static str,
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        error: rocksdb::Error,
    },
    /// It is another one.
    #[error("{variable}: the store in {} has no table {table}, which that of the existing scheduler has", .path.display())]
    Table {
        /// The variable that names it.
        variable: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is missing.
        table: &'static str,
    },
    /// There is no place for what RocksDB notes.
    #[error("a temporary folder cannot be made")]
    Notes(#[source] io::Error),
}

impl ForeignStore {
    pub(crate) fn open(variable: &'static str, path: &Path) -> Result<Self, ForeignStoreError> {
        let notes = TempDir::new().map_err(ForeignStoreError::Notes)?;
        let mut options = Options::default();
        options.set_db_log_dir(notes.path());
        // All files are opened at once, and stay: a scheduler that runs deletes those that it has merged. Bytes in files of
        // their own are never merged there.
        options.set_max_open_files(-1);
        let open = || {
            // Of versions that had fewer tables, all that there are.
            let tables = DB::list_cf(&options, path)?;
            DB::open_cf_for_read_only(&options, path, tables, false)
        };
        let mut opened = open();
        for _ in 1..ATTEMPTS {
            if opened.is_ok() || !path.join("CURRENT").exists() {
                break;
            }
            thread::sleep(PAUSE);
            opened = open();
        }
        let failed = |error| ForeignStoreError::Open { variable, path: path.to_owned(), error };
        Ok(Self { db: opened.map_err(failed)?, _notes: notes })
    }

    pub(crate) fn db(&self) -> &DB {
        &self.db
    }
}
