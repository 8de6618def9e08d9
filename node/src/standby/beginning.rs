//! What is there when a standby starts, and what it asks the leader where that is nothing yet.

use std::fs::create_dir_all;
use std::path::Path;

use backup::Mirror;
use log::{FolderOwner, Identity, NodeId, Rocks, StoreId, Term, folder_owner};
use projections::Progress;
use replicator::{Keeper, LeaderHello, MEMBER_FILE, MemberFile, StandingRole};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{info, warn};

use super::StandbyError;
use super::bootstrap;
use super::connection::Leader;
use crate::data_folder::{DataFolderError, REJOINING, check_data_folder};
use crate::error::NodeError;
use crate::options::{DataPaths, StandbyOptions};
use crate::pauses::Pauses;

/// What is in the folder of the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LogFolder {
    Nothing,
    /// What an early end left before there was a log.
    Remains,
    Log(StoreId),
}

/// Makes the data folder that of a standby, if it is not yet. Where there is no log the leader is asked whose it is to be.
///
/// # Errors
/// When it is that of another node, cannot be used, or the start is cancelled.
pub(crate) async fn prepare(
    data: &DataPaths,
    options: &StandbyOptions,
    progress: &Progress,
) -> Result<(NodeId, Option<LeaderHello>), NodeError> {
    let paths = data.clone();
    let votes = options.votes.is_some();
    let (mut file, there) = spawn_blocking(move || become_standby(&paths, votes)).await??;
    let node = file.node();
    if matches!(there, LogFolder::Log(_)) {
        return Ok((node, None));
    }
    let hello = first_contact(options, node, progress).await?;
    let store = hello.store;
    // From here on it keeps a copy of that store, and of no other.
    spawn_blocking(move || file.bind(store)).await?.map_err(StandbyError::from)?;
    if there == LogFolder::Nothing {
        bootstrap::fetch_log(&Leader::new(&options.from, node)?, &data.log, &hello, progress).await?;
    }
    Ok((node, Some(hello)))
}

/// The file that says what the node is, and what is in the folder of its log.
///
/// One whose copy counts goes on also where it has led: it leads again, or follows who took its place.
pub(crate) fn become_standby(paths: &DataPaths, votes: bool) -> Result<(MemberFile, LogFolder), NodeError> {
    check_data_folder(paths)?;
    let folder = paths.folder.clone();
    let there = log_folder(&paths.log)?;
    match (MemberFile::read(&folder).map_err(StandbyError::from)?, &there) {
        (Some(mut file), _) => match file.role() {
            StandingRole::Standby | StandingRole::Observer | StandingRole::Leader if votes => {
                if Mirror::is_copy(&paths.log) {
                    return Err(StandbyError::Copied(paths.log.clone()).into());
                }
                hold(&mut file, paths, &there)?;
                Ok((file, there))
            }
            // It may have an event of its own in the log.
            StandingRole::Standby | StandingRole::Observer if file.kept().promise.to == file.node() => {
                Err(StandbyError::Promoting(folder).into())
            }
            StandingRole::Standby | StandingRole::Observer => {
                hold(&mut file, paths, &there)?;
                Ok((file, there))
            }
            StandingRole::Fenced => Err(StandbyError::Fenced(folder).into()),
            role @ StandingRole::Leader => Err(StandbyError::Leads { folder, role }.into()),
        },
        (None, LogFolder::Log(_)) => Err(StandbyError::OwnLog(paths.log.clone()).into()),
        (None, _) => {
            create_dir_all(&folder)
                .map_err(|error| StandbyError::Folder { folder: folder.clone(), error })?;
            let file = MemberFile::keep(&folder, StandingRole::Standby).map_err(StandbyError::from)?;
            Ok((file, there))
        }
    }
}

/// What is in the folder of a log. A log has its identity from the moment on from which there is one.
fn log_folder(log: &Path) -> Result<LogFolder, NodeError> {
    if folder_owner(log, Rocks::HOLDS).map_err(DataFolderError::from)? == FolderOwner::Nobody {
        return Ok(LogFolder::Nothing);
    }
    let identity = match Rocks::open_made(log)? {
        Some(store) => store.identity()?,
        None => None,
    };
    Ok(identity.map_or(LogFolder::Remains, |identity| LogFolder::Log(identity.store)))
}

/// Holds the log that is there against what the node keeps a copy of. One whose log is lost is another node from then on:
/// what it confirmed under its name is not here. Where the log was set aside, it is known how far that was.
fn hold(file: &mut MemberFile, paths: &DataPaths, there: &LogFolder) -> Result<(), StandbyError> {
    let LogFolder::Log(found) = *there else {
        if file.promise().term > Term(0) && !paths.folder.join(REJOINING).is_file() {
            let before = file.node();
            file.renew()?;
            warn!(%before, now = %file.node(), "the log of this node is gone: it is another node, whose copy does not count yet");
        }
        return Ok(());
    };
    match file.store() {
        Some(expected) if expected != found => {
            let (log, file) = (paths.log.clone(), paths.folder.join(MEMBER_FILE));
            Err(StandbyError::OtherLog { log, file, found, expected })
        }
        _ => Ok(file.bind(found)?),
    }
}

