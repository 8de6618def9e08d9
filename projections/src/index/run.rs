//! Entries as they are gathered: in a batch for an index that is read, in a sorted run for one that is being built.
//!
//! A run is sorted in memory and becomes a whole file of the store. That takes a fraction of the time of putting the
//! entries, which come in no order, into the store one by one.

use std::path::Path;

use rocksdb::{DB, IngestExternalFileOptions, SstFileWriter, WriteBatch};

use super::store::{self, IndexError};

/// What takes entries.
pub(super) trait Put {
    /// Takes one; a later one of the same key replaces it.
    fn put_entry(&mut self, key: &[u8], value: &[u8]);
}

impl Put for WriteBatch {
    fn put_entry(&mut self, key: &[u8], value: &[u8]) {
        self.put(key, value);
    }
}

/// Entries that are gathered, in the form that suits what they are for.
pub(super) enum Staged {
    /// To be put into a store that is read.
    Batch(WriteBatch),
    /// To become a file of a store that is built.
    Run(Run),
}

impl Put for Staged {
    fn put_entry(&mut self, key: &[u8], value: &[u8]) {
        match self {
            Self::Batch(batch) => batch.put_entry(key, value),
            Self::Run(run) => run.put_entry(key, value),
        }
    }
}

/// The name of the file on its way into the store.
const FILE: &str = "run.sst";
/// Bytes of keys and values of a file: some 300,000 events.
const BYTES_MAX: usize = 48 << 20;

/// Entries of which none are in the store yet.
#[derive(Default)]
pub(super) struct Run {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// How many bytes and entries are of batches that are complete.
    complete: (usize, usize),
}

/// Where an entry is in the bytes: the key, then the value.
#[derive(Clone, Copy)]
struct Entry {
    /// The first bytes of the key, which mostly tell two apart.
    first: u64,
    start: u32,
    key: u16,
    value: u16,
}

impl Put for Run {
    fn put_entry(&mut self, key: &[u8], value: &[u8]) {
        let mut first = [0; 8];
        first.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        // Keys have at most 64 bytes and values little more, and the run ends long before 4 GiB.
        let entry = Entry {
            first: u64::from_be_bytes(first),
            start: u32::try_from(self.bytes.len()).unwrap_or(u32::MAX),
            key: u16::try_from(key.len()).unwrap_or(u16::MAX),
            value: u16::try_from(value.len()).unwrap_or(u16::MAX),
        };
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.entries.push(entry);
    }
}

impl Run {
    /// Forgets the entries of a batch that was not completed.
    pub(super) fn begin(&mut self) {
        let (bytes, entries) = self.complete;
        self.bytes.truncate(bytes);
        self.entries.truncate(entries);
    }

    /// The batch is complete; tells whether the run is long enough for a file.
    pub(super) fn complete(&mut self) -> bool {
        self.complete = (self.bytes.len(), self.entries.len());
        self.bytes.len() >= BYTES_MAX
    }

    /// Puts all of it into the store, in one step that is on disk when this returns.
    pub(super) fn settle(&mut self, db: &DB, place: &Path) -> Result<(), IndexError> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let Self { bytes, entries, .. } = self;
        let key = |entry: &Entry| key_of(bytes, entry);
        entries.sort_unstable_by(|a, b| {
            a.first.cmp(&b.first).then_with(|| key(a).cmp(key(b))).then(a.start.cmp(&b.start))
        });
        let path = place.join(FILE);
        let options = store::options();
        let mut file = SstFileWriter::create(&options);
        file.open(&path)?;
        let mut rest = entries.iter().peekable();
        while let Some(entry) = rest.next() {
            // Of the same key the last one counts.
            if rest.peek().is_none_or(|next| key(next) != key(entry)) {
                file.put(key(entry), value_of(bytes, entry))?;
            }
        }
        file.finish()?;
        let mut ingest = IngestExternalFileOptions::default();
        ingest.set_move_files(true);
        db.ingest_external_file_opts(&ingest, vec![path])?;
        self.forget();
        Ok(())
    }

    /// Forgets everything.
    pub(super) fn forget(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.complete = (0, 0);
    }
}

fn key_of<'a>(bytes: &'a [u8], entry: &Entry) -> &'a [u8] {
    let start = entry.start as usize;
    bytes.get(start..start + usize::from(entry.key)).unwrap_or_default()
}

fn value_of<'a>(bytes: &'a [u8], entry: &Entry) -> &'a [u8] {
    let start = entry.start as usize + usize::from(entry.key);
    bytes.get(start..start + usize::from(entry.value)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::collections::BTreeMap;

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
            let db = store::open(folder.path()).unwrap();
            let (mut run, mut expected) = (Run::default(), BTreeMap::new());
            for (entries, completed, settled) in steps {
                run.begin();
                entries.iter().for_each(|(key, value)| run.put_entry(key, value));
                if completed {
                    run.complete();
                    expected.extend(entries);
                }
                run.begin();
                if settled {
                    run.settle(&db, folder.path()).unwrap();
                }
            }
            run.settle(&db, folder.path()).unwrap();
            let found = db.iterator(rocksdb::IteratorMode::Start).map(|entry| {
                let (key, value) = entry.unwrap();
                (key.to_vec(), value.to_vec())
            });
            prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
            prop_assert!(!folder.path().join(FILE).exists());
        }
    }
}
