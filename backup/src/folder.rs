//! A folder of backups.
//!
//! ```text
//! QUIPU              that it is ours, and of which store
//! files/SHA256       what backups consist of, each file once
//! backups/N.json     a backup: which log it is, and its files; written last
//! incoming/          files on their way
//! ```
//!
//! What is in `files` never changes, so that a backup takes what is new alone. A kill leaves files that no backup has, which
//! the next backup uses, or `prune` removes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use log::{FolderOwner, StoreId, folder_owner, mark_folder, mark_in};

use crate::error::BackupError;
use crate::files::{OnBytes, copy_whole, make_folder, sync_folder};
use crate::hash::FileHash;
use crate::manifest::Manifest;
use crate::source::CopySource;

/// What such a folder is marked for.
const HOLDS: &str = "backups";

/// The number of a backup in its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackupId(pub u64);

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for BackupId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A folder of backups.
#[derive(Debug)]
pub struct BackupFolder {
    path: PathBuf,
    store: StoreId,
}

/// The right to change a folder of backups, until it is dropped.
#[derive(Debug)]
pub struct BackupWriter {
    folder: BackupFolder,
    _lock: File,
}

/// A backup that was made.
#[derive(Clone, Debug)]
pub struct MadeBackup {
    /// Its number.
    pub id: BackupId,
    /// What is in it.
    pub manifest: Manifest,
    /// How many files were new.
    pub copied_files: u64,
    /// How many bytes these have.
    pub copied_bytes: u64,
}

/// What was removed.
#[derive(Clone, Debug, Default)]
pub struct Pruned {
    /// The backups.
    pub backups: Vec<BackupId>,
    /// Files that no other backup has.
    pub files: u64,
    /// How many bytes these had.
    pub bytes: u64,
}

