//! Copies of a store beside a running node: the checkpoints that a node makes and hands out; folders of backups, which take
//! what is new alone; a copy that is kept up to date.

mod checkpoints;
mod error;
mod files;
mod folder;
mod hash;
mod manifest;
mod mirror;
mod place;
mod restore;
mod source;
mod unfinished;
mod verify;

pub use checkpoints::{CheckpointFile, CheckpointId, Checkpoints, CheckpointsError, KeptCheckpoint};
pub use error::BackupError;
pub use files::OnBytes;
pub use folder::{BackupFolder, BackupId, BackupWriter, MadeBackup, Pruned};
pub use hash::{FileHash, HashError, HashTextError};
pub use manifest::{Manifest, ManifestFile};
pub use mirror::{Mirror, Mirrored};
pub use restore::Restored;
pub use source::{CopySource, StoppedLog, read_file};

#[cfg(test)]
mod tests;
