//! Sees that what a gate has is whole, as a node with an empty data folder would.

use std::path::Path;
use std::sync::Arc;

use gate::{Gate, GateContents};
use log::{Identity, LocalLog, Rocks, StoreMemory};
use projections::Progress;
use tokio::task::spawn_blocking;

use super::fetching::fetch;
use super::{FIRST_TERM, GatedError};
use crate::error::NodeError;

/// Fetches what the gate has into a folder, which has to be empty: each record is held against the one before, each event
/// against its place, its process and its signatures. Nothing is changed in the gate. Gives what it has; none while it has
/// nothing.
///
/// # Errors
/// When the gate does not answer at first, or what it has is not whole; when the folder cannot be used, or it is cancelled.
pub async fn verify_gate(
    gate: &Arc<dyn Gate>,
    folder: &Path,
    progress: &Progress,
) -> Result<Option<GateContents>, NodeError> {
    let Some(contents) = gate.look().await.map_err(GatedError::from)? else { return Ok(None) };
    let (folder, identity) = (folder.to_owned(), Identity { store: contents.store, term: FIRST_TERM });
    let opened = spawn_blocking(move || {
        let engine = Rocks::open(&folder, &StoreMemory::default())?;
        Ok::<_, NodeError>(LocalLog::open(engine, Some(identity))?)
    });
    let log = Arc::new(opened.await??);
    log.hold(true)?.await?;
    let fetched = fetch(&log, gate, contents, progress).await;
    spawn_blocking(move || drop(log)).await?;
    fetched.map(|()| Some(contents))
}
