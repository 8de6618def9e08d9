//! How much waits for the workers, and how long that will take them, from how long they took lately: the wallet, the
//! items and the machine decide how many requests a second is worth. What would wait too long is refused at once,
//! before anything is done for it, so that what is taken is answered soon however much comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::ScheduleError;
use crate::returns::Returns;

/// How long a request may have to wait for the workers when it is taken, at most and at least.
const WAIT_MAX: Duration = Duration::from_millis(750);
const WAIT_MIN: Duration = Duration::from_millis(50);

/// How long all may take together, from its arrival to its answer: what disk, index and answering take, also while
/// others keep disk and processors busy, is taken off the wait. A hundredth may take half a second more.
const ANSWER_WITHIN: Duration = Duration::from_millis(1500);

/// How many of the latest count for what a check and an order take.
const LATEST: u64 = 32;

/// What a check and an order are taken for before any was measured: about what an RSA wallet needs.
const FIRST_CHECK: Duration = Duration::from_micros(200);
const FIRST_ORDER: Duration = Duration::from_micros(1500);

/// What waits for the workers.
#[derive(Debug)]
pub(crate) struct Backlog {
    workers: u64,
    checks: AtomicU64,
    orders: AtomicU64,
    check_cost: Cost,
    order_cost: Cost,
    /// From when a worker has signed an order until it is answered.
    completion: Cost,
    returns: Returns,
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// To be checked; it becomes an order then.
    Check,
    /// To be scheduled, in the lane of its process.
    Order,
    /// For anything but a worker.
    Elsewhere,
}

/// What a request has in the backlog, as long as it waits.
#[derive(Debug)]
pub(crate) struct BacklogPlace {
    backlog: Arc<Backlog>,
    stage: Stage,
}

impl Backlog {
    /// Nothing waits for so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers: u64::try_from(workers).unwrap_or(u64::MAX).max(1),
            checks: AtomicU64::default(),
            orders: AtomicU64::default(),
            check_cost: Cost::new(FIRST_CHECK),
            order_cost: Cost::new(FIRST_ORDER),
            completion: Cost::new(Duration::ZERO),
            returns: Returns::new(Instant::now()),
        }
    }

    /// How many requests wait for the workers.
    pub(crate) fn waiting(&self) -> u64 {
        self.checks.load(Ordering::Relaxed).saturating_add(self.orders.load(Ordering::Relaxed))
    }

    /// Refuses at the door when the workers have too much to do.
    pub(crate) fn check_room(&self) -> Result<(), ScheduleError> {
        let (checks, orders) = (self.checks.load(Ordering::Relaxed), self.orders.load(Ordering::Relaxed));
        let checking = self.check_cost.of(checks);
        let ordering = self.order_cost.of(checks.saturating_add(orders));
        self.refuse_beyond(checking.saturating_add(ordering) / self.workers)
    }

    /// Refuses what would have so many orders before it in its lane, which one worker at a time works.
    pub(crate) fn check_lane(&self, orders: usize) -> Result<(), ScheduleError> {
        self.refuse_beyond(self.order_cost.of(u64::try_from(orders).unwrap_or(u64::MAX)))
    }

    /// Notes how long a worker took to check a request.
    pub(crate) fn checked(&self, took: Duration) {
        self.check_cost.note(took);
    }

    /// Notes how long a worker took with an order.
    pub(crate) fn ordered(&self, took: Duration) {
        self.order_cost.note(took);
    }

    /// Notes how long an order took from its signature to its answer.
    pub(crate) fn completed(&self, took: Duration) {
        self.returns.scheduled();
        // One that hung says no more than that.
        self.completion.note(took.min(ANSWER_WITHIN));
    }

    fn refuse_beyond(&self, nanos: u64) -> Result<(), ScheduleError> {
        let wait_max = self.wait_left().min(WAIT_MAX);
        if Duration::from_nanos(nanos) <= wait_max { Ok(()) } else { Err(self.overloaded()) }
    }

    fn overloaded(&self) -> ScheduleError {
        ScheduleError::Overloaded { retry_after: self.returns.refused(Instant::now()) }
    }

    /// How long a request may wait to be answered in time.
    fn wait_left(&self) -> Duration {
        ANSWER_WITHIN.saturating_sub(Duration::from_nanos(self.completion.of(1))).max(WAIT_MIN)
    }

    /// A place for a request, which waits for nothing yet.
    pub(crate) fn enter(self: &Arc<Self>) -> BacklogPlace {
        BacklogPlace { backlog: self.clone(), stage: Stage::Elsewhere }
    }

    fn count(&self, stage: Stage) -> Option<&AtomicU64> {
        match stage {
            Stage::Check => Some(&self.checks),
            Stage::Order => Some(&self.orders),
            Stage::Elsewhere => None,
        }
    }
}

