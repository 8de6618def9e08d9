//! What appending and reading cost, and what events take on disk.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../../testing/src/samples/mod.rs"]
#[allow(dead_code, unused_imports, reason = "not all of it is needed here")]
mod samples;

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use log::{Append, Engine, LocalLog, Log, Memory, MemoryDisk, Rocks, Seq, StoreMemory};
use protocol::Nonce;
use samples::SampleProcess;
use tempfile::TempDir;

const USERS: u64 = 1_000;

/// Where a disk is under it.
fn on_disk() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Without a disk under it, a sync costs nothing: this is what the path costs by itself.
fn no_disk() -> TempDir {
    TempDir::new_in("/dev/shm").unwrap()
}

fn rocks(path: &Path) -> LocalLog<Rocks> {
    LocalLog::open(Rocks::open(path, &StoreMemory::default()).unwrap(), None).unwrap()
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    let (shm, disk) = (no_disk(), on_disk());
    append_to(&mut group, "memory", &LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap());
    append_to(&mut group, "rocks without sync", &rocks(shm.path()));
    append_to(&mut group, "rocks", &rocks(disk.path()));
    group.finish();
}

/// One enqueuer that waits for each batch, so that a commit has exactly so many events.
fn append_to<E: Engine>(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    log: &LocalLog<E>,
) {
    let term = log.identity().term;
    for (seed, batch) in [1_usize, 16, 256].into_iter().enumerate() {
        let mut sample = SampleProcess::noisy(seed as u64, USERS);
        log.enqueue(term, vec![sample.spawn()]).unwrap().wait().unwrap();
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(format!("{name}/{batch}"), |bencher| {
            bencher.iter_custom(|rounds| {
                let mut took = Duration::ZERO;
                for _ in 0..rounds {
                    let events: Vec<Append> = sample.messages(batch);
                    let start = Instant::now();
                    log.enqueue(term, events).unwrap().wait().unwrap();
                    took += start.elapsed();
                }
                took
            });
        });
    }
}

fn read(criterion: &mut Criterion) {
    let dir = no_disk();
    let log = rocks(dir.path());
    let term = log.identity().term;
    let mut sample = SampleProcess::noisy(0, USERS);
    log.enqueue(term, vec![sample.spawn()]).unwrap().wait().unwrap();
    for _ in 0..20 {
        log.enqueue(term, sample.messages(1_000)).unwrap().wait().unwrap();
    }
    log.seal();
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(1_000));
    for from in [1_u64, 10_001, 19_001] {
        let nonces = Nonce::new(from)..=Nonce::new(from + 999);
        group.bench_function(format!("range of 1000 from {from}"), |bencher| {
            bencher.iter(|| {
                let mut seen = 0;
                let mut visit = |event: log::EventRef<'_>| {
                    black_box(event.item().map(|item| item.data().len()));
                    seen += 1;
                    ControlFlow::Continue(())
                };
                log.range(sample.process, false, nonces.clone(), &mut visit).unwrap();
                assert_eq!(seen, 1_000);
            });
        });
    }
    group.bench_function("scan of 1000", |bencher| {
        bencher.iter(|| {
            let mut seen = 0;
            log.scan(Seq::new(5_000), &mut |event| {
                black_box(event.seq);
                seen += 1;
                if seen == 1_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("one event", |bencher| {
        bencher.iter(|| log.event(sample.process, Some(Nonce::new(7_777))).unwrap().unwrap());
    });
    group.bench_function("head", |bencher| bencher.iter(|| log.head(sample.process).unwrap().unwrap()));
    group.finish();
}

/// Not timed: prints what 50,000 messages of the usual size take, in few processes and in many.
fn size(_: &mut Criterion) {
    for processes in [10, 5_000] {
        let dir = on_disk();
        let log = rocks(dir.path());
        let term = log.identity().term;
        let mut samples: Vec<_> = (0..processes).map(|seed| SampleProcess::noisy(seed, USERS)).collect();
        for sample in &mut samples {
            log.enqueue(term, vec![sample.spawn()]).unwrap().wait().unwrap();
        }
        for round in 0..50_000 / 50 {
            let events = (0..50).map(|n| samples[(round * 50 + n) % processes as usize].message()).collect();
            log.enqueue(term, events).unwrap().wait().unwrap();
        }
        let open = log.size_on_disk().unwrap();
        log.seal();
        let closed = log.size_on_disk().unwrap();
        drop(log);
        let opening = Instant::now();
        drop(rocks(dir.path()));
        let opening = opening.elapsed();
        println!(
            "50,000 messages in {processes} processes: {} bytes per event while open, {} after closing; opening \
             took {opening:?}",
            open / (50_000 + processes),
            closed / (50_000 + processes),
        );
    }
}

criterion_group!(benches, size, append, read);
criterion_main!(benches);
