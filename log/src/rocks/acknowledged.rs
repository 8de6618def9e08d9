//! A second memory of how far the log went: the file `acknowledged`.
//!
//! A write-ahead log that is cut short, or whose last record has a damaged length, looks like one whose last write
//! was interrupted, and RocksDB rightly drops such a write. Whether it had been acknowledged it cannot know. So the
//! number of the newest synced event is noted outside of it, after each sync and without one of its own: after a
//! crash of the machine the note may be older than the log, never newer. When the log ends before it, events are
//! lost.
//!
//! ```text
//! sequence number (8) ‖ CRC-32C of it (4)      big-endian
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::warn;

use crate::fresh::fresh_file;
use crate::ids::Seq;

use super::error::{RocksError, io_error};

const NAME: &str = "acknowledged";
const LEN: usize = 12;

/// The note, and what it said when the store was opened.
pub(super) struct Acknowledged {
    file: Option<File>,
    at_opening: Option<Seq>,
    failing: AtomicBool,
}

impl Acknowledged {
    pub(super) fn open(store: &Path) -> Result<Self, RocksError> {
        let path = store.join(NAME);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| io_error(&path, error))?;
        let at_opening = read(&file).map_err(|error| io_error(&path, error))?;
        Ok(Self { file: Some(file), at_opening, failing: AtomicBool::new(false) })
    }

    /// What the note says, if there is one; it is not written to.
    pub(super) fn read(store: &Path) -> Result<Self, RocksError> {
        let path = store.join(NAME);
        let at_opening = match File::open(&path) {
            Ok(file) => read(&file).map_err(|error| io_error(&path, error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io_error(&path, error)),
        };
        Ok(Self { file: None, at_opening, failing: AtomicBool::new(false) })
    }

    /// Notes the last event of a store that nobody has open; it is on disk when this returns.
    pub(super) fn note(store: &Path, last: Seq) -> Result<(), RocksError> {
        let path = store.join(NAME);
        let write = || {
            let mut file = fresh_file(&path)?;
            file.write_all(&encode(last))?;
            file.sync_all()
        };
        write().map_err(|error| io_error(&path, error))
    }

    pub(super) fn at_opening(&self) -> Option<Seq> {
        self.at_opening
    }

    /// Notes a synced event. The log is complete without the note: that it cannot be written is said once.
    pub(super) fn set(&self, seq: Seq) {
        let Some(file) = &self.file else {
            return;
        };
        if let Err(error) = file.write_all_at(&encode(seq), 0)
            && !self.failing.swap(true, Ordering::Relaxed)
        {
            warn!(%error, "cannot note how far the log went, a loss at its end might go unnoticed");
        }
    }
}

fn encode(seq: Seq) -> [u8; LEN] {
    let number = seq.get().to_be_bytes();
    let crc = crc32c::crc32c(&number).to_be_bytes();
    let mut bytes = [0; LEN];
    for (slot, byte) in bytes.iter_mut().zip(number.into_iter().chain(crc)) {
        *slot = byte;
    }
    bytes
}

/// A note that is not whole says nothing.
fn read(mut file: &File) -> io::Result<Option<Seq>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let number = bytes.first_chunk::<8>().map(|number| Seq::new(u64::from_be_bytes(*number)));
    Ok(number.filter(|seq| encode(*seq).as_slice() == bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::fs;

    use super::*;

    #[test]
    fn is_there_at_the_next_opening() {
        let store = tempfile::tempdir().unwrap();
        let first = Acknowledged::open(store.path()).unwrap();
        assert_eq!(first.at_opening(), None);
        first.set(Seq::new(1 << 40));
        first.set(Seq::new(7));
        assert_eq!(Acknowledged::open(store.path()).unwrap().at_opening(), Some(Seq::new(7)));
        assert_eq!(Acknowledged::read(store.path()).unwrap().at_opening(), Some(Seq::new(7)));
    }

    #[test]
    fn a_damaged_note_says_nothing() {
        let store = tempfile::tempdir().unwrap();
        Acknowledged::open(store.path()).unwrap().set(Seq::new(7));
        let path = store.path().join(NAME);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).unwrap();
            assert_eq!(Acknowledged::read(store.path()).unwrap().at_opening(), None, "byte {at}");
        }
        fs::write(&path, &good[..11]).unwrap();
        assert_eq!(Acknowledged::read(store.path()).unwrap().at_opening(), None);
    }
}
