#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use crate::samples::SampleProcess;
use crate::suite::{self, OnRocks, Setup};
use crate::{Append, Engine, Event, StoreMemory};

use super::*;

/// A store as a crash leaves it, whose last write of two events, the second of this size, is not noted as acknowledged.
struct Crashed {
    setup: OnRocks,
    sample: SampleProcess,
    /// What was acknowledged.
    kept: Vec<Event>,
    /// Where the last write begins in the newest write-ahead log.
    last_write: u64,
}

impl Crashed {
    fn new(last_len: usize) -> Self {
        Self::with(0, |sample, _| {
            sample.data_len = last_len;
            sample.message()
        })
    }

    /// The same, where the last write is full of entries of the log as it was before, and so many more come behind it.
    fn disguised(more: usize) -> Self {
        Self::with(more, |sample, entries| {
            let tags = [("Data-Protocol", "ao"), ("Variant", "ao.TN.1"), ("Type", "Message")];
            let data = entries.repeat(1 + 400_000 / entries.len());
            let item = sample.user.anchored(Some(&[7; 32]), Some(sample.process), &tags, &data);
            sample.scheduled(&item)
        })
    }

    fn with(more: usize, last: impl FnOnce(&mut SampleProcess, &[u8]) -> Append) -> Self {
        let mut setup = OnRocks::default();
        let log = setup.log();
        let mut sample = SampleProcess::new(1);
        suite::append(&log, vec![sample.spawn()]);
        for _ in 0..5 {
            suite::append(&log, vec![sample.message()]);
        }
        let kept = suite::all(&log);
        let note = fs::read(setup.path().join("acknowledged")).unwrap();
        let last_write = len(&newest(&setup.path())).unwrap();
        let before = sample.last;
        let small = sample.message();
        let last = last(&mut sample, &fs::read(newest(&setup.path())).unwrap());
        suite::append(&log, vec![small, last]);
        sample.data_len = 256;
        for _ in 0..more {
            suite::append(&log, vec![sample.message()]);
        }
        setup.crash();
        fs::write(setup.path().join("acknowledged"), note).unwrap();
        sample.last = before;
        Self { setup, sample, kept, last_write }
    }

    fn store(&self) -> PathBuf {
        self.setup.path()
    }

    fn edit_log(&self, change: impl FnOnce(&mut Vec<u8>)) {
        edit(&newest(&self.store()), change);
    }

    /// Without the last write the store opens, has what was acknowledged, and goes on.
    fn check_repaired(mut self) {
        assert!(Rocks::open(self.store(), &StoreMemory::default()).is_err(), "it opens as it is");
        let torn = examine_store(&self.store()).unwrap().expect("something is torn");
        assert_eq!(torn.last, Some(self.kept.last().unwrap().seq));
        assert_eq!(torn.acknowledged, torn.last);
        let [end] = &torn.ends[..] else { panic!("{:?}", torn.ends) };
        assert_eq!((end.file.clone(), end.at), (newest(&self.store()), self.last_write));
        let bytes = fs::read(&end.file).unwrap();
        assert_eq!(end.len, bytes.len() as u64 - end.at);
        let kept = torn.cut().unwrap();
        let [kept] = &kept[..] else { panic!("{kept:?}") };
        assert!(kept.to_string_lossy().ends_with(".log.cut-1"), "{}", kept.display());
        assert_eq!(fs::read(kept).unwrap(), bytes[self.last_write as usize..]);
        assert!(examine_store(&self.store()).unwrap().is_none());
        let log = self.setup.log();
        assert_eq!(suite::all(&log), self.kept);
        suite::append(&log, vec![self.sample.message()]);
        assert!(log.verify(None, &mut |_| {}).is_sound());
        drop(log);
        assert_eq!(suite::all(&self.setup.log()).len(), self.kept.len() + 1);
    }

    /// Nothing is cut off, and nothing changed.
    fn check_refused(self) -> String {
        let before = contents(&self.store());
        let error = examine_store(&self.store()).map(drop).unwrap_err();
        assert_eq!(contents(&self.store()), before);
        error.to_string()
    }
}

fn newest(store: &Path) -> PathBuf {
    let mut journals = journals(store).unwrap();
    journals.retain(|path| {
        path.extension().is_some_and(|extension| extension == "log") && len(path).unwrap() > 0
    });
    journals.pop().unwrap()
}

