//! What a node knows of itself as one of several: the file `replication.json` in its data folder, beside the store and
//! not in it, so that a copy of the store is another node's.
//!
//! It is replaced as a whole and is on disk before anything that depends on it is done. One that cannot be read is
//! refused, and never made anew: a node that forgot what it promised would break it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use log::{NodeId, StoreId, Term};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use thiserror::Error;
use uuid::Uuid;

use crate::promise::{Keeper, Kept, LogFloor, Promise};

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

/// What the store of a node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StandingRole {
    /// It schedules.
    Leader,
    /// It follows a leader, and may take its place.
    Standby,
    /// It follows a leader for reading alone.
    Observer,
    /// It led, and another node leads by now.
    Fenced,
}

impl fmt::Display for StandingRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leader => "leader",
            Self::Standby => "standby",
            Self::Observer => "observer",
            Self::Fenced => "fenced",
        })
    }
}

/// The file of a node.
#[derive(Debug)]
pub struct MemberFile {
    path: PathBuf,
    holds: Holds,
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
        Ok(Some(Self { path, holds }))
    }

    /// The file in a data folder, which is there already. Where there is none it is made, with a new node of this role.
    ///
    /// # Errors
    /// When it is damaged, or cannot be made.
    pub fn keep(data: &Path, role: StandingRole) -> Result<Self, KeeperError> {
        if let Some(found) = Self::read(data)? {
            return Ok(found);
        }
        let file = Self { path: data.join(MEMBER_FILE), holds: Holds::new(role, None) };
        file.write(&file.holds)?;
        Ok(file)
    }

    /// Which node this is.
    pub fn node(&self) -> NodeId {
        NodeId(self.holds.node)
    }

    /// What its store is for.
    pub fn role(&self) -> StandingRole {
        self.holds.role
    }

    /// Which store it keeps; none as long as it has none.
    pub fn store(&self) -> Option<StoreId> {
        self.holds.store.map(StoreId)
    }

    /// It is that of another node from now on, which has promised and confirmed nothing; on disk when this returns.
    ///
    /// # Errors
    /// When it cannot be known that it is on disk.
    pub fn renew(&mut self) -> Result<(), KeeperError> {
        self.change(Holds::new(StandingRole::Standby, self.holds.store))
    }

    /// Its store is for something else from now on; on disk when this returns.
    ///
    /// # Errors
    /// When it cannot be known that it is on disk.
    pub fn become_role(&mut self, role: StandingRole) -> Result<(), KeeperError> {
        self.change(Holds { role, ..self.holds.clone() })
    }

    /// Holds it against the store that is there, which it is that of from now on if it had none.
    ///
    /// # Errors
    /// When it is that of another store, or cannot be written.
    pub fn bind(&mut self, store: StoreId) -> Result<(), KeeperError> {
        match self.store() {
            Some(found) if found != store => {
                Err(KeeperError::OtherStore { path: self.path.clone(), found, expected: store })
            }
            _ => self.change(Holds { store: Some(store.0), ..self.holds.clone() }),
        }
    }

    /// That it could not be written.
    pub fn unwritten(&self, error: io::Error) -> KeeperError {
        KeeperError::Write { path: self.path.clone(), error }
    }

    fn change(&mut self, to: Holds) -> Result<(), KeeperError> {
        if self.holds != to {
            self.write(&to)?;
            self.holds = to;
        }
        Ok(())
    }

    fn write(&self, holds: &Holds) -> Result<(), KeeperError> {
        write(&self.path, holds).map_err(|error| self.unwritten(error))
    }
}

impl Keeper for MemberFile {
    fn kept(&self) -> Kept {
        let (HeldPromise { term, to }, HeldFloor { term: floor, events }) =
            (self.holds.promise, self.holds.floor);
        let promise = Promise { term: Term(term), to: NodeId(to) };
        Kept { promise, floor: LogFloor { term: Term(floor), events } }
    }

