//! The threads that verify and sign, and the work that waits for them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::in_flight::InFlight;
use crate::lane::Lane;
use crate::sequencer::Sequencer;

/// For how long the log is not woken for what is signed, but for the one thing that a worker does next, and only while more
/// waits than is signed: a sync for each order would cost a tenth of what can be signed.
const SYNC_DELAY: Duration = Duration::from_millis(40);

/// What waits for a worker: lanes first, for whoever is in one came before whoever is still to be verified.
#[derive(Default)]
pub(crate) struct Work {
    queues: Mutex<Queues>,
    more: Condvar,
}

#[derive(Default)]
struct Queues {
    lanes: VecDeque<Arc<Lane>>,
    checks: VecDeque<Check>,
    /// How many workers wait for something to do.
    idle: usize,
    closed: bool,
}

/// An admission check; it carries with it whatever comes after.
pub(crate) type Check = Box<dyn FnOnce() + Send>;

/// One thing to do.
pub(crate) enum Task {
    /// The next order of a lane.
    Lane(Arc<Lane>),
    /// An admission check.
    Check(Check),
}

impl Work {
    /// Queues a lane that has an order.
    pub(crate) fn push_lane(&self, lane: Arc<Lane>) {
        self.push(|queues| queues.lanes.push_back(lane));
    }

    /// Queues a check.
    pub(crate) fn push_check(&self, check: Check) {
        self.push(|queues| queues.checks.push_back(check));
    }

    fn push(&self, put: impl FnOnce(&mut Queues)) {
        let mut queues = self.lock();
        put(&mut queues);
        let is_awaited = queues.idle > 0;
        drop(queues);
        // Waking nobody is a call of the system, too.
        if is_awaited {
            self.more.notify_one();
        }
    }

    /// What there is to do now, if anything.
    fn now(&self) -> Option<Task> {
        self.lock().next()
    }

    /// Waits for something to do; none when closed.
    fn next(&self) -> Option<Task> {
        let mut queues = self.lock();
        loop {
            if let Some(task) = queues.next() {
                return Some(task);
            }
            if queues.closed {
                return None;
            }
            queues.idle += 1;
            queues = self.more.wait(queues).unwrap_or_else(PoisonError::into_inner);
            queues.idle -= 1;
        }
    }

    /// Takes any of what waits, by number: a simulation chooses the order that threads would leave to chance.
    #[cfg(test)]
    pub(crate) fn take(&self, number: usize) -> Option<Task> {
        let mut queues = self.lock();
        let lanes = queues.lanes.len();
        let number = number.checked_rem(lanes + queues.checks.len())?;
        if number < lanes {
            return queues.lanes.remove(number).map(Task::Lane);
        }
        queues.checks.remove(number - lanes).map(Task::Check)
    }

    /// Lets the workers end when nothing waits any more.
    fn close(&self) {
        self.lock().closed = true;
        self.more.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    fn next(&mut self) -> Option<Task> {
        let lane = self.lanes.pop_front().map(Task::Lane);
        lane.or_else(|| self.checks.pop_front().map(Task::Check))
    }
}

/// Works one lane by one order and queues it again if it has more.
pub(crate) fn work_lane(
    sequencer: &Sequencer,
    work: &Work,
    completion: &mpsc::UnboundedSender<InFlight>,
    lane: Arc<Lane>,
) {
    let in_flight = catch_unwind(AssertUnwindSafe(|| sequencer.work(&lane))).unwrap_or_else(|_| {
        // Nobody knows the state of the process now but the log, which a restart asks.
        sequencer.halt("a worker panicked while it scheduled a message");
        None
    });
    leave_lane(work, completion, lane, in_flight);
}

/// Passes on what became of an order of a lane, and queues the lane again if it has more.
pub(crate) fn leave_lane(
    work: &Work,
    completion: &mpsc::UnboundedSender<InFlight>,
    lane: Arc<Lane>,
    in_flight: Option<InFlight>,
) {
    if let Some(in_flight) = in_flight {
        // Completion outlives the workers; should it be gone, the waiting request hears that it was lost.
        let _ = completion.send(in_flight);
    }
    if lane.put_back() {
        work.push_lane(lane);
    }
}

/// The threads; they end when dropped, after all that waits is done.
pub(crate) struct Workers {
    work: Arc<Work>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    pub(crate) fn start(
        count: usize,
        sequencer: &Arc<Sequencer>,
        work: &Arc<Work>,
        completion: &mpsc::UnboundedSender<InFlight>,
    ) -> std::io::Result<Self> {
        let mut workers = Self { work: work.clone(), threads: Vec::new() };
        let count = count.max(1);
        let unsynced: Arc<Unsynced> = Arc::default();
        for number in 0..count {
            let (sequencer, work, completion) = (sequencer.clone(), work.clone(), completion.clone());
            let unsynced = unsynced.clone();
            let thread = thread::Builder::new()
                .name(format!("sign-{number}"))
                .spawn(move || run(&sequencer, &work, &completion, &unsynced))?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }
}

fn run(
    sequencer: &Sequencer,
    work: &Work,
    completion: &mpsc::UnboundedSender<InFlight>,
    unsynced: &Unsynced,
) {
    loop {
        let task = work.now().or_else(|| {
            unsynced.sync(sequencer);
            work.next()
        });
        match task {
            Some(Task::Lane(lane)) => {
                work_lane(sequencer, work, completion, lane);
                unsynced.note();
            }
            // A check that panics drops its answer, which tells the request that it was lost.
            Some(Task::Check(check)) => drop(catch_unwind(AssertUnwindSafe(check))),
            None => return,
        }
        if unsynced.is_due(sequencer.backlog.waiting()) {
            unsynced.sync(sequencer);
        }
    }
}

/// What the workers have signed and the log may not know of yet: whichever finds it due has the log sync all of it.
#[derive(Default)]
struct Unsynced(Mutex<Signed>);

#[derive(Default)]
struct Signed {
    orders: u64,
    since: Option<Instant>,
}

impl Unsynced {
    /// Notes an order that the log was given.
    fn note(&self) {
        let mut signed = self.lock();
        signed.orders += 1;
        signed.since.get_or_insert_with(Instant::now);
    }

    /// Whether it must not wait any longer for more, while so many requests wait for the workers: once these are no more than
    /// what is signed, the workers might have done them all before anything is answered and more comes.
    fn is_due(&self, waiting: u64) -> bool {
        let signed = self.lock();
        signed.since.is_some_and(|since| signed.orders >= waiting || since.elapsed() >= SYNC_DELAY)
    }

    /// Has the log sync it.
    fn sync(&self, sequencer: &Sequencer) {
        // What is forgotten here the log was given before it was noted.
        if std::mem::take(&mut *self.lock()).orders > 0 {
            sequencer.log.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Signed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.work.close();
        let current = thread::current().id();
        for thread in self.threads.drain(..).filter(|thread| thread.thread().id() != current) {
            // A worker that panicked has said so already.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_left_while_more_waits_and_not_for_long() {
        let unsynced = Unsynced::default();
        assert!(!unsynced.is_due(0), "there is nothing");
        for signed in 1..=5 {
            unsynced.note();
            assert!(!unsynced.is_due(signed + 1) && unsynced.is_due(signed), "{signed} signed");
        }
        unsynced.lock().since = Instant::now().checked_sub(SYNC_DELAY);
        assert!(unsynced.is_due(1000));
    }
}
