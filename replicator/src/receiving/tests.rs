#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use ans104::{Address, Item};
use log::{Append, Body, BodyRef, Fact, FailHow, Identity, Members, Memory, MemoryDisk, TermStart};
use testing::{SampleProcess, fact};

use super::*;
use crate::messages::LogPlace;
use crate::shipping::{CANDIDATES_MAX, FOLLOWERS_MAX, MemberView, Shipper, StreamRefusal, StreamRequest};
use crate::wire::{Frame, FrameBuffer, RawFrame};

fn log(disk: &MemoryDisk, like: Option<&LocalLog<Memory>>) -> Arc<LocalLog<Memory>> {
    Arc::new(LocalLog::open(Memory::open(disk), like.map(Log::identity)).unwrap())
}

fn append(log: &LocalLog<Memory>, batch: Vec<Append>) {
    log.enqueue(log.identity().term, batch).unwrap().wait().unwrap();
}

/// A leader with a history.
fn leader() -> Arc<LocalLog<Memory>> {
    let log = log(&MemoryDisk::new(), None);
    let (mut one, mut other, mut imported) =
        (SampleProcess::new(1), SampleProcess::new(2), SampleProcess::new(3));
    imported.imported = true;
    append(&log, vec![one.spawn(), fact("a"), other.spawn_unassigned(), imported.spawn()]);
    append(&log, vec![one.message(), other.message(), one.assigned(), imported.message(), one.message()]);
    log
}

fn shipper(log: &Arc<LocalLog<Memory>>) -> Arc<Shipper> {
    Shipper::new(log.clone(), NodeId::random(), Address::from_bytes([7; 32]), 9000, Arc::new(|| None), None)
}

fn request(from: LogPlace, term: Term) -> StreamRequest {
    StreamRequest { from, term, node: NodeId::random(), voter: false }
}

fn receiver(log: &Arc<LocalLog<Memory>>) -> StreamReceiver<Memory> {
    StreamReceiver::new(log.clone(), NonZeroUsize::new(2).unwrap()).unwrap()
}

/// What a leader ships from a place on.
fn shipped(leader: &Arc<LocalLog<Memory>>, from: LogPlace) -> Vec<RawFrame> {
    let mut stream = shipper(leader).stream(&request(from, Term(0))).unwrap();
    let mut buffer = FrameBuffer::default();
    while stream.has_more() {
        buffer.push(&stream.events().unwrap().unwrap());
    }
    buffer.push(&stream.heartbeat().unwrap());
    std::iter::from_fn(|| buffer.take().unwrap()).collect()
}

fn take(receiver: &mut StreamReceiver<Memory>, frames: &[RawFrame]) -> Result<(), ReceiveError> {
    let threads = SignatureThreads::start(NonZeroUsize::new(2).unwrap()).unwrap();
    for frame in frames {
        let verified = threads.begin(&Arc::new(frame.clone()));
        match frame.open()? {
            Frame::Events(sent) => drop(receiver.events(&sent, verified)?),
            Frame::Heartbeat(beat) => receiver.same(beat.place)?,
            Frame::Behind(bytes) => assert_eq!(bytes, 0, "all of it was sent before"),
            other => panic!("{other:?} is not expected"),
        }
    }
    receiver.settle()
}

const BEGIN: LogPlace = LogPlace { events: 0, digest: LogDigest::EMPTY };

#[test]
fn what_is_received_is_the_same_log() {
    let leader = leader();
    let disk = MemoryDisk::new();
    let own = log(&disk, Some(&leader));
    let mut receiver = receiver(&own);
    take(&mut receiver, &shipped(&leader, BEGIN)).unwrap();
    assert_eq!(own.synced_digest().unwrap(), leader.synced_digest().unwrap());
    assert!(own.verify(NonZeroUsize::new(2), &mut |_| ()).is_sound());
    // What is there already is compared, and what comes then is taken.
    append(&leader, vec![fact("b"), SampleProcess::new(4).spawn()]);
    take(&mut receiver, &shipped(&leader, BEGIN)).unwrap();
    assert_eq!(own.synced_digest().unwrap(), leader.synced_digest().unwrap());
    let (end, term) = receiver.end();
    assert_eq!((end.events, term), (11, leader.identity().term));
    assert_eq!(shipped(&leader, end).len(), 2, "only how far it is");
    // Nobody else writes there.
    let refused = own.enqueue(own.identity().term, vec![fact("own")]).unwrap().wait();
    assert!(matches!(refused, Err(AppendError::Fenced)), "{refused:?}");
}

