#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod checkpoints;
mod folders;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use protocol::Nonce;
use tempfile::TempDir;

use crate::samples::{SampleProcess, fact};
use crate::suite::{self, OnRocks, Setup};
use crate::{Event, LocalLog, Log, Notice, OpenError};

use super::*;

/// The files of a store.
type Files = BTreeMap<String, Vec<u8>>;

fn read_files(path: &Path) -> Files {
    let files = fs::read_dir(path).unwrap().map(|file| {
        let file = file.unwrap();
        (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())
    });
    files.collect()
}

fn write_files(files: &Files) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

/// A store as a clean end leaves it, or as a crash does; and what is in it.
fn store(crashed: bool) -> (Files, Vec<Event>) {
    let mut setup = OnRocks::default();
    let log = setup.log();
    let (mut one, mut two) = (SampleProcess::noisy(1, 2), SampleProcess::new(2));
    suite::append(&log, vec![one.spawn(), two.spawn(), fact("a")]);
    // More than a block of the write-ahead log, and not all of it flushed.
    suite::append(&log, one.messages(30));
    if crashed {
        log.engine().settle();
    }
    for _ in 0..8 {
        suite::append(&log, vec![two.message(), one.message()]);
    }
    let events = suite::all(&log);
    if crashed {
        setup.crash();
        return (read_files(&setup.path()), events);
    }
    drop(log);
    (read_files(&setup.path()), events)
}

#[derive(Debug, PartialEq)]
enum Found {
    /// The store was not opened.
    Refused,
    /// A reader was told.
    Told,
    /// Everything was there.
    Whole,
}

/// What comes of reading a store. That something is missing or different, and nobody is told, must not happen.
fn read_store(files: &Files, expected: &[Event]) -> Found {
    let dir = write_files(files);
    let Ok(engine) = Rocks::open(dir.path(), &StoreMemory::default()) else {
        return Found::Refused;
    };
    let Ok(log) = LocalLog::open(engine, None) else {
        return Found::Refused;
    };
    let mut events = Vec::new();
    let scanned = log.scan(Seq::ZERO, &mut |event| {
        events.push(event.to_owned());
        ControlFlow::Continue(())
    });
    assert!(expected.starts_with(&events), "a scan gave something else");
    let mut sound = scanned.is_ok();
    assert!(!sound || events.len() == expected.len(), "a scan ended early");
    for process in expected.iter().map(|event| event.process) {
        let expected: Vec<_> = expected.iter().filter(|event| event.process == process).cloned().collect();
        let mut events = Vec::new();
        let all = Nonce::ZERO..=Nonce::MAX;
        let ranged = log.range(process, true, all, &mut |event| {
            events.push(event.to_owned());
            ControlFlow::Continue(())
        });
        assert!(expected.starts_with(&events), "a range gave something else");
        assert!(ranged.is_err() || events.len() == expected.len(), "a range ended early");
        sound &= ranged.is_ok();
    }
    let verified = log.verify(None, &mut |_| {}).is_sound();
    assert!(sound || !verified, "verification found nothing");
    drop(log);
    let offline = Rocks::open_read_only(dir.path()).map(|rocks| rocks.verify(None, &mut |_| {}).is_sound());
    assert!(sound || !offline.unwrap_or(false), "offline verification found nothing");
    if sound && verified { Found::Whole } else { Found::Told }
}

/// Flips one bit at a time, all over the files of a kind; at least this share of flips has to be noticed.
fn flip(crashed: bool, kind: fn(&str) -> bool, step: usize, percent_min: usize) {
    let (files, expected) = store(crashed);
    assert_eq!(read_store(&files, &expected), Found::Whole);
    let (mut noticed, mut flipped) = (0, 0);
    for (name, bytes) in files.iter().filter(|(name, _)| kind(name)) {
        for (count, at) in (0..bytes.len()).step_by(step).enumerate() {
            let mut files = files.clone();
            files.get_mut(name).unwrap()[at] ^= 1 << (count % 8);
            let found = std::panic::catch_unwind(|| read_store(&files, &expected));
            let found = found.unwrap_or_else(|_| panic!("{name}, byte {at}, bit {}", count % 8));
            flipped += 1;
            noticed += usize::from(found != Found::Whole);
        }
    }
    assert!(flipped > 0 && noticed * 100 >= flipped * percent_min, "{noticed} of {flipped} were noticed");
}

