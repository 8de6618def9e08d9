//! The loop that reads the log, sends what it finds and moves the cursor.
//!
//! Each process is a queue of its own. One whose event does not come through waits with all that is behind it, and is
//! tried again after longer and longer waits. When the window is full and such processes are in it, their events are put
//! aside, so that the cursor and everybody else go on; they are tried again in rounds. While the upload node says nothing at
//! all there is nobody to make room for, and hardly any are.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use gateway::UploadError;
use log::Seq;
use protocol::ProcessId;
use tokio::time::sleep;
use tracing::debug;

use super::aside::AsideAllowance;
use super::blocking::blocking;
use super::cursor::UploadCursor;
use super::failing::Failing;
use super::piece::UploadJob;
use super::queue::{ProcessQueue, Turn};
use super::reading::{ReadEvent, ReadFrom, load, read};
use super::rounds::Rounds;
use super::shared::UploadsShared;
use super::stuck::StuckEvent;
use super::waits::{Through, Waits};
use super::window::{PendingEvent, Room, Window, WindowLimits};
use crate::metrics;
use crate::projection::ProjectionError;

/// How many events are read again at a time; of how many bytes each is shows only then.
const LOADING_MAX: usize = 4;
/// How often the metrics are told anew while nothing comes through.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// The processes that are uploaded, from one position on.
pub(super) struct Uploading {
    shared: Arc<UploadsShared>,
    cursor: Option<Seq>,
    window: Window,
    /// A queue is there, be it empty, as long as something of the process is being sent or waits to be sent again.
    queues: HashMap<ProcessId, ProcessQueue>,
    /// How many of them have an event that did not come through yet.
    troubled: usize,
    aside: AsideAllowance,
    waits: Waits,
    /// Those whose turn has come and that are to be read again, as soon as more may be held; and how many are being read.
    listed: VecDeque<Seq>,
    loading: usize,
    rounds: Rounds,
    failing: Failing,
    /// Up to there parts may have been settled by an earlier run.
    settled_until: Option<Seq>,
}

impl Uploading {
    pub(super) fn new(shared: Arc<UploadsShared>, cursor: Option<Seq>, limits: WindowLimits) -> Self {
        Self {
            shared,
            cursor,
            window: Window::after(cursor, limits),
            queues: HashMap::new(),
            troubled: 0,
            aside: AsideAllowance::of(limits.held),
            waits: Waits::new(),
            listed: VecDeque::new(),
            loading: 0,
            rounds: Rounds::default(),
            failing: Failing::default(),
            settled_until: None,
        }
    }

    /// Ends with an error, or when the log is closed and all that was read is settled.
    pub(super) async fn run(mut self) -> Result<(), ProjectionError> {
        self.settled_until = self.shared.store.last_settled()?;
        let stuck = self.shared.store.stuck_count();
        if stuck > 0 {
            self.failing.inherited(stuck);
            self.rounds.begin(&self.waits);
        }
        let mut tail = self.shared.log.tail();
        let mut open = true;
        self.publish()?;
        while open || !self.waits.is_empty() {
            let (room, next) = (self.room(), self.window.next());
            tokio::select! {
                Some(through) = self.waits.next(), if !self.waits.is_empty() => {
                    self.came_through(through?);
                    // What else came through meanwhile moves the cursor in the same write.
                    while let Some(Some(through)) = self.waits.next().now_or_never() {
                        self.came_through(through?);
                    }
                    self.advance()?;
                }
                more = tail.reached(next), if open && room.is_some() => {
                    open = more;
                    if let Some(room) = room.filter(|_| more) {
                        self.read(next, room).await?;
                        self.advance()?;
                    }
                }
                () = sleep(TELL_EVERY), if !self.waits.is_empty() => self.publish()?,
            }
        }
        Ok(())
    }

    fn came_through(&mut self, through: Through) {
        match through {
            Through::Loaded(job) => {
                self.loading = self.loading.saturating_sub(1);
                self.window.load(job.seq, job.bytes());
                self.queues.entry(job.process).or_default().hold();
                self.send_first(job);
            }
            Through::Settled(job) => self.settled(&job),
            Through::Failed(job, error) => self.failed(job, error),
            Through::Rested(process, seq) => {
                if let Some(job) = self.queues.get_mut(&process).and_then(|queue| queue.retry(seq)) {
                    self.send(job);
                }
            }
            Through::RoundDue => self.rounds.due(),
            Through::Visited(settled, error) => {
                self.rounds.visited(settled);
                if settled > 0 {
                    self.aside.met(true);
                }
                if let Some(error) = error {
                    self.aside.met(error.is_answer());
                    metrics::upload_retried();
                    self.failing.met(error);
                }
            }
        }
        self.load_listed();
    }

    fn settled(&mut self, job: &UploadJob) {
        self.aside.met(true);
        self.window.finish(job.seq);
        let Some(queue) = self.queues.get_mut(&job.process) else { return };
        self.troubled -= usize::from(queue.is_troubled());
        match queue.settled() {
            Some(turn) => self.begin(turn),
            None => drop(self.queues.remove(&job.process)),
        }
    }

