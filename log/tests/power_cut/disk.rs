//! A disk that is told what to write, and what may be on it after the power went.
//!
//! What was synced is there. Of what was written since, any sectors may be there, in any order, and the file as long as
//! it would be with all of it or only as long as what arrived. Names that were made, changed or deleted since their folder
//! was synced are there up to some point.

use std::collections::{BTreeMap, HashMap};

use crate::recording::Step;
use crate::samples::Noise;

const SECTOR: usize = 512;
/// What a write-ahead log consists of.
const BLOCK: usize = 32 << 10;

/// The files of a folder.
pub type Files = BTreeMap<String, Vec<u8>>;

/// How a power cut goes.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// Only the program dies: everything is there.
    Program,
    /// Nothing is there but what was synced.
    Unsynced,
    /// Names are there, and what was written to the files is not.
    NamesOnly,
    /// The last write to each file ends somewhere.
    Short,
    /// The last write to each file has its beginning, and then zeros.
    HeadOnly,
    /// Any sectors are there, this many of 8, in files of their full length or not.
    Sectors { of_8: u64, full: bool },
    /// All is there but the sectors in which blocks begin, this many of 8.
    BlocksBegin { of_8: u64 },
}

/// Every kind of cut.
pub const CUTS: [Cut; 13] = [
    Cut::Program,
    Cut::Unsynced,
    Cut::NamesOnly,
    Cut::Short,
    Cut::HeadOnly,
    Cut::Sectors { of_8: 1, full: true },
    Cut::Sectors { of_8: 4, full: true },
    Cut::Sectors { of_8: 7, full: true },
    Cut::Sectors { of_8: 1, full: false },
    Cut::Sectors { of_8: 4, full: false },
    Cut::Sectors { of_8: 7, full: false },
    Cut::BlocksBegin { of_8: 0 },
    Cut::BlocksBegin { of_8: 4 },
];

#[derive(Default)]
pub struct Disk {
    files: Vec<File>,
    by_inode: HashMap<u64, usize>,
    /// What the program sees, and what is certain to be there.
    names: Names,
    synced_names: Names,
    /// What was done to names since, in order.
    pending_names: Vec<NameChange>,
    pub acknowledged: u64,
}

#[derive(Clone, Default)]
struct Names {
    files: BTreeMap<String, usize>,
    folders: Vec<String>,
}

#[derive(Clone)]
enum NameChange {
    Set { name: String, file: usize },
    Rename { from: String, to: String },
    Remove { name: String },
    MakeFolder { name: String },
}

#[derive(Default)]
struct File {
    synced: Vec<u8>,
    pending: Vec<Change>,
}

enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { len: usize },
}

impl Disk {
    pub fn step(&mut self, step: &Step) {
        match step {
            Step::Create { inode, name } => {
                let file = self.files.len();
                self.files.push(File::default());
                self.by_inode.insert(*inode, file);
                self.change(NameChange::Set { name: name.clone(), file });
            }
            Step::Write { inode, offset, bytes } => {
                self.file(*inode).pending.push(Change::Write { offset: *offset, bytes: bytes.clone() });
            }
            Step::Truncate { inode, len } => self.file(*inode).pending.push(Change::Truncate { len: *len }),
            Step::Sync { inode } => self.file(*inode).sync(),
            Step::SyncFolder { name } => {
                let (synced, rest) =
                    self.pending_names.drain(..).partition(|change: &NameChange| change.folder() == name);
                self.pending_names = rest;
                let synced: Vec<NameChange> = synced;
                synced.into_iter().for_each(|change| self.synced_names.apply(change));
            }
            Step::Rename { from, to } => {
                self.change(NameChange::Rename { from: from.clone(), to: to.clone() });
            }
            Step::Link { from, to } => {
                let file = self.names.files[from];
                self.change(NameChange::Set { name: to.clone(), file });
            }
            Step::Unlink { name } => self.change(NameChange::Remove { name: name.clone() }),
            Step::MakeFolder { name } => self.change(NameChange::MakeFolder { name: name.clone() }),
            Step::Acknowledged(count) => self.acknowledged = *count,
        }
    }

