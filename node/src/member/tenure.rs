//! The time for which a member schedules: what it needs for that is started when its term is confirmed, and ended when
//! another node leads. One task does both, so that nothing starts beside the end of what ran before.

use std::sync::Arc;
use std::time::Duration;

use ::location::{LocationHandle, LocationSeat};
use api::{MemberCallError, WriteSide};
use gateway::{Endpoints, Http};
use limits::ListSeen;
use log::{Log, StoreMemory, Term};
use projections::UploadsHandle;
use replicator::StandingRole;
use scheduler::{Scheduler, SchedulerParts};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use super::MemberNode;
use super::calls::refused;
use super::leading::UNSURE;
use crate::error::NodeError;
use crate::location::KeepLocation;
use crate::options::{DataPaths, WriteOptions};
use crate::part::NodeParts;
use crate::{location, scheduling, uploads, wallet};

/// Makes what a scheduler works with.
pub(crate) type MakeParts = Box<dyn Fn() -> Result<SchedulerParts, NodeError> + Send + Sync>;

/// What a member needs to schedule.
pub(crate) struct Takeover {
    pub(crate) parts: MakeParts,
    pub(crate) writing: WriteOptions,
    pub(crate) endpoints: Endpoints,
    pub(crate) data: DataPaths,
    pub(crate) memory: StoreMemory,
    /// Who asks gateways.
    pub(crate) asking: Http,
    /// For whom looks after the record that says where the scheduler is.
    pub(crate) location: LocationSeat,
}

/// In which term this node is to schedule, and what became of that. Whoever changes where writes go does it under this lock.
#[derive(Debug, Default)]
pub(super) struct TenureSeen {
    wanted: Option<Term>,
    /// The one in which it does.
    open: Option<Term>,
    /// Why it does not in that which is wanted, if that was tried.
    failed: Option<String>,
    /// Whether something of a tenure runs, also while it ends.
    pub(super) runs: bool,
    /// Whether there is to be none any more.
    closed: bool,
}

#[cfg(test)]
impl TenureSeen {
    /// It schedules in this term.
    pub(super) fn opens(&mut self, term: Term) {
        (self.wanted, self.open) = (Some(term), Some(term));
    }
}

/// What schedules, before writes go there.
struct Started {
    scheduler: Scheduler,
    uploads: Option<UploadsHandle>,
    location: Option<LocationHandle>,
}

/// How long until it is tried again to schedule.
const RETRY: Duration = Duration::from_secs(1);
/// How long what waits at the end of a tenure may be waited for.
const ENDED: Duration = Duration::from_secs(40);
/// How often it is looked whether all has left this node.
const SETTLED_AGAIN: Duration = Duration::from_millis(5);

