//! Stores that a scheduler writes to meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::num::NonZeroUsize;

use ans104::Ed25519Wallet;
use log::{LocalLog, Memory, MemoryDisk};
use rocksdb::{DB, Options};
use tempfile::TempDir;
use testing::{ExistingRow, SampleProcess};

use super::*;
use crate::{ImportOptions, ImportReport, ImportSummary, import};

/// A store that is open to be written to, as a scheduler has it.
struct Running {
    folder: TempDir,
    files: DB,
    index: DB,
}

impl Running {
    fn start() -> Self {
        Self::with(&["process", "process_ordering", "message", "message_ordering", "deep_hash"])
    }

    /// One of a version that had these tables.
    fn with(tables: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_disable_auto_compactions(true);
        let index = DB::open_cf(&options, folder.path().join("index"), tables).unwrap();
        options.set_enable_blob_files(true);
        options.set_min_blob_size(1024);
        let files = DB::open(&options, folder.path().join("files")).unwrap();
        Self { folder, files, index }
    }

    fn write(&self, append: &log::Append) {
        self.write_at(append, None);
    }

    /// With another nonce in its key than the assignment says, if one is given.
    fn write_at(&self, append: &log::Append, other: Option<i64>) {
        let row = ExistingRow::of(append, &Ed25519Wallet::from_seed([2; 32]));
        let kind = if row.is_process { "process" } else { "message" };
        let (process, assignment) = (row.process, &row.assignment);
        let (said, time, _) = row.place.as_ref().unwrap();
        let nonce = other.unwrap_or(*said);
        self.files.put(format!("{kind}_assignment:{assignment}"), &row.blob).unwrap();
        let table = format!("{kind}_ordering");
        let key = format!("{table}:{process}:{:010}:{nonce:010}:{time:015}:{assignment}", 0);
        self.index.put_cf(self.index.cf_handle(&table).unwrap(), key, assignment).unwrap();
    }

    fn flush(&self) {
        self.files.flush().unwrap();
        self.index.flush_cf(self.index.cf_handle("message_ordering").unwrap()).unwrap();
    }

    fn merge(&self) {
        self.files.compact_range(None::<&[u8]>, None::<&[u8]>);
        let table = self.index.cf_handle("message_ordering").unwrap();
        self.index.compact_range_cf(table, None::<&[u8]>, None::<&[u8]>);
    }

    fn open(&self) -> LocalStoreSource {
        let folder = self.folder.path();
        LocalStoreSource::open(&folder.join("files"), &folder.join("index")).unwrap()
    }
}

fn imported(source: &mut LocalStoreSource) -> ImportSummary {
    let log = LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap();
    let threads = NonZeroUsize::new(2).unwrap();
    let options = ImportOptions {
        scope: ImportScope::default(),
        verify: false,
        threads,
        elsewhere: None,
        pass_missing: false,
    };
    import(source, Some(&log), &options, ImportReport::new(None), &mut |_| ()).unwrap()
}

#[test]
fn a_store_is_read_while_it_is_written_to_and_its_files_are_merged() {
    let (running, mut sample) = (Running::start(), SampleProcess::new(1));
    running.write(&sample.spawn());
    for _ in 0..40 {
        for message in sample.messages(5) {
            running.write(&message);
        }
        running.flush();
    }
    let mut source = running.open();
    for message in sample.messages(20) {
        running.write(&message);
    }
    running.flush();
    running.merge();
    let summary = imported(&mut source);
    assert_eq!((summary.imported, summary.left_out), (201, 0), "{summary:?}");
    assert_eq!(imported(&mut running.open()).imported, 221, "what came meanwhile comes the next time");
}

#[test]
fn entries_without_their_bytes_and_keys_of_the_wrong_width_are_told_and_all_others_come() {
    let (running, mut sample) = (
        Running::with(&["process", "process_ordering", "message", "message_ordering"]),
        SampleProcess::new(1),
    );
    running.write(&sample.spawn());
    let messages = sample.messages(9);
    messages.iter().for_each(|message| running.write(message));
    let lost = ExistingRow::of(&messages[4], &Ed25519Wallet::from_seed([2; 32])).assignment;
    running.files.delete(format!("message_assignment:{lost}")).unwrap();
    // As a migration notes its place there, and as nobody ever wrote.
    running.files.put("last_message_row_id", "400").unwrap();
    let table = running.index.cf_handle("message_ordering").unwrap();
    let key = format!("message_ordering:short:{:010}:{:010}:{:015}:{lost}", 0, 3, 7);
    running.index.put_cf(table, key, "x").unwrap();
    let summary = imported(&mut running.open());
    assert_eq!((summary.imported, summary.left_out), (9, 2), "{summary:?}");
    let reasons: Vec<_> = summary.first_left_out.iter().map(|row| row.reason.as_str()).collect();
    for reason in ["are not in the store of SU_FILE_DB_DIR", "the key is not as the existing scheduler"] {
        assert!(reasons.iter().any(|told| told.contains(reason)), "{reasons:?}");
    }
}

