//! How many processes a node has. The log knows each and not their number, so they are counted: whenever somebody asks where
//! that takes a moment, and else now and then, in the background, so rarely that it takes a hundredth of a core.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::{Log, ReadError};
use protocol::ProcessId;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::metrics;
use crate::node::ApiNode;

/// How long after one time they are counted again in the background, at least.
const EVERY: Duration = Duration::from_secs(30);
/// In how many times that it took they are counted again, whoever asks.
const TIMES: u32 = 100;
/// Whoever asks does not wait longer for it.
const MOMENT: Duration = Duration::from_millis(10);

/// What was counted last.
#[derive(Debug, Default)]
pub(crate) struct ProcessCount(Mutex<Option<Counted>>);

/// How many there were at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) processes: u64,
    pub(crate) at: Instant,
    took: Duration,
}

impl Counted {
    fn now(log: &dyn Log) -> Result<Self, ReadError> {
        let at = Instant::now();
        let processes = count(log)?;
        Ok(Self { processes, at, took: at.elapsed() })
    }

    /// Whether they may be counted again while somebody waits for it.
    fn may_be_anew(&self) -> bool {
        self.took <= MOMENT && self.at.elapsed() >= self.took * TIMES
    }
}

impl ProcessCount {
    /// How many there are, counted anew where that takes a moment; none where they were not counted yet.
    pub(crate) fn known(&self, log: &dyn Log) -> Result<Option<Counted>, ReadError> {
        match self.last() {
            Some(last) if last.may_be_anew() => self.count(log).map(Some),
            last => Ok(last),
        }
    }

    fn count(&self, log: &dyn Log) -> Result<Counted, ReadError> {
        let counted = Counted::now(log)?;
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.at < counted.at) {
            *last = Some(counted);
            metrics::processes(counted.processes);
        }
        Ok(counted)
    }

    /// What was counted last.
    pub(crate) fn last(&self) -> Option<Counted> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the processes now and then until `stop` is true.
pub async fn count_processes(node: Arc<ApiNode>, mut stop: watch::Receiver<bool>) {
    loop {
        let begun = Instant::now();
        let counting = node.read(|node| Ok(node.processes.count(node.parts.log.as_ref()).map(drop)?));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use log::{LocalLog, Memory, MemoryDisk};
    use testing::{SampleProcess, fact};

    use super::*;

    fn log_of_two() -> LocalLog<Memory> {
        let log = LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap();
        let appends = vec![SampleProcess::new(1).spawn(), SampleProcess::new(2).spawn(), fact("a")];
        log.enqueue(log.identity().term, appends).unwrap().wait().unwrap();
        log
    }

    /// What is known where none were counted a minute ago, which took so long.
    fn known(took: Duration) -> u64 {
        let log = log_of_two();
        let at = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        let count = ProcessCount(Mutex::new(Some(Counted { processes: 0, at, took })));
        count.known(&log).unwrap().unwrap().processes
    }

    #[test]
    fn few_are_counted_anew_whenever_somebody_asks_and_many_now_and_then() {
        assert_eq!(known(Duration::from_micros(20)), 2);
        assert_eq!(known(MOMENT), 2);
        assert_eq!(known(MOMENT + Duration::from_millis(1)), 0);
    }

    #[test]
    fn nobody_waits_for_the_first_time() {
        assert!(ProcessCount::default().known(&log_of_two()).unwrap().is_none());
    }
}
