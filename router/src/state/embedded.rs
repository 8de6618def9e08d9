//! What a router knows, in a RocksDB of its own.
//!
//! ```text
//! events      sequence number (8) → event, see event.rs
//! homes       process (32) → scheduler (4), and how often it has moved (8) if it ever has
//! schedulers  number (4) → JSON
//! counts      number (4) → how many processes it has (8)
//! locations   nonce (8) → JSON, a record that was published, with its bytes until it is taken
//! turns       store (16) → the right to have its leader replaced, see turns.rs
//! marks       store (16) → how much it was seen to have, see event.rs                  all numbers big-endian
//! ```

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ans104::Id;
use async_trait::async_trait;
use location::KeptPublication;
use log::{StoreId, StoreMemory, Term};
use protocol::{ProcessId, Timestamp};
use rocksdb::{
    BlockBasedOptions, ColumnFamily, ColumnFamilyDescriptor, DB, DBRecoveryMode, IteratorMode, LogLevel,
    Options, ReadOptions,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::event::{read_mark, read_process, read_publication, read_scheduler};
use super::hanging::{Writing, in_time};
use super::orders::StateOrders;
use super::writer::{StateOrder, Writer};
use super::{
    FleetChange, Home, HomeCause, Homed, KnownScheduler, PromotionTurn, RouterState, SchedulerNumber,
    StateError, StoreMark, TakeHome,
};

pub(super) const EVENTS: &str = "events";
pub(super) const HOMES: &str = "homes";
pub(super) const SCHEDULERS: &str = "schedulers";
pub(super) const COUNTS: &str = "counts";
pub(super) const LOCATIONS: &str = "locations";
pub(super) const TURNS: &str = "turns";
pub(super) const MARKS: &str = "marks";

/// How many orders may wait for the writer.
const WAITING_MAX: usize = 4096;
/// How much is read at a time where all is read.
const READ_AHEAD: usize = 2 << 20;
/// More than this is in files soon.
const WRITE_BUFFER: usize = 4 << 20;

/// A state in a folder.
pub(crate) struct EmbeddedState {
    db: Arc<DB>,
    store: StoreId,
    orders: StateOrders<StateOrder>,
    writing: Writing,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedState {
    /// Opens what is in this folder, or begins there.
    ///
    /// # Errors
    /// When it cannot be opened, or no thread is to be had.
    pub(crate) fn open(folder: &Path, store: StoreId) -> Result<Self, StateError> {
        let db = Arc::new(open(folder).map_err(|error| StateError::Unreadable(error.to_string()))?);
        let (orders, waiting) = mpsc::channel(WAITING_MAX);
        let (told, failure) = watch::channel(None);
        let writing = Writing::default();
        let thread = Writer::open(db.clone(), told, writing.clone())?.start(waiting)?;
        let (orders, thread) = (StateOrders::new(orders, failure), Mutex::new(Some(thread)));
        Ok(Self { db, store, orders, writing, thread })
    }

    /// Has the writer end once what was ordered is done; its thread, for the first who asks.
    fn end_writer(&self) -> Option<JoinHandle<()>> {
        self.orders.close();
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Has something done, and waits for it while the disk answers.
    async fn ask<A>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<A, StateError>>) -> StateOrder,
    ) -> Result<A, StateError> {
        self.writing.wait(self.orders.ask(order)).await
    }

    /// Reads on a thread that may wait for the disk.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&DB) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        let db = self.db.clone();
        let reading = spawn_blocking(move || read(&db));
        reading.await.map_err(|error| StateError::Unreadable(error.to_string()))?
    }
}

