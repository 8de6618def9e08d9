//! The checkpoints of a running node: made when they are asked for, kept for an hour or while they are read, and two of them
//! at most.
//!
//! They are on the file system of the log, where they take room only for what the log itself has given up meanwhile. What
//! an earlier run of the node left is removed at the start.

mod kept;
mod pace;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant, SystemTime};

use log::{
    CheckpointError, FolderContents, FolderError, FolderOwner, LocalLog, Log, Rocks, RocksError,
    folder_owner, mark_folder,
};
use thiserror::Error;
use tracing::{info, warn};
use uuid::Uuid;

use crate::hash::{FileHash, HashError};
pub use kept::{CheckpointFile, KeptCheckpoint};
use pace::CheckpointPace;

/// What their folder is marked for.
const HOLDS: &str = "checkpoints";
/// How many there may be.
const KEPT_MAX: usize = 2;
/// How long each is kept.
const KEPT_FOR: Duration = Duration::from_secs(3600);
/// One that nobody has read from for so long makes way for another, or goes when it is old.
const UNUSED_AFTER: Duration = Duration::from_secs(300);

/// What a checkpoint is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointId(pub Uuid);

/// Makes checkpoints of a log, and keeps them.
#[derive(Clone)]
pub struct Checkpoints(Arc<Shared>);

struct Shared {
    log: Arc<LocalLog<Rocks>>,
    folder: PathBuf,
    kept: Mutex<Vec<Arc<KeptCheckpoint>>>,
    /// Held by whoever makes one: the hashes of files that never change.
    making: Mutex<Hashes>,
}

/// How much room there must be on the disk of the log.
const ROOM_MIN: u64 = 64 << 20;

type Hashes = HashMap<(String, u64, SystemTime), FileHash>;

/// Why there is no checkpoint.
#[derive(Debug, Error)]
pub enum CheckpointsError {
    /// There are as many as may be, and all are in use; or one is being made.
    #[error("{0}")]
    Busy(&'static str),
    /// There is none of this name.
    #[error("there is no checkpoint {}: each is kept for an hour, or while it is read, and until the node stops", .0.0)]
    Missing(CheckpointId),
    /// It has no such file.
    #[error("the checkpoint has no file {0}")]
    NoFile(String),
    /// The disk is too full for one.
    #[error(
        "there are {room} bytes left on the disk of the log, and a checkpoint is made with {ROOM_MIN} or more"
    )]
    NoRoom {
        /// How much room there is.
        room: u64,
    },
    /// Something else is in their folder.
    #[error("{} is not used for checkpoints, since there is {found}", .path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// What is there.
        found: FolderContents,
    },
    /// Their folder cannot be looked at or made.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// It was not made.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Its files cannot be read, or are not wanted any more.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// Its files cannot be read.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
}

impl Checkpoints {
    /// Keeps checkpoints of this log in a folder, which must be on the same file system. What is left there of earlier ones
    /// is removed.
    pub fn open(log: Arc<LocalLog<Rocks>>, folder: PathBuf) -> Self {
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        let shared = Shared { log, folder, kept: Mutex::default(), making: Mutex::default() };
        shared.clear();
        Self(Arc::new(shared))
    }

