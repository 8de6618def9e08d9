//! `quipu replay`: makes a projection anew, in a node that serves or without one.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use log::Seq;
use projections::{Progress, ReplayScope};
use protocol::ProcessId;
use serde::Deserialize;
use serde_json::json;
use tokio::runtime::Builder;
use tokio::time::sleep;

use crate::client::{AdminArgs, AdminClient, runtime};
use crate::failure::Failure;
use crate::node::OfflineArgs;
use crate::output::counted;
use crate::shown::{Shown, attend};

const EXAMPLES: &str = "\
Without --from and --process a new copy of the projection is built; the old one is used until the new one replaces it. \
Ctrl-C leaves the job running in the node; with --offline it ends it.

Examples:
  quipu replay index                          rebuild the index of the node on this machine
  quipu replay postgres --from 120000         project again everything from event 120000 on
  quipu replay index --process $P             one process only
  quipu replay index --cancel                 cancel the running job
  quipu replay index --resume                 resume the newest job that ended early
  quipu replay index --offline --su-data-dir /var/lib/quipu/data     without a node

Exit codes: 0 done, 1 failed or ended early (one line on standard error says why), 2 wrong usage or setting.";

/// Rebuild a projection from the log, or a part of it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReplayArgs {
    /// The projection: index, postgres or uploads (`quipu projections` lists those of a node)
    projection: String,
    /// Begin at the event with this sequence number
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["cancel", "resume"])]
    from: Option<u64>,
    /// Only the events of this process
    #[arg(long, allow_hyphen_values = true, conflicts_with_all = ["cancel", "resume"])]
    process: Option<ProcessId>,
    /// Cancel the projection's running job
    #[arg(long, conflicts_with = "resume")]
    cancel: bool,
    /// Resume the projection's newest job that ended early
    #[arg(long)]
    resume: bool,
    /// Replay without a node, with the settings of the node, which must be stopped
    #[arg(long, conflicts_with_all = ["cancel", "resume"])]
    offline: bool,
    #[command(flatten)]
    node: AdminArgs,
    #[command(flatten)]
    settings: OfflineArgs,
}

/// A job as the node tells of it.
#[derive(Debug, Deserialize)]
struct Job {
    id: u64,
    projection: String,
    state: String,
    reason: Option<String>,
    phase: String,
    done: u64,
    total: u64,
    took_ms: u64,
}

/// Why a replay is not what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The job failed.
    #[error("job {id} failed: {reason}; `quipu replay {projection} --resume` resumes it")]
    Failed {
        /// Its number.
        id: u64,
        /// What it replays.
        projection: String,
        /// Why it failed.
        reason: String,
    },
    /// The job ended early.
    #[error("job {id} is {state}; `quipu replay {projection} --resume` resumes it")]
    Ended {
        /// Its number.
        id: u64,
        /// What it replays.
        projection: String,
        /// What it is now.
        state: String,
    },
    /// There is nothing to end or to take up again.
    #[error("there is no job of {projection} {what}")]
    NoJob {
        /// What was to be replayed.
        projection: String,
        /// What was looked for.
        what: &'static str,
    },
}

const ASK_EVERY: Duration = Duration::from_millis(250);

impl ReplayArgs {
    /// Does it and waits for it; what became of it goes to `out`, progress to standard error.
    ///
    /// # Errors
    /// When the node is not reached or refuses, or the replay fails.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        if self.offline {
            return self.without_node(out);
        }
        runtime()?.block_on(self.in_node(out))
    }

    async fn in_node(self, out: &mut dyn Write) -> Result<(), Failure> {
        let node = self.node.connect_to_change(self.settings.data())?;
        if self.cancel {
            let running = self.newest(&node, "that runs", |job| job.state == "running").await?;
            let job: Job = node.post(&format!("/jobs/{}/cancel", running.id), None).await?;
            writeln!(out, "job {} is being cancelled", job.id)?;
            return Ok(());
        }
        let job: Job = if self.resume {
            let is_one = |job: &Job| !matches!(job.state.as_str(), "running" | "done");
            let ended = self.newest(&node, "that ended early", is_one).await?;
            node.post(&format!("/jobs/{}/resume", ended.id), None).await?
        } else {
            let process = self.process.map(|process| process.to_string());
            let mut asked = json!({ "projection": self.projection });
            if let Some(fields) = asked.as_object_mut() {
                fields.extend(self.from.map(|from| ("from".to_owned(), from.into())));
                fields.extend(process.map(|process| ("process".to_owned(), process.into())));
            }
            node.post("/jobs", Some(asked)).await?
        };
        tokio::select! {
            done = watch(&node, job.id, out) => done,
            _ = tokio::signal::ctrl_c() => {
                let name = &self.projection;
                writeln!(
                    out,
                    "job {} goes on in the node; `quipu replay {name} --cancel` cancels it, and `quipu replay {name} \
                     --resume` resumes it after that",
                    job.id
                )?;
                Ok(())
            }
        }
    }

    async fn newest(
        &self,
        node: &AdminClient,
        what: &'static str,
        is_one: impl Fn(&Job) -> bool,
    ) -> Result<Job, Failure> {
        let jobs: Vec<Job> = node.get("/jobs").await?;
        let found = jobs.into_iter().find(|job| job.projection == self.projection && is_one(job));
        found.ok_or_else(|| ReplayError::NoJob { projection: self.projection.clone(), what }.into())
    }

    fn without_node(self, out: &mut dyn Write) -> Result<(), Failure> {
        let scope = ReplayScope { from: self.from.map(Seq::new), process: self.process };
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(Failure::Runtime)?;
        let (progress, started) = (Arc::new(Progress::default()), Instant::now());
        let mut shown = Shown::new();
        let replayed = runtime.block_on(async {
            tokio::select! {
                replayed = self.settings.replay(&self.projection, scope, &progress) => replayed,
                never = attend(&progress, &mut shown, started) => match never {},
            }
        });
        shown.clear();
        replayed?;
        let (done, took) = (progress.now().done, started.elapsed());
        writeln!(out, "{}: {} in {}", self.projection, counted(done, "event"), seconds(took))?;
        Ok(())
    }
}

/// Shows a job until it ends.
async fn watch(node: &AdminClient, id: u64, out: &mut dyn Write) -> Result<(), Failure> {
    let mut shown = Shown::new();
    loop {
        let job: Job = node.get(&format!("/jobs/{id}")).await?;
        let took = Duration::from_millis(job.took_ms);
        if job.state == "running" {
            shown.show(&job.phase, job.done, job.total, took);
            sleep(ASK_EVERY).await;
            continue;
        }
        shown.clear();
        let Job { id, projection, state, reason, done, .. } = job;
        if state == "done" {
            writeln!(out, "job {id} is done: {projection}, {} in {}", counted(done, "event"), seconds(took))?;
            return Ok(());
        }
        return Err(match reason {
            Some(reason) => ReplayError::Failed { id, projection, reason },
            None => ReplayError::Ended { id, projection, state },
        }
        .into());
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1} seconds", took.as_secs_f64())
}
