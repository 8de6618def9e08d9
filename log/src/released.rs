//! What of a log is released: what may be seen, answered and followed.
//!
//! In a log that stands alone an event is released once it is on disk. In one that is *held* somebody counts on how many
//! other nodes it is, and says how far events are released. Until then nobody sees them: the tail stands before them,
//! and so do the heads in the store. It is the place of these that a restart knows to be released.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use protocol::ProcessId;

use crate::contract::TailPublisher;
use crate::engine::Engine;
use crate::error::{AppendError, ReadError};
use crate::head::Head;
use crate::ids::Seq;
use crate::moves::{Moves, ProcessMove};
use crate::reader::LogReader;
use crate::request::{RequestDone, RequestWaiter};

/// How far a log is released, and who waits for it.
pub(crate) struct Release {
    state: Mutex<ReleaseState>,
    late: RwLock<LateHeads>,
    /// Steps of moves, released or not.
    pub(crate) moves: Moves,
    /// How often the right to write was taken from whoever had it here, and up to which time it was given again.
    fences: AtomicU64,
    lifted: AtomicU64,
}

struct ReleaseState {
    held: bool,
    /// The newest event on disk.
    synced: Option<Seq>,
    /// The newest event that whoever counts has named.
    told: Option<Seq>,
    /// None at the end, so that nobody waits for what will not come.
    tail: Option<TailPublisher>,
    /// The newest released event.
    released: Option<Seq>,
    /// Those whose events are on disk and not released, in the order of their last events.
    waiting: VecDeque<(Seq, RequestWaiter)>,
}

/// What a commit has changed.
pub(crate) struct Committed {
    pub(crate) held: bool,
    /// The newest event on disk.
    pub(crate) synced: Option<Seq>,
    /// Where each of the new events has left its process, in their order.
    pub(crate) placed: Vec<(ProcessId, Head)>,
    /// The steps of moves among them.
    pub(crate) steps: Vec<(Seq, Arc<ProcessMove>)>,
    /// The heads in the store stand here now.
    pub(crate) stored: Option<Seq>,
    /// How many fences are lifted.
    pub(crate) lifted: u64,
}

impl Release {
    /// The release of a log as it was opened. `late` are the heads that its table has not.
    pub(crate) fn new(
        held: bool,
        synced: Option<Seq>,
        late: LateHeads,
        moves: Moves,
        tail: TailPublisher,
    ) -> Self {
        let released = late.released;
        let waiting = VecDeque::new();
        let state = ReleaseState { held, synced, told: released, tail: Some(tail), released, waiting };
        // Who wrote here before does not know whether somebody else does by now.
        let fences = AtomicU64::new(held.into());
        let (state, late) = (Mutex::new(state), RwLock::new(late));
        Self { state, late, moves, fences, lifted: AtomicU64::new(0) }
    }

    pub(crate) fn fence(&self) {
        self.fences.fetch_add(1, Ordering::SeqCst);
    }

    /// How often it was fenced.
    pub(crate) fn fences(&self) -> u64 {
        self.fences.load(Ordering::SeqCst)
    }

    /// How many of these fences a promotion has lifted.
    pub(crate) fn lifted(&self) -> u64 {
        self.lifted.load(Ordering::SeqCst)
    }

    /// Whether no promotion has lifted a fence yet.
    pub(crate) fn is_fenced(&self) -> bool {
        self.fences() > self.lifted()
    }

    pub(crate) fn is_held(&self) -> bool {
        self.state().held
    }

    /// Everything up to here may be seen, once it is on disk; how far the log is released.
    pub(crate) fn tell(&self, upto: Seq) -> Option<Seq> {
        let mut state = self.state();
        state.told = state.told.max(Some(upto));
        self.advance(&mut state);
        state.released
    }

    /// Takes note of what is on disk now; how far the log is released.
    pub(crate) fn committed(&self, done: Committed) -> Option<Seq> {
        // Before anything is released: whoever is told of an event may ask where its process is.
        self.moves.add(done.steps);
        let mut state = self.state();
        if state.held || done.held {
            let mut late = self.late_mut();
            if done.held {
                late.add(done.placed);
            }
            late.forget(done.stored);
        }
        (state.held, state.synced) = (done.held, done.synced);
        self.lifted.store(done.lifted, Ordering::SeqCst);
        self.advance(&mut state);
        state.released
    }

    /// Answers whoever appended, now or once it is released.
    pub(crate) fn answer(&self, last: Seq, waiter: RequestWaiter) {
        let mut state = self.state();
        if state.released >= Some(last) {
            drop(state);
            waiter.done(RequestDone::Appended(last));
        } else {
            state.waiting.push_back((last, waiter));
        }
    }

