//! Any bytes in the place of an item's tags: what is read is read again after it was
//! encoded anew, and takes no more room than it came in.

#![no_main]

use ans104::{Item, Tag, encode_tags};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (count, tags) = input;
    let bytes = item(u64::from(count), tags);
    let Ok(item) = Item::parse(&bytes) else {
        return;
    };
    let tags: Vec<_> = item.tags().map(|tag| tag.expect("parsed before")).collect();
    assert_eq!(tags.len(), usize::from(count));
    let encoded = encode_tags(&tags);
    assert!(encoded.len() <= item.raw_tags().len());
    check_same(&tags, &encoded);
});

fn check_same(tags: &[Tag<'_>], encoded: &[u8]) {
    let bytes = item(tags.len() as u64, encoded);
    let item = Item::parse(&bytes).expect("encoded just now");
    assert!(item.tags().map(Result::ok).eq(tags.iter().copied().map(Some)));
}

/// An unsigned Ed25519 item of these tags.
fn item(count: u64, tags: &[u8]) -> Vec<u8> {
    let head: &[u8] = &[&[2, 0][..], &[0; 64 + 32 + 2]].concat();
    let len = tags.len() as u64;
    [head, &count.to_le_bytes(), &len.to_le_bytes(), tags].concat()
}
