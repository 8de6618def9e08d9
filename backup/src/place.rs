//! Where a copy is made, by one command at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::error::BackupError;

/// The folder that a path names, to which the same path leads wherever it is used, and which others can be beside.
pub(crate) fn resolve(folder: &Path) -> Result<PathBuf, BackupError> {
    // A link is exchanged for nothing: what it leads to is.
    let path = if folder.is_symlink() { folder.canonicalize() } else { std::path::absolute(folder) };
    let path = path.map_err(|error| BackupError::io(folder, error))?;
    if path.file_name().is_none() {
        return Err(BackupError::NoName(folder.to_owned()));
    }
    Ok(path)
}

/// The right to work in a place, until it is dropped. Its file is there for as long.
#[derive(Debug)]
pub(crate) struct PlaceLock {
    path: PathBuf,
    _file: File,
}

impl PlaceLock {
    /// Takes the right to work in `place`, by a file in a folder that is there.
    pub(crate) fn take(path: PathBuf, place: &Path) -> Result<Self, BackupError> {
        let failed = |error| BackupError::io(&path, error);
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
            let file = options.open(&path).map_err(failed)?;
            let opened = file.metadata().map_err(failed)?;
            if !opened.is_file() || opened.len() > 0 {
                return Err(BackupError::InTheWay(path));
            }
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(BackupError::InUse(place.to_owned())),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            // Whoever had it before may have removed the file that was opened.
            let same = |there: fs::Metadata| (there.dev(), there.ino()) == (opened.dev(), opened.ino());
            if path.symlink_metadata().is_ok_and(same) {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for PlaceLock {
    fn drop(&mut self) {
        // While it is still locked; one that stays locks nothing.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn one_at_a_time_and_no_file_of_others_is_taken_for_ours() {
        let root = TempDir::new().unwrap();
        let path = root.path().join("log.lock");
        let take = || PlaceLock::take(path.clone(), root.path());
        let lock = take().unwrap();
        assert!(matches!(take(), Err(BackupError::InUse(_))));
        drop(lock);
        assert!(!path.exists());
        // What a kill left.
        fs::write(&path, "").unwrap();
        drop(take().unwrap());
        fs::write(&path, "mine").unwrap();
        assert!(matches!(take(), Err(BackupError::InTheWay(_))));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }

    #[test]
    fn a_place_has_a_name() {
        let root = TempDir::new().unwrap();
        for nameless in ["..", "x/..", "/"] {
            assert!(matches!(resolve(Path::new(nameless)), Err(BackupError::NoName(_))), "{nameless}");
        }
        assert_eq!(resolve(Path::new(".")).unwrap(), std::env::current_dir().unwrap());
        let (folder, link) = (root.path().join("folder"), root.path().join("link"));
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert_eq!(resolve(&link).unwrap(), folder.canonicalize().unwrap());
    }
}
