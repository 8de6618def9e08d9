//! What a log needs of the store under it.

use std::ops::{ControlFlow, Deref};

use crate::error::EngineError;
use crate::identity::StoreId;
use crate::ids::Seq;
use crate::keys::{StoreKey, StoreTable};

/// An ordered key-value store with a few tables, which commits batches atomically.
///
/// The log above it is the same for every engine; that is where its promises are kept. What is asked of an engine:
/// a commit is on disk, as a whole, when it returns, or else it fails; what failed is never visible before the store
/// is opened again; keys sort by their bytes; bytes that it knows to be damaged are an error.
pub trait Engine: Send + Sync + 'static {
    /// The bytes of a value, wherever they are kept.
    type Value<'a>: Deref<Target = [u8]>;

    /// Writes and syncs a batch, as a whole.
    ///
    /// # Errors
    /// When it cannot be known that all of it is on disk.
    fn commit(&self, batch: &StoreBatch) -> Result<(), EngineError>;

    /// The value under a key.
    ///
    /// # Errors
    /// When the store cannot say.
    fn get(&self, table: StoreTable, key: &[u8]) -> Result<Option<Self::Value<'_>>, EngineError>;

    /// Visits keys and values in order, as they were when the walk began.
    ///
    /// # Errors
    /// When the store cannot go on.
    fn walk(&self, walk: StoreWalk<'_>, visit: &mut StoreVisit<'_>) -> Result<(), EngineError>;

    /// The last key of a table.
    ///
    /// # Errors
    /// When the store cannot say.
    fn last_key(&self, table: StoreTable) -> Result<Option<Vec<u8>>, EngineError>;

    /// A number up to which events are known to have been on disk, if anything but the tables remembers one.
    fn acknowledged(&self) -> Option<Seq>;

    /// Which store the place where it is kept is marked as, if it is marked.
    fn marked(&self) -> Option<StoreId>;

    /// Marks the place as that of a store.
    ///
    /// # Errors
    /// When it cannot be known that the mark is on disk.
    fn mark(&self, store: StoreId) -> Result<(), EngineError>;

    /// Puts the store in order before it is closed, so that it opens quickly; what fails is logged.
    fn settle(&self);

    /// How many bytes the store takes on disk, if it is on one.
    fn size_on_disk(&self) -> Option<u64>;
}

/// Is shown keys and values, and says when it has seen enough.
pub type StoreVisit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// A part of a table to visit.
#[derive(Clone, Copy, Debug)]
pub struct StoreWalk<'a> {
    /// The table.
    pub table: StoreTable,
    /// The first key that may be visited.
    pub from: &'a [u8],
    /// The first key that may not, if there is an end.
    pub until: Option<&'a [u8]>,
    /// Whether what is read is likely to be read again soon.
    pub keep_in_cache: bool,
}

/// What is written together.
#[derive(Debug, Default)]
pub struct StoreBatch {
    pub(crate) puts: Vec<StorePut>,
    /// The last event in it.
    pub(crate) last: Option<Seq>,
}

/// A value to be written.
#[derive(Debug)]
pub struct StorePut {
    pub(crate) table: StoreTable,
    pub(crate) key: StoreKey,
    pub(crate) value: Vec<u8>,
}

impl StoreBatch {
    pub(crate) fn put(&mut self, table: StoreTable, key: StoreKey, value: Vec<u8>) {
        self.puts.push(StorePut { table, key, value });
    }

    /// How many bytes it puts into a table.
    pub(crate) fn bytes(&self, table: StoreTable) -> u64 {
        let puts = self.puts.iter().filter(|put| put.table == table);
        puts.map(|put| put.value.len() as u64).fold(0, u64::saturating_add)
    }
}
