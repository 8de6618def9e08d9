//! Stores of every format that was released can be opened, read and written to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use log::{Append, Body, LocalLog, Log, NodeId, Notice, Rocks, Seq, StoreMemory, Term, TermStart};
use protocol::{Nonce, ProcessId};
use tempfile::TempDir;

/// A copy of a fixture, which `cargo run --example fixture` wrote in its time.
fn fixture(name: &str) -> TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let dir = TempDir::new().unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    dir
}

/// Process, nonce, whether it was imported, and the lengths of item and assignment.
type Row = (&'static str, Option<u64>, bool, usize, usize);

const NEW: &str = "y8ROVMBJ2ht-0eTR1zGj_ALrwHk_6McE7FknWXX9RNg";
const OLD: &str = "sM-5yyBrC3ubGfZIqcJIp9R6MnxwK6_Wum18v8kloQI";
const RSA: &str = "A7ubZLQSxj8J7zIRy6fJES4tnN0rBo3PT5ELSQeXNPI";
const NODE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

const VERSION_1: [Row; 12] = [
    (NEW, Some(0), false, 301, 372),
    (OLD, None, true, 301, 0),
    (RSA, Some(0), false, 1229, 1300),
    (NODE, Some(0), false, 0, 0),
    (NEW, Some(1), false, 519, 424),
    (OLD, Some(0), true, 519, 424),
    (RSA, Some(1), false, 1447, 1352),
    (NEW, Some(2), false, 0, 424),
    (OLD, Some(3), true, 519, 424),
    (NEW, Some(3), false, 20263, 424),
    (RSA, Some(2), false, 1447, 1352),
    (NODE, Some(1), false, 0, 0),
];

#[test]
fn version_1() {
    let dir = fixture("v1");
    assert!(!dir.path().join("QUIPU").exists(), "it is from before folders were marked");
    let mut faults = Vec::new();
    let summary = Rocks::open_read_only(dir.path()).unwrap().verify(None, &mut |notice| {
        if let Notice::Fault(fault) = notice {
            faults.push(fault.to_string());
        }
    });
    assert!(summary.is_sound(), "{faults:#?}");
    assert_eq!((summary.events, summary.processes, summary.inherited), (12, 4, 1), "{faults:#?}");

    let contents = Rocks::open_read_only(dir.path()).unwrap().contents().unwrap();
    assert_eq!((contents.identity.term, contents.events), (Term(2), 12));
    let log = LocalLog::open(Rocks::open(dir.path(), &StoreMemory::default()).unwrap(), None).unwrap();
    assert_eq!(log.identity().store.to_string(), "798c4be3-6347-4d5d-b587-6cc9fd2dd482");
    assert_eq!(log.identity().term, Term(2));
    let mark = fs::read_to_string(dir.path().join("QUIPU")).unwrap();
    assert_eq!(mark, "quipu log 798c4be3-6347-4d5d-b587-6cc9fd2dd482\n");
    // It is from before terms had a place in the order, and digests were kept.
    let made = TermStart { term: Term(2), first: Seq::ZERO, owner: NodeId::UNKNOWN };
    assert_eq!(log.terms().unwrap(), [made]);
    let digest = log.digest_of(12).unwrap().unwrap();
    assert_eq!(digest, contents.digest);
    assert_eq!(
        digest.to_string(),
        "TrJ8WhltA-01laeMESnUl8dTo2pcTdUAAC7ho9sZ8Cs",
        "it is the same on every node"
    );
    let mut rows = Vec::new();
    log.scan(Seq::ZERO, &mut |event| {
        let len = |item: Option<ans104::Item<'_>>| item.map_or(0, |item| item.len());
        let nonce = event.nonce.map(Nonce::get);
        rows.push((
            event.process.to_string(),
            nonce,
            event.imported,
            len(event.item()),
            len(event.assignment()),
        ));
        ControlFlow::Continue(())
    })
    .unwrap();
    let expected = VERSION_1.map(|(process, nonce, imported, item, assignment)| {
        (process.to_owned(), nonce, imported, item, assignment)
    });
    assert_eq!(rows, expected);
    let chain = log.head(NEW.parse().unwrap()).unwrap().unwrap().last.unwrap().chain;
    assert_eq!(chain.to_string(), "85JI_GM9Pl7iMX-Jul8l-t2z8Pn-x5PZSAtjNd7Jmx4");

    let fact =
        Append { process: ProcessId::NODE, body: Body::Fact(b"third".to_vec()), link: None, imported: false };
    assert_eq!(log.enqueue(Term(2), vec![fact]).unwrap().wait().unwrap(), Seq::new(12));
}
