//! What a node is told: plain values that are known to be right.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ans104::{Address, Signer};
use api::{PagesServed, RenderMetrics};
use gate::Gate;
use gateway::Endpoints;
use limits::{ClientLimits, ClientOptions, ItemOptions, ListSeen};
use log::{StoreMemory, Term};
use projections::PostgresOptions;
use reqwest::Url;
use web::{Budget, Crowding, Tls};

use crate::node_tls::NodeTls;

/// What every node that serves is told, whatever its role.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Where its data is.
    pub data: DataPaths,
    /// What is kept in memory of what is there.
    pub memory: StoreMemory,
    /// Where it listens, and what it serves.
    pub listen: ListenOptions,
    /// The services that it asks and uploads to.
    pub endpoints: Endpoints,
    /// How far the clock may jump, or be behind the newest assignment, before nothing is signed with it.
    pub clock_jump_max: Duration,
    /// The database that the log is projected into, if there is one.
    pub postgres: Option<PostgresOptions>,
}

/// Where a node keeps its data. The log and the index are in folders of their own.
#[derive(Clone, Debug)]
pub struct DataPaths {
    /// The data folder: the block height, the jobs and what is known of uploads are in it.
    pub folder: PathBuf,
    /// The folder of the log.
    pub log: PathBuf,
    /// The folder of the index.
    pub index: PathBuf,
}

/// The two listeners of a node; port 0 takes any free one.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Where clients are served. The unspecified address of IPv6 stands for all addresses, those of IPv4 included, and
    /// for those alone where the system has no IPv6.
    pub public: SocketAddr,
    /// Where operators are served. The first must be had; the others are left out where the system has no such address.
    /// With port 0 they have that of the first.
    pub admin: Vec<SocketAddr>,
    /// The token that operators need for every call. Without one they need that which is made and kept in the data
    /// folder, for calls that change something.
    pub admin_token: Option<String>,
    /// How operators are spoken to by TLS, if they are; without it in clear text.
    pub admin_tls: Option<Tls>,
    /// Whether `/metrics` is answered.
    pub metrics: bool,
    /// The longest page that is made, in bytes; it ends early and says that there is more.
    pub max_read_memory: usize,
    /// How much memory all clients together may take up, in bytes.
    pub max_client_memory: usize,
    /// Which clients the public one lets in.
    pub clients: ClientOptions,
    /// Which of them have pages for a browser.
    pub pages: PagesServed,
    /// Which routers are told of it, if any are.
    pub registering: Option<RegisteringOptions>,
}

/// Which routers a node registers itself at, and what it says of itself.
#[derive(Clone, Debug)]
pub struct RegisteringOptions {
    /// Their admin listeners.
    pub routers: Vec<Url>,
    /// How they are asked.
    pub access: NodeAccess,
    /// Where clients find this node.
    pub url: String,
    /// Where its admin listener is; at the address that it listens at without this.
    pub admin: Option<String>,
}

/// What a node is told besides when it orders messages.
#[derive(Clone)]
pub struct WriteOptions {
    /// The scheduler's wallet.
    pub signer: Arc<dyn Signer>,
    /// The address of this wallet, when it takes the place of the one that signed before.
    pub wallet_change_to: Option<Address>,
    /// Other nodes that may have taken its place.
    pub peers: PeerOptions,
    /// How messages are scheduled.
    pub scheduling: scheduler::SchedulerOptions,
    /// What is let in of what is sent; its limits take the place of those in `scheduling`.
    pub items: ItemOptions,
    /// How the log is kept with others.
    pub members: MemberOptions,
    /// What remembers the log and says who may write it, if anything does besides this node.
    pub gate: Option<GateOptions>,
    /// Where clients find this scheduler; a record that says so is looked after.
    pub location: Option<LocationOptions>,
    /// How many events are uploaded again without being asked when the log turns out to have another history.
    pub uploads_rewind_max: u64,
}

/// Where clients find a scheduler.
#[derive(Clone, Debug)]
pub struct LocationOptions {
    /// There.
    pub url: Url,
    /// The upload node to which the record that says so is sent; without one it is only looked at.
    pub upload: Option<Url>,
}

/// Other nodes that may take the place of this one, or may have.
#[derive(Clone, Debug, Default)]
pub struct PeerOptions {
    /// Their admin listeners.
    pub urls: Vec<Url>,
    /// How they are asked.
    pub access: NodeAccess,
}

/// How other nodes are asked.
#[derive(Clone, Debug, Default)]
pub struct NodeAccess {
    /// Their token, if they need one.
    pub token: Option<String>,
    /// What they are asked with by TLS.
    pub tls: NodeTls,
}

/// Another node, and how it is asked.
#[derive(Clone, Debug)]
pub struct OtherNode {
    /// Its admin listener.
    pub url: Url,
    /// How it is asked.
    pub access: NodeAccess,
}

/// How a node keeps its log together with others.
#[derive(Clone, Debug, Default)]
pub struct MemberOptions {
    /// How many others have to have an event before it leaves the node; without it as many as the log asks for.
    pub acks: Option<u32>,
    /// Where others find the admin listener of this one; without it at the address that it listens at.
    pub url: Option<String>,
    /// How the others are asked.
    pub access: NodeAccess,
}

/// What remembers the log of a node.
#[derive(Clone)]
pub struct GateOptions {
    /// The gate.
    pub gate: Arc<dyn Gate>,
    /// The term of another node's claim behind which this node takes its place back.
    pub take_over: Option<Term>,
}

/// What a node is told besides when it only answers reads.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// The address of the wallet that signed what it serves.
    pub address: Address,
    /// Why it takes no writes: a sentence for the client, that says where else it may turn.
    pub refusal: String,
}

/// What a node is told besides when it follows a leader.
#[derive(Clone)]
pub struct StandbyOptions {
    /// Whom it follows.
    pub from: OtherNode,
    /// Where clients find the leader; without it on the host of whom it follows, at the port that the leader tells.
    pub leader_url: Option<String>,
    /// Whether messages are passed on to the leader, and not refused.
    pub forwards: bool,
    /// How its copy counts, if it does.
    pub votes: Option<VotingOptions>,
}

/// What a standby is told whose copy counts.
#[derive(Clone)]
pub struct VotingOptions {
    /// How the log is kept with others.
    pub members: MemberOptions,
    /// What it needs to lead; without it it only confirms.
    pub writing: Option<WriteOptions>,
}

impl DataPaths {
    /// Everything in one folder: the log in `log`, the index in `index`.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { log: folder.join("log"), index: folder.join("index"), folder }
    }
}

impl NodeOptions {
    /// What of it the API needs to know.
    pub(crate) fn api(
        &self,
        (budget, members_budget): (Budget, Budget),
        crowding: Crowding,
        counted: RenderMetrics,
        clients: Arc<ClientLimits>,
        lists: Vec<ListSeen>,
    ) -> api::ApiOptions {
        api::ApiOptions {
            clients,
            lists,
            max_read_memory: self.listen.max_read_memory,
            budget,
            members_budget,
            crowding,
            metrics: self.listen.metrics.then(|| counted.clone()),
            counted: Some(counted),
            pages: self.listen.pages,
            data: Some(self.data.folder.clone()),
            ..api::ApiOptions::default()
        }
    }
}
