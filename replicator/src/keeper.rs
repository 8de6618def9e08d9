//! What a node knows of itself as one of several: the file `replication.json` in its data folder, beside the store and
//! not in it, so that a copy of the store is another node's.
//!
//! It is replaced as a whole and is on disk before anything that depends on it is done. One that cannot be read is
//! refused, and never made anew: a node that forgot what it promised would break it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use log::{NodeId, StoreId, Term};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use thiserror::Error;
use uuid::Uuid;

use crate::promise::{Keeper, Kept, LogFloor, Promise};
use crate::standing_role::StandingRole;

/// The name of the file in the data folder.
pub const MEMBER_FILE: &str = "replication.json";
const VERSION: u64 = 1;
/// More than such a file has.
const BYTES_MAX: u64 = 64 * 1024;

/// Why a node does not know what it is.
#[derive(Debug, Error)]
pub enum KeeperError {
    /// The file cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// It is not what a node writes.
    #[error(
        "{} does not say what this node is: {reason}; it is not made anew, since it holds what the node promised: put back \
         what was there, or set the data folder aside and begin with an empty one", .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It is of another version.
    #[error("{} is of version {found}; expected {VERSION}, which this version of the program writes", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// It is that of a node with another store.
    #[error(
        "{} is that of a node with the store {found}, and the store here is {expected}; the folders of two nodes were \
         mixed up", .path.display()
    )]
    OtherStore {
        /// The file.
        path: PathBuf,
        /// The store that it names.
        found: StoreId,
        /// The store that is there.
        expected: StoreId,
    },
}

/// The file of a node; clones share it.
#[derive(Clone, Debug)]
pub struct MemberFile(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// What is on disk. Nobody who reads it waits for a disk.
    holds: Mutex<Holds>,
    /// One writes at a time.
    writing: Mutex<()>,
}