impl BacklogPlace {
    /// Refuses what has waited too long to be answered in time: the machine became slower after it was taken.
    pub(crate) fn check_waited(&self, waited: Duration) -> Result<(), ScheduleError> {
        if waited <= self.backlog.wait_left() { Ok(()) } else { Err(self.backlog.overloaded()) }
    }

    /// From now on the request waits for this.
    pub(crate) fn wait_for(&mut self, stage: Stage) {
        if let Some(count) = self.backlog.count(stage) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(count) = self.backlog.count(std::mem::replace(&mut self.stage, stage)) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for BacklogPlace {
    fn drop(&mut self) {
        self.wait_for(Stage::Elsewhere);
    }
}

/// What one of a kind takes lately, in nanoseconds. Workers note it without a lock: what two note at once may count as
/// one.
#[derive(Debug)]
struct Cost(AtomicU64);

impl Cost {
    fn new(first: Duration) -> Self {
        Self(AtomicU64::new(nanos(first)))
    }

    fn note(&self, took: Duration) {
        let before = self.0.load(Ordering::Relaxed);
        let sum = before.saturating_mul(LATEST - 1).saturating_add(nanos(took));
        self.0.store(sum / LATEST, Ordering::Relaxed);
    }

    /// What so many take.
    fn of(&self, count: u64) -> u64 {
        self.0.load(Ordering::Relaxed).saturating_mul(count)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    /// A backlog whose workers took so long lately, in microseconds.
    fn backlog(workers: usize, check: u64, order: u64) -> Arc<Backlog> {
        let backlog = Arc::new(Backlog::new(workers));
        for _ in 0..20 * LATEST {
            backlog.checked(Duration::from_micros(check));
            backlog.ordered(Duration::from_micros(order));
        }
        backlog
    }

    /// How many requests are taken before one is refused.
    fn room(backlog: &Arc<Backlog>, stage: Stage) -> Vec<BacklogPlace> {
        let mut places = Vec::new();
        while backlog.check_room().is_ok() {
            let mut place = backlog.enter();
            place.wait_for(stage);
            places.push(place);
        }
        places
    }

    #[test]
    fn as_many_wait_as_the_workers_do_soon() {
        for (workers, check, order, most) in [
            (2, 100, 1500, 937), // RSA
            (16, 100, 1500, 7500),
            (2, 100, 100, 7500), // Ed25519
            (2, 900, 100, 1500), // long items
            (1, 10, 2_000_000, 1),
        ] {
            let taken = room(&backlog(workers, check, order), Stage::Check).len() as u64;
            assert!(taken.abs_diff(most) <= 1 + most / 50, "{taken} instead of {most}");
        }
    }

    #[test]
    fn less_waits_while_disk_and_index_are_slow() {
        for (completion, most) in [(0, 500), (700, 500), (1200, 200), (5000, 33)] {
            let backlog = backlog(1, 0, 1500);
            for _ in 0..20 * LATEST {
                backlog.completed(Duration::from_millis(completion));
            }
            let taken = room(&backlog, Stage::Order).len() as u64;
            assert!(taken.abs_diff(most) <= 1 + most / 50, "{taken} instead of {most}");
        }
    }

    #[test]
    fn what_cannot_be_answered_in_time_any_more_is_refused() {
        let backlog = backlog(1, 0, 1500);
        let place = backlog.enter();
        place.check_waited(Duration::from_millis(1400)).unwrap();
        let error = place.check_waited(Duration::from_millis(1600)).expect_err("it waits too long");
        assert!(matches!(error, ScheduleError::Overloaded { .. }), "{error}");
        for _ in 0..20 * LATEST {
            backlog.completed(Duration::from_millis(700));
        }
        place.check_waited(Duration::from_millis(700)).unwrap();
        place.check_waited(Duration::from_millis(900)).expect_err("disk and index are slow");
    }

    #[test]
    fn what_is_done_or_refused_makes_room() {
        let backlog = backlog(1, 1000, 9000);
        let mut taken = room(&backlog, Stage::Check);
        // Half of each is done: a tenth of the work.
        taken.iter_mut().for_each(|place| place.wait_for(Stage::Order));
        assert!(backlog.check_room().is_ok());
        taken.iter_mut().for_each(|place| place.wait_for(Stage::Elsewhere));
        let orders = room(&backlog, Stage::Order).len() as u64;
        assert!(orders.abs_diff(84) <= 3, "{orders}");
        drop(taken);
        assert_eq!([&backlog.checks, &backlog.orders].map(|count| count.load(Ordering::Relaxed)), [0, 0]);
    }

    #[test]
    fn a_lane_is_worked_by_one_worker_however_many_there_are() {
        let backlog = backlog(16, 100, 1500);
        assert!(backlog.check_lane(480).is_ok());
        assert!(matches!(backlog.check_lane(520), Err(ScheduleError::Overloaded { .. })));
    }
}
