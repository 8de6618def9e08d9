//! The cursor file of earlier versions, `uploads.json`: taken over once, then deleted. A file of that name that is none
//! of ours is left alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use log::{FolderError, Log, Seq};
use serde::Deserialize;
use tracing::{info, warn};
use uuid::Uuid;

use super::NAME;
use super::cursor::UploadCursor;
use super::store::UploadStore;
use crate::fingerprint::fingerprint_at;
use crate::projection::ProjectionError;

#[derive(Deserialize)]
struct CursorFile {
    store: Uuid,
    position: Seq,
}

/// Where the file was.
pub(super) fn path(data: &Path) -> PathBuf {
    data.join("uploads.json")
}

/// Takes the position over when the store has none yet and the file belongs to this log; then deletes the file, when
/// what it said is safe.
pub(super) fn take_over(store: &UploadStore, log: &dyn Log, path: &Path) -> Result<(), ProjectionError> {
    let failed = |error| ProjectionError::store(NAME, FolderError { path: path.to_owned(), error });
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let Ok(file) = serde_json::from_slice::<CursorFile>(&text) else { return Ok(()) };
    if store.cursor()?.is_none() {
        let identity = log.identity().store;
        let position = (file.store == identity.0).then_some(file.position);
        let fingerprint = position.map(|at| fingerprint_at(log, at)).transpose()?.flatten();
        if let (Some(position), Some(fingerprint)) = (position, fingerprint) {
            store.set_cursor_synced(&UploadCursor::new(identity, position, fingerprint))?;
            info!(%position, "took over how far uploads had come from {}", path.display());
        } else {
            warn!("{} does not belong to this log; all of it is uploaded", path.display());
        }
    }
    fs::remove_file(path).map_err(failed)
}
