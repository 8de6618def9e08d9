//! Writes a small store of the present format, as it is kept under `tests/fixtures` for each format that was released.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../../testing/src/samples/mod.rs"]
#[allow(dead_code, unused_imports, reason = "not all of it is needed here")]
mod samples;

use std::{env, fs, mem};

use log::{Engine, Fact, LocalLog, Log, NodeId, Promotion, Rocks, StoreMemory, Term};
use samples::{SampleProcess, fact};

fn main() {
    let path = env::args().nth(1).expect("usage: fixture DIRECTORY");
    let rocks = Rocks::open(&path, &StoreMemory::default()).unwrap();
    let log = LocalLog::open(rocks, None).unwrap();
    let append = |term, batch| log.enqueue(Term(term), batch).unwrap().wait().unwrap();
    let (mut new, mut old, mut rsa) =
        (SampleProcess::new(1), SampleProcess::new(2), SampleProcess::noisy(3, 1));
    old.imported = true;
    append(1, vec![new.spawn(), old.spawn_unassigned(), rsa.spawn(), fact("first")]);
    append(1, vec![new.message(), old.message(), rsa.message(), new.assigned()]);
    old.messages(2);
    new.data_len = 20_000;
    append(1, vec![old.message(), new.message()]);
    let owner = NodeId(uuid::Uuid::from_u128(7));
    let promotion = Promotion { term: Term(2), owner, promises: vec![owner], forced_by: None };
    append(2, vec![Fact::Promotion(promotion).append()]);
    // What comes now stays in the write-ahead log: the store is left as a crash leaves it.
    log.engine().settle();
    append(2, vec![rsa.message(), fact("second")]);
    mem::forget(log);
    for file in fs::read_dir(&path).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        if ["LOG", "LOCK", "OPTIONS"].iter().any(|needless| name.starts_with(needless)) {
            fs::remove_file(file.path()).unwrap();
        }
    }
}
