//! Beginning with a checkpoint of the leader: its files are fetched beside the folder of the log, each from where it
//! stopped, held against their hashes, and become the log when all of them are there.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use backup::FileHash;
use log::{Rocks, RocksError};
use projections::Progress;
use replicator::LeaderHello;
use serde::Deserialize;
use thiserror::Error;
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{info, warn};
use uuid::Uuid;

use super::connection::{Leader, StreamEnd, next_piece};
use crate::error::NodeError;
use crate::pauses::Pauses;

/// From how many events on a checkpoint is quicker than the stream.
const EVENTS_MIN: u64 = 20_000;
/// How often a leader that breaks off is asked again before the stream has to do.
const ATTEMPTS: u32 = 20;
/// What the folder beside that of the log is called besides.
const INCOMING: &str = "incoming";
/// What says that what was fetched is not verified yet: in the folder of the log, wherever that is moved to.
const UNVERIFIED: &str = "unverified";

/// A checkpoint as a leader tells of it.
#[derive(Debug, Deserialize)]
pub(super) struct Offered {
    store: String,
    events: u64,
    digest: String,
    files: Vec<OfferedFile>,
}

#[derive(Debug, Deserialize)]
struct OfferedFile {
    name: String,
    size: u64,
    sha256: FileHash,
}

