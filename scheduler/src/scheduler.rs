//! The scheduler as the API sees it: requests in, durable answers out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ans104::{Address, Id, Signer};
use bytes::Bytes;
use gateway::Gateway;
use limits::ItemLimits;
use log::{Log, ReadError};
use projections::{Index, Position};
use protocol::{Nonce, ProcessId};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::admission::{Admitted, Rules};
use crate::backlog::Stage;
use crate::clock::{Clock, Heights};
use crate::completion::complete_all;
use crate::error::ScheduleError;
use crate::gateways::{Gateways, Purpose, in_time};
use crate::lanes::Lanes;
use crate::look_ups::LookUps;
use crate::metrics;
use crate::on_chain;
use crate::options::SchedulerOptions;
use crate::order::{Answer, AssignOrder, Order, Scheduled};
use crate::readiness::IndexSeen;
use crate::sequencer::Sequencer;
use crate::succession::Succession;
use crate::workers::{Work, Workers};

/// How long a request waits before it is told that disk or index do not answer, and when it is looked whether they do.
const UNSTORED_WAIT: Duration = Duration::from_secs(15);
const LOOK_FIRST: Duration = Duration::from_secs(4);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long any request waits: longer than gateways may take, and less than the 120 seconds after which the listener
/// cuts a connection that is silent.
const ANSWER_MAX: Duration = Duration::from_secs(110);

/// An answer that is waited for.
pub(crate) type AnswerToCome = oneshot::Receiver<Result<Scheduled, ScheduleError>>;

/// A handle on the scheduler; clones share it.
#[derive(Clone)]
pub struct Scheduler {
    inner: Arc<Inner>,
}

/// What a scheduler works with.
pub struct SchedulerParts {
    /// The truth.
    pub log: Arc<dyn Log>,
    /// Where ids are looked up.
    pub index: Index,
    /// How far the index has come: nothing is acknowledged before it can be read.
    pub indexed: Position,
    /// What is asked about things on chain.
    pub gateway: Arc<dyn Gateway>,
    /// The newest block height.
    pub heights: Arc<dyn Heights>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// The scheduler's wallet.
    pub signer: Arc<dyn Signer>,
}

struct Inner {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    waiting_max: u32,
    completion: JoinHandle<()>,
    /// Its sender goes when the completion ends.
    ended: watch::Receiver<()>,
    _workers: Workers,
}

/// What requests need, also after the one who asked has gone.
pub(crate) struct Shared {
    pub(crate) sequencer: Arc<Sequencer>,
    pub(crate) work: Arc<Work>,
    pub(crate) lanes: Lanes,
    pub(crate) gateways: Gateways,
    pub(crate) look_ups: LookUps,
    pub(crate) succession: Succession,
    pub(crate) indexed: Position,
    pub(crate) index_seen: IndexSeen,
    pub(crate) deep_hash_checks: bool,
    pub(crate) limits: Arc<ItemLimits>,
    pub(crate) runtime: Handle,
}

impl Scheduler {
    /// Starts the worker threads and the completion task, on the runtime that it is called in.
    ///
    /// # Errors
    /// When a thread cannot be started, or the log cannot be read.
    pub fn start(parts: SchedulerParts, options: &SchedulerOptions) -> std::io::Result<Self> {
        let shared = Shared::new(parts, options, Handle::current()).map_err(std::io::Error::other)?;
        let shared = Arc::new(shared);
        let (completion, in_flight) = mpsc::unbounded_channel();
        let workers = Workers::start(options.workers, &shared.sequencer, &shared.work, &completion)?;
        let completing = complete_all(shared.sequencer.clone(), shared.indexed.clone(), in_flight);
        let (over, ended) = watch::channel(());
        let completion = tokio::spawn(async move {
            // Also when it panics.
            let _over = over;
            completing.await;
        });
        let waiting_max = u32::try_from(options.waiting_max).unwrap_or(u32::MAX);
        let permits = Arc::new(Semaphore::new(waiting_max as usize));
        Ok(Self {
            inner: Arc::new(Inner { shared, permits, waiting_max, completion, ended, _workers: workers }),
        })
    }

    /// How many requests it has taken and not answered yet.
    pub fn waiting(&self) -> usize {
        (self.inner.waiting_max as usize).saturating_sub(self.inner.permits.available_permits())
    }

    /// Refuses while nothing more is taken: whoever asks this first need not read what would be refused.
    ///
    /// # Errors
    /// With the reason, which is counted as a refusal.
    pub fn check_door(&self) -> Result<(), ScheduleError> {
        self.permit().map(drop)
    }

    /// Schedules a data item: a process or a message.
    ///
    /// Dropping the returned future takes the request back as long as its turn has not come; after that it is scheduled
    /// wholly, or refused.
    pub async fn schedule(&self, item: Bytes) -> Result<Scheduled, ScheduleError> {
        self.schedule_for(None, item).await
    }

