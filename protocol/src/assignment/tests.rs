#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use ans104::{Ed25519Wallet, Id};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

fn wallet() -> Ed25519Wallet {
    Ed25519Wallet::from_seed([1; 32])
}

/// Names and values of an item's tags, in order.
fn pairs<'a>(item: &Item<'a>) -> Vec<(&'a str, &'a str)> {
    item.tags().map(|tag| tag.unwrap()).map(|tag| (tag.name, tag.value)).collect()
}

fn process() -> ProcessId {
    Id::from_bytes([1; 32]).into()
}

fn assignment(exclude: &[String]) -> Assignment<'_> {
    Assignment {
        process: process(),
        place: Some((Nonce::new(7), HashChain::from_bytes([2; 32]))),
        height: 1_500_000,
        timestamp: Timestamp::new(1_700_000_000_000),
        message: Some(Id::from_bytes([3; 32]).into()),
        exclude,
    }
}

#[test]
fn the_tags_are_in_the_order_of_the_protocol() {
    let exclude = ["data".to_owned(), "anchor".to_owned()];
    let (bytes, id) = assignment(&exclude).sign(&[9; 32], &wallet()).unwrap();
    let item = Item::parse(&bytes).unwrap();
    item.verify().unwrap();
    let expected = [
        ("Process", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"),
        ("Epoch", "0"),
        ("Nonce", "7"),
        ("Hash-Chain", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"),
        ("Block-Height", "000001500000"),
        ("Timestamp", "1700000000000"),
        ("Data-Protocol", "ao"),
        ("Type", "Assignment"),
        ("Variant", "ao.TN.1"),
        ("Message", "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM"),
        ("Exclude", "data"),
        ("Exclude", "anchor"),
    ];
    assert_eq!(pairs(&item), expected);
    assert_eq!((item.target(), item.anchor(), item.data()), (None, Some(&[9; 32]), &[][..]));
    assert_eq!(AssignmentId::from(item.id()), id);
}

#[test]
fn the_record_of_a_process_without_an_assignment_has_no_place() {
    let record = Assignment { place: None, message: None, ..assignment(&[]) };
    let (bytes, _) = record.sign(&[0; 32], &wallet()).unwrap();
    let expected = [
        ("Process", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"),
        ("Block-Height", "000001500000"),
        ("Timestamp", "1700000000000"),
        ("Data-Protocol", "ao"),
        ("Type", "Process-Record"),
        ("Variant", "ao.TN.1"),
    ];
    assert_eq!(pairs(&Item::parse(&bytes).unwrap()), expected);
}

#[test]
fn of_several_tags_the_first_counts_and_nonsense_is_nothing() {
    let read: AssignmentTags<'_> = [
        Tag::new("Nonce", "1"),
        Tag::new("nonce", "2"),
        Tag::new("Nonce", "3"),
        Tag::new("Timestamp", "soon"),
        Tag::new("Timestamp", "4"),
        Tag::new("Epoch", "-1"),
        Tag::new("Block-Height", "18446744073709551616"),
        Tag::new("Hash-Chain", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgJ"),
        Tag::new("Message", "A"),
    ]
    .into_iter()
    .collect();
    assert_eq!(read.nonce(), Some(Nonce::new(1)));
    assert_eq!((read.timestamp(), read.timestamp_text()), (None, Some("soon")));
    assert_eq!((read.epoch(), read.height(), read.hash_chain()), (None, None, None));
    assert_eq!((read.message(), read.message_text()), (None, Some("A")));
    assert_eq!(read.process(), None);
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        process: [u8; 32],
        place in option::of((any::<u64>(), any::<[u8; 32]>())),
        height: u64,
        timestamp: u64,
        message in option::of(any::<[u8; 32]>()),
        exclude in vec(".*", 0..4),
        anchor: [u8; 32],
    ) {
        let written = Assignment {
            process: Id::from_bytes(process).into(),
            place: place.map(|(nonce, chain)| (Nonce::new(nonce), HashChain::from_bytes(chain))),
            height,
            timestamp: Timestamp::new(timestamp),
            message: message.map(|id| Id::from_bytes(id).into()),
            exclude: &exclude,
        };
        let (bytes, id) = written.sign(&anchor, &wallet()).unwrap();
        let item = Item::parse(&bytes).unwrap();
        prop_assert_eq!(item.verify(), Ok(()));
        prop_assert_eq!(AssignmentId::from(item.id()), id);
        prop_assert_eq!(item.anchor(), Some(&anchor));
        let read = AssignmentTags::of(&item);
        prop_assert_eq!(read.process(), Some(written.process));
        prop_assert_eq!(read.epoch(), written.place.map(|_| 0));
        prop_assert_eq!(read.nonce().zip(read.hash_chain()), written.place);
        prop_assert_eq!(read.height(), Some(height));
        prop_assert_eq!(read.timestamp(), Some(written.timestamp));
        prop_assert_eq!(read.message(), written.message);
        prop_assert_eq!(excludes(&item).collect::<Vec<_>>(), exclude);
    }

    #[test]
    fn a_walk_reads_what_each_tag_says(pairs in vec((name(), value()), 0..12)) {
        let read: AssignmentTags<'_> = pairs.iter().map(|(name, value)| Tag { name, value }).collect();
        let first = |name: &str| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_str());
        prop_assert_eq!(read.timestamp_text(), first("Timestamp"));
        prop_assert_eq!(read.height_text(), first("Block-Height"));
        prop_assert_eq!(read.message_text(), first("Message"));
        prop_assert_eq!(read.process(), first("Process").and_then(|text| text.parse().ok()));
        prop_assert_eq!(read.epoch(), first("Epoch").and_then(|text| text.parse().ok()));
        prop_assert_eq!(read.nonce().map(Nonce::get), first("Nonce").and_then(|text| text.parse().ok()));
        prop_assert_eq!(read.hash_chain(), first("Hash-Chain").and_then(|text| text.parse().ok()));
    }
}

fn name() -> impl Strategy<Value = String> {
    const KNOWN: [&str; 7] =
        ["Process", "Epoch", "Nonce", "Hash-Chain", "Block-Height", "Timestamp", "Message"];
    prop_oneof![6 => proptest::sample::select(&KNOWN[..]).prop_map(str::to_owned), 1 => ".*"]
}

fn value() -> impl Strategy<Value = String> {
    let id = any::<[u8; 32]>().prop_map(|bytes| Id::from_bytes(bytes).to_string());
    prop_oneof![any::<u64>().prop_map(|number| number.to_string()), id, ".*"]
}
