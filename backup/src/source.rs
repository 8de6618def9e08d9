//! What a copy is made of: the log of a node, as files with their hashes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use log::{Rocks, StoreContents, StoreLock};

use crate::error::BackupError;
use crate::hash::FileHash;
use crate::manifest::{Manifest, ManifestFile};

/// How much is read at a time.
const PIECE: usize = 256 << 10;
/// Files of a store that say nothing of its events.
const LEFT_OUT: [&str; 3] = ["LOCK", "IDENTITY", "LOG"];

/// A log of which a copy is made. It does not change meanwhile.
pub trait CopySource {
    /// Which log it is, and its files.
    fn manifest(&self) -> &Manifest;

    /// Hands out what is in a file, from its beginning to its end.
    ///
    /// # Errors
    /// When it cannot be read, or what is read cannot be taken.
    fn read(
        &self,
        file: &ManifestFile,
        take: &mut dyn FnMut(&[u8]) -> Result<(), BackupError>,
    ) -> Result<(), BackupError>;
}

/// A file of this machine, handed out in pieces.
///
/// # Errors
/// When it cannot be read, or what is read cannot be taken.
pub fn read_file(
    path: &Path,
    take: &mut dyn FnMut(&[u8]) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let mut file = File::open(path).map_err(|error| BackupError::io(path, error))?;
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => take(piece.get(..read).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(BackupError::io(path, error)),
        }
    }
}

/// The log of a node that is stopped; no node can start on it before this is dropped.
pub struct StoppedLog {
    folder: PathBuf,
    manifest: Manifest,
    _lock: StoreLock,
}

impl StoppedLog {
    /// Reads all files of the log in this folder.
    ///
    /// # Errors
    /// When a node uses it, or it cannot be read.
    pub fn open(folder: &Path, made_ms: u64) -> Result<Self, BackupError> {
        let lock = Rocks::lock(folder)?;
        let contents = Rocks::open_read_only(folder)?.contents()?;
        let files = list_files(folder)?;
        let manifest = Manifest::new(&contents, made_ms, files);
        Ok(Self { folder: folder.to_owned(), manifest, _lock: lock })
    }
}

impl CopySource for StoppedLog {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn read(
        &self,
        file: &ManifestFile,
        take: &mut dyn FnMut(&[u8]) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        read_file(&self.folder.join(&file.name), take)
    }
}

/// Which log is in a folder that nobody writes to.
pub(crate) fn contents_of(folder: &Path) -> Result<StoreContents, BackupError> {
    Ok(Rocks::open_read_only(folder)?.contents()?)
}

/// The files that a copy of a log consists of.
fn list_files(folder: &Path) -> Result<Vec<ManifestFile>, BackupError> {
    let failed = |error| BackupError::io(folder, error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !Rocks::is_file_of_store(&name) || LEFT_OUT.contains(&name.as_str()) || name.starts_with("LOG.") {
            continue;
        }
        let size = entry.metadata().map_err(failed)?.len();
        files.push(ManifestFile { sha256: FileHash::of(&entry.path(), &|| true)?, name, size });
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}
