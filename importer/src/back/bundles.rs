//! Stored bytes as files: a folder for each process, a file for each of its rows.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use crate::blob::{Blob, BlobForm};

use super::{BEHIND, BackError, BackRow, BackSummary, BackTarget, PartedProcesses};

/// What became of a row.
enum BundleFile {
    Written,
    There,
    /// Something else is there.
    Other,
    /// Nothing is there, and something else at an earlier place.
    Behind,
}

/// A folder of bundles.
pub struct BundleFolder {
    folder: PathBuf,
    summary: BackSummary,
    parted: PartedProcesses,
}

impl BundleFolder {
    /// Writes below this folder, which is made when it is missing.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, summary: BackSummary::default(), parted: PartedProcesses::new() }
    }

    fn write(&self, row: &BackRow) -> io::Result<BundleFile> {
        let folder = self.folder.join(row.process.to_string());
        let place = row.nonce.map_or("process".to_owned(), |nonce| format!("{nonce:010}"));
        let path = folder.join(format!("{place}.bundle"));
        // What has its name is whole.
        match fs::read(&path) {
            Ok(found) if is_same(&found, &row.blob) => return Ok(BundleFile::There),
            Ok(_) => return Ok(BundleFile::Other),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        if self.parted.contains(&row.process) {
            return Ok(BundleFile::Behind);
        }
        fs::create_dir_all(&folder)?;
        let made = path.with_extension("new");
        fs::write(&made, &row.blob)?;
        fs::rename(made, path)?;
        Ok(BundleFile::Written)
    }
}

/// Whether two blobs are the same but for what is signed around them, which is signed each time anew.
fn is_same(found: &[u8], made: &[u8]) -> bool {
    found == made
        || Blob::parse(found).ok().zip(Blob::parse(made).ok()).is_some_and(|(found, made)| {
            let item = |blob: &Blob<'_>| blob.item.map(|item| item.id());
            let is_unassigned = found.form == BlobForm::Unassigned;
            found.form == made.form
                && item(&found) == item(&made)
                && (is_unassigned || found.assignment.id() == made.assignment.id())
        })
}

impl BackTarget for BundleFolder {
    fn take(&mut self, row: BackRow) -> Result<(), BackError> {
        let written = self.write(&row).map_err(|error| {
            let path = self.folder.join(row.process.to_string());
            BackError::File { path, error }
        })?;
        let summary = &mut self.summary;
        match written {
            BundleFile::Written => summary.written = summary.written.saturating_add(1),
            BundleFile::There => summary.already_there = summary.already_there.saturating_add(1),
            BundleFile::Other => {
                summary.leave_out(&row, "a file with something else has its name");
                self.parted.insert(row.process);
            }
            BundleFile::Behind => summary.leave_out(&row, BEHIND),
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<BackSummary, BackError> {
        Ok(self.summary.clone())
    }
}