/// The existing scheduler's own migration gives every process the place 0.
#[test]
fn a_migrated_process_comes_at_its_nonce_and_not_at_the_one_of_its_key() {
    let (running, mut sample) = (Running::start(), SampleProcess::new(1));
    sample.messages(2).iter().for_each(|message| running.write(message));
    running.write_at(&sample.spawn(), Some(0));
    running.write(&sample.message());
    let summary = imported(&mut running.open());
    assert_eq!((summary.imported, summary.left_out), (4, 0), "{summary:?}");
}

#[test]
fn a_store_that_lacks_a_table_file_is_refused() {
    let (running, mut sample) = (Running::start(), SampleProcess::new(1));
    running.write(&sample.spawn());
    sample.messages(9).iter().for_each(|message| running.write(message));
    running.flush();
    let index = running.folder.path().join("index");
    let is_table = |path: &PathBuf| path.extension().is_some_and(|name| name == "sst");
    let tables = fs::read_dir(&index).unwrap().map(|entry| entry.unwrap().path()).filter(is_table);
    tables.for_each(|path| fs::remove_file(path).unwrap());
    let refused = LocalStoreSource::open(&running.folder.path().join("files"), &index).err().unwrap();
    assert!(refused.to_string().starts_with("SU_INDEX_DB_DIR: "), "{refused}");
}

#[test]
fn damaged_bytes_are_told_and_all_others_come() {
    let (running, mut sample) = (Running::start(), SampleProcess::new(1));
    running.write(&sample.spawn());
    sample.messages(9).iter().for_each(|message| running.write(message));
    running.flush();
    let entries = fs::read_dir(running.folder.path().join("files")).unwrap();
    let is_of_bytes = |path: &PathBuf| path.extension().is_some_and(|name| name == "blob");
    let blobs = entries.map(|entry| entry.unwrap().path()).find(is_of_bytes).expect("bytes have a file");
    let mut bytes = fs::read(&blobs).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&blobs, bytes).unwrap();
    let summary = imported(&mut running.open());
    assert_eq!((summary.imported, summary.left_out), (9, 1), "{summary:?}");
    let told = &summary.first_left_out[0].reason;
    assert!(told.contains("SU_FILE_DB_DIR are damaged"), "{told}");
}

#[test]
fn content_hashes_that_nothing_has_go_to_assignments_alone() {
    let (running, mut sample) = (Running::start(), SampleProcess::new(1));
    running.write(&sample.spawn());
    running.write(&sample.assigned());
    let table = running.index.cf_handle("deep_hash").unwrap();
    let process = sample.process;
    for hash in [[3; 48], [4; 48]] {
        let key = format!("deep_hash:{process}:{}", ans104::base64url::encode(&hash));
        running.index.put_cf(table, key, process.to_string()).unwrap();
    }
    // Older code looked at no key: such are told as well.
    for odd in ["short".to_owned(), "*".repeat(64)] {
        running.index.put_cf(table, format!("deep_hash:{process}:{odd}"), process.to_string()).unwrap();
    }
    let mut hashes = Vec::new();
    let mut lost = Vec::new();
    let scope = ImportScope::default();
    let visit = &mut |row| {
        match row {
            SourceRow::Stored(row) => hashes.push(row.deep_hash),
            SourceRow::Remark { flaw, .. } => lost.push(flaw.what),
            other => panic!("{other:?}"),
        }
        ControlFlow::Continue(())
    };
    running.open().read(&scope, &crate::target::NoLog, visit).unwrap();
    assert_eq!(hashes, [None, Some([3; 48])]);
    assert_eq!(lost, ["1 of them, and 2 under keys that end in no hash"]);
}
