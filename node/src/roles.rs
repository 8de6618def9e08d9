//! The roles that a node can have: each is a list of parts, in the order in which they start.

use std::sync::Arc;

use api::WriteSide;
use projections::Progress;
use tracing::info;

use crate::base::Base;
use crate::error::NodeError;
use crate::listeners::Addresses;
use crate::options::{NodeOptions, ReadOptions, WriteOptions};
use crate::part::NodeParts;
use crate::running::{RunningNode, Served};
use crate::{leadership, scheduling, uploads, wallet};

/// Starts a node that orders messages; it serves when this returns. Cancelling `progress` ends the start.
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

/// Starts a node that answers reads and refuses writes; it needs no wallet, has no scheduler and uploads nothing. It
/// serves when this returns. Cancelling `progress` ends the start.
///
/// # Errors
/// When a part cannot be started. Those that had started before have ended again, the last one first.
pub async fn reader(
    options: NodeOptions,
    reading: ReadOptions,
    progress: &Arc<Progress>,
) -> Result<RunningNode, NodeError> {
    let mut parts = NodeParts::default();
    let started = start_reader(&mut parts, options, reading, progress).await;
    RunningNode::of(parts, started).await
}

async fn start_leader(
    parts: &mut NodeParts,
    options: NodeOptions,
    writing: WriteOptions,
    progress: &Arc<Progress>,
) -> Result<Served, NodeError> {
    let (endpoints, data) = (options.endpoints.clone(), options.data.folder.clone());
    uploads::check_folder(&endpoints, &options.data).await?;
    let memory = options.memory.clone();
    leadership::check_role(&data).await?;
    let base = Base::start(parts, options, progress).await?;
    leadership::check_log(&data, &base.log).await?;
    wallet::hold(&base.log, writing.signer.address(), writing.wallet_change_to).await?;
    let uploads =
        uploads::start(parts, &endpoints, writing.uploads_rewind_max, &base.log, &data, &memory).await?;
    let derived = base.derive(parts, uploads)?;
    let scheduler = scheduling::start(parts, base.scheduler_parts(writing.signer), &writing.scheduling)?;
    let address = scheduler.address();
    let served = base.serve(parts, derived, WriteSide::Open(scheduler), address);
    let Addresses { public, admin } = served.addresses;
    info!(%address, %public, %admin, "scheduling on http://{public}, admin listener on http://{admin}");
    Ok(served)
}

async fn start_reader(
    parts: &mut NodeParts,
    options: NodeOptions,
    reading: ReadOptions,
    progress: &Arc<Progress>,
) -> Result<Served, NodeError> {
    let base = Base::start(parts, options, progress).await?;
    wallet::compare(&base.log, reading.address).await?;
    let derived = base.derive(parts, None)?;
    let writes = WriteSide::Closed(reading.refusal.into());
    let served = base.serve(parts, derived, writes, reading.address);
    let Addresses { public, admin } = served.addresses;
    info!(%public, %admin, "serving reads on http://{public}, admin listener on http://{admin}");
    Ok(served)
}
