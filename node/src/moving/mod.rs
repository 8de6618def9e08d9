//! Bringing processes here from the stores of other nodes.
//!
//! ```text
//! 1  moving-in   in the log here: nothing is scheduled to the process, nor served of it, until all of it is here
//! 2              its history comes in and is verified, while the other node serves it and schedules to it
//! 3  moved-out   in the log there: nothing comes after that, and the other node leads here for ever
//! 4              the rest comes in; both logs end it at the same hash chain
//! 5  moved-in    in the log here: on with the next nonce
//! or moving-off  in the log here: it is in another store instead, or stays where it is
//! ```
//!
//! Each step is on disk before the next one, and what each finds done it leaves: whatever was killed, the same order again
//! goes on from there. Until step 3 the process is where it was; from then on it is nowhere else than here. Should this store be
//! lost between 3 and 5, an operator can say so: the other node takes the process back (*moved-back* in its log).

mod asking;
mod bringing;
mod fault;
mod leaving;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ans104::Address;
use api::{LeftProcess, MoveCalls, MoveJobForm, MoveOrderForm, Standstill, WriteSide, Writes};
use async_trait::async_trait;
use log::{LocalLog, Log, MoveStep, Rocks, StoreId};
use projections::Position;
use protocol::ProcessId;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::node_tls::NodeTls;
use crate::options::NodeAccess;
use crate::part::{NodePart, NodeParts};
use crate::task_part::TaskPart;
use asking::MoveSource;
use bringing::{Bringing, MoveProgress};
use fault::MoveFault;
use leaving::Leaving;

/// How many processes may be on their way at a time, and how many of those that have ended are remembered.
const RUNNING_MAX: usize = 4;
const ENDED_MAX: usize = 256;

/// What brings processes here.
pub(crate) struct Mover {
    log: Arc<LocalLog<Rocks>>,
    indexed: Position,
    writes: Arc<Writes>,
    address: Address,
    tls: NodeTls,
    runtime: Handle,
    jobs: Mutex<HashMap<ProcessId, MoveJob>>,
    leaving: Leaving,
}

/// One that is on its way, or was.
struct MoveJob {
    /// Where clients are to find it.
    url: String,
    /// Whether it is not to come after all.
    off: bool,
    progress: Arc<Mutex<MoveProgress>>,
    task: JoinHandle<()>,
}

