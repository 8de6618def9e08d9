//! How many processes a node has. The log knows each and not their number, so they are counted now and then, in the
//! background: that takes as long as there are many, and is done so rarely that it takes a hundredth of a core.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::{Log, ReadError};
use protocol::ProcessId;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::metrics;
use crate::node::ApiNode;

/// How long after one time they are counted again, at least, and in how many times that it took.
const EVERY: Duration = Duration::from_secs(30);
const TIMES: u32 = 100;

/// What was counted last.
#[derive(Debug, Default)]
pub(crate) struct ProcessCount(Mutex<Option<Counted>>);

/// How many there were at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) processes: u64,
    pub(crate) at: Instant,
}

impl ProcessCount {
    /// What was counted last, if anything was yet.
    pub(crate) fn last(&self) -> Option<Counted> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, processes: u64, at: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Counted { processes, at });
        metrics::processes(processes);
    }
}

/// Counts the processes now and then until `stop` is true.
pub async fn count_processes(node: Arc<ApiNode>, mut stop: watch::Receiver<bool>) {
    loop {
        let begun = Instant::now();
        let counting = node.read(move |node| {
            node.processes.set(count(node.parts.log.as_ref())?, begun);
            Ok(())
        });
        // What cannot be counted now is counted the next time.
        let _ = counting.await;
        let pause = EVERY.max(begun.elapsed() * TIMES);
        if timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

fn count(log: &dyn Log) -> Result<u64, ReadError> {
    let mut processes = 0;
    log.heads(None, &mut |process, _| {
        // The node's own stream is none.
        processes += u64::from(process != ProcessId::NODE);
        ControlFlow::Continue(())
    })?;
    Ok(processes)
}