/// Asks the leader who it is, until it answers.
///
/// # Errors
/// When the start is cancelled meanwhile, or nobody can be asked.
pub(crate) async fn first_contact(
    options: &StandbyOptions,
    node: NodeId,
    progress: &Progress,
) -> Result<LeaderHello, NodeError> {
    let leader = Leader::new(&options.from, node)?;
    let (mut pauses, mut cancelled, mut told) = (Pauses::default(), progress.cancelled(), false);
    info!("nothing is here yet: asking {} which store it has", options.from.url);
    loop {
        progress.go_on()?;
        let asked = tokio::select! {
            asked = leader.greet() => asked,
            _ = cancelled.wait_for(|cancelled| *cancelled) => continue,
        };
        let reason = match asked {
            Ok(hello) => return Ok(hello),
            Err(reason) => reason.to_string(),
        };
        if !std::mem::replace(&mut told, true) {
            warn!(
                reason,
                "there is nothing here yet, and the leader {} cannot be asked; trying again",
                options.from.url
            );
        }
        tokio::select! {
            () = sleep(pauses.next()) => {}
            _ = cancelled.wait_for(|cancelled| *cancelled) => {}
        }
    }
}

/// The store that a new standby makes.
pub(crate) fn identity(hello: &LeaderHello) -> Identity {
    Identity { store: hello.store, term: hello.first_term }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::fs;

    use log::{LocalLog, Log, StoreMemory};
    use replicator::{Kept, Promise};
    use tempfile::TempDir;
    use uuid::Uuid;

    use super::*;

    const LEADER: StoreId = StoreId(Uuid::from_u128(7));

    fn rocks(paths: &DataPaths) -> Rocks {
        Rocks::open(&paths.log, &StoreMemory::default()).unwrap()
    }

    /// The folder of a standby that has asked its leader.
    fn bound(root: &TempDir) -> DataPaths {
        let paths = DataPaths::in_folder(root.path().join("data"));
        let (mut file, there) = become_standby(&paths, false).unwrap();
        assert_eq!((there, file.store()), (LogFolder::Nothing, None));
        file.bind(LEADER).unwrap();
        paths
    }

    #[test]
    fn what_a_kill_left_of_a_log_is_none_yet() {
        let root = TempDir::new().unwrap();
        let paths = bound(&root);
        // Marked with an id that nobody asked for, and no store yet.
        log::mark_folder(&paths.log, Rocks::HOLDS, StoreId(Uuid::from_u128(9))).unwrap();
        assert_eq!(become_standby(&paths, false).unwrap().1, LogFolder::Remains);
        // A store without an identity.
        drop(rocks(&paths));
        assert_eq!(become_standby(&paths, false).unwrap().1, LogFolder::Remains);
        // Also where nobody said yet what the node is.
        fs::remove_file(paths.folder.join(MEMBER_FILE)).unwrap();
        let (mut file, there) = become_standby(&paths, false).unwrap();
        assert_eq!(there, LogFolder::Remains);
        file.bind(LEADER).unwrap();
        // It becomes the log that was to be there.
        let identity = Identity { store: LEADER, term: Term(3) };
        let log = LocalLog::open(rocks(&paths), Some(identity)).unwrap();
        assert_eq!(log.identity(), identity);
        drop(log);
        assert_eq!(become_standby(&paths, false).unwrap().1, LogFolder::Log(LEADER));
    }

    /// A node that has confirmed something of a log that is not there.
    fn without_log(root: &TempDir) -> (DataPaths, NodeId) {
        let paths = bound(root);
        let mut file = MemberFile::read(&paths.folder).unwrap().unwrap();
        let promise = Promise { term: Term(3), to: NodeId::random() };
        let kept = Kept { promise, ..file.kept() };
        Keeper::keep(&mut file, kept).unwrap();
        (paths, file.node())
    }

    #[test]
    fn whose_log_is_lost_is_another_node() {
        let root = TempDir::new().unwrap();
        let (paths, before) = without_log(&root);
        // Where it was set aside it is the same.
        fs::write(paths.folder.join(REJOINING), b"").unwrap();
        assert_eq!(become_standby(&paths, true).unwrap().0.node(), before);
        fs::remove_file(paths.folder.join(REJOINING)).unwrap();
        let (file, there) = become_standby(&paths, true).unwrap();
        assert_ne!(file.node(), before);
        assert_eq!((there, file.store(), file.promise().term), (LogFolder::Nothing, Some(LEADER), Term(0)));
        // It is so once.
        for votes in [true, false] {
            assert_eq!(become_standby(&paths, votes).unwrap().0.node(), file.node());
        }
    }

    #[test]
    fn a_log_that_was_copied_does_not_vote() {
        let root = TempDir::new().unwrap();
        let (paths, _) = without_log(&root);
        let identity = Identity { store: LEADER, term: Term(3) };
        drop(LocalLog::open(rocks(&paths), Some(identity)).unwrap());
        fs::write(paths.log.join("copied.json"), b"").unwrap();
        let refusal = become_standby(&paths, true).unwrap_err().to_string();
        assert!(refusal.contains("quipu sync"), "{refusal}");
        fs::remove_file(paths.log.join("copied.json")).unwrap();
        assert_eq!(become_standby(&paths, true).unwrap().1, LogFolder::Log(LEADER));
    }

    #[test]
    fn a_log_of_another_store_is_refused_before_it_is_opened() {
        let root = TempDir::new().unwrap();
        let paths = bound(&root);
        let log = LocalLog::open(rocks(&paths), None).unwrap();
        let other = log.identity().store;
        drop(log);
        let refusal = become_standby(&paths, false).unwrap_err().to_string();
        for told in [format!("is the store {other}"), format!("a copy of the store {LEADER}")] {
            assert!(refusal.contains(&told), "{refusal}");
        }
    }
}
