//! A scheduler that runs as in a node: with its threads, a log in memory, and an index that follows it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use ans104::{Ed25519Wallet, Id, Signer};
use bytes::Bytes;
use log::{Event, LocalLog, Log, Memory, MemoryDisk, StoreMemory};
use projections::{Follower, Index};
use protocol::{Nonce, ProcessId};
use tempfile::TempDir;
use testing::{SampleUser, id_of};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::world::{OneHeight, World};
use crate::clock::{Clock, SystemClock};
use crate::error::ScheduleError;
use crate::options::SchedulerOptions;
use crate::order::{AssignOrder, Scheduled};
use crate::scheduler::{Scheduler, SchedulerParts};

pub(crate) struct Scene {
    pub(crate) scheduler: Scheduler,
    pub(crate) world: Arc<World>,
    pub(crate) user: SampleUser,
    pub(crate) log: Arc<LocalLog<Memory>>,
    following: Option<(watch::Sender<bool>, JoinHandle<()>)>,
    _folder: TempDir,
}

impl Scene {
    pub(crate) fn start(options: &SchedulerOptions) -> Self {
        Self::start_with(options, Arc::new(SystemClock))
    }

    /// The same with another clock.
    pub(crate) fn start_with(options: &SchedulerOptions, clock: Arc<dyn Clock>) -> Self {
        Self::start_of(&MemoryDisk::new(), options, clock, Arc::new(Ed25519Wallet::from_seed([77; 32])))
    }

    /// The same with another wallet.
    pub(crate) fn start_signing(options: &SchedulerOptions, signer: Arc<dyn Signer>) -> Self {
        Self::start_of(&MemoryDisk::new(), options, Arc::new(SystemClock), signer)
    }

    /// The same over what is on a disk, with an index that is made anew.
    pub(crate) fn start_on(disk: &MemoryDisk) -> Self {
        Self::start_on_signing(disk, Arc::new(Ed25519Wallet::from_seed([77; 32])))
    }

    /// The same with these options.
    pub(crate) fn start_on_with(disk: &MemoryDisk, options: &SchedulerOptions) -> Self {
        let signer = Arc::new(Ed25519Wallet::from_seed([77; 32]));
        Self::start_of(disk, options, Arc::new(SystemClock), signer)
    }

    /// The same with another wallet.
    pub(crate) fn start_on_signing(disk: &MemoryDisk, signer: Arc<dyn Signer>) -> Self {
        Self::start_of(disk, &SchedulerOptions::default(), Arc::new(SystemClock), signer)
    }

    fn start_of(
        disk: &MemoryDisk,
        options: &SchedulerOptions,
        clock: Arc<dyn Clock>,
        signer: Arc<dyn Signer>,
    ) -> Self {
        let folder = TempDir::new().expect("a folder");
        let log = LocalLog::open(Memory::open(disk), None).expect("the log opens");
        let log = Arc::new(log);
        let (index, writer) =
            Index::open(&folder.path().join("index"), log.as_ref(), &StoreMemory::default())
                .expect("the index opens");
        let mut follower = Follower::new(writer, log.clone());
        follower.catch_up(|_, _| Ok(())).expect("the index catches up");
        let indexed = follower.position();
        let (stop, stopped) = watch::channel(false);
        let runtime = Handle::current();
        let following = thread::spawn(move || follower.run(&runtime, stopped));
        let world = Arc::<World>::default();
        let parts = SchedulerParts {
            log: log.clone(),
            index,
            indexed,
            gateway: world.clone(),
            heights: Arc::new(OneHeight),
            clock,
            signer,
        };
        let scheduler = Scheduler::start(parts, options).expect("the threads start");
        let (user, following) = (SampleUser::new(1), Some((stop, following)));
        Self { scheduler, world, user, log, following, _folder: folder }
    }

    /// Spawns a process with these tags beside those that it needs.
    pub(crate) async fn spawn(&self, more: &[(&str, &str)]) -> ProcessId {
        self.scheduler.schedule(self.user.process(more, "")).await.expect("it may be spawned").id.into()
    }

    pub(crate) async fn post(&self, item: Bytes) -> Result<Scheduled, ScheduleError> {
        self.scheduler.schedule(item).await
    }

    pub(crate) async fn assign(
        &self,
        process: ProcessId,
        transaction: Id,
        base_layer: bool,
    ) -> Result<Scheduled, ScheduleError> {
        self.scheduler.assign(AssignOrder { process, transaction, base_layer, exclude: Vec::new() }).await
    }

    /// All events of a process.
    pub(crate) fn events(&self, process: ProcessId) -> Vec<Event> {
        let mut events = Vec::new();
        self.log
            .range(process, true, Nonce::ZERO..=Nonce::MAX, &mut |event| {
                events.push(event.to_owned());
                ControlFlow::Continue(())
            })
            .expect("the log can be read");
        events
    }

    /// Holds that a good message gets this nonce, so nothing that came before took it.
    pub(crate) async fn check_next_nonce(&self, process: ProcessId, nonce: u64) {
        let message = self.user.message(process, &[], format!("the one with nonce {nonce}"));
        let scheduled = self.post(message.clone()).await.expect("a good message is scheduled");
        assert_eq!(scheduled.id, id_of(&message));
        let newest = self.log.head(process).expect("the log can be read").and_then(|head| head.last);
        assert_eq!(newest.map(|link| link.nonce), Some(Nonce::new(nonce)), "a nonce was taken");
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some((stop, following)) = self.following.take() {
            drop(stop);
            let _ = following.join();
        }
    }
}
