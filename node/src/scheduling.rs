//! The write path of a node.

use std::time::Duration;

use async_trait::async_trait;
use scheduler::{Scheduler, SchedulerOptions, SchedulerParts};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

use crate::error::NodeError;
use crate::part::{NodePart, NodeParts};

/// How long a stopping node waits until what it accepted is on disk.
const FINISHED: Duration = Duration::from_secs(30);

/// The scheduler, which finishes what it accepted.
struct Scheduling(Scheduler);

/// Takes messages from here on.
pub(crate) fn start(
    parts: &mut NodeParts,
    from: SchedulerParts,
    options: &SchedulerOptions,
) -> Result<Scheduler, NodeError> {
    let started = Scheduler::start(from, options);
    let scheduler = started.map_err(|error| NodeError::Thread { part: "scheduler", error })?;
    parts.push(Scheduling(scheduler.clone()));
    Ok(scheduler)
}

#[async_trait]
impl NodePart for Scheduling {
    fn name(&self) -> &'static str {
        "scheduler"
    }

    async fn ended(&mut self) {
        self.0.ended().await;
    }

    async fn stop(self: Box<Self>) {
        if timeout(FINISHED, self.0.close()).await.is_err() {
            warn!(
                "some messages were not on disk in time; whoever sent them did not hear what became of them"
            );
        }
        // The last handle waits for the threads that sign.
        if spawn_blocking(move || drop(self)).await.is_err() {
            warn!("the scheduler ended with a panic; what was acknowledged is on disk");
        }
    }
}
