//! Taking over from a leader that is gone: a copy of its log becomes the log that is scheduled to.

use std::path::PathBuf;

use backup::{BackupError, Mirror};
use log::{
    AppendError, Fact, Fault, LocalLog, Log, NodeId, OpenError, Promotion, ReadError, Rocks, RocksError,
    StoreId, StoreMemory, Term,
};
use protocol::{AssignmentTags, Timestamp};
use replicator::{Keeper, KeeperError, Kept, MemberFile, Promise, StandingRole};
use thiserror::Error;

use crate::gated::{GateMark, gate_of};
use crate::options::DataPaths;
use crate::standby;

/// Why a node does not take over.
#[derive(Debug, Error)]
pub enum PromotionError {
    /// There is no log.
    #[error("there is no log in {}; expected SU_DATA_DIR (or SU_FILE_DB_DIR) to be that of a standby", .0.display())]
    NoLog(PathBuf),
    /// It follows nobody.
    #[error("{} is the data folder of a node that schedules already: `quipu su` starts it", .0.display())]
    Leads(PathBuf),
    /// A gate says who leads.
    #[error(
        "the log in {} is remembered by a gate ({kind}), which says who leads: `quipu su` with the same GATE and GATE_URL, on \
         this folder or an empty one, takes over and loses nothing; nothing was changed", .log.display()
    )]
    Gated {
        /// The folder of the log.
        log: PathBuf,
        /// What kind of engine it is.
        kind: String,
    },
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
    /// It began with a checkpoint, in which something is wrong.
    #[error(
        "the log began with a checkpoint of its leader, and is not what it should be: {0}; nothing was changed"
    )]
    Wrong(Fault),
    /// It began with a checkpoint, and it cannot be kept that that was verified.
    #[error("cannot keep that the log was verified")]
    Mark(#[source] std::io::Error),
    /// There is no higher term.
    #[error("the log is in the highest term that there is, {0}; nothing was changed")]
    LastTerm(Term),
    /// The log is a copy, and that cannot be changed.
    #[error(transparent)]
    Copy(#[from] BackupError),
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

/// A copy of a log that may take over: that of a stopped standby, what `quipu sync` copied, or the log of a node whose place
/// was taken.
pub struct StandbyCopy {
    /// None where a log was copied and no node has been made of it.
    file: Option<MemberFile>,
    log: LocalLog<Rocks>,
    paths: DataPaths,
}

/// How far a copy is.
#[derive(Clone, Copy, Debug)]
pub struct CopyStanding {
    /// Of which store it is.
    pub store: StoreId,
    /// Which node keeps it; none where a log was copied and no node has been made of it.
    pub node: Option<NodeId>,
    /// Whether another node has taken the place of this one.
    pub fenced: bool,
    /// Whether it began with a checkpoint that is not verified yet, which is done before it takes over.
    pub unverified: bool,
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
        if !paths.log.join("CURRENT").is_file() {
            return Err(PromotionError::NoLog(paths.log.clone()));
        }
        let mut file = MemberFile::read(&paths.folder)?;
        let leads = file.as_ref().is_none_or(|file| file.role() == StandingRole::Leader);
        if leads && !Mirror::is_copy(&paths.log) {
            return Err(PromotionError::Leads(paths.folder.clone()));
        }
        let engine = Rocks::open(&paths.log, memory).map_err(|error| match error {
            RocksError::Locked(_) => PromotionError::InUse(paths.log.clone()),
            error => PromotionError::Store(error),
        })?;
        let log = LocalLog::open(engine, None)?;
        let gated = |mark: GateMark| PromotionError::Gated { log: paths.log.clone(), kind: mark.kind };
        gate_of(&log)?.map_or(Ok(()), |mark| Err(gated(mark)))?;
        if let Some(file) = &mut file {
            file.bind(log.identity().store)?;
        }
        Ok(Self { file, log, paths: paths.clone() })
    }

    /// How far it is.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn standing(&self) -> Result<CopyStanding, PromotionError> {
        let log::Identity { store, term } = self.log.identity();
        let newest = log::newest(&self.log, |event| AssignmentTags::of(&event.assignment()?).timestamp())?;
        let events = self.log.tail().last().map_or(0, |last| last.next().get());
        let node = self.file.as_ref().map(MemberFile::node);
        let fenced = self.file.as_ref().is_some_and(|file| file.role() == StandingRole::Fenced);
        let unverified = standby::is_unverified(&self.paths.log);
        Ok(CopyStanding { store, node, fenced, unverified, term, events, newest })
    }

    /// Makes it the log that is scheduled to, in a term of its own, though nobody confirms that it has all that was
    /// acknowledged: whoever says so names the store, and is remembered in the log. The term that begins.
    ///
    /// # Errors
    /// When another store was named, what it began with is wrong, or it cannot be known that all of it is on disk. It can be
    /// tried again.
    pub fn take_over(self, accepts_loss_of: StoreId, forced_by: &str) -> Result<Term, PromotionError> {
        let Self { file, log, paths } = self;
        let found = log.identity().store;
        if accepts_loss_of != found {
            return Err(PromotionError::OtherStore { named: accepts_loss_of, found });
        }
        if standby::is_unverified(&paths.log) {
            if let (Some(fault), _) = log.verify_synced(standby::threads(), &|| true) {
                return Err(PromotionError::Wrong(fault));
            }
            standby::mark_verified(&paths.log).map_err(PromotionError::Mark)?;
        }
        let mut file = match file {
            Some(file) => file,
            None => MemberFile::keep(&paths.folder, StandingRole::Standby)?,
        };
        file.bind(found)?;
        let kept = file.kept();
        let highest = log.identity().term.max(kept.promise.term);
        let term = if LocalLog::is_held(&log) {
            replicator::forced_after(highest)
        } else {
            highest.0.checked_add(1).map(Term)
        };
        let term = term.ok_or(PromotionError::LastTerm(highest))?;
        let owner = file.node();
        // A standby that has promised a term to itself follows nobody: if the rest does not come about, this is to be done
        // again. The log may have the term by then, or not.
        let promise = Promise { term, to: owner };
        Keeper::keep(&mut file, Kept { promise, ..kept }).map_err(PromotionError::Keep)?;
        let forced_by = Some(forced_by.to_owned());
        let promotion = Promotion { term, owner, promises: vec![owner], forced_by };
        let appended = log.enqueue(term, vec![Fact::Promotion(promotion).append()])?;
        if LocalLog::is_held(&log) {
            // The others that kept it count no more: all of it is released.
            log.hold(false)?.wait()?;
        }
        appended.wait()?;
        // In this order: what leads has a promotion, whatever of it a kill leaves.
        if Mirror::is_copy(&paths.log) {
            Mirror::release(&paths.log)?;
        }
        file.become_role(StandingRole::Leader)?;
        log.seal();
        Ok(term)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use replicator::MEMBER_FILE;
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
        assert!(standing.node.is_some() && !standing.fenced);
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
    fn what_is_left_of_several_goes_on_alone() {
        let (_folder, paths, store) = standby();
        let log = open_log(&paths);
        let members = log::Members { voters: [NodeId::random(), NodeId::random()].into(), acks: 1 };
        log.enqueue(Term(1), vec![Fact::Members(members).append()]).unwrap().wait().unwrap();
        log.hold(true).unwrap().wait().unwrap();
        let mut process = SampleProcess::new(2);
        drop(log.enqueue(Term(1), vec![process.spawn()]).unwrap());
        drop(log);
        // The term of a person is none that the others begin meanwhile.
        assert!(open(&paths).unwrap().take_over(store, "somebody").unwrap() > Term(1 << 50));
        let log = open_log(&paths);
        assert!(!log.is_held());
        assert_eq!(log.tail().last(), log.synced().last(), "all of it is released");
        assert_eq!(replicator::newest_members(&log).unwrap(), None);
    }

    #[test]
    fn a_log_that_a_gate_remembers_is_taken_over_there() {
        let (_folder, paths, _store) = standby();
        let gated = Fact::Gated("postgres".to_owned()).append();
        open_log(&paths).enqueue(Term(1), vec![gated]).unwrap().wait().unwrap();
        assert!(matches!(open(&paths).err(), Some(PromotionError::Gated { .. })));
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
    fn who_was_deposed_leads_again_in_a_higher_term_alone() {
        let (_folder, paths, store) = standby();
        let mut file = MemberFile::read(&paths.folder).unwrap().unwrap();
        file.become_role(StandingRole::Fenced).unwrap();
        let refused = crate::standby::become_standby(&paths, false).unwrap_err().to_string();
        assert!(refused.contains("quipu rejoin"), "{refused}");
        let promise = Promise { term: Term(2), to: NodeId::random() };
        let kept = file.kept();
        Keeper::keep(&mut file, Kept { promise, ..kept }).unwrap();
        let copy = open(&paths).unwrap();
        assert!(copy.standing().unwrap().fenced);
        assert_eq!(copy.take_over(store, "somebody").unwrap(), Term(3));
    }

    #[test]
    fn a_promotion_that_was_killed_is_done_again_and_nobody_is_followed() {
        let (_folder, paths, store) = standby();
        crate::standby::become_standby(&paths, false).unwrap();
        open(&paths).unwrap().take_over(store, "somebody").unwrap();
        // As a kill leaves it before the role is kept.
        let mut file = MemberFile::read(&paths.folder).unwrap().unwrap();
        file.become_role(StandingRole::Standby).unwrap();
        let refused = crate::standby::become_standby(&paths, false).unwrap_err().to_string();
        assert!(refused.contains("run it again"), "{refused}");
        crate::leadership::check_role_blocking(&paths).unwrap_err();
        assert_eq!(open(&paths).unwrap().take_over(store, "somebody").unwrap(), Term(3));
        crate::leadership::check_role_blocking(&paths).unwrap();
    }

    #[test]
    fn what_was_copied_leads_after_a_promotion_alone() {
        for role in [None, Some(StandingRole::Leader)] {
            let (_folder, paths, store) = standby();
            let member = paths.folder.join(MEMBER_FILE);
            let copied = paths.log.join("copied.json");
            std::fs::remove_file(&member).unwrap();
            assert!(matches!(open(&paths).err(), Some(PromotionError::Leads(_))), "it was not copied");
            if let Some(role) = role {
                MemberFile::keep(&paths.folder, role).unwrap();
            }
            std::fs::write(&copied, "{}").unwrap();
            let copy = open(&paths).unwrap();
            assert_eq!(
                (copy.standing().unwrap().node.is_some(), member.exists()),
                (role.is_some(), role.is_some())
            );
            drop(copy);
            let check = || crate::leadership::check_role_blocking(&paths).map_err(|error| error.to_string());
            assert!(check().unwrap_err().contains("quipu promote --accept-loss"));
            assert_eq!(open(&paths).unwrap().take_over(store, "somebody").unwrap(), Term(2));
            check().unwrap();
            assert!(!copied.exists());
            let file = MemberFile::read(&paths.folder).unwrap().unwrap();
            assert_eq!(open_log(&paths).terms().unwrap().last().unwrap().owner, file.node());
        }
    }

    #[test]
    fn what_began_with_a_checkpoint_is_verified_before_it_leads() {
        let (_folder, paths, store) = standby();
        let mark = paths.log.join("unverified");
        std::fs::write(&mark, "").unwrap();
        let copy = open(&paths).unwrap();
        assert!(copy.standing().unwrap().unverified);
        assert_eq!(copy.take_over(store, "somebody").unwrap(), Term(2));
        assert!(!mark.exists());
        // Signed by another wallet than the one in force.
        let (_folder, paths, store) = standby();
        let log = open_log(&paths);
        let wallet = Fact::Wallet(ans104::Address::from_bytes([9; 32]));
        log.enqueue(Term(1), vec![wallet.append(), SampleProcess::new(3).spawn()]).unwrap().wait().unwrap();
        drop(log);
        let mark = paths.log.join("unverified");
        std::fs::write(&mark, "").unwrap();
        let refused = open(&paths).unwrap().take_over(store, "somebody").unwrap_err();
        assert!(matches!(refused, PromotionError::Wrong(_)), "{refused}");
        assert!(
            mark.exists()
                && MemberFile::read(&paths.folder).unwrap().unwrap().role() == StandingRole::Standby
        );
        assert_eq!(open_log(&paths).identity().term, Term(1), "nothing was changed");
    }

    #[test]
    fn nothing_is_changed_where_it_must_not_be() {
        let (_folder, paths, store) = standby();
        let other = StoreId(NodeId::random().0);
        let refused = open(&paths).unwrap().take_over(other, "somebody").unwrap_err();
        assert!(matches!(refused, PromotionError::OtherStore { .. }), "{refused}");
        let runs = open_log(&paths);
        assert!(matches!(open(&paths).err(), Some(PromotionError::InUse(_))));
        drop(runs);
        let mut file = MemberFile::read(&paths.folder).unwrap().unwrap();
        assert_eq!(file.role(), StandingRole::Standby);
        let kept = Kept { promise: Promise { term: Term(u64::MAX), to: file.node() }, ..file.kept() };
        Keeper::keep(&mut file, kept).unwrap();
        let refused = open(&paths).unwrap().take_over(store, "somebody").unwrap_err();
        assert!(matches!(refused, PromotionError::LastTerm(_)), "{refused}");
        let empty = TempDir::new().unwrap();
        let paths = DataPaths::in_folder(empty.path().to_owned());
        assert!(matches!(open(&paths).err(), Some(PromotionError::NoLog(_))));
        assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "something was made");
    }
}