#[async_trait]
impl RouterState for EmbeddedState {
    fn kind(&self) -> &'static str {
        "folder"
    }

    fn store(&self) -> StoreId {
        self.store
    }

    async fn home(&self, process: ProcessId) -> Result<Option<Home>, StateError> {
        in_time(self.read(move |db| home(db, process))).await
    }

    async fn settle(
        &self,
        process: ProcessId,
        scheduler: SchedulerNumber,
        cause: HomeCause,
    ) -> Result<Homed, StateError> {
        self.ask(|answer| StateOrder::Settle { process, scheduler, cause, answer }).await
    }

    async fn move_home(&self, process: ProcessId, to: Home) -> Result<Homed, StateError> {
        self.ask(|answer| StateOrder::Move { process, to, answer }).await
    }

    async fn schedulers(&self) -> Result<Vec<KnownScheduler>, StateError> {
        self.read(schedulers).await
    }

    async fn change(&self, change: FleetChange) -> Result<Vec<KnownScheduler>, StateError> {
        self.ask(|answer| StateOrder::Change { change, answer }).await
    }

    async fn take_turn(
        &self,
        store: StoreId,
        term: Term,
        pause: Duration,
    ) -> Result<Option<PromotionTurn>, StateError> {
        self.ask(|answer| StateOrder::TakeTurn { store, term, pause, answer }).await
    }

    async fn give_turn_back(
        &self,
        store: StoreId,
        turn: PromotionTurn,
        pause: Duration,
    ) -> Result<(), StateError> {
        self.ask(|answer| StateOrder::GiveTurnBack { store, turn, pause, answer }).await
    }

    async fn marks(&self) -> Result<HashMap<StoreId, StoreMark>, StateError> {
        self.read(marks).await
    }

    async fn raise_marks(&self, seen: HashMap<StoreId, StoreMark>) -> Result<(), StateError> {
        self.ask(|answer| StateOrder::RaiseMarks { seen, answer }).await
    }

    async fn accept_mark(
        &self,
        scheduler: SchedulerNumber,
        store: StoreId,
        has: (Term, u64),
    ) -> Result<StoreMark, StateError> {
        self.ask(|answer| StateOrder::AcceptMark { scheduler, store, has, answer }).await
    }

    async fn confirm(&self) -> Result<(), StateError> {
        // Nothing can be read before it is synced.
        Ok(())
    }

    async fn visit(&self, most: usize, take: TakeHome<'_>) -> Result<(), StateError> {
        const PIECE: usize = 50_000;
        let (mut left, mut from) = (most, Vec::new());
        loop {
            let (begin, piece) = (from.clone(), left.min(PIECE));
            let mut homes = self.read(move |db| homes(db, &begin, piece + 1)).await?;
            let next = if homes.len() > piece { homes.pop() } else { None };
            left -= homes.len();
            homes.into_iter().for_each(|(process, home)| take(process, home));
            match next {
                Some((process, _)) if left > 0 => from = process.as_bytes().to_vec(),
                _ => return Ok(()),
            }
        }
    }

    async fn publications(&self) -> Result<Vec<KeptPublication>, StateError> {
        self.read(publications).await
    }

    async fn publish(&self, kept: KeptPublication, after: Option<u64>) -> Result<bool, StateError> {
        self.ask(|answer| StateOrder::Publish { kept, after, answer }).await
    }

    /// No other router has this folder.
    async fn claim_publication(&self, _: u64, _: Id, _: Duration) -> Result<bool, StateError> {
        Ok(true)
    }

    async fn publication_taken(&self, nonce: u64, id: Id, at: Timestamp) -> Result<(), StateError> {
        self.ask(|answer| StateOrder::PublicationTaken { nonce, id, at, answer }).await
    }

    fn failure(&self) -> Option<String> {
        self.orders.failure().or_else(|| self.writing.failure().map(|error| error.to_string()))
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn ended(&self) {
        self.orders.ended().await;
    }

    async fn close(&self) {
        if let Some(thread) = self.end_writer() {
            // One that panicked has said so.
            let _ = spawn_blocking(move || thread.join()).await;
        }
    }
}

/// Of one that was not closed, as after a start that failed: RocksDB is ended before the program is.
impl Drop for EmbeddedState {
    fn drop(&mut self) {
        if let Some(thread) = self.end_writer() {
            let _ = thread.join();
        }
    }
}

fn open(folder: &Path) -> Result<DB, rocksdb::Error> {
    let memory = StoreMemory::new(StoreMemory::BYTES_MIN);
    let mut options = Options::default();
    memory.bound(&mut options);
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    options.set_track_and_verify_wals_in_manifest(true);
    // A record cut short at the end was never acknowledged; anything else that is wrong is an error.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_max_total_wal_size(32 << 20);
    options.set_max_background_jobs(2);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    let table = |name: &str, filter: bool| {
        let mut options = Options::default();
        options.set_write_buffer_size(WRITE_BUFFER);
        let mut blocks: BlockBasedOptions = memory.tables();
        if filter {
            blocks.set_bloom_filter(10.0, false);
        }
        options.set_block_based_table_factory(&blocks);
        ColumnFamilyDescriptor::new(name, options)
    };
    let tables = [EVENTS, SCHEDULERS, COUNTS, LOCATIONS, TURNS, MARKS].map(|name| table(name, false));
    let tables = tables.into_iter().chain([table(HOMES, true)]);
    DB::open_cf_descriptors(&options, folder, tables)
}

