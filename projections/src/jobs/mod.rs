//! Replays as jobs: started, listed, cancelled and taken up again by number, and remembered across restarts.
//!
//! Each runs on a thread of its own, one at a time for a projection. What is known of them is in one file, replaced
//! atomically; a job that was running when the node went down is *interrupted* afterwards, and can be resumed.

mod file;
mod job;
mod running;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use log::StoreId;
use thiserror::Error;
use tracing::{info, warn};

use crate::projection::ProjectionError;
use crate::replay::{NoSuchScope, Progress, Replay, ReplayScope};

use file::JobsFile;
use job::now_ms;
pub use job::{JobState, ReplayJob};

/// How many jobs are remembered.
const KEPT: usize = 50;

/// The jobs of a node; clones are handles on the same ones.
#[derive(Clone)]
pub struct Jobs(Arc<JobsInner>);

struct JobsInner {
    replays: Vec<Arc<dyn Replay>>,
    file: JobsFile,
    state: Mutex<JobsState>,
}

struct JobsState {
    jobs: Vec<JobEntry>,
    next: u64,
    closing: bool,
}

struct JobEntry {
    job: ReplayJob,
    /// While it runs.
    progress: Option<Arc<Progress>>,
    thread: Option<JoinHandle<()>>,
}

/// Why a job was not started, found, cancelled or resumed.
#[derive(Debug, Error)]
pub enum JobError {
    /// No projection of this name can be replayed here.
    #[error(
        "there is no projection {name:?} to replay in this node; expected one of: {known} (a node has postgres with \
         DATABASE_URL, and uploads with UPLOAD_NODE_URL)"
    )]
    UnknownProjection {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Nothing is derived from what was named.
    #[error(transparent)]
    Scope(#[from] NoSuchScope),
    /// The projection is being replayed.
    #[error("job {job} is replaying {projection} already; wait for it, or cancel it")]
    Busy {
        /// Which projection.
        projection: String,
        /// The job that runs.
        job: u64,
    },
    /// There is no such job (any more).
    #[error("there is no job {0}; the last {KEPT} are kept")]
    NotFound(u64),
    /// Only what runs can be cancelled.
    #[error("job {job} is not running but {}", .state.as_str())]
    NotRunning {
        /// The job.
        job: u64,
        /// What it is.
        state: JobState,
    },
    /// Only what ended early can be taken up again.
    #[error("job {job} is {}; expected one that was cancelled, interrupted or has failed", .state.as_str())]
    NotResumable {
        /// The job.
        job: u64,
        /// What it is.
        state: JobState,
    },
    /// The node is about to stop.
    #[error("the node is stopping; try again when it has started")]
    Closing,
    /// The system gives no thread.
    #[error("a thread for the job cannot be started: {0}")]
    Thread(#[source] io::Error),
}

impl Jobs {
    /// The jobs that the file in this directory tells of; they replay these projections.
    pub fn open(directory: &Path, store: StoreId, replays: Vec<Arc<dyn Replay>>) -> Self {
        let file = JobsFile::new(directory, store);
        let kept = file.read();
        let entry = |mut job: ReplayJob| {
            if job.state == JobState::Running {
                job.end(JobState::Interrupted, None);
            }
            JobEntry { job, progress: None, thread: None }
        };
        let next = kept.next.max(1);
        let state = JobsState { jobs: kept.jobs.into_iter().map(entry).collect(), next, closing: false };
        Self(Arc::new(JobsInner { replays, file, state: Mutex::new(state) }))
    }

    /// The names of the projections that can be replayed.
    pub fn projections(&self) -> Vec<&'static str> {
        self.0.replays.iter().map(|replay| replay.name()).collect()
    }

    /// Starts a replay.
    ///
    /// # Errors
    /// When there is no such projection or process, or it is being replayed.
    pub fn start(&self, projection: &str, scope: ReplayScope) -> Result<ReplayJob, JobError> {
        scope.check()?;
        let replay = self.replay(projection)?;
        let mut state = self.lock();
        state.admits(projection)?;
        let job = ReplayJob::new(state.next, replay.name(), scope);
        let job = self.run(&mut state, job, replay, scope)?;
        state.next += 1;
        self.keep(&mut state);
        Ok(job)
    }

    /// All jobs, the newest first.
    pub fn list(&self) -> Vec<ReplayJob> {
        self.lock().jobs.iter().rev().map(JobEntry::now).collect()
    }

    /// One job.
    ///
    /// # Errors
    /// When there is none of this number.
    pub fn get(&self, id: u64) -> Result<ReplayJob, JobError> {
        self.lock().find(id).map(|entry| entry.now())
    }

    /// The job that is replaying this projection.
    pub fn under_way(&self, projection: &str) -> Option<ReplayJob> {
        let state = self.lock();
        state.running(projection).map(JobEntry::now)
    }

    /// Asks a running job to end early. It does so soon, and is `cancelled` then.
    ///
    /// # Errors
    /// When there is none of this number, or it does not run.
    pub fn cancel(&self, id: u64) -> Result<ReplayJob, JobError> {
        let mut state = self.lock();
        let entry = state.find(id)?;
        match &entry.progress {
            Some(progress) => progress.cancel(),
            None => return Err(JobError::NotRunning { job: id, state: entry.job.state }),
        }
        Ok(entry.now())
    }

    /// Takes up again a job that ended early: where it was when the whole was to be replayed, else behind the last
    /// event that was done.
    ///
    /// # Errors
    /// When there is none of this number, it did not end early, or its projection is being replayed.
    pub fn resume(&self, id: u64) -> Result<ReplayJob, JobError> {
        let mut state = self.lock();
        let job = state.find(id)?.job.clone();
        if matches!(job.state, JobState::Running | JobState::Done) {
            return Err(JobError::NotResumable { job: id, state: job.state });
        }
        let replay = self.replay(&job.projection)?;
        state.admits(&job.projection)?;
        let (job, scope) = job.resumed();
        state.jobs.retain(|entry| entry.job.id != id);
        let job = self.run(&mut state, job, replay, scope)?;
        self.keep(&mut state);
        Ok(job)
    }

    /// Ends all jobs, which are interrupted then, and waits for that; blocks for as long as their batches take.
    pub fn close(&self) {
        let threads: Vec<_> = {
            let mut state = self.lock();
            state.closing = true;
            state
                .jobs
                .iter()
                .filter_map(|entry| entry.progress.as_ref())
                .for_each(|progress| progress.cancel());
            state.jobs.iter_mut().filter_map(|entry| entry.thread.take()).collect()
        };
        for thread in threads {
            if thread.join().is_err() {
                warn!("a replay ended with a panic");
            }
        }
    }

    fn replay(&self, name: &str) -> Result<Arc<dyn Replay>, JobError> {
        let found = self.0.replays.iter().find(|replay| replay.name() == name);
        found.cloned().ok_or_else(|| JobError::UnknownProjection {
            name: name.to_owned(),
            known: self.projections().join(", "),
        })
    }

    fn run(
        &self,
        state: &mut JobsState,
        job: ReplayJob,
        replay: Arc<dyn Replay>,
        scope: ReplayScope,
    ) -> Result<ReplayJob, JobError> {
        let (id, progress, jobs) = (job.id, Arc::new(Progress::default()), self.clone());
        let thread = {
            let progress = progress.clone();
            let thread = thread::Builder::new().name(format!("job {id}"));
            thread.spawn(move || {
                let result = running::run(replay.as_ref(), &scope, &progress, || jobs.note());
                jobs.ended(id, result);
            })
        };
        let thread = thread.map_err(JobError::Thread)?;
        info!(job = id, projection = %job.projection, "replaying");
        let entry = JobEntry { job, progress: Some(progress), thread: Some(thread) };
        let now = entry.now();
        state.jobs.push(entry);
        Ok(now)
    }

    /// Keeps how far a running job is.
    fn note(&self) {
        self.keep(&mut self.lock());
    }

    fn ended(&self, id: u64, result: Result<(), ProjectionError>) {
        let mut state = self.lock();
        let closing = state.closing;
        let Ok(entry) = state.find(id) else { return };
        let (to, reason) = match result {
            Ok(()) => (JobState::Done, None),
            Err(ProjectionError::Cancelled) if closing => (JobState::Interrupted, None),
            Err(ProjectionError::Cancelled) => (JobState::Cancelled, None),
            Err(error) => (JobState::Failed, Some(error.to_string())),
        };
        entry.job = entry.now();
        entry.progress = None;
        entry.job.end(to, reason);
        let projection = &entry.job.projection;
        match &entry.job.reason {
            Some(reason) => warn!(job = id, projection, reason, "a replay failed; it can be resumed"),
            None => info!(job = id, projection, "the replay is {}", to.as_str()),
        }
        self.keep(&mut state);
    }

    /// Writes the file, and forgets the oldest.
    fn keep(&self, state: &mut JobsState) {
        while state.jobs.len() > KEPT {
            let Some(oldest) = state.jobs.iter().position(|entry| entry.progress.is_none()) else { break };
            state.jobs.remove(oldest);
        }
        self.0.file.write(state.next, state.jobs.iter().map(JobEntry::now).collect());
    }

    fn lock(&self) -> MutexGuard<'_, JobsState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JobsState {
    fn find(&mut self, id: u64) -> Result<&mut JobEntry, JobError> {
        self.jobs.iter_mut().find(|entry| entry.job.id == id).ok_or(JobError::NotFound(id))
    }

    fn running(&self, projection: &str) -> Option<&JobEntry> {
        self.jobs.iter().find(|entry| entry.progress.is_some() && entry.job.projection == projection)
    }

    fn admits(&self, projection: &str) -> Result<(), JobError> {
        if self.closing {
            return Err(JobError::Closing);
        }
        match self.running(projection) {
            Some(entry) => Err(JobError::Busy { projection: projection.to_owned(), job: entry.job.id }),
            None => Ok(()),
        }
    }
}

impl JobEntry {
    /// The job as it is at this moment.
    fn now(&self) -> ReplayJob {
        let mut job = self.job.clone();
        if let Some(progress) = &self.progress {
            job.advance(progress.now(), progress.last(), now_ms());
        }
        job
    }
}
