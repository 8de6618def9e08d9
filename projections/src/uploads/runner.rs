//! The loop that reads the log, sends what it finds and moves the cursor.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use log::{Log, Seq};
use protocol::ProcessId;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::info;

use super::blocking::blocking;
use super::cursor::UploadCursor;
use super::handle::UploadsHandle;
use super::piece::UploadJob;
use super::reading::{ReadEvent, load, read};
use super::reconcile::reconcile;
use super::sender::{LAST_RETRY, Sender};
use super::shared::{Rebuild, UploadsShared};
use super::store::UploadStore;
use super::target::UploadTargets;
use super::window::{PendingEvent, Room, Window};
use super::{NAME, legacy};
use crate::position::Standing;
use crate::projection::ProjectionError;
use crate::publisher::Publisher;
use crate::trouble::Trouble;

/// How many events are read again at a time; of how many bytes each is shows only then.
const LOADING_MAX: usize = 4;
/// How often the metrics are told anew while nothing comes through.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Follows the log and uploads what it finds, at least once, idempotent by id; a slow or broken upload node delays
/// nothing else.
pub struct UploadRunner {
    shared: Arc<UploadsShared>,
    old_cursor: PathBuf,
    rewind_events_max: u64,
}

impl UploadRunner {
    /// Opens what is known of uploads in the folder `uploads` of this one. When the log turns out to have another
    /// history, at most so many events are sent again without being asked.
    ///
    /// # Errors
    /// When the store cannot be opened, or the folder has something else in it.
    pub fn open(
        log: Arc<dyn Log>,
        targets: UploadTargets,
        data: &Path,
        rewind_events_max: u64,
    ) -> Result<(Self, UploadsHandle), ProjectionError> {
        let store = UploadStore::open(&data.join(NAME), log.identity().store)?;
        let position = store.cursor()?.map(|cursor| cursor.position);
        let publisher = Publisher::new(NAME, log.tail());
        publisher.publish(position, None, None);
        let shared = Arc::new(UploadsShared {
            log,
            store,
            arrivals: targets.arrivals.clone(),
            sender: Sender::new(targets),
            publisher,
            beyond: AtomicU64::new(0),
            rebuild: Rebuild::default(),
            runtime: OnceLock::new(),
            compared: watch::Sender::new(false),
        });
        let handle = UploadsHandle { shared: shared.clone() };
        Ok((Self { shared, old_cursor: legacy::path(data), rewind_events_max }, handle))
    }

    /// Starts a task that uploads until `stop` is true; what is under way then is sent again at the next start.
    pub fn start(self, runtime: &Handle, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
        // It is only ever the same one.
        let _ = self.shared.runtime.set(runtime.clone());
        runtime.spawn(async move {
            tokio::select! {
                () = self.follow() => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        })
    }

    async fn follow(&self) {
        let mut trouble = Trouble::new(NAME);
        loop {
            let followed = match self.resume().await {
                Ok(position) => {
                    self.shared.compared.send_replace(true);
                    Uploading::new(self.shared.clone(), position).run().await
                }
                Err(error) => Err(error),
            };
            let Err(error) = followed else { return };
            trouble.met(&error);
            self.shared.publish(self.shared.publisher.last(), None, Some(&error));
            self.shared.compared.send_replace(true);
            self.wait(&error).await;
        }
    }

    /// Waits until it may go better: an operator asks for a rebuild, or time has passed.
    async fn wait(&self, error: &ProjectionError) {
        let asked = self.shared.rebuild.changed.notified();
        if Standing::from(error) == Standing::NeedsRebuild {
            asked.await;
        } else {
            // Either way the next thing to do is to look.
            let _ = timeout(LAST_RETRY, asked).await;
        }
    }

    /// Compares with the log and tells where to go on.
    async fn resume(&self) -> Result<Option<Seq>, ProjectionError> {
        let (shared, old, max) = (self.shared.clone(), self.old_cursor.clone(), self.rewind_events_max);
        let position = blocking(move || {
            if shared.rebuild.asked.swap(false, Ordering::Relaxed) {
                info!("beginning anew, as an operator asked for: all of the log is uploaded again");
                shared.store.rewind(None)?;
            }
            legacy::take_over(&shared.store, shared.log.as_ref(), &old)?;
            reconcile(&shared.store, shared.log.as_ref(), max)
        })
        .await?;
        self.shared.publish(position, None, None);
        Ok(position)
    }
}

/// What waits behind an event of the same process that is being sent.
#[derive(Default)]
struct ProcessQueue {
    turns: VecDeque<Turn>,
    /// How many events of the process are held, that which is being sent among them.
    held: usize,
}

enum Turn {
    Held(UploadJob),
    Listed(Seq),
}

/// What came through.
enum Through {
    /// It is to be sent now.
    Loaded(UploadJob),
    /// All of it is settled.
    Sent(UploadJob),
}

/// The processes that are uploaded, from one position on.
struct Uploading {
    shared: Arc<UploadsShared>,
    position: Option<Seq>,
    window: Window,
    /// A queue is there, be it empty, as long as something of the process is being sent.
    waiting: HashMap<ProcessId, ProcessQueue>,
    sending: FuturesUnordered<BoxFuture<'static, Result<Through, ProjectionError>>>,
    /// Those whose turn has come and that are to be read again, as soon as more may be held; and how many are being read.
    listed: VecDeque<Seq>,
    loading: usize,
    /// Up to there parts may have been settled by an earlier run.
    settled_until: Option<Seq>,
}

impl Uploading {
    fn new(shared: Arc<UploadsShared>, position: Option<Seq>) -> Self {
        Self {
            shared,
            position,
            window: Window::after(position),
            waiting: HashMap::new(),
            sending: FuturesUnordered::new(),
            listed: VecDeque::new(),
            loading: 0,
            settled_until: None,
        }
    }

