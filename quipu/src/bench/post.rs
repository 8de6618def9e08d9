//! Posting the workload: how many acknowledgements per second, and how long each takes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ans104::Id;
use futures_util::future::join_all;
use hdrhistogram::{CreationError, Histogram};
use indicatif::ProgressBar;

use crate::client::{Accepted, ClientError, Connection, Door, SchedulerClient};
use crate::failure::{Failure, chain};

use super::BenchError;
use super::acks::AckLog;
use super::cpu::cpu_time;
use super::floor::Floor;
use super::progress::bar;
use super::report::{Latency, PostReport};
use super::workload::{Workload, WorkloadItem};

/// How long a connection that broke waits before it goes on.
const PAUSE: Duration = Duration::from_millis(200);
/// Two minutes: the client waits for less.
const LONGEST_US: u64 = 120_000_000;

/// What to post, and how.
#[derive(Debug)]
pub struct Posting<'a> {
    /// To whom.
    pub scheduler: &'a SchedulerClient,
    /// What.
    pub workload: &'a Workload,
    /// Where acknowledgements are noted.
    pub acks: Option<&'a AckLog>,
    /// How many connections at a time.
    pub connections: usize,
    /// For at most how long.
    pub duration: Option<Duration>,
    /// Whether to go on when a connection breaks.
    pub keep_going: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Posted {
    acknowledged: Vec<usize>,
    errors: BTreeMap<String, u64>,
    first_error: Option<String>,
    latency_us: Histogram<u64>,
    elapsed: Duration,
    client_cpu: Duration,
}

/// What the connections share; they take turns on one thread.
struct State {
    start: Instant,
    next: Cell<usize>,
    stop: Cell<bool>,
    acknowledged: RefCell<Vec<usize>>,
    errors: RefCell<BTreeMap<String, u64>>,
    first_error: RefCell<Option<String>>,
    latency_us: RefCell<Histogram<u64>>,
    failure: RefCell<Option<BenchError>>,
    progress: ProgressBar,
}

impl Posting<'_> {
    /// Spawns the processes, opens the connections, then posts and measures.
    ///
    /// # Errors
    /// When a process is not taken, or acknowledgements cannot be noted. Messages that are not taken are counted.
    pub async fn run(&self) -> Result<Posted, Failure> {
        for process in &self.workload.processes {
            self.scheduler.post(process.bytes.clone()).await?;
            self.note(process.id, process.id)?;
        }
        let door = Door::find(self.scheduler).await?;
        let connections = join_all((0..self.connections).map(|_| door.connect())).await;
        let connections = connections.into_iter().collect::<Result<Vec<_>, _>>()?;
        let state = State::new(self.workload.messages.len())?;
        let cpu_before = cpu_time();
        join_all(connections.into_iter().map(|connection| self.post_in_turn(&state, connection))).await;
        let (elapsed, client_cpu) = (state.start.elapsed(), cpu_time().saturating_sub(cpu_before));
        state.progress.finish_and_clear();
        state.finish(elapsed, client_cpu)
    }

    async fn post_in_turn(&self, state: &State, mut connection: Connection) {
        let over = |state: &State| self.duration.is_some_and(|duration| state.start.elapsed() >= duration);
        while !state.stop.get() && !over(state) {
            let place = state.next.get();
            let Some(message) = self.workload.messages.get(place) else { break };
            state.next.set(place + 1);
            let start = Instant::now();
            match connection.post(message.bytes.clone()).await {
                Ok(accepted) => {
                    state.record(start.elapsed());
                    self.acknowledge(state, place, message, &accepted);
                }
                Err(error) => self.failed(state, &error).await,
            }
            state.progress.inc(1);
        }
    }

    fn acknowledge(&self, state: &State, place: usize, message: &WorkloadItem, accepted: &Accepted) {
        if accepted.id.parse() != Ok(message.id) {
            return state.count("wrong id", || format!("{} was acknowledged as {}", message.id, accepted.id));
        }
        state.acknowledged.borrow_mut().push(place);
        let process = self.workload.processes.get(message.process);
        if let Err(failure) = process.map_or(Ok(()), |process| self.note(process.id, message.id)) {
            state.failure.replace(Some(failure));
            state.stop.set(true);
        }
    }

    async fn failed(&self, state: &State, error: &ClientError) {
        state.count(&error.kind(), || chain(error));
        if error.is_connection() && self.keep_going {
            tokio::time::sleep(PAUSE).await;
        } else if error.is_connection() {
            state.stop.set(true);
        }
    }

    fn note(&self, process: Id, message: Id) -> Result<(), BenchError> {
        self.acks.map_or(Ok(()), |acks| acks.note(process, message))
    }
}

impl State {
    fn new(messages: usize) -> Result<Self, BenchError> {
        Ok(Self {
            start: Instant::now(),
            next: Cell::new(0),
            stop: Cell::new(false),
            acknowledged: RefCell::default(),
            errors: RefCell::default(),
            first_error: RefCell::default(),
            latency_us: RefCell::new(latencies()?),
            failure: RefCell::default(),
            progress: bar("posting", messages as u64),
        })
    }

    fn record(&self, took: Duration) {
        self.latency_us.borrow_mut().saturating_record(micros(took));
    }

    fn count(&self, kind: &str, text: impl FnOnce() -> String) {
        *self.errors.borrow_mut().entry(kind.to_owned()).or_default() += 1;
        self.first_error.borrow_mut().get_or_insert_with(text);
    }

    fn finish(self, elapsed: Duration, client_cpu: Duration) -> Result<Posted, Failure> {
        if let Some(failure) = self.failure.into_inner() {
            return Err(failure.into());
        }
        Ok(Posted {
            acknowledged: self.acknowledged.into_inner(),
            errors: self.errors.into_inner(),
            first_error: self.first_error.into_inner(),
            latency_us: self.latency_us.into_inner(),
            elapsed,
            client_cpu,
        })
    }
}

impl Posted {
    /// The messages that were acknowledged.
    pub fn acknowledged<'a>(&'a self, workload: &'a Workload) -> impl Iterator<Item = &'a WorkloadItem> {
        self.acknowledged.iter().filter_map(|place| workload.messages.get(*place))
    }

    /// The figures.
    pub fn summary(&self, floor: Option<&Floor>) -> PostReport {
        let acknowledged = self.acknowledged.len() as u64;
        let per_second = acknowledged as f64 / self.elapsed.as_secs_f64();
        PostReport {
            acknowledged,
            errors: self.errors.clone(),
            first_error: self.first_error.clone(),
            seconds: self.elapsed.as_secs_f64(),
            per_second,
            of_all_cores_floor: floor.map(|floor| per_second / floor.all_cores_per_second),
            of_one_core_floor: floor.map(|floor| per_second / floor.one_core_per_second),
            latency: Latency::of(&self.latency_us),
            client_cpu_seconds: self.client_cpu.as_secs_f64(),
        }
    }
}

/// A record of latencies in microseconds, exact to three digits.
///
/// # Errors
/// Never, with these bounds.
pub fn latencies() -> Result<Histogram<u64>, CreationError> {
    Histogram::new_with_max(LONGEST_US, 3)
}

/// Whole microseconds.
pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
