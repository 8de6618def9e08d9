//! A node whose place was taken becomes a standby: its log, and what was made of that, is set aside under another name,
//! and comes anew from the node that leads. Nothing is deleted. Whatever of it a kill leaves, the same again does the rest.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use log::{
    FolderError, FolderLock, NodeId, ReadError, Rocks, RocksError, StoreId, StoreView, Term, replace_file,
};
use replicator::{Keeper, KeeperError, LogFloor, MemberFile, Promise, StandingRole};
use thiserror::Error;
use tokio::task::{JoinError, spawn_blocking};

use crate::data_folder::{DataFolderError, REJOINING, check_data_folder};
use crate::error::NodeError;
use crate::options::{DataPaths, OtherNode};
use crate::standby::{Leader, StreamEnd};
use crate::uploads;

/// The file in which earlier versions kept what was uploaded.
const OLD_UPLOADS: &str = "uploads.json";
const FRESH: &str = "rejoining.new";

/// Why a node does not become a standby.
#[derive(Debug, Error)]
pub enum RejoinError {
    /// There is none.
    #[error("there is no log in {}; `quipu standby` makes a standby of an empty folder", .0.display())]
    NoLog(PathBuf),
    /// It runs.
    #[error("a node is using the log in {}; stop it first", .0.display())]
    InUse(PathBuf),
    /// The other node cannot be asked.
    #[error("{url}: {reason}; nothing was changed")]
    Other {
        /// Its admin listener.
        url: String,
        /// What it says.
        reason: String,
    },
    /// It has nothing to do with this log.
    #[error("{url} has the store {found}, and the log here is that of the store {own}; nothing was changed")]
    OtherStore {
        /// Its admin listener.
        url: String,
        /// Its store.
        found: StoreId,
        /// The store here.
        own: StoreId,
    },
    /// It has not taken the place of this node.
    #[error(
        "{url} is in term {found}, and the node here in term {own}: it has not taken the place of this one; nothing was \
         changed. If it is the one that goes on, `quipu promote` there begins a higher term"
    )]
    NotLater {
        /// Its admin listener.
        url: String,
        /// Its term.
        found: Term,
        /// The own one.
        own: Term,
    },
    /// A folder cannot be set aside.
    #[error("cannot set {} aside as {}", .from.display(), .to.display())]
    Rename {
        /// What it is called.
        from: PathBuf,
        /// What it was to be called.
        to: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// What the node is cannot be told or kept.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// The data folder is not that of a node.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// The folder of the log cannot be looked at.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] RocksError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Nobody can be asked at all.
    #[error(transparent)]
    Client(#[from] NodeError),
    /// It ended with a panic.
    #[error("setting the log aside ended early; run it again")]
    Task(#[from] JoinError),
}

/// What became of the folder of a node.
#[derive(Debug)]
pub struct Rejoined {
    /// Of which store it keeps a copy from now on.
    pub store: StoreId,
    /// Whom it follows, and in which term that is.
    pub leader: NodeId,
    /// The term of that.
    pub term: Term,
    /// How many events were set aside; none when an earlier attempt had set them aside.
    pub events: Option<u64>,
    /// What was set aside now, under the new names.
    pub aside: Vec<PathBuf>,
}

/// The node that leads, as it says.
struct OtherStanding {
    url: String,
    node: NodeId,
    store: StoreId,
    term: Term,
    /// Whose that term is.
    owner: NodeId,
}

/// What is there before anything is changed.
struct Found {
    /// None where the node never was one of several.
    file: Option<MemberFile>,
    /// None where an earlier attempt has set it aside.
    log: Option<FoundLog>,
    /// Nobody opens the log while this is held.
    _lock: Option<FolderLock>,
}

#[derive(Clone, Copy)]
struct FoundLog {
    store: StoreId,
    term: Term,
    events: u64,
}

/// Makes the node in these folders, which is stopped, a standby of another one that has taken its place.
///
/// # Errors
/// When the other node has not, or cannot be asked: then nothing is changed. Or when a folder cannot be set aside: then
/// it can be tried again.
pub async fn rejoin(paths: &DataPaths, other: &OtherNode) -> Result<Rejoined, RejoinError> {
    let looked_at = paths.clone();
    let found = spawn_blocking(move || Found::look(&looked_at)).await??;
    let other = OtherStanding::ask(other).await?;
    let paths = paths.clone();
    spawn_blocking(move || found.set_aside(&paths, &other, &mut |_| {})).await?
}

impl OtherStanding {
    async fn ask(other: &OtherNode) -> Result<Self, RejoinError> {
        let url = || other.url.to_string();
        let asking = Leader::new(other, NodeId::random())?;
        let failed = |reason: StreamEnd| RejoinError::Other { url: url(), reason: reason.to_string() };
        let hello = asking.greet().await.map_err(failed)?;
        let place = asking.place(0).await.map_err(failed)?;
        let owner = place.map_or(NodeId::UNKNOWN, |place| place.owner);
        Ok(Self { url: url(), node: hello.node, store: hello.store, term: hello.term, owner })
    }
}

impl Found {
    /// Looks at what is there, and keeps others from opening it.
    fn look(paths: &DataPaths) -> Result<Self, RejoinError> {
        let file = MemberFile::read(&paths.folder)?;
        let is_begun = paths.folder.join(REJOINING).exists();
        if !paths.log.join("CURRENT").is_file() {
            if file.is_none() || !is_begun {
                return Err(RejoinError::NoLog(paths.log.clone()));
            }
            return Ok(Self { file, log: None, _lock: None });
        }
        check_data_folder(paths)?;
        let lock = FolderLock::take(&paths.log).map_err(|refused| {
            if refused.error.kind() == io::ErrorKind::WouldBlock {
                RejoinError::InUse(paths.log.clone())
            } else {
                refused.into()
            }
        })?;
        let view = StoreView::new(Rocks::open_read_only(&paths.log)?)?;
        let log::Identity { store, term } = view.identity();
        let log = Some(FoundLog { store, term, events: view.events() });
        Ok(Self { file, log, _lock: Some(lock) })
    }

    /// Refuses what is not to be done, then does it, step by step; `before` is told of each one that comes.
    fn set_aside(
        self,
        paths: &DataPaths,
        other: &OtherStanding,
        before: &mut dyn FnMut(&str),
    ) -> Result<Rejoined, RejoinError> {
        let log = self.log;
        let own = log.map(|log| log.store).or(self.file.as_ref().and_then(MemberFile::store));
        let own = own.unwrap_or(other.store);
        if own != other.store {
            return Err(RejoinError::OtherStore { url: other.url.clone(), found: other.store, own });
        }
        self.check_term(other)?;
        let mut rejoined =
            Rejoined { store: own, leader: other.node, term: other.term, events: None, aside: Vec::new() };
        rejoined.events = log.map(|log| log.events);
        // From here on the node does not lead, whatever of the rest comes about.
        let mut file = match self.file {
            Some(file) => file,
            None => MemberFile::keep(&paths.folder, StandingRole::Fenced)?,
        };
        file.bind(own)?;
        let follows = matches!(file.role(), StandingRole::Standby | StandingRole::Observer);
        before("fencing");
        if !follows {
            file.become_role(StandingRole::Fenced)?;
        }
        before("keeping what it promised");
        keep(&mut file, log, other)?;
        before("saying that no log is to be expected");
        let mark = paths.folder.join(REJOINING);
        replace_file(&mark, FRESH, b"").map_err(|error| RejoinError::Write { path: mark, error })?;
        let name = aside_name(log.map_or(Term(0), |log| log.term), SystemTime::now());
        let folder = &paths.folder;
        // The log at last: as long as it is there, it tells what was to be done.
        for path in [&paths.index, &folder.join(uploads::FOLDER), &folder.join(OLD_UPLOADS), &paths.log] {
            before(&path.to_string_lossy());
            rejoined.aside.extend(put_aside(path, &name)?);
        }
        before("following");
        if !follows {
            file.become_role(StandingRole::Standby)?;
        }
        Ok(rejoined)
    }

    /// Refuses a node that has not taken the place of this one.
    fn check_term(&self, other: &OtherStanding) -> Result<(), RejoinError> {
        let kept = self.file.as_ref().map(Keeper::kept);
        let own = kept.map_or(Term(0), |kept| kept.floor.term);
        let own = self.log.map_or(own, |log| log.term);
        // What it promised to itself is its own term, begun or not.
        let own_promise = kept
            .map(|kept| kept.promise)
            .filter(|promise| self.file.as_ref().is_some_and(|file| promise.to == file.node()));
        let follows = self
            .file
            .as_ref()
            .is_some_and(|file| matches!(file.role(), StandingRole::Standby | StandingRole::Observer));
        let led = own_promise.map_or(own, |promise| own.max(promise.term));
        // Who followed may have what the leader of its own term has lost; who led has to be followed by a later one.
        let is_later = other.term > led || (other.term == led && follows && own_promise.is_none());
        if is_later || (self.log.is_none() && other.term >= led) {
            return Ok(());
        }
        Err(RejoinError::NotLater { url: other.url.clone(), found: other.term, own: led })
    }
}

/// Remembers how far the log was that is set aside, and promises the term to whose it is, if the node had promised one to
/// itself: it leads no more.
fn keep(file: &mut MemberFile, log: Option<FoundLog>, other: &OtherStanding) -> Result<(), RejoinError> {
    let mut kept = file.kept();
    if kept.promise.to == file.node() {
        kept.promise = Promise { term: other.term, to: other.owner };
    }
    if let Some(FoundLog { term, events, .. }) = log {
        kept = kept.set_aside(LogFloor { term, events });
    }
    Keeper::keep(file, kept).map_err(|error| file.unwritten(error))?;
    Ok(())
}

/// What is set aside at a time is called so behind its own name.
fn aside_name(term: Term, now: SystemTime) -> String {
    let at = humantime::format_rfc3339_seconds(now).to_string();
    format!("aside-{}-term-{term}", at.replace(['-', ':'], ""))
}

/// Gives a file or folder another name beside its own; which one, if it was there. A link stays, and leads to what is
/// empty then.
fn put_aside(path: &Path, name: &str) -> Result<Option<PathBuf>, RejoinError> {
    let is_link = path.is_symlink();
    let unwritten = |error| RejoinError::Write { path: path.to_owned(), error };
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if is_link {
                // As a kill leaves it.
                let to = path.with_file_name(fs::read_link(path).map_err(unwritten)?);
                fs::create_dir(to).map_err(unwritten)?;
            }
            return Ok(None);
        }
        Err(error) => return Err(unwritten(error)),
    };
    let mut aside = real.with_added_extension(name);
    for number in 2_u64.. {
        if aside.symlink_metadata().is_err() {
            break;
        }
        aside = real.with_added_extension(format!("{name}-{number}"));
    }
    let failed = |error| RejoinError::Rename { from: path.to_owned(), to: aside.clone(), error };
    fs::rename(&real, &aside).map_err(failed)?;
    if is_link {
        fs::create_dir(&real).map_err(failed)?;
    }
    let above = real.parent().unwrap_or(Path::new("/"));
    File::open(above).and_then(|above| above.sync_all()).map_err(failed)?;
    Ok(Some(aside))
}

#[cfg(test)]
mod tests;
