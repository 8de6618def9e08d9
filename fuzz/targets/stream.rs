//! Any bytes in the place of a stream that a standby follows: what is read of it is written back the same, however it is
//! cut, and no damage is taken for a frame.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

use wire::{EventsFrame, Frame, FrameBuffer, HeartbeatFrame, RawFrame, WireError, WirePlace};

#[path = "../../replicator/src/wire/mod.rs"]
mod wire;

/// The checksum keeps nearly all bytes away from what is behind it, so some input is put under one that is right.
#[derive(Debug, Arbitrary)]
enum Input<'a> {
    Bytes { bytes: &'a [u8], piece: u8 },
    UnderChecksum { kind: u8, payload: &'a [u8] },
    Events { numbers: [u64; 3], owner: [u8; 16], digest: [u8; 32], events: Vec<&'a [u8]>, flip: usize },
    Heartbeat { numbers: [u64; 4], digest: [u8; 32], flip: usize },
}

fuzz_target!(|input: Input<'_>| {
    match input {
        Input::Bytes { bytes, piece } => {
            read(bytes, usize::from(piece) + 1).unwrap_or_default().iter().for_each(check);
        }
        Input::UnderChecksum { kind, payload } => {
            let crc = crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload);
            let length = u32::try_from(payload.len()).expect("inputs are short");
            let bytes = [&length.to_be_bytes()[..], &[kind], &crc.to_be_bytes(), payload].concat();
            read(&bytes, bytes.len()).expect("it is a frame").iter().for_each(check);
        }
        Input::Events { numbers: [term, at, released], owner, digest, events, flip } => {
            let from = WirePlace { events: at, digest };
            damage(&Frame::Events(EventsFrame { term, owner, from, released, events }), flip);
        }
        Input::Heartbeat { numbers: [at, tail, released, clock], digest, flip } => {
            let place = WirePlace { events: at, digest };
            damage(&Frame::Heartbeat(HeartbeatFrame { place, tail, released, clock }), flip);
        }
    }
});

fn read(bytes: &[u8], piece: usize) -> Result<Vec<RawFrame>, WireError> {
    let (mut buffer, mut frames) = (FrameBuffer::default(), Vec::new());
    for piece in bytes.chunks(piece) {
        buffer.push(piece);
        while let Some(frame) = buffer.take()? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

/// What is read is written back the same.
fn check(frame: &RawFrame) {
    let Ok(opened) = frame.open() else { return };
    if matches!(opened, Frame::Unknown(_)) {
        return;
    }
    let bytes = opened.encode().expect("it was read");
    let again = read(&bytes, bytes.len()).expect("written just now");
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].open(), Ok(opened));
}

/// A frame is read as it was sent, and not at all with a bit flipped.
fn damage(frame: &Frame<'_>, flip: usize) {
    let mut bytes = frame.encode().expect("inputs are short");
    let read_again = read(&bytes, 7).expect("written just now");
    assert_eq!(read_again[0].open().as_ref(), Ok(frame));
    let place = flip % (bytes.len() * 8);
    bytes[place / 8] ^= 1 << (place % 8);
    // A stream ends with the first frame that is damaged: what is behind that may be data that looks like one.
    if let Some(frame) = read(&bytes, 7).unwrap_or_default().first() {
        assert!(frame.open().is_err(), "the bit {place} was flipped");
    }
}
