//! What ends a node from outside.

use std::io;
use std::process;
use std::sync::Arc;

use node::{NodeError, RunningNode};
use projections::Progress;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::failure::Failure;

/// What a shell says of a program that SIGINT ended.
const EXIT_AT_ONCE: i32 = 130;

/// The signals that end a node in order: SIGTERM, and SIGINT (Ctrl-C). The second one ends it at once.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on these signals no longer end the process by themselves.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one of them; one that came since `listen` counts.
    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// The node, if it starts before a signal comes; none when one came, and what had started has ended in order.
    pub(super) async fn start(
        &mut self,
        start: impl AsyncFnOnce(&Arc<Progress>) -> Result<RunningNode, NodeError>,
    ) -> Result<Option<RunningNode>, Failure> {
        let progress = Arc::new(Progress::default());
        let mut starting = std::pin::pin!(start(&progress));
        tokio::select! {
            started = &mut starting => return Ok(Some(started?)),
            () = self.wait() => {}
        }
        info!("stopping before the node has started");
        progress.cancel();
        self.or_at_once(async {
            // Why it did not come to serve is of no interest any more.
            if let Ok(node) = starting.await {
                node.stop().await;
            }
        })
        .await;
        Ok(None)
    }

    /// Lets the node serve until a signal comes, then ends it in order.
    ///
    /// # Errors
    /// When a part of it ended by itself; the rest has ended in order then.
    pub(super) async fn serve(mut self, mut node: RunningNode) -> Result<(), Failure> {
        let died = tokio::select! {
            () = self.wait() => None,
            part = node.ended() => Some(part),
        };
        self.or_at_once(node.stop()).await;
        died.map_or(Ok(()), |part| Err(Failure::PartEnded(part)))
    }

    /// Ends the program when a signal comes before this is done.
    async fn or_at_once(&mut self, ending: impl Future<Output = ()>) {
        tokio::select! {
            () = ending => {}
            () = self.wait() => {
                warn!("stopped at once, by a second signal; what was acknowledged is on disk");
                process::exit(EXIT_AT_ONCE);
            }
        }
    }
}
