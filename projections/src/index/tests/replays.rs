//! The index is made anew under its readers and its writer, and killed at every step of that.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use log::{Log, Seq, StoreMemory};
use protocol::ProcessId;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use super::{History, Index, IndexPlace, follow};
use crate::follower::Follower;
use crate::index::{IndexReplay, keys};
use crate::position::Position;
use crate::projection::ProjectionError;
use crate::replay::{Progress, Replay, ReplayScope};

/// An index whose follower runs on a thread of its own, as in a node.
struct Followed {
    index: Index,
    replay: Arc<IndexReplay>,
    position: Position,
    runtime: Runtime,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Followed {
    fn start(path: &Path, log: &Arc<dyn Log>) -> Self {
        let (index, writer) = Index::open(path, log.as_ref(), &StoreMemory::default()).unwrap();
        let follower = Follower::new(writer, log.clone());
        let (position, wake) = (follower.position(), follower.wake());
        let replay = Arc::new(IndexReplay::new(index.clone(), log.clone(), wake));
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (stop, stopped) = watch::channel(false);
        let handle = runtime.handle().clone();
        let thread = thread::spawn(move || follower.run(&handle, stopped));
        Self { index, replay, position, runtime, stop, thread }
    }

    fn applied(&self, log: &Arc<dyn Log>) {
        let mut position = self.position.clone();
        self.runtime.block_on(position.applied(log.tail().last().unwrap())).unwrap();
    }

    fn whole(&self) -> Result<(), ProjectionError> {
        self.replay.replay(&ReplayScope::default(), &Progress::default())
    }

    fn stop(self) {
        self.stop.send_replace(true);
        self.thread.join().unwrap();
    }
}

fn history(messages: u64) -> (History, Vec<ProcessId>) {
    let mut history = History::new(1);
    let processes: Vec<_> = (0..5).map(|number| history.spawn(number != 3)).collect();
    for number in 0..messages {
        history.message(processes[number as usize % 3], 1);
    }
    (history, processes)
}

/// Takes an id away, as damage would.
fn forget(index: &Index, (process, id, _): (ProcessId, ans104::Id, Option<protocol::Nonce>)) {
    let db = index.shared.db();
    let number = db.number(process).unwrap().unwrap();
    let mut options = rocksdb::WriteOptions::default();
    options.disable_wal(true);
    db.store.delete_opt(keys::id(id, number), &options).unwrap();
    assert_eq!(index.find(process, id).unwrap(), None);
}

#[test]
fn an_index_made_anew_under_writes_is_that_of_the_log() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("index");
    let (mut history, processes) = history(300);
    let followed = Followed::start(&path, &history.log);
    followed.applied(&history.log);
    forget(&followed.index, history.ids[20]);
    let replay = followed.replay.clone();
    let replaying = thread::spawn(move || {
        (0..3).for_each(|_| replay.replay(&ReplayScope::default(), &Progress::default()).unwrap());
    });
    while !replaying.is_finished() {
        if history.ids.len() < 1_500 {
            history.message(processes[history.ids.len() % 3], 1);
        }
        followed.applied(&history.log);
        // What was told to be there is there, and so is what was before, whichever index answers.
        for (process, id, nonce) in [*history.ids.last().unwrap(), history.ids[history.ids.len() / 2]] {
            let place = IndexPlace { process, nonce };
            assert_eq!(followed.index.find(process, id).unwrap(), Some(place));
        }
    }
    replaying.join().unwrap();
    history.check(&followed.index);
    let process = history.spawn(true);
    history.message(process, 1);
    followed.applied(&history.log);
    history.check(&followed.index);
    followed.stop();
    assert_eq!(places(&path).len(), 1, "the old files are gone");
    history.check(&follow(&path, &history.log));
}

