//! Histories to upload, and uploads that can be killed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use ans104::{Ed25519Wallet, Id};
use bytes::Bytes;
use log::{Append, Body, LocalLog, Log, Memory, MemoryDisk, Seq, StoreMemory};
use protocol::ProcessId;
use tempfile::TempDir;
use testing::{SampleProcess, SampleUser, id_of};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::fake::Fake;
use crate::projection::ProjectionError;
use crate::replay::{Progress, Replay, ReplayScope};
use crate::uploads::shared::UploadsShared;
use crate::uploads::window::WindowLimits;
use crate::uploads::{UploadRunner, UploadTargets, UploadsHandle};

struct Happened {
    process: ProcessId,
    ids: Vec<Id>,
}

/// A log, and what must be uploaded of it. The same steps make the same items, though in another store.
pub struct History {
    log: Arc<dyn Log>,
    seed: u8,
    processes: Vec<SampleProcess>,
    happened: Vec<Happened>,
    batch: Vec<Append>,
    serial: u64,
}

impl History {
    /// So many processes, and messages to each in turn.
    pub async fn mixed(seed: u8, processes: u64, messages: u64) -> Self {
        Self::forked(seed, processes, messages, 0).await
    }

    /// The same, and then messages that no other history has.
    pub async fn forked(seed: u8, processes: u64, messages: u64, own: u64) -> Self {
        let log: Arc<dyn Log> = Arc::new(LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap());
        let mut history =
            Self { log, seed, processes: Vec::new(), happened: Vec::new(), batch: Vec::new(), serial: 0 };
        (0..processes).for_each(|_| history.spawn());
        (0..messages).for_each(|turn| history.message(turn % processes));
        history.serial += u64::from(own > 0) * 1_000_000;
        (0..own).for_each(|turn| history.message(turn % processes));
        history.write().await;
        history
    }

    /// Two processes: many messages to the first, then a few to the second.
    pub async fn uneven(seed: u8, many: u64, few: u64) -> Self {
        let mut history = Self::forked(seed, 2, 0, 0).await;
        (0..many).for_each(|_| history.message(0));
        (0..few).for_each(|_| history.message(1));
        history.write().await;
        history
    }

    /// Messages to each process in turn, and so many in all.
    pub async fn more(&mut self, messages: u64) {
        let processes = self.processes.len() as u64;
        (0..messages).for_each(|turn| self.message(turn % processes));
        self.write().await;
    }

    pub fn len(&self) -> u64 {
        self.happened.len() as u64
    }

    pub fn store(&self) -> uuid::Uuid {
        self.log.identity().store.0
    }

    pub fn processes(&self) -> Vec<ProcessId> {
        self.processes.iter().map(|process| process.process).collect()
    }

    pub fn ids(&self) -> Vec<Id> {
        self.happened.iter().flat_map(|happened| happened.ids.clone()).collect()
    }

    pub fn ids_at(&self, seq: u64) -> Vec<Id> {
        self.happened[seq as usize].ids.clone()
    }

    pub fn ids_of(&self, process: ProcessId) -> Vec<Id> {
        let of = self.happened.iter().filter(|happened| happened.process == process);
        of.flat_map(|happened| happened.ids.clone()).collect()
    }

    pub fn is_of(&self, seq: u64, process: ProcessId) -> bool {
        self.happened[seq as usize].process == process
    }

    pub fn last_of(&self, process: ProcessId) -> Seq {
        let place = self.happened.iter().rposition(|happened| happened.process == process).unwrap();
        Seq::new(place as u64)
    }

    fn item(&mut self, target: Option<ProcessId>) -> Bytes {
        self.serial += 1;
        SampleUser::new(self.seed).item(target, &[], self.serial.to_string().as_bytes())
    }

    fn spawn(&mut self) {
        let item = self.item(None);
        let scheduler = Ed25519Wallet::from_seed([self.seed; 32]);
        let mut process = SampleProcess::of(item, SampleUser::new(self.seed), Box::new(scheduler));
        let append = process.spawn();
        let id = process.process.id();
        self.processes.push(process);
        self.append(append, vec![id]);
    }

