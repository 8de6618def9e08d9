//! What ends a node from outside.

use std::fs;
use std::future::pending;
use std::io;
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_util::future::select_all;
use node::{NodeError, RoutingOptions, RunningNode};
use projections::Progress;
use rustix::process::{Signal, getpid, kill_process};
use tokio::runtime::Runtime;
use tokio::signal::unix::{self, SignalKind, signal};
use tracing::{error, info, warn};

use crate::failure::Failure;
use crate::stderr;

/// What a shell says of a program that SIGINT ended.
const EXIT_AT_ONCE: i32 = 130;
/// The exit code of a node that could not be ended in order.
const EXIT_NOT_ENDED: i32 = 1;
/// How long the end of the program itself may take.
const EXIT_MAX: Duration = Duration::from_secs(2);

/// The signals that end a node in order: SIGTERM, SIGINT (Ctrl-C), and SIGHUP (its terminal is gone). SIGTERM or SIGINT
/// after that ends it at once.
pub(super) struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    /// None for a node that is to stay when its terminal goes.
    hangup: Option<unix::Signal>,
}

impl Signals {
    /// From here on these signals no longer end the process by themselves.
    pub(super) fn listen() -> io::Result<Self> {
        let hangup = if stays_without_terminal() { None } else { Some(signal(SignalKind::hangup())?) };
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt, hangup })
    }

    /// Waits for one of them; one that came since `listen` counts.
    async fn wait(&mut self) {
        let Self { terminate, interrupt, hangup } = self;
        let hangup = async {
            match hangup {
                Some(hangup) => hangup.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup => {}
        }
    }

    /// Waits for one that somebody sends a second time; a terminal that goes may well send two.
    async fn wait_again(&mut self) {
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
                end(node).await;
            }
        })
        .await;
        Ok(None)
    }

    /// Lets the node serve until a signal comes, then ends it in order. Whether it is to start again.
    ///
    /// # Errors
    /// When a part of it ended by itself; the rest has ended in order then.
    pub(super) async fn serve(&mut self, mut node: RunningNode) -> Result<bool, Failure> {
        let died = tokio::select! {
            () = self.wait() => None,
            part = node.ended() => Some(part),
        };
        let is_again = died.is_some() && node.starts_again();
        self.or_at_once(end(node)).await;
        match died {
            Some(part) if !is_again => Err(Failure::PartEnded(part)),
            _ => Ok(is_again),
        }
    }

    /// The same with several, of which the last one ends first; none of them starts again.
    ///
    /// # Errors
    /// As [`Signals::serve`].
    pub(super) async fn serve_all(&mut self, mut nodes: Vec<RunningNode>) -> Result<(), Failure> {
        let ended = select_all(nodes.iter_mut().map(|node| Box::pin(node.ended())));
        let died = tokio::select! {
            () = self.wait() => None,
            (part, ..) = ended => Some(part),
        };
        self.or_at_once(end_all(nodes)).await;
        died.map_or(Ok(()), |part| Err(Failure::PartEnded(part)))
    }

    /// Ends the program when a signal comes before this is done.
    async fn or_at_once(&mut self, ending: impl Future<Output = ()>) {
        tokio::select! {
            () = ending => {}
            () = self.wait_again() => {
                warn!("stopped at once, by a second signal; what was acknowledged is on disk");
                exit(EXIT_AT_ONCE);
            }
        }
    }
}

/// Runs a router to its end. SIGHUP has it read its list again, and ends nothing.
pub(crate) fn run_router(options: RoutingOptions) -> Result<(), Failure> {
    run_to_end(async {
        let mut signals = Signals { hangup: None, ..Signals::listen().map_err(Failure::Signals)? };
        match signals.start(async |_| node::router(options).await).await? {
            Some(router) => signals.serve_all(vec![router]).await,
            None => Ok(()),
        }
    })
}

/// Whether the program was started to ignore SIGHUP, the first of all signals, as `nohup` does it.
fn stays_without_terminal() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Starts a node and runs it to its end, which may be the beginning of its next run. From the first moment on a signal
/// ends it in order.
pub(super) fn run_node(
    start: impl AsyncFn(&Arc<Progress>) -> Result<RunningNode, NodeError>,
) -> Result<(), Failure> {
    run_to_end(async {
        let mut signals = Signals::listen().map_err(Failure::Signals)?;
        let mut is_again = false;
        while let Some(node) = signals.start(&start).await? {
            if is_again {
                info!("the node has started again");
            }
            is_again = signals.serve(node).await?;
            if !is_again {
                break;
            }
        }
        Ok(())
    })
}

/// Runs a node to its end. What its threads still do then is not waited for: they may wait for the disk.
pub(super) fn run_to_end(node: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = Runtime::new().map_err(Failure::Runtime)?;
    let ended = runtime.block_on(node);
    runtime.shutdown_timeout(EXIT_MAX);
    ended
}

/// Ends a node in order; ends the program when that does not come to its end.
pub(super) async fn end(node: RunningNode) {
    if let Err(error) = node.stop().await {
        error!(%error, "the node does not come to its end and is stopped at once; what was acknowledged is on disk");
        exit(EXIT_NOT_ENDED);
    }
}

/// Ends several in order, the last one first.
pub(super) async fn end_all(mut nodes: Vec<RunningNode>) {
    while let Some(node) = nodes.pop() {
        end(node).await;
    }
}

/// Ends the program, also when a thread of it cannot be ended.
fn exit(code: i32) -> ! {
    stderr::flush();
    thread::spawn(|| {
        thread::sleep(EXIT_MAX);
        // The end of a program waits for threads of its libraries, and these may wait for the disk.
        let _ = kill_process(getpid(), Signal::KILL);
    });
    process::exit(code)
}