#[test]
fn a_kill_at_any_step_leaves_a_whole_index() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("index");
    let (history, _) = history(2_500);
    let followed = Followed::start(&path, &history.log);
    followed.applied(&history.log);
    let mut killed = vec![snapshot(&path, &folder, "before")];

    // Ended early at its first batch, and then when it is built and only waits to be put to use.
    let progress = Progress::default();
    progress.cancel();
    let ended = followed.replay.replay(&ReplayScope::default(), &progress).unwrap_err();
    assert!(matches!(ended, ProjectionError::Cancelled), "{ended}");
    killed.push(snapshot(&path, &folder, "begun"));
    drop(followed.replay.build(&Progress::default()).unwrap());
    killed.push(snapshot(&path, &folder, "built"));

    // A reader that holds on to the old index keeps its files.
    let old = followed.index.shared.db();
    followed.whole().unwrap();
    assert_eq!(places(&path).len(), 2);
    killed.push(snapshot(&path, &folder, "put to use"));
    drop(old);
    assert_eq!(places(&path).len(), 1);
    killed.push(snapshot(&path, &folder, "cleared"));
    followed.stop();
    for path in killed {
        history.check(&follow(&path, &history.log));
        let followed = Followed::start(&path, &history.log);
        followed.whole().unwrap();
        history.check(&followed.index);
        followed.stop();
        history.check(&follow(&path, &history.log));
    }
}

#[test]
fn a_whole_replay_goes_on_where_it_was() {
    let folder = TempDir::new().unwrap();
    let (history, _) = history(50);
    let followed = Followed::start(&folder.path().join("index"), &history.log);
    followed.applied(&history.log);
    let (fresh, follower) = followed.replay.build(&Progress::default()).unwrap();
    // A mark that only stays where nothing is begun from the beginning.
    fresh.shared.db().store.put(b"x", b"").unwrap();
    drop((fresh, follower));
    followed.whole().unwrap();
    assert!(followed.index.shared.db().store.get(b"x").unwrap().is_some());
    followed.whole().unwrap();
    assert!(followed.index.shared.db().store.get(b"x").unwrap().is_none(), "the next one is another");
    followed.stop();
}

#[test]
fn a_part_is_put_again_where_it_is() {
    let folder = TempDir::new().unwrap();
    let (history, processes) = history(2_500);
    let followed = Followed::start(&folder.path().join("index"), &history.log);
    followed.applied(&history.log);
    let (process, later) = (processes[1], history.ids[4_000]);
    let of_process = *history.ids.iter().rfind(|(of, _, _)| *of == process).unwrap();
    forget(&followed.index, of_process);
    let progress = Progress::default();
    let scope = ReplayScope { from: None, process: Some(process) };
    followed.replay.replay(&scope, &progress).unwrap();
    history.check(&followed.index);
    assert_eq!(progress.now().done, progress.now().total);

    forget(&followed.index, later);
    forget(&followed.index, history.ids[0]);
    let scope = ReplayScope { from: Some(Seq::new(1_000)), process: None };
    followed.replay.replay(&scope, &progress).unwrap();
    assert_eq!(progress.last(), history.log.tail().last());
    let first = history.ids[0];
    assert_eq!(followed.index.find(first.0, first.1).unwrap(), None, "what is before is left alone");
    assert!(followed.index.find(later.0, later.1).unwrap().is_some());
    followed.whole().unwrap();
    history.check(&followed.index);

    let scope = ReplayScope { from: None, process: Some(ans104::Id::from_bytes([9; 32]).into()) };
    let unknown = followed.replay.replay(&scope, &progress).unwrap_err().to_string();
    assert!(unknown.contains("not in the log"), "{unknown}");
    followed.stop();
}

#[test]
fn a_fresh_index_that_nobody_follows_is_not_waited_for_for_ever() {
    let folder = TempDir::new().unwrap();
    let (history, _) = history(10);
    let followed = Followed::start(&folder.path().join("index"), &history.log);
    followed.applied(&history.log);
    let Followed { replay, stop, thread, .. } = followed;
    stop.send_replace(true);
    thread.join().unwrap();
    let progress = Arc::new(Progress::default());
    let cancelled = progress.clone();
    let replaying = thread::spawn(move || replay.replay(&ReplayScope::default(), &progress));
    cancelled.cancel();
    assert!(matches!(replaying.join().unwrap(), Err(ProjectionError::Cancelled)));
}

fn places(path: &Path) -> Vec<PathBuf> {
    ["a", "b"].iter().map(|name| path.join(name)).filter(|place| place.is_dir()).collect()
}

/// A copy of all files as they are at this moment: what a kill would leave.
fn snapshot(path: &Path, folder: &TempDir, name: &str) -> PathBuf {
    let to = folder.path().join(name);
    testing::copy_folder(path, &to).unwrap();
    to
}
