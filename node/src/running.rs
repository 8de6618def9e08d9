//! A node that runs.

use std::mem;
use std::net::SocketAddr;
use std::sync::Weak;
use std::time::{Duration, Instant};

use log::Log;
use projections::Position;
use thiserror::Error;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::info;

use crate::error::NodeError;
use crate::listeners::Addresses;
use crate::part::NodeParts;

/// How long a node may take to stop; its parts have shorter limits of their own.
const STOP_MAX: Duration = Duration::from_secs(75);
/// How long a node that stops waits for a disk that does not answer: until those who wait have been told so.
const UNSYNCED_MAX: Duration = Duration::from_secs(25);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A node that serves.
pub struct RunningNode {
    parts: NodeParts,
    addresses: Addresses,
    log: Weak<dyn Log>,
}

/// What a node that is up tells of itself.
pub(crate) struct Served {
    pub(crate) addresses: Addresses,
    pub(crate) log: Weak<dyn Log>,
}

/// Why a node did not come to its end.
#[derive(Debug, Error)]
pub enum StopError {
    /// What was written is not known to be on disk, and nothing more can be waited for.
    #[error("the disk has not confirmed a write for {} seconds", .0.as_secs())]
    Disk(Duration),
    /// A part did not end.
    #[error("its part {part:?} has not ended, {} seconds after the node was to stop", .waited.as_secs())]
    Part {
        /// Which one.
        part: &'static str,
        /// How long the node has been stopping.
        waited: Duration,
    },
}

impl RunningNode {
    /// The node, if all its parts have started; else those that have end again.
    pub(crate) async fn of(
        mut parts: NodeParts,
        started: Result<Served, NodeError>,
    ) -> Result<Self, NodeError> {
        match started {
            Ok(Served { addresses, log }) => Ok(Self { parts, addresses, log }),
            Err(error) => {
                parts.stop().await;
                Err(error)
            }
        }
    }

    /// Where clients find it.
    pub fn public(&self) -> SocketAddr {
        self.addresses.public
    }

    /// Where its operator finds it.
    pub fn admin(&self) -> SocketAddr {
        self.addresses.admin
    }

    /// How far each part has come that follows the log.
    pub fn positions(&self) -> Vec<Position> {
        self.parts.positions()
    }

    /// Resolves with the name of the first part that ends although nobody has stopped it.
    pub async fn ended(&mut self) -> &'static str {
        self.parts.ended().await
    }

    /// Whether a part has ended so that the node is stopped and started again.
    pub fn starts_again(&self) -> bool {
        self.parts.start_again()
    }

    /// Ends it in order: nothing new is accepted, what was accepted is answered, what follows the log gets what is
    /// left, the log is closed last.
    ///
    /// # Errors
    /// When it does not come to its end, as with a disk that does not answer. Threads of it are left then.
    pub async fn stop(mut self) -> Result<(), StopError> {
        info!("stopping: finishing what was accepted");
        let log = self.log;
        let not_ended = tokio::select! {
            () = self.parts.stop() => None,
            disk = unsynced(&log) => Some(StopError::Disk(disk)),
            () = sleep(STOP_MAX) => Some(StopError::Part { part: self.parts.stopping(), waited: STOP_MAX }),
        };
        let Some(error) = not_ended else {
            info!("stopped");
            return Ok(());
        };
        // Dropping what has not ended would close its files, and wait for the same disk.
        mem::forget(self.parts);
        Err(error)
    }
}

/// Resolves when the disk has not confirmed a write for so long that a node which stops waits for it no longer. A log
/// that is being closed says nothing more of that, and waits for the same write.
async fn unsynced(log: &Weak<dyn Log>) -> Duration {
    let mut since = None;
    loop {
        if let Some(log) = log.upgrade() {
            since = log.unsynced_for().and_then(|waited| Instant::now().checked_sub(waited));
            // The last one to let go of it waits for the disk.
            spawn_blocking(move || drop(log));
        }
        let waited = since.map(|since| since.elapsed());
        if let Some(waited) = waited.filter(|waited| *waited >= UNSYNCED_MAX) {
            return waited;
        }
        sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::future::pending;
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use async_trait::async_trait;
    use log::{LocalLog, Memory};

    use super::*;
    use crate::part::NodePart;

    /// Holds what cannot be closed.
    struct Stuck(#[expect(dead_code, reason = "held, to see whether it is let go of")] Arc<()>);

    #[async_trait]
    impl NodePart for Stuck {
        fn name(&self) -> &'static str {
            "stuck"
        }

        async fn stop(self: Box<Self>) {
            pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_does_not_end_closes_nothing_more() {
        let held = Arc::new(());
        let mut parts = NodeParts::default();
        parts.push(Stuck(held.clone()));
        parts.push(Stuck(Arc::new(())));
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let addresses = Addresses { public: nowhere, admin: nowhere, admin_scheme: "http" };
        let node = RunningNode { parts, addresses, log: Weak::<LocalLog<Memory>>::new() };
        let error = node.stop().await.unwrap_err();
        assert!(matches!(error, StopError::Part { part: "stuck", .. }), "{error}");
        assert_eq!(Arc::strong_count(&held), 2, "what has not ended is closed");
    }
}
