//! The items: one file each, named by its id, and an index in memory that is rebuilt from them.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use ans104::{Id, Item, ParseError, TagsError, VerifyError};
use bytes::Bytes;

use super::{
    DevError,
    chain::{Chain, unix_ms},
    entry::{Arrival, Entry},
};
use crate::files;

/// Why an item is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("this is not an ANS-104 data item: {0}")]
    Malformed(#[from] ParseError),
    #[error("the item's tags cannot be read: {0}")]
    Tags(#[from] TagsError),
    #[error("the item's signature does not hold: {0}")]
    Signature(#[from] VerifyError),
    #[error("the item cannot be kept: {0}")]
    Disk(#[from] io::Error),
}

/// The items and the chain they are in. All of it blocks; call it off the executor where it
/// touches files.
#[derive(Debug)]
pub(super) struct DevStore {
    items: PathBuf,
    chain: Chain,
    index: RwLock<Index>,
    /// Items are taken one by one, so that their order on disk is that in memory.
    admission: Mutex<()>,
}

#[derive(Debug, Default)]
struct Index {
    /// By sequence, ascending.
    entries: Vec<Arc<Entry>>,
    by_id: HashMap<Id, Arc<Entry>>,
}

impl DevStore {
    /// Opens `folder`, made if need be, and reads what is there. Files that are no items are
    /// reported and left alone.
    pub fn open(folder: PathBuf, block_every: Duration) -> Result<Self, DevError> {
        let items = folder.join("items");
        let failed = |source| DevError::Store { path: items.clone(), source };
        fs::create_dir_all(&items).map_err(failed)?;
        let index = Index::read(&items).map_err(failed)?;
        let highest = index.entries.iter().map(|entry| entry.arrival.height).max();
        let chain = Chain::open(&folder.join("chain.json"), block_every, highest.unwrap_or(0))?;
        Ok(Self { items, chain, index: RwLock::new(index), admission: Mutex::new(()) })
    }

    /// The newest block's height.
    pub fn height(&self) -> u64 {
        self.chain.height()
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.read(|index| index.entries.len())
    }

    pub fn get(&self, id: &Id) -> Option<Arc<Entry>> {
        self.read(|index| index.by_id.get(id).cloned())
    }

    /// The ids of all items, in the order of their arrival.
    pub fn ids(&self) -> Vec<Id> {
        self.read(|index| index.entries.iter().map(|entry| entry.id).collect())
    }

    /// Tells from now on that an item is in this block; false when it is not here.
    pub fn put_into_block(&self, id: &Id, height: u64) -> bool {
        self.index.write().unwrap_or_else(PoisonError::into_inner).put_into_block(id, height)
    }

    /// The entries after the one of sequence `after`, in order of arrival or against it, as far
    /// as `wanted` says; at most `limit`. With `ids`, nothing else is looked at.
    pub fn select(
        &self,
        newest_first: bool,
        after: Option<u64>,
        limit: usize,
        ids: Option<&[Id]>,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Vec<Arc<Entry>> {
        let is_after = |entry: &&Arc<Entry>| match (after, newest_first) {
            (None, _) => true,
            (Some(after), true) => entry.arrival.sequence < after,
            (Some(after), false) => entry.arrival.sequence > after,
        };
        let is_wanted = |entry: &&Arc<Entry>| is_after(entry) && wanted(entry);
        self.read(|index| {
            let named = ids.map(|ids| index.named(ids));
            let entries = named.as_ref().unwrap_or(&index.entries).iter();
            match newest_first {
                true => entries.rev().filter(is_wanted).take(limit).cloned().collect(),
                false => entries.filter(is_wanted).take(limit).cloned().collect(),
            }
        })
    }

    /// Verifies an item and keeps it; one that is there already is left as it is.
    pub fn admit(&self, bytes: &[u8]) -> Result<Arc<Entry>, Refusal> {
        let item = Item::parse(bytes)?;
        item.verify()?;
        let _order = self.admission.lock().unwrap_or_else(PoisonError::into_inner);
        let id = item.id();
        if let Some(entry) = self.get(&id) {
            return Ok(entry);
        }
        let newest = self.read(|index| index.entries.last().map(|entry| entry.arrival.sequence));
        let arrival = Arrival {
            sequence: newest.unwrap_or(0).saturating_add(1),
            height: self.height(),
            arrived_ms: unix_ms(),
        };
        let entry = Arc::new(Entry::new(&item, arrival)?);
        let path = self.path(&id);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        files::replace(&path, &[&arrival.to_bytes(), bytes])?;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.push(Arc::clone(&entry));
        Ok(entry)
    }

    /// The data of an item, from its file.
    pub fn data(&self, id: &Id) -> io::Result<Bytes> {
        let file = Bytes::from(fs::read(self.path(id))?);
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "the item's file is broken");
        let (_, item) = Arrival::split(&file).ok_or_else(broken)?;
        let data = Item::parse(item).map_err(io::Error::other)?.data();
        Ok(file.slice_ref(data))
    }

    fn path(&self, id: &Id) -> PathBuf {
        let name = id.to_string();
        let shelf: String = name.chars().take(2).collect();
        self.items.join(shelf).join(name)
    }

    fn read<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        look(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Index {
    fn read(items: &Path) -> io::Result<Self> {
        let mut entries = Vec::new();
        for shelf in fs::read_dir(items)? {
            let shelf = shelf?.path();
            if !shelf.is_dir() {
                continue;
            }
            for file in fs::read_dir(shelf)? {
                entries.extend(read_entry(&file?.path()));
            }
        }
        entries.sort_by_key(|entry: &Entry| entry.arrival.sequence);
        let mut index = Self::default();
        for entry in entries {
            index.push(Arc::new(entry));
        }
        Ok(index)
    }

    /// The entries of these ids that are here, in the order of their arrival, each once.
    fn named(&self, ids: &[Id]) -> Vec<Arc<Entry>> {
        let mut named: Vec<_> = ids.iter().filter_map(|id| self.by_id.get(id).cloned()).collect();
        named.sort_by_key(|entry| entry.arrival.sequence);
        named.dedup_by_key(|entry| entry.arrival.sequence);
        named
    }

    fn put_into_block(&mut self, id: &Id, height: u64) -> bool {
        let Some(entry) = self.by_id.get_mut(id) else { return false };
        let sequence = entry.arrival.sequence;
        let moved = Entry { arrival: Arrival { height, ..entry.arrival }, ..Entry::clone(entry) };
        *entry = Arc::new(moved);
        let place = self.entries.binary_search_by_key(&sequence, |entry| entry.arrival.sequence);
        if let Some(listed) = place.ok().and_then(|place| self.entries.get_mut(place)) {
            listed.clone_from(entry);
        }
        true
    }

    fn push(&mut self, entry: Arc<Entry>) {
        self.by_id.insert(entry.id, Arc::clone(&entry));
        self.entries.push(entry);
    }
}

/// The entry of a file; what is not one, such as a half-written file, is reported.
fn read_entry(path: &Path) -> Option<Entry> {
    let entry = fs::read(path).map_err(|error| error.to_string()).and_then(|file| {
        let (arrival, item) = Arrival::split(&file).ok_or("not one of this gateway's")?;
        let item = Item::parse(item).map_err(|error| error.to_string())?;
        let entry = Entry::new(&item, arrival).map_err(|error| error.to_string())?;
        let is_named = path.file_name().is_some_and(|name| name == entry.id.to_string().as_str());
        is_named.then_some(entry).ok_or_else(|| "its name is not its item's id".to_owned())
    });
    entry.inspect_err(|error| tracing::warn!(error, path = %path.display(), "a file is no item")).ok()
}
