//! A standby follows the log of a leader: a task that asks for its stream, and a thread that takes the stream in.

mod beginning;
mod bootstrap;
mod connection;
mod forwarding;
mod movement;
mod room;
mod taking;
mod verifying;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use api::ForwardWrites;
use async_trait::async_trait;
use futures_util::future::pending;
use log::{LocalLog, NodeId, Rocks, StoreId};
use replicator::{FollowState, Followed, KeeperError, LeaderHello, LogPlace, StandingRole, TakeEvents};
use reqwest::Url;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::{self, spawn_blocking};
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use crate::error::NodeError;
use crate::member::MemberNode;
use crate::options::{DataPaths, NodeAccess, OtherNode, StandbyOptions};
use crate::part::{NodePart, NodeParts};
use crate::pauses::{self, Pauses};
#[cfg(test)]
pub(crate) use beginning::{LogFolder, become_standby};
pub(crate) use beginning::{first_contact, identity, prepare};
pub(crate) use bootstrap::{is_unverified, mark_verified};
pub(crate) use connection::{Leader, StreamEnd};
use forwarding::Forwarder;
use taking::Taker;
pub(crate) use taking::threads;
use verifying::Verifying;

/// What follows the leader, until it is stopped.
struct Standing {
    stop: watch::Sender<bool>,
    task: task::JoinHandle<()>,
    thread: JoinHandle<()>,
    /// Verifies what came in one piece, until it is told to end.
    verifying: Option<Verifying>,
    /// Its sender goes when the thread ends.
    over: watch::Receiver<()>,
    /// Whether the store is to be opened again, since there is room for more.
    again: Arc<AtomicBool>,
}

/// Why a node does not follow.
#[derive(Debug, Error)]
pub enum StandbyError {
    /// It orders messages itself.
    #[error(
        "{} is the data folder of a node that schedules (role {role}): `quipu standby` begins with an empty folder, or \
         goes on with that of a standby", .folder.display()
    )]
    Leads {
        /// Its data folder.
        folder: PathBuf,
        /// What it is.
        role: StandingRole,
    },
    /// Another one took its place.
    #[error(
        "{} is the data folder of a node that led until another one took its place, and may have what that does not: \
         `quipu divergence` lists that, `quipu rejoin` sets it aside and makes this node a standby", .0.display()
    )]
    Fenced(PathBuf),
    /// It was about to lead.
    #[error(
        "`quipu promote` has begun to let the node in {} lead, and did not end: run it again", .0.display()
    )]
    Promoting(PathBuf),
    /// There is a log that never followed another.
    #[error(
        "there is a log in {} that never followed another node: `quipu standby` begins with an empty folder, or goes on \
         with that of a standby", .0.display()
    )]
    OwnLog(PathBuf),
    /// Its log may lack what it confirmed.
    #[error(
        "the log in {} is a copy that `quipu sync` made, and may lack what this node has confirmed to others: begin with an \
         empty data folder", .0.display()
    )]
    Copied(PathBuf),
    /// Its log is of another store than it keeps a copy of.
    #[error(
        "the log in {} is the store {found}, and {} says that this node keeps a copy of the store {expected}: put the log of \
         that store there, or begin again with an empty data folder", .log.display(), .file.display()
    )]
    OtherLog {
        /// The folder of the log.
        log: PathBuf,
        /// The file that says what the node is.
        file: PathBuf,
        /// The store that is there.
        found: StoreId,
        /// The store of which it keeps a copy.
        expected: StoreId,
    },
    /// The data folder cannot be made.
    #[error("cannot make the data folder {}", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// What this node is cannot be told or kept.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
}

/// What passes messages on to the leader.
///
/// # Errors
/// When nobody can be asked.
pub(crate) fn forwarder(followed: &Followed) -> Result<Arc<dyn ForwardWrites>, NodeError> {
    Ok(Arc::new(Forwarder::new(followed.clone())?))
}