    fn failed(&mut self, job: UploadJob, error: UploadError) {
        metrics::upload_retried();
        self.aside.met(error.is_answer());
        let (process, seq) = (job.process, job.seq);
        let queue = self.queues.entry(process).or_default();
        self.troubled += usize::from(!queue.is_troubled());
        let wait = queue.failed(job, error.retry_after());
        debug!(%process, %seq, %error, ?wait, "an upload failed");
        self.failing.met(error);
        let rest = async move {
            sleep(wait).await;
            Ok(Through::Rested(process, seq))
        };
        self.waits.push(rest.boxed());
    }

    fn begin(&mut self, turn: Turn) {
        match turn {
            Turn::Held(job) => self.send_first(job),
            Turn::Listed(seq) => {
                self.listed.push_back(seq);
                self.load_listed();
            }
        }
    }

    fn load_listed(&mut self) {
        while self.loading < LOADING_MAX && self.window.holds_more() {
            let Some(seq) = self.listed.pop_front() else { return };
            self.loading += 1;
            let shared = self.shared.clone();
            let load = blocking(move || load(shared.log.as_ref(), &shared.store, seq));
            self.waits.push(async move { load.await.map(Through::Loaded) }.boxed());
        }
    }

    /// Sends an event for the first time, and copies of it to the cache.
    fn send_first(&self, job: UploadJob) {
        job.pieces.iter().for_each(|piece| self.shared.sender.copy(piece));
        self.send(job);
    }

    fn send(&self, mut job: UploadJob) {
        let shared = self.shared.clone();
        let send = async move {
            Ok(match shared.attempt(&mut job).await? {
                None => Through::Settled(job),
                Some(error) => Through::Failed(job, error),
            })
        };
        self.waits.push(send.boxed());
    }

    async fn read(&mut self, from: Seq, room: Room) -> Result<(), ProjectionError> {
        let (shared, settled_until) = (self.shared.clone(), self.settled_until);
        let held = self.queues.iter().map(|(process, queue)| (*process, queue.held())).collect();
        let what = ReadFrom { from, room, settled_until, held };
        let read = blocking(move || read(shared.log.as_ref(), &shared.store, what)).await?;
        let mut aside = Vec::new();
        for ReadEvent { fingerprint, time, pending, job } in read {
            self.window.push(fingerprint, time, pending);
            let (process, seq) = (job.process, job.seq);
            let turn = match pending {
                PendingEvent::Nothing => continue,
                PendingEvent::Aside => {
                    aside.push(StuckEvent { seq, process, time });
                    continue;
                }
                PendingEvent::Listed => Turn::Listed(seq),
                PendingEvent::Held(_) => Turn::Held(job),
            };
            match self.queues.get_mut(&process) {
                Some(queue) => queue.push(turn),
                None => {
                    let queue = self.queues.entry(process).or_default();
                    if matches!(turn, Turn::Held(_)) {
                        queue.hold();
                    }
                    self.begin(turn);
                }
            }
        }
        self.aside.take(aside.len());
        self.shared.store.put_aside(&aside)
    }

    /// How much may be read: where something is stuck, what is behind it goes aside with it.
    fn room(&mut self) -> Option<Room> {
        let room = self.window.room()?;
        match self.shared.store.stuck_count() {
            0 => Some(room),
            _ => {
                let events = room.events.min(self.aside.left());
                (events > 0).then_some(Room { events, ..room })
            }
        }
    }

    /// Moves the cursor past what is settled, and what is stuck out of its way if it must.
    fn advance(&mut self) -> Result<(), ProjectionError> {
        if self.troubled > 0 && self.window.room().is_none() && self.aside.left() > 0 {
            self.put_aside()?;
            // There is room again for those whose turn has come.
            self.load_listed();
        }
        if let Some(done) = self.window.take_done() {
            let store = self.shared.log.identity().store;
            let cursor = UploadCursor::new(store, done.position, done.fingerprint);
            self.shared.store.advance(done.from, &cursor, &done.checkpoints)?;
            self.cursor = Some(done.position);
        }
        self.rounds.go_on(&self.shared, &self.waits)?;
        self.publish()
    }

    /// Puts aside all of the processes that wait to be tried again.
    fn put_aside(&mut self) -> Result<(), ProjectionError> {
        let failing = self.queues.extract_if(|_, queue| queue.is_failing());
        let mut stuck = Vec::new();
        for (process, queue) in failing {
            self.troubled -= 1;
            stuck.extend(queue.events().map(|seq| StuckEvent {
                seq,
                process,
                time: self.window.put_aside(seq),
            }));
        }
        self.aside.take(stuck.len());
        debug!(events = stuck.len(), "put events aside that are not taken, so that all others go on");
        self.shared.store.put_aside(&stuck)
    }

    fn publish(&mut self) -> Result<(), ProjectionError> {
        if self.troubled == 0 && self.shared.store.stuck_count() == 0 {
            self.failing.is_over();
        }
        self.shared.next.store(self.window.next().get(), Ordering::Relaxed);
        self.shared.open.store(self.window.open(), Ordering::Relaxed);
        self.shared.publish(self.cursor, self.window.lacks_since(), self.failing.trouble())
    }
}
