//! The contract of [`Log`](crate::Log), sentence by sentence, for every engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod failing;
mod following;
mod history;
mod holding;
mod forking;
mod model;
mod moving;
mod ordering;
mod reading;
mod reopening;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::{fs, io};

use protocol::{Nonce, ProcessId};
use tempfile::TempDir;

use crate::engine::Engine;
use crate::local::{LocalLog, Stepper};
use crate::memory::{Memory, MemoryDisk};
use crate::rocks::{Rocks, StoreMemory};
use crate::{Append, Event, Fact, Log, NodeId, Promotion, Receipt, Seq, Term};

/// Runs tests that are generic over a [`Setup`] on both engines.
macro_rules! on_both_engines {
    ($($test:ident),+ $(,)?) => {
        mod memory {
            $(#[test] fn $test() { super::$test(&mut $crate::suite::OnMemory::default()); })+
        }
        mod rocks {
            $(#[test] fn $test() { super::$test(&mut $crate::suite::OnRocks::default()); })+
        }
    };
}
use on_both_engines;

/// A disk, as far as tests need one.
pub(crate) trait Setup: Default {
    type Engine: Engine;

    /// Opens the store, whatever state its disk is in.
    fn engine(&self) -> Self::Engine;

    /// Makes the disk what it would be after a crash at this moment, whoever has it open.
    fn crash(&mut self);

    fn log(&self) -> LocalLog<Self::Engine> {
        LocalLog::open(self.engine(), None).unwrap()
    }

    fn stepped(&self) -> (LocalLog<Self::Engine>, Stepper<Self::Engine>) {
        LocalLog::stepped(self.engine(), None).unwrap()
    }
}

#[derive(Default)]
pub(crate) struct OnMemory(pub(crate) MemoryDisk);

impl Setup for OnMemory {
    type Engine = Memory;

    fn engine(&self) -> Memory {
        Memory::open(&self.0)
    }

    fn crash(&mut self) {}
}

pub(crate) struct OnRocks {
    dir: TempDir,
    copies: u32,
}

impl Default for OnRocks {
    fn default() -> Self {
        Self { dir: TempDir::new().unwrap(), copies: 0 }
    }
}

impl OnRocks {
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join(self.copies.to_string())
    }
}

impl Setup for OnRocks {
    type Engine = Rocks;

    fn engine(&self) -> Rocks {
        Rocks::open(self.path(), &StoreMemory::default()).unwrap()
    }

    /// The files as they are: what was synced is there, and no buffer of RocksDB's.
    fn crash(&mut self) {
        let from = self.path();
        loop {
            self.copies += 1;
            match copy_files(&from, &self.path()) {
                Ok(true) => return,
                // RocksDB has made or deleted a file meanwhile: its threads go on, and the copy is of no one moment.
                Ok(false) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Whether the folder had the same files before and after.
fn copy_files(from: &Path, to: &Path) -> io::Result<bool> {
    fs::create_dir(to)?;
    let names = names(from)?;
    for name in &names {
        fs::copy(from.join(name), to.join(name))?;
    }
    Ok(self::names(from)? == names)
}

fn names(folder: &Path) -> io::Result<BTreeSet<OsString>> {
    fs::read_dir(folder)?.map(|file| Ok(file?.file_name())).collect()
}

/// Enqueues in the log's own term.
pub(crate) fn enqueue(log: &impl Log, batch: Vec<Append>) -> Receipt {
    log.enqueue(log.identity().term, batch).unwrap()
}

/// Appends, and waits.
pub(crate) fn append(log: &impl Log, batch: Vec<Append>) -> Seq {
    enqueue(log, batch).wait().unwrap()
}

/// Begins a term.
pub(crate) fn promote(log: &impl Log, term: u64) -> Receipt {
    log.enqueue(Term(term), vec![promotion(term).append()]).unwrap()
}

/// The promotion of some node.
pub(crate) fn promotion(term: u64) -> Fact {
    let owner = NodeId(uuid::Uuid::from_u128(term.into()));
    Fact::Promotion(Promotion { term: Term(term), owner, promises: vec![owner], forced_by: None })
}

/// All events.
pub(crate) fn all(log: &impl Log) -> Vec<Event> {
    scan(log, 0)
}

pub(crate) fn scan(log: &impl Log, from: u64) -> Vec<Event> {
    let mut events = Vec::new();
    log.scan(Seq::new(from), &mut |event| {
        events.push(event.to_owned());
        ControlFlow::Continue(())
    })
    .unwrap();
    events
}

/// All events of a process.
pub(crate) fn range(log: &impl Log, process: ProcessId) -> Vec<Event> {
    let mut events = Vec::new();
    log.range(process, true, Nonce::ZERO..=Nonce::MAX, &mut |event| {
        events.push(event.to_owned());
        ControlFlow::Continue(())
    })
    .unwrap();
    events
}

/// What events should be after these appends, in this order.
pub(crate) fn events(appends: &[Append]) -> Vec<Event> {
    let mut facts = 0;
    let place = |(seq, append): (usize, &Append)| {
        let mut nonce = append.link.map(|link| link.nonce);
        if append.process == ProcessId::NODE {
            nonce = Some(Nonce::new(facts));
            facts += 1;
        }
        let Append { process, body, imported, .. } = append.clone();
        Event { seq: Seq::new(seq as u64), process, nonce, imported, envelope: None, body }
    };
    appends.iter().enumerate().map(place).collect()
}

/// What a future has to say right now.
pub(crate) fn poll_once<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

impl<T> Receipt<T> {
    /// What became of it, if anything did.
    fn try_now(&mut self) -> Option<Result<T, crate::AppendError>> {
        poll_once(std::pin::Pin::new(self))
    }
}