impl BackupFolder {
    /// A folder that has backups already.
    ///
    /// # Errors
    /// When it has none, or cannot be read.
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        match folder_owner(path, HOLDS)? {
            FolderOwner::Store(store) => Ok(Self { path: path.to_owned(), store }),
            FolderOwner::Nobody | FolderOwner::Unknown(_) => Err(BackupError::NoBackups(path.to_owned())),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The backups in it, the oldest first.
    ///
    /// # Errors
    /// When they cannot be listed. Each may be damaged by itself.
    pub fn list(&self) -> Result<BTreeMap<BackupId, Result<Manifest, BackupError>>, BackupError> {
        let folder = self.path.join("backups");
        let mut backups = BTreeMap::new();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            // A kill came before it was made.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(backups),
            Err(error) => return Err(BackupError::io(&folder, error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| BackupError::io(&folder, error))?;
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".json")?.parse().ok());
            if let Some(id) = id.filter(|id: &BackupId| name.to_str() == Some(&format!("{id}.json"))) {
                backups.insert(id, Manifest::read(&entry.path()));
            }
        }
        Ok(backups)
    }

    /// One backup.
    ///
    /// # Errors
    /// When it is not there, or its manifest is damaged.
    pub fn get(&self, id: BackupId) -> Result<Manifest, BackupError> {
        let path = self.manifest_path(id);
        if !path.exists() {
            return Err(BackupError::NoBackup { path: self.path.clone(), id });
        }
        Manifest::read(&path)
    }

    pub(crate) fn manifest_path(&self, id: BackupId) -> PathBuf {
        self.path.join("backups").join(format!("{id}.json"))
    }

    pub(crate) fn file(&self, hash: FileHash) -> PathBuf {
        self.path.join("files").join(hash.to_string())
    }

    fn lock(self) -> Result<BackupWriter, BackupError> {
        let path = mark_in(&self.path);
        let lock = File::open(&path).map_err(|error| BackupError::io(&path, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(BackupWriter { folder: self, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(BackupError::InUse(self.path)),
            Err(TryLockError::Error(error)) => Err(BackupError::io(&path, error)),
        }
    }
}

impl BackupWriter {
    /// A folder that backups of this store go to; it is made if it is missing or empty.
    ///
    /// # Errors
    /// When it has something else in it, or cannot be written.
    pub fn open_for(path: &Path, store: StoreId) -> Result<Self, BackupError> {
        match folder_owner(path, HOLDS)? {
            FolderOwner::Nobody => mark_folder(path, HOLDS, store)?,
            FolderOwner::Store(found) if found == store => {}
            FolderOwner::Store(found) => {
                let (found, expected) = (found.to_string(), store.to_string());
                return Err(BackupError::OtherStore { path: path.to_owned(), found, expected });
            }
            FolderOwner::Unknown(found) => {
                return Err(BackupError::NotOurs { path: path.to_owned(), wanted: "backups", found });
            }
        }
        BackupFolder { path: path.to_owned(), store }.lock()
    }

    /// A folder that has backups already, to be changed.
    ///
    /// # Errors
    /// When it has none, or somebody else changes it.
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        BackupFolder::open(path)?.lock()
    }

    /// The folder.
    pub fn folder(&self) -> &BackupFolder {
        &self.folder
    }

    /// Makes a backup: copies what no other has, and writes down what it consists of.
    ///
    /// # Errors
    /// When it cannot be made. Files that were copied whole stay for the next one.
    pub fn create(
        &self,
        source: &dyn CopySource,
        on_bytes: &mut OnBytes<'_>,
    ) -> Result<MadeBackup, BackupError> {
        let (folder, manifest) = (&self.folder, source.manifest());
        if manifest.store != folder.store.to_string() {
            let (found, expected) = (folder.store.to_string(), manifest.store.clone());
            return Err(BackupError::OtherStore { path: folder.path.clone(), found, expected });
        }
        let incoming = folder.path.join("incoming");
        for part in ["files", "backups", "incoming"] {
            make_folder(&folder.path.join(part))?;
        }
        let (mut copied_files, mut copied_bytes) = (0, 0_u64);
        for file in &manifest.files {
            let target = folder.file(file.sha256);
            if target.metadata().is_ok_and(|there| there.len() == file.size) {
                on_bytes(file.size);
                continue;
            }
            copy_whole(source, file, &incoming.join(file.sha256.to_string()), &target, on_bytes)?;
            copied_files += 1;
            copied_bytes = copied_bytes.saturating_add(file.size);
        }
        for part in [folder.path.join("files"), folder.path.clone()] {
            sync_folder(&part).map_err(|error| BackupError::io(&part, error))?;
        }
        let id = BackupId(folder.list()?.last_key_value().map_or(1, |(last, _)| last.0.saturating_add(1)));
        manifest.write(&folder.manifest_path(id))?;
        Ok(MadeBackup { id, manifest: manifest.clone(), copied_files, copied_bytes })
    }

    /// Removes all backups but the newest ones, and the files that no other has. Nothing else is removed.
    ///
    /// # Errors
    /// When it cannot be known what the others need, or something cannot be removed.
    pub fn prune(&self, keep: usize) -> Result<Pruned, BackupError> {
        let folder = &self.folder;
        let mut all = folder.list()?;
        let kept =
            all.split_off(&all.keys().rev().nth(keep.saturating_sub(1)).copied().unwrap_or(BackupId(0)));
        let mut needed = BTreeSet::new();
        for manifest in kept.into_values() {
            needed.extend(manifest?.files.into_iter().map(|file| file.sha256.to_string()));
        }
        let mut pruned = Pruned { backups: all.into_keys().collect(), ..Pruned::default() };
        for id in &pruned.backups {
            let path = folder.manifest_path(*id);
            fs::remove_file(&path).map_err(|error| BackupError::io(&path, error))?;
        }
        let backups = folder.path.join("backups");
        if !pruned.backups.is_empty() {
            // Files go only after what names them.
            sync_folder(&backups).map_err(|error| BackupError::io(&backups, error))?;
        }
        for part in ["files", "incoming"] {
            remove_unneeded(&folder.path.join(part), &needed, &mut pruned)?;
        }
        Ok(pruned)
    }
}

fn remove_unneeded(folder: &Path, needed: &BTreeSet<String>, pruned: &mut Pruned) -> Result<(), BackupError> {
    let failed = |error| BackupError::io(folder, error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let ours = name.to_str().filter(|name| name.parse::<FileHash>().is_ok() && !needed.contains(*name));
        if ours.is_some() {
            let size = entry.metadata().map_err(failed)?.len();
            fs::remove_file(entry.path()).map_err(|error| BackupError::io(&entry.path(), error))?;
            pruned.files += 1;
            pruned.bytes = pruned.bytes.saturating_add(size);
        }
    }
    Ok(())
}