/// Why there is no log of a checkpoint.
#[derive(Debug, Error)]
enum BootstrapError {
    /// The leader broke off, or has none.
    #[error("{0}")]
    Leader(String),
    /// What came is not what it should be.
    #[error("{0}")]
    Wrong(String),
    /// The disk does not take it.
    #[error("{}: {error}", .path.display())]
    Io {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    /// It cannot be opened.
    #[error(transparent)]
    Log(#[from] RocksError),
}

/// Makes the log of a checkpoint of the leader, if that is worth it. Where it cannot be had the log is left to the stream.
///
/// # Errors
/// When the start is cancelled.
pub(super) async fn fetch_log(
    leader: &Leader,
    log: &Path,
    hello: &LeaderHello,
    progress: &Progress,
) -> Result<(), NodeError> {
    if hello.tail < EVENTS_MIN {
        return Ok(());
    }
    let (mut pauses, mut cancelled) = (Pauses::default(), progress.cancelled());
    for _ in 0..ATTEMPTS {
        let fetched = tokio::select! {
            fetched = try_fetch(leader, log, hello) => fetched,
            _ = cancelled.wait_for(|cancelled| *cancelled) => return Ok(progress.go_on()?),
        };
        match fetched {
            Ok(()) => return Ok(()),
            Err(BootstrapError::Leader(reason)) => {
                warn!(reason, "the checkpoint is not here yet; going on with it")
            }
            Err(error) => {
                warn!(%error, "no log can be made of a checkpoint of the leader: following it from its first event");
                clear(log);
                return Ok(());
            }
        }
        tokio::select! {
            () = sleep(pauses.next()) => {}
            _ = cancelled.wait_for(|cancelled| *cancelled) => return Ok(progress.go_on()?),
        }
    }
    warn!("the checkpoint could not be fetched: following the leader from its first event");
    clear(log);
    Ok(())
}

/// Removes what was fetched in vain; what is not ours stays.
fn clear(log: &Path) {
    let incoming = incoming(log);
    if let Ok((_, folder)) = begun(&incoming) {
        // What is left takes up room, and nothing else.
        let _ = Rocks::remove_copy(&folder);
        let _ = fs::remove_dir(incoming);
    }
}

/// Whether a log that was fetched is not verified yet.
pub(crate) fn is_unverified(log: &Path) -> bool {
    log.join(UNVERIFIED).exists()
}

/// It is.
pub(crate) fn mark_verified(log: &Path) -> io::Result<()> {
    fs::remove_file(log.join(UNVERIFIED))?;
    sync(log)
}

async fn try_fetch(leader: &Leader, log: &Path, hello: &LeaderHello) -> Result<(), BootstrapError> {
    let incoming = incoming(log);
    let (id, folder) = begun(&incoming)?;
    let offered = leader.checkpoint(id).await?;
    let own = hello.store.to_string();
    if offered.store != own {
        return Err(BootstrapError::Wrong(format!(
            "the checkpoint is of the store {}, not {own}",
            offered.store
        )));
    }
    let bytes: u64 = offered.files.iter().map(|file| file.size).sum();
    info!(events = offered.events, bytes, "fetching a checkpoint of the leader");
    for file in &offered.files {
        if !Rocks::is_file_of_store(&file.name) {
            return Err(BootstrapError::Wrong(format!("{:?} is no file of a log", file.name)));
        }
        fetch_file(leader, id, &folder, file).await?;
    }
    let log = log.to_owned();
    let events = offered.events;
    let placed = spawn_blocking(move || place(&incoming, &folder, &log, &offered)).await;
    placed.map_err(|error| BootstrapError::Wrong(error.to_string()))??;
    leader.remove_checkpoint(id).await;
    info!(events, "the log begins with a checkpoint of the leader");
    Ok(())
}

/// The checkpoint that was begun, or a new one.
fn begun(incoming: &Path) -> Result<(Uuid, PathBuf), BootstrapError> {
    let failed = |error| BootstrapError::Io { path: incoming.to_owned(), error };
    fs::create_dir_all(incoming).map_err(failed)?;
    for entry in fs::read_dir(incoming).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if let Some(id) = name.to_str().and_then(|name| Uuid::parse_str(name).ok()) {
            return Ok((id, incoming.join(name)));
        }
    }
    let id = Uuid::new_v4();
    let folder = incoming.join(id.to_string());
    fs::create_dir(&folder).map_err(failed)?;
    Ok((id, folder))
}

/// Fetches what is missing of a file; one that is not what it should be is fetched once more from its beginning.
async fn fetch_file(
    leader: &Leader,
    id: Uuid,
    folder: &Path,
    file: &OfferedFile,
) -> Result<(), BootstrapError> {
    let path = folder.join(&file.name);
    for _ in 0..2 {
        fetch_rest(leader, id, &path, file).await?;
        let hashed = path.clone();
        let found = spawn_blocking(move || FileHash::of(&hashed, &|| true)).await;
        if found.is_ok_and(|found| found.is_ok_and(|found| found == file.sha256)) {
            return Ok(());
        }
        fs::remove_file(&path).map_err(|error| BootstrapError::Io { path: path.clone(), error })?;
    }
    Err(BootstrapError::Wrong(format!("{} is not what the leader says that it is", file.name)))
}

async fn fetch_rest(
    leader: &Leader,
    id: Uuid,
    path: &Path,
    file: &OfferedFile,
) -> Result<(), BootstrapError> {
    let failed = |error| BootstrapError::Io { path: path.to_owned(), error };
    let mut options = OpenOptions::new();
    let mut to = options.create(true).append(true).open(path).await.map_err(failed)?;
    let mut there = to.metadata().await.map_err(failed)?.len();
    if there > file.size {
        to.set_len(0).await.map_err(failed)?;
        there = 0;
    }
    if there < file.size {
        let mut response = leader.checkpoint_file(id, &file.name, there).await?;
        while there < file.size {
            let piece = next_piece(&mut response, leader.patience).await?;
            if piece.is_empty() {
                return Err(BootstrapError::Leader(format!("{} breaks off", file.name)));
            }
            to.write_all(&piece).await.map_err(failed)?;
            there = there.saturating_add(piece.len() as u64);
        }
    }
    to.sync_all().await.map_err(failed)
}

/// What was fetched becomes the log, if it is what the leader says.
fn place(incoming: &Path, folder: &Path, log: &Path, offered: &Offered) -> Result<(), BootstrapError> {
    let failed = |error| BootstrapError::Io { path: folder.to_owned(), error };
    // What an earlier checkpoint of this id had.
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if !offered.files.iter().any(|file| name == *file.name) {
            fs::remove_file(folder.join(name)).map_err(failed)?;
        }
    }
    sync(folder).map_err(failed)?;
    let wrong = |error: &dyn std::fmt::Display| BootstrapError::Wrong(format!("the checkpoint: {error}"));
    let contents = Rocks::open_read_only(folder)?.contents().map_err(|error| wrong(&error))?;
    let found = (contents.identity.store.to_string(), contents.events, contents.digest.to_string());
    if found != (offered.store.clone(), offered.events, offered.digest.clone()) {
        return Err(wrong(&format!("it has {} events with the digest {}", contents.events, contents.digest)));
    }
    File::create(folder.join(UNVERIFIED)).and_then(|file| file.sync_all()).map_err(failed)?;
    sync(folder).map_err(failed)?;
    // An empty folder may be there.
    let _ = fs::remove_dir(log);
    fs::rename(folder, log).map_err(failed)?;
    sync(log.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    // What is left takes up no room.
    let _ = fs::remove_dir(incoming);
    Ok(())
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn incoming(log: &Path) -> PathBuf {
    log.with_added_extension(INCOMING)
}

impl From<StreamEnd> for BootstrapError {
    fn from(end: StreamEnd) -> Self {
        match end {
            StreamEnd::Lost(reason) | StreamEnd::Ended(reason) => Self::Leader(reason),
            StreamEnd::Failed(reason) | StreamEnd::Refused(reason) | StreamEnd::Differs(reason) => {
                Self::Wrong(reason)
            }
        }
    }
}
