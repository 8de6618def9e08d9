//! What rendering costs: the bound on how fast pages can be read.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::hint::black_box;

use ans104::{Item, SignatureType};
use api::{PageBy, Renderer};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use log::{BodyRef, EventRef, Seq};
use protocol::{Nonce, Timestamp};
use testing::{NoiseSigner, SampleProcess, id_of};

#[path = "../tests/http/samples.rs"]
#[allow(dead_code)]
mod samples;

/// Messages per round, from as many senders.
const ROUND: usize = 64;

fn edges(criterion: &mut Criterion, name: &str, senders: u64, data: impl Fn(u64) -> Vec<u8>) {
    let scheduler = NoiseSigner::new(SignatureType::Arweave, 1);
    let spawn = samples::item(&samples::user(0), None, b"", 0);
    let mut sample = SampleProcess::of(spawn, samples::user(0), Box::new(scheduler));
    let process = sample.process;
    let stored: Vec<(Vec<u8>, Vec<u8>)> = (0..ROUND as u64)
        .map(|number| {
            let sender = samples::user(2 + number % senders);
            let item = samples::item(&sender, Some(process), &data(number), number).to_vec();
            sample.place_at(Nonce::new(number), Timestamp::new(1_760_000_000_000 + number));
            (sample.assign(Some(id_of(&item))).0, item)
        })
        .collect();
    let render = |out: &mut Vec<u8>| {
        let mut renderer = Renderer::new(process, false);
        for (number, (assignment, item)) in stored.iter().enumerate() {
            let (assignment, item) = (Item::split(assignment).unwrap(), Item::split(item).unwrap());
            let event = EventRef {
                seq: Seq::new(number as u64),
                process,
                nonce: Some(Nonce::new(number as u64)),
                imported: false,
                envelope: None,
                body: BodyRef::Scheduled { item, assignment, deep_hash: None },
            };
            renderer.edge(out, &event, PageBy::Time).unwrap();
        }
    };
    let mut out = Vec::new();
    render(&mut out);
    let mut group = criterion.benchmark_group("render");
    group.throughput(Throughput::Bytes(out.len() as u64));
    group.bench_function(format!("{name} x{ROUND}, {} bytes each", out.len() / ROUND), |bencher| {
        bencher.iter(|| {
            out.clear();
            render(black_box(&mut out));
        });
    });
    group.finish();
}

fn text(length: usize) -> impl Fn(u64) -> Vec<u8> {
    move |number| format!("{number} plain words ").into_bytes().into_iter().cycle().take(length).collect()
}

fn all(criterion: &mut Criterion) {
    edges(criterion, "text of 512", 1, text(512));
    edges(criterion, "text of 512 from 64 senders", 64, text(512));
    edges(criterion, "text of 100 KiB", 1, text(100 << 10));
    edges(criterion, "JSON of 512", 1, |number| {
        let json = format!(r#"{{"Number":{number},"Balance":"100000000","Action":"Transfer"}},"#);
        json.into_bytes().into_iter().cycle().take(512).collect()
    });
    edges(criterion, "noise of 512", 1, |number| samples::noise(number, 512));
}

criterion_group!(benches, all);
criterion_main!(benches);
