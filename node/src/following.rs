//! A thread on which a projection follows the log, as a part.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use projections::{Follower, Position, Projection};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

use crate::error::NodeError;
use crate::part::{NodePart, NodeParts};

/// The thread, until it is stopped: then it applies what is left of the log, and ends.
struct Following {
    position: Position,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
    /// Its sender goes when the thread ends.
    over: watch::Receiver<()>,
    patience: Option<Patience>,
}

/// How long a projection may take to end, and what makes it give up after that.
pub(crate) struct Patience {
    pub(crate) limit: Duration,
    pub(crate) give_up: watch::Sender<bool>,
}

/// Lets a projection follow the log from here on.
pub(crate) fn start<P: Projection + 'static>(
    parts: &mut NodeParts,
    follower: Follower<P>,
    patience: Option<Patience>,
) -> Result<(), NodeError> {
    let (position, runtime) = (follower.position(), Handle::current());
    let (stop, stopped) = watch::channel(false);
    let (ending, over) = watch::channel(());
    let part = position.name();
    let thread = thread::Builder::new().name(part.to_owned()).spawn(move || {
        // Also when it panics.
        let _ending = ending;
        follower.run(&runtime, stopped);
    });
    let thread = thread.map_err(|error| NodeError::Thread { part, error })?;
    parts.push(Following { position, stop, thread, over, patience });
    Ok(())
}

#[async_trait]
impl NodePart for Following {
    fn name(&self) -> &'static str {
        self.position.name()
    }

    fn position(&self) -> Option<Position> {
        Some(self.position.clone())
    }

    async fn ended(&mut self) {
        over(&mut self.over).await;
    }

    async fn stop(mut self: Box<Self>) {
        let part = self.name();
        self.stop.send_replace(true);
        if let Some(Patience { limit, give_up }) = &self.patience
            && timeout(*limit, over(&mut self.over)).await.is_err()
        {
            warn!(part, "does not answer; what it lacks it gets after the next start");
            give_up.send_replace(true);
        }
        let thread = self.thread;
        let joined = spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            warn!(part, "ended with a panic; it catches up at the next start");
        }
    }
}

/// Resolves when the thread has ended.
async fn over(over: &mut watch::Receiver<()>) {
    while over.changed().await.is_ok() {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::sync::Arc;

    use log::{EventRef, LocalLog, Log, Memory, MemoryDisk, Seq};
    use projections::{BatchLimit, ProjectionError};

    use super::*;

    /// Has a defect.
    struct Broken;

    impl Projection for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }

        fn batch_limit(&self) -> BatchLimit {
            BatchLimit { events: 1, bytes: 1 }
        }

        fn resume(&mut self, _: &dyn Log) -> Result<Option<Seq>, ProjectionError> {
            panic!("as told")
        }

        fn begin(&mut self) -> Result<(), ProjectionError> {
            Ok(())
        }

        fn stage(&mut self, _: &EventRef<'_>) -> Result<(), ProjectionError> {
            Ok(())
        }

        fn commit(&mut self, _: Seq) -> Result<(), ProjectionError> {
            Ok(())
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_thread_that_dies_is_told() {
        let log = Arc::new(LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap());
        let mut parts = NodeParts::default();
        start(&mut parts, Follower::new(Broken, log), None).unwrap();
        assert_eq!(parts.ended().await, "broken");
        let position = parts.positions().remove(0);
        assert_eq!(position.error().as_deref(), Some("it has stopped"));
        parts.stop().await;
    }
}
