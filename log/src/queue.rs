//! What waits for the appender: bounded, in order, and closed for good at the end.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How much may wait before an enqueuer has to, in bytes of records.
const QUEUED_BYTES_MAX: usize = 64 << 20;
/// Where a commit stops taking more, in bytes of records: enough to make the sync's share small.
const COMMIT_BYTES_MAX: usize = 4 << 20;

/// Something that takes room in the queue.
pub(crate) trait Weigh {
    fn bytes(&self) -> usize;
}

pub(crate) struct AppendQueue<T> {
    state: Mutex<Waiting<T>>,
    /// Something is to be taken, or nothing more will come.
    filled: Condvar,
    /// There is room again, or nothing more may come.
    drained: Condvar,
    bounded: bool,
}

struct Waiting<T> {
    waiting: VecDeque<T>,
    bytes: usize,
    /// What waits is to be taken: nobody has more to add to it first.
    is_due: bool,
    /// Whether something was taken that is not done yet.
    in_hand: bool,
    /// How many enqueuers wait for room.
    kept_out: usize,
    closed: bool,
}

impl<T: Weigh> AppendQueue<T> {
    /// A queue whose full state makes enqueuers wait, unless it is to be unbounded.
    pub(crate) fn new(bounded: bool) -> Self {
        let waiting = Waiting {
            waiting: VecDeque::new(),
            bytes: 0,
            is_due: false,
            in_hand: false,
            kept_out: 0,
            closed: false,
        };
        Self { state: Mutex::new(waiting), filled: Condvar::new(), drained: Condvar::new(), bounded }
    }

    /// Puts something at the end, waiting for room; gives it back when the queue is closed. It is left there until
    /// somebody wakes who takes: who pushes several things wakes once.
    pub(crate) fn push(&self, request: T) -> Result<(), T> {
        let mut state = self.lock();
        while self.bounded && !state.closed && state.bytes >= QUEUED_BYTES_MAX {
            // Nobody may have been woken for what makes it full.
            state.is_due = true;
            self.filled.notify_one();
            state.kept_out += 1;
            state = self.drained.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.kept_out -= 1;
        }
        if state.closed {
            return Err(request);
        }
        state.bytes = state.bytes.saturating_add(request.bytes());
        state.waiting.push_back(request);
        Ok(())
    }

    /// Has all that waits taken.
    pub(crate) fn wake(&self) {
        let mut state = self.lock();
        if !state.waiting.is_empty() {
            state.is_due = true;
            drop(state);
            self.filled.notify_one();
        }
    }

    /// Takes what waits, up to the limits but one at least, without waiting for any.
    pub(crate) fn take(&self, max: usize) -> Vec<T> {
        self.lock().take(max, &self.drained)
    }

