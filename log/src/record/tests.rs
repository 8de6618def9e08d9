#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use ans104::Id;
use proptest::prelude::*;
use protocol::{Nonce, ProcessId};

use crate::samples::Noise;

use super::*;

/// An item of any type with sizes of any kind; its signature is noise.
fn item() -> impl Strategy<Value = Vec<u8>> {
    let types =
        prop::sample::select(vec![(1, 512, 512), (2, 64, 32), (3, 65, 65), (6, 2052, 1025), (7, 65, 42)]);
    (types, any::<(bool, bool, u64)>(), 0..600_usize).prop_map(|((kind, signature, owner), fields, data)| {
        let (target, anchor, seed) = fields;
        let mut noise = Noise::new(seed);
        let mut bytes = vec![kind, 0];
        bytes.extend(noise.bytes(signature + owner));
        for there in [target, anchor] {
            bytes.push(there.into());
            bytes.extend(noise.bytes(if there { 32 } else { 0 }));
        }
        bytes.extend([0; 16]);
        bytes.extend(noise.bytes(data));
        bytes
    })
}

fn body() -> impl Strategy<Value = Body> {
    let hash = || {
        prop::option::of(any::<[u8; 32]>().prop_map(|seed| {
            let mut hash = [7; 48];
            hash[..32].copy_from_slice(&seed);
            hash
        }))
    };
    prop_oneof![
        (item(), prop::option::of(item())).prop_map(|(item, assignment)| Body::Spawned { item, assignment }),
        (item(), item(), hash()).prop_map(|(item, assignment, deep_hash)| Body::Scheduled {
            item,
            assignment,
            deep_hash
        }),
        (item(), hash()).prop_map(|(assignment, deep_hash)| Body::Assigned { assignment, deep_hash }),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Body::Fact),
    ]
}

fn place() -> impl Strategy<Value = EventKey> {
    let process = any::<[u8; 32]>().prop_map(|bytes| ProcessId::from(Id::from_bytes(bytes)));
    (process, prop::option::of(any::<u64>().prop_map(Nonce::new)))
        .prop_map(|(process, nonce)| EventKey { process, nonce })
}

/// A record, and the owners that it leaves out.
fn write(body: &Body, imported: bool, place: EventKey, seq: u64) -> (Vec<u8>, [Option<LongOwner>; 2]) {
    let draft = RecordDraft::new(body, imported).unwrap();
    let owners = [draft.item_owner.clone(), draft.assignment_owner.clone()];
    let numbers = [1_u32, 70_000].map(|number| Some(OwnerNumber(NonZeroU32::new(number).unwrap())));
    let item = draft.item_owner.as_ref().and(numbers[0]);
    let assignment = draft.assignment_owner.as_ref().and(numbers[1]);
    let len = draft.len();
    let bytes = draft.finish(&StoreKey::event(place), Seq::new(seq), item, assignment);
    assert_eq!(bytes.len(), len);
    (bytes, owners)
}

proptest! {
    #[test]
    fn events_survive(body in body(), imported: bool, place in place(), seq: u64) {
        let (bytes, owners) = write(&body, imported, place, seq);
        let key = StoreKey::event(place);
        let record = Record::open(key.as_ref(), &bytes).unwrap();
        let [item, assignment] = owners.each_ref().map(|owner| owner.as_ref().map(|owner| owner.key.as_slice()));
        let event = record.event(place, item, assignment).unwrap().to_owned();
        prop_assert_eq!(record.item_owner.is_some(), owners[0].is_some());
        prop_assert_eq!(record.assignment_owner.is_some(), owners[1].is_some());
        prop_assert_eq!(event.body, body);
        prop_assert_eq!((event.process, event.nonce), (place.process, place.nonce));
        prop_assert_eq!((event.seq, event.imported), (Seq::new(seq), imported));
    }

    #[test]
    fn any_flipped_bit_is_found(body in body(), place in place(), at: prop::sample::Index, bit in 0..8_u8) {
        let (mut bytes, _) = write(&body, false, place, 1);
        *at.get_mut(&mut bytes) ^= 1 << bit;
        prop_assert!(Record::open(StoreKey::event(place).as_ref(), &bytes).is_err());
    }

    #[test]
    fn another_place_is_found(body in body(), place in place(), other in place()) {
        let (bytes, _) = write(&body, false, place, 1);
        prop_assert_eq!(Record::open(StoreKey::event(other).as_ref(), &bytes).is_ok(), place == other);
    }

    #[test]
    fn any_cut_is_found(body in body(), place in place(), at: prop::sample::Index) {
        let (bytes, _) = write(&body, false, place, 1);
        prop_assert!(Record::open(StoreKey::event(place).as_ref(), &bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn noise_with_a_right_checksum_does_not_panic(noise: Vec<u8>, place in place()) {
        let key = StoreKey::event(place);
        let mut bytes = vec![VERSION];
        bytes.extend(noise);
        bytes.extend([0; 16]);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes), key.as_ref());
        bytes.extend(crc.to_be_bytes());
        if let Ok(record) = Record::open(key.as_ref(), &bytes) {
            let _ = record.event(place, None, None);
        }
    }
}

#[test]
fn another_version_is_named() {
    let error = Record::open(&[], &[2, 0, 0]).err().unwrap();
    assert_eq!(error.to_string(), "the record has format version 2, this build reads version 1");
}

/// The bytes of a record of version 1: when this fails, stores that exist cannot be read any more.
#[test]
fn the_format_is_what_it_was() {
    let place = EventKey { process: ProcessId::NODE, nonce: Some(Nonce::new(5)) };
    let (bytes, _) = write(&Body::Fact(b"hi".to_vec()), true, place, 258);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "019604c3c0c0c0c40268690000000000000102000000000000000089d7b0b5");
}
