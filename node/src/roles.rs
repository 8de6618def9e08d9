//! The roles that a node can have: each is a list of parts, in the order in which they start.

use std::sync::Arc;

use api::{WriteSide, Writes};
use log::NodeId;
use projections::Progress;
use replicator::Followed;
use scheduler::SchedulerOptions;
use tracing::info;

use crate::base::Base;
use crate::bind::check_ports;
use crate::error::NodeError;
use crate::listeners::Addresses;
use crate::member::Founding;
use crate::options::{NodeOptions, ReadOptions, StandbyOptions, WriteOptions};
use crate::part::NodeParts;
use crate::peers::Peers;
use crate::running::{RunningNode, Served};
use crate::standby::FollowingParts;
use crate::{gated, leadership, member, scheduling, standby as following, together, uploads, wallet};

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

/// Starts a node that follows a leader, answers reads up to what it has, and refuses writes; it needs no wallet. It serves
/// when this returns, which it does when the leader has been reached where nothing is there yet. Cancelling `progress`
/// ends the start.
///
/// # Errors
/// When a part cannot be started. Those that had started before have ended again, the last one first.
pub async fn standby(
    options: NodeOptions,
    standing: StandbyOptions,
    progress: &Arc<Progress>,
) -> Result<RunningNode, NodeError> {
    let mut parts = NodeParts::default();
    let started = start_standby(&mut parts, options, standing, progress).await;
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
    leadership::check_role(&options.data).await?;
    let identity = match &writing.gate {
        Some(gate) => gated::identity(&gate.gate, progress).await?,
        None => None,
    };
    let mut base = Base::start(parts, options, identity, progress).await?;
    base.set_tls(writing.peers.access.tls.clone());
    let file = leadership::member_file(&data, &base.log).await?;
    if let Some(gate) = writing.gate.clone() {
        return gated::lead(parts, base, file, gate, writing, progress).await;
    }
    gated::check_alone(&base.local).await?;
    if member::found(&base.local, file.node(), writing.members.acks.unwrap_or(0)).await? == Founding::Together
    {
        return together::lead(parts, base, file, writing).await;
    }
    let peers = Peers::ask_first(writing.peers.clone(), &data, &base.local).await?;
    wallet::hold(&base.log, writing.signer.address(), writing.wallet_change_to).await?;
    let uploads =
        uploads::start(parts, &endpoints, writing.uploads_rewind_max, &base.log, &data, &memory).await?;
    let derived = base.derive(parts, uploads.clone())?;
    let limits = base.let_in(parts, writing.items)?;
    let scheduling = SchedulerOptions { limits, ..writing.scheduling };
    let scheduler = scheduling::start(parts, base.scheduler_parts(writing.signer.clone()), &scheduling)?;
    if let Some(options) = writing.location {
        base.locate(parts, options, writing.signer);
    }
    if let Some(peers) = peers {
        peers.start(parts);
    }
    let address = scheduler.address();
    let writes = Writes::new(WriteSide::Open(scheduler), uploads);
    let served = base.serve(parts, derived, writes, (address, file.node()), None);
    let Addresses { public, admin, .. } = served.addresses;
    info!(%address, %public, %admin, "scheduling on {}",
        served.addresses.told());
    Ok(served)
}

async fn start_reader(
    parts: &mut NodeParts,
    options: NodeOptions,
    reading: ReadOptions,
    progress: &Arc<Progress>,
) -> Result<Served, NodeError> {
    let base = Base::start(parts, options, None, progress).await?;
    wallet::compare(&base.log, reading.address).await?;
    let derived = base.derive(parts, None)?;
    let writes = Writes::new(WriteSide::Closed(reading.refusal.into()), None);
    let served = base.serve(parts, derived, writes, (reading.address, NodeId::UNKNOWN), None);
    let Addresses { public, admin, .. } = served.addresses;
    info!(%public, %admin, "serving reads on {}",
        served.addresses.told());
    Ok(served)
}

async fn start_standby(
    parts: &mut NodeParts,
    options: NodeOptions,
    standing: StandbyOptions,
    progress: &Arc<Progress>,
) -> Result<Served, NodeError> {
    check_ports(&options.listen)?;
    let paths = options.data.clone();
    let (node, greeted) = following::prepare(&paths, &standing, progress).await?;
    let base = Base::start(parts, options, greeted.as_ref().map(following::identity), progress).await?;
    let address = match (wallet::remembered(&base.log).await?, greeted) {
        (Some(address), _) => address,
        (None, Some(hello)) => hello.wallet,
        (None, None) => following::first_contact(&standing, node, progress).await?.wallet,
    };
    if let Some(votes) = standing.votes.clone() {
        return together::follow(parts, base, standing, votes, address).await;
    }
    leadership::check_observer(&base.local, node).await?;
    let derived = base.derive(parts, None)?;
    let host = standing.from.url.host_str().unwrap_or_default().to_owned();
    let from = standing.from.url.to_string();
    let followed = Followed::new(from, host, standing.leader_url.clone());
    let (options, log) = (&standing, base.local.clone());
    let from = FollowingParts { options, node, paths: &paths, log, followed: followed.clone(), member: None };
    following::start(parts, from)?;
    let forward = if standing.forwards { Some(following::forwarder(&followed)?) } else { None };
    let writes = Writes::new(WriteSide::Leader(followed, forward), None);
    let served = base.serve(parts, derived, writes, (address, node), None);
    let Addresses { public, admin, .. } = served.addresses;
    info!(
        %address,
        %public,
        %admin,
        "serving as a standby on {}",
        served.addresses.told()
    );
    Ok(served)
}