/// What follows with what.
pub(crate) struct FollowingParts<'a> {
    pub(crate) options: &'a StandbyOptions,
    pub(crate) node: NodeId,
    pub(crate) paths: &'a DataPaths,
    pub(crate) log: Arc<LocalLog<Rocks>>,
    pub(crate) followed: Followed,
    /// What this node is among those that keep the log, if it is one of them.
    pub(crate) member: Option<&'a Arc<MemberNode>>,
}

/// Follows the leader from here on.
pub(crate) fn start(parts: &mut NodeParts, from: FollowingParts<'_>) -> Result<(), NodeError> {
    let FollowingParts { options, node, paths, log, followed, member } = from;
    let target = match member {
        Some(member) => member.target(),
        None => watch::Sender::new(Some(options.from.url.clone())).subscribe(),
    };
    // Here, so that a token which cannot be sent is told at once.
    Leader::new(&options.from, node)?;
    let access = options.from.access.clone();
    let whom = Whom { access, node, target, member: member.cloned() };
    let (stop, stopping) = watch::channel(false);
    let (ending, over) = watch::channel(());
    let rules = member.map(|member| member.clone() as Arc<dyn TakeEvents>);
    let (taker, frames) = Taker::new(log.clone(), followed.clone(), rules)
        .map_err(|error| NodeError::Thread { part: "standby", error })?;
    let thread = std::thread::Builder::new().name("standby".to_owned()).spawn(move || {
        // Also when it panics.
        let _ending = ending;
        taker.run();
    });
    let thread = thread.map_err(|error| NodeError::Thread { part: "standby", error })?;
    let verifying = verifying::verify(&paths.log, log, followed.clone(), member.cloned())?;
    let again = Arc::new(AtomicBool::new(false));
    let (folder, is_again, mut frames) = (paths.log.clone(), again.clone(), frames);
    let task = tokio::spawn(async move {
        let is_over = follow(whom, &mut frames, followed, stopping, &folder).await;
        is_again.store(is_over == FollowOver::Again, Ordering::Release);
        // Without them the thread ends, and with it this part: why must be there by then.
        drop(frames);
    });
    parts.push(Standing { stop, task, thread, verifying, over, again });
    Ok(())
}

/// Why a node follows no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FollowOver {
    Stopped,
    /// After the store was opened again it goes on.
    Again,
}

/// Whom a node follows.
struct Whom {
    access: NodeAccess,
    node: NodeId,
    /// None while this node leads, or is about to.
    target: watch::Receiver<Option<Url>>,
    member: Option<Arc<MemberNode>>,
}

impl Whom {
    /// The leader to follow; none while there is none.
    fn leader(&mut self, followed: &Followed) -> Option<Leader> {
        let url = self.target.borrow_and_update().clone()?;
        if self.member.is_some() {
            followed.retarget(url.to_string(), url.host_str().unwrap_or_default().to_owned());
        }
        let leader = Leader::new(&OtherNode { url, access: self.access.clone() }, self.node).ok()?;
        Some(leader.voting(self.member.is_some()))
    }

    /// Resolves when another one is to be followed; never where it is always the same.
    async fn changed(&mut self) {
        if self.target.changed().await.is_err() {
            pending().await
        }
    }
}