/// The events of a frame, with some changed by `change`.
fn changed(frame: &RawFrame, change: impl Fn(&mut log::Event)) -> Vec<Vec<u8>> {
    let Frame::Events(sent) = frame.open().unwrap() else { panic!("it has events") };
    let events = sent.events.iter().map(|bytes| {
        let mut event = EventRef::decode(bytes).unwrap().to_owned();
        change(&mut event);
        encode(&event)
    });
    events.collect()
}

fn encode(event: &log::Event) -> Vec<u8> {
    let split = |bytes: &'_ [u8]| Item::split(Vec::leak(bytes.to_vec())).unwrap();
    let body = match &event.body {
        Body::Spawned { item, assignment } => {
            BodyRef::Spawned { item: split(item), assignment: assignment.as_deref().map(split) }
        }
        Body::Scheduled { item, assignment, .. } => {
            BodyRef::Scheduled { item: split(item), assignment: split(assignment), deep_hash: None }
        }
        Body::Assigned { assignment, .. } => {
            BodyRef::Assigned { assignment: split(assignment), deep_hash: None }
        }
        Body::Fact(fact) => BodyRef::Fact(fact),
    };
    let log::Event { seq, process, nonce, imported, .. } = *event;
    let envelope = event.envelope.as_deref();
    EventRef { seq, process, nonce, imported, envelope, body }.encode().unwrap()
}

/// What becomes of a frame whose events were changed: the same whether its signatures are verified in its turn or before.
fn refused(change: impl Fn(&mut log::Event)) -> ReceiveError {
    let leader = leader();
    let frames = shipped(&leader, BEGIN);
    let events = changed(&frames[0], change);
    let sent = Frame::Events(EventsFrame {
        term: 1,
        owner: [0; 16],
        from: BEGIN.into(),
        released: 0,
        events: events.iter().map(Vec::as_slice).collect(),
    });
    let mut buffer = FrameBuffer::default();
    buffer.push(&sent.encode().unwrap());
    let frame = Arc::new(buffer.take().unwrap().unwrap());
    let threads = SignatureThreads::start(NonZeroUsize::new(2).unwrap()).unwrap();
    let [error, ahead] = [None, threads.begin(&frame)].map(|verified| {
        let own = log(&MemoryDisk::new(), Some(&leader));
        let mut receiver = receiver(&own);
        let Ok(Frame::Events(sent)) = frame.open() else { panic!("it has events") };
        let error = receiver.events(&sent, verified).unwrap_err();
        receiver.settle().unwrap();
        assert_eq!(own.synced().last(), None, "something of it was appended");
        error
    });
    assert_eq!(error.to_string(), ahead.to_string());
    error
}

#[test]
fn what_is_signed_wrong_is_refused() {
    for part in ["item", "assignment"] {
        let error = refused(|event| {
            // The last one, so that nothing comes after it that does not follow from it.
            if let (8, Body::Scheduled { item, assignment, .. }) = (event.seq.get(), &mut event.body) {
                // The data of the item, which leaves its id as it was; and the signature.
                match part {
                    "item" => *item.last_mut().unwrap() ^= 1,
                    _ => assignment[5] ^= 1,
                }
            }
        });
        let text = error.to_string();
        assert!(text.contains(&format!("the {part}'s signature is wrong")), "{text}");
        assert!(!error.is_passing());
    }
}

#[test]
fn what_is_out_of_place_is_refused() {
    let error = refused(|event| event.seq = Seq::new(event.seq.get() + 1));
    assert!(matches!(error, ReceiveError::Sent(SentError::Order { .. })), "{error}");
    let error = refused(|event| {
        if event.seq.get() == 8 {
            event.nonce = event.nonce.map(protocol::Nonce::next);
        }
    });
    assert!(error.to_string().contains("nonce 4 where 3 comes next"), "{error}");
}

