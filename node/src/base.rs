//! What every role that serves is built on: the store, the index that follows it, the chain's height, the listeners.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ::location::LocationSeat;
use ans104::{Address, Signer};
use api::{ApiNode, ApiOptions, ApiParts, GateSeen, MemberCalls, RenderMetrics, WriteSide, Writes};
use backup::Checkpoints;
use gateway::{Gateway, Http, HttpGateway};
use limits::{ClientLimits, ItemLimits, ItemOptions};
use log::{Identity, LocalLog, Log, NodeId, Rocks};
use projections::{Index, Jobs, Position, Progress, Queries, UploadsHandle};
use replicator::{LeaderUrl, MemberView, Shipper};
use scheduler::{Clock, GuardedClock, Heights, SchedulerParts};
use web::OperatorToken;

use crate::admin_token::keep_admin_token;
use crate::error::NodeError;
use crate::index::IndexFollowing;
use crate::jobs::Replayable;
use crate::listeners::{ADMIN_CONNECTIONS, Listeners};
use crate::location::KeepLocation;
use crate::member::{MemberNode, Takeover};
use crate::moving::Mover;
use crate::newest::{newest, newest_time};
use crate::node_tls::NodeTls;
use crate::options::{DataPaths, LocationOptions, NodeOptions, WriteOptions};
use crate::part::NodeParts;
use crate::registering::Registering;
use crate::running::Served;
use crate::store::Store;
use crate::{checkpoints, descriptors, heights, index, jobs, lists, location, postgres, services, telemetry};

/// What a role goes on from; it is in use, but nothing is served yet.
pub(crate) struct Base {
    options: NodeOptions,
    counted: RenderMetrics,
    listeners: Listeners,
    clients: Arc<ClientLimits>,
    token: OperatorToken,
    registering: Option<Registering>,
    pub(crate) local: Arc<LocalLog<Rocks>>,
    pub(crate) log: Arc<dyn Log>,
    index: Index,
    indexed: IndexFollowing,
    checkpoints: Checkpoints,
    asking: Http,
    gateway: Arc<dyn Gateway>,
    heights: Arc<dyn Heights>,
    clock: Arc<dyn Clock>,
    /// Who looks after the record that says where the scheduler is, if anybody does.
    location: LocationSeat,
    /// What other nodes are asked with by TLS.
    tls: NodeTls,
    /// How the node finds the gate that remembers its log, if one does.
    gate: Option<GateSeen>,
}

/// What is derived from the log besides the index, and what replays it.
pub(crate) struct Derived {
    queries: Option<Queries>,
    jobs: Jobs,
}

impl Base {
    /// Starts it. A new store is made as `identity` says, and is a store of its own otherwise.
    pub(crate) async fn start(
        parts: &mut NodeParts,
        options: NodeOptions,
        identity: Option<Identity>,
        progress: &Arc<Progress>,
    ) -> Result<Self, NodeError> {
        let counted = telemetry::start(parts)?;
        let sockets = own_sockets(&options);
        let listeners = Listeners::bind(&options.listen, sockets).await?;
        options.memory.limit_files(descriptors::files_of_each_store(sockets));
        let clients = lists::clients(parts, &options.listen.clients, &options.endpoints.redirect_hosts)?;
        let registering = options.listen.registering.as_ref().map(Registering::new).transpose()?;
        let store = Store::open(parts, &options.data, &options.memory, identity, progress).await?;
        let (local, log, index) = (store.local.clone(), store.log.clone(), store.index.clone());
        let data = &options.data.folder;
        let token = match &options.listen.admin_token {
            Some(token) => OperatorToken::ForAll(token.as_str().into()),
            None => OperatorToken::ForChanges(keep_admin_token(data)?.into()),
        };
        let asking = services::asking(&options.endpoints)?;
        let gateway: Arc<dyn Gateway> = Arc::new(HttpGateway::new(asking.clone(), options.endpoints.clone()));
        let (newest, newest_time) = (newest(store.log.as_ref())?, newest_time(store.log.as_ref())?);
        let file = heights::file(data, store.log.identity().store);
        let heights = Arc::new(heights::start(parts, gateway.clone(), file, newest, progress).await?);
        let indexed = index::start(parts, store.follower)?;
        let checkpoints = checkpoints::start(parts, &options.data, store.local).await?;
        let clock = Arc::new(GuardedClock::new(newest_time, options.clock_jump_max));
        Ok(Self {
            options,
            counted,
            listeners,
            clients,
            token,
            registering,
            local,
            log,
            index,
            indexed,
            checkpoints,
            asking,
            gateway,
            heights,
            clock,
            location: LocationSeat::default(),
            tls: NodeTls::default(),
            gate: None,
        })
    }

