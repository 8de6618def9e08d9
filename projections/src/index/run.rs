//! Entries as they are gathered: in a batch for an index that is read, in a sorted run for one that is being built.
//!
//! A run is sorted in memory and becomes a whole file of the store. That takes a fraction of the time of putting the
//! entries, which come in no order, into the store one by one.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rocksdb::{DB, IngestExternalFileOptions, SstFileWriter, WriteBatch};

use super::db::{self, IndexDb, RUN_FILE};
use super::error::IndexError;

/// What takes entries.
pub(super) trait EntrySink {
    /// Takes one; a later one of the same key replaces it.
    fn put_entry(&mut self, key: &[u8], value: &[u8]);
}

impl EntrySink for WriteBatch {
    fn put_entry(&mut self, key: &[u8], value: &[u8]) {
        self.put(key, value);
    }
}

/// Entries that are gathered, in the form that suits what they are for.
pub(super) enum StagedEntries {
    /// To be put into a store that is read.
    Batch(WriteBatch),
    /// To become a file of a store that is built.
    SortedRun(SortedRun),
}

impl EntrySink for StagedEntries {
    fn put_entry(&mut self, key: &[u8], value: &[u8]) {
        match self {
            Self::Batch(batch) => batch.put_entry(key, value),
            Self::SortedRun(run) => run.put_entry(key, value),
        }
    }
}

const FILES_AT_FIRST_LEVEL: &str = "rocksdb.num-files-at-level0";
/// Few enough that RocksDB does not slow writes down, which it does from 20 on.
const FILES_MAX: u64 = 12;
const COMPACTION_LOOK_EVERY: Duration = Duration::from_millis(20);
/// One that takes longer than this has failed, as the next write will tell.
const COMPACTION_MAX: Duration = Duration::from_secs(60);
/// Bytes of keys and values of a file: some 150,000 events.
const BYTES_MAX: usize = 24 << 20;

/// Entries of which none are in the store yet, and those before them, which a thread of their own puts there.
#[derive(Default)]
pub(super) struct SortedRun {
    entries: RunEntries,
    /// How many bytes and entries are of batches that are complete.
    complete: (usize, usize),
    writing: Option<JoinHandle<Result<(), IndexError>>>,
}

#[derive(Default)]
struct RunEntries {
    bytes: Vec<u8>,
    places: Vec<RunEntry>,
}

/// Where an entry is in the bytes: the key, then the value.
#[derive(Clone, Copy)]
struct RunEntry {
    /// The first bytes of the key, which mostly tell two apart.
    first: u64,
    start: u32,
    key: u16,
    value: u16,
}

impl EntrySink for SortedRun {
    fn put_entry(&mut self, key: &[u8], value: &[u8]) {
        let mut first = [0; 8];
        first.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        // Keys have at most 64 bytes and values little more, and the run ends long before 4 GiB.
        let entry = RunEntry {
            first: u64::from_be_bytes(first),
            start: u32::try_from(self.entries.bytes.len()).unwrap_or(u32::MAX),
            key: u16::try_from(key.len()).unwrap_or(u16::MAX),
            value: u16::try_from(value.len()).unwrap_or(u16::MAX),
        };
        self.entries.bytes.extend_from_slice(key);
        self.entries.bytes.extend_from_slice(value);
        self.entries.places.push(entry);
    }
}

impl SortedRun {
    /// Forgets the entries of a batch that was not completed.
    pub(super) fn begin(&mut self) {
        let (bytes, places) = self.complete;
        self.entries.bytes.truncate(bytes);
        self.entries.places.truncate(places);
    }

    /// The batch is complete; tells whether the run is long enough for a file.
    pub(super) fn complete(&mut self) -> bool {
        self.complete = (self.entries.bytes.len(), self.entries.places.len());
        self.entries.bytes.len() >= BYTES_MAX
    }

    /// Has all of it put into the store, as soon as what was handed over before is there.
    ///
    /// # Errors
    /// When what was handed over before could not be put there.
    pub(super) fn hand_over(&mut self, db: &Arc<IndexDb>) -> Result<(), IndexError> {
        self.wait()?;
        self.complete = (0, 0);
        let (entries, db) = (std::mem::take(&mut self.entries), db.clone());
        if !entries.places.is_empty() {
            let writer = thread::Builder::new().name("index run".to_owned());
            self.writing = Some(writer.spawn(move || entries.write(&db)).map_err(IndexError::Thread)?);
        }
        Ok(())
    }

