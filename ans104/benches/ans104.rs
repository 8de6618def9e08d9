//! What an item costs: reading, hashing, verifying and signing it.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::hint::black_box;

use ans104::{
    ArweaveWallet, Draft, Ed25519Wallet, Element, EthereumWallet, Item, Signer, Tag, base64url, deep_hash,
};
use criterion::{Criterion, criterion_group, criterion_main};

const TAGS: [Tag<'static>; 6] = [
    Tag::new("Data-Protocol", "ao"),
    Tag::new("Variant", "ao.TN.1"),
    Tag::new("Type", "Message"),
    Tag::new("Action", "Transfer"),
    Tag::new("Recipient", "DFdbUxgkH-Fjr1vcIUEpwQxsqj-JoolbpWCnn_vBzqI"),
    Tag::new("Quantity", "1000000000000"),
];

fn sign(signer: &dyn Signer) -> Vec<u8> {
    let draft = Draft { target: Some(&[1; 32]), anchor: Some(&[2; 32]), tags: &TAGS, data: &[3; 512] };
    draft.sign(signer).unwrap()
}

fn tag_bytes(item: &Item<'_>) -> usize {
    item.tags().map(|tag| tag.map_or(0, |tag| tag.name.len() + tag.value.len())).sum()
}

fn reading(c: &mut Criterion, bytes: &[u8]) {
    let item = Item::parse(bytes).unwrap();
    let mut detached = Vec::new();
    item.write_detached(&mut detached);
    c.bench_function("parse", |b| b.iter(|| Item::parse(black_box(bytes)).unwrap()));
    c.bench_function("split detached and read 6 tags", |b| {
        b.iter(|| {
            let item = Item::split_detached(black_box(&detached), item.owner()).unwrap();
            tag_bytes(&item)
        });
    });
    c.bench_function("id", |b| b.iter(|| black_box(&item).id()));
    let mut text = String::with_capacity(1024);
    c.bench_function("base64url of a signature", |b| {
        b.iter(|| {
            text.clear();
            base64url::encode_append(&mut text, black_box(item.signature()));
            text.len()
        });
    });
}

fn hashing(c: &mut Criterion, bytes: &[u8]) {
    let item = Item::parse(bytes).unwrap();
    c.bench_function("signature message", |b| b.iter(|| black_box(&item).signature_message()));
    let large = vec![5; 1 << 20];
    c.bench_function("deep hash of 1 MiB", |b| {
        b.iter(|| deep_hash(&Element::Blob(black_box(&large))).unwrap());
    });
}

fn keys(c: &mut Criterion) {
    let wallet = ArweaveWallet::generate().unwrap();
    let ed25519 = Ed25519Wallet::from_seed([1; 32]);
    let ethereum = EthereumWallet::from_bytes([1; 32]).unwrap();
    let signers: [(&str, &dyn Signer); 3] =
        [("arweave", &wallet), ("ed25519", &ed25519), ("ethereum", &ethereum)];
    for (name, signer) in signers {
        let bytes = sign(signer);
        let item = Item::parse(&bytes).unwrap();
        c.bench_function(&format!("verify {name}"), |b| {
            b.iter(|| black_box(&item).verify().unwrap());
        });
        c.bench_function(&format!("sign {name}"), |b| b.iter(|| sign(signer)));
    }
    let bytes = sign(&wallet);
    reading(c, &bytes);
    hashing(c, &bytes);
}

criterion_group!(benches, keys);
criterion_main!(benches);
