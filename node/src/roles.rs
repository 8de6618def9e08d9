//! The roles that a node can have: each is a list of parts, in the order in which they start.

use std::fs;
use std::sync::Arc;

use api::{ApiNode, ApiParts, WriteSide};
use gateway::{Gateway, HttpGateway};
use projections::Progress;
use scheduler::{Clock, GuardedClock, Heights, SchedulerParts};
use tracing::info;

use crate::error::NodeError;
use crate::jobs::Replayable;
use crate::listeners::{Addresses, Listeners};
use crate::options::{NodeOptions, WriteOptions};
use crate::part::NodeParts;
use crate::running::RunningNode;
use crate::store::Store;
use crate::{heights, index, jobs, postgres, scheduling, services, telemetry, uploads};

/// Starts a node that orders messages; it serves when this returns. Cancelling `progress` ends a start that has to
/// bring the index up to the log first.
///
/// # Errors
/// When a part cannot be started. Those that had started before have ended again, the last one first.
pub async fn leader(
    options: NodeOptions,
    writing: WriteOptions,
    progress: &Arc<Progress>,
) -> Result<RunningNode, NodeError> {
    let mut parts = NodeParts::default();
    let started = start_leader(&mut parts, options, writing, progress).await;
    RunningNode::of(parts, started).await
}

async fn start_leader(
    parts: &mut NodeParts,
    options: NodeOptions,
    writing: WriteOptions,
    progress: &Arc<Progress>,
) -> Result<Addresses, NodeError> {
    let metrics = if options.listen.metrics { Some(telemetry::start(parts)?) } else { None };
    let endpoints = writing.uploads.endpoints.clone();
    let listeners = Listeners::bind(&options.listen, services::sockets_max(&endpoints)).await?;
    let store = Store::open(parts, &options.data, progress).await?;
    let (log, index) = (store.log.clone(), store.index.clone());
    fs::create_dir_all(&options.data.folder)
        .map_err(|error| NodeError::Folder { path: options.data.folder.clone(), error })?;
    let gateway: Arc<dyn Gateway> = Arc::new(HttpGateway::new(services::asking(&endpoints)?, endpoints));
    let newest = store.newest()?;
    let heights: Arc<dyn Heights> =
        Arc::new(heights::start(parts, gateway.clone(), &options.data.folder, newest).await);
    let indexed = index::start(parts, store.follower)?;
    let uploads = uploads::start(parts, &writing.uploads, &log, &options.data.folder).await?;
    let queries = postgres::start(parts, options.postgres.as_ref(), &log)?;
    let replayable = Replayable {
        log: log.clone(),
        index: index.clone(),
        wake_index: indexed.wake,
        postgres: options.postgres.clone(),
        uploads: uploads.clone(),
    };
    let jobs = jobs::start(parts, &options.data.folder, replayable);
    let clock: Arc<dyn Clock> =
        Arc::new(GuardedClock::new(newest.map(|newest| newest.timestamp), writing.clock_jump_max));
    let scheduler_parts = SchedulerParts {
        log: log.clone(),
        index: index.clone(),
        indexed: indexed.position,
        gateway,
        heights: heights.clone(),
        clock: clock.clone(),
        signer: writing.signer,
    };
    let scheduler = scheduling::start(parts, scheduler_parts, &writing.scheduling)?;
    let address = scheduler.address();
    let node = ApiNode::new(ApiParts {
        log,
        index,
        writes: WriteSide::Open(scheduler),
        address,
        heights,
        clock,
        projections: parts.positions(),
        uploads,
        jobs: Some(jobs),
        queries,
        options: options.api(metrics),
    });
    let addresses = listeners.addresses();
    listeners.serve(parts, Arc::new(node), options.listen.admin_token);
    let Addresses { public, admin } = addresses;
    info!(%address, %public, %admin, "scheduling on http://{public}, admin listener on http://{admin}");
    Ok(addresses)
}