    /// The same, but where the client names a process beside the item, one for another process is refused.
    pub async fn schedule_for(
        &self,
        named: Option<ProcessId>,
        item: Bytes,
    ) -> Result<Scheduled, ScheduleError> {
        // While the router is asked no permit is held.
        self.inner.shared.check_place(&item).await.inspect_err(metrics::refused)?;
        let (answer, scheduled) = self.open()?;
        self.inner.shared.queue_check(item, named, answer);
        self.wait(scheduled).await
    }

    /// Assigns what is on chain already to a process.
    ///
    /// Dropping the returned future takes the request back as long as gateways are asked and its turn has not come;
    /// after that it is scheduled wholly, or refused.
    pub async fn assign(&self, order: AssignOrder) -> Result<Scheduled, ScheduleError> {
        // What would be refused is refused before anybody is asked. While gateways are asked no permit is held:
        // messages need none of them.
        self.check_door()?;
        let shared = &self.inner.shared;
        let intake = shared.check_assign(&order).await.inspect_err(metrics::refused)?;
        let (answer, scheduled) = self.open()?;
        shared.submit(Order { process: order.process, intake, answer });
        self.wait(scheduled).await
    }

    /// Whether a process gets an assignment when it is spawned.
    pub fn assigns_spawns(&self) -> bool {
        self.inner.shared.sequencer.process_assignment
    }

    /// What is let in.
    pub fn limits(&self) -> &ItemLimits {
        &self.inner.shared.limits
    }

    /// The address of the scheduler's wallet.
    pub fn address(&self) -> Address {
        self.inner.shared.sequencer.signer.address()
    }

    /// Resolves when nothing is answered any more although the scheduler was not closed: a defect.
    pub async fn ended(&self) {
        let mut ended = self.inner.ended.clone();
        while ended.changed().await.is_ok() {}
    }

    /// Ends what answers, as a panic in it would.
    #[cfg(test)]
    pub(crate) fn break_completion(&self) {
        self.inner.completion.abort();
    }

