//! Stored bytes as files: a folder for each process, a file for each of its rows.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::{BackError, BackRow, BackSummary, BackTarget};

/// A folder of bundles.
pub struct BundleFolder {
    folder: PathBuf,
    summary: BackSummary,
}

impl BundleFolder {
    /// Writes below this folder, which is made when it is missing.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, summary: BackSummary::default() }
    }

    fn write(&self, row: &BackRow) -> io::Result<bool> {
        let folder = self.folder.join(row.process.to_string());
        let place = row.nonce.map_or("process".to_owned(), |nonce| format!("{nonce:010}"));
        let path = folder.join(format!("{place}.bundle"));
        // What has its name is whole.
        if path.exists() {
            return Ok(false);
        }
        fs::create_dir_all(&folder)?;
        let made = path.with_extension("new");
        fs::write(&made, &row.blob)?;
        fs::rename(made, path)?;
        Ok(true)
    }
}

impl BackTarget for BundleFolder {
    fn take(&mut self, row: BackRow) -> Result<(), BackError> {
        let written = self.write(&row).map_err(|error| {
            let path = self.folder.join(row.process.to_string());
            BackError::File { path, error }
        })?;
        let count = if written { &mut self.summary.written } else { &mut self.summary.already_there };
        *count = count.saturating_add(1);
        Ok(())
    }

    fn finish(&mut self) -> Result<BackSummary, BackError> {
        Ok(self.summary.clone())
    }
}