fn contents(store: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| !path.ends_with("LOCK"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn a_record_whose_payload_never_arrived_is_cut_off() {
    for arrived in [7, 8, 500] {
        let crashed = Crashed::new(256);
        crashed.edit_log(|bytes| bytes[crashed.last_write as usize + arrived..].fill(0));
        crashed.check_repaired();
    }
}

#[test]
fn a_write_of_many_blocks_that_arrived_in_part_is_cut_off() {
    // Sectors in the beginning, in the middle, and both.
    for lost in [vec![0], vec![200], vec![0, 1, 2, 300], (70..300).collect()] {
        let crashed = Crashed::new(400_000);
        crashed.edit_log(|bytes| {
            for sector in lost {
                let start = crashed.last_write as usize + 512 * sector;
                bytes[start..start + 512].fill(0);
            }
        });
        crashed.check_repaired();
    }
}

/// The sectors in which blocks begin, within the last write.
fn lose_beginnings(bytes: &mut [u8], last_write: u64, every: usize) {
    const BLOCK: usize = 32 << 10;
    let first = (last_write as usize).next_multiple_of(BLOCK);
    for start in (first..last_write as usize + 390_000).step_by(every * BLOCK) {
        bytes[start..start + 512].fill(0);
    }
}

#[test]
fn a_torn_write_that_is_full_of_what_looks_like_entries_is_cut_off() {
    for every in [1, 2, 5] {
        let crashed = Crashed::disguised(0);
        crashed.edit_log(|bytes| lose_beginnings(bytes, crashed.last_write, every));
        crashed.check_repaired();
    }
}

#[test]
fn what_was_written_behind_such_a_write_is_found() {
    for is_whole in [true, false] {
        let crashed = Crashed::disguised(2);
        crashed.edit_log(|bytes| {
            lose_beginnings(bytes, crashed.last_write, 2);
            // Of a disk that keeps nothing that it was told to the last one may be torn, too.
            let end = bytes.len();
            bytes[end - 300] ^= u8::from(!is_whole);
        });
        let refused = crashed.check_refused();
        assert!(refused.contains("it is not the end of what was written"), "{refused}");
    }
}

#[test]
fn what_was_acknowledged_is_not_cut_off() {
    let crashed = Crashed::new(256);
    crashed.edit_log(|bytes| bytes[crashed.last_write as usize + 9] ^= 1);
    let number = 7_u64.to_be_bytes();
    let note = [number.as_slice(), &crc32c::crc32c(&number).to_be_bytes()].concat();
    fs::write(crashed.store().join("acknowledged"), note).unwrap();
    let refused = crashed.check_refused();
    assert!(refused.contains("ends with number 5, but number 7 was acknowledged"), "{refused}");
}

#[test]
fn damage_that_others_follow_is_not_cut_off() {
    // In the payload, in the length, in the type; before the last write, and long before it.
    for (back, place) in [(1, 9), (1, 4), (1, 6), (3, 9), (3, 5)] {
        let crashed = Crashed::new(256);
        crashed.edit_log(|bytes| {
            let mut starts = vec![0_usize];
            while let Some(start) =
                starts.last().copied().filter(|start| *start < crashed.last_write as usize)
            {
                starts
                    .push(start + 7 + usize::from(u16::from_le_bytes([bytes[start + 4], bytes[start + 5]])));
            }
            let start = starts[starts.len() - 1 - back];
            bytes[start + place] ^= 1;
        });
        let refused = crashed.check_refused();
        assert!(refused.contains("it is not the end of what was written"), "{refused}");
    }
}

#[test]
fn damage_in_a_file_before_the_last_is_not_cut_off() {
    let crashed = Crashed::new(256);
    crashed.edit_log(|bytes| bytes[crashed.last_write as usize + 7..].fill(0));
    fs::write(crashed.store().join("999999.log"), [1]).unwrap();
    let refused = crashed.check_refused();
    assert!(refused.contains("it is not the end of what was written"), "{refused}");
}

/// A store whose tables were made known while the power went, and what was there before.
struct Flushed {
    setup: OnRocks,
    events: Vec<Event>,
    manifest: PathBuf,
    /// How long the manifest was before.
    synced: u64,
    /// The write-ahead log that was to be deleted afterwards.
    log: (PathBuf, Vec<u8>),
    /// A table of events that was there before.
    table: PathBuf,
}

impl Flushed {
    fn new() -> Self {
        let mut setup = OnRocks::default();
        let log = setup.log();
        let mut sample = SampleProcess::new(1);
        suite::append(&log, vec![sample.spawn(), sample.message()]);
        log.engine().settle();
        let tables = contents(&setup.path()).into_iter();
        let tables = tables.filter(|(path, _)| path.extension().is_some_and(|kind| kind == "sst"));
        let table = tables.max_by_key(|(_, bytes)| bytes.len()).unwrap().0;
        suite::append(&log, vec![sample.message(), sample.message()]);
        let synced = len(&manifest(&setup.path()).unwrap()).unwrap();
        let written = newest(&setup.path());
        let bytes = fs::read(&written).unwrap();
        log.engine().settle();
        setup.crash();
        let events = suite::all(&log);
        let of = |path: &Path| setup.path().join(path.file_name().unwrap());
        let (manifest, written, table) = (manifest(&setup.path()).unwrap(), of(&written), of(&table));
        assert!(len(&manifest).unwrap() > synced + 20, "nothing was made known");
        // The disk has the tables, but not the file that could be deleted after they were made known.
        fs::remove_file(&written).ok();
        Self { setup, events, manifest, synced, log: (written, bytes), table }
    }

    /// Of what makes the tables known nothing but the beginning arrived.
    fn tear(&self) {
        edit(&self.manifest, |bytes| bytes[self.synced as usize + 7..].fill(0));
    }

    fn restore_log(&self) {
        fs::write(&self.log.0, &self.log.1).unwrap();
    }

    fn refusal(&self) -> String {
        examine_store(&self.setup.path()).map(drop).unwrap_err().to_string()
    }
}

fn edit(file: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    edit(&mut bytes);
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_torn_manifest_is_cut_where_nothing_is_lost_by_it() {
    // The tables are made known and the write-ahead log is still there: it is as if they had not been written yet.
    let flushed = Flushed::new();
    flushed.tear();
    let refused = flushed.refusal();
    assert!(refused.contains("acknowledged") || refused.contains("cannot be opened"), "{refused}");
    flushed.restore_log();
    let torn = examine_store(&flushed.setup.path()).unwrap().unwrap();
    assert_eq!((torn.ends.len(), torn.last), (1, Some(Seq::new(3))));
    assert_eq!((torn.ends[0].file.clone(), torn.ends[0].at), (flushed.manifest, flushed.synced));
    torn.cut().unwrap();
    assert_eq!(suite::all(&flushed.setup.log()), flushed.events);
}

#[test]
fn a_manifest_is_cut_where_more_arrived_behind_the_damage_only_if_nothing_is_missed() {
    let flushed = Flushed::new();
    edit(&flushed.manifest, |bytes| bytes[flushed.synced as usize + 9] ^= 1);
    let refused = flushed.refusal();
    assert!(refused.contains("acknowledged") || refused.contains("cannot be opened"), "{refused}");
    flushed.restore_log();
    let torn = examine_store(&flushed.setup.path()).unwrap().unwrap();
    assert_eq!((torn.ends.len(), torn.ends[0].at), (1, flushed.synced));
    torn.cut().unwrap();
    assert_eq!(suite::all(&flushed.setup.log()), flushed.events);
}

#[test]
fn a_manifest_is_not_cut_where_anything_of_the_log_is_damaged() {
    let flushed = Flushed::new();
    flushed.tear();
    flushed.restore_log();
    edit(&flushed.table, |bytes| bytes[100] ^= 1);
    let refused = flushed.refusal();
    assert!(refused.contains("would not be whole"), "{refused}");
}

#[test]
fn a_sound_store_and_none_at_all_need_no_repair() {
    let mut setup = OnRocks::default();
    let log = setup.log();
    suite::append(&log, vec![SampleProcess::new(1).spawn()]);
    setup.crash();
    assert!(examine_store(&setup.path()).unwrap().is_none());
    let nothing = setup.path().join("nothing");
    assert!(matches!(
        examine_store(&nothing),
        Err(RepairError::Store(RocksError::Missing(path))) if path == nothing
    ));
    assert!(!nothing.exists());
}

#[test]
fn ends_that_were_cut_before_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("000007.log");
    for number in 1..=3 {
        let (path, _) = create_beside(&file).unwrap();
        assert_eq!(path, folder.path().join(format!("000007.log.cut-{number}")));
    }
}

#[test]
fn what_does_not_open_for_another_reason_is_not_called_whole() {
    let setup = OnRocks::default();
    let log = setup.log();
    suite::append(&log, vec![SampleProcess::new(1).spawn()]);
    drop(log);
    assert!(examine_store(&setup.path()).unwrap().is_none());
    fs::write(setup.path().join("CURRENT"), "MANIFEST-999999\n").unwrap();
    assert!(Rocks::open(setup.path(), &StoreMemory::default()).is_err(), "it opens");
    let told = examine_store(&setup.path()).map(drop).unwrap_err().to_string();
    assert!(told.contains("cannot be opened") && told.contains("MANIFEST-999999"), "{told}");
}

#[test]
fn what_cannot_be_repaired_is_not_sent_to_be() {
    let crashed = Crashed::new(256);
    let advice = |crashed: &Crashed| {
        Rocks::open_read_only(crashed.store()).map(drop).unwrap_err().to_string().contains("quipu repair")
    };
    crashed.edit_log(|bytes| bytes[crashed.last_write as usize + 9] ^= 1);
    assert!(advice(&crashed));
    crashed.edit_log(|bytes| bytes[crashed.last_write as usize / 2] ^= 1);
    assert!(!advice(&crashed));
    crashed.check_refused();
}