    /// Lets Postgres follow the log, if there is one, and opens the jobs, which replay it, the index and uploads.
    pub(crate) fn derive(
        &self,
        parts: &mut NodeParts,
        uploads: Option<UploadsHandle>,
    ) -> Result<Derived, NodeError> {
        let postgres = self.options.postgres.clone();
        let queries = postgres::start(parts, postgres.as_ref(), &self.log)?;
        let replayable = Replayable {
            log: self.log.clone(),
            index: self.index.clone(),
            wake_index: self.indexed.wake.clone(),
            postgres,
            uploads,
        };
        let jobs = jobs::start(parts, &self.options.data.folder, replayable);
        Ok(Derived { queries, jobs })
    }

    /// Lets in of what is sent what these options say.
    pub(crate) fn let_in(
        &self,
        parts: &mut NodeParts,
        items: ItemOptions,
    ) -> Result<Arc<ItemLimits>, NodeError> {
        lists::items(parts, items, &self.options.endpoints, self.log.as_ref())
    }

    /// Looks after the record that says where this scheduler is.
    pub(crate) fn locate(&self, parts: &mut NodeParts, options: LocationOptions, signer: Arc<dyn Signer>) {
        let keep = KeepLocation::of_log(options, signer, self.log.clone(), self.clock.clone());
        let handle = location::start(parts, keep, self.asking.clone(), &self.options.endpoints);
        self.location.set(Some(handle));
    }

    /// Other nodes are asked with this by TLS.
    pub(crate) fn set_tls(&mut self, tls: NodeTls) {
        self.tls = tls;
    }

    /// How far the index has come.
    pub(crate) fn indexed(&self) -> Position {
        self.indexed.position.clone()
    }

    /// A gate remembers the log, which is found to be so.
    pub(crate) fn set_gate(&mut self, gate: GateSeen) {
        self.gate = Some(gate);
    }

    /// What a scheduler works with that signs with this wallet.
    pub(crate) fn scheduler_parts(&self, signer: Arc<dyn Signer>) -> SchedulerParts {
        SchedulerParts {
            log: self.log.clone(),
            index: self.index.clone(),
            indexed: self.indexed.position.clone(),
            gateway: self.gateway.clone(),
            heights: self.heights.clone(),
            clock: self.clock.clone(),
            signer,
        }
    }

    /// What a member needs to schedule once it leads.
    pub(crate) fn takeover(
        &self,
        parts: &mut NodeParts,
        mut writing: WriteOptions,
    ) -> Result<Takeover, NodeError> {
        // Before it leads: what is let in is known by then.
        writing.scheduling.limits = self.let_in(parts, writing.items.clone())?;
        let (log, index, indexed) = (self.log.clone(), self.index.clone(), self.indexed.position.clone());
        let (gateway, heights) = (self.gateway.clone(), self.heights.clone());
        let (signer, jump_max) = (writing.signer.clone(), self.options.clock_jump_max);
        let made = move || {
            // No assignment may be older than the newest that is here by then.
            let newest = newest_time(log.as_ref())?;
            Ok(SchedulerParts {
                log: log.clone(),
                index: index.clone(),
                indexed: indexed.clone(),
                gateway: gateway.clone(),
                heights: heights.clone(),
                clock: Arc::new(GuardedClock::new(newest, jump_max)),
                signer: signer.clone(),
            })
        };
        Ok(Takeover {
            parts: Box::new(made),
            writing,
            endpoints: self.options.endpoints.clone(),
            data: self.options.data.clone(),
            memory: self.options.memory.clone(),
            asking: self.asking.clone(),
            location: self.location.clone(),
        })
    }

