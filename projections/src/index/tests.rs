#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod folders;
mod replays;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ans104::{Ed25519Wallet, Id};
use bytes::Bytes;
use futures_util::FutureExt;
use log::{Append, Body, Identity, LocalLog, Log, Memory, MemoryDisk, StoreId, StoreMemory, Term};
use proptest::prelude::*;
use protocol::{Nonce, ProcessId, Timestamp};
use tempfile::TempDir;
use testing::{SampleProcess, SampleUser, id_of};

use super::{Index, IndexPlace};
use crate::follower::Follower;

const STORE: StoreId = StoreId(uuid::Uuid::from_u128(1));

/// A log that grows by what a test wants, and what the index must know of it.
struct History {
    log: Arc<dyn Log>,
    seed: u8,
    processes: BTreeMap<ProcessId, SampleProcess>,
    ids: Vec<(ProcessId, Id, Option<Nonce>)>,
    times: Vec<(ProcessId, Timestamp, Nonce)>,
    serial: u64,
}

impl History {
    /// The seed tells the items of one history from those of another.
    fn new(seed: u8) -> Self {
        Self::of_store(seed, STORE)
    }

    fn of_store(seed: u8, store: StoreId) -> Self {
        let identity = Some(Identity { store, term: Term(1) });
        let log = Arc::new(LocalLog::open(Memory::open(&MemoryDisk::new()), identity).unwrap());
        Self { log, seed, processes: BTreeMap::new(), ids: Vec::new(), times: Vec::new(), serial: 0 }
    }

    fn item(&mut self, target: Option<ProcessId>) -> Bytes {
        self.serial += 1;
        SampleUser::new(self.seed).item(target, &[], self.serial.to_string().as_bytes())
    }

    /// The process, whose next assignment is so much later than its last one.
    fn later(&mut self, process: ProcessId, later: u64) -> &mut SampleProcess {
        let process = self.processes.get_mut(&process).unwrap();
        let nonce = process.last.map_or(Nonce::ZERO, |link| link.nonce.next());
        let last = process.last.map_or(1_000, |link| link.timestamp.get());
        process.place_at(nonce, Timestamp::new(last + later));
        process
    }

    fn spawn(&mut self, assigned: bool) -> ProcessId {
        let item = self.item(None);
        let scheduler = Ed25519Wallet::from_seed([self.seed; 32]);
        let sample = SampleProcess::of(item, SampleUser::new(self.seed), Box::new(scheduler));
        let process = sample.process;
        self.processes.insert(process, sample);
        let append = match assigned {
            true => self.later(process, 0).spawn(),
            false => self.processes[&process].spawn_unassigned(),
        };
        self.append(append, process.id());
        process
    }

    fn message(&mut self, process: ProcessId, later: u64) {
        let item = self.item(Some(process));
        let mut append = self.later(process, later).scheduled(&item);
        if let Body::Scheduled { deep_hash, .. } = &mut append.body {
            *deep_hash = Some([self.serial as u8; 48]);
        }
        self.append(append, id_of(&item));
    }

    fn assign(&mut self, process: ProcessId, transaction: Id, later: u64) {
        let (assignment, link) = self.later(process, later).assign(Some(transaction));
        let body = Body::Assigned { assignment, deep_hash: None };
        self.append(Append { process, body, link: Some(link), imported: false }, transaction);
    }

    fn append(&mut self, append: Append, id: Id) {
        let (process, link) = (append.process, append.link);
        let receipt = self.log.enqueue(self.log.identity().term, vec![append]).unwrap();
        receipt.wait().unwrap();
        self.ids.push((process, id, link.map(|link| link.nonce)));
        if let Some(link) = link {
            self.ids.push((process, link.assignment.id(), Some(link.nonce)));
            self.times.push((process, link.timestamp, link.nonce));
        }
    }

