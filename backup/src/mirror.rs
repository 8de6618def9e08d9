//! A copy of a log in a folder, kept up to date: at each moment the folder is the log of a node as it was a short time ago.
//!
//! The next copy is made beside the one that is there, of which it takes over what is the same as hard links; then the two
//! are exchanged, in one step of the file system. So there is no moment at which a kill leaves anything else. What may be
//! removed after a kill is marked (`unfinished.rs`), both of them while they are exchanged.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use log::{FolderOwner, Rocks, folder_owner};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::error::BackupError;
use crate::files::{OnBytes, copy_whole, make_folder, sync_folder};
use crate::manifest::{Manifest, ManifestFile};
use crate::place::{PlaceLock, resolve};
use crate::source::{CopySource, contents_of};
use crate::unfinished;

/// What is in the folder besides the log: what was copied.
const COPIED: &str = "copied.json";
/// The ending of the folder in which the next copy is made, or what is left of the one before.
const NEXT: &str = "next";
/// The ending of the file that is there while somebody works on it.
const LOCK: &str = "lock";

/// A copy of a log.
#[derive(Debug)]
pub struct Mirror {
    log: PathBuf,
    next: PathBuf,
    there: Option<Manifest>,
    _lock: PlaceLock,
}

/// What an update took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mirrored {
    /// How many files were copied.
    pub copied_files: u64,
    /// How many bytes these have.
    pub copied_bytes: u64,
}

impl Mirror {
    /// The copy in a folder, which may be missing or empty. Nobody else works on it until this is dropped.
    ///
    /// # Errors
    /// When something else is in it, a node has worked on it, or somebody else works on it now.
    pub fn open(log: &Path) -> Result<Self, BackupError> {
        let log = &resolve(log)?;
        let beside = |ending| log.with_added_extension(ending);
        if let Some(above) = log.parent() {
            make_folder(above)?;
        }
        let lock = PlaceLock::take(beside(LOCK), log)?;
        let there = match folder_owner(log, Rocks::HOLDS)? {
            FolderOwner::Nobody => None,
            FolderOwner::Store(_) if !log.join(COPIED).is_file() => {
                let reason = "it is the log of a node, and not what was copied from one".to_owned();
                return Err(BackupError::Changed { path: log.to_owned(), reason });
            }
            FolderOwner::Store(_) => Some(Manifest::read(&log.join(COPIED))?),
            FolderOwner::Unknown(found) => {
                return Err(BackupError::NotOurs { path: log.to_owned(), wanted: "a copy of a log", found });
            }
        };
        let mirror = Self { log: log.to_owned(), next: beside(NEXT), there, _lock: lock };
        if let Some(there) = &mirror.there {
            check_unchanged(&mirror.log, there)?;
            // A kill may have come in the moment of the exchange.
            mirror.settle()?;
        }
        mirror.clear_next()?;
        Ok(mirror)
    }

    /// Where it may be noted what the next copy is made of.
    pub fn note(&self) -> PathBuf {
        self.log.with_added_extension("checkpoint")
    }

    /// Whether the log in a folder was copied there, and no node has taken it over.
    pub fn is_copy(log: &Path) -> bool {
        // One that cannot be looked at is refused by whoever opens the log.
        log.join(COPIED).symlink_metadata().is_ok()
    }

    /// Makes a copy the log of a node: nothing is copied there any more. On disk when this returns.
    ///
    /// # Errors
    /// When it cannot be known that it is.
    pub fn release(log: &Path) -> Result<(), BackupError> {
        match fs::remove_file(log.join(COPIED)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(BackupError::io(log, error)),
            _ => sync_folder(log).map_err(|error| BackupError::io(log, error)),
        }
    }

    /// What is in the folder, if there is a copy.
    pub fn there(&self) -> Option<&Manifest> {
        self.there.as_ref()
    }

    /// Brings the copy up to the source.
    ///
    /// # Errors
    /// When it cannot be copied, or is not what the copy goes on to. Then the copy is what it was.
    pub fn update(
        &mut self,
        source: &dyn CopySource,
        on_bytes: &mut OnBytes<'_>,
    ) -> Result<Mirrored, BackupError> {
        self.update_when(source, on_bytes, &|| {})
    }

    /// The same, where something happens in the moment of the exchange.
    pub(crate) fn update_when(
        &mut self,
        source: &dyn CopySource,
        on_bytes: &mut OnBytes<'_>,
        meanwhile: &dyn Fn(),
    ) -> Result<Mirrored, BackupError> {
        self.clear_next()?;
        let mirrored = match self.make_next(source, on_bytes) {
            Ok(mirrored) => mirrored,
            Err(error) => {
                // The reason is told; what is left is cleared by the next update.
                let _ = self.clear_next();
                return Err(error);
            }
        };
        // After a failure it is not known which of the two is in its place: nothing is removed.
        self.exchange(meanwhile)?;
        self.there = Some(source.manifest().clone());
        // The one before; what is not removed now is removed by the next update.
        let _ = self.clear_next();
        Ok(mirrored)
    }

