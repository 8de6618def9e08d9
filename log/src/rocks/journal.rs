//! A look at RocksDB's own journals before it reads them: the write-ahead logs and the manifest.
//!
//! RocksDB tells records of recycled files by their type, before it looks at their checksum. One flipped bit in a
//! type turns a record into such a one, and RocksDB then takes it for the end of the log, or, further on in a file,
//! reads it again and again without end. Files are never recycled here, so every whole record must have a type of
//! ours and the right checksum. One that is cut short at the end of the file, and empty space there, is left to
//! RocksDB, which drops it.
//!
//! ```text
//! file     blocks of 32 KiB, the last one shorter
//! block    records; less than 7 bytes at the end are filler
//! record   masked CRC-32C of all that follows the length (4) ‖ length (2) ‖ type (1) ‖ payload    little-endian
//! entry    what was written together: one record, or a first, middle and last ones
//! ```

mod behind;

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::repair::can_be_cut;

use super::error::{RocksError, io_error};

use behind::BehindDamage;
pub(crate) use behind::Likeness;

const BLOCK_LEN: u64 = 32 << 10;
const HEADER_LEN: usize = 7;

const WHOLE: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;
/// Three kinds that say something about the file.
const ABOUT_FILE: [u8; 3] = [9, 10, 130];

/// Checks the journals of a store.
pub(super) fn check(store: &Path) -> Result<(), RocksError> {
    let (journals, manifest) = (journals(store)?, manifest(store));
    for journal in &journals {
        if let Some(damage) = scan(journal, &mut |_| Likeness::Later)? {
            let reason = format!("has a record at byte {} that {}", damage.at, damage.reason);
            let is_last = || newest(&journals, manifest.as_deref()) == Some(journal);
            let at_end =
                Some(journal) == manifest.as_ref() || (is_last() && (!damage.followed || can_be_cut(store)));
            return Err(RocksError::Damaged { file: journal.clone(), reason, at_end });
        }
    }
    Ok(())
}

/// The write-ahead log that writes go to: the newest one with something in it, since the next one may be there already.
pub(crate) fn newest<'a>(journals: &'a [PathBuf], manifest: Option<&Path>) -> Option<&'a PathBuf> {
    let has_content = |file: &Path| fs::metadata(file).is_ok_and(|found| found.len() > 0);
    journals.iter().rfind(|file| Some(file.as_path()) != manifest && has_content(file))
}

/// The first thing that is wrong in a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JournalDamage {
    /// Where all is well up to: the end of the last whole entry before it.
    pub(crate) sound: u64,
    /// Where it is.
    pub(crate) at: u64,
    /// What it is, of a record that...
    pub(crate) reason: String,
    /// Whether another entry is behind it: then it was not the last one that was written.
    pub(crate) followed: bool,
}

/// The write-ahead logs in the order of their writing, then the manifest.
pub(crate) fn journals(store: &Path) -> Result<Vec<PathBuf>, RocksError> {
    let list = || -> io::Result<Vec<PathBuf>> {
        let mut journals = Vec::new();
        for entry in fs::read_dir(store)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                journals.push(path);
            }
        }
        // Their names are numbers with leading zeros, which grow longer only after a million of files.
        journals.sort_unstable_by_key(|path| (path.as_os_str().len(), path.clone()));
        journals.extend(manifest(store));
        Ok(journals)
    };
    list().map_err(|error| io_error(store, error))
}

/// What `CURRENT` names; without it the store is new, or RocksDB says what is wrong.
pub(crate) fn manifest(store: &Path) -> Option<PathBuf> {
    let current = fs::read_to_string(store.join("CURRENT")).ok()?;
    let manifest = store.join(current.trim_end());
    manifest.is_file().then_some(manifest)
}

/// What is wrong with a journal, if anything is. Behind that there may be data that looks like an entry: it is asked what that
/// is.
pub(crate) fn scan(
    journal: &Path,
    judge: &mut dyn FnMut(&[u8]) -> Likeness,
) -> Result<Option<JournalDamage>, RocksError> {
    let mut read = || -> io::Result<Option<JournalDamage>> {
        let mut file = BufReader::new(File::open(journal)?);
        let mut block = Vec::new();
        let mut scan = Scan::new(judge);
        loop {
            block.clear();
            file.by_ref().take(BLOCK_LEN).read_to_end(&mut block)?;
            let is_last = (block.len() as u64) < BLOCK_LEN;
            scan.block(&block, is_last);
            if is_last {
                let followed = scan.behind.has_entry();
                return Ok(scan.damage.map(|damage| JournalDamage { followed, ..damage }));
            }
        }
    };
    read().map_err(|error| io_error(journal, error))
}

/// A walk along a journal.
struct Scan<'a> {
    /// Where the block is.
    offset: u64,
    /// The end of the last whole entry.
    sound: u64,
    /// Whether an entry has begun and not ended.
    within: bool,
    /// Where empty space began that has not ended yet.
    empty_from: Option<u64>,
    damage: Option<JournalDamage>,
    behind: BehindDamage<'a>,
}

