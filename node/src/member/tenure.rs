//! The time for which a member schedules: what it needs for that is started when its term is confirmed, and ended when
//! another node leads.

use std::sync::Arc;
use std::time::Duration;

use ::location::LocationSeat;
use api::{MemberCallError, WriteSide};
use gateway::{Endpoints, Http};
use limits::ListSeen;
use log::{Log, StoreMemory, Term};
use replicator::{MemberError, StandingRole};
use scheduler::{Scheduler, SchedulerParts};
use tracing::{error, info, warn};

use super::MemberNode;
use super::calls::refused;
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

/// What runs while it schedules.
pub(super) struct MemberTenure {
    term: Term,
    parts: NodeParts,
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
    pub(super) async fn schedules(&self) -> bool {
        let term = self.term();
        self.tenure.lock().await.as_ref().is_some_and(|tenure| tenure.term == term)
            && matches!(self.writes.side(), WriteSide::Open(_))
    }

    /// Schedules in this term, which is confirmed.
    pub(super) async fn begin_tenure(&self, term: Term) {
        let mut tenure = self.tenure.lock().await;
        if tenure.as_ref().is_some_and(|tenure| tenure.term == term) {
            return;
        }
        end(tenure.take()).await;
        let mut parts = NodeParts::default();
        match self.start_tenure(&mut parts).await {
            Ok((scheduler, handle)) => {
                self.writes.set(WriteSide::Open(scheduler), handle);
                *tenure = Some(MemberTenure { term, parts });
                info!(%term, node = %self.id, "leads and schedules");
            }
            Err(reason) => {
                error!(reason, %term, "leads, and cannot schedule");
                self.leave_location();
                end(Some(MemberTenure { term, parts })).await;
                let reason = format!("this node leads and cannot schedule: {reason}");
                self.writes.set(WriteSide::Unsure(reason.into()), None);
            }
        }
    }

    async fn start_tenure(
        &self,
        parts: &mut NodeParts,
    ) -> Result<(Scheduler, Option<projections::UploadsHandle>), String> {
        let Some(takeover) = &self.takeover else { return Err("it has no wallet to sign with".to_owned()) };
        let told = |error: NodeError| error.to_string();
        let become_leader = self.with(|member| {
            Ok::<_, MemberError>(
                member.keeper_mut().become_role(StandingRole::Leader).map_err(|error| error.to_string()),
            )
        });
        become_leader.map_err(|error| error.to_string())??;
        let log: Arc<dyn Log> = self.log.clone();
        let writing = &takeover.writing;
        wallet::hold(&log, writing.signer.address(), writing.wallet_change_to).await.map_err(told)?;
        let (data, memory) = (&takeover.data.folder, &takeover.memory);
        let handle =
            uploads::start(parts, &takeover.endpoints, writing.uploads_rewind_max, &log, data, memory);
        let handle = handle.await.map_err(told)?;
        let made = (takeover.parts)().map_err(told)?;
        let clock = made.clock.clone();
        let scheduler = scheduling::start(parts, made, &writing.scheduling).map_err(told)?;
        if let Some(options) = writing.location.clone() {
            let keep = KeepLocation::of_log(options, writing.signer.clone(), log, clock);
            let keeper = location::start(parts, keep, takeover.asking.clone(), &takeover.endpoints);
            takeover.location.set(Some(keeper));
        }
        Ok((scheduler, handle))
    }

    /// Nobody looks after the record any more that says where the scheduler is: that is whoever leads.
    fn leave_location(&self) {
        if let Some(takeover) = &self.takeover {
            takeover.location.set(None);
        }
    }

    /// Schedules no more.
    pub(super) async fn end_tenure(&self, side: WriteSide) {
        self.leave_location();
        self.writes.set(side, None);
        let tenure = self.tenure.lock().await.take();
        if let Some(tenure) = &tenure {
            warn!(term = %tenure.term, "leads no more");
        }
        // What waits for an answer may wait for long: nothing waits for that.
        tokio::spawn(end(tenure));
    }

    /// Ends what schedules, when the node ends.
    pub(super) async fn close_tenure(&self) {
        self.leave_location();
        let tenure = self.tenure.lock().await.take();
        self.writes.set(WriteSide::Unsure("this node is shutting down".into()), None);
        end(tenure).await;
    }
}

/// How long what waits at the end of a tenure may be waited for.
const ENDED: Duration = Duration::from_secs(40);

async fn end(tenure: Option<MemberTenure>) {
    if let Some(mut tenure) = tenure
        && tokio::time::timeout(ENDED, tenure.parts.stop()).await.is_err()
    {
        warn!("what scheduled here does not end");
    }
}