#[test]
fn flipped_bits_in_tables_are_found() {
    // Not in a compressed block's filler or in what is not read: most of a table are its events.
    flip(false, |name| name.ends_with(".sst"), 409, 80);
}

#[test]
fn flipped_bits_in_the_write_ahead_log_are_found() {
    flip(true, |name| name.ends_with(".log"), 211, 95);
}

#[test]
fn flipped_bits_in_the_other_files_hide_nothing() {
    flip(true, |name| name.starts_with("MANIFEST"), 23, 90);
    flip(false, |name| ["CURRENT", "acknowledged", "IDENTITY"].contains(&name), 3, 0);
}

/// Where the records of a write-ahead log begin, as long as each fits into its block.
fn records(log: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at + 7 <= log.len() {
        starts.push(at);
        at += 7 + usize::from(u16::from_le_bytes([log[at + 4], log[at + 5]]));
    }
    starts
}

fn newest_log(files: &Files) -> String {
    let logs = files.iter().filter(|(name, bytes)| name.ends_with(".log") && !bytes.is_empty());
    logs.map(|(name, _)| name.clone()).next_back().unwrap()
}

#[test]
fn every_bit_of_a_record_header_counts() {
    let (files, expected) = store(true);
    let name = newest_log(&files);
    let starts = records(&files[&name]);
    for start in [starts[0], starts[starts.len() / 2], starts[starts.len() - 1]] {
        for bit in 0..7 * 8 {
            let mut files = files.clone();
            files.get_mut(&name).unwrap()[start + bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_store(&files, &expected), Found::Refused, "bit {bit} of the record at {start}");
        }
    }
}

/// Nobody but the check before RocksDB names the place.
#[test]
fn damage_in_the_write_ahead_log_is_named() {
    let (files, _) = store(true);
    let name = newest_log(&files);
    let starts = records(&files[&name]);
    for start in [starts[0], starts[starts.len() - 1]] {
        let mut files = files.clone();
        files.get_mut(&name).unwrap()[start + 20] ^= 4;
        let dir = write_files(&files);
        let expected = format!("{name} has a record at byte {start} that does not match its checksum");
        for refused in [Rocks::open(dir.path(), &StoreMemory::default()), Rocks::open_read_only(dir.path())] {
            let error = refused.err().unwrap();
            assert!(matches!(error, RocksError::Damaged { .. }), "{error}");
            assert!(error.to_string().contains(&expected), "{error}");
        }
    }
}

/// RocksDB would take such a record for the end of the log, or never come to an end.
#[test]
fn a_record_that_says_it_is_of_a_recycled_file_is_damage() {
    let (mut files, _) = store(true);
    let name = newest_log(&files);
    let last = *records(&files[&name]).last().unwrap();
    files.get_mut(&name).unwrap()[last + 6] ^= 4;
    let error = journal::check(write_files(&files).path()).unwrap_err().to_string();
    assert!(error.contains(&format!("byte {last} that has the type 5, which is not in use")), "{error}");
}

#[test]
fn a_torn_end_is_dropped_if_it_was_not_acknowledged() {
    let (files, expected) = store(true);
    let name = newest_log(&files);
    let log = files[&name].clone();
    let last = *records(&log).last().unwrap();
    let before = &expected[..expected.len() - 2];
    for cut in (last..log.len()).step_by(97).chain([last + 1, last + 7, log.len() - 1]) {
        let mut files = files.clone();
        files.get_mut(&name).unwrap().truncate(cut);
        assert_eq!(read_store(&files, &expected), Found::Refused, "cut at {cut}: it was acknowledged");
        files.remove("acknowledged");
        assert_eq!(read_store(&files, before), Found::Whole, "cut at {cut}");
    }
    // Space that was set aside, or that a crash of the machine left empty.
    let mut files = files.clone();
    files.get_mut(&name).unwrap().resize(log.len() + 5_000, 0);
    assert_eq!(read_store(&files, &expected), Found::Whole);
}