/// Where in a block something is wrong, what, and from where on the block can be trusted again.
struct Wrong {
    at: usize,
    reason: String,
    resume: usize,
}

impl<'a> Scan<'a> {
    fn new(judge: &'a mut dyn FnMut(&[u8]) -> Likeness) -> Self {
        let behind = BehindDamage::new(judge);
        Self { offset: 0, sound: 0, within: false, empty_from: None, damage: None, behind }
    }

    fn block(&mut self, block: &[u8], is_last: bool) {
        let resume = if self.damage.is_some() {
            // The rest of a long entry that was torn may be damaged, too: what it is full of is data.
            let end = torn_at_start(block);
            if end.is_some() {
                self.behind.broken();
            }
            Some(end.unwrap_or(0))
        } else {
            self.records(block, is_last).err().map(|wrong| {
                let at = self.empty_from.unwrap_or_else(|| self.offset.saturating_add(wrong.at as u64));
                self.damage =
                    Some(JournalDamage { sound: self.sound, at, reason: wrong.reason, followed: false });
                wrong.resume
            })
        };
        if let Some(resume) = resume {
            self.behind.look(block.get(resume..).unwrap_or_default(), is_last);
        }
        self.offset = self.offset.saturating_add(block.len() as u64);
    }

    fn records(&mut self, block: &[u8], is_last: bool) -> Result<(), Wrong> {
        let mut rest = block;
        while let Some((header, after)) = rest.split_first_chunk::<HEADER_LEN>() {
            let at = block.len().saturating_sub(rest.len());
            if *header == [0; HEADER_LEN] {
                return self.empty(rest, at);
            }
            let record = Header::read(header);
            if self.empty_from.is_some() {
                return Err(Wrong { at, reason: "is empty, with others behind it".to_owned(), resume: at });
            }
            if !record.is_of_ours() {
                let reason = format!("has the type {}, which is not in use", record.kind);
                return Err(Wrong { at, reason, resume: at.saturating_add(1) });
            }
            let Some((payload, next)) = after.split_at_checked(record.len) else {
                // The end of a file that was cut short.
                let reason = format!("claims to have {} bytes", record.len);
                return if is_last {
                    Ok(())
                } else {
                    Err(Wrong { at, reason, resume: at.saturating_add(1) })
                };
            };
            let end = block.len().saturating_sub(next.len());
            if !record.matches(payload) {
                // A length that leads to where something else begins is right; any other may have hidden a record.
                let resume = if is_border(next) { end } else { at.saturating_add(1) };
                return Err(Wrong { at, reason: "does not match its checksum".to_owned(), resume });
            }
            self.record(record.kind, at, end)?;
            rest = next;
        }
        Ok(())
    }

    /// Moves on past a record that is right in itself.
    fn record(&mut self, kind: u8, at: usize, end: usize) -> Result<(), Wrong> {
        let goes_on = matches!(kind, MIDDLE | LAST);
        if goes_on != self.within && !ABOUT_FILE.contains(&kind) {
            let reason =
                if goes_on { "continues one that is not there" } else { "comes before the last one's end" };
            return Err(Wrong { at, reason: reason.to_owned(), resume: at });
        }
        match kind {
            FIRST => self.within = true,
            MIDDLE => {}
            _ => {
                self.within = false;
                self.sound = self.offset.saturating_add(end as u64);
            }
        }
        Ok(())
    }

    /// Space that was set aside, or that a crash of the machine left empty: nothing may come behind it, and no entry
    /// may have begun before it.
    fn empty(&mut self, rest: &[u8], at: usize) -> Result<(), Wrong> {
        if self.within {
            return Err(Wrong { at, reason: "is empty, in the middle of an entry".to_owned(), resume: at });
        }
        let from = self.offset.saturating_add(at as u64);
        self.empty_from.get_or_insert(from);
        match rest.iter().position(|byte| *byte != 0) {
            Some(place) => {
                let resume = at.saturating_add(place).saturating_sub(HEADER_LEN);
                Err(Wrong { at, reason: "is empty, with others behind it".to_owned(), resume })
            }
            None => Ok(()),
        }
    }
}

struct Header {
    crc: u32,
    len: usize,
    kind: u8,
}

impl Header {
    fn read(header: &[u8; HEADER_LEN]) -> Self {
        let [crc @ .., low, high, kind] = *header;
        Self { crc: u32::from_le_bytes(crc), len: usize::from(u16::from_le_bytes([low, high])), kind }
    }

    fn is_of_ours(&self) -> bool {
        matches!(self.kind, WHOLE | FIRST | MIDDLE | LAST) || ABOUT_FILE.contains(&self.kind)
    }

    fn matches(&self, payload: &[u8]) -> bool {
        masked(crc32c::crc32c_append(crc32c::crc32c(&[self.kind]), payload)) == self.crc
    }
}

