//! A backup as the log of a node: a new life of the store, in a term that no other had.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use log::{
    Fact, FolderOwner, Identity, LocalLog, Log, NodeId, Promotion, Rocks, Seq, StoreMemory, Term,
    folder_owner,
};

use crate::error::BackupError;
use crate::files::{OnBytes, copy_whole, make_folder, sync_folder};
use crate::folder::BackupFolder;
use crate::manifest::{Manifest, ManifestFile};
use crate::place::PlaceLock;
use crate::source::{CopySource, contents_of, read_file};
use crate::unfinished;

/// What is made in the folder until it is whole.
const RESTORING: &str = "log.restoring";
/// The file that is there while somebody works on it.
const LOCK: &str = "log.restoring.lock";
/// A restored log begins a term that is a multiple of this. Whoever led after the backup was made raised the term by one
/// each time; none of those may count as the same or a later one.
const TERM_STEP: u64 = 1000;

/// A log that was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Which store it is, and in which term it goes on.
    pub identity: Identity,
    /// How many events it has, the beginning of the term among them.
    pub events: u64,
}

/// The files of a backup, by the names that they have in a log.
struct BackupFiles<'a> {
    folder: &'a BackupFolder,
    manifest: &'a Manifest,
}

impl CopySource for BackupFiles<'_> {
    fn manifest(&self) -> &Manifest {
        self.manifest
    }

    fn read(
        &self,
        file: &ManifestFile,
        take: &mut dyn FnMut(&[u8]) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        read_file(&self.folder.file(file.sha256), take)
    }
}

impl BackupFolder {
    /// Makes the data folder of a node of a backup: its log goes on in a new term, which begins with who took it upon them.
    ///
    /// # Errors
    /// When there is something in the folder, or the backup is damaged. Then no log is there.
    pub fn restore(
        &self,
        manifest: &Manifest,
        to: &Path,
        forced_by: &str,
        on_bytes: &mut OnBytes<'_>,
    ) -> Result<Restored, BackupError> {
        let fresh = to.join(RESTORING);
        check_empty(to)?;
        make_folder(to)?;
        let _lock = PlaceLock::take(to.join(LOCK), to)?;
        // Somebody else may have finished one before.
        check_empty(to)?;
        // What an attempt left that was killed.
        clear(&fresh)?;
        let restored = self.restore_in(manifest, &fresh, forced_by, on_bytes).and_then(|restored| {
            fs::rename(&fresh, to.join("log")).map_err(|error| BackupError::io(to, error))?;
            sync_folder(to).map_err(|error| BackupError::io(to, error))?;
            // In a log it means nothing.
            let _ = unfinished::unmark(&to.join("log"));
            Ok(restored)
        });
        if restored.is_err() {
            // The reason is told; what is left of it would be cleared by the next attempt.
            let _ = clear(&fresh);
        }
        restored
    }

    fn restore_in(
        &self,
        manifest: &Manifest,
        fresh: &Path,
        forced_by: &str,
        on_bytes: &mut OnBytes<'_>,
    ) -> Result<Restored, BackupError> {
        unfinished::begin(fresh)?;
        let source = BackupFiles { folder: self, manifest };
        for file in &manifest.files {
            let target = fresh.join(&file.name);
            copy_whole(&source, file, &target.with_added_extension("new"), &target, on_bytes)?;
        }
        sync_folder(fresh).map_err(|error| BackupError::io(fresh, error))?;
        manifest.check_contents(&contents_of(fresh)?, fresh)?;
        begin_term(fresh, forced_by)
    }
}

/// Appends the beginning of a new term.
fn begin_term(log: &Path, forced_by: &str) -> Result<Restored, BackupError> {
    let log = LocalLog::open(Rocks::open(log, &StoreMemory::default())?, None)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let term = next_term(log.identity().term, u64::try_from(now.as_millis()).unwrap_or_default());
    let promotion = Promotion {
        term,
        owner: NodeId::random(),
        promises: Vec::new(),
        forced_by: Some(forced_by.to_owned()),
    };
    let receipt = log.enqueue(term, vec![Fact::Promotion(promotion).append()])?;
    if log.is_held() {
        // Nobody else keeps this log any more.
        log.release(Seq::new(u64::MAX));
    }
    let last = receipt.wait()?;
    if log.is_held() {
        log.hold(false)?.wait()?;
    }
    Ok(Restored { identity: log.identity(), events: last.next().get() })
}

/// A term that no other life of the store has: neither who led after the backup was made, nor what was restored of the same
/// store before.
fn next_term(term: Term, now_ms: u64) -> Term {
    let after = term.0.saturating_div(TERM_STEP).saturating_add(1);
    Term(after.max(now_ms).saturating_mul(TERM_STEP))
}

/// Refuses a folder with anything in it but what an attempt left that was killed.
fn check_empty(to: &Path) -> Result<(), BackupError> {
    let found = match folder_owner(to, "data")? {
        FolderOwner::Nobody => return Ok(()),
        FolderOwner::Unknown(found) if !found.is_marked() => {
            found.besides(|name| name == RESTORING || name == LOCK)
        }
        FolderOwner::Unknown(found) => Some(found),
        FolderOwner::Store(store) => {
            return Err(BackupError::DataFolder { path: to.to_owned(), store: store.to_string() });
        }
    };
    match found {
        Some(found) => Err(BackupError::NotOurs { path: to.to_owned(), wanted: "a restored log", found }),
        None => Ok(()),
    }
}

fn clear(fresh: &Path) -> Result<(), BackupError> {
    unfinished::remove(fresh, |name| Rocks::is_file_of_store(name.strip_suffix(".new").unwrap_or(name)))
}