#[test]
fn the_loss_of_acknowledged_events_is_named() {
    let (mut files, _) = store(true);
    let name = newest_log(&files);
    files.insert(name, Vec::new());
    let dir = write_files(&files);
    let engine = Rocks::open(dir.path(), &StoreMemory::default()).unwrap();
    let error = LocalLog::open(engine, None).err().unwrap().to_string();
    assert!(error.contains("ends with number 32, but number 48 was acknowledged"), "{error}");
    let mut faults = Vec::new();
    let summary = Rocks::open_read_only(dir.path()).unwrap().verify(None, &mut |notice| {
        if let Notice::Fault(fault) = notice {
            faults.push(fault.to_string());
        }
    });
    assert!(!summary.is_sound());
    assert_eq!(faults, ["store: number 48 was acknowledged, the log ends before it"]);
}

#[test]
fn missing_files_are_found() {
    let (files, expected) = store(false);
    let tables: Vec<_> = files.keys().filter(|name| name.ends_with(".sst")).cloned().collect();
    for name in tables.iter().map(String::as_str).chain(["CURRENT"]) {
        let mut files = files.clone();
        files.remove(name);
        assert_ne!(read_store(&files, &expected), Found::Whole, "{name}");
    }
}

#[test]
fn a_store_is_open_once() {
    let setup = OnRocks::default();
    let _first = setup.engine();
    let error = Rocks::open(setup.path(), &StoreMemory::default()).err().unwrap();
    assert!(matches!(&error, RocksError::Locked(path) if *path == setup.path()), "{error}");
    assert!(error.to_string().contains(setup.path().join("LOCK").to_str().unwrap()), "{error}");
}

#[test]
fn reading_changes_nothing() {
    let (files, expected) = store(true);
    let dir = write_files(&files);
    let summary = Rocks::open_read_only(dir.path()).unwrap().verify(None, &mut |notice| {
        assert!(matches!(notice, Notice::Progress { .. }), "{notice:?}");
    });
    assert!(summary.is_sound());
    assert_eq!(summary.events, expected.len() as u64);
    let mut after = read_files(dir.path());
    // RocksDB's own diary is all that may differ.
    after.retain(|name, _| !name.starts_with("LOG"));
    let mut before = files;
    before.retain(|name, _| !name.starts_with("LOG"));
    assert_eq!(after, before);
}

#[test]
fn no_store_is_no_empty_store() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("nothing");
    assert!(matches!(Rocks::open_read_only(&path), Err(RocksError::Missing(missing)) if missing == path));
    assert!(!path.exists());
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = Rocks::open(&file, &StoreMemory::default()).map(drop).unwrap_err();
    assert!(matches!(&refused, RocksError::Folder(error) if error.path == file), "{refused}");
}

#[test]
fn another_format_is_refused_by_name() {
    let setup = OnRocks::default();
    drop(setup.log());
    let engine = setup.engine();
    let mut batch = StoreBatch::default();
    batch.put(StoreTable::Meta, crate::keys::StoreKey::identity(), vec![3, 1, 2, 3]);
    engine.commit(&batch).unwrap();
    let error = LocalLog::open(engine, None).err().unwrap();
    assert!(matches!(error, OpenError::Read(_)));
    assert!(error.to_string().contains("format version 3, this build reads up to 2"), "{error}");
}

#[test]
fn says_what_it_takes_on_disk() {
    let setup = OnRocks::default();
    let log = setup.log();
    let before = log.size_on_disk().unwrap();
    let mut sample = SampleProcess::new(1);
    sample.data_len = 1 << 20;
    suite::append(&log, vec![sample.spawn(), sample.message()]);
    let after = log.size_on_disk().unwrap();
    assert!(after >= before + (1 << 20), "{before} {after}");
}
