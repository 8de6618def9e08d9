//! What the API serves: a node's parts, with or without a scheduler, and how much of them a client may use.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use ans104::Address;
use backup::Checkpoints;
use limits::{ClientLimits, ListSeen};
use location::LocationSeat;
use log::Log;
use projections::{Index, Jobs, Position, Queries, UploadsHandle};
use replicator::{Shipper, record_followers, record_member, record_no_standby, record_standby};
use scheduler::{Clock, Heights};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task;
use uuid::Uuid;
use web::{Budget, Crowding};

use crate::checks::history::CheckHistory;
use crate::error::CallError;
use crate::gate_seen::GateSeen;
use crate::history::NodeHistory;
use crate::member_calls::MemberCalls;
use crate::moving::{EndTickets, MoveCalls};
use crate::processes::ProcessCount;
use crate::rooms::Rooms;
use crate::series::NodeSeries;
use crate::write_side::{FENCED, WriteSide, Writes};

/// What the API of a node is made of. Whatever is absent is refused with a reason; reads need the log and the index
/// alone.
#[derive(Clone)]
pub struct ApiParts {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Where ids and times are looked up.
    pub index: Index,
    /// Where writes go.
    pub writes: Arc<Writes>,
    /// The address of the wallet that signs the assignments.
    pub address: Address,
    /// The newest block height.
    pub heights: Arc<dyn Heights>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// All projections that follow the log, for the status.
    pub projections: Vec<Position>,
    /// Replays of projections, where they can be asked for.
    pub jobs: Option<Jobs>,
    /// Checkpoints of the log; none where they cannot be made.
    pub checkpoints: Option<Checkpoints>,
    /// What answers queries; none without Postgres.
    pub queries: Option<Queries>,
    /// What ships the log to those who follow this node; none where nobody may.
    pub shipper: Option<Arc<Shipper>>,
    /// What it is among those that keep the log; none where this node alone does.
    pub member: Option<Arc<dyn MemberCalls>>,
    /// What brings processes here from other stores; none where nothing does.
    pub mover: Option<Arc<dyn MoveCalls>>,
    /// What an operator can set.
    pub options: ApiOptions,
}

/// Renders the metrics as Prometheus text.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What an operator can set about the API.
#[derive(Clone)]
pub struct ApiOptions {
    /// The longest body that is taken, in bytes.
    pub max_body: usize,
    /// The longest page that is made, in bytes; it ends early and says that there is more. One message always fits.
    pub max_read_memory: usize,
    /// The memory for what is made to be sent. The listener counts requests in the same.
    pub budget: Budget,
    /// The memory for what is made for other nodes that keep the log.
    pub members_budget: Budget,
    /// Whether the public listener has had too many connections.
    pub crowding: Crowding,
    /// What `/metrics` shows; without it there is no such call.
    pub metrics: Option<RenderMetrics>,
    /// What the node counts, of which it makes its series; none where nothing is counted.
    pub counted: Option<RenderMetrics>,
    /// Where the node keeps its data, to see how much room there is.
    pub data: Option<PathBuf>,
    /// Which clients the public listener lets in.
    pub clients: Arc<ClientLimits>,
    /// Who looks after the record that says where this scheduler is, if anybody does.
    pub location: LocationSeat,
    /// How the node finds the gate that remembers its log, if one does.
    pub gate: Option<GateSeen>,
    /// The lists that say who and what is let in.
    pub lists: Vec<ListSeen>,
    /// Which listeners have pages.
    pub pages: PagesServed,
}

/// Which listeners have pages for a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PagesServed {
    /// Whether the public one has.
    pub public: bool,
    /// Whether that of operators has.
    pub admin: bool,
}

impl Default for ApiOptions {
    fn default() -> Self {
        let (budget, members_budget, crowding) = (Budget::default(), Budget::default(), Crowding::default());
        Self {
            max_body: 10 << 20,
            max_read_memory: 1 << 30,
            budget,
            members_budget,
            crowding,
            metrics: None,
            counted: None,
            data: None,
            clients: Arc::default(),
            location: LocationSeat::default(),
            gate: None,
            lists: Vec::new(),
            pages: PagesServed { public: true, admin: true },
        }
    }
}

