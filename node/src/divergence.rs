//! What a log has that the log of another node has not: the two are compared by their digests, and what comes behind the
//! end that they have in common is looked for at the other node, item by item.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use ans104::Id;
use futures_util::StreamExt;
use futures_util::stream::iter;
use log::{EventRef, Kind, LogDigest, NodeId, ReadError, Rocks, RocksError, Seq, StoreId, StoreView, Term};
use protocol::{AssignmentTags, Nonce, ProcessId, Timestamp};
use reqwest::{Client, StatusCode, Url};
use thiserror::Error;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{Duration, timeout};

use crate::error::NodeError;
use crate::node_client::node_client;
use crate::options::{DataPaths, NodeAccess, OtherNode};
use crate::standby::{Leader, StreamEnd};

/// Digests are kept every so many events: between these one costs as many events to be read.
const KEPT_EVERY: u64 = 1024;
/// How many items the other node is asked for at once.
const ASKED_AT_ONCE: usize = 8;
/// How long it has for one.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why two logs are not compared.
#[derive(Debug, Error)]
pub enum DivergenceError {
    /// There is no log.
    #[error("there is no log in {}; expected SU_DATA_DIR (or SU_FILE_DB_DIR) to be that of a node", .0.display())]
    NoLog(PathBuf),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] RocksError),
    /// The own log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The other node cannot be asked.
    #[error("{url}: {reason}")]
    Other {
        /// Its admin listener.
        url: String,
        /// What it says.
        reason: String,
    },
    /// It has nothing to do with this log.
    #[error("{url} has the store {found}, and the log here is that of the store {own}")]
    OtherStore {
        /// Its admin listener.
        url: String,
        /// Its store.
        found: StoreId,
        /// The store here.
        own: StoreId,
    },
    /// Nobody can be asked at all.
    #[error(transparent)]
    Client(#[from] NodeError),
    /// Reading ended with a panic.
    #[error("reading the log ended early")]
    Task(#[from] JoinError),
}

/// Two logs of one store, and how much of them is the same.
pub struct Divergence {
    view: Arc<StoreView>,
    http: Client,
    /// Where the other node answers reads.
    public: Option<Url>,
    /// Which store it is.
    pub store: StoreId,
    /// The term of the log here.
    pub term: Term,
    /// How many events are here.
    pub events: u64,
    /// Which node the other one is.
    pub other: NodeId,
    /// The term of its log.
    pub other_term: Term,
    /// How many events it has.
    pub other_events: u64,
    /// How many events, from the first one on, are the same in both.
    pub common: u64,
}

/// An event that is not where it is here in the other log.
#[derive(Clone, Debug)]
pub struct EventBeyond {
    /// Its place here.
    pub seq: Seq,
    /// What kind of thing happened.
    pub kind: Kind,
    /// In which process.
    pub process: ProcessId,
    /// The place that it has in it here.
    pub nonce: Option<Nonce>,
    /// The id of the item that was scheduled; none for what the node noted for itself.
    pub item: Option<Id>,
    /// When it was scheduled here.
    pub timestamp: Option<Timestamp>,
    /// Whether the other node has scheduled the item, too.
    pub there: ItemThere,
}

/// Whether another node has an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemThere {
    /// It has, at whatever place.
    Yes,
    /// It has not.
    No,
    /// There is no item to ask for.
    NotAsked,
    /// It does not say, for this reason.
    Unknown(String),
}

impl Divergence {
    /// Compares the log in this folder with that of another node. Nothing is changed; a node may run on the folder.
    ///
    /// # Errors
    /// When the log cannot be read, or the other node cannot be asked or has another store.
    pub async fn find(paths: &DataPaths, other: &OtherNode) -> Result<Self, DivergenceError> {
        let view = open(paths.log.clone()).await?;
        let own = view.identity();
        let url = || other.url.to_string();
        let failed = |reason: StreamEnd| DivergenceError::Other { url: url(), reason: reason.to_string() };
        // Whoever has the folder may be following somebody, and is not to be disturbed in that.
        let asking = Leader::new(other, NodeId::random())?;
        let hello = asking.greet().await.map_err(failed)?;
        if hello.store != own.store {
            return Err(DivergenceError::OtherStore { url: url(), found: hello.store, own: own.store });
        }
        let events = view.events();
        let common = common_end(&view, &asking, events.min(hello.tail), &failed).await?;
        let host = other.url.host_str().unwrap_or_default();
        let public = format!("http://{host}:{}/", hello.port);
        let http = node_client(&NodeAccess::default())?.timeout(PATIENCE);
        Ok(Self {
            view,
            http: http.build().map_err(NodeError::LeaderClient)?,
            public: Url::parse(&public).ok(),
            store: own.store,
            term: own.term,
            events,
            other: hello.node,
            other_term: hello.term,
            other_events: hello.tail,
            common,
        })
    }

    /// Whether there is something here that is not there.
    pub fn is_beyond(&self) -> bool {
        self.events > self.common
    }

