//! Whether an entry of the write-ahead log is one that this log wrote after all that is well in it, or what a client has sent
//! that looks like one.
//!
//! Clients send what they like, but no assignment that was still to be signed when they sent it.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;
use std::slice;

use protocol::{Nonce, ProcessId};

use crate::error::ReadError;
use crate::event::EventRef;
use crate::ids::Seq;
use crate::keys::EventKey;
use crate::reader::{LogReader, OwnerMemos};
use crate::record::Record;
use crate::rocks::{Likeness, Rocks};
use crate::verify::{Wallets, first_wrong_signature};

use super::RepairError;

/// An entry begins with its number and how many changes there are.
const HEAD_LEN: usize = 12;
/// The kind of change that all of ours are: a key and a value for a table with a name.
const PUT: u8 = 5;

/// What is known of a log up to where it is well.
pub(super) struct SoundLog {
    reader: LogReader<Rocks>,
    last: Option<Seq>,
    /// Whether that one came from elsewhere, as others may then that follow.
    imports: bool,
    wallets: Wallets,
}

impl SoundLog {
    pub(super) fn open(store: &Path) -> Result<Self, RepairError> {
        Self::read(LogReader::new(Rocks::open_read_only(store)?.into())).map_err(RepairError::NotWhole)
    }

    fn read(reader: LogReader<Rocks>) -> Result<Self, ReadError> {
        let (last, mut imports, mut wallets) = (reader.last()?, false, Wallets::default());
        reader.scan(last.unwrap_or(Seq::ZERO), last, &mut |event| {
            imports = event.imported;
            ControlFlow::Continue(())
        })?;
        if let Some(head) = reader.head(ProcessId::NODE)? {
            reader.range(ProcessId::NODE, head, false, Nonce::ZERO..=Nonce::MAX, &mut |event| {
                wallets.note(&event);
                ControlFlow::Continue(())
            })?;
        }
        Ok(Self { reader, last, imports, wallets })
    }

    /// What something is that looks like an entry.
    pub(super) fn likeness(&self, entry: &[u8]) -> Likeness {
        let (mut rest, mut likeness) = (entry.get(HEAD_LEN..).unwrap_or_default(), Likeness::Nothing);
        while let Some((key, value)) = next_put(&mut rest).filter(|_| likeness < Likeness::Later) {
            likeness = likeness.max(self.likeness_of_put(key, value));
        }
        likeness
    }

    fn likeness_of_put(&self, key: &[u8], value: &[u8]) -> Likeness {
        let is_later = EventKey::parse(key).is_some()
            && Record::open(key, value).is_ok_and(|record| Some(record.seq) > self.last);
        if !is_later {
            return Likeness::Nothing;
        }
        let mut memos = OwnerMemos::new();
        match self.reader.decode(key, value, &mut memos) {
            Ok(event) if self.is_signed(&event) => Likeness::Later,
            // A fact, the spawn of a process, or a message with a key that is not known yet.
            _ => Likeness::Perhaps,
        }
    }

    fn is_signed(&self, event: &EventRef<'_>) -> bool {
        if event.imported {
            return self.imports;
        }
        event.assignment().is_some()
            && self.wallets.difference(event).is_none()
            && first_wrong_signature(slice::from_ref(event), NonZeroUsize::MIN).is_none()
    }
}

/// The next change of an entry, if there is one and it is one of ours.
fn next_put<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    *rest = rest.strip_prefix(&[PUT])?;
    let _table = varint(rest)?;
    Some((part(rest)?, part(rest)?))
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(varint(rest)?).ok()?;
    let (part, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(part)
}

/// A number of up to 32 bits, seven of them in each byte, the lowest first.
fn varint(rest: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for shift in (0..32).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u32::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn changes_are_read_as_rocksdb_writes_them() {
        let long = vec![7; 300];
        let mut batch = rocksdb::WriteBatch::default();
        batch.put(b"key", b"value");
        let data = batch.data();
        assert_eq!(next_put(&mut &data[HEAD_LEN..]), None, "it is for the table without a name");
        let mut entry = vec![PUT, 2, 3];
        entry.extend(b"key");
        // 300 is 0b10_0101100.
        entry.extend([0b1010_1100, 0b10]);
        entry.extend(&long);
        let mut rest = &entry[..];
        assert_eq!(next_put(&mut rest), Some((&b"key"[..], &long[..])));
        assert_eq!(next_put(&mut rest), None);
        for len in 0..entry.len() {
            assert_eq!(next_put(&mut &entry[..len]), None, "cut at {len}");
        }
        assert_eq!(next_put(&mut &[PUT, 0x80, 0x80, 0x80, 0x80, 0x80, 0][..]), None, "too long a number");
    }
}
