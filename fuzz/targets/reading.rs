//! Any bytes in the place of an item's tags: what is read of them as an assignment is what the first tag of each name
//! says, and what is read as something to schedule is for the process that it says.

#![no_main]

use std::fmt::Display;
use std::str::FromStr;

use ans104::Item;
use libfuzzer_sys::fuzz_target;
use protocol::{AssignmentTags, Nonce, Submission, Timestamp, excludes, tags};

fuzz_target!(|input: (u8, Option<[u8; 32]>, &[u8])| {
    let (count, target, raw_tags) = input;
    let bytes = item(u64::from(count), target, raw_tags);
    let item = Item::split(&bytes).expect("written just now");
    let read = AssignmentTags::of(&item);
    check(&item, tags::PROCESS, read.process());
    check(&item, tags::EPOCH, read.epoch());
    check(&item, tags::NONCE, read.nonce().map(Nonce::get));
    check(&item, tags::HASH_CHAIN, read.hash_chain());
    check(&item, tags::BLOCK_HEIGHT, read.height());
    check(&item, tags::TIMESTAMP, read.timestamp().map(Timestamp::get));
    check(&item, tags::MESSAGE, read.message());
    assert_eq!(excludes(&item).next(), item.tag(tags::EXCLUDE));
    match Submission::of(&item) {
        Ok(Submission::Process(process)) => assert_eq!(process.id(), item.id()),
        Ok(Submission::Message(process)) => assert_eq!(Some(process.as_bytes()), target.as_ref()),
        Err(error) => assert!((400..500).contains(&error.code().status())),
    }
});

fn check<T: FromStr + PartialEq + Display>(item: &Item<'_>, name: &str, read: Option<T>) {
    let said = item.tag(name).and_then(|text| text.parse().ok());
    assert!(read == said, "the tag {name}");
}

/// An unsigned Ed25519 item of these tags.
fn item(count: u64, target: Option<[u8; 32]>, tags: &[u8]) -> Vec<u8> {
    let head: &[u8] = &[&[2, 0][..], &[0; 64 + 32]].concat();
    let target = target.map_or(vec![0], |target| [&[1][..], &target].concat());
    let len = tags.len() as u64;
    [head, &target, &[0], &count.to_le_bytes(), &len.to_le_bytes(), tags].concat()
}
