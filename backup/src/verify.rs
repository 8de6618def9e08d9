//! Whether a backup is what it should be: each file by its hash, then the log that they are together.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::os::unix::fs::symlink;

use log::{Notice, Rocks, VerifySummary};
use tempfile::TempDir;

use crate::error::BackupError;
use crate::files::OnBytes;
use crate::folder::BackupFolder;
use crate::hash::{FileHash, Hashing};
use crate::manifest::{Manifest, ManifestFile};
use crate::source::{contents_of, read_file};

impl BackupFolder {
    /// Holds the files of a backup against their hashes, but for those that are known to be sound; each fault is an error
    /// that names the file.
    pub fn verify_files(
        &self,
        manifest: &Manifest,
        sound: &mut BTreeSet<FileHash>,
        on_bytes: &mut OnBytes<'_>,
    ) -> Vec<BackupError> {
        let mut faults = Vec::new();
        for file in &manifest.files {
            if sound.contains(&file.sha256) {
                on_bytes(file.size);
                continue;
            }
            match self.verify_file(file, on_bytes) {
                Ok(()) => _ = sound.insert(file.sha256),
                Err(fault) => faults.push(fault),
            }
        }
        faults
    }

    fn verify_file(&self, file: &ManifestFile, on_bytes: &mut OnBytes<'_>) -> Result<(), BackupError> {
        let path = self.file(file.sha256);
        let (mut hashing, mut found) = (Hashing::new(), 0_u64);
        read_file(&path, &mut |bytes| {
            hashing.update(bytes);
            found = found.saturating_add(bytes.len() as u64);
            on_bytes(bytes.len() as u64);
            Ok(())
        })?;
        let hash = hashing.finish();
        if (found, hash) == (file.size, file.sha256) {
            return Ok(());
        }
        let reason = format!(
            "it is {} of the log, should have {} bytes, and has {found} with the hash {hash}",
            file.name, file.size
        );
        Err(BackupError::Damaged { path, reason })
    }

    /// Verifies the log of a backup as that of a node is verified, without changing anything; its files have to be sound.
    ///
    /// # Errors
    /// When it cannot be opened, or is another log than its manifest says.
    pub fn verify_log(
        &self,
        manifest: &Manifest,
        signatures: Option<NonZeroUsize>,
        notice: &mut dyn FnMut(Notice),
    ) -> Result<VerifySummary, BackupError> {
        let view = self.view(manifest)?;
        manifest.check_contents(&contents_of(view.path())?, self.path())?;
        Ok(Rocks::open_read_only(view.path())?.verify(signatures, notice))
    }

    /// The files under their own names, for as long as this lasts. Links do for reading.
    fn view(&self, manifest: &Manifest) -> Result<TempDir, BackupError> {
        let view = TempDir::new().map_err(|error| BackupError::io(&std::env::temp_dir(), error))?;
        for file in &manifest.files {
            let target = self.file(file.sha256);
            let target = target.canonicalize().map_err(|error| BackupError::io(&target, error))?;
            let link = view.path().join(&file.name);
            symlink(target, &link).map_err(|error| BackupError::io(&link, error))?;
        }
        Ok(view)
    }
}
