//! What the stores of a node keep in memory, while the log grows and all of it is read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use log::{Append, LocalLog, Log, Rocks, Seq, StoreMemory};
use projections::{Follower, Index, IndexWriter};
use protocol::{Nonce, Timestamp};
use testing::SampleProcess;

/// How many events come first. With their index they are about as long as there is memory for.
const EVENTS: u64 = 6_000;
/// How often as many come.
const TIMES: u64 = 10;
const PROCESSES: u64 = 2_000;
const BATCH: u64 = 500;
const DATA_LEN: usize = 3 << 10;
/// The memory that the stores have.
const BYTES: usize = StoreMemory::BYTES_MIN;
/// What their bound may be off by, and what the allocator may.
const SLACK: usize = 8 << 20;
const ALLOCATOR_SLACK: usize = 32 << 20;

/// A log and its index, as a node has them.
struct Stores {
    memory: StoreMemory,
    log: Arc<dyn Log>,
    index: Index,
    follower: Follower<IndexWriter>,
    processes: Vec<SampleProcess>,
    events: u64,
}

impl Stores {
    fn new(folder: &Path) -> Self {
        let memory = StoreMemory::new(BYTES);
        let rocks = Rocks::open(folder.join("log"), &memory).unwrap();
        let log: Arc<dyn Log> = Arc::new(LocalLog::open(rocks, None).unwrap());
        let (index, writer) = Index::open(&folder.join("index"), log.as_ref(), &memory).unwrap();
        let follower = Follower::new(writer, log.clone());
        let processes = (0..PROCESSES).map(|seed| SampleProcess::noisy(seed, 16));
        Self { memory, log, index, follower, processes: processes.collect(), events: 0 }
    }

    fn append(&mut self, events: u64) {
        for _ in 0..events / BATCH {
            let batch = (0..BATCH).map(|_| self.next()).collect();
            self.log.enqueue(self.log.identity().term, batch).unwrap().wait().unwrap();
            self.follower.catch_up(|_, _| Ok(())).unwrap();
        }
    }

    fn next(&mut self) -> Append {
        let process = &mut self.processes[(self.events % PROCESSES) as usize];
        self.events += 1;
        let Some(last) = process.last else {
            process.data_len = DATA_LEN;
            process.place_at(Nonce::ZERO, Timestamp::new(self.events));
            return process.spawn();
        };
        process.place_at(last.nonce.next(), Timestamp::new(self.events));
        process.message()
    }

    /// Reads all that there is from an event on, as those do who follow the log and those who look for a message.
    fn read(&self, from: u64) {
        let mut found = from;
        let scanned = self.log.scan(Seq::new(from), &mut |event| {
            let id = event.assignment().unwrap().id();
            assert!(self.index.find(event.process, id).unwrap().is_some());
            found += 1;
            ControlFlow::Continue(())
        });
        scanned.unwrap();
        assert_eq!(found, self.events);
    }
}

/// How much memory this process has in use, in bytes.
fn in_use() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    kilobytes.unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn memory_does_not_grow_with_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut stores = Stores::new(folder.path());
    let mut in_use_after = Vec::new();
    for _ in 0..TIMES {
        let from = stores.events;
        stores.append(EVENTS);
        stores.read(from);
        in_use_after.push(in_use());
        assert!(stores.memory.used() <= BYTES + SLACK, "{:?}", stores.memory);
    }
    stores.read(0);
    in_use_after.push(in_use());
    let allowed = in_use_after[0] + ALLOCATOR_SLACK;
    assert!(in_use_after.iter().all(|bytes| *bytes <= allowed), "{in_use_after:?}");
}
