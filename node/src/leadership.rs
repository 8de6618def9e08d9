//! Whether a node may order messages: not where another node may be doing so.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::{Fact, Log, NodeId, ReadError, Term};
use protocol::{Nonce, ProcessId};
use replicator::{KeeperError, MEMBER_FILE, MemberFile, StandingRole};
use thiserror::Error;
use tokio::task::spawn_blocking;

use crate::error::NodeError;

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
         give nonces twice", .0.display()
    )]
    Fenced(PathBuf),
    /// Another one took its place, as it says itself.
    #[error(
        "another node has taken the place of this one: {by} has the same store in term {term}; to schedule here as well \
         would give nonces twice"
    )]
    Deposed {
        /// The other node.
        by: String,
        /// Its term.
        term: Term,
    },
    /// Others keep the log too, and one of them may order messages by now.
    #[error(
        "the log is kept by several nodes, of which another one may schedule by now; it is not known that none does, and \
         this version of the program cannot ask them"
    )]
    Members,
    /// What this node is cannot be told.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
}

/// Refuses to lead from the data folder of a node that follows, or whose place was taken. To be called before anything is
/// written there.
///
/// # Errors
/// When it does or was, or what it is cannot be read.
pub(crate) async fn check_role(data: &Path) -> Result<(), NodeError> {
    let folder = data.to_owned();
    let checked = spawn_blocking(move || match MemberFile::read(&folder)?.map(|file| file.role()) {
        None | Some(StandingRole::Leader) => Ok(()),
        Some(StandingRole::Fenced) => Err(LeadershipError::Fenced(folder)),
        Some(role @ (StandingRole::Standby | StandingRole::Observer)) => {
            Err(LeadershipError::Follows { folder, role })
        }
    });
    Ok(checked.await??)
}

/// Refuses to lead with a log that others keep too, or with that of another store than the one that the node has kept.
///
/// # Errors
/// When it is such a log, or cannot be read.
pub(crate) async fn check_log(data: &Path, log: &Arc<dyn Log>) -> Result<(), NodeError> {
    let (folder, log) = (data.to_owned(), log.clone());
    spawn_blocking(move || {
        if let Some(mut file) = MemberFile::read(&folder).map_err(LeadershipError::from)? {
            file.bind(log.identity().store).map_err(LeadershipError::from)?;
        }
        if log.is_held() || has_members(log.as_ref())? {
            Err(LeadershipError::Members.into())
        } else {
            Ok(())
        }
    })
    .await?
}

/// Which node this is; nobody in particular where it never was one of several.
///
/// # Errors
/// When what it is cannot be read.
pub(crate) async fn node(data: &Path) -> Result<NodeId, NodeError> {
    let folder = data.to_owned();
    let file = spawn_blocking(move || MemberFile::read(&folder)).await?.map_err(LeadershipError::from)?;
    Ok(file.map_or(NodeId::UNKNOWN, |file| file.node()))
}

/// Whether others keep a log too, or were once to do so.
pub(crate) fn has_members(log: &dyn Log) -> Result<bool, ReadError> {
    let mut found = false;
    log.range(ProcessId::NODE, false, Nonce::ZERO..=Nonce::MAX, &mut |event| {
        found = matches!(Fact::of(&event), Some(Fact::Members(_)));
        if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use log::{LocalLog, Members, Memory, MemoryDisk};
    use tempfile::TempDir;

    use super::*;

    #[tokio::test]
    async fn only_a_leader_leads() {
        let folder = TempDir::new().unwrap();
        check_role(folder.path()).await.unwrap();
        for (role, told) in [
            (StandingRole::Standby, Some("quipu promote")),
            (StandingRole::Observer, Some("quipu standby")),
            (StandingRole::Fenced, Some("twice")),
            (StandingRole::Leader, None),
        ] {
            MemberFile::keep(folder.path(), role).unwrap().become_role(role).unwrap();
            let refusal = check_role(folder.path()).await.err().map(|error| error.to_string());
            assert_eq!(refusal.is_some(), told.is_some(), "{role}: {refusal:?}");
            assert!(refusal.is_none_or(|refusal| refusal.contains(told.unwrap())), "{role}");
        }
    }

    #[tokio::test]
    async fn a_log_that_others_keep_is_not_led_alone() {
        let folder = TempDir::new().unwrap();
        let local = Arc::new(LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap());
        let log: Arc<dyn Log> = local.clone();
        let append = |fact: Fact| log.enqueue(log.identity().term, vec![fact.append()]).unwrap();
        append(Fact::Wallet(ans104::Address::from_bytes([7; 32]))).await.unwrap();
        check_log(folder.path(), &log).await.unwrap();
        local.hold(true).unwrap().await.unwrap();
        let refusal = check_log(folder.path(), &log).await.unwrap_err();
        assert!(matches!(refusal, NodeError::Leadership(LeadershipError::Members)), "{refusal}");
        local.hold(false).unwrap().await.unwrap();
        check_log(folder.path(), &log).await.unwrap();
        append(Fact::Members(Members { voters: [NodeId::random()].into(), acks: 0 })).await.unwrap();
        let refusal = check_log(folder.path(), &log).await.unwrap_err();
        assert!(matches!(refusal, NodeError::Leadership(LeadershipError::Members)), "{refusal}");
    }

    #[tokio::test]
    async fn the_file_of_a_node_with_another_store_is_refused() {
        let folder = TempDir::new().unwrap();
        let open =
            || -> Arc<dyn Log> { Arc::new(LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap()) };
        let (log, other) = (open(), open());
        MemberFile::keep(folder.path(), StandingRole::Leader).unwrap();
        check_log(folder.path(), &log).await.unwrap();
        check_log(folder.path(), &log).await.unwrap();
        let refusal = check_log(folder.path(), &other).await.unwrap_err().to_string();
        assert!(refusal.contains("another") || refusal.contains("mixed up"), "{refusal}");
    }
}
