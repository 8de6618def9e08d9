//! A power cut at every point: a log is written under load while each write, sync and change of a name is recorded, and
//! after every step of that recording the store must open, at once or after `examine_store`'s cut, with everything that
//! was acknowledged up to there and nothing that was never written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod disk;
mod load;
mod recording;
#[path = "../../../testing/src/samples/mod.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod samples;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{self, SyncSender};
use std::thread;

use log::{Event, LocalLog, Log, Rocks, RocksError, Seq, StoreMemory, examine_store};
use tempfile::TempDir;

use disk::{CUTS, Cut, Disk, Files};
use recording::Step;
use samples::Noise;

const THREADS: usize = 2;
/// About so many states are looked at, evenly from all of the recording.
const STATES: usize = 3_000;

/// What a store may look like after a power cut.
struct State {
    /// After which step of the recording, and how it went.
    name: (usize, Cut),
    files: Files,
    /// How many events were acknowledged.
    acknowledged: u64,
}

/// A kind of file whose end may have to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Journal {
    WriteAheadLog,
    Manifest,
}

impl Journal {
    fn of(file: &Path) -> Self {
        if file.extension().is_some() { Self::WriteAheadLog } else { Self::Manifest }
    }
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_at_every_point() {
    if load::is_asked_for() {
        return load::run();
    }
    let folder = on_memory();
    let (recording, expected) = load::record(folder.path());
    let steps = recording::read(&recording, load::ACKNOWLEDGEMENTS);
    let repaired = Mutex::new(BTreeMap::<Journal, usize>::new());
    let count = thread::scope(|scope| {
        let start = |_| {
            let (sender, states) = mpsc::sync_channel::<State>(2);
            let (expected, repaired) = (&expected, &repaired);
            scope.spawn(move || {
                for state in states {
                    for file in check(&state, expected) {
                        *repaired.lock().unwrap().entry(file).or_default() += 1;
                    }
                }
            });
            sender
        };
        make_states(&steps, &(0..THREADS).map(start).collect::<Vec<_>>())
    });
    let repaired = repaired.into_inner().unwrap();
    println!("{} steps, {count} states, in which had to be cut: {repaired:?}", steps.len());
    assert!(count > STATES / 2, "only {count} states");
    assert_eq!(repaired.len(), 2, "not every journal was ever torn: {repaired:?}");
}

/// Makes states that differ, in the order of the recording, for the threads in turn; how many.
fn make_states(steps: &[Step], senders: &[SyncSender<State>]) -> usize {
    let mut disk = Disk::default();
    let mut noise = Noise::new(1);
    let mut known = HashSet::new();
    let mut due = 0;
    for (number, step) in steps.iter().enumerate() {
        disk.step(step);
        due += STATES;
        while due >= steps.len() {
            due -= steps.len();
            let cut = CUTS[noise.number() as usize % CUTS.len()];
            let files = disk.after(cut, load::STORE, &mut noise);
            let mut hasher = DefaultHasher::new();
            (&files, disk.acknowledged).hash(&mut hasher);
            if known.insert(hasher.finish()) {
                let state = State { name: (number, cut), files, acknowledged: disk.acknowledged };
                // A thread that has found something wrong takes no more, and says so itself.
                let _ = senders[known.len() % senders.len()].send(state);
            }
        }
    }
    known.len()
}

/// Checks a state; which files had to be cut.
fn check(state: &State, expected: &[Event]) -> Vec<Journal> {
    let dir = on_memory();
    let store = dir.path().join("log");
    let name = format!("after step {} with {:?}", state.name.0, state.name.1);
    if !state.files.is_empty() {
        fs::create_dir(&store).unwrap();
    }
    for (name, bytes) in &state.files {
        fs::write(store.join(name), bytes).unwrap();
    }
    if state.name.0.is_multiple_of(4)
        && state.acknowledged > 0
        && let Ok(rocks) = Rocks::open_read_only(&store)
    {
        assert!(rocks.verify(None, &mut |_| {}).is_sound(), "{name}: it is not sound as it is");
    }
    let (log, repaired) = match Rocks::open(&store, &StoreMemory::default()) {
        Ok(rocks) => (LocalLog::open(rocks, None), Vec::new()),
        Err(RocksError::Damaged { file, reason, .. }) => {
            let torn = examine_store(&store).unwrap_or_else(|error| panic!("{name}: {error}"));
            let torn = torn.unwrap_or_else(|| panic!("{name}: {} {reason}", file.display()));
            let cut = torn.ends.iter().map(|end| Journal::of(&end.file)).collect();
            torn.cut().unwrap();
            let rocks = Rocks::open(&store, &StoreMemory::default());
            let rocks = rocks.unwrap_or_else(|error| panic!("{name}, repaired: {error}"));
            (LocalLog::open(rocks, None), cut)
        }
        Err(error) => panic!("{name}: {error}"),
    };
    let log = log.unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut events = Vec::new();
    log.scan(Seq::ZERO, &mut |event| {
        events.push(event.to_owned());
        ControlFlow::Continue(())
    })
    .unwrap_or_else(|error| panic!("{name}: {error}"));
    let found = events.len();
    assert!(expected.starts_with(&events), "{name}: something else is served");
    assert!(found as u64 >= state.acknowledged, "{name}: {found} events of {}", state.acknowledged);
    assert!(log.verify(None, &mut |_| {}).is_sound(), "{name}: it is not sound");
    repaired
}

/// A folder in memory where there is one: what is synced there costs nothing.
fn on_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory).unwrap() } else { TempDir::new().unwrap() }
}
