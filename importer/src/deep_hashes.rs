//! Content hashes that the existing scheduler has stored. Most can be made from the messages that it has, here in one form
//! and there, over the years, in four. What is left is of messages that are elsewhere, of which it has assignments alone: it
//! is carried over with these, whichever is whose, for a content is refused wherever it was before.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use ans104::{Item, Tag, base64url, deep_hash_blob, deep_hash_of_hashes, encode_tags};
use log::{DeepHash, ReadError};
use protocol::{AssignmentTags, ProcessId};
use rocksdb::DBRawIterator;
use thiserror::Error;

use crate::blob::{Blob, BlobForm};
use crate::flaw::{FlawKind, SourceFlaw};
use crate::source::{SourceRow, StoredRow};
use crate::stores::{ForeignStore, ForeignStoreError};
use crate::target::KnownRows;

/// Of more in one process nothing is carried over, which the report says: all of them are held at a time.
pub(crate) const HASHES_MAX: usize = 1 << 21;
const HASH_TEXT: usize = 64;

/// The store of a scheduler that keeps bytes beside its database (`USE_DISK`), of which only the content hashes are read.
pub struct ByteStore {
    store: ForeignStore,
    path: PathBuf,
}

/// Why content hashes cannot be read.
#[derive(Debug, Error)]
#[error("the content hashes in {} cannot be read", .path.display())]
pub struct ByteStoreError {
    path: PathBuf,
    #[source]
    error: rocksdb::Error,
}

impl ByteStore {
    /// Opens it as it is now, to read it alone.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(variable: &'static str, path: &Path) -> Result<Self, ForeignStoreError> {
        Ok(Self { store: ForeignStore::open(variable, path)?, path: path.to_owned() })
    }

    pub(crate) fn hashes(&self, process: ProcessId) -> Result<FoundHashes, ByteStoreError> {
        let prefix = format!("deephash___{process}___");
        let found = hashes_of(self.store.db().raw_iterator(), prefix.as_bytes());
        found.map_err(|error| ByteStoreError { path: self.path.clone(), error })
    }
}

/// The content hashes that are stored of a process.
#[derive(Debug, Default)]
pub(crate) struct FoundHashes {
    /// In order; at most one more than are carried over.
    hashes: Vec<DeepHash>,
    /// How many keys end in what is no hash.
    unread: u64,
}

/// The hashes in the keys with this prefix.
pub(crate) fn hashes_of(mut walk: DBRawIterator<'_>, prefix: &[u8]) -> Result<FoundHashes, rocksdb::Error> {
    let mut found = FoundHashes::default();
    walk.seek(prefix);
    while let Some(hash) = walk.key().and_then(|key| key.strip_prefix(prefix)) {
        let text = std::str::from_utf8(hash).ok().filter(|text| text.len() == HASH_TEXT);
        let decoded = text.and_then(|text| base64url::decode(text).ok());
        match decoded.and_then(|bytes| DeepHash::try_from(bytes).ok()) {
            Some(hash) if found.hashes.len() <= HASHES_MAX => found.hashes.push(hash),
            Some(_) => {}
            None => found.unread = found.unread.saturating_add(1),
        }
        walk.next();
    }
    walk.status()?;
    found.hashes.sort_unstable();
    found.hashes.dedup();
    Ok(found)
}

/// The stored hashes of a process, while its messages are looked through.
pub(crate) struct StoredHashes {
    process: ProcessId,
    hashes: Vec<DeepHash>,
    is_made: Vec<bool>,
    unread: u64,
}

/// Those that nothing else in the log will have.
#[derive(Debug, Default)]
pub(crate) struct LeftHashes {
    hashes: VecDeque<DeepHash>,
    is_too_many: bool,
    /// How many keys were no hashes.
    unread: u64,
}

impl StoredHashes {
    /// What is to be looked for; or what is left where nothing is.
    pub(crate) fn new(process: ProcessId, found: FoundHashes) -> Result<Self, LeftHashes> {
        let FoundHashes { hashes, unread } = found;
        let is_too_many = hashes.len() > HASHES_MAX;
        if hashes.is_empty() || is_too_many {
            return Err(LeftHashes { is_too_many, unread, ..LeftHashes::default() });
        }
        let is_made = vec![false; hashes.len()];
        Ok(Self { process, hashes, is_made, unread })
    }