    /// The data folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.options.data.folder.clone()
    }

    /// All folders.
    pub(crate) fn paths(&self) -> DataPaths {
        self.options.data.clone()
    }

    /// Where the admin listener is.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.listeners.addresses().admin
    }

    /// Where others find the admin listener.
    ///
    /// # Errors
    /// When it is not known at which of the addresses of this machine.
    pub(crate) fn member_url(&self, told: Option<&str>) -> Result<String, NodeError> {
        let admin = self.listeners.addresses().admin;
        match told {
            Some(url) => Ok(url.to_owned()),
            None if admin.ip().is_unspecified() => Err(NodeError::NoMemberUrl(admin)),
            None => Ok(format!("{}://{admin}", self.listeners.admin_scheme())),
        }
    }

    /// Serves all of it: the last part of a node. `address` is that of the wallet whose assignments are served.
    pub(crate) fn serve(
        self,
        parts: &mut NodeParts,
        derived: Derived,
        writes: Arc<Writes>,
        (address, node): (Address, NodeId),
        member: Option<Arc<MemberNode>>,
    ) -> Served {
        let Derived { queries, jobs } = derived;
        let log = Arc::downgrade(&self.log);
        let port = self.listeners.addresses().public.port();
        let leads = writes.clone();
        let leader: LeaderUrl = Arc::new(move || match leads.side() {
            WriteSide::Leader(followed, _) => followed.leader_url(),
            _ => None,
        });
        let items = match (writes.side(), &member) {
            (WriteSide::Open(scheduler), _) => scheduler.limits().list(),
            (_, Some(member)) => member.items_list(),
            _ => None,
        };
        let lists = self.clients.list().into_iter().chain(items).collect();
        let come = (self.local.clone(), self.indexed.position.clone());
        let mover = Mover::start(parts, come, writes.clone(), address, self.tls);
        let view = member.clone().map(|member| member as Arc<dyn MemberView>);
        let shipper = Shipper::new(self.local, node, address, port, leader, view);
        let node = ApiNode::new(ApiParts {
            options: ApiOptions {
                location: self.location,
                gate: self.gate,
                ..self.options.api(
                    self.listeners.budgets(),
                    self.listeners.crowding(),
                    self.counted,
                    self.clients,
                    lists,
                )
            },
            log: self.log,
            index: self.index,
            writes,
            address,
            heights: self.heights,
            clock: self.clock,
            projections: parts.positions(),
            jobs: Some(jobs),
            checkpoints: Some(self.checkpoints),
            queries,
            shipper: Some(shipper),
            member: member.map(|member| member as Arc<dyn MemberCalls>),
            mover: Some(mover),
        });
        let (node, served) = (Arc::new(node), Served { addresses: self.listeners.addresses(), log });
        self.listeners.serve(parts, node.clone(), self.token);
        if let Some(registering) = self.registering {
            registering.start(parts, node, served.addresses);
        }
        served
    }
}

/// How many sockets a node has beside those of the clients of its public listener.
fn own_sockets(options: &NodeOptions) -> usize {
    // Some wait for a place meanwhile.
    let admin = 2 * ADMIN_CONNECTIONS;
    let database = options.postgres.as_ref().map_or(0, |postgres| {
        // One more looks at what the server does, and one is made for a moment at first.
        (postgres.write_connections as usize)
            .saturating_add(postgres.read_connections as usize)
            .saturating_add(2)
    });
    services::sockets_max(&options.endpoints).saturating_add(admin).saturating_add(database)
}
