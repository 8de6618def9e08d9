//! A copy of a log in a folder, kept up to date: at each moment the folder is the log of a node as it was a short time ago.
//!
//! The next copy is made beside the one that is there, of which it takes over what is the same as hard links; then the two
//! are exchanged, in one step of the file system. So there is no moment at which a kill leaves anything else.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use log::{FolderOwner, Rocks, folder_owner};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::error::BackupError;
use crate::files::{OnBytes, copy_whole, make_folder, remove_files, sync_folder};
use crate::manifest::{Manifest, ManifestFile};
use crate::place::{PlaceLock, resolve};
use crate::source::{CopySource, contents_of};

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
        mirror.check_unchanged()?;
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
        self.clear_next()?;
        let updated = self.make_next(source, on_bytes).and_then(|mirrored| {
            self.exchange()?;
            Ok(mirrored)
        });
        if updated.is_ok() {
            self.there = Some(source.manifest().clone());
        }
        // The one before, or what a failure left; what is not removed now is removed by the next update.
        let _ = self.clear_next();
        updated
    }

    fn make_next(
        &self,
        source: &dyn CopySource,
        on_bytes: &mut OnBytes<'_>,
    ) -> Result<Mirrored, BackupError> {
        let manifest = source.manifest();
        make_folder(&self.next)?;
        let mut mirrored = Mirrored { copied_files: 0, copied_bytes: 0 };
        for file in &manifest.files {
            if self.take_over(file) {
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

    /// Whether a file is there already, and in the next copy now.
    fn take_over(&self, file: &ManifestFile) -> bool {
        let is_there = self.there.as_ref().is_some_and(|there| there.files.contains(file));
        let link = || fs::hard_link(self.log.join(&file.name), self.next.join(&file.name));
        // Where there are no links, it is copied.
        is_there && link().is_ok()
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

    /// No node has worked on the copy: it would have made files, and events that nobody else has.
    fn check_unchanged(&self) -> Result<(), BackupError> {
        let Some(there) = &self.there else { return Ok(()) };
        let failed = |error| BackupError::io(&self.log, error);
        let mut seen = 0;
        for entry in fs::read_dir(&self.log).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if name == COPIED {
                continue;
            }
            let known = there.files.iter().find(|file| name == *file.name);
            if known.map(|file| file.size) != Some(entry.metadata().map_err(failed)?.len()) {
                let reason = format!("{} is not as it was copied", name.display());
                return Err(BackupError::Changed { path: self.log.clone(), reason });
            }
            seen += 1;
        }
        if seen < there.files.len() {
            let reason = "files of it are missing".to_owned();
            return Err(BackupError::Changed { path: self.log.clone(), reason });
        }
        Ok(())
    }

    fn exchange(&self) -> Result<(), BackupError> {
        let failed = |error| BackupError::io(&self.log, error);
        sync_folder(&self.next).map_err(failed)?;
        self.check_unchanged()?;
        if self.there.is_some() {
            let exchanged = renameat_with(CWD, &self.next, CWD, &self.log, RenameFlags::EXCHANGE);
            exchanged
                .map_err(|error| BackupError::NoExchange { path: self.log.clone(), error: error.into() })?;
        } else {
            // An empty folder may be in its place.
            fs::rename(&self.next, &self.log).map_err(failed)?;
        }
        sync_folder(self.log.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new(".")))
            .map_err(failed)
    }

    fn clear_next(&self) -> Result<(), BackupError> {
        let is_ours = |name: &str| {
            let name = name.strip_suffix(".new").unwrap_or(name);
            name == COPIED || Rocks::is_file_of_store(name)
        };
        match self.next.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            _ => remove_files(&self.next, is_ours),
        }
    }
}
