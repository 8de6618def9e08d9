//! What of a member survives its crashes.

use std::io;
use std::sync::{Arc, Mutex};

use log::{
    Append, Body, Identity, LocalLog, Log, Members, Memory, MemoryDisk, NodeId, Seq, Stepper, StoreId, Term,
};
use protocol::ProcessId;

use crate::promise::{Keeper, Kept, LogFloor, Promise};

/// What a member remembers, on a disk or only in its memory.
#[derive(Clone)]
pub(super) struct KeptPromise {
    pub(super) now: Arc<Mutex<Kept>>,
    /// What is there after a crash.
    pub(super) synced: Arc<Mutex<Kept>>,
    pub(super) syncs: bool,
}

impl KeptPromise {
    pub(super) fn new() -> Self {
        let promise = Promise { term: Term(1), to: NodeId::UNKNOWN };
        let kept = Kept { promise, floor: LogFloor::NONE };
        Self { now: Arc::new(Mutex::new(kept)), synced: Arc::new(Mutex::new(kept)), syncs: true }
    }

    /// What it remembers now is on its disk.
    pub(super) fn sync(&self) {
        *self.synced.lock().unwrap() = *self.now.lock().unwrap();
    }

    /// What it is after a crash.
    pub(super) fn crash(&self) {
        *self.now.lock().unwrap() = *self.synced.lock().unwrap();
    }
}

impl Keeper for KeptPromise {
    fn kept(&self) -> Kept {
        *self.now.lock().unwrap()
    }

    fn keep(&mut self, kept: Kept) -> io::Result<()> {
        *self.now.lock().unwrap() = kept;
        if self.syncs {
            *self.synced.lock().unwrap() = kept;
        }
        Ok(())
    }
}

/// The identity that all stores of a cluster have.
pub(super) fn identity() -> Identity {
    Identity { store: StoreId(uuid::Uuid::from_u128(1)), term: Term(1) }
}

/// A log with its members as the first event, and so many more, held.
pub(super) fn founded(members: &Members, more: usize) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let (log, mut stepper) = open(&disk);
    let body = || Body::Fact(b"before".to_vec());
    let before = || Append { process: ProcessId::NODE, body: body(), link: None, imported: false };
    let events = std::iter::once(log::Fact::Members(members.clone()).append());
    let first = log.enqueue(Term(1), events.chain((0..more).map(|_| before())).collect()).unwrap();
    stepper.turn(1);
    first.wait().unwrap();
    let held = log.hold(true).unwrap();
    stepper.turn(1);
    held.wait().unwrap();
    disk
}

pub(super) fn open(disk: &MemoryDisk) -> (LocalLog<Memory>, Stepper<Memory>) {
    LocalLog::stepped(Memory::open(disk), Some(identity())).unwrap()
}

/// A copy of what is on the disk of one who leads, as a checkpoint makes one; its events up to `events`.
pub(super) fn checkpoint(of: &LocalLog<Memory>, events: u64) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let (log, mut stepper) = open(&disk);
    let held = log.hold(true).unwrap();
    stepper.turn(1);
    held.wait().unwrap();
    let mut followed = Vec::new();
    of.scan_synced(Seq::ZERO, &mut |event| {
        if event.seq.get() >= events {
            return std::ops::ControlFlow::Break(());
        }
        followed.push(log.follow(&[event]).unwrap());
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    while stepper.turn(1000) > 0 {}
    disk
}

/// The number of a node, by which its id is made.
pub(super) fn node(number: usize) -> NodeId {
    NodeId(uuid::Uuid::from_u128(number as u128 + 1))
}