    /// What is in a folder when the power goes now.
    pub fn after(&self, cut: Cut, folder: &str, noise: &mut Noise) -> Files {
        let mut names = self.synced_names.clone();
        let kept = match cut {
            Cut::Program | Cut::NamesOnly => self.pending_names.len(),
            Cut::Unsynced => 0,
            _ => noise.number() as usize % (self.pending_names.len() + 1),
        };
        self.pending_names.iter().take(kept).for_each(|change| names.apply(change.clone()));
        if !names.folders.iter().any(|name| name == folder) {
            return Files::new();
        }
        let inside = names.files.iter().filter_map(|(name, file)| {
            let name = name.strip_prefix(folder)?.strip_prefix('/')?;
            Some((name.to_owned(), self.files[*file].after(cut, noise)))
        });
        inside.collect()
    }

    fn file(&mut self, inode: u64) -> &mut File {
        &mut self.files[self.by_inode[&inode]]
    }

    fn change(&mut self, change: NameChange) {
        self.names.apply(change.clone());
        self.pending_names.push(change);
    }
}

impl NameChange {
    /// Where it happens.
    fn folder(&self) -> &str {
        let (Self::Set { name, .. }
        | Self::Rename { to: name, .. }
        | Self::Remove { name }
        | Self::MakeFolder { name }) = self;
        name.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

impl Names {
    fn apply(&mut self, change: NameChange) {
        match change {
            NameChange::Set { name, file } => {
                self.files.insert(name, file);
            }
            NameChange::Rename { from, to } => {
                if let Some(file) = self.files.remove(&from) {
                    self.files.insert(to, file);
                }
            }
            NameChange::Remove { name } => {
                self.files.remove(&name);
            }
            NameChange::MakeFolder { name } => self.folders.push(name),
        }
    }
}

impl File {
    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.synced);
        }
    }

    fn after(&self, cut: Cut, noise: &mut Noise) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        let last = self.pending.len().saturating_sub(1);
        for (number, change) in self.pending.iter().enumerate() {
            match (cut, change) {
                (Cut::Unsynced | Cut::NamesOnly, _) => {}
                (Cut::Program, change) => change.apply(&mut bytes),
                (Cut::Short | Cut::HeadOnly, change) if number < last => change.apply(&mut bytes),
                (Cut::Sectors { .. }, Change::Truncate { .. }) if noise.number().is_multiple_of(2) => {}
                (_, Change::Truncate { .. }) => change.apply(&mut bytes),
                (Cut::Short, Change::Write { offset, bytes: written }) => {
                    put(&mut bytes, *offset, &written[..noise.number() as usize % written.len()]);
                }
                (Cut::HeadOnly, Change::Write { offset, bytes: written }) => {
                    let arrived = noise.number() as usize % written.len().min(2 * SECTOR);
                    lengthen(&mut bytes, offset + written.len());
                    put(&mut bytes, *offset, &written[..arrived]);
                }
                (Cut::BlocksBegin { of_8 }, Change::Write { offset, bytes: written }) => {
                    lengthen(&mut bytes, offset + written.len());
                    for (start, sector) in sectors(*offset, written) {
                        if start % BLOCK >= SECTOR || noise.number() % 8 < of_8 {
                            put(&mut bytes, start, sector);
                        }
                    }
                }
                (Cut::Sectors { of_8, full }, Change::Write { offset, bytes: written }) => {
                    if full {
                        lengthen(&mut bytes, offset + written.len());
                    }
                    for (start, sector) in sectors(*offset, written) {
                        if noise.number() % 8 < of_8 {
                            put(&mut bytes, start, sector);
                        }
                    }
                }
            }
        }
        bytes
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes: written } => put(bytes, *offset, written),
            Self::Truncate { len } => bytes.resize(*len, 0),
        }
    }
}

/// The parts of a write that go to disk as a whole.
fn sectors(offset: usize, written: &[u8]) -> Vec<(usize, &[u8])> {
    let mut parts = Vec::new();
    let (mut at, mut rest) = (offset, written);
    while !rest.is_empty() {
        let (part, after) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
        parts.push((at, part));
        (at, rest) = (at + part.len(), after);
    }
    parts
}

fn put(bytes: &mut Vec<u8>, offset: usize, written: &[u8]) {
    if written.is_empty() {
        return;
    }
    lengthen(bytes, offset + written.len());
    bytes[offset..offset + written.len()].copy_from_slice(written);
}

fn lengthen(bytes: &mut Vec<u8>, len: usize) {
    if bytes.len() < len {
        bytes.resize(len, 0);
    }
}