    /// Everything that the index answers must be what happened, and nothing else.
    fn check(&self, index: &Index) {
        let unknown = Id::from_bytes([250; 32]);
        for (process, id, nonce) in &self.ids {
            let place = IndexPlace { process: *process, nonce: *nonce };
            assert_eq!(index.find(*process, *id).unwrap(), Some(place));
            assert!(index.everywhere(*id, 100).unwrap().contains(&place));
            let places = self.ids.iter().filter(|(_, other, _)| other == id).count();
            assert_eq!(index.everywhere(*id, 100).unwrap().len(), places);
            assert_eq!(index.find(*process, unknown).unwrap(), None);
        }
        for process in self.processes.keys() {
            let times: Vec<_> = self.times.iter().filter(|(of, _, _)| of == process).collect();
            for time in (990..1_300).step_by(7).chain(times.iter().map(|(_, time, _)| time.get())) {
                let first = times.iter().find(|(_, at, _)| at.get() > time).map(|(_, _, nonce)| *nonce);
                assert_eq!(index.first_after(*process, Timestamp::new(time)).unwrap(), first, "after {time}");
            }
        }
        assert_eq!(index.find(unknown.into(), unknown).unwrap(), None);
        assert_eq!(index.first_after(unknown.into(), Timestamp::ZERO).unwrap(), None);
        assert!(index.everywhere(unknown, 100).unwrap().is_empty());
    }
}

fn follow(path: &Path, log: &Arc<dyn Log>) -> Index {
    let (index, writer) = Index::open(path, log.as_ref(), &StoreMemory::default()).unwrap();
    Follower::new(writer, log.clone()).catch_up(|_, _| Ok(())).unwrap();
    index
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_index_knows_what_happened_after_any_stop(steps in prop::collection::vec((0..10u8, 0..3usize, 1..9u64), 1..60)) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("index");
        let mut history = History::new(1);
        let mut processes = vec![history.spawn(true)];
        for (step, which, later) in steps {
            let process = processes[which % processes.len()];
            match step {
                0 => processes.push(history.spawn(which != 0)),
                1 => {
                    let transaction = Id::from_bytes([later as u8; 32]);
                    let known = history.ids.iter().any(|(of, id, _)| *of == process && *id == transaction);
                    if !known {
                        history.assign(process, transaction, later);
                    }
                }
                2 => drop(follow(&path, &history.log)),
                _ => history.message(process, later),
            }
        }
        let index = follow(&path, &history.log);
        history.check(&index);
    }
}

#[test]
fn an_index_of_another_history_is_made_anew() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("index");
    let build = |messages: u64| {
        let mut history = History::new(messages as u8);
        let process = history.spawn(true);
        (0..messages).for_each(|later| history.message(process, later + 1));
        history
    };
    let first = build(5);
    first.check(&follow(&path, &first.log));
    // The same store, restored from an older copy and then gone on with: longer and shorter than the first.
    for messages in [9, 1] {
        let other = build(messages);
        let index = follow(&path, &other.log);
        other.check(&index);
        for (process, id, _) in &first.ids {
            assert_eq!(index.find(*process, *id).unwrap(), None, "nothing of the other history is left");
        }
    }
}

#[test]
fn a_content_is_found_in_its_process_only() {
    let folder = TempDir::new().unwrap();
    let mut history = History::new(1);
    let (one, other) = (history.spawn(true), history.spawn(true));
    history.message(one, 5);
    let hash = [history.serial as u8; 48];
    let index = follow(&folder.path().join("index"), &history.log);
    let found = index.find_content(one, &hash).unwrap();
    assert_eq!(found, Some(IndexPlace { process: one, nonce: Some(Nonce::new(1)) }));
    assert_eq!(index.find_content(other, &hash).unwrap(), None);
}

#[test]
fn who_watches_a_process_hears_when_the_index_has_more_of_it() {
    let folder = TempDir::new().unwrap();
    let mut history = History::new(1);
    let (one, other) = (history.spawn(true), history.spawn(true));
    let (index, writer) =
        Index::open(&folder.path().join("index"), history.log.as_ref(), &StoreMemory::default()).unwrap();
    let mut follower = Follower::new(writer, history.log.clone());
    follower.catch_up(|_, _| Ok(())).unwrap();
    let (mut of_one, mut of_other) = (index.watch(one), index.watch(other));
    history.message(one, 5);
    assert!(of_one.changed().now_or_never().is_none(), "the log has it, the index has not");
    follower.catch_up(|_, _| Ok(())).unwrap();
    assert!(of_one.changed().now_or_never().is_some());
    assert!(of_other.changed().now_or_never().is_none());
}