    /// What is here from a sequence number on, at most so many, and whether it is there.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn beyond(&self, from: Seq, most: usize) -> Result<Vec<EventBeyond>, DivergenceError> {
        let view = self.view.clone();
        let events = spawn_blocking(move || {
            let mut events = Vec::new();
            view.scan(from, &mut |event| {
                events.push(EventBeyond::of(&event));
                if events.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            Ok::<_, ReadError>(events)
        });
        let asked = events.await??.into_iter().map(|event| self.look_up(event));
        Ok(iter(asked).buffered(ASKED_AT_ONCE).collect().await)
    }

    async fn look_up(&self, event: EventBeyond) -> EventBeyond {
        let there = match (event.item, &self.public) {
            (None, _) => ItemThere::NotAsked,
            (_, None) => ItemThere::Unknown("it does not tell where it answers reads".to_owned()),
            (Some(item), Some(public)) => self.ask_for(public, event.process, item).await,
        };
        EventBeyond { there, ..event }
    }

    async fn ask_for(&self, public: &Url, process: ProcessId, item: Id) -> ItemThere {
        let mut url = public.clone();
        if process.id() == item {
            url.set_path(&format!("processes/{item}"));
        } else {
            url.set_path(&item.to_string());
            url.query_pairs_mut().append_pair("process-id", &process.to_string());
        }
        match timeout(PATIENCE, self.http.get(url).send()).await {
            Ok(Ok(response)) if response.status().is_success() => ItemThere::Yes,
            Ok(Ok(response)) if response.status() == StatusCode::NOT_FOUND => ItemThere::No,
            Ok(Ok(response)) => ItemThere::Unknown(format!("it answers {}", response.status())),
            Ok(Err(error)) => ItemThere::Unknown(error.without_url().to_string()),
            Err(_) => ItemThere::Unknown("it does not answer".to_owned()),
        }
    }
}

impl EventBeyond {
    fn of(event: &EventRef<'_>) -> Self {
        // What was assigned from the chain has no item here.
        let assigned = || AssignmentTags::of(&event.assignment()?).message().map(|message| message.id());
        Self {
            seq: event.seq,
            kind: event.kind(),
            process: event.process,
            nonce: event.nonce,
            item: event.item().map(|item| item.id()).or_else(assigned),
            timestamp: event.timestamp(),
            there: ItemThere::NotAsked,
        }
    }
}

async fn open(log: PathBuf) -> Result<Arc<StoreView>, DivergenceError> {
    let opened = spawn_blocking(move || match Rocks::open_read_only(&log) {
        Err(RocksError::Missing(path)) => Err(DivergenceError::NoLog(path)),
        store => Ok(Arc::new(StoreView::new(store?)?)),
    });
    opened.await?
}

/// How many of the first `most` events are the same in both logs: what is equal at a place is equal before it.
async fn common_end(
    view: &Arc<StoreView>,
    other: &Leader,
    most: u64,
    failed: &impl Fn(StreamEnd) -> DivergenceError,
) -> Result<u64, DivergenceError> {
    // First where digests are kept, then event by event.
    let kept = Span { same: 0, differs: most / KEPT_EVERY + 1 };
    let kept = kept.narrow(async |place| is_same(view, other, place * KEPT_EVERY, failed).await).await?;
    let from = kept.same * KEPT_EVERY;
    let within = Span { same: from, differs: kept.differs.saturating_mul(KEPT_EVERY).min(most + 1) };
    Ok(within.narrow(async |place| is_same(view, other, place, failed).await).await?.same)
}

async fn is_same(
    view: &Arc<StoreView>,
    other: &Leader,
    place: u64,
    failed: &impl Fn(StreamEnd) -> DivergenceError,
) -> Result<bool, DivergenceError> {
    let view = view.clone();
    let own = spawn_blocking(move || view.digest_of(place)).await??;
    let there = other.place(place).await.map_err(failed)?;
    Ok(same(own, there.map(|there| there.digest)))
}

fn same(own: Option<LogDigest>, there: Option<LogDigest>) -> bool {
    own.is_some() && own == there
}

/// Between which places two logs part.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// Here they are the same.
    same: u64,
    /// Here they are not, or one of them has ended.
    differs: u64,
}

impl Span {
    /// Halves it until nothing is between its ends.
    async fn narrow<E>(mut self, mut is_same: impl AsyncFnMut(u64) -> Result<bool, E>) -> Result<Self, E> {
        while self.differs - self.same > 1 {
            let middle = self.same + (self.differs - self.same) / 2;
            if is_same(middle).await? {
                self.same = middle;
            } else {
                self.differs = middle;
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[tokio::test]
    async fn the_place_where_two_logs_part_is_found_with_few_questions() {
        for (most, common) in [(0, 0), (1, 0), (1, 1), (2, 1), (1_000_000, 0), (1_000_000, 999_999), (7, 7)] {
            let mut asked = 0;
            let span = Span { same: 0, differs: most + 1 };
            let found = span.narrow(async |place| {
                asked += 1;
                Ok::<_, ()>(place <= common)
            });
            assert_eq!(found.await.unwrap().same, common, "{most}");
            assert!(asked <= 20, "{asked}");
        }
    }
}
