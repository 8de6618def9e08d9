//! What a router knows for ever: which scheduler has which process, and which schedulers there are. It is an event log;
//! all else follows from it.
//!
//! A process is given a home once: whoever comes second, at the same moment or years later, is told the first one. What
//! is answered is on disk.

mod changing;
mod embedded;
mod event;
mod hanging;
mod orders;
mod postgres;
mod turns;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ans104::Id;
use async_trait::async_trait;
use location::KeptPublication;
use log::{StoreId, Term};
use protocol::{ProcessId, Timestamp};
use thiserror::Error;

use crate::list::{ListedScheduler, SchedulerFlags};
use crate::scheduler_url::SchedulerUrl;

pub(crate) use embedded::EmbeddedState;
pub(crate) use postgres::PostgresState;

/// A scheduler's number among those of a router, from 1; it is never given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SchedulerNumber(pub(crate) u32);

/// A scheduler as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownScheduler {
    pub(crate) number: SchedulerNumber,
    pub(crate) url: SchedulerUrl,
    pub(crate) flags: SchedulerFlags,
    /// Whether it gets no new processes any more; it keeps those that it has.
    pub(crate) is_retired: bool,
    /// How many processes it has.
    pub(crate) processes: u64,
    /// The store that its log is in, once it has told.
    pub(crate) store: Option<StoreId>,
    /// The highest term in which it was seen to lead that store; 0 while it never was.
    pub(crate) term: Term,
    /// Where its admin listener is, if it has told.
    pub(crate) admin: Option<SchedulerUrl>,
}

impl KnownScheduler {
    /// One of which nothing is known but what an operator says.
    pub(crate) fn new(number: SchedulerNumber, url: SchedulerUrl, flags: SchedulerFlags) -> Self {
        let (is_retired, processes, store, term, admin) = (false, 0, None, Term(0), None);
        Self { number, url, flags, is_retired, processes, store, term, admin }
    }

    /// Whether nothing counts that it tells of itself, until an operator adds it again.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.is_retired && self.store.is_none()
    }
}

/// What changes of the schedulers: what an operator says, and what they tell of themselves.
#[derive(Clone, Debug)]
pub(crate) enum FleetChange {
    /// These are in the list; others stay.
    Listed(Vec<ListedScheduler>),
    /// This one is there, and gets new processes also if it was retired.
    Added(ListedScheduler),
    /// This one gets no new processes.
    Retired(SchedulerUrl),
    /// This one gets no new processes, and what it has told of itself counts no more.
    Forgotten(SchedulerUrl),
    /// This one has registered itself: where it is, and its admin listener.
    Registered { url: SchedulerUrl, admin: Option<SchedulerUrl> },
    /// This one has a log in this store, and leads it in this term if it leads.
    Told { scheduler: SchedulerNumber, store: StoreId, led: Option<Term> },
}

/// How much a store was seen to have. Of two the higher one is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StoreMark {
    /// How often an operator has taken less than was seen for all of it.
    pub(crate) accepted: u64,
    /// The term in which it was led.
    pub(crate) term: Term,
    /// How many events there were.
    pub(crate) events: u64,
}

impl StoreMark {
    /// Of a store of which nothing was seen.
    pub(crate) const NONE: Self = Self { accepted: 0, term: Term(0), events: 0 };
}

/// The right to have the leader of a store replaced: which one it is of all that were ever given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PromotionTurn(pub(crate) u64);

/// For no longer is that right ever given.
pub(crate) const TURN_MAX: Duration = Duration::from_secs(600);

/// How a process came to its home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HomeCause {
    /// Its spawn came here.
    Placed,
    /// The scheduler had it already.
    Found,
}

/// Where a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) scheduler: SchedulerNumber,
    /// How often it has moved: of two that say where it is the higher one is right.
    pub(crate) version: u64,
}

impl Home {
    /// The home that a process was given, or that it was found in.
    pub(crate) fn first(scheduler: SchedulerNumber) -> Self {
        Self { scheduler, version: 0 }
    }
}

/// The home of a process, after it was to be given one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Homed {
    pub(crate) home: Home,
    /// Whether it has it since this moment.
    pub(crate) is_new: bool,
}

