//! A folder that is not finished, or may go: known by a mark, and by nothing else.
//!
//! The mark is there before anything is put into the folder, and is the last that is removed. So what has the name that such
//! a folder would have, and no mark, is somebody else's, and is left alone.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::error::BackupError;
use crate::files::{make_folder, sync_folder};

/// The mark, and what is in it.
pub(crate) const MARK: &str = "QUIPU.copying";
const TEXT: &str = "A copy is made here by quipu, or it was one that may go.\n";

/// Makes a folder, marked; both are on disk when this returns.
pub(crate) fn begin(folder: &Path) -> Result<(), BackupError> {
    make_folder(folder)?;
    mark(folder)
}

/// Marks a folder of ours.
pub(crate) fn mark(folder: &Path) -> Result<(), BackupError> {
    let path = folder.join(MARK);
    let write = || {
        let mut file = File::create(&path)?;
        file.write_all(TEXT.as_bytes())?;
        file.sync_all()?;
        sync_folder(folder)
    };
    write().map_err(|error| BackupError::io(&path, error))
}

/// Removes the mark of a folder that is known to be ours, if there is one.
pub(crate) fn unmark(folder: &Path) -> Result<(), BackupError> {
    let path = folder.join(MARK);
    match fs::remove_file(&path).and_then(|()| sync_folder(folder)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(BackupError::io(&path, error)),
        _ => Ok(()),
    }
}

/// Removes a folder that is empty or marked, with what is in it, if it is there.
///
/// # Errors
/// When it is no such folder, or something in it has no name of ours. Then nothing is removed.
pub(crate) fn remove(folder: &Path, is_ours: impl Fn(&str) -> bool) -> Result<(), BackupError> {
    let failed = |error| BackupError::io(folder, error);
    let is_folder = match folder.symlink_metadata() {
        Ok(metadata) => metadata.is_dir(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let in_the_way = || Err(BackupError::InTheWay(folder.to_owned()));
    if !is_folder {
        return in_the_way();
    }
    let entries = fs::read_dir(folder).map_err(failed)?;
    let names =
        entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>().map_err(failed)?;
    let is_known = |name: &OsString| name.to_str().is_some_and(|name| name == MARK || is_ours(name));
    if !(names.is_empty() || is_marked(folder, names.len()).map_err(failed)? && names.iter().all(is_known)) {
        return in_the_way();
    }
    let remove = || -> io::Result<()> {
        for name in names.iter().filter(|name| *name != MARK) {
            fs::remove_file(folder.join(name))?;
        }
        if !names.is_empty() {
            fs::remove_file(folder.join(MARK))?;
        }
        fs::remove_dir(folder)
    };
    remove().map_err(failed)
}

fn is_marked(folder: &Path, names: usize) -> io::Result<bool> {
    let path = folder.join(MARK);
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_file() => {
            let is_whole = metadata.len() == TEXT.len() as u64 && fs::read(&path)? == TEXT.as_bytes();
            // A kill came before it was written.
            Ok(is_whole || (metadata.len() == 0 && names == 1))
        }
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn only_what_is_marked_or_empty_is_removed() {
        let root = TempDir::new().unwrap();
        let folder = root.path().join("folder");
        let is_ours = |name: &str| name.ends_with(".sst");
        remove(&folder, is_ours).unwrap();
        begin(&folder).unwrap();
        fs::write(folder.join("1.sst"), "half").unwrap();
        remove(&folder, is_ours).unwrap();
        assert!(!folder.exists());

        // A kill came at once.
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(MARK), "").unwrap();
        remove(&folder, is_ours).unwrap();
        assert!(!folder.exists());

        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("1.sst"), "theirs").unwrap();
        let refused = |path: &Path| matches!(remove(path, is_ours), Err(BackupError::InTheWay(_)));
        for text in ["", "mine"] {
            assert!(refused(&folder));
            fs::write(folder.join(MARK), text).unwrap();
            assert!(refused(&folder));
        }
        begin(&folder).unwrap();
        fs::write(folder.join("notes"), "mine").unwrap();
        assert!(refused(&folder) && folder.join("1.sst").exists(), "all or nothing");
        fs::remove_file(folder.join("notes")).unwrap();
        let link = root.path().join("link");
        symlink(&folder, &link).unwrap();
        assert!(refused(&link) && folder.join("1.sst").exists(), "a link is not followed");
    }
}