/// Whether a record may have ended before this part of a block.
fn is_border(part: &[u8]) -> bool {
    part.iter().all(|byte| *byte == 0) || starts_record(part).is_some()
}

/// The record at the start of a part of a block, if one that is right in itself is there.
fn starts_record(part: &[u8]) -> Option<Header> {
    let (header, after) = part.split_first_chunk::<HEADER_LEN>()?;
    let record = Header::read(header);
    let payload = after.get(..record.len)?;
    (record.is_of_ours() && record.matches(payload)).then_some(record)
}

/// Where a record ends that is at the start of a block and does not match its checksum, if its length leads to a border.
fn torn_at_start(block: &[u8]) -> Option<usize> {
    let (header, after) = block.split_first_chunk::<HEADER_LEN>()?;
    let record = Header::read(header);
    let (payload, next) = after.split_at_checked(record.len)?;
    let is_torn = matches!(record.kind, MIDDLE | LAST) && !record.matches(payload) && is_border(next);
    is_torn.then(|| block.len().saturating_sub(next.len()))
}

/// A checksum as RocksDB stores it, so that one of data with checksums in it is not weakened.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    const BLOCK: usize = BLOCK_LEN as usize;

    fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
        let crc = masked(crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload));
        let mut record = crc.to_le_bytes().to_vec();
        record.extend(u16::try_from(payload.len()).unwrap().to_le_bytes());
        record.push(kind);
        record.extend(payload);
        record
    }

    /// What is found in a journal of these blocks, where this entry is one of the log, or perhaps.
    fn scanned(blocks: &[Vec<u8>], entry: &[u8], is: Likeness) -> JournalDamage {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), blocks.concat()).unwrap();
        let mut judge = |found: &[u8]| if found == entry { is } else { Likeness::Nothing };
        scan(file.path(), &mut judge).unwrap().expect("there is damage")
    }

    /// An entry of several blocks, which a client has filled with entries that are none.
    fn disguised() -> Vec<Vec<u8>> {
        let data = record(WHOLE, b"as in a journal").repeat(BLOCK);
        let full = |kind| record(kind, &data[..BLOCK - HEADER_LEN]);
        vec![full(FIRST), full(MIDDLE), full(MIDDLE), record(LAST, &data[..5000])]
    }

    #[test]
    fn what_a_client_has_put_into_a_torn_entry_is_not_taken_for_another_one() {
        let next = b"the next one";
        // One sector that was never written: within a record, or the one that it begins in.
        for (block, at) in [(1, 600), (2, 20_000), (3, 2000), (1, 0), (2, 0), (3, 0)] {
            let mut blocks = disguised();
            blocks[block][at..at + 512].fill(0);
            for is in [Likeness::Perhaps, Likeness::Later] {
                let damage = scanned(&blocks, next, is);
                assert_eq!((damage.sound, damage.at), (0, (BLOCK * block) as u64));
                assert!(!damage.followed, "{block} {at} {is:?}");
                let mut more = blocks.clone();
                more[3].extend(record(WHOLE, next));
                assert!(scanned(&more, next, is).followed, "another one was written behind it");
                more[3].extend([7; 20]);
                assert_eq!(scanned(&more, next, is).followed, is == Likeness::Later, "more is damaged");
            }
        }
    }

    #[test]
    fn what_may_be_an_entry_is_data_where_other_data_follows() {
        let entry = b"what may be an entry";
        let first_within = [record(FIRST, &[7; 100]), vec![0; 600]].concat();
        for (rest, followed) in [
            (vec![0; 600], true),
            (record(WHOLE, b"one that proves nothing"), true),
            (record(MIDDLE, &[7; 100]), false),
            (record(LAST, &[7; 100]), false),
            (first_within, false),
            (vec![7; 7], false),
        ] {
            let mut blocks = disguised();
            blocks.truncate(2);
            blocks[1][..512].fill(0);
            blocks.push([record(WHOLE, entry), rest.clone()].concat());
            assert_eq!(scanned(&blocks, entry, Likeness::Perhaps).followed, followed, "{rest:?}");
        }
    }

    #[test]
    fn an_entry_of_many_blocks_behind_a_torn_one_is_another_one() {
        let next = vec![9; 2 * BLOCK];
        let mut blocks = disguised();
        blocks[1][..512].fill(0);
        let room = BLOCK - blocks[3].len() - HEADER_LEN;
        blocks[3].extend(record(FIRST, &next[..room]));
        blocks.push(record(MIDDLE, &next[room..room + BLOCK - HEADER_LEN]));
        blocks.push(record(LAST, &next[room + BLOCK - HEADER_LEN..]));
        blocks[5].extend([7; 20]);
        assert!(scanned(&blocks, &next, Likeness::Later).followed);
        blocks[4][0] ^= 1;
        assert!(!scanned(&blocks, &next, Likeness::Later).followed, "it is not there as a whole");
    }
}