    fn make_next(
        &self,
        source: &dyn CopySource,
        on_bytes: &mut OnBytes<'_>,
    ) -> Result<Mirrored, BackupError> {
        let manifest = source.manifest();
        self.try_exchange()?;
        unfinished::begin(&self.next)?;
        let known = self.there.iter().flat_map(|there| &there.files);
        let known: BTreeMap<&str, &ManifestFile> = known.map(|file| (file.name.as_str(), file)).collect();
        let mut mirrored = Mirrored { copied_files: 0, copied_bytes: 0 };
        for file in &manifest.files {
            // Where there are no links, it is copied.
            if known.get(file.name.as_str()) == Some(&file) && self.link(&file.name).is_ok() {
                on_bytes(file.size);
                continue;
            }
            let target = self.next.join(&file.name);
            copy_whole(source, file, &target.with_added_extension("new"), &target, on_bytes)?;
            mirrored.copied_files += 1;
            mirrored.copied_bytes = mirrored.copied_bytes.saturating_add(file.size);
        }
        manifest.write(&self.next.join(COPIED))?;
        manifest.check_contents(&contents_of(&self.next)?, &self.next)?;
        self.check_goes_on(manifest)?;
        Ok(mirrored)
    }

    /// Puts a file that is there already into the next copy, too.
    fn link(&self, name: &str) -> io::Result<()> {
        fs::hard_link(self.log.join(name), self.next.join(name))
    }

    /// Whether the file system can exchange two folders: before there is a first copy, which would be the last one.
    fn try_exchange(&self) -> Result<(), BackupError> {
        if self.there.is_some() {
            return Ok(());
        }
        let was_there = self.log.is_dir();
        [&self.next, &self.log].into_iter().try_for_each(|folder| make_folder(folder))?;
        let exchanged = self.swap();
        if exchanged.is_err() && !was_there {
            // An empty folder does no harm.
            let _ = fs::remove_dir(&self.log);
        }
        exchanged
    }

    /// The next copy has all that the one before has: a log that lost something must not take it from its copy, too.
    fn check_goes_on(&self, manifest: &Manifest) -> Result<(), BackupError> {
        let Some(there) = &self.there else { return Ok(()) };
        if there.store != manifest.store {
            let (found, expected) = (there.store.clone(), manifest.store.clone());
            return Err(BackupError::OtherStore { path: self.log.clone(), found, expected });
        }
        let digest = Rocks::open_read_only(&self.next)?.digest_of(there.events)?;
        if digest.is_some_and(|digest| digest.to_string() == there.digest) {
            return Ok(());
        }
        Err(BackupError::OtherHistory {
            path: self.log.clone(),
            events: there.events,
            found: manifest.events,
        })
    }

    /// Puts the next copy into its place, and what was there into that of the next copy.
    fn exchange(&self, meanwhile: &dyn Fn()) -> Result<(), BackupError> {
        let failed = |error| BackupError::io(&self.log, error);
        sync_folder(&self.next).map_err(failed)?;
        let Some(there) = &self.there else {
            // The empty folder in its place goes with that.
            fs::rename(&self.next, &self.log).map_err(failed)?;
            return self.settle();
        };
        check_unchanged(&self.log, there)?;
        // Nobody starts on it from here on.
        let lock = Rocks::lock(&self.log)?;
        unfinished::mark(&self.log)?;
        self.swap()?;
        meanwhile();
        let changed = check_unchanged(&self.next, there);
        if changed.is_err() {
            self.swap()?;
            self.settle()?;
            return check_unchanged(&self.log, there).and(changed);
        }
        drop(lock);
        self.settle()
    }

    fn swap(&self) -> Result<(), BackupError> {
        let exchanged = renameat_with(CWD, &self.next, CWD, &self.log, RenameFlags::EXCHANGE);
        exchanged.map_err(|error| BackupError::NoExchange { path: self.log.clone(), error: error.into() })
    }

    /// What is in its place stays there, and is not marked as what may go.
    fn settle(&self) -> Result<(), BackupError> {
        let above = self.log.parent().unwrap_or(Path::new("/"));
        sync_folder(above).map_err(|error| BackupError::io(above, error))?;
        unfinished::unmark(&self.log)
    }

    /// Removes a copy that was not finished, or the one before: unless a node was started on it.
    fn clear_next(&self) -> Result<(), BackupError> {
        let copied = self.next.join(COPIED);
        if copied.is_file()
            && let (Some(reason), _) = look(&self.next, &Manifest::read(&copied)?)?
        {
            return Err(BackupError::Changed { path: self.next.clone(), reason });
        }
        unfinished::remove(&self.next, |name| {
            let name = name.strip_suffix(".new").unwrap_or(name);
            // Every node that opens a store writes this.
            let of_node = name == "LOG" || name.starts_with("LOG.");
            name == COPIED || (Rocks::is_file_of_store(name) && !of_node)
        })
    }
}

/// No node has worked on a copy: it would have made files, and events that nobody else has.
fn check_unchanged(folder: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let reason = match look(folder, manifest)? {
        (Some(reason), _) => reason,
        (None, seen) if seen < manifest.files.len() => "files of it are missing".to_owned(),
        (None, _) => return Ok(()),
    };
    Err(BackupError::Changed { path: folder.to_owned(), reason })
}

/// What is in the folder of a copy that was not copied; and how many files of it are there.
fn look(folder: &Path, manifest: &Manifest) -> Result<(Option<String>, usize), BackupError> {
    let failed = |error| BackupError::io(folder, error);
    let known: BTreeMap<&str, u64> =
        manifest.files.iter().map(|file| (file.name.as_str(), file.size)).collect();
    let mut seen = 0;
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (name, size) = (entry.file_name(), entry.metadata().map_err(failed)?.len());
        // Who makes a backup of the copy leaves a lock.
        if name == COPIED || name == unfinished::MARK || (name == "LOCK" && size == 0) {
            continue;
        }
        if name.to_str().and_then(|name| known.get(name)) != Some(&size) {
            return Ok((Some(format!("{} is not as it was copied", name.display())), seen));
        }
        seen += 1;
    }
    Ok((None, seen))
}

#[cfg(test)]
mod tests;