    fn keep(&mut self, kept: Kept) -> io::Result<()> {
        let Kept { promise: Promise { term, to }, floor } = kept;
        let promise = HeldPromise { term: term.0, to: to.0 };
        let floor = HeldFloor { term: floor.term.0, events: floor.events };
        let to = Holds { promise, floor, ..self.holds.clone() };
        if self.holds != to {
            write(&self.path, &to)?;
            self.holds = to;
        }
        Ok(())
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
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    fn store(number: u128) -> StoreId {
        StoreId(Uuid::from_u128(number))
    }

    #[test]
    fn what_is_kept_is_there_again() {
        let folder = TempDir::new().unwrap();
        assert!(MemberFile::read(folder.path()).unwrap().is_none());
        let mut file = MemberFile::keep(folder.path(), StandingRole::Standby).unwrap();
        let node = file.node();
        file.bind(store(7)).unwrap();
        let kept = Kept {
            promise: Promise { term: Term(5), to: NodeId::random() },
            floor: LogFloor { term: Term(4), events: 90 },
        };
        Keeper::keep(&mut file, kept).unwrap();
        file.become_role(StandingRole::Fenced).unwrap();
        // The role that was asked for is that of a new one alone.
        let again = MemberFile::keep(folder.path(), StandingRole::Leader).unwrap();
        assert_eq!((again.node(), again.role(), again.store()), (node, StandingRole::Fenced, Some(store(7))));
        assert_eq!(again.kept(), kept);
        let mode = fs::metadata(folder.path().join(MEMBER_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something is left beside it");
    }

    #[test]
    fn another_store_is_refused() {
        let folder = TempDir::new().unwrap();
        let mut file = MemberFile::keep(folder.path(), StandingRole::Standby).unwrap();
        file.bind(store(7)).unwrap();
        file.bind(store(7)).unwrap();
        let refusal = file.bind(store(8)).unwrap_err().to_string();
        assert!(refusal.contains(&store(7).to_string()) && refusal.contains(&store(8).to_string()));
        assert_eq!(MemberFile::read(folder.path()).unwrap().unwrap().store(), Some(store(7)));
    }

    #[test]
    fn what_is_damaged_is_refused_and_left_as_it_is() {
        let folder = TempDir::new().unwrap();
        MemberFile::keep(folder.path(), StandingRole::Standby).unwrap();
        let path = folder.path().join(MEMBER_FILE);
        let whole = fs::read_to_string(&path).unwrap();
        for (text, told) in [
            (String::new(), "EOF"),
            (whole[..whole.len() / 2].to_owned(), "EOF"),
            (whole.replace("standby", "king"), "king"),
            (whole.replace("floor", "flaw"), "flaw"),
            (whole.replace("\"version\": 1", "\"version\": 2"), "version 2"),
            ("{\"version\": 9, \"more\": true}".to_owned(), "version 9"),
        ] {
            fs::write(&path, &text).unwrap();
            for refused in [
                MemberFile::read(folder.path()).map(|_| ()),
                MemberFile::keep(folder.path(), StandingRole::Leader).map(|_| ()),
            ] {
                let refusal = refused.unwrap_err().to_string();
                assert!(refusal.contains(told), "{text:?}: {refusal}");
                assert!(refusal.contains(path.to_str().unwrap()), "{refusal}");
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), text, "it was written to");
        }
    }

    #[test]
    fn what_cannot_be_written_is_not_believed() {
        let folder = TempDir::new().unwrap();
        let mut file = MemberFile::keep(folder.path(), StandingRole::Standby).unwrap();
        let before = file.kept();
        drop(folder);
        file.become_role(StandingRole::Leader).unwrap_err();
        Keeper::keep(&mut file, Kept { floor: LogFloor { term: Term(9), events: 1 }, ..before }).unwrap_err();
        assert_eq!((file.role(), file.kept()), (StandingRole::Standby, before));
    }
}
