//! The roles of a node that keeps its log together with others: whether it was started to lead or to follow, it is made of
//! the same parts, and becomes the other without a restart.

use std::sync::Arc;

use ans104::Address;
use api::{WriteSide, Writes};
use async_trait::async_trait;
use replicator::{Followed, Keeper, MemberFile, StandingRole};
use reqwest::Url;
use tokio::task::spawn_blocking;
use tracing::info;

use crate::base::Base;
use crate::error::NodeError;
use crate::gated;
use crate::listeners::Addresses;
use crate::member::{self, Beginning, MemberNode, MemberParts};
use crate::options::{MemberOptions, OtherNode, StandbyOptions, VotingOptions, WriteOptions};
use crate::part::{NodePart, NodeParts};
use crate::peers::Peers;
use crate::running::Served;
use crate::standby::{self as following, FollowingParts, StandbyError};

/// What clients of a member are told that has just started.
const STARTING: &str =
    "this node keeps its log with others and has just started: it is not known yet which of them leads";

/// What a member is made of besides what each node has.
struct Together {
    file: MemberFile,
    standing: StandbyOptions,
    members: MemberOptions,
    writing: Option<WriteOptions>,
    beginning: Beginning,
    address: Address,
    /// Who may have taken its place while nobody else keeps the log.
    peers: Option<Peers>,
}

/// Starts one that is to lead, if no other does.
pub(crate) async fn lead(
    parts: &mut NodeParts,
    base: Base,
    file: MemberFile,
    writing: WriteOptions,
) -> Result<Served, NodeError> {
    let (members, address) = (writing.members.clone(), writing.signer.address());
    let own = base.member_url(members.url.as_deref())?;
    let url = Url::parse(&own).map_err(|_| NodeError::NoMemberUrl(base.admin()))?;
    let from = OtherNode { url, access: members.access.clone() };
    let local = base.local.clone();
    let newest = spawn_blocking(move || replicator::newest_members(local.as_ref())).await??;
    let peers = if newest.is_none_or(|members| members.voters.len() <= 1) {
        Peers::ask_first(writing.peers.clone(), &base.folder(), &base.local).await?
    } else {
        // The others may be taken away while it runs.
        Peers::of(writing.peers.clone(), &base.folder(), &base.local).await?
    };
    let writing = Some(writing);
    let standing = StandbyOptions { from, leader_url: None, forwards: false, votes: None };
    let beginning = Beginning::Lead;
    start(parts, base, Together { file, standing, members, writing, beginning, address, peers }).await
}

/// Starts one that is to follow, unless it was the last to lead.
pub(crate) async fn follow(
    parts: &mut NodeParts,
    base: Base,
    standing: StandbyOptions,
    votes: VotingOptions,
    address: Address,
) -> Result<Served, NodeError> {
    let VotingOptions { members, writing } = votes;
    gated::check_alone(&base.local).await?;
    let (folder, local) = (base.folder(), base.local.clone());
    let read = spawn_blocking(move || {
        let file = MemberFile::keep(&folder, StandingRole::Standby).map_err(StandbyError::from)?;
        let led = file.role() == StandingRole::Leader || file.promise().to == file.node();
        let newest = replicator::newest_members(local.as_ref())?;
        if led && newest.is_none() {
            return Err(NodeError::from(StandbyError::Leads { folder, role: file.role() }));
        }
        let leads_alone = led && newest.is_some_and(|members| members.voters.len() <= 1);
        Ok((file, led, leads_alone))
    });
    let (file, led, leads_alone) = read.await??;
    if !base.local.is_held() {
        // From here on nothing is shown that the leader has not released.
        base.local.hold(true)?.await?;
    }
    let beginning = if led { Beginning::Lead } else { Beginning::Follow(standing.from.url.clone()) };
    let peers = match writing.as_ref().map(|writing| writing.peers.clone()) {
        Some(peers) if leads_alone => Peers::ask_first(peers, &base.folder(), &base.local).await?,
        // It may come to lead alone by and by.
        Some(peers) => Peers::of(peers, &base.folder(), &base.local).await?,
        None => None,
    };
    start(parts, base, Together { file, standing, members, writing, beginning, address, peers }).await
}

async fn start(parts: &mut NodeParts, mut base: Base, from: Together) -> Result<Served, NodeError> {
    let Together { file, standing, mut members, writing, beginning, address, peers } = from;
    base.set_tls(members.access.tls.clone());
    let (derived, node, paths) = (base.derive(parts, None)?, file.node(), base.paths());
    members.url = Some(base.member_url(members.url.as_deref())?);
    let host = standing.from.url.host_str().unwrap_or_default().to_owned();
    let followed = Followed::new(standing.from.url.to_string(), host, standing.leader_url.clone());
    let forward = if standing.forwards { Some(following::forwarder(&followed)?) } else { None };
    let writes = Writes::new(WriteSide::Unsure(STARTING.into()), None);
    let takeover = match writing {
        Some(writing) => Some(base.takeover(parts, writing)?),
        None => None,
    };
    let folder = paths.log.clone();
    let unverified = spawn_blocking(move || following::is_unverified(&folder)).await?;
    let made = MemberParts {
        log: base.local.clone(),
        file,
        options: members,
        writes: writes.clone(),
        follows: WriteSide::Leader(followed.clone(), forward),
        takeover,
        unverified,
    };
    let member = spawn_blocking(move || MemberNode::open(made)).await??;
    let (log, options) = (base.local.clone(), &standing);
    let parts_of = FollowingParts { options, node, paths: &paths, log, followed, member: Some(&member) };
    following::start(parts, parts_of)?;
    member::start(parts, &member, beginning)?;
    if let Some(peers) = peers {
        peers.start_beside(parts, member.clone());
    }
    let served = base.serve(parts, derived, writes, (address, node), Some(member.clone()));
    parts.push(Draining(member));
    let Addresses { public, admin, .. } = served.addresses;
    info!(
        %address,
        %public,
        %admin,
        %node,
        "serving as one of several on {}",
        served.addresses.told()
    );
    Ok(served)
}

/// Lets what was written be confirmed before the listeners end, by which it is.
struct Draining(Arc<MemberNode>);

#[async_trait]
impl NodePart for Draining {
    fn name(&self) -> &'static str {
        "confirmations"
    }

    async fn stop(self: Box<Self>) {
        self.0.drain().await;
    }
}