impl fmt::Debug for ApiOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiOptions")
            .field("max_body", &self.max_body)
            .field("max_read_memory", &self.max_read_memory)
            .field("budget", &self.budget)
            .field("members_budget", &self.members_budget)
            .field("crowding", &self.crowding)
            .field("metrics", &self.metrics.is_some())
            .field("counted", &self.counted.is_some())
            .field("data", &self.data)
            .field("clients", &self.clients)
            .field("location", &self.location)
            .field("gate", &self.gate.is_some())
            .field("lists", &self.lists)
            .field("pages", &self.pages)
            .finish()
    }
}

/// A node as its API sees it.
pub struct ApiNode {
    /// What it is made of.
    pub parts: ApiParts,
    pub(crate) checks: CheckHistory,
    pub(crate) history: NodeHistory,
    pub(crate) series: NodeSeries,
    pub(crate) processes: ProcessCount,
    started: Instant,
    /// By what it is known from others that answer in its place.
    pub(crate) run: Uuid,
    pub(crate) rooms: Rooms,
    pub(crate) tickets: EndTickets,
}

impl ApiNode {
    /// A node that started now.
    pub fn new(parts: ApiParts) -> Self {
        let rooms = Rooms::new(&parts.options.budget, &parts.options.members_budget);
        Self {
            parts,
            checks: CheckHistory::default(),
            history: NodeHistory::default(),
            series: NodeSeries::default(),
            processes: ProcessCount::default(),
            started: Instant::now(),
            run: Uuid::new_v4(),
            rooms,
            tickets: EndTickets::default(),
        }
    }

    /// Which version of the software this is.
    pub(crate) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// Where writes go.
    pub(crate) fn writes(&self) -> WriteSide {
        self.parts.writes.side()
    }

    /// What uploads, if anything does.
    pub(crate) fn uploads(&self) -> Option<UploadsHandle> {
        self.parts.writes.uploads()
    }

    /// All that follows the log at the moment.
    pub(crate) fn projections(&self) -> Vec<Position> {
        let mut all = self.parts.projections.clone();
        // Uploads of a node that is one of several come and go with what it does.
        if let Some(uploads) = self.uploads()
            && all.iter().all(|position| position.name() != uploads.position().name())
        {
            all.push(uploads.position());
        }
        all
    }

    /// When it started.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// What it does.
    pub(crate) fn role(&self) -> &'static str {
        match &self.writes() {
            WriteSide::Open(_) if self.parts.log.is_fenced() => FENCED,
            writes => writes.role(),
        }
    }

    /// How many events its leader has that are not here, if it follows one and that is known.
    pub(crate) fn lag(&self) -> Option<u64> {
        let own = self.parts.log.tail().last().map_or(0, |last| last.next().get());
        let writes = self.writes();
        writes.followed()?.now(own).lag_events
    }

    /// Sets what metrics tell of the nodes that follow each other, which is so at a moment.
    pub(crate) fn record_replication(&self) {
        let own = self.parts.log.tail().last().map_or(0, |last| last.next().get());
        match self.writes().followed() {
            Some(followed) => record_standby(followed, own),
            // It may have followed before.
            None if self.parts.member.is_some() => record_no_standby(),
            None => {}
        }
        if let Some(member) = &self.parts.member {
            let now = member.now();
            record_member(now.waiting_seconds.0, now.voters.len());
        }
        if let Some(shipper) = &self.parts.shipper {
            record_followers(shipper, own);
        }
    }

    /// Does a blocking read on a thread made for it, as soon as one is free.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Arc<Self>) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        let turn = self.rooms.to_look().await?;
        self.reading(turn, read).await
    }

    /// The same for another node that keeps the log, which waits for no client.
    pub(crate) async fn read_for_member<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Arc<Self>) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        let turn = self.rooms.for_member().await?;
        self.reading(turn, read).await
    }

    async fn reading<T: Send + 'static>(
        self: &Arc<Self>,
        turn: OwnedSemaphorePermit,
        read: impl FnOnce(&Arc<Self>) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        let node = self.clone();
        let reading = task::spawn_blocking(move || {
            let _turn = turn;
            read(&node)
        });
        reading.await?
    }
}
