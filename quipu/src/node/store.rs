//! Opening what a node keeps on disk: the log, then the index, brought up to it.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{LocalLog, Log, ReadError, Rocks, RocksOptions};
use projections::{Follower, Index, IndexWriter, Progress};
use protocol::AssignmentTags;
use tracing::info;

use super::settings::Settings;
use crate::failure::Failure;

/// The log and its index, in step.
pub(super) struct Store {
    pub(super) log: Arc<dyn Log>,
    pub(super) index: Index,
    pub(super) follower: Follower<IndexWriter>,
}

/// How often a long catch-up says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(5);

impl Store {
    /// Opens both; the index has all of the log when this returns.
    pub(super) fn open(settings: &Settings) -> Result<Self, Failure> {
        Self::open_at(&settings.log, &settings.index, &Progress::default())
    }

    /// The same for the log and the index in these folders, unless that is cancelled.
    pub(super) fn open_at(log_path: &Path, index_path: &Path, progress: &Progress) -> Result<Self, Failure> {
        let started = Instant::now();
        // Before the log is made: what is refused leaves nothing behind.
        Index::check_folder(index_path).map_err(failed)?;
        let engine = Rocks::open(log_path, RocksOptions::default()).map_err(failed)?;
        let log: Arc<dyn Log> = Arc::new(LocalLog::open(engine, None).map_err(failed)?);
        let identity = log.identity();
        info!(
            store = %identity.store,
            term = %identity.term,
            events = log.tail().last().map_or(0, |seq| seq.next().get()),
            milliseconds = started.elapsed().as_millis(),
            "opened the log at {}",
            log_path.display()
        );
        let (index, writer) = Index::open(index_path, log.as_ref()).map_err(failed)?;
        let mut follower = Follower::new(writer, log.clone());
        catch_up(&mut follower, progress)?;
        Ok(Self { log, index, follower })
    }
}

fn catch_up(follower: &mut Follower<IndexWriter>, progress: &Progress) -> Result<(), Failure> {
    let mut told = Instant::now();
    follower
        .catch_up(|done, total| {
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                info!(done, total, "bringing the index up to the log");
            }
            progress.go_on()
        })
        .map_err(failed)
}

/// The block height of the newest assignment: the chain was at least there.
pub(super) fn newest_height(log: &dyn Log) -> Result<Option<u64>, ReadError> {
    let Some(last) = log.tail().last() else { return Ok(None) };
    let mut height = None;
    log.scan(last, &mut |event| {
        height = event.assignment().and_then(|assignment| AssignmentTags::of(&assignment).height());
        ControlFlow::Break(())
    })?;
    Ok(height)
}

pub(super) fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::node(error)
}