/// Follows until it is stopped, or finds that it must not. The log is in this folder.
async fn follow(
    mut whom: Whom,
    frames: &mut taking::Frames,
    followed: Followed,
    mut stopping: watch::Receiver<bool>,
    folder: &Path,
) -> FollowOver {
    let mut pauses = Pauses::default();
    loop {
        let Some(leader) = whom.leader(&followed) else {
            tokio::select! {
                () = whom.changed() => continue,
                _ = stopping.wait_for(|stop| *stop) => return FollowOver::Stopped,
            }
        };
        let (before, began) = (followed.now(0).taken, Instant::now());
        let ended = tokio::select! {
            ended = leader.follow(frames) => ended,
            () = whom.changed() => {
                pauses = Pauses::default();
                continue;
            }
            _ = stopping.wait_for(|stop| *stop) => return FollowOver::Stopped,
        };
        // One that ends each stream is not asked again and again, though it greets and sends something each time.
        let came = followed.now(0).taken > before && !matches!(ended, StreamEnd::Ended(_));
        if came || began.elapsed() > pauses::LASTING {
            pauses = Pauses::default();
        }
        // A later leader may have what is here, also where it is asked in the same way.
        let differs = matches!(ended, StreamEnd::Differs(_));
        let is_over = matches!(ended, StreamEnd::Refused(_)) || (differs && whom.member.is_none());
        if let StreamEnd::Failed(reason) = ended {
            return tokio::select! {
                () = wait_for_room(&followed, reason, folder) => FollowOver::Again,
                _ = stopping.wait_for(|stop| *stop) => FollowOver::Stopped,
            };
        }
        tell_ended(ended, &followed);
        if let Some(member) = whom.member.clone().filter(|_| !is_over) {
            if differs {
                member.log_differs().await;
            }
            member.find_leader().await;
        }
        tokio::select! {
            () = sleep(pauses.next()), if !is_over => {}
            () = whom.changed() => {}
            _ = stopping.wait_for(|stop| *stop) => return FollowOver::Stopped,
        }
    }
}

/// Waits until the disk that was full has room. After a failed write nothing is written until the store is opened again,
/// which would fail as long as there is none; and what failed for another reason is an operator's to mend.
async fn wait_for_room(followed: &Followed, reason: String, folder: &Path) {
    let is_short = room::is_short(folder).await;
    let told = if is_short {
        "; it goes on by itself when there is room"
    } else {
        "; restart it when that is mended"
    };
    followed.set(FollowState::Stopped(format!("{reason}{told}")));
    error!(reason, "the log takes nothing more, and this standby serves what it has{told}");
    if !is_short {
        pending::<()>().await;
    }
    room::wait(folder).await;
    info!("there is room on the disk again: opening the store anew to go on");
}

/// Keeps and says why a stream ended.
fn tell_ended(ended: StreamEnd, followed: &Followed) {
    // What ends for another reason than before is told again.
    let is_news = followed.now(0).state.reason() != Some(ended.reason());
    match ended {
        StreamEnd::Lost(reason) | StreamEnd::Ended(reason) => {
            followed.set(FollowState::Lost(reason.clone()));
            if is_news {
                warn!(reason, leader = followed.from(), "lost the leader; trying again");
            }
        }
        StreamEnd::Refused(reason) | StreamEnd::Failed(reason) | StreamEnd::Differs(reason) => {
            followed.set(FollowState::Stopped(reason.clone()));
            if is_news {
                error!(reason, leader = followed.from(), "follows no more, and serves what it has");
            }
        }
    }
}

/// Says that it follows.
fn tell_following(hello: &LeaderHello, from: &str, place: LogPlace) {
    info!(
        leader = %hello.node,
        term = %hello.term,
        events = place.events,
        tail = hello.tail,
        "following {from}"
    );
}

#[async_trait]
impl NodePart for Standing {
    fn name(&self) -> &'static str {
        "standby"
    }

    async fn ended(&mut self) {
        if self.task.is_finished() {
            return;
        }
        tokio::select! {
            _ = &mut self.task => {}
            () = async { while self.over.changed().await.is_ok() {} } => {}
        }
    }

    fn starts_again(&self) -> bool {
        self.again.load(Ordering::Acquire)
    }

    async fn stop(self: Box<Self>) {
        self.stop.send_replace(true);
        // The task lets go of the thread, which gets to disk what it has in hand.
        if !self.task.is_finished() && self.task.await.is_err() {
            warn!("what asks the leader ended with a panic");
        }
        if let Some(Verifying { end, thread }) = self.verifying {
            end.store(true, Ordering::Release);
            if !matches!(spawn_blocking(move || thread.join()).await, Ok(Ok(()))) {
                warn!("what verifies signatures ended with a panic");
            }
        }
        let thread = self.thread;
        if !matches!(spawn_blocking(move || thread.join()).await, Ok(Ok(()))) {
            warn!("what follows the leader ended with a panic; what it had taken is on disk or comes again");
        }
    }
}

#[cfg(test)]
mod tests;