#[test]
fn only_the_wallet_in_force_signs() {
    let leader = log(&MemoryDisk::new(), None);
    append(&leader, vec![Fact::Wallet(Address::from_bytes([1; 32])).append(), SampleProcess::new(1).spawn()]);
    let own = log(&MemoryDisk::new(), Some(&leader));
    let error = take(&mut receiver(&own), &shipped(&leader, BEGIN)).unwrap_err();
    assert!(error.to_string().contains("is in force"), "{error}");
}

#[test]
fn another_history_is_refused_wherever_it_begins() {
    let (one, other) = (leader(), log(&MemoryDisk::new(), None));
    append(&other, (0..20).map(|_| fact("x")).collect());
    let own = log(&MemoryDisk::new(), Some(&one));
    let mut receiver = receiver(&own);
    take(&mut receiver, &shipped(&one, BEGIN)).unwrap();
    let error = take(&mut receiver, &shipped(&other, BEGIN)).unwrap_err();
    assert!(matches!(error, ReceiveError::Diverged { .. }), "{error}");
    let (end, _) = receiver.end();
    let refusal = shipper(&other).stream(&request(end, Term(1))).err().unwrap();
    assert!(matches!(refusal, StreamRefusal::Diverged { .. }), "{refusal}");
    let place = LogPlace { events: end.events + 1, digest: end.digest };
    let error = receiver.same(place).unwrap_err();
    assert!(matches!(error, ReceiveError::Gap { found: 10, own: 9 }), "{error}");
}

#[test]
fn who_asks_for_what_is_not_there_is_told() {
    let leader = leader();
    let shipper = shipper(&leader);
    let far = LogPlace { events: 10, digest: LogDigest::EMPTY };
    let beyond = shipper.stream(&request(far, Term(1))).err().unwrap();
    assert!(matches!(beyond, StreamRefusal::Beyond { asked: 10, tail: 9 }), "{beyond}");
    let deposed = shipper.stream(&request(BEGIN, Term(2))).err().unwrap();
    assert!(
        matches!(deposed, StreamRefusal::Deposed { asked: Term(2), own: Term(1), is_news: true }),
        "{deposed}"
    );
    // That is told once for each term.
    for (term, expected) in [(2, false), (3, true), (2, false), (3, false)] {
        let deposed = shipper.stream(&request(BEGIN, Term(term))).err().unwrap();
        assert!(
            matches!(deposed, StreamRefusal::Deposed { is_news, .. } if is_news == expected),
            "{deposed:?}"
        );
    }

    let streams: Vec<_> =
        (0..FOLLOWERS_MAX).map(|_| shipper.stream(&request(BEGIN, Term(1))).unwrap()).collect();
    let full = shipper.stream(&request(BEGIN, Term(1))).err().unwrap();
    assert!(matches!(full, StreamRefusal::Full), "{full}");
    assert_eq!(shipper.followers().len(), FOLLOWERS_MAX);
    drop(streams);
    // One that comes again has lost its stream.
    let again = request(BEGIN, Term(1));
    let first = shipper.stream(&again).unwrap();
    let second = shipper.stream(&again).unwrap();
    let why = first.replaced().map(|why| why.to_string());
    assert!(why.is_some_and(|why| why.contains(&again.node.to_string())));
    assert!(second.replaced().is_none());
    drop(first);
    assert!(second.replaced().is_none());
    assert_eq!(shipper.followers().len(), 1);
}

/// A node that keeps its log with these.
struct Among(Members);

impl MemberView for Among {
    fn is_in_lead(&self) -> bool {
        true
    }

    fn members(&self) -> Option<Members> {
        Some(self.0.clone())
    }
}