impl Mover {
    /// One for a node whose wallet has this address, as a part of it.
    pub(crate) fn start(
        parts: &mut NodeParts,
        (log, indexed): (Arc<LocalLog<Rocks>>, Position),
        writes: Arc<Writes>,
        address: Address,
        tls: NodeTls,
    ) -> Arc<Self> {
        let (runtime, jobs, leaving) = (Handle::current(), Mutex::default(), Leaving::default());
        let mover = Arc::new(Self { log, indexed, writes, address, tls, runtime, jobs, leaving });
        let watched = mover.clone();
        let watching = tokio::spawn(async move {
            let Self { log, writes, tls, leaving, .. } = &*watched;
            let access = NodeAccess { token: None, tls: tls.clone() };
            leaving.watch(log.clone(), writes.clone(), access).await;
        });
        parts.push(Moving(mover.clone()));
        // Before whom it asks for is gone.
        parts.push(TaskPart { name: "processes that left", task: watching });
        mover
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<ProcessId, MoveJob>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings it, and says how that ended.
    fn bring(&self, process: ProcessId, order: MoveOrderForm) -> Result<MoveJob, String> {
        let (url, off) = (order.url.clone(), order.off);
        let access = NodeAccess { token: order.token, tls: self.tls.clone() };
        let source = MoveSource::new(&order.from, &access, process)?;
        let progress: Arc<Mutex<MoveProgress>> = Arc::default();
        let bringing = Bringing {
            process,
            url: order.url,
            source,
            log: self.log.clone(),
            term: self.log.identity().term,
            indexed: self.indexed.clone(),
            address: self.address,
            tls: self.tls.clone(),
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            progress: progress.clone(),
        };
        let told = progress.clone();
        let task = self.runtime.spawn(async move {
            let ended = if off { bringing.end().await } else { bringing.run().await };
            match &ended {
                Ok(()) if off => info!(%process, "the process does not come here: it is where it was"),
                Ok(()) => info!(%process, "the process is here: it has moved in"),
                Err(MoveFault::Refused(reason)) => warn!(%process, reason, "the process does not come here"),
                Err(MoveFault::Stopped(reason)) => {
                    warn!(%process, reason, "the process is not here yet; `quipu move` goes on with it")
                }
            }
            told.lock().unwrap_or_else(PoisonError::into_inner).ended = Some(ended);
        });
        Ok(MoveJob { url, off, progress, task })
    }
}

impl MoveJob {
    fn progress(&self) -> MoveProgress {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl MoveCalls for Mover {
    fn begin(&self, process: ProcessId, order: MoveOrderForm) -> Result<(), String> {
        if !matches!(self.writes.side(), WriteSide::Open(_)) {
            return Err(
                "this node does not schedule, and nothing moves to it: ask the one that leads".to_owned()
            );
        }
        let mut jobs = self.jobs();
        if let Some(MoveJob { url, off, .. }) = jobs.get(&process).filter(|job| !job.task.is_finished()) {
            if (url, *off) == (&order.url, order.off) {
                return Ok(());
            }
            return Err(format!("it is on its way here already, and clients are to find it at {url}"));
        }
        if jobs.values().filter(|job| !job.task.is_finished()).count() >= RUNNING_MAX {
            return Err(format!(
                "{RUNNING_MAX} processes are on their way here: try again when one has come"
            ));
        }
        if jobs.len() >= ENDED_MAX {
            jobs.retain(|_, job| !job.task.is_finished());
        }
        let job = self.bring(process, order)?;
        jobs.insert(process, job);
        Ok(())
    }

    fn standstill(&self, process: ProcessId) -> Option<Standstill> {
        match self.jobs().get(&process).map(|job| job.progress().ended) {
            Some(None) => None,
            Some(Some(ended)) => {
                Some(Standstill { reason: ended.err().map(|fault| fault.reason().to_owned()) })
            }
            None => Some(Standstill { reason: None }),
        }
    }

    fn copied(&self, process: ProcessId, stays: bool) {
        // What comes behind the end of it is a part of the move, and told as that.
        let is_out = self.log.last_move(process).is_some_and(|step| matches!(step.step, MoveStep::Out(..)));
        self.leaving.copied(process, stays || is_out, Instant::now());
    }

    fn left(&self) -> Vec<LeftProcess> {
        // Nobody looks after them at a node that does not write its log.
        let is_writer = matches!(self.writes.side(), WriteSide::Open(_));
        if is_writer { self.leaving.told(Instant::now()) } else { Vec::new() }
    }

    fn now(&self, process: ProcessId) -> Option<MoveJobForm> {
        let MoveProgress { phase, copied, total, ended } = self.jobs().get(&process)?.progress();
        let state = match &ended {
            None => "running",
            Some(Ok(())) => "done",
            Some(Err(MoveFault::Stopped(_))) => "failed",
            Some(Err(MoveFault::Refused(_))) => "refused",
        };
        let reason = ended.and_then(Result::err).map(|fault| fault.reason().to_owned());
        Some(MoveJobForm {
            state: state.to_owned(),
            phase: phase.to_owned(),
            reason: reason.into(),
            copied,
            total,
        })
    }

    async fn store_at(&self, url: &str) -> Result<Option<StoreId>, String> {
        let access = NodeAccess { token: None, tls: self.tls.clone() };
        asking::store_at(url, &access).await
    }
}

/// What brings processes here, while the node runs.
struct Moving(Arc<Mover>);

#[async_trait]
impl NodePart for Moving {
    fn name(&self) -> &'static str {
        "moves"
    }

    async fn stop(self: Box<Self>) {
        let jobs: Vec<MoveJob> = self.0.jobs().drain().map(|(_, job)| job).collect();
        for job in jobs {
            job.task.abort();
            // Whatever it has not done is done by the same order again.
            let _ = job.task.await;
        }
    }
}
