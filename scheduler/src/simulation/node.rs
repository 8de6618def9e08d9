//! A node without threads: each of its parts moves when it is told to.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use ans104::Ed25519Wallet;
use bytes::Bytes;
use log::{LocalLog, Log, Memory, MemoryDisk, Stepper, StoreMemory};
use projections::{Follower, Index, IndexWriter, Position};
use protocol::Timestamp;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{mpsc, oneshot};

use super::items::answer;
use crate::clock::Clock;
use crate::completion::complete_all;
use crate::error::ScheduleError;
use crate::in_flight::InFlight;
use crate::lane::Lane;
use crate::options::SchedulerOptions;
use crate::order::Scheduled;
use crate::scheduler::{SchedulerParts, Shared};
use crate::sequencer::Begun;
use crate::testing::{OneHeight, World};
use crate::workers::{Task, leave_lane};

/// Where a client waits for its answer.
pub(super) type Told = oneshot::Receiver<Result<Scheduled, ScheduleError>>;

pub(super) struct Node {
    pub(super) shared: Arc<Shared>,
    pub(super) stepper: Stepper<Memory>,
    pub(super) log: Arc<dyn Log>,
    pub(super) clock: Arc<JumpingClock>,
    follower: Follower<IndexWriter>,
    /// What workers have begun with, each in its lane.
    begun: Vec<(Arc<Lane>, Begun)>,
    in_flight: mpsc::UnboundedSender<InFlight>,
    completion: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Node {
    pub(super) fn start(disk: &MemoryDisk, index: &Path, clock: Arc<JumpingClock>, runtime: Handle) -> Self {
        let (log, stepper) = LocalLog::stepped(Memory::open(disk), None).expect("the log opens");
        let log: Arc<dyn Log> = Arc::new(log);
        let (index, writer) =
            Index::open(index, log.as_ref(), &StoreMemory::default()).expect("the index opens");
        let mut follower = Follower::new(writer, log.clone());
        follower.catch_up(|_, _| Ok(())).expect("the index catches up");
        let parts = SchedulerParts {
            log: log.clone(),
            index,
            indexed: follower.position(),
            // Nothing here is on chain: what is assigned is handed in behind the questions to the gateway.
            gateway: Arc::<World>::default(),
            heights: Arc::new(OneHeight),
            clock: clock.clone(),
            signer: Arc::new(Ed25519Wallet::from_seed([77; 32])),
        };
        // A table of two lanes for three processes: lanes come and go all the time.
        let options = SchedulerOptions { processes_cached: 2, workers: 2, ..SchedulerOptions::default() };
        let shared = Arc::new(Shared::new(parts, &options, runtime).expect("the log can be read"));
        let (in_flight, receiver) = mpsc::unbounded_channel();
        let completion = Box::pin(complete_all(shared.sequencer.clone(), follower.position(), receiver));
        Self { shared, stepper, log, clock, follower, begun: Vec::new(), in_flight, completion }
    }

    /// Sends an item, whatever the door says.
    pub(super) fn post(&self, item: Bytes) -> Told {
        let (answer, told) = answer(&self.shared.sequencer);
        self.shared.queue_check(item, None, answer);
        told
    }

    /// What a worker thread would do next, were it lucky enough to get the task of this number. A quick one also
    /// finishes at once what it begins with.
    pub(super) fn work(&mut self, number: usize, quick: bool) -> bool {
        match self.shared.work.take(number) {
            Some(Task::Lane(lane)) => match self.shared.sequencer.begin(&lane) {
                Some(begun) if quick => self.decide(lane, begun),
                Some(begun) => self.begun.push((lane, begun)),
                None => leave_lane(&self.shared.work, &self.in_flight, lane, None),
            },
            Some(Task::Check(check)) => check(),
            None => return false,
        }
        true
    }

    /// The rest of what the worker of this number does with the order that it has begun with: a worker may be slow,
    /// and anything may happen meanwhile.
    pub(super) fn finish(&mut self, number: usize) -> bool {
        let Some(number) = number.checked_rem(self.begun.len()) else { return false };
        let (lane, begun) = self.begun.swap_remove(number);
        self.decide(lane, begun);
        true
    }

    fn decide(&self, lane: Arc<Lane>, begun: Begun) {
        let in_flight = self.shared.sequencer.finish(&lane, begun);
        leave_lane(&self.shared.work, &self.in_flight, lane, in_flight);
    }

    pub(super) fn index(&mut self) -> bool {
        self.follower.step().expect("the index can be written") > 0
    }

    pub(super) fn complete(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        assert!(
            self.completion.as_mut().poll(&mut context).is_pending(),
            "the completion never ends by itself"
        );
    }

    /// Completes what comes from now on by this, in the place of how far the index is.
    pub(super) fn complete_by(&mut self, indexed: Position) {
        let (in_flight, receiver) = mpsc::unbounded_channel();
        self.in_flight = in_flight;
        self.completion = Box::pin(complete_all(self.shared.sequencer.clone(), indexed, receiver));
    }

    /// Moves everything until nothing moves any more.
    pub(super) fn settle(&mut self) {
        loop {
            let mut moved = false;
            while self.work(0, true) || self.finish(0) {
                moved = true;
            }
            moved |= self.stepper.turn(usize::MAX) > 0;
            moved |= self.index();
            self.complete();
            if !moved {
                return;
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Checks that wait hold on to the node's parts; a crash forgets them.
        while self.shared.work.take(0).is_some() {}
    }
}

/// A node over this disk, with an index in this folder, and the runtime that it needs.
pub(super) fn start_over(disk: &MemoryDisk, folder: &Path) -> (Node, Runtime) {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let clock = Arc::new(JumpingClock::new());
    (Node::start(disk, &folder.join("index"), clock, runtime.handle().clone()), runtime)
}

/// A clock that its owner moves.
pub(super) struct JumpingClock {
    pub(super) now: AtomicU64,
    /// Milliseconds since the start. Nothing takes any time unless a test says so: how fast this machine is must not
    /// decide what happens.
    pub(super) passed: AtomicU64,
    start: Instant,
}

impl JumpingClock {
    pub(super) fn new() -> Self {
        Self { now: AtomicU64::new(1_700_000_000_000), passed: AtomicU64::default(), start: Instant::now() }
    }
}

impl Clock for JumpingClock {
    fn now(&self) -> Timestamp {
        Timestamp::new(self.now.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Instant {
        self.start + Duration::from_millis(self.passed.load(Ordering::Relaxed))
    }
}