/// As it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Holds {
    version: u64,
    node: Uuid,
    role: StandingRole,
    /// None until the node has a store.
    store: Option<Uuid>,
    promise: HeldPromise,
    floor: HeldFloor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeldPromise {
    term: u64,
    to: Uuid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeldFloor {
    term: u64,
    events: u64,
}

impl Holds {
    /// Those of a new node.
    fn new(role: StandingRole, store: Option<Uuid>) -> Self {
        let promise = HeldPromise { term: 0, to: NodeId::UNKNOWN.0 };
        let floor = HeldFloor { term: 0, events: 0 };
        Self { version: VERSION, node: NodeId::random().0, role, store, promise, floor }
    }
}

impl MemberFile {
    /// The file in a data folder; none where the node never was one of several.
    ///
    /// # Errors
    /// When it cannot be read or is damaged.
    pub fn read(data: &Path) -> Result<Option<Self>, KeeperError> {
        let path = data.join(MEMBER_FILE);
        let mut text = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut text));
        match read {
            Ok(_) => {}
            // Whoever uses the data folder says what is wrong with that.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(KeeperError::Read { path, error }),
        }
        let holds = parse(&path, &text)?;
        Ok(Some(Self::holding(path, holds)))
    }

    /// The file in a data folder, which is there already. Where there is none it is made, with a new node of this role.
    ///
    /// # Errors
    /// When it is damaged, or cannot be made.
    pub fn keep(data: &Path, role: StandingRole) -> Result<Self, KeeperError> {
        if let Some(found) = Self::read(data)? {
            return Ok(found);
        }
        let file = Self::holding(data.join(MEMBER_FILE), Holds::new(role, None));
        write(&file.0.path, &file.holds()).map_err(|error| file.unwritten(error))?;
        Ok(file)
    }

    fn holding(path: PathBuf, holds: Holds) -> Self {
        Self(Arc::new(Shared { path, holds: Mutex::new(holds), writing: Mutex::default() }))
    }

    /// Which node this is.
    pub fn node(&self) -> NodeId {
        NodeId(self.holds().node)
    }

    /// What its store is for.
    pub fn role(&self) -> StandingRole {
        self.holds().role
    }

    /// Which store it keeps; none as long as it has none.
    pub fn store(&self) -> Option<StoreId> {
        self.holds().store.map(StoreId)
    }

    /// It is that of another node from now on, which has promised and confirmed nothing; on disk when this returns.
    ///
    /// # Errors
    /// When it cannot be known that it is on disk.
    pub fn renew(&mut self) -> Result<(), KeeperError> {
        self.change(|holds| Holds::new(StandingRole::Standby, holds.store))
    }

    /// Its store is for something else from now on; on disk when this returns.
    ///
    /// # Errors
    /// When it cannot be known that it is on disk.
    pub fn become_role(&mut self, role: StandingRole) -> Result<(), KeeperError> {
        self.change(|holds| Holds { role, ..holds })
    }

    /// Holds it against the store that is there, which it is that of from now on if it had none.
    ///
    /// # Errors
    /// When it is that of another store, or cannot be written.
    pub fn bind(&mut self, store: StoreId) -> Result<(), KeeperError> {
        match self.store() {
            Some(found) if found != store => {
                Err(KeeperError::OtherStore { path: self.0.path.clone(), found, expected: store })
            }
            _ => self.change(|holds| Holds { store: Some(store.0), ..holds }),
        }
    }

    /// Its log does not count below this either, whatever else is kept meanwhile; on disk when this returns.
    ///
    /// # Errors
    /// When it cannot be known that it is on disk.
    pub fn raise_floor(&self, floor: LogFloor) -> io::Result<()> {
        self.replace(|holds| Holds { floor: holds.floor.raised(floor), ..holds })
    }

    /// That it could not be written.
    pub fn unwritten(&self, error: io::Error) -> KeeperError {
        KeeperError::Write { path: self.0.path.clone(), error }
    }

    fn change(&self, to: impl FnOnce(Holds) -> Holds) -> Result<(), KeeperError> {
        self.replace(to).map_err(|error| self.unwritten(error))
    }

    fn replace(&self, to: impl FnOnce(Holds) -> Holds) -> io::Result<()> {
        let _turn = lock(&self.0.writing);
        let before = self.holds();
        let to = to(before.clone());
        if to != before {
            write(&self.0.path, &to)?;
            *lock(&self.0.holds) = to;
        }
        Ok(())
    }

    fn holds(&self) -> Holds {
        lock(&self.0.holds).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What it holds is replaced as a whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HeldFloor {
    fn raised(self, to: LogFloor) -> Self {
        let LogFloor { term, events } = to.max(LogFloor { term: Term(self.term), events: self.events });
        Self { term: term.0, events }
    }
}

impl Keeper for MemberFile {
    fn kept(&self) -> Kept {
        let Holds { promise: HeldPromise { term, to }, floor, .. } = self.holds();
        let promise = Promise { term: Term(term), to: NodeId(to) };
        Kept { promise, floor: LogFloor { term: Term(floor.term), events: floor.events } }
    }

    fn keep(&mut self, kept: Kept) -> io::Result<()> {
        let Kept { promise: Promise { term, to }, floor } = kept;
        let promise = HeldPromise { term: term.0, to: to.0 };
        // It may have been raised meanwhile.
        self.replace(|holds| Holds { promise, floor: holds.floor.raised(floor), ..holds })
    }
}

/// What only tells the version is read first: another one may have other fields.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

fn parse(path: &Path, text: &[u8]) -> Result<Holds, KeeperError> {
    let damaged =
        |error: serde_json::Error| KeeperError::Damaged { path: path.to_owned(), reason: error.to_string() };
    let Versioned { version } = serde_json::from_slice(text).map_err(damaged)?;
    if version != VERSION {
        return Err(KeeperError::Version { path: path.to_owned(), found: version });
    }
    serde_json::from_slice(text).map_err(damaged)
}

/// The file is there whole as it was or whole as it is to be, and is on disk when this returns.
fn write(path: &Path, holds: &Holds) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut file = NamedTempFile::new_in(folder)?;
    serde_json::to_writer_pretty(&mut file, holds)?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
