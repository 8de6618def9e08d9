//! Whether a node may order messages: not where another node may be doing so.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use backup::Mirror;
use log::{LocalLog, Log, NodeId, Rocks, Term};
use replicator::{KeeperError, MEMBER_FILE, MemberFile, StandingRole, newest_members};
use thiserror::Error;
use tokio::task::spawn_blocking;

use crate::error::NodeError;
use crate::options::DataPaths;

/// What an operator can do with a node whose place was taken.
const WAYS_OUT: &str = "`quipu divergence` lists what is here and not there, and `quipu rejoin` sets that aside and makes \
                        this node a standby of that one; if that node is to be given up instead, stop it and run \
                        `quipu promote` here";

/// Why a node does not order messages.
#[derive(Debug, Error)]
pub enum LeadershipError {
    /// It follows another one.
    #[error(
        "{} is the data folder of a node that follows another one, by its file {MEMBER_FILE} (role {role}): go on with \
         `quipu standby`, or, if that node is gone, let this one take its place with `quipu promote`", .folder.display()
    )]
    Follows {
        /// Its data folder.
        folder: PathBuf,
        /// What it is.
        role: StandingRole,
    },
    /// Another one took its place.
    #[error(
        "another node has taken the place of this one, by the file {MEMBER_FILE} in {}; to schedule here as well would \
         give nonces twice: {WAYS_OUT}", .0.display()
    )]
    Fenced(PathBuf),
    /// Another one took its place, as it says itself.
    #[error(
        "another node has taken the place of this one: {by} has the same store in term {term}; to schedule here as well \
         would give nonces twice: {WAYS_OUT}"
    )]
    Deposed {
        /// The other node.
        by: String,
        /// Its term.
        term: Term,
    },
    /// There are two lives of the store.
    #[error(
        "{by} has the same store in the same term {term}, of another leader: two nodes were let lead, and what they have \
         differs by now; this one does not schedule: {WAYS_OUT}"
    )]
    Twice {
        /// The other node.
        by: String,
        /// The term of both.
        term: Term,
    },
    /// Its log was longer once.
    #[error(
        "{by} follows this node and has {there} events of its log, of which {here} are here: this is an older copy of the \
         log, and to schedule here would give nonces twice. Start the node with the disk that it had last; if that is gone, \
         let the other one take its place with `quipu promote` there, and then: {WAYS_OUT}"
    )]
    Older {
        /// The other node.
        by: String,
        /// How many events it has.
        there: u64,
        /// How many are here.
        here: u64,
    },
    /// What is here was copied from a running node.
    #[error(
        "the log in {} is a copy that `quipu sync` made of that of another node, and may lack what that acknowledged last: \
         if that node is gone, let this one take its place with `quipu promote --accept-loss STORE`", .0.display()
    )]
    Copy(PathBuf),
    /// Its copy counts.
    #[error(
        "this node is one of those that keep the log, and its copy counts: start it with --voter, or take it away first \
             with `quipu members remove`"
    )]
    Votes,
    /// What this node is cannot be told.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
}

/// Refuses to lead from the data folder of a node that follows, or whose place was taken, with the log of such a node
/// beside another data folder, and with a copy of a log. To be called before anything is written there.
///
/// # Errors
/// When it does or was, or what it is cannot be read.
pub(crate) async fn check_role(paths: &DataPaths) -> Result<(), NodeError> {
    let paths = paths.clone();
    Ok(spawn_blocking(move || check_role_blocking(&paths)).await??)
}

/// The same for who may wait for the disk.
pub fn check_role_blocking(paths: &DataPaths) -> Result<(), LeadershipError> {
    if Mirror::is_copy(&paths.log) {
        return Err(LeadershipError::Copy(paths.log.clone()));
    }
    // The data folder that the log is in says so, too, if that is another one.
    for folder in std::iter::once(paths.folder.as_path()).chain(paths.log.parent()) {
        let folder_of = || folder.to_owned();
        match MemberFile::read(folder)?.map(|file| file.role()) {
            None | Some(StandingRole::Leader) => {}
            Some(StandingRole::Fenced) => return Err(LeadershipError::Fenced(folder_of())),
            Some(role @ (StandingRole::Standby | StandingRole::Observer)) => {
                return Err(LeadershipError::Follows { folder: folder_of(), role });
            }
        }
    }
    Ok(())
}

/// The file of a node that leads, which is made where there is none. One of another store than that of its log is refused.
///
/// # Errors
/// When it is, or cannot be read or made.
pub(crate) async fn member_file(data: &Path, log: &Arc<dyn Log>) -> Result<MemberFile, NodeError> {
    let (folder, store) = (data.to_owned(), log.identity().store);
    let kept = spawn_blocking(move || {
        let mut file = MemberFile::keep(&folder, StandingRole::Leader)?;
        file.bind(store)?;
        Ok::<_, LeadershipError>(file)
    });
    Ok(kept.await??)
}

/// Refuses to follow as one whose copy does not count where it does: nothing would be confirmed.
///
/// # Errors
/// When it counts, or the log cannot be read.
pub(crate) async fn check_observer(log: &Arc<LocalLog<Rocks>>, node: NodeId) -> Result<(), NodeError> {
    let log = log.clone();
    let members = spawn_blocking(move || newest_members(log.as_ref())).await??;
    match members {
        Some(members) if members.voters.contains(&node) => Err(LeadershipError::Votes.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use log::{Memory, MemoryDisk};
    use tempfile::TempDir;

    use super::*;

    #[tokio::test]
    async fn only_a_leader_leads() {
        let folder = TempDir::new().unwrap();
        let paths = DataPaths::in_folder(folder.path().to_owned());
        let elsewhere = TempDir::new().unwrap();
        let other = DataPaths { log: paths.log.clone(), ..DataPaths::in_folder(elsewhere.path().to_owned()) };
        check_role(&paths).await.unwrap();
        for (role, told) in [
            (StandingRole::Standby, Some("quipu promote")),
            (StandingRole::Observer, Some("quipu standby")),
            (StandingRole::Fenced, Some("quipu rejoin")),
            (StandingRole::Leader, None),
        ] {
            MemberFile::keep(folder.path(), role).unwrap().become_role(role).unwrap();
            // Its log is no more to be led beside another data folder.
            for paths in [&paths, &other] {
                let refusal = check_role(paths).await.err().map(|error| error.to_string());
                assert_eq!(refusal.is_some(), told.is_some(), "{role}: {refusal:?}");
                assert!(refusal.is_none_or(|refusal| refusal.contains(told.unwrap())), "{role}");
            }
        }
    }

    #[tokio::test]
    async fn the_file_of_a_node_with_another_store_is_refused() {
        let folder = TempDir::new().unwrap();
        let open =
            || -> Arc<dyn Log> { Arc::new(LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap()) };
        let (log, other) = (open(), open());
        MemberFile::keep(folder.path(), StandingRole::Leader).unwrap();
        let node = member_file(folder.path(), &log).await.unwrap().node();
        assert_eq!(member_file(folder.path(), &log).await.unwrap().node(), node);
        let refusal = member_file(folder.path(), &other).await.unwrap_err().to_string();
        assert!(refusal.contains("another") || refusal.contains("mixed up"), "{refusal}");
    }
}