    /// Returns when what was handed over is in the store, and on disk.
    pub(super) fn wait(&mut self) -> Result<(), IndexError> {
        let panicked = |_| Err(IndexError::Damaged("a file of sorted entries"));
        self.writing.take().map_or(Ok(()), |writing| writing.join().unwrap_or_else(panicked))
    }

    /// Forgets everything that is not in the store.
    pub(super) fn forget(&mut self) {
        // Whether it was written shows when the store is read.
        let _ = self.wait();
        self.entries = RunEntries::default();
        self.complete = (0, 0);
    }
}

impl Drop for SortedRun {
    /// The store is not closed before whoever writes to it has ended.
    fn drop(&mut self) {
        self.forget();
    }
}

impl RunEntries {
    /// Puts all of it into the store, in one step that is on disk when this returns.
    fn write(mut self, db: &IndexDb) -> Result<(), IndexError> {
        let Self { bytes, places } = &mut self;
        let key = |entry: &RunEntry| key_of(bytes, entry);
        places.sort_unstable_by(|a, b| {
            a.first.cmp(&b.first).then_with(|| key(a).cmp(key(b))).then(a.start.cmp(&b.start))
        });
        let path = db.files.path.join(RUN_FILE);
        // What a kill left may be a file of the store by now, under two names, and must not be written over.
        if let Err(error) = db::remove_file(&path) {
            return Err(IndexError::File(path, error));
        }
        wait_for_compaction(&db.store);
        let options = db::options(&db.memory);
        let mut file = SstFileWriter::create(&options);
        file.open(&path)?;
        let mut rest = places.iter().peekable();
        while let Some(entry) = rest.next() {
            // Of the same key the last one counts.
            if rest.peek().is_none_or(|next| key(next) != key(entry)) {
                file.put(key(entry), value_of(bytes, entry))?;
            }
        }
        file.finish()?;
        let mut ingest = IngestExternalFileOptions::default();
        ingest.set_move_files(true);
        Ok(db.store.ingest_external_file_opts(&ingest, vec![path])?)
    }
}

/// A store with too many files at its first level takes no writes, which would hold up whoever follows the log with it
/// afterwards.
fn wait_for_compaction(db: &DB) {
    let crowded =
        || matches!(db.property_int_value(FILES_AT_FIRST_LEVEL), Ok(Some(files)) if files >= FILES_MAX);
    let started = Instant::now();
    while crowded() && started.elapsed() < COMPACTION_MAX {
        thread::sleep(COMPACTION_LOOK_EVERY);
    }
}

fn key_of<'a>(bytes: &'a [u8], entry: &RunEntry) -> &'a [u8] {
    let start = entry.start as usize;
    bytes.get(start..start + usize::from(entry.key)).unwrap_or_default()
}

fn value_of<'a>(bytes: &'a [u8], entry: &RunEntry) -> &'a [u8] {
    let start = entry.start as usize + usize::from(entry.key);
    bytes.get(start..start + usize::from(entry.value)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::collections::BTreeMap;

    use log::StoreMemory;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    /// A batch of entries, whether it is completed, and whether the run is settled after it.
    type Step = (Vec<(Vec<u8>, Vec<u8>)>, bool, bool);

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let entry = (vec(0..3_u8, 1..12), vec(any::<u8>(), 0..4));
        vec((vec(entry, 0..20), any::<bool>(), any::<bool>()), 0..8)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_store_has_the_last_entry_of_each_key(steps in steps()) {
            let folder = TempDir::new().unwrap();
            let db = Arc::new(IndexDb::open(folder.path(), &StoreMemory::default()).unwrap());
            let (mut run, mut expected) = (SortedRun::default(), BTreeMap::new());
            for (entries, completed, settled) in steps {
                run.begin();
                entries.iter().for_each(|(key, value)| run.put_entry(key, value));
                if completed {
                    run.complete();
                    expected.extend(entries);
                }
                run.begin();
                if settled {
                    run.hand_over(&db).unwrap();
                }
            }
            run.hand_over(&db).unwrap();
            run.wait().unwrap();
            let found = db.store.iterator(rocksdb::IteratorMode::Start).map(|entry| {
                let (key, value) = entry.unwrap();
                (key.to_vec(), value.to_vec())
            });
            prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
            prop_assert!(!folder.path().join(RUN_FILE).exists());
        }
    }
}