    /// Takes out what can be made of stored bytes, or is in the log with them.
    pub(crate) fn look(&mut self, blob: &[u8], known: &dyn KnownRows) -> Result<(), ReadError> {
        let Ok(blob) = Blob::parse(blob) else { return Ok(()) };
        match blob.item {
            Some(item) => forms(&item).iter().for_each(|hash| self.note(hash)),
            None => {
                let nonce = AssignmentTags::of(&blob.assignment).nonce();
                let known = nonce.map(|nonce| known.content(self.process, nonce)).transpose()?;
                if let Some(hash) = known.flatten() {
                    self.note(&hash);
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, hash: &DeepHash) {
        if let Some(made) = self.hashes.binary_search(hash).ok().and_then(|at| self.is_made.get_mut(at)) {
            *made = true;
        }
    }

    /// What is left, once all were looked through.
    pub(crate) fn left(self) -> LeftHashes {
        let left = self.hashes.into_iter().zip(self.is_made).filter(|(_, made)| !made);
        let hashes = left.map(|(hash, _)| hash).collect();
        LeftHashes { hashes, is_too_many: false, unread: self.unread }
    }
}

impl LeftHashes {
    /// Gives one to a row that is an assignment alone.
    pub(crate) fn give(&mut self, row: &mut StoredRow) {
        if self.hashes.is_empty() {
            return;
        }
        let form = Blob::parse(&row.blob).map(|blob| blob.form);
        if form.is_ok_and(|form| form == BlobForm::AssignmentOnly) {
            row.deep_hash = self.hashes.pop_front();
        }
    }

    /// What is to be told of those that nothing was there for, once all rows of the process came.
    pub(crate) fn lost(&self, process: ProcessId) -> Option<SourceRow> {
        let flaw = match (self.is_too_many, self.hashes.len(), self.unread) {
            (true, ..) => SourceFlaw::new(FlawKind::ContentTooMany, format!("more than {HASHES_MAX}")),
            (false, 0, 0) => return None,
            (false, left, 0) => SourceFlaw::new(FlawKind::ContentLost, format!("{left} of them")),
            (false, left, unread) => {
                let what = format!("{left} of them, and {unread} under keys that end in no hash");
                SourceFlaw::new(FlawKind::ContentLost, what)
            }
        };
        Some(SourceRow::Remark { place: format!("process {process}"), flaw })
    }
}

/// The hashes of a message in all forms that there were: of all tags, of `Pushed-For` alone, of the others in their order,
/// and of these in the order of names and values.
fn forms(item: &Item<'_>) -> [DeepHash; 4] {
    let data = deep_hash_blob(item.data());
    let target = item.target().map_or(&[][..], |target| target);
    let anchor = item.anchor().map_or(&[][..], |anchor| anchor);
    let all: Vec<Tag<'_>> = item.tags().filter_map(Result::ok).collect();
    type Parts<'a> = (Vec<Tag<'a>>, Vec<Tag<'a>>);
    let (pushed_for, others): Parts<'_> = all.iter().partition(|tag| tag.name == "Pushed-For");
    let mut sorted = others.clone();
    sorted.sort_by_key(|tag| (tag.name, tag.value));
    [all, pushed_for, others, sorted].map(|tags| {
        let tags = encode_tags(&tags);
        let fields: [&[u8]; 7] = [b"dataitem", b"1", b"1", b"", target, anchor, &tags];
        let [format, version, kind, owner, target, anchor, tags] = fields.map(deep_hash_blob);
        deep_hash_of_hashes(&[format, version, kind, owner, target, anchor, tags, data])
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use ans104::Ed25519Wallet;
    use testing::{ExistingRow, SampleProcess};

    use super::*;
    use crate::target::NoLog;

    fn blob(append: &log::Append) -> Vec<u8> {
        ExistingRow::of(append, &Ed25519Wallet::from_seed([2; 32])).blob
    }

    #[test]
    fn what_cannot_be_made_goes_to_assignments_alone() {
        let mut sample = SampleProcess::new(1);
        let tags = [("From-Process", "p"), ("Pushed-For", "x"), ("A", "1")];
        let pushed = sample.user.message(sample.process, &tags, b"d");
        let appends = [sample.spawn(), sample.scheduled(&pushed), sample.assigned(), sample.assigned()];
        let mut stored = forms(&Item::split(&pushed).unwrap()).to_vec();
        assert!(stored.contains(&scheduler::pushed_content(&Item::split(&pushed).unwrap()).unwrap()));
        stored.extend([[7; 48], [9; 48]]);
        stored.sort_unstable();
        let found = |hashes, unread| FoundHashes { hashes, unread };
        let mut seen = StoredHashes::new(sample.process, found(stored, 0)).ok().unwrap();
        for append in &appends {
            seen.look(&blob(append), &NoLog).unwrap();
        }
        let mut left = seen.left();
        let told = |left: &LeftHashes| match left.lost(sample.process) {
            Some(SourceRow::Remark { flaw, .. }) => Some((flaw.kind, flaw.what)),
            _ => None,
        };
        assert_eq!(told(&left), Some((FlawKind::ContentLost, "2 of them".to_owned())));
        let given = appends.each_ref().map(|append| {
            let mut row = StoredRow { blob: blob(append), ..StoredRow::default() };
            left.give(&mut row);
            row.deep_hash
        });
        assert_eq!(given, [None, None, Some([7; 48]), Some([9; 48])]);
        assert_eq!(told(&left), None);
        let left_of = |hashes, unread| {
            let found = found(hashes, unread);
            StoredHashes::new(sample.process, found).err().expect("nothing is looked for")
        };
        assert_eq!(told(&left_of(Vec::new(), 0)), None);
        let unread = "0 of them, and 3 under keys that end in no hash".to_owned();
        assert_eq!(told(&left_of(Vec::new(), 3)), Some((FlawKind::ContentLost, unread)));
        let too_many = Some((FlawKind::ContentTooMany, "more than 2097152".to_owned()));
        assert_eq!(told(&left_of(vec![[0; 48]; HASHES_MAX + 1], 0)), too_many);
    }
}
