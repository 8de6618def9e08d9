//! Any bytes in the place of an event in its public form: what is read is written back the same, and no damage is taken
//! for an event.

#![no_main]

use ans104::Id;
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use protocol::{Nonce, ProcessId};

use event::{BodyRef, EventRef};
use ids::Seq;

#[path = "../../log/src/codec.rs"]
mod codec;
#[path = "../../log/src/digest.rs"]
mod digest;
#[path = "../../log/src/event.rs"]
mod event;
#[path = "../../log/src/ids.rs"]
mod ids;
#[path = "../../log/src/keys.rs"]
mod keys;
#[path = "../../log/src/record.rs"]
mod record;

/// The checksum keeps nearly all bytes away from what is behind it, so some input is put under one that is right.
#[derive(Debug, Arbitrary)]
enum Input<'a> {
    Bytes(&'a [u8]),
    UnderChecksum(&'a [u8]),
    Event { process: [u8; 32], nonce: Option<u64>, seq: u64, fact: &'a [u8], flip: usize },
}

fuzz_target!(|input: Input<'_>| {
    match input {
        Input::Bytes(bytes) => check(bytes),
        Input::UnderChecksum(bytes) => check(&under_checksum(bytes)),
        Input::Event { process, nonce, seq, fact, flip } => {
            let process = ProcessId::from(Id::from_bytes(process));
            let body = BodyRef::Fact(fact);
            let (seq, nonce) = (Seq::new(seq), nonce.map(Nonce::new));
            let event = EventRef { seq, process, nonce, imported: false, envelope: None, body };
            let mut bytes = event.encode().expect("a fact is encoded");
            let read = EventRef::decode(&bytes).expect("encoded just now");
            assert_eq!((read.seq, read.process, read.nonce), (event.seq, event.process, event.nonce));
            let place = flip % (bytes.len() * 8);
            bytes[place / 8] ^= 1 << (place % 8);
            assert!(EventRef::decode(&bytes).is_err(), "the bit {place} was flipped");
        }
    }
});

/// What is read is written back the same, and every part of it can be asked for.
fn check(bytes: &[u8]) {
    let Ok(event) = EventRef::decode(bytes) else { return };
    let again = event.encode().expect("it was read");
    let read = EventRef::decode(&again).expect("written just now");
    assert_eq!(format!("{event:?}"), format!("{read:?}"));
    let _ = (event.timestamp(), event.item().map(|item| item.id()), event.deep_hash());
}

/// The same bytes with the checksum at the end that they would have.
fn under_checksum(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let Some((len, rest)) = bytes.split_first() else { return bytes };
    let Some((key, record)) = rest.split_at_checked(usize::from(*len)) else { return bytes };
    let crc = crc32c::crc32c_append(crc32c::crc32c(record), key);
    bytes.extend_from_slice(&crc.to_be_bytes());
    bytes
}