/// One of the tables above, which opening has made.
pub(super) fn table<'a>(db: &'a DB, name: &str) -> Result<&'a ColumnFamily, StateError> {
    db.cf_handle(name).ok_or_else(|| StateError::Damaged(format!("there is no table {name}")))
}

pub(super) fn unreadable(error: rocksdb::Error) -> StateError {
    StateError::Unreadable(error.to_string())
}

pub(super) fn home(db: &DB, process: ProcessId) -> Result<Option<Home>, StateError> {
    let found = db.get_pinned_cf(table(db, HOMES)?, process.as_bytes()).map_err(unreadable)?;
    found.map(|home| read_home(&home)).transpose()
}

/// A home as it is stored.
pub(super) fn home_bytes(home: Home) -> Vec<u8> {
    let mut bytes = home.scheduler.0.to_be_bytes().to_vec();
    if home.version > 0 {
        bytes.extend(home.version.to_be_bytes());
    }
    bytes
}

fn read_home(bytes: &[u8]) -> Result<Home, StateError> {
    let damaged = || StateError::Damaged("the home of a process".to_owned());
    let (number, version) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
    let version = if version.is_empty() {
        0
    } else {
        version.try_into().map(u64::from_be_bytes).map_err(|_| damaged())?
    };
    Ok(Home { scheduler: SchedulerNumber(u32::from_be_bytes(*number)), version })
}

pub(super) fn read_number(bytes: &[u8]) -> Result<SchedulerNumber, StateError> {
    let number = bytes.try_into().map(u32::from_be_bytes);
    number.map(SchedulerNumber).map_err(|_| StateError::Damaged("the number of a scheduler".to_owned()))
}

pub(super) fn read_count(bytes: &[u8]) -> Result<u64, StateError> {
    let count = bytes.try_into().map(u64::from_be_bytes);
    count.map_err(|_| StateError::Damaged("the number of processes of a scheduler".to_owned()))
}

pub(super) fn schedulers(db: &DB) -> Result<Vec<KnownScheduler>, StateError> {
    let counts = table(db, COUNTS)?;
    let all = db.iterator_cf(table(db, SCHEDULERS)?, IteratorMode::Start).map(|entry| {
        let (key, json) = entry.map_err(unreadable)?;
        let count = db.get_pinned_cf(counts, &key).map_err(unreadable)?;
        let count = count.map_or(Ok(0), |count| read_count(&count))?;
        read_scheduler(read_number(&key)?, &json, count)
    });
    all.collect()
}

fn marks(db: &DB) -> Result<HashMap<StoreId, StoreMark>, StateError> {
    let all = db.iterator_cf(table(db, MARKS)?, IteratorMode::Start).map(|entry| {
        let (key, mark) = entry.map_err(unreadable)?;
        let store = Uuid::from_slice(&key).map_err(|error| StateError::Damaged(error.to_string()))?;
        Ok((StoreId(store), read_mark(&mark)?))
    });
    all.collect()
}

/// How much was seen of a store.
pub(super) fn mark(db: &DB, store: StoreId) -> Result<StoreMark, StateError> {
    let found = db.get_pinned_cf(table(db, MARKS)?, store.0.as_bytes()).map_err(unreadable)?;
    found.map_or(Ok(StoreMark::NONE), |mark| read_mark(&mark))
}

pub(super) fn publications(db: &DB) -> Result<Vec<KeptPublication>, StateError> {
    let all = db.iterator_cf(table(db, LOCATIONS)?, IteratorMode::Start).map(|entry| {
        let (key, json) = entry.map_err(unreadable)?;
        let nonce = (*key).try_into().map(u64::from_be_bytes);
        let nonce = nonce.map_err(|_| StateError::Damaged("the nonce of a record".to_owned()))?;
        read_publication(nonce, &json)
    });
    all.collect()
}

/// Homes from a place on, read once and in their order: nothing of it is kept in memory besides.
fn homes(db: &DB, from: &[u8], most: usize) -> Result<Vec<(ProcessId, Home)>, StateError> {
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    options.set_readahead_size(READ_AHEAD);
    let mut entries = db.raw_iterator_cf_opt(table(db, HOMES)?, options);
    entries.seek(from);
    let mut homes = Vec::with_capacity(most);
    while homes.len() < most
        && let Some((key, home)) = entries.item()
    {
        homes.push((read_process(key)?, read_home(home)?));
        entries.next();
    }
    entries.status().map_err(unreadable)?;
    Ok(homes)
}

#[cfg(test)]
mod tests;
