//! A checkpoint that is kept: what is in it, and its files.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use log::StoreContents;

use super::{CheckpointId, CheckpointsError};
use crate::hash::FileHash;

/// A checkpoint.
#[derive(Debug)]
pub struct KeptCheckpoint {
    /// What it is called.
    pub id: CheckpointId,
    /// Which log is in it.
    pub contents: StoreContents,
    /// Its files, by name.
    pub files: Vec<CheckpointFile>,
    /// When it was made, on the clock of the day.
    pub made_at: SystemTime,
    pub(super) made: Instant,
    folder: PathBuf,
    used: Mutex<Instant>,
}

/// A file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointFile {
    /// Its name, which is one that stores give their files.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its hash.
    pub sha256: FileHash,
}

impl KeptCheckpoint {
    pub(super) fn new(
        id: CheckpointId,
        folder: PathBuf,
        contents: StoreContents,
        files: Vec<CheckpointFile>,
    ) -> Self {
        let (made, made_at) = (Instant::now(), SystemTime::now());
        Self { id, contents, files, made_at, made, folder, used: Mutex::new(made) }
    }

    /// Opens a file of it, which can be read until it is closed, whatever becomes of the checkpoint; and its length.
    ///
    /// # Errors
    /// When it has no such file, or that cannot be opened.
    pub fn open(&self, name: &str) -> Result<(File, u64), CheckpointsError> {
        let file = self.files.iter().find(|file| file.name == name);
        let file = file.ok_or_else(|| CheckpointsError::NoFile(name.to_owned()))?;
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let path = self.folder.join(&file.name);
        match File::open(&path) {
            Ok(opened) => Ok((opened, file.size)),
            Err(error) => Err(CheckpointsError::Io { path, error }),
        }
    }

    /// Where it is, for who reads its files on this machine.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// Whether nobody has opened a file of it for so long.
    pub(super) fn is_unused(&self, since: Duration) -> bool {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed() >= since
    }
}