    /// Takes no more requests, and returns when all that were taken are answered.
    pub async fn close(&self) {
        self.inner.shared.gateways.close();
        let all = self.inner.permits.acquire_many(self.inner.waiting_max).await;
        self.inner.permits.close();
        drop(all);
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    /// Waits for the answer. While disk or index do not answer that may be never, and then the client is told so.
    pub(crate) async fn wait(&self, scheduled: AnswerToCome) -> Result<Scheduled, ScheduleError> {
        let (mut scheduled, since) = (scheduled, Instant::now());
        let mut pause = LOOK_FIRST;
        loop {
            if let Ok(answer) = timeout(pause, &mut scheduled).await {
                return answer.unwrap_or_else(|_| Err(ScheduleError::Lost).inspect_err(metrics::refused));
            }
            let waited = since.elapsed();
            let reason = match self.shared().check_stored() {
                Err(reason) if waited >= UNSTORED_WAIT => reason.to_string(),
                Ok(()) if waited >= ANSWER_MAX => "the node has too much to do".to_owned(),
                _ => {
                    pause = LOOK_EVERY;
                    continue;
                }
            };
            return Err(ScheduleError::Unanswered { waited, reason }).inspect_err(metrics::refused);
        }
    }

    pub(crate) fn open(&self) -> Result<(Answer, AnswerToCome), ScheduleError> {
        let sequencer = &self.inner.shared.sequencer;
        Ok(Answer::new(self.permit()?, &sequencer.backlog, sequencer.clock.monotonic()))
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, ScheduleError> {
        self.inner.shared.check_door().inspect_err(metrics::refused)?;
        let permit = self.inner.permits.clone().try_acquire_owned().map_err(|error| match error {
            TryAcquireError::Closed => ScheduleError::Busy("the node is shutting down"),
            TryAcquireError::NoPermits => ScheduleError::Busy("too many requests are waiting"),
        });
        permit.inspect_err(metrics::refused)
    }
}

impl Shared {
    pub(crate) fn new(
        parts: SchedulerParts,
        options: &SchedulerOptions,
        runtime: Handle,
    ) -> Result<Self, ReadError> {
        let SchedulerParts { log, index, indexed, gateway, heights, clock, signer } = parts;
        let succession = Succession::of(log.as_ref(), signer.as_ref())?;
        let sequencer = Sequencer::new(log, index, signer, clock, heights, options);
        Ok(Self {
            sequencer: Arc::new(sequencer),
            work: Arc::default(),
            lanes: Lanes::new(options.processes_cached),
            gateways: Gateways::new(gateway),
            look_ups: LookUps::new(runtime.clone()),
            succession,
            indexed,
            index_seen: IndexSeen::default(),
            deep_hash_checks: options.deep_hash_checks,
            limits: options.limits.clone(),
            runtime,
        })
    }

    /// Refuses at the door what could not be acknowledged anyway, or not in time.
    pub(crate) fn check_door(&self) -> Result<(), ScheduleError> {
        self.check_open()?;
        self.sequencer.backlog.check_room()
    }

    /// Queues an item to be checked.
    pub(crate) fn queue_check(self: &Arc<Self>, item: Bytes, only: Option<ProcessId>, mut answer: Answer) {
        answer.wait_for(Stage::Check);
        let shared = self.clone();
        self.work.push_check(Box::new(move || shared.check(item, only, answer)));
    }

    /// Runs on a worker: holds the item against the rules and queues it in its lane.
    fn check(self: Arc<Self>, item: Bytes, only: Option<ProcessId>, answer: Answer) {
        let clock = self.sequencer.clock.clone();
        let started = clock.monotonic();
        let Some(mut answer) = answer.still_wanted(started) else { return };
        let rules = Rules {
            only,
            deep_hash_checks: self.deep_hash_checks,
            limits: &self.limits,
            check_process: &|process| self.check_process(process),
        };
        let admitted = rules.admit(item);
        answer.wait_for(Stage::Elsewhere);
        self.sequencer.measures.verified(started.elapsed());
        self.sequencer.backlog.checked(clock.monotonic().saturating_duration_since(started));
        match admitted {
            Ok(admitted) => self.after_admission(admitted, answer),
            Err(error) => answer.refuse(error),
        }
    }

    fn after_admission(self: Arc<Self>, admitted: Admitted, answer: Answer) {
        let Admitted { process, intake, boots_from } = admitted;
        let order = Order { process, intake, answer };
        match self.unknown(process, boots_from) {
            Ok((None, None)) => self.submit(order),
            Ok((boots_from, nonce)) => {
                drop(self.runtime.clone().spawn(self.ask_and_submit(order, boots_from, nonce)))
            }
            Err(error) => order.answer.refuse(error),
        }
    }

    /// What gateways are to be asked before something is scheduled to a process: for what it boots from, and for an
    /// assignment with the nonce that comes next.
    fn unknown(
        &self,
        process: ProcessId,
        boots_from: Option<Id>,
    ) -> Result<(Option<Id>, Option<Nonce>), ScheduleError> {
        let nonce = self.doubtful(process)?;
        // A process that is here was let in once; the gateway need not be asked again.
        let is_new = boots_from.is_some() && !self.is_known(process)?;
        Ok((boots_from.filter(|_| is_new), nonce))
    }

    /// Submits an order when gateways have told what it depends on, unless its client goes before that is known.
    async fn ask_and_submit(self: Arc<Self>, mut order: Order, boots_from: Option<Id>, nonce: Option<Nonce>) {
        let process = order.process;
        let asked = async {
            if let Some(boots_from) = boots_from {
                let asked = on_chain::check_boot(self.gateways.gateway(), boots_from);
                self.gateways.ask(Purpose::Boot, asked).await?;
            }
            match nonce {
                Some(nonce) => self.check_nonce(process, nonce).await,
                None => Ok(()),
            }
        };
        let allowed = tokio::select! {
            allowed = in_time(asked) => Some(allowed),
            () = order.answer.closed() => None,
        };
        order.answer.queued = self.sequencer.clock.monotonic();
        match allowed {
            Some(Ok(())) => self.submit(order),
            Some(Err(error)) => order.answer.refuse(error),
            None => metrics::abandoned(),
        }
    }

    /// The nonce that comes next in a process, if it may have been given before; reads the log.
    pub(crate) fn doubtful(&self, process: ProcessId) -> Result<Option<Nonce>, ScheduleError> {
        Ok(self.succession.doubtful(
            self.sequencer.log.as_ref(),
            process,
            self.sequencer.clock.monotonic(),
        )?)
    }

    /// Refuses a process whose next nonce was given before, by a node whose place this one took.
    pub(crate) async fn check_nonce(&self, process: ProcessId, nonce: Nonce) -> Result<(), ScheduleError> {
        self.succession.check(&self.gateways, self.sequencer.clock.as_ref(), process, nonce).await
    }

    pub(crate) fn is_known(&self, process: ProcessId) -> Result<bool, ScheduleError> {
        if self.lanes.peek(process).is_some_and(|lane| lane.is_present()) {
            return Ok(true);
        }
        Ok(self.sequencer.log.head(process)?.is_some())
    }

    fn check_process(&self, process: ProcessId) -> Result<(), ScheduleError> {
        self.check_here(process)?;
        if !self.is_known(process)? {
            return Err(ScheduleError::UnknownProcess(process));
        }
        self.check_lane(process)
    }

    /// Refuses what would wait too long in its lane.
    pub(crate) fn check_lane(&self, process: ProcessId) -> Result<(), ScheduleError> {
        let waiting = self.lanes.peek(process).map_or(0, |lane| lane.waiting());
        self.sequencer.backlog.check_lane(waiting)
    }

    pub(crate) fn submit(&self, mut order: Order) {
        order.answer.wait_for(Stage::Order);
        let lane = self.lanes.get(order.process);
        if lane.push(order) {
            self.work.push_lane(lane);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Completion ends by itself with the last worker; this is for a scheduler dropped without being closed.
        self.completion.abort();
    }
}
