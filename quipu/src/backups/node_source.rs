//! The log of a running node, by a checkpoint that it makes.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use backup::{BackupError, CopySource, Manifest, ManifestFile, read_file};
use serde::Deserialize;
use tokio::runtime::Runtime;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::BackupCommandError;
use crate::client::{AdminClient, ClientError};
use crate::failure::Failure;

const CHECKPOINTS: &str = "/replication/v1/checkpoints";
/// For how long a checkpoint is asked for while the node makes another, and how often.
const BUSY_MAX: Duration = Duration::from_secs(120);
const ASK_EVERY: Duration = Duration::from_secs(2);
/// For how long it is asked for while the node reads its files: what was read once is not read again.
const READ_MAX: Duration = Duration::from_secs(6 * 3600);
/// How often a file is asked for whose transfer broke off without a byte more.
const ATTEMPTS: u32 = 5;
/// A node takes a checkpoint away of which it has sent nothing for some minutes.
const TOUCH_EVERY: Duration = Duration::from_secs(60);

/// A checkpoint of a running node, which removes it when this is dropped.
pub struct NodeSource<'a> {
    node: &'a AdminClient,
    runtime: &'a Runtime,
    path: String,
    manifest: Manifest,
    /// Where it is, if that is on this machine.
    folder: Option<PathBuf>,
    note: PathBuf,
    touched: Cell<Instant>,
}

/// What a node tells of a checkpoint.
#[derive(Debug, Deserialize)]
struct Checkpoint {
    store: String,
    term: u64,
    events: u64,
    digest: String,
    made_ms: u64,
    folder: PathBuf,
    files: Vec<ManifestFile>,
}

impl<'a> NodeSource<'a> {
    /// Has the node make a checkpoint. Its id is noted in a file before, so that whoever comes after a kill can remove it.
    ///
    /// # Errors
    /// When the node is not reached, or makes none.
    pub fn make(node: &'a AdminClient, runtime: &'a Runtime, note: PathBuf) -> Result<Self, Failure> {
        let id = Uuid::new_v4();
        let write = || File::create_new(&note)?.write_all(id.to_string().as_bytes());
        write().map_err(|error| BackupError::io(&note, error))?;
        let (asked, since) = (format!("{CHECKPOINTS}?id={id}"), Instant::now());
        let made: Checkpoint = loop {
            match runtime.block_on(node.post(&asked, None)) {
                Ok(made) => break made,
                Err(error) if since.elapsed() < patience(&error) => sleep(ASK_EVERY),
                Err(error) => return Err(error.into()),
            }
        };
        let Checkpoint { store, term, events, digest, made_ms, folder, files } = made;
        let folder = Some(folder).filter(|folder| node.is_local() && folder.is_dir());
        let manifest = Manifest::of_checkpoint((store, term), (events, digest), made_ms, files);
        let manifest = manifest.map_err(BackupCommandError::Told)?;
        let path = format!("{CHECKPOINTS}/{id}");
        let touched = Cell::new(Instant::now());
        Ok(Self { node, runtime, path, manifest, folder, note, touched })
    }

    /// Hands out what is in a file from a place on, as the node sends it; how far it came.
    fn fetch(
        &self,
        name: &str,
        from: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<(), BackupError>,
    ) -> (u64, Result<(), FetchError>) {
        self.touched.set(Instant::now());
        let mut at = from;
        let fetched = self.runtime.block_on(async {
            let path = format!("{}/files/{name}", self.path);
            let mut response = self.node.fetch(&path, from).await.map_err(FetchError::Node)?;
            loop {
                match response.chunk().await {
                    Ok(None) => return Ok(()),
                    Ok(Some(bytes)) => {
                        take(&bytes).map_err(FetchError::Taken)?;
                        at = at.saturating_add(bytes.len() as u64);
                    }
                    Err(error) => {
                        let is_timeout = error.is_timeout();
                        let error =
                            ClientError::unreachable(self.node.url(), &error.without_url(), is_timeout);
                        return Err(FetchError::Node(error));
                    }
                }
            }
        });
        (at, fetched)
    }
}

/// Why a file did not come.
enum FetchError {
    Node(ClientError),
    /// It came, and could not be written.
    Taken(BackupError),
}

