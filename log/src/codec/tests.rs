#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use proptest::prelude::*;
use protocol::{Nonce, ProcessId};

use crate::arbitrary::{body, place};
use crate::event::{Body, Event};
use crate::ids::Seq;
use crate::keys::OwnerNumber;

use super::*;

/// An event in its public form, made as a log makes it: read from a record that leaves out the long public keys.
fn encoded(body: &Body, imported: bool, place: EventKey, seq: u64) -> Vec<u8> {
    encoded_in(body, imported, None, place, seq)
}

fn encoded_in(body: &Body, imported: bool, envelope: Option<&[u8]>, place: EventKey, seq: u64) -> Vec<u8> {
    let (draft, _) = RecordDraft::new(body, imported, envelope).unwrap();
    let owners = [draft.item_owner.clone(), draft.assignment_owner.clone()];
    let numbers = owners.each_ref().map(|owner| owner.as_ref().map(|_| OwnerNumber::FIRST));
    let key = StoreKey::event(place);
    let record = draft.finish(&key, Seq::new(seq), numbers[0], numbers[1]);
    let [item, assignment] = owners.each_ref().map(|owner| owner.as_ref().map(|owner| owner.key.as_slice()));
    let record = Record::open(key.as_ref(), &record).unwrap();
    record.event(place, item, assignment).unwrap().encode().unwrap()
}

/// The bytes with the checksum that goes with them.
fn with_checksum(mut bytes: Vec<u8>, key_len: usize) -> Vec<u8> {
    let (key, record) = bytes[1..].split_at(key_len);
    let crc = crc32c::crc32c_append(crc32c::crc32c(record), key);
    bytes.extend(crc.to_be_bytes());
    bytes
}

proptest! {
    #[test]
    fn events_survive(
        body in body(), imported: bool, envelope: Option<Vec<u8>>, place in place(), seq: u64,
    ) {
        let bytes = encoded_in(&body, imported, envelope.as_deref(), place, seq);
        let read = EventRef::decode(&bytes).unwrap();
        prop_assert_eq!(read.encode().unwrap(), bytes.clone());
        let EventKey { process, nonce } = place;
        prop_assert_eq!(read.to_owned(), Event { seq: Seq::new(seq), process, nonce, imported, envelope, body });
    }

    #[test]
    fn any_flipped_bit_is_found(body in body(), place in place(), at: prop::sample::Index, bit in 0..8_u8) {
        let mut bytes = encoded(&body, false, place, 1);
        *at.get_mut(&mut bytes) ^= 1 << bit;
        prop_assert!(EventRef::decode(&bytes).is_err());
    }

    #[test]
    fn any_cut_and_anything_behind_is_found(body in body(), place in place(), at: prop::sample::Index, more: u8) {
        let mut bytes = encoded(&body, false, place, 1);
        prop_assert!(EventRef::decode(&bytes[..at.index(bytes.len())]).is_err());
        bytes.push(more);
        prop_assert!(EventRef::decode(&bytes).is_err());
    }

    #[test]
    fn noise_does_not_panic(noise: Vec<u8>, place in place()) {
        let _ = EventRef::decode(&noise);
        let key = StoreKey::event(place);
        let mut bytes = vec![key.len()];
        bytes.extend(key.as_ref());
        bytes.push(crate::record::VERSION);
        bytes.extend(noise);
        bytes.extend([0; 16]);
        let _ = EventRef::decode(&with_checksum(bytes, key.as_ref().len()));
    }
}

#[test]
fn what_only_one_store_can_read_is_refused() {
    let place = EventKey { process: ProcessId::NODE, nonce: Some(Nonce::ZERO) };
    let key = StoreKey::event(place);
    let (draft, _) = RecordDraft::new(&Body::Fact(b"hi".to_vec()), false, None).unwrap();
    let record = draft.finish(&key, Seq::ZERO, Some(OwnerNumber::FIRST), None);
    let bytes = [&[key.len()], key.as_ref(), &record].concat();
    assert!(matches!(EventRef::decode(&bytes), Err(RecordError::LacksOwner)));
}

#[test]
fn a_newer_version_is_named() {
    let place = EventKey { process: ProcessId::NODE, nonce: None };
    let mut bytes = encoded(&Body::Fact(Vec::new()), false, place, 0);
    bytes[33] = 3;
    let error = EventRef::decode(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "the record has format version 3, this build reads up to 2");
}

/// The bytes of version 1: when this fails, nodes of different versions cannot follow each other any more.
#[test]
fn the_format_is_what_it_was() {
    let place = EventKey { process: ProcessId::NODE, nonce: Some(Nonce::new(5)) };
    let bytes = encoded(&Body::Fact(b"hi".to_vec()), true, place, 258);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = format!("28{}0000000000000005", "00".repeat(32));
    assert_eq!(hex, key + "019604c3c0c0c0c40268690000000000000102000000000000000089d7b0b5");
}