    fn message(&mut self, number: u64) {
        let number = number as usize;
        let target = self.processes[number].process;
        if self.serial.is_multiple_of(7) {
            // Something on chain: only the assignment is there to be uploaded.
            self.serial += 1;
            let mut transaction = [0; 32];
            transaction[..8].copy_from_slice(&self.serial.to_be_bytes());
            let (assignment, link) = self.processes[number].assign(Some(Id::from_bytes(transaction)));
            let body = Body::Assigned { assignment, deep_hash: None };
            return self.append(Append { process: target, body, link: Some(link), imported: false }, vec![]);
        }
        let item = self.item(Some(target));
        let append = self.processes[number].scheduled(&item);
        self.append(append, vec![id_of(&item)]);
    }

    fn append(&mut self, append: Append, mut ids: Vec<Id>) {
        ids.extend(append.link.map(|link| link.assignment.id()));
        self.happened.push(Happened { process: append.process, ids });
        self.batch.push(append);
    }

    async fn write(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.log.enqueue(self.log.identity().term, batch).unwrap().await.unwrap();
    }
}

/// A folder, and an upload node.
pub struct Scene {
    pub folder: TempDir,
    pub node: Arc<Fake>,
    pub targets: UploadTargets,
}

/// Uploads that run.
pub struct Running {
    pub handle: UploadsHandle,
    end: Option<Seq>,
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Scene {
    pub fn new() -> Self {
        let node = Arc::new(Fake::default());
        let targets = UploadTargets { node: node.clone(), cache: None, arrivals: node.clone() };
        Self { folder: TempDir::new().unwrap(), node, targets }
    }

    /// Why uploads cannot be opened in the folder.
    pub fn refusal(&self, history: &History) -> String {
        let opened = UploadRunner::open(
            history.log.clone(),
            self.targets.clone(),
            self.folder.path(),
            &StoreMemory::default(),
            0,
        );
        opened.err().expect("it is refused").to_string()
    }

    pub async fn open(&self, history: &History, rewind_events_max: u64) -> Running {
        self.open_within(history, rewind_events_max, WindowLimits::default()).await
    }

    /// With only so much of the log in hand.
    pub async fn open_within(
        &self,
        history: &History,
        rewind_events_max: u64,
        limits: WindowLimits,
    ) -> Running {
        let (log, data) = (history.log.clone(), self.folder.path());
        let (mut uploads, handle) =
            UploadRunner::open(log, self.targets.clone(), data, &StoreMemory::default(), rewind_events_max)
                .unwrap();
        uploads.limits = limits;
        let (stop, stopping) = watch::channel(false);
        let task = uploads.start(&tokio::runtime::Handle::current(), stopping);
        Running { handle, end: history.log.tail().last(), task, stop }
    }
}

impl Running {
    /// Waits until all is settled.
    pub async fn finish(&self) {
        self.until(|handle| handle.position().last() >= self.end).await;
    }

    pub async fn finish_and_kill(self) {
        self.finish().await;
        self.kill().await;
    }

    /// Waits until something is true.
    pub async fn until(&self, mut probe: impl FnMut(&UploadsHandle) -> bool) {
        while !probe(&self.handle) {
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends it wherever it is, and waits until its store is closed.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
        let store: Weak<UploadsShared> = Arc::downgrade(&self.handle.shared);
        drop((self.handle, self.stop));
        while store.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Does a replay on a thread of its own.
    pub async fn replay(&self, scope: ReplayScope, progress: &Arc<Progress>) -> Result<(), ProjectionError> {
        let (handle, progress) = (self.handle.clone(), progress.clone());
        let (done, waiting) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let replayed = handle.replay(&scope, &progress);
            drop(handle);
            done.send(replayed).unwrap();
        });
        let replayed = waiting.await.unwrap();
        thread.join().unwrap();
        replayed
    }
}