    /// Whether a folder may be used for them: it is missing, empty or ours. Nothing is written.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn is_ours(folder: &Path) -> Result<bool, FolderError> {
        Ok(!matches!(folder_owner(folder, HOLDS)?, FolderOwner::Unknown(_)))
    }

    /// Makes a checkpoint, or finds the one that has this id already. Blocks until its files are read once; not for long
    /// if most of them have been read before.
    ///
    /// # Errors
    /// When it cannot be made, or nobody wants it any more.
    pub fn make(
        &self,
        id: CheckpointId,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Arc<KeptCheckpoint>, CheckpointsError> {
        let busy = CheckpointsError::Busy("another checkpoint is being made at the moment");
        let mut hashes = match self.0.making.try_lock() {
            Ok(hashes) => hashes,
            // What a panic left of the hashes is right as far as it goes.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(busy),
        };
        if let Ok(kept) = self.get(id) {
            return Ok(kept);
        }
        self.0.make_room()?;
        let made = self.0.make(id, &mut hashes, go_on);
        if made.is_err() {
            self.0.remove_folder(id);
        }
        made
    }

    /// Those that there are, the oldest first.
    pub fn list(&self) -> Vec<Arc<KeptCheckpoint>> {
        self.expire();
        self.0.kept().clone()
    }

    /// The checkpoint of this id.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, id: CheckpointId) -> Result<Arc<KeptCheckpoint>, CheckpointsError> {
        self.expire();
        self.0.kept().iter().find(|kept| kept.id == id).cloned().ok_or(CheckpointsError::Missing(id))
    }

    /// Removes a checkpoint. Who reads a file of it at the moment may go on with that.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove(&self, id: CheckpointId) -> Result<(), CheckpointsError> {
        let removed = self.0.take(|kept| kept.id == id);
        if removed == 0 { Err(CheckpointsError::Missing(id)) } else { Ok(()) }
    }

    /// Removes those that are too old, and not in use.
    pub fn expire(&self) {
        self.0.expire(KEPT_FOR, UNUSED_AFTER);
    }

    /// Removes all.
    pub fn remove_all(&self) {
        self.0.take(|_| true);
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Vec<Arc<KeptCheckpoint>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes those that are chosen; how many it were.
    fn take(&self, choose: impl Fn(&Arc<KeptCheckpoint>) -> bool) -> usize {
        let chosen: Vec<_> = self.kept().extract_if(.., |kept| choose(kept)).collect();
        for kept in &chosen {
            self.remove_folder(kept.id);
            info!(id = %kept.id.0, "removed a checkpoint");
        }
        chosen.len()
    }

    fn expire(&self, kept_for: Duration, unused_for: Duration) {
        self.take(|kept| kept.made.elapsed() >= kept_for && is_given_up(kept, unused_for));
    }

    /// Refuses a further one while all that there are are in use.
    fn make_room(&self) -> Result<(), CheckpointsError> {
        let mut kept = self.kept();
        if kept.len() < KEPT_MAX {
            return Ok(());
        }
        let unused = kept.iter().position(|kept| is_given_up(kept, UNUSED_AFTER));
        let all_used =
            "there are two checkpoints already, and both are in use; remove one, or come again later";
        let unused = unused.ok_or(CheckpointsError::Busy(all_used))?;
        let removed = kept.remove(unused);
        drop(kept);
        self.remove_folder(removed.id);
        info!(id = %removed.id.0, "removed a checkpoint that nobody reads");
        Ok(())
    }

    fn make(
        &self,
        id: CheckpointId,
        hashes: &mut Hashes,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Arc<KeptCheckpoint>, CheckpointsError> {
        let started = Instant::now();
        self.claim_folder()?;
        let folder = self.path(id);
        self.check_room()?;
        let contents = self.log.checkpoint(&folder)?;
        let pace = CheckpointPace::new();
        let paced = || {
            pace.rest();
            go_on()
        };
        let files = read_files(&folder, hashes, &paced)?;
        let bytes: u64 = files.iter().map(|file| file.size).sum();
        let milliseconds = started.elapsed().as_millis();
        info!(id = %id.0, events = contents.events, bytes, milliseconds, "made a checkpoint");
        let kept = Arc::new(KeptCheckpoint::new(id, folder, contents, files));
        self.kept().push(kept.clone());
        Ok(kept)
    }

    /// Before it is made, all that is in memory goes to new files: if there was no room for these, the log would take no more
    /// writes.
    fn check_room(&self) -> Result<(), CheckpointsError> {
        let path = self.log.engine().path();
        let failed =
            |error: rustix::io::Errno| CheckpointsError::Io { path: path.to_owned(), error: error.into() };
        let room = rustix::fs::statvfs(path).map_err(failed)?;
        let room = room.f_bavail.saturating_mul(room.f_frsize);
        if room < ROOM_MIN { Err(CheckpointsError::NoRoom { room }) } else { Ok(()) }
    }

    fn path(&self, id: CheckpointId) -> PathBuf {
        self.folder.join(id.0.to_string())
    }

    fn claim_folder(&self) -> Result<(), CheckpointsError> {
        match folder_owner(&self.folder, HOLDS)? {
            FolderOwner::Store(_) => Ok(()),
            FolderOwner::Nobody => Ok(mark_folder(&self.folder, HOLDS, self.log.identity().store)?),
            FolderOwner::Unknown(found) => {
                Err(CheckpointsError::NotOurs { path: self.folder.clone(), found })
            }
        }
    }

    /// Removes what is left of checkpoints: folders in ours that have the name of one.
    fn clear(&self) {
        if !matches!(folder_owner(&self.folder, HOLDS), Ok(FolderOwner::Store(_))) {
            return;
        }
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            let of = Rocks::unfinished_copy(name).unwrap_or(name);
            if Uuid::parse_str(of).is_ok_and(|id| id.to_string() == of) {
                removed(&entry.path(), Rocks::remove_copy(&entry.path()));
            }
        }
    }

    fn remove_folder(&self, id: CheckpointId) {
        let path = self.path(id);
        removed(&path, Rocks::remove_copy(&path));
    }
}

/// Whether nobody reads a checkpoint, nor has for so long.
fn is_given_up(kept: &Arc<KeptCheckpoint>, unused_for: Duration) -> bool {
    Arc::strong_count(kept) == 1 && kept.is_unused(unused_for)
}

fn removed(path: &Path, removed: Result<(), RocksError>) {
    if let Err(error) = removed {
        warn!(%error, "cannot remove what is left of a checkpoint, {}", path.display());
    }
}

/// The files of a checkpoint. Those that never change have been read before, or are read once.
fn read_files(
    folder: &Path,
    hashes: &mut Hashes,
    go_on: &dyn Fn() -> bool,
) -> Result<Vec<CheckpointFile>, CheckpointsError> {
    let failed = |error| CheckpointsError::Io { path: folder.to_owned(), error };
    let mut files = Vec::new();
    let mut known = Hashes::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (metadata, path) = (entry.metadata().map_err(failed)?, entry.path());
        // All of them have names of ours, which are ASCII.
        let name = entry.file_name().to_string_lossy().into_owned();
        let never_changes = name.ends_with(".sst") || name.ends_with(".blob");
        let key = (name.clone(), metadata.len(), metadata.modified().map_err(failed)?);
        let hash = match hashes.get(&key).filter(|_| never_changes) {
            Some(hash) => *hash,
            None => FileHash::of(&path, go_on)?,
        };
        if never_changes {
            known.insert(key.clone(), hash);
            hashes.insert(key, hash);
        }
        files.push(CheckpointFile { name, size: metadata.len(), sha256: hash });
    }
    // What the log has no longer is forgotten.
    *hashes = known;
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

#[cfg(test)]
mod tests;
