//! A node that keeps its log together with others: it drives a `Member`, which has the rules, over HTTP.
//!
//! Whoever it is, it is driven in the same way: it follows (`following.rs`) and confirms what it has (`confirming.rs`), or
//! stands for a term (`electing.rs`) and leads (`leading.rs`), and goes from one to the other without a restart.

mod asking;
mod calls;
mod changing;
mod confirming;
mod electing;
mod exclusive;
mod handing_over;
mod leading;
mod looking;
mod part;
mod parting;
mod published;
mod remembering;
mod starting;
mod taking_over;
mod tenure;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use api::{WriteSide, Writes};
use log::{AppendError, LocalLog, Log, Members, NodeId, Rocks, StoreId, Term};
use replicator::{
    AppendVerdict, Events, FollowError, Member, MemberError, MemberFile, MemberRole, MemberView, TakeEvents,
};
use reqwest::Url;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Notify, watch};
use tokio::task::block_in_place;
use tracing::error;

use crate::options::MemberOptions;
use asking::Asking;
use exclusive::Exclusive;
pub(crate) use part::{Beginning, start};
use published::{LeaderHeard, Published};
pub(crate) use starting::{Founding, found};
pub(crate) use tenure::Takeover;
use tenure::TenureSeen;

/// A node that is one of several.
pub(crate) struct MemberNode {
    /// Itself, for what goes on when nobody waits for it any more.
    own: Weak<Self>,
    id: NodeId,
    store: StoreId,
    log: Arc<LocalLog<Rocks>>,
    member: Mutex<Member<Rocks, MemberFile>>,
    /// What it keeps beside its log.
    file: MemberFile,
    /// What was so when the member was used last.
    in_lead: AtomicBool,
    published: Mutex<Published>,
    leader_heard: Mutex<Option<LeaderHeard>>,
    /// Which nodes confirm, from when, and where they are.
    heard: Mutex<BTreeMap<NodeId, Heard>>,
    /// Whom it follows, if anybody.
    target: watch::Sender<Option<Url>>,
    options: MemberOptions,
    asking: Asking,
    writes: Arc<Writes>,
    /// Where writes go while it follows.
    follows: WriteSide,
    /// There may be something to confirm.
    confirm: Notify,
    /// It may be something else than before.
    changed: Notify,
    /// One election at a time.
    electing: tokio::sync::Mutex<()>,
    /// Whether a person's word waits for its turn: an election that is under way ends.
    forcing: watch::Sender<bool>,
    /// Whether it may stand by itself where nobody leads: it led until it promised a term to another node, or has just
    /// started.
    may_stand: AtomicBool,
    /// One change of the members at a time that was asked for.
    changing: Exclusive,
    /// Nothing new is taken while the log is handed over.
    handing_over: Exclusive,
    /// Nor before the node ends.
    ending: watch::Sender<bool>,
    /// What it needs to schedule; none where it has no wallet.
    takeover: Option<Takeover>,
    tenure: watch::Sender<TenureSeen>,
    /// Why it cannot go on.
    failed: watch::Sender<Option<String>>,
}

/// What was heard of a node that confirms.
#[derive(Clone, Debug)]
struct Heard {
    at: Instant,
    url: Option<String>,
    /// How many events it has, where they are not those of this log.
    differs: Option<u64>,
}

/// What a member is made of.
pub(crate) struct MemberParts {
    pub(crate) log: Arc<LocalLog<Rocks>>,
    pub(crate) file: MemberFile,
    pub(crate) options: MemberOptions,
    pub(crate) writes: Arc<Writes>,
    pub(crate) follows: WriteSide,
    pub(crate) takeover: Option<Takeover>,
    /// Whether signatures of what its log began with are still to be verified.
    pub(crate) unverified: bool,
}

impl MemberNode {
    /// Opens the member of a held log.
    pub(crate) fn open(from: MemberParts) -> Result<Arc<Self>, crate::NodeError> {
        let MemberParts { log, file, options, writes, follows, takeover, unverified } = from;
        let (id, store) = (file.node(), log.identity().store);
        let asking = Asking::new(&options.access)?;
        let mut member = Member::open(id, log.clone(), file.clone())?;
        member.set_unverified(unverified);
        let published = Published::of(&member);
        Ok(Arc::new_cyclic(|own| Self {
            own: own.clone(),
            id,
            store,
            log,
            member: Mutex::new(member),
            file,
            in_lead: AtomicBool::new(false),
            published: Mutex::new(published),
            leader_heard: Mutex::default(),
            heard: Mutex::default(),
            target: watch::Sender::new(None),
            options,
            asking,
            writes,
            follows,
            confirm: Notify::new(),
            changed: Notify::new(),
            electing: tokio::sync::Mutex::default(),
            forcing: watch::Sender::new(false),
            may_stand: AtomicBool::new(false),
            changing: Exclusive::default(),
            handing_over: Exclusive::default(),
            ending: watch::Sender::new(false),
            takeover,
            tenure: watch::Sender::default(),
            failed: watch::Sender::new(None),
        }))
    }

