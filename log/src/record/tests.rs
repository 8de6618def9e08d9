#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use proptest::prelude::*;
use protocol::{Nonce, ProcessId};

use crate::arbitrary::{body, place};

use super::*;

/// A record, and the owners that it leaves out.
fn write(body: &Body, imported: bool, place: EventKey, seq: u64) -> (Vec<u8>, [Option<LongOwner>; 2]) {
    let (draft, _) = RecordDraft::new(body, imported, None).unwrap();
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
    let error = Record::open(&[], &[3, 0, 0]).err().unwrap();
    assert_eq!(error.to_string(), "the record has format version 3, this build reads up to 2");
}

/// The bytes of a record of version 1: when this fails, stores that exist cannot be read any more.
#[test]
fn the_format_is_what_it_was() {
    let place = EventKey { process: ProcessId::NODE, nonce: Some(Nonce::new(5)) };
    let (bytes, _) = write(&Body::Fact(b"hi".to_vec()), true, place, 258);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "019604c3c0c0c0c40268690000000000000102000000000000000089d7b0b5");
}

/// The same of version 2, which has an envelope.
#[test]
fn the_format_with_an_envelope_is_what_it_was() {
    let place = EventKey { process: ProcessId::NODE, nonce: Some(Nonce::new(5)) };
    let (draft, _) = RecordDraft::new(&Body::Fact(b"hi".to_vec()), true, Some(b"env")).unwrap();
    let bytes = draft.finish(&StoreKey::event(place), Seq::new(258), None, None);
    let body: String = bytes[..bytes.len() - 4].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(body, "029704c3c0c0c0c4026869c403656e7600000000000001020000000000000000");
}