#[test]
fn voters_are_let_in_however_many_others_follow() {
    let leader = leader();
    let voter = NodeId::random();
    let among = Arc::new(Among(Members { voters: [NodeId::random(), voter].into(), acks: 1 }));
    let (wallet, leads) = (Address::from_bytes([7; 32]), Arc::new(|| None));
    let shipper = Shipper::new(leader.clone(), NodeId::random(), wallet, 9000, leads, Some(among));
    let _others: Vec<_> =
        (0..FOLLOWERS_MAX).map(|_| shipper.stream(&request(BEGIN, Term(1))).unwrap()).collect();
    assert!(matches!(shipper.stream(&request(BEGIN, Term(1))).err(), Some(StreamRefusal::Full)));
    let asks = StreamRequest { node: voter, voter: true, ..request(BEGIN, Term(1)) };
    let streams: Vec<_> = (0..3).map(|_| shipper.stream(&asks).unwrap()).collect();
    assert!(streams[0].replaced().is_some() && streams[2].replaced().is_none());
    // It takes no place of the others either.
    assert!(matches!(shipper.stream(&request(BEGIN, Term(1))).err(), Some(StreamRefusal::Full)));
    assert_eq!(shipper.followers().len(), FOLLOWERS_MAX + 1);
}

#[test]
fn who_is_to_vote_is_let_in_however_many_others_follow_and_there_are_few_of_them() {
    let alone = Arc::new(Among(Members { voters: [NodeId::random()].into(), acks: 0 }));
    let (wallet, leads) = (Address::from_bytes([7; 32]), Arc::new(|| None));
    let shipper = Shipper::new(leader(), NodeId::random(), wallet, 9000, leads, Some(alone));
    let ask = |voter| {
        let asks = StreamRequest { node: NodeId::random(), voter, ..request(BEGIN, Term(1)) };
        shipper.stream(&asks).ok()
    };
    let all = |voter| std::iter::from_fn(move || ask(voter)).take(100).collect::<Vec<_>>();
    let others = all(false);
    assert_eq!((others.len(), all(true).len()), (FOLLOWERS_MAX, CANDIDATES_MAX));
    // Nor do they take the places of others.
    drop(others);
    let candidates = all(true);
    assert_eq!((candidates.len(), all(false).len()), (CANDIDATES_MAX, FOLLOWERS_MAX));
}

#[test]
fn a_stream_begins_behind_what_is_on_its_way_to_disk() {
    let (own, mut appender) = LocalLog::stepped(Memory::open(&MemoryDisk::new()), None).unwrap();
    let own = Arc::new(own);
    let begin = || StreamReceiver::of_member(own.clone(), NonZeroUsize::MIN, None);
    let written = own.enqueue(Term(1), vec![fact("own")]).unwrap();
    let refused = begin().err().unwrap();
    assert!(matches!(refused, ReceiveError::Busy) && refused.is_passing(), "{refused}");
    appender.turn(9);
    written.wait().unwrap();
    assert_eq!(begin().unwrap().end().0.events, 1);
}

#[test]
fn a_promotion_comes_along() {
    let leader = leader();
    let owner = NodeId::random();
    let promotion = log::Promotion { term: Term(3), owner, promises: vec![owner], forced_by: None };
    leader.enqueue(Term(3), vec![Fact::Promotion(promotion).append()]).unwrap().wait().unwrap();
    let first = Identity { store: leader.identity().store, term: Term(1) };
    let own = Arc::new(LocalLog::open(Memory::open(&MemoryDisk::new()), Some(first)).unwrap());
    take(&mut receiver(&own), &shipped(&leader, BEGIN)).unwrap();
    assert_eq!(own.terms().unwrap(), leader.terms().unwrap());
    assert_eq!(own.terms().unwrap().last(), Some(&TermStart { term: Term(3), first: Seq::new(9), owner }));
}

#[test]
fn a_disk_that_fails_ends_it() {
    let leader = leader();
    let disk = MemoryDisk::new();
    let own = log(&disk, Some(&leader));
    let mut receiver = receiver(&own);
    disk.fail_next_commit(FailHow::BeforeWrite);
    let error = take(&mut receiver, &shipped(&leader, BEGIN)).unwrap_err();
    assert!(matches!(error, ReceiveError::Append(_)) && !error.is_passing(), "{error}");
}