    /// Has the member do something. It may wait for the disk, or for somebody who does: what else this thread is for is done
    /// by another one meanwhile.
    fn with<T, E: From<MemberError> + IsFatal>(
        &self,
        act: impl FnOnce(&mut Member<Rocks, MemberFile>) -> Result<T, E>,
    ) -> Result<T, E> {
        match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => block_in_place(|| self.with_member(act)),
            _ => self.with_member(act),
        }
    }

    fn with_member<T, E: From<MemberError> + IsFatal>(
        &self,
        act: impl FnOnce(&mut Member<Rocks, MemberFile>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut member = self.member.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, done) = (member.role(), act(&mut member));
        self.in_lead.store(member.is_in_lead(), Ordering::SeqCst);
        *lock(&self.published) = Published::of(&member);
        let now = member.role();
        if now != before {
            self.changed.notify_one();
        }
        drop(member);
        // Whoever follows has all that its disk does not take when there is room again.
        let leads = matches!(now, MemberRole::Leading | MemberRole::Confirming);
        if let Err(error) = &done
            && let Some(reason) = error.fatal().filter(|_| leads || !error.is_of_disk())
        {
            self.fail(reason);
        }
        done
    }

    /// What a member cannot go on after ends the node: whoever supervises it starts it again.
    pub(crate) fn fail(&self, reason: String) {
        if self.failed.send_if_modified(|failed| failed.is_none() && failed.replace(reason.clone()).is_none())
        {
            error!(reason, "this node cannot go on as one of several and ends");
        }
    }

    fn term(&self) -> Term {
        self.log.identity().term
    }

    fn synced(&self) -> u64 {
        self.log.synced().last().map_or(0, |last| last.next().get())
    }

    fn released(&self) -> u64 {
        self.log.tail().last().map_or(0, |last| last.next().get())
    }

    /// Whether it leads, and nobody else keeps the log.
    pub(crate) fn leads_alone(&self) -> bool {
        self.is_in_lead() && self.members().is_some_and(|members| members.voters.len() == 1)
    }

    /// Whom it follows at the moment.
    fn followed_now(&self) -> Option<Url> {
        self.target.borrow().clone()
    }

    /// Whom it follows, to wait on.
    pub(crate) fn target(&self) -> watch::Receiver<Option<Url>> {
        self.target.subscribe()
    }

    /// Follows another one if that leads: the one that is followed is lost.
    pub(crate) async fn find_leader(&self) {
        if self.followed_now().is_some()
            && let Some(leader) = self.look_for_leader().await
        {
            self.target.send_if_modified(|target| {
                let is_other = target.is_some() && *target != Some(leader.clone());
                if is_other {
                    *target = Some(leader.clone());
                }
                is_other
            });
        }
    }

    /// Follows this one from now on.
    fn follow(&self, url: Option<Url>) {
        self.target.send_if_modified(|target| {
            let is_other = *target != url;
            *target = url;
            is_other
        });
    }

    fn heard(&self) -> MutexGuard<'_, BTreeMap<NodeId, Heard>> {
        lock(&self.heard)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is done under these locks that could panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a member has to be opened again after this.
trait IsFatal {
    /// The reason, if so.
    fn fatal(&self) -> Option<String>;

    /// Whether it is that a write failed.
    fn is_of_disk(&self) -> bool;
}

impl IsFatal for MemberError {
    fn fatal(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn is_of_disk(&self) -> bool {
        matches!(self, Self::Append(AppendError::Failed(_)))
    }
}

impl IsFatal for FollowError {
    fn fatal(&self) -> Option<String> {
        match self {
            Self::Member(error) => error.fatal(),
            Self::Sent(_) => None,
        }
    }

    fn is_of_disk(&self) -> bool {
        matches!(self, Self::Member(error) if error.is_of_disk())
    }
}

impl MemberView for MemberNode {
    fn is_in_lead(&self) -> bool {
        self.in_lead.load(Ordering::SeqCst)
    }

    fn members(&self) -> Option<Members> {
        lock(&self.published).members.clone()
    }
}

impl TakeEvents for MemberNode {
    fn take(&self, sent: &Events) -> Result<AppendVerdict, FollowError> {
        let taken = self.with(|member| member.on_events(sent));
        if matches!(taken, Ok(AppendVerdict::Follows(_))) {
            let heard = LeaderHeard { term: sent.term, owner: sent.owner, at: Instant::now() };
            *lock(&self.leader_heard) = Some(heard);
        }
        self.confirm.notify_one();
        taken
    }
}

#[cfg(test)]
mod tests;
