//! The key layout of the uploads' store:
//!
//! ```text
//! 'c'                   -> cursor            everything up to it is confirmed or a dead letter
//! 'r'                   -> cursor            how far a whole replay has come that was ended early
//! 'd' seq(8) part(1)    -> dead letter
//! 'k' seq(8)            -> fingerprint       a checkpoint: this event is behind the cursor
//! 'o' seq(8) part(1)    -> id(32) last(1)    confirmed though the cursor is not there yet
//! ```
//!
//! All numbers are big-endian.

use log::Seq;

use super::piece::UploadPart;

pub(super) const CURSOR: &[u8] = b"c";
pub(super) const REPLAY: &[u8] = b"r";

/// The tables whose keys begin with a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UploadTable {
    DeadLetters = b'd' as isize,
    Checkpoints = b'k' as isize,
    Confirmed = b'o' as isize,
}

impl UploadTable {
    pub(super) const ALL: [Self; 3] = [Self::DeadLetters, Self::Checkpoints, Self::Confirmed];

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

/// Whether a key has the form of one of these.
pub(super) fn is_ours(key: &[u8]) -> bool {
    let Some((letter, rest)) = key.split_first() else { return false };
    let table = UploadTable::ALL.into_iter().find(|table| table.letter() == *letter);
    match table {
        None => key == CURSOR || key == REPLAY,
        Some(UploadTable::Checkpoints) => rest.len() == 8,
        Some(UploadTable::DeadLetters | UploadTable::Confirmed) => rest.len() == 9,
    }
}

/// The sequence number in a key of a table.
pub(super) fn seq(key: &[u8]) -> Option<Seq> {
    let number = key.get(1..9)?.first_chunk()?;
    Some(Seq::new(u64::from_be_bytes(*number)))
}
