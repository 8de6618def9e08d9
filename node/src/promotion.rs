//! Taking over from a leader that is gone: a copy of its log becomes the log that is scheduled to.

use std::path::PathBuf;

use log::{
    AppendError, Fact, LocalLog, Log, NodeId, OpenError, Promotion, ReadError, Rocks, RocksError, StoreId,
    StoreMemory, Term,
};
use protocol::{AssignmentTags, Timestamp};
use replicator::{Keeper, KeeperError, Kept, MemberFile, Promise, StandingRole};
use thiserror::Error;

use crate::leadership::has_members;
use crate::options::DataPaths;

/// Why a node does not take over.
#[derive(Debug, Error)]
pub enum PromotionError {
    /// There is no log.
    #[error("there is no log in {}; expected SU_DATA_DIR (or SU_FILE_DB_DIR) to be that of a standby", .0.display())]
    NoLog(PathBuf),
    /// It follows nobody.
    #[error("{} is the data folder of a node that schedules already: `quipu su` starts it", .0.display())]
    Leads(PathBuf),
    /// Another one took its place.
    #[error(
        "another node has taken the place of the one in {}: to take over from that in turn, follow it first",
        .0.display()
    )]
    Fenced(PathBuf),
    /// It runs.
    #[error("a node is using the log in {}; stop it first", .0.display())]
    InUse(PathBuf),
    /// Somebody was ready to lose events of another store.
    #[error(
        "--accept-loss names the store {named}, and this is a copy of the store {found}; nothing was changed"
    )]
    OtherStore {
        /// The one that was named.
        named: StoreId,
        /// The one that is there.
        found: StoreId,
    },
    /// Others keep the log too.
    #[error(
        "the log is kept by several nodes, so that taking over needs the promises of others, which this version of the \
         program cannot ask for; nothing was changed"
    )]
    Members,
    /// There is no higher term.
    #[error("the log is in the highest term that there is, {0}; nothing was changed")]
    LastTerm(Term),
    /// What the node is cannot be told or kept.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// What it promises cannot be kept.
    #[error("cannot keep that the new term is this node's")]
    Keep(#[source] std::io::Error),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(RocksError),
    /// What is in the store is no log that can be used.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log does not take the promotion.
    #[error("the log does not take the promotion")]
    Append(#[from] AppendError),
}

/// A stopped standby that may take over.
pub struct StandbyCopy {
    file: MemberFile,
    log: LocalLog<Rocks>,
}

/// How far a copy is.
#[derive(Clone, Copy, Debug)]
pub struct CopyStanding {
    /// Of which store it is.
    pub store: StoreId,
    /// Which node keeps it.
    pub node: NodeId,
    /// The term of its last event.
    pub term: Term,
    /// How many events it has.
    pub events: u64,
    /// When the newest assignment in it was made.
    pub newest: Option<Timestamp>,
}

impl StandbyCopy {
    /// Opens what a stopped standby keeps. Nothing is changed.
    ///
    /// # Errors
    /// When there is none, it runs, or its log needs others to be taken over.
    pub fn open(paths: &DataPaths, memory: &StoreMemory) -> Result<Self, PromotionError> {
        let folder = || paths.folder.clone();
        if !paths.log.join("CURRENT").is_file() {
            return Err(PromotionError::NoLog(paths.log.clone()));
        }
        let file = MemberFile::read(&paths.folder)?;
        let mut file = file.ok_or_else(|| PromotionError::Leads(folder()))?;
        match file.role() {
            StandingRole::Standby | StandingRole::Observer => {}
            StandingRole::Leader => return Err(PromotionError::Leads(folder())),
            StandingRole::Fenced => return Err(PromotionError::Fenced(folder())),
        }
        let engine = Rocks::open(&paths.log, memory).map_err(|error| match error {
            RocksError::Locked(_) => PromotionError::InUse(paths.log.clone()),
            error => PromotionError::Store(error),
        })?;
        let log = LocalLog::open(engine, None)?;
        file.bind(log.identity().store)?;
        if LocalLog::is_held(&log) || has_members(&log)? {
            return Err(PromotionError::Members);
        }
        Ok(Self { file, log })
    }

    /// How far it is.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn standing(&self) -> Result<CopyStanding, PromotionError> {
        let log::Identity { store, term } = self.log.identity();
        let newest = log::newest(&self.log, |event| AssignmentTags::of(&event.assignment()?).timestamp())?;
        let events = self.log.tail().last().map_or(0, |last| last.next().get());
        Ok(CopyStanding { store, node: self.file.node(), term, events, newest })
    }

    /// Makes it the log that is scheduled to, in a term of its own, though nobody confirms that it has all that was
    /// acknowledged: whoever says so names the store, and is remembered in the log. The term that begins.
    ///
    /// # Errors
    /// When another store was named, or it cannot be known that all of it is on disk. It can be tried again.
    pub fn take_over(mut self, accepts_loss_of: StoreId, forced_by: &str) -> Result<Term, PromotionError> {
        let found = self.log.identity().store;
        if accepts_loss_of != found {
            return Err(PromotionError::OtherStore { named: accepts_loss_of, found });
        }
        let kept = self.file.kept();
        let highest = self.log.identity().term.max(kept.promise.term);
        let term = Term(highest.0.checked_add(1).ok_or(PromotionError::LastTerm(highest))?);
        let owner = self.file.node();
        // Nothing of lower terms is followed from here on, whether or not the rest comes about.
        let promise = Promise { term, to: owner };
        Keeper::keep(&mut self.file, Kept { promise, ..kept }).map_err(PromotionError::Keep)?;
        let forced_by = Some(forced_by.to_owned());
        let promotion = Promotion { term, owner, promises: vec![owner], forced_by };
        self.log.enqueue(term, vec![Fact::Promotion(promotion).append()])?.wait()?;
        self.file.become_role(StandingRole::Leader)?;
        self.log.seal();
        Ok(term)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use tempfile::TempDir;
    use testing::SampleProcess;

    use super::*;

    /// A standby with two events of a leader.
    fn standby() -> (TempDir, DataPaths, StoreId) {
        let folder = TempDir::new().unwrap();
        let paths = DataPaths::in_folder(folder.path().to_owned());
        let log = open_log(&paths);
        let mut process = SampleProcess::new(1);
        let batch = vec![process.spawn(), process.message()];
        log.enqueue(Term(1), batch).unwrap().wait().unwrap();
        let store = log.identity().store;
        MemberFile::keep(folder.path(), StandingRole::Standby).unwrap().bind(store).unwrap();
        (folder, paths, store)
    }

    fn open_log(paths: &DataPaths) -> LocalLog<Rocks> {
        LocalLog::open(Rocks::open(&paths.log, &StoreMemory::default()).unwrap(), None).unwrap()
    }

    fn open(paths: &DataPaths) -> Result<StandbyCopy, PromotionError> {
        StandbyCopy::open(paths, &StoreMemory::default())
    }

    #[test]
    fn who_takes_over_leads_in_a_term_of_its_own() {
        let (_folder, paths, store) = standby();
        let copy = open(&paths).unwrap();
        let standing = copy.standing().unwrap();
        assert_eq!((standing.store, standing.term, standing.events), (store, Term(1), 2));
        assert!(standing.newest.is_some());
        assert_eq!(copy.take_over(store, "somebody").unwrap(), Term(2));
        let file = MemberFile::read(&paths.folder).unwrap().unwrap();
        assert_eq!(
            (file.role(), file.promise()),
            (StandingRole::Leader, Promise { term: Term(2), to: file.node() })
        );
        let log = open_log(&paths);
        let starts: Vec<_> = log.terms().unwrap().iter().map(|start| (start.term, start.owner)).collect();
        assert_eq!(starts, [(Term(1), NodeId::UNKNOWN), (Term(2), file.node())]);
        drop(log);
        assert!(matches!(open(&paths).err(), Some(PromotionError::Leads(_))));
    }

    #[test]
    fn what_was_promised_is_left_behind() {
        let (_folder, paths, store) = standby();
        let mut file = MemberFile::read(&paths.folder).unwrap().unwrap();
        let promise = Promise { term: Term(7), to: NodeId::random() };
        let kept = Kept { promise, ..file.kept() };
        Keeper::keep(&mut file, kept).unwrap();
        assert_eq!(open(&paths).unwrap().take_over(store, "somebody").unwrap(), Term(8));
    }

    #[test]
    fn nothing_is_changed_where_it_must_not_be() {
        let (_folder, paths, store) = standby();
        let other = StoreId(NodeId::random().0);
        let refused = open(&paths).unwrap().take_over(other, "somebody").unwrap_err();
        assert!(matches!(refused, PromotionError::OtherStore { .. }), "{refused}");
        let runs = open_log(&paths);
        assert!(matches!(open(&paths).err(), Some(PromotionError::InUse(_))));
        runs.hold(true).unwrap().wait().unwrap();
        drop(runs);
        assert!(matches!(open(&paths).err(), Some(PromotionError::Members)));
        let log = open_log(&paths);
        log.hold(false).unwrap().wait().unwrap();
        assert_eq!(log.identity().term, Term(1));
        drop(log);
        let mut file = MemberFile::read(&paths.folder).unwrap().unwrap();
        assert_eq!(file.role(), StandingRole::Standby);
        let kept = Kept { promise: Promise { term: Term(u64::MAX), to: file.node() }, ..file.kept() };
        Keeper::keep(&mut file, kept).unwrap();
        let refused = open(&paths).unwrap().take_over(store, "somebody").unwrap_err();
        assert!(matches!(refused, PromotionError::LastTerm(_)), "{refused}");
        file.become_role(StandingRole::Fenced).unwrap();
        assert!(matches!(open(&paths).err(), Some(PromotionError::Fenced(_))));
        let empty = TempDir::new().unwrap();
        let paths = DataPaths::in_folder(empty.path().to_owned());
        assert!(matches!(open(&paths).err(), Some(PromotionError::NoLog(_))));
        assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "something was made");
    }
}