/// Begins and ends what schedules, one after the other, until it is stopped.
pub(super) async fn keep_tenures(member: Arc<MemberNode>, mut stopping: watch::Receiver<bool>) {
    let mut seen = member.tenure.subscribe();
    loop {
        tokio::select! {
            () = until(&mut seen, |tenure| tenure.wanted.is_some()) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        if let Some(term) = member.take_up() {
            member.hold_tenure(term, &mut seen).await;
            member.tenure.send_modify(|tenure| tenure.runs = false);
        }
    }
}

async fn until(seen: &mut watch::Receiver<TenureSeen>, is_so: impl FnMut(&TenureSeen) -> bool) {
    // Who sends is there as long as the member.
    let _ = seen.wait_for(is_so).await;
}

impl MemberNode {
    /// Refuses where this node could not schedule: it needs the wallet that signed what is there.
    pub(super) async fn check_takeover(&self) -> Result<(), MemberCallError> {
        let Some(takeover) = &self.takeover else {
            return refused(
                "this node has no wallet to sign with: start it with SU_WALLET_PATH, the wallet of the leader; nothing was changed",
            );
        };
        let log: Arc<dyn Log> = self.log.clone();
        let given = takeover.writing.signer.address();
        let change = takeover.writing.wallet_change_to;
        match wallet::remembered(&log).await {
            Ok(Some(found)) if found != given && change != Some(given) => refused(format!(
                "the wallet of this node is {given}, and what is in the log is signed by {found}; nothing was changed"
            )),
            Ok(_) => Ok(()),
            Err(error) => Err(MemberCallError::Failed(error.to_string())),
        }
    }

    /// The list of processes that are let in once it leads, if there is one.
    pub(crate) fn items_list(&self) -> Option<ListSeen> {
        self.takeover.as_ref()?.writing.scheduling.limits.list()
    }

    /// Whether it schedules in the term of its log.
    pub(super) fn schedules(&self) -> bool {
        let open = self.tenure.borrow().open;
        open == Some(self.term()) && matches!(self.writes.side(), WriteSide::Open(_))
    }

    /// Why it leads and does not schedule.
    pub(super) fn cannot_schedule(&self) -> Option<String> {
        self.tenure.borrow().failed.clone()
    }

    /// Is to schedule in this term, which is confirmed.
    pub(super) fn begin_tenure(&self, term: Term) {
        self.tenure.send_modify(|tenure| {
            if tenure.closed {
                return;
            }
            if tenure.open.take().is_some() {
                self.leave_location();
                self.writes.set(WriteSide::Unsure(UNSURE.into()), None);
            }
            (tenure.wanted, tenure.failed) = (Some(term), None);
        });
    }

    /// The term in which something is to run here from now on.
    fn take_up(&self) -> Option<Term> {
        let mut wanted = None;
        self.tenure.send_modify(|tenure| {
            wanted = tenure.wanted;
            tenure.runs = wanted.is_some();
        });
        wanted
    }

    /// Schedules for as long as that is wanted in this term; all of it has ended when this returns.
    async fn hold_tenure(&self, term: Term, seen: &mut watch::Receiver<TenureSeen>) {
        let mut parts = NodeParts::default();
        match self.start_tenure(&mut parts, term, seen).await {
            Ok(Some(started)) => {
                if self.open_tenure(term, started) {
                    info!(%term, node = %self.id, "leads and schedules");
                    match lasts(&mut parts, term, seen).await {
                        None => warn!(%term, "leads no more"),
                        Some(part) => {
                            self.fail_tenure(term, format!("its {part} ended with a panic"));
                            end(parts).await;
                            return self.pause(term, seen).await;
                        }
                    }
                }
                end(parts).await;
            }
            Ok(None) => end(parts).await,
            Err(reason) => {
                end(parts).await;
                self.fail_tenure(term, reason);
                self.pause(term, seen).await;
            }
        }
    }

    /// Until it is tried again, if it is to schedule in this term still.
    async fn pause(&self, term: Term, seen: &mut watch::Receiver<TenureSeen>) {
        let _ = timeout(RETRY, until(seen, |tenure| tenure.wanted != Some(term))).await;
    }

    /// Writes go there, unless this node is not to schedule any more; whether they do.
    fn open_tenure(&self, term: Term, started: Started) -> bool {
        let Started { scheduler, uploads, location } = started;
        self.tenure.send_if_modified(|tenure| {
            let is_wanted = tenure.wanted == Some(term);
            if is_wanted {
                if let Some(takeover) = &self.takeover {
                    takeover.location.set(location);
                }
                self.writes.set(WriteSide::Open(scheduler), uploads);
                (tenure.open, tenure.failed) = (Some(term), None);
            }
            is_wanted
        })
    }

    /// Tells why it does not schedule, or no more: each reason once.
    pub(super) fn fail_tenure(&self, term: Term, reason: String) {
        self.tenure.send_if_modified(|tenure| {
            let is_news = tenure.wanted == Some(term) && tenure.failed.as_ref() != Some(&reason);
            if is_news {
                if tenure.open.take().is_some() {
                    self.leave_location();
                }
                error!(reason, %term, "leads, and cannot schedule; trying again");
                let told = format!("this node leads and cannot schedule: {reason}");
                self.writes.set(WriteSide::Unsure(told.into()), None);
                tenure.failed = Some(reason);
            }
            is_news
        });
    }

    /// Starts what schedules; nothing where that is not wanted any more.
    async fn start_tenure(
        &self,
        parts: &mut NodeParts,
        term: Term,
        seen: &mut watch::Receiver<TenureSeen>,
    ) -> Result<Option<Started>, String> {
        let Some(takeover) = &self.takeover else { return Err("it has no wallet to sign with".to_owned()) };
        let told = |error: NodeError| error.to_string();
        let mut file = self.file.clone();
        let become_leader = spawn_blocking(move || file.become_role(StandingRole::Leader)).await;
        become_leader.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        tokio::select! {
            () = self.settled() => {}
            () = until(seen, |tenure| tenure.wanted != Some(term)) => return Ok(None),
        }
        let log: Arc<dyn Log> = self.log.clone();
        let writing = &takeover.writing;
        tokio::select! {
            // What it records is confirmed by others, or never.
            held = wallet::hold(&log, writing.signer.address(), writing.wallet_change_to) => held.map_err(told)?,
            () = until(seen, |tenure| tenure.wanted != Some(term)) => return Ok(None),
        }
        let (data, memory) = (&takeover.data.folder, &takeover.memory);
        let uploads =
            uploads::start(parts, &takeover.endpoints, writing.uploads_rewind_max, &log, data, memory);
        let uploads = uploads.await.map_err(told)?;
        let made = (takeover.parts)().map_err(told)?;
        let clock = made.clock.clone();
        let scheduler = scheduling::start(parts, made, &writing.scheduling).map_err(told)?;
        let location = writing.location.clone().map(|options| {
            let keep = KeepLocation::of_log(options, writing.signer.clone(), log, clock);
            location::start(parts, keep, takeover.asking.clone(), &takeover.endpoints)
        });
        Ok(Some(Started { scheduler, uploads, location }))
    }

    /// Resolves when all that was written has left this node: what a scheduler of before wrote is known to the next one by
    /// then.
    async fn settled(&self) {
        while !(self.log.is_quiet() && self.log.unreleased_for().is_none()) {
            sleep(SETTLED_AGAIN).await;
        }
    }

    /// Nobody looks after the record any more that says where the scheduler is: that is whoever leads.
    fn leave_location(&self) {
        if let Some(takeover) = &self.takeover {
            takeover.location.set(None);
        }
    }

    /// Schedules no more. What waits for an answer may wait for long: nothing waits for that.
    pub(super) fn end_tenure(&self, side: WriteSide) {
        self.tenure.send_modify(|tenure| {
            self.leave_location();
            self.writes.set(side, None);
            (tenure.wanted, tenure.open, tenure.failed) = (None, None, None);
        });
    }

    /// Ends what schedules, when the node ends.
    pub(super) async fn close_tenure(&self) {
        self.tenure.send_modify(|tenure| tenure.closed = true);
        self.end_tenure(WriteSide::Unsure("this node is shutting down".into()));
        let mut seen = self.tenure.subscribe();
        if timeout(ENDED, until(&mut seen, |tenure| !tenure.runs)).await.is_err() {
            warn!("what schedules here does not end");
        }
    }
}

/// Waits until it is to schedule in this term no more, or one of the parts ends by itself, which is named.
pub(super) async fn lasts(
    parts: &mut NodeParts,
    term: Term,
    seen: &mut watch::Receiver<TenureSeen>,
) -> Option<&'static str> {
    tokio::select! {
        () = until(seen, |tenure| tenure.open != Some(term)) => None,
        part = parts.ended() => Some(part),
    }
}

async fn end(mut parts: NodeParts) {
    if timeout(ENDED, parts.stop()).await.is_err() {
        warn!("what scheduled here does not end");
    }
}