    /// For how long the oldest that is on disk waits for its release.
    pub(crate) fn waited_for(&self) -> Option<Duration> {
        self.state().waiting.front().map(|(_, waiter)| waiter.since.elapsed())
    }

    /// Moves the tail no more; who waits for a release is refused.
    pub(crate) fn end(&self, error: &AppendError) {
        let mut state = self.state();
        state.tail = None;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for (_, waiter) in waiting {
            waiter.refused(error.clone());
        }
    }

    /// Where a process stands, if its table does not know it yet.
    pub(crate) fn head(&self, process: ProcessId) -> Option<Head> {
        self.late().released_head(process)
    }

    /// The same with what is not released.
    pub(crate) fn newest_head(&self, process: ProcessId) -> Option<Head> {
        self.late().newest(process)
    }

    /// All heads that are not in their table, the newest of each process.
    pub(crate) fn newest_heads(&self) -> BTreeMap<ProcessId, Head> {
        let late = self.late();
        late.by_process.iter().filter_map(|(process, heads)| Some((*process, *heads.back()?))).collect()
    }

    /// The heads that are released and not in their table, and how far these are.
    pub(crate) fn ripe(&self) -> (Option<Seq>, BTreeMap<ProcessId, Head>) {
        let late = self.late();
        (late.released, late.released_heads())
    }

    fn advance(&self, state: &mut ReleaseState) {
        let released = if state.held { state.synced.min(state.told) } else { state.synced };
        if released <= state.released {
            return;
        }
        state.released = released;
        // Heads first: whoever is told of an event may ask where its process stands.
        self.late_mut().released = released;
        if let Some(tail) = &state.tail {
            tail.publish(released);
        }
        while let Some((last, waiter)) = state.waiting.pop_front_if(|(last, _)| released >= Some(*last)) {
            waiter.done(RequestDone::Appended(last));
        }
    }

    fn state(&self) -> MutexGuard<'_, ReleaseState> {
        // Nothing is done under these locks that could panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn late(&self) -> RwLockReadGuard<'_, LateHeads> {
        self.late.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn late_mut(&self) -> RwLockWriteGuard<'_, LateHeads> {
        self.late.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Heads that are not in their table: of events that are not released, or were after the last commit.
#[derive(Default)]
pub(crate) struct LateHeads {
    released: Option<Seq>,
    /// Those of a process in their order, one for each of its events.
    by_process: BTreeMap<ProcessId, VecDeque<Head>>,
    order: VecDeque<(Seq, ProcessId)>,
}

impl LateHeads {
    /// Those of a store whose table stands at `released`, from the events behind that.
    ///
    /// # Errors
    /// When these cannot be read.
    pub(crate) fn of<E: Engine>(
        reader: &LogReader<E>,
        released: Option<Seq>,
        last: Option<Seq>,
    ) -> Result<Self, ReadError> {
        let mut late = Self { released, ..Self::default() };
        let mut failed = None;
        reader.scan(released.map_or(Seq::ZERO, Seq::next), last, &mut |event| {
            let known = late.by_process.get(&event.process).and_then(|heads| heads.back().copied());
            match known.map_or_else(|| reader.head(event.process), |head| Ok(Some(head))) {
                Ok(before) => {
                    let last = event.link(before.and_then(|head| head.last));
                    late.add([(event.process, Head { seq: event.seq, last })]);
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failed.map_or(Ok(late), Err)
    }

    fn add(&mut self, placed: impl IntoIterator<Item = (ProcessId, Head)>) {
        for (process, head) in placed {
            self.order.push_back((head.seq, process));
            self.by_process.entry(process).or_default().push_back(head);
        }
    }

    /// The table has all up to here.
    fn forget(&mut self, stored: Option<Seq>) {
        let is_stored = |seq: Seq| stored >= Some(seq);
        while let Some((_, process)) = self.order.pop_front_if(|(seq, _)| is_stored(*seq)) {
            if let Some(heads) = self.by_process.get_mut(&process) {
                while heads.pop_front_if(|head| is_stored(head.seq)).is_some() {}
                if heads.is_empty() {
                    self.by_process.remove(&process);
                }
            }
        }
    }

    /// The newest head of a process that is not in its table, released or not.
    pub(crate) fn newest(&self, process: ProcessId) -> Option<Head> {
        self.by_process.get(&process).and_then(|heads| heads.back().copied())
    }

    fn released_head(&self, process: ProcessId) -> Option<Head> {
        let heads = self.by_process.get(&process)?;
        heads.iter().rev().find(|head| self.released >= Some(head.seq)).copied()
    }

    fn released_heads(&self) -> BTreeMap<ProcessId, Head> {
        let processes = self.by_process.keys();
        processes.filter_map(|process| Some((*process, self.released_head(*process)?))).collect()
    }
}
