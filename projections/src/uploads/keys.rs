//! The key layout of the uploads' store:
//!
//! ```text
//! 'c'                   -> cursor            everything up to it is confirmed or a dead letter
//! 'r'                   -> cursor            how far a whole replay has come that was ended early
//! 'd' seq(8) part(1)    -> dead letter
//! 'k' seq(8)            -> fingerprint       a checkpoint: this event is behind the cursor
//! 'o' seq(8) part(1)    -> id(32) last(1)    confirmed though the event is not settled as a whole, or is beyond the cursor
//! 'p' process(32) seq(8)                     the same as below, by process
//! 's' seq(8)            -> process(32) time(8)    stuck: not settled, though the cursor may be past it
//! ```
//!
//! All numbers are big-endian.

use ans104::Id;
use log::Seq;
use protocol::ProcessId;

use super::piece::UploadPart;

pub(super) const CURSOR: &[u8] = b"c";
pub(super) const REPLAY: &[u8] = b"r";

/// The tables whose keys begin with a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UploadTable {
    DeadLetters = b'd' as isize,
    Checkpoints = b'k' as isize,
    Confirmed = b'o' as isize,
    Stuck = b's' as isize,
}

impl UploadTable {
    pub(super) const ALL: [Self; 4] = [Self::DeadLetters, Self::Checkpoints, Self::Confirmed, Self::Stuck];

    /// The letter that all keys of the table begin with.
    pub(super) fn letter(self) -> u8 {
        self as u8
    }

    /// The first key of the table that can belong to this event.
    pub(super) fn at(self, seq: Seq) -> [u8; 9] {
        let mut key = [self.letter(); 9];
        if let Some(number) = key.last_chunk_mut::<8>() {
            *number = seq.get().to_be_bytes();
        }
        key
    }

    /// The key after all of the table.
    pub(super) fn end(self) -> [u8; 1] {
        [self.letter() + 1]
    }
}

/// The key of one part of an event.
pub(super) fn part(table: UploadTable, seq: Seq, part: UploadPart) -> [u8; 10] {
    let mut key = [part as u8; 10];
    if let Some(place) = key.first_chunk_mut::<9>() {
        *place = table.at(seq);
    }
    key
}

/// The letter of the stuck events by process, and the first key after them.
const BY_PROCESS: u8 = b'p';
pub(super) const AFTER_BY_PROCESS: &[u8] = b"q";

/// The key of a stuck event by its process.
pub(super) fn by_process(process: ProcessId, seq: Seq) -> [u8; 41] {
    let mut key = [BY_PROCESS; 41];
    if let Some(part) = key.get_mut(1..33) {
        part.copy_from_slice(process.as_bytes());
    }
    if let Some(part) = key.last_chunk_mut::<8>() {
        *part = seq.get().to_be_bytes();
    }
    key
}

/// What a key of [`by_process`] says.
pub(super) fn stuck_of(key: &[u8]) -> Option<(ProcessId, Seq)> {
    let (letter, rest) = key.split_first()?;
    let (process, seq) = rest.split_first_chunk::<32>()?;
    let seq = Seq::new(u64::from_be_bytes(seq.try_into().ok()?));
    (*letter == BY_PROCESS).then(|| (Id::from_bytes(*process).into(), seq))
}

/// Whether a key has the form of one of these.
pub(super) fn is_ours(key: &[u8]) -> bool {
    let Some((letter, rest)) = key.split_first() else { return false };
    let table = UploadTable::ALL.into_iter().find(|table| table.letter() == *letter);
    match table {
        None => key == CURSOR || key == REPLAY || stuck_of(key).is_some(),
        Some(UploadTable::Checkpoints | UploadTable::Stuck) => rest.len() == 8,
        Some(UploadTable::DeadLetters | UploadTable::Confirmed) => rest.len() == 9,
    }
}

/// The sequence number in a key of a table.
pub(super) fn seq(key: &[u8]) -> Option<Seq> {
    let number = key.get(1..9)?.first_chunk()?;
    Some(Seq::new(u64::from_be_bytes(*number)))
}
