#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Sent {
    Hello { ids: [[u8; 16]; 2], numbers: [u64; 4], wallet: [u8; 32], port: u16, writes: String },
    Events { numbers: [u64; 3], owner: [u8; 16], digest: [u8; 32], events: Vec<Vec<u8>> },
    Heartbeat { numbers: [u64; 4], digest: [u8; 32] },
    Error(String),
    Behind(u64),
    Members { leads: bool, term: u64, acks: u32, ids: Vec<[u8; 16]> },
}

impl Sent {
    fn frame(&self) -> Frame<'_> {
        match self {
            Self::Hello {
                ids: [store, node],
                numbers: [term, first_term, tail, released],
                wallet,
                port,
                writes,
            } => {
                let (store, node, wallet) = (*store, *node, *wallet);
                let (term, first_term, tail, released) = (*term, *first_term, *tail, *released);
                let port = *port;
                Frame::Hello(HelloFrame {
                    store,
                    node,
                    term,
                    first_term,
                    wallet,
                    tail,
                    released,
                    port,
                    writes,
                })
            }
            Self::Events { numbers: [term, events, released], owner, digest, events: sent } => {
                let from = WirePlace { events: *events, digest: *digest };
                let events = sent.iter().map(Vec::as_slice).collect();
                Frame::Events(EventsFrame { term: *term, owner: *owner, from, released: *released, events })
            }
            Self::Heartbeat { numbers: [events, tail, released, clock], digest } => {
                let place = WirePlace { events: *events, digest: *digest };
                Frame::Heartbeat(HeartbeatFrame { place, tail: *tail, released: *released, clock: *clock })
            }
            Self::Error(text) => Frame::Error(text),
            Self::Behind(bytes) => Frame::Behind(*bytes),
            Self::Members { leads, term, acks, ids } => {
                let (owner, voters) = (ids.first().copied().unwrap_or_default(), ids.clone());
                Frame::Members(MembersFrame { leads: *leads, term: *term, owner, acks: *acks, voters })
            }
        }
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        (any::<[[u8; 16]; 2]>(), any::<[u64; 4]>(), any::<[u8; 32]>(), any::<u16>(), ".{0,40}").prop_map(
            |(ids, numbers, wallet, port, writes)| Sent::Hello { ids, numbers, wallet, port, writes }
        ),
        (any::<[u64; 3]>(), any::<[u8; 16]>(), any::<[u8; 32]>(), vec(vec(any::<u8>(), 0..60), 0..8))
            .prop_map(|(numbers, owner, digest, events)| Sent::Events { numbers, owner, digest, events }),
        (any::<[u64; 4]>(), any::<[u8; 32]>())
            .prop_map(|(numbers, digest)| Sent::Heartbeat { numbers, digest }),
        ".{0,40}".prop_map(Sent::Error),
        any::<u64>().prop_map(Sent::Behind),
        (any::<bool>(), any::<u64>(), any::<u32>(), vec(any::<[u8; 16]>(), 0..5))
            .prop_map(|(leads, term, acks, ids)| Sent::Members { leads, term, acks, ids }),
    ]
}

/// The frames in these bytes, which come in pieces of this length.
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

proptest! {
    #[test]
    fn frames_are_read_as_they_were_sent_however_they_are_cut(sent in vec(sent(), 0..6), piece in 1_usize..400) {
        let bytes: Vec<u8> = sent.iter().flat_map(|sent| sent.frame().encode().unwrap()).collect();
        let frames = read(&bytes, piece).unwrap();
        let opened: Vec<_> = frames.iter().map(|frame| frame.open().unwrap()).collect();
        prop_assert_eq!(opened, sent.iter().map(Sent::frame).collect::<Vec<_>>());
        prop_assert_eq!(frames.iter().map(RawFrame::len).sum::<usize>(), bytes.len());
    }

    #[test]
    fn no_flipped_bit_is_taken_for_a_frame(sent in sent(), place: prop::sample::Index) {
        let mut bytes = sent.frame().encode().unwrap();
        let place = place.index(bytes.len() * 8);
        bytes[place / 8] ^= 1 << (place % 8);
        // A frame that says it is longer is waited for, or is too long.
        for frame in read(&bytes, bytes.len()).unwrap_or_default() {
            prop_assert!(frame.open().is_err());
        }
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in vec(any::<u8>(), 0..200), kind: u8) {
        let _ = Frame::read(kind, &bytes);
        let frames = read(&bytes, 7).unwrap_or_default();
        frames.iter().for_each(|frame| drop(frame.open()));
    }
}

#[test]
fn what_is_longer_than_any_frame_is_neither_sent_nor_waited_for() {
    let long = vec![0; PAYLOAD_MAX];
    let from = WirePlace { events: 0, digest: [0; 32] };
    let frame =
        Frame::Events(EventsFrame { term: 1, owner: [0; 16], from, released: 0, events: vec![&long] });
    assert!(matches!(frame.encode(), Err(WireError::TooLong(length)) if length > PAYLOAD_MAX));
    let mut buffer = FrameBuffer::default();
    buffer.push(&[1, 0, 0, 1, 2, 0, 0, 0, 0]);
    assert_eq!(buffer.take(), Err(WireError::TooLong((16 << 20) + 1)));
}

#[test]
fn a_newer_version_is_told_and_a_newer_kind_is_skipped() {
    let hello = Sent::Hello {
        ids: [[1; 16]; 2],
        numbers: [1; 4],
        wallet: [2; 32],
        port: 9000,
        writes: String::new(),
    };
    let mut payload = hello.frame().encode().unwrap().split_off(9);
    payload[0] = 2;
    assert_eq!(Frame::read(1, &payload), Err(WireError::Version(2)));
    assert_eq!(Frame::read(9, b"anything"), Ok(Frame::Unknown(9)));
}
