//! What a copy of a log consists of: written last, so that what has one is whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use log::{Rocks, StoreContents};
use serde::{Deserialize, Serialize};

use crate::error::BackupError;
use crate::files::write_whole;
use crate::hash::FileHash;

/// The form that is written, and the only one that is read.
const VERSION: u32 = 1;

/// A log at one moment, as files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    version: u32,
    /// The id of the store.
    pub store: String,
    /// The term of the log.
    pub term: u64,
    /// How many events are in it.
    pub events: u64,
    /// Their digest.
    pub digest: String,
    /// When it was copied, in milliseconds since 1970.
    pub made_ms: u64,
    /// Its files, by name.
    pub files: Vec<ManifestFile>,
}

/// A file of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its hash.
    pub sha256: FileHash,
}

impl Manifest {
    /// That of a log with these files.
    pub fn new(contents: &StoreContents, made_ms: u64, files: Vec<ManifestFile>) -> Self {
        Self {
            version: VERSION,
            store: contents.identity.store.to_string(),
            term: contents.identity.term.0,
            events: contents.events,
            digest: contents.digest.to_string(),
            made_ms,
            files,
        }
    }

    /// That of a checkpoint, as a node tells of it.
    ///
    /// # Errors
    /// When it has files that no log has.
    pub fn of_checkpoint(
        (store, term): (String, u64),
        (events, digest): (u64, String),
        made_ms: u64,
        files: Vec<ManifestFile>,
    ) -> Result<Self, String> {
        let manifest = Self { version: VERSION, store, term, events, digest, made_ms, files };
        manifest.check().map(|()| manifest)
    }

    /// How many bytes its files have together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).fold(0, u64::saturating_add)
    }

    /// Whether a log is the one that it tells of.
    pub(crate) fn check_contents(&self, contents: &StoreContents, path: &Path) -> Result<(), BackupError> {
        let found = Self::new(contents, self.made_ms, self.files.clone());
        if found == *self {
            return Ok(());
        }
        let told = |manifest: &Self| {
            let Self { store, term, events, digest, .. } = manifest;
            format!("{events} events of store {store} in term {term} with the digest {digest}")
        };
        let reason = format!("it should be {}, and is {}", told(self), told(&found));
        Err(BackupError::Damaged { path: path.to_owned(), reason })
    }

    pub(crate) fn read(path: &Path) -> Result<Self, BackupError> {
        let text = fs::read(path).map_err(|error| BackupError::io(path, error))?;
        let damaged = |reason| BackupError::Damaged { path: path.to_owned(), reason };
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        manifest.check().map_err(damaged)?;
        Ok(manifest)
    }

    /// Writes it into place; it is on disk when this returns.
    pub(crate) fn write(&self, path: &Path) -> Result<(), BackupError> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| BackupError::io(path, error.into()))?;
        write_whole(path, &text)
    }

    fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!("its version is {}, this program knows {VERSION}", self.version));
        }
        let mut names = BTreeSet::new();
        match self.files.iter().find(|file| !Rocks::is_file_of_store(&file.name) || !names.insert(&file.name))
        {
            Some(file) => Err(format!("the file {:?} is none of a log, or is there twice", file.name)),
            None => Ok(()),
        }
    }
}