    /// Takes what waits, once it is to be taken; nothing when the queue is closed and empty.
    pub(crate) fn wait_and_take(&self, max: usize) -> Vec<T> {
        let mut state = self.lock();
        while !state.is_due && !state.closed {
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.take(max, &self.drained)
    }

    /// What it tells of the one that has waited longest.
    pub(crate) fn oldest<R>(&self, tell: impl FnOnce(&T) -> R) -> Option<R> {
        self.lock().waiting.front().map(tell)
    }

    /// What was taken is done.
    pub(crate) fn done(&self) {
        self.lock().in_hand = false;
    }

    /// Whether nothing waits, and nothing that was taken is not done: nothing is between the two.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.waiting.is_empty() && !state.in_hand
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Lets nothing more in.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// Lets nothing more in, and takes all that waits.
    pub(crate) fn close_and_take(&self) -> Vec<T> {
        self.close();
        let mut state = self.lock();
        state.bytes = 0;
        state.is_due = false;
        mem::take(&mut state.waiting).into()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        // Nothing is done under the lock that could panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Weigh> Waiting<T> {
    fn take(&mut self, max: usize, drained: &Condvar) -> Vec<T> {
        let mut bytes = 0_usize;
        let fitting = self.waiting.iter().take(max).take_while(|request| {
            let fits = bytes < COMMIT_BYTES_MAX;
            bytes = bytes.saturating_add(request.bytes());
            fits
        });
        let count = fitting.count();
        let taken: Vec<T> = self.waiting.drain(..count).collect();
        let bytes = taken.iter().map(Weigh::bytes).fold(0, usize::saturating_add);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.is_due &= !self.waiting.is_empty();
        self.in_hand |= !taken.is_empty();
        if self.kept_out > 0 {
            drained.notify_all();
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    impl Weigh for usize {
        fn bytes(&self) -> usize {
            *self
        }
    }

    #[test]
    fn takes_in_order_up_to_the_limits() {
        let queue = AppendQueue::new(true);
        for bytes in [1, 2, COMMIT_BYTES_MAX, 3, COMMIT_BYTES_MAX + 1, 4] {
            queue.push(bytes).unwrap();
        }
        assert_eq!(queue.take(1), [1]);
        assert_eq!(queue.take(9), [2, COMMIT_BYTES_MAX]);
        assert_eq!(queue.take(9), [3, COMMIT_BYTES_MAX + 1]);
        assert_eq!(queue.take(9), [4]);
        assert!(queue.take(9).is_empty());
    }

    #[test]
    fn what_is_in_hand_is_not_done() {
        let queue = AppendQueue::new(true);
        assert!(queue.is_idle());
        queue.push(1).unwrap();
        assert!(!queue.is_idle());
        assert_eq!(queue.take(9), [1]);
        assert!(!queue.is_idle(), "nobody has said yet that it is done");
        queue.done();
        assert!(queue.is_idle() && queue.take(9).is_empty() && queue.is_idle());
    }

    #[test]
    fn a_full_queue_makes_enqueuers_wait_until_there_is_room() {
        let queue = AppendQueue::new(true);
        queue.push(QUEUED_BYTES_MAX).unwrap();
        let (entered, gone_in) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                queue.push(1).unwrap();
                entered.send(()).unwrap();
            });
            assert!(gone_in.try_recv().is_err());
            assert_eq!(queue.take(1), [QUEUED_BYTES_MAX]);
            gone_in.recv().unwrap();
        });
        assert_eq!(queue.take(9), [1]);
    }

    #[test]
    fn what_came_quietly_is_left_until_somebody_is_woken_for_it() {
        let queue = AppendQueue::new(true);
        // For nothing, so that this is no word for what comes later.
        queue.wake();
        queue.push(1).unwrap();
        let (take, taken) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..3 {
                    take.send(queue.wait_and_take(2)).unwrap();
                }
            });
            assert!(taken.recv_timeout(Duration::from_millis(50)).is_err(), "nobody was woken for it");
            queue.push(2).unwrap();
            queue.push(3).unwrap();
            queue.wake();
            assert_eq!([taken.recv().unwrap(), taken.recv().unwrap()], [vec![1, 2], vec![3]]);
            queue.push(4).unwrap();
            assert!(taken.recv_timeout(Duration::from_millis(50)).is_err(), "that was for what is taken");
            queue.close();
            assert_eq!(taken.recv().unwrap(), [4]);
        });
    }

    #[test]
    fn what_came_quietly_is_taken_when_somebody_is_woken_and_when_the_queue_is_full() {
        let queue = AppendQueue::new(true);
        thread::scope(|scope| {
            let taking = scope.spawn(|| queue.wait_and_take(9));
            queue.push(1).unwrap();
            queue.wake();
            assert_eq!(taking.join().unwrap(), [1]);
            let taking = scope.spawn(|| [queue.wait_and_take(1), queue.wait_and_take(1)]);
            queue.push(QUEUED_BYTES_MAX).unwrap();
            queue.push(2).unwrap();
            queue.wake();
            assert_eq!(taking.join().unwrap(), [[QUEUED_BYTES_MAX], [2]]);
        });
    }

    #[test]
    fn closing_wakes_everybody() {
        let queue = AppendQueue::new(true);
        queue.push(QUEUED_BYTES_MAX).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.push(1));
            assert_eq!(queue.close_and_take(), [QUEUED_BYTES_MAX]);
            assert_eq!(waiting.join().unwrap(), Err(1));
            let taking = scope.spawn(|| queue.wait_and_take(9));
            assert!(taking.join().unwrap().is_empty());
        });
    }
}
