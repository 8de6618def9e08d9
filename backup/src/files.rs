//! Files that are there whole and on disk, or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::error::BackupError;
use crate::hash::Hashing;
use crate::manifest::ManifestFile;
use crate::source::CopySource;

/// Told how many bytes more are copied, or looked at.
pub type OnBytes<'a> = dyn FnMut(u64) + 'a;

/// Copies a file from its source to a path where none is, through another path on the same file system. It is what it should
/// be, and on disk but for its name, when this returns; what a failure leaves is removed.
pub(crate) fn copy_whole(
    source: &dyn CopySource,
    file: &ManifestFile,
    through: &Path,
    to: &Path,
    on_bytes: &mut OnBytes<'_>,
) -> Result<(), BackupError> {
    let copied = copy(source, file, through, on_bytes)
        .and_then(|()| fs::rename(through, to).map_err(|error| BackupError::io(to, error)));
    if copied.is_err() {
        // It may not be there.
        let _ = fs::remove_file(through);
    }
    copied
}

fn copy(
    source: &dyn CopySource,
    file: &ManifestFile,
    to: &Path,
    on_bytes: &mut OnBytes<'_>,
) -> Result<(), BackupError> {
    let failed = |error| BackupError::io(to, error);
    let mut target = File::create(to).map_err(failed)?;
    let (mut hashing, mut found) = (Hashing::new(), 0_u64);
    source.read(file, &mut |bytes| {
        target.write_all(bytes).map_err(failed)?;
        hashing.update(bytes);
        found = found.saturating_add(bytes.len() as u64);
        on_bytes(bytes.len() as u64);
        Ok(())
    })?;
    let hash = hashing.finish();
    if (found, hash) != (file.size, file.sha256) {
        let expected = format!("{} and the hash {}", file.size, file.sha256);
        return Err(BackupError::OtherContent {
            name: file.name.clone(),
            found,
            hash: hash.to_string(),
            expected,
        });
    }
    target.sync_all().map_err(failed)
}

/// Writes a file into place, or leaves what was there.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let fresh = path.with_added_extension("new");
    let write = || {
        let mut file = File::create(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        sync_folder(path.parent().unwrap_or(Path::new(".")))
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&fresh);
        BackupError::io(path, error)
    })
}

pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder, and those above it, if it is missing; on disk when this returns.
pub(crate) fn make_folder(folder: &Path) -> Result<(), BackupError> {
    log::make_folder(folder).map_err(|error| BackupError::io(folder, error))
}