impl CopySource for NodeSource<'_> {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn read(
        &self,
        file: &ManifestFile,
        take: &mut dyn FnMut(&[u8]) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        if let Some(path) = self.folder.as_ref().map(|folder| folder.join(&file.name))
            && path.metadata().is_ok_and(|there| there.len() == file.size)
            && fs::File::open(&path).is_ok()
        {
            if self.touched.get().elapsed() >= TOUCH_EVERY {
                // That it is not answered shows with the next one that is not there.
                let _ = self.fetch("CURRENT", 0, &mut |_| Ok(()));
            }
            return read_file(&path, take);
        }
        let (mut at, mut failures) = (0, 0);
        while at < file.size {
            let (reached, fetched) = self.fetch(&file.name, at, take);
            failures = if reached > at { 0 } else { failures + 1 };
            at = reached;
            match fetched {
                Ok(()) if reached >= file.size || failures == ATTEMPTS => break,
                Ok(()) => {}
                Err(FetchError::Node(error)) if error.is_connection() && failures < ATTEMPTS => {
                    sleep(ASK_EVERY)
                }
                Err(FetchError::Node(error)) => return Err(BackupError::Source(Box::new(error))),
                Err(FetchError::Taken(error)) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Drop for NodeSource<'_> {
    fn drop(&mut self) {
        // It was ours when it was written.
        let _ = forget_checkpoint(self.node, self.runtime, &self.note);
    }
}

/// Removes the checkpoint that is noted in a file, and the note. One that the node does not remove now it removes by itself.
///
/// # Errors
/// When the file is no such note. Then it stays.
pub fn forget_checkpoint(node: &AdminClient, runtime: &Runtime, note: &Path) -> Result<(), BackupError> {
    let id = match noted(note)? {
        Noted::Nothing => return Ok(()),
        Noted::Unwritten => None,
        Noted::Checkpoint(id) => Some(id),
    };
    if let Some(id) = id {
        let _ = runtime.block_on(node.delete(&format!("{CHECKPOINTS}/{id}")));
    }
    fs::remove_file(note).map_err(|error| BackupError::io(note, error))
}

/// What a note says.
#[derive(Debug, PartialEq, Eq)]
enum Noted {
    /// There is none.
    Nothing,
    /// A kill came before it was written.
    Unwritten,
    Checkpoint(Uuid),
}

fn noted(note: &Path) -> Result<Noted, BackupError> {
    let failed = |error| BackupError::io(note, error);
    let metadata = match note.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Noted::Nothing),
        Err(error) => return Err(failed(error)),
    };
    if metadata.is_file() && metadata.len() == 0 {
        return Ok(Noted::Unwritten);
    }
    if metadata.is_file() && metadata.len() == Hyphenated::LENGTH as u64 {
        let text = fs::read(note).map_err(failed)?;
        if let Ok(id) = Uuid::try_parse_ascii(&text) {
            return Ok(Noted::Checkpoint(id));
        }
    }
    Err(BackupError::InTheWay(note.to_owned()))
}

/// For how long it makes sense to ask again after this.
fn patience(error: &ClientError) -> Duration {
    match error {
        ClientError::Refused { status: 503, .. } => BUSY_MAX,
        ClientError::Unreachable { is_timeout: true, .. } => READ_MAX,
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn only_what_names_a_checkpoint_is_a_note() {
        let folder = TempDir::new().unwrap();
        let (note, link, id) = (folder.path().join("note"), folder.path().join("link"), Uuid::new_v4());
        assert_eq!(noted(&note).unwrap(), Noted::Nothing);
        fs::write(&note, "").unwrap();
        assert_eq!(noted(&note).unwrap(), Noted::Unwritten);
        fs::write(&note, id.to_string()).unwrap();
        assert_eq!(noted(&note).unwrap(), Noted::Checkpoint(id));
        symlink(&note, &link).unwrap();
        let refused = |path: &Path| matches!(noted(path), Err(BackupError::InTheWay(_)));
        assert!(refused(&link) && refused(folder.path()));
        for theirs in ["mine", "a text of as many bytes as an id has", "\u{fc}"] {
            fs::write(&note, theirs).unwrap();
            assert!(refused(&note), "{theirs}");
        }
    }
}