/// What a router knows cannot be read or written.
#[derive(Clone, Debug, Error)]
pub enum StateError {
    /// Nothing can be written any more, until the router is started again.
    #[error("nothing can be placed since a write failed: {0}; restart the router once that is mended")]
    Halted(String),
    /// It cannot be opened, or read.
    #[error("what the router knows cannot be read: {0}")]
    Unreadable(String),
    /// It is stored in a form that this version does not know.
    #[error("what the router knows is damaged, or of another version: {0}")]
    Damaged(String),
    /// The database does not answer.
    #[error("the database of the router does not answer: {0}")]
    Away(String),
    /// The disk does not answer: what was ordered may be done once it does.
    #[error("the disk of the router does not answer: {0}")]
    Hangs(String),
    /// The database is not the one that the folder of the router names.
    #[error(
        "what this router knows is in the database of the store {expected}, and DATABASE_URL names {}: set it to that database, or \
         let ROUTER_DATA_DIR (--router-data-dir) name an empty folder to go on with what is there",
        .found.map_or("one in which no router has kept anything".to_owned(), |found| format!("that of the store {found}"))
    )]
    OtherDatabase {
        /// The store that is known.
        expected: StoreId,
        /// The one that is there, if any is.
        found: Option<StoreId>,
    },
    /// The router stops.
    #[error("the router is stopping")]
    Closing,
}

/// What takes in the homes of many processes.
pub(crate) type TakeHome<'a> = &'a mut (dyn FnMut(ProcessId, Home) + Send);

/// Where a router keeps what it knows.
#[async_trait]
pub(crate) trait RouterState: Send + Sync {
    /// What kind it is, for operators.
    fn kind(&self) -> &'static str;

    /// Which router's it is; of several that share a database, all the same.
    fn store(&self) -> StoreId;

    /// The home of a process, if it has one.
    async fn home(&self, process: ProcessId) -> Result<Option<Home>, StateError>;

    /// Gives a process this home, unless it has one: its home, which is on disk.
    async fn settle(
        &self,
        process: ProcessId,
        scheduler: SchedulerNumber,
        cause: HomeCause,
    ) -> Result<Homed, StateError>;

    /// A process has moved there, unless it is known to have moved on since: its home, which is on disk.
    async fn move_home(&self, process: ProcessId, to: Home) -> Result<Homed, StateError>;

    /// All schedulers, in the order of their numbers.
    async fn schedulers(&self) -> Result<Vec<KnownScheduler>, StateError>;

    /// Changes the schedulers; all of them afterwards.
    async fn change(&self, change: FleetChange) -> Result<Vec<KnownScheduler>, StateError>;

    /// Takes the right to have the leader of a store replaced, which was seen to lead in this term; none while somebody has
    /// it. It is free again after this time. That it is taken is on disk.
    async fn take_turn(
        &self,
        store: StoreId,
        term: Term,
        pause: Duration,
    ) -> Result<Option<PromotionTurn>, StateError>;

    /// Says of such a right that it is free again after this time from now: earlier, or later.
    async fn give_turn_back(
        &self,
        store: StoreId,
        turn: PromotionTurn,
        pause: Duration,
    ) -> Result<(), StateError>;

    /// How much each store was seen to have.
    async fn marks(&self) -> Result<HashMap<StoreId, StoreMark>, StateError>;

    /// So much was seen of these, which counts where it is more than is known.
    async fn raise_marks(&self, seen: HashMap<StoreId, StoreMark>) -> Result<(), StateError>;

    /// An operator takes what this scheduler has for all that its store has, in this term so many events: what is kept then.
    async fn accept_mark(
        &self,
        scheduler: SchedulerNumber,
        store: StoreId,
        has: (Term, u64),
    ) -> Result<StoreMark, StateError>;

    /// Shows homes, as many as there are or `most`.
    async fn visit(&self, most: usize, take: TakeHome<'_>) -> Result<(), StateError>;

    /// All that was shown is on disk once this returns: somebody may have written it who does not know that yet.
    async fn confirm(&self) -> Result<(), StateError>;

    /// The records that were published of where the router is, by their nonces.
    async fn publications(&self) -> Result<Vec<KeptPublication>, StateError>;

    /// Keeps one more, unless the last one is another than that with this nonce: then it is false.
    async fn publish(&self, kept: KeptPublication, after: Option<u64>) -> Result<bool, StateError>;

    /// Takes the right to send the record of this nonce and id, for so long; false while another router has it, or once the
    /// record is taken.
    async fn claim_publication(&self, nonce: u64, id: Id, lasting: Duration) -> Result<bool, StateError>;

    /// The one of this nonce and id was taken, at this time: the first who says so counts.
    async fn publication_taken(&self, nonce: u64, id: Id, at: Timestamp) -> Result<(), StateError>;

    /// Why nothing can be placed, if that is so.
    fn failure(&self) -> Option<String>;

    /// Whether others may change it.
    fn is_shared(&self) -> bool;

    /// Resolves if nothing is written any more although nobody has stopped it.
    async fn ended(&self);

    /// Ends it in order; what was asked for before is on disk.
    async fn close(&self);
}

/// Clones are the same state.
pub(crate) type SharedState = Arc<dyn RouterState>;