    /// Ends with an error, or when the log is closed and all that was read is settled.
    async fn run(mut self) -> Result<(), ProjectionError> {
        self.settled_until = self.shared.store.last_settled()?;
        let mut tail = self.shared.log.tail();
        let mut open = true;
        self.publish();
        while open || !self.sending.is_empty() {
            let (room, next) = (self.window.room(), self.window.next());
            tokio::select! {
                Some(through) = self.sending.next(), if !self.sending.is_empty() => {
                    self.came_through(through?);
                    // What else came through meanwhile moves the cursor in the same write.
                    while let Some(Some(through)) = self.sending.next().now_or_never() {
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
                () = sleep(TELL_EVERY), if !self.sending.is_empty() => self.publish(),
            }
        }
        Ok(())
    }

    fn came_through(&mut self, through: Through) {
        match through {
            Through::Loaded(job) => {
                self.loading = self.loading.saturating_sub(1);
                self.window.load(job.seq, job.bytes());
                self.waiting.entry(job.process).or_default().held += 1;
                self.send(job);
            }
            Through::Sent(job) => {
                self.window.finish(job.seq);
                if let Some(queue) = self.waiting.get_mut(&job.process) {
                    queue.held = queue.held.saturating_sub(1);
                    match queue.turns.pop_front() {
                        Some(turn) => self.begin(turn),
                        None => drop(self.waiting.remove(&job.process)),
                    }
                }
            }
        }
        self.load_listed();
    }

    fn begin(&mut self, turn: Turn) {
        match turn {
            Turn::Held(job) => self.send(job),
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
            self.sending.push(async move { load.await.map(Through::Loaded) }.boxed());
        }
    }

    fn send(&mut self, job: UploadJob) {
        let shared = self.shared.clone();
        self.sending.push(async move { shared.send(&job).await.map(|()| Through::Sent(job)) }.boxed());
    }

    async fn read(&mut self, from: Seq, room: Room) -> Result<(), ProjectionError> {
        let (shared, settled_until) = (self.shared.clone(), self.settled_until);
        let held = self.waiting.iter().map(|(process, queue)| (*process, queue.held)).collect();
        let read =
            blocking(move || read(shared.log.as_ref(), &shared.store, from, room, settled_until, held));
        let read = read.await?;
        for ReadEvent { fingerprint, time, pending, job } in read {
            self.window.push(fingerprint, time, pending);
            let (process, held) = (job.process, usize::from(matches!(pending, PendingEvent::Held(_))));
            let turn = match pending {
                PendingEvent::Nothing => continue,
                PendingEvent::Listed => Turn::Listed(job.seq),
                PendingEvent::Held(_) => Turn::Held(job),
            };
            match self.waiting.get_mut(&process) {
                Some(queue) => {
                    queue.held += held;
                    queue.turns.push_back(turn);
                }
                None => {
                    self.waiting.insert(process, ProcessQueue { turns: VecDeque::new(), held });
                    self.begin(turn);
                }
            }
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<(), ProjectionError> {
        if let Some(done) = self.window.take_done() {
            let store = self.shared.log.identity().store;
            let cursor = UploadCursor::new(store, done.position, done.fingerprint);
            self.shared.store.advance(done.from, &cursor, &done.checkpoints)?;
            self.position = Some(done.position);
        }
        self.publish();
        Ok(())
    }

    fn publish(&self) {
        self.shared.beyond.store(self.window.done_beyond(), Ordering::Relaxed);
        self.shared.publish(self.position, self.window.lacks_since(), None);
    }
}
