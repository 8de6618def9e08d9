//! The contract of [`Gate`], sentence by sentence, for every engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gate::{
    BatchDraft, ClaimId, Gate, GateClaim, GateContents, GateError, GatePlace, GatePublisher, GateReader,
    GateRecord, PublishError, Put, RecordBody,
};
use log::{BodyRef, EventRef, LogDigest, NodeId, Seq, StoreId, Term};
use protocol::{Nonce, ProcessId};
use tokio::time::sleep;
use uuid::Uuid;

const PAUSE: Duration = Duration::from_millis(20);

/// Runs all of these tests on an engine; `$setup` makes one that holds nothing.
macro_rules! gate_suite {
    ($setup:expr) => {
        $crate::suite::gate_suite!($setup;
            a_claim_comes_first_and_batches_behind_it,
            what_is_there_is_taken_again_and_nothing_else_at_its_number,
            behind_a_claim_nothing_of_an_older_one_is_taken,
            what_does_not_go_on_from_the_end_is_refused,
            an_engine_that_was_restored_is_found_out,
            many_who_fight_for_it_leave_one_chain,
            it_is_read_in_pages_from_any_place,
        );
    };
    ($setup:expr; $($test:ident),+ $(,)?) => {
        $(#[tokio::test] async fn $test() { $crate::suite::$test(&$setup.await).await; })+
    };
}
pub(crate) use gate_suite;

/// An engine of a test's own.
#[async_trait]
pub trait GateSetup: Sync {
    /// A gate to it, with nothing in common with others but the engine.
    async fn gate(&self) -> Arc<dyn Gate>;

    /// Keeps a copy of what the engine holds.
    async fn back_up(&self);

    /// Brings back that copy.
    async fn restore(&self);
}

pub(crate) fn store(number: u128) -> StoreId {
    StoreId(Uuid::from_u128(number))
}

pub(crate) fn node(number: u128) -> NodeId {
    NodeId(Uuid::from_u128(number))
}

/// A batch at this place, of an event for each text.
pub(crate) fn batch(before: GatePlace, texts: &[&str]) -> BatchDraft {
    let mut draft = BatchDraft::at(before);
    for (place, text) in (before.events..).zip(texts) {
        let (seq, nonce, body) = (Seq::new(place), Some(Nonce::new(place)), BodyRef::Fact(text.as_bytes()));
        let event = EventRef { seq, process: ProcessId::NODE, nonce, imported: false, envelope: None, body };
        draft.push(&event).unwrap();
    }
    draft
}

/// Settles what is pending, however long the engine takes.
pub(crate) async fn settled(publisher: &mut GatePublisher) -> GatePlace {
    loop {
        match publisher.settle().await {
            Ok(end) => return end,
            Err(PublishError::Gate(error)) if error.may_pass() => sleep(PAUSE).await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A claim that is held, behind whatever is there.
pub(crate) async fn claimed(gate: &Arc<dyn Gate>, owner: NodeId) -> GatePublisher {
    let contents = loop {
        match gate.contents().await {
            Ok(contents) => break contents,
            Err(GateError::Away(_)) => sleep(PAUSE).await,
            Err(error) => panic!("{error}"),
        }
    };
    let mut publisher =
        GatePublisher::claim(gate.clone(), contents.as_ref(), store(1), owner, Term(1)).unwrap();
    settled(&mut publisher).await;
    publisher
}

/// All that is there, each batch looked at.
pub(crate) async fn all(gate: &Arc<dyn Gate>) -> Vec<GateRecord> {
    let Some(contents) = gate.contents().await.unwrap() else { return Vec::new() };
    let (mut reader, mut records) = (GateReader::new(gate.clone(), contents), Vec::new());
    loop {
        let page = reader.next().await.unwrap();
        if page.is_empty() {
            assert_eq!(reader.at(), contents.end);
            return records;
        }
        for record in page {
            if let Some(batch) = record.batch() {
                batch.events(&record.before).unwrap();
            }
            records.push(record);
        }
    }
}

fn record(contents: &GateContents, claim: GateClaim, text: Option<&str>) -> GateRecord {
    let batch = text.and_then(|text| batch(contents.end, &[text]).finish());
    let body = batch.map_or(RecordBody::Claim, RecordBody::Batch);
    GateRecord { store: contents.store, before: contents.end, claim, body }
}

fn new_claim(term: u64) -> GateClaim {
    GateClaim { id: ClaimId::random(), term: Term(term), owner: node(7) }
}

pub(crate) async fn a_claim_comes_first_and_batches_behind_it(setup: &dyn GateSetup) {
    let gate = setup.gate().await;
    assert_eq!(gate.look().await.unwrap(), None);
    assert_eq!(gate.contents().await.unwrap(), None);
    assert_eq!(gate.read(0, 1 << 20).await.unwrap(), []);
    let mut one = claimed(&gate, node(1)).await;
    assert_eq!(one.end(), GatePlace { records: 1, ..GatePlace::START });
    assert_eq!(one.held().term, Term(2));
    for texts in [&["a", "b"][..], &["c"]] {
        let end = one.publish(batch(one.end(), texts)).await.unwrap();
        let contents = setup.gate().await.contents().await.unwrap().unwrap();
        assert_eq!((contents.store, contents.end, contents.claim), (store(1), end, one.held()));
    }
    let records = all(&setup.gate().await).await;
    assert_eq!(records.len(), 3);
    let batch = records[1].batch().unwrap();
    let events = batch.events(&records[1].before).unwrap();
    let texts: Vec<_> = events.iter().map(|event| event.body).collect();
    assert!(matches!(texts[..], [BodyRef::Fact(b"a"), BodyRef::Fact(b"b")]), "{texts:?}");
    assert_eq!(one.end().events, 3);
    gate.close().await;
}

pub(crate) async fn what_is_there_is_taken_again_and_nothing_else_at_its_number(setup: &dyn GateSetup) {
    let gate = setup.gate().await;
    let mut one = claimed(&gate, node(1)).await;
    let at = gate.contents().await.unwrap().unwrap();
    let (first, other) = (record(&at, one.held(), Some("first")), record(&at, one.held(), Some("other")));
    let put = gate.put(&first).await;
    assert_eq!(put.unwrap(), Put::Taken);
    // By others, too: whoever reads the record of another may ask whether it stays.
    for _ in 0..2 {
        assert_eq!(setup.gate().await.put(&first).await.unwrap(), Put::Taken);
        let Put::Refused(there) = gate.put(&other).await.unwrap() else { panic!("a number was taken twice") };
        assert_eq!(there.end, first.after());
    }
    let there = gate.contents().await.unwrap().unwrap();
    assert_eq!(gate.put(&record(&there, one.held(), Some("second"))).await.unwrap(), Put::Taken);
    assert_eq!(gate.put(&first).await.unwrap(), Put::Taken);
    assert!(matches!(gate.put(&other).await.unwrap(), Put::Refused(_)));
    assert_eq!(all(&gate).await.len(), 3);
    let late = one.publish(batch(one.end(), &["first"])).await;
    assert!(late.is_ok_and(|end| end == first.after()), "what was put elsewhere is there");
}

pub(crate) async fn behind_a_claim_nothing_of_an_older_one_is_taken(setup: &dyn GateSetup) {
    let gate = setup.gate().await;
    let mut old = claimed(&gate, node(1)).await;
    old.publish(batch(old.end(), &["a"])).await.unwrap();
    let at = gate.contents().await.unwrap().unwrap();
    let on_its_way = record(&at, old.held(), Some("on its way"));
    let mut new = claimed(&setup.gate().await, node(2)).await;
    assert!(new.held().term > old.held().term);
    let Put::Refused(there) = gate.put(&on_its_way).await.unwrap() else { panic!("it was taken") };
    assert_eq!(there.claim, new.held());
    // Also where the number would be right: it says nothing about whose it is.
    let behind = gate.contents().await.unwrap().unwrap();
    let behind = record(&behind, old.held(), Some("behind"));
    assert!(matches!(gate.put(&behind).await.unwrap(), Put::Refused(_)));
    new.publish(batch(new.end(), &["b"])).await.unwrap();
    for _ in 0..2 {
        let Err(PublishError::Deposed(there)) = old.publish(batch(old.end(), &["c"])).await else {
            panic!("the old claim counts")
        };
        assert_eq!(there.claim, new.held());
    }
    assert_eq!(all(&gate).await.len(), 4);
}

pub(crate) async fn what_does_not_go_on_from_the_end_is_refused(setup: &dyn GateSetup) {
    let gate = setup.gate().await;
    let unclaimed = GateRecord {
        store: store(1),
        before: GatePlace::START,
        claim: new_claim(1),
        body: RecordBody::Claim,
    };
    let nothing = GatePlace { records: 1, ..GatePlace::START };
    let ahead = gate.put(&GateRecord { before: nothing, ..unclaimed.clone() }).await;
    assert!(matches!(ahead, Err(GateError::Forgot { there: 0, known: 1 })), "{ahead:?}");
    let mut one = claimed(&gate, node(1)).await;
    one.publish(batch(one.end(), &["a", "b"])).await.unwrap();
    let at = gate.contents().await.unwrap().unwrap();
    let good = record(&at, one.held(), Some("c"));
    let before = at.end;

    let ahead = GatePlace { records: before.records + 1, ..before };
    let put = gate.put(&GateRecord { before: ahead, ..good.clone() }).await;
    assert!(matches!(put, Err(GateError::Forgot { there: 2, known: 3 })), "{put:?}");
    for other in [
        GatePlace { events: before.events + 1, ..before },
        GatePlace { digest: LogDigest::from_bytes([1; 32]), ..before },
    ] {
        for body in [good.body.clone(), RecordBody::Claim] {
            let claim = GateClaim { term: Term(9), ..one.held() };
            let put = gate.put(&GateRecord { before: other, claim, body, ..good }).await;
            assert!(matches!(put, Err(GateError::Differs { .. })), "{put:?}");
        }
    }
    let put = gate.put(&GateRecord { store: store(2), ..good.clone() }).await;
    assert!(matches!(put, Err(GateError::OtherStore { .. })), "{put:?}");
    for claim in [new_claim(one.held().term.0), new_claim(1)] {
        for text in [None, Some("c")] {
            let put = gate.put(&record(&at, claim, text)).await.unwrap();
            assert_eq!(put, Put::Refused(at));
        }
    }
    assert_eq!(gate.contents().await.unwrap(), Some(at));
    assert_eq!(gate.look().await.unwrap(), Some(at));
    assert_eq!(gate.put(&good).await.unwrap(), Put::Taken);
}

pub(crate) async fn an_engine_that_was_restored_is_found_out(setup: &dyn GateSetup) {
    let gate = setup.gate().await;
    let mut one = claimed(&gate, node(1)).await;
    one.publish(batch(one.end(), &["a"])).await.unwrap();
    setup.back_up().await;
    let known = one.publish(batch(one.end(), &["b"])).await.unwrap();
    setup.restore().await;
    let gate = setup.gate().await;
    assert_eq!(gate.contents().await.unwrap().unwrap().end.events, 1);
    let mut restarted = GatePublisher::claim(
        gate.clone(),
        Some(&GateContents { end: known, ..gate.contents().await.unwrap().unwrap() }),
        store(1),
        node(1),
        Term(1),
    )
    .unwrap();
    for publisher in [&mut one, &mut restarted] {
        let _ = publisher.offer(batch(publisher.end(), &["c"]));
        for _ in 0..2 {
            let said = publisher.settle().await;
            let known = publisher.end().records;
            assert!(
                matches!(said, Err(PublishError::Gate(GateError::Forgot { there: 2, known: k })) if k == known),
                "{said:?}"
            );
        }
    }
    // By the time it has as many again, they are others.
    let mut two = claimed(&gate, node(2)).await;
    let end = two.publish(batch(two.end(), &["x"])).await.unwrap();
    let at = GatePlace { records: end.records, ..known };
    let claim = GateRecord { store: store(1), before: at, claim: new_claim(99), body: RecordBody::Claim };
    let put = gate.put(&claim).await;
    assert!(matches!(put, Err(GateError::Differs { events: 2 })), "{put:?}");
    assert_eq!(all(&gate).await.len(), 4);
}

pub(crate) async fn many_who_fight_for_it_leave_one_chain(setup: &dyn GateSetup) {
    let mut fighters = tokio::task::JoinSet::new();
    for number in 0..4 {
        let gate = setup.gate().await;
        fighters.spawn(async move {
            let mut taken = Vec::new();
            for round in 0..6 {
                let contents = gate.contents().await.unwrap();
                let claim =
                    GatePublisher::claim(gate.clone(), contents.as_ref(), store(1), node(number), Term(1));
                let mut publisher = claim.unwrap();
                for turn in 0..4 {
                    tokio::task::yield_now().await;
                    let before = publisher.end();
                    if let Err(error) = publisher.settle().await {
                        assert!(matches!(error, PublishError::Deposed(_)), "{error}");
                        break;
                    }
                    taken.push((before.records, publisher.held()));
                    publisher.offer(batch(publisher.end(), &[&format!("{number} {round} {turn}")])).unwrap();
                }
                // Nobody knows what comes of the last.
            }
            taken
        });
    }
    let taken = fighters.join_all().await.concat();
    let there = all(&setup.gate().await).await;
    assert!(!taken.is_empty());
    for (number, claim) in taken {
        let record = &there[usize::try_from(number).unwrap()];
        assert_eq!((record.number(), record.claim), (number, claim));
    }
}

pub(crate) async fn it_is_read_in_pages_from_any_place(setup: &dyn GateSetup) {
    let gate = setup.gate().await;
    let mut one = claimed(&gate, node(1)).await;
    let large = "x".repeat(40 << 10);
    for number in 0..5 {
        let texts: Vec<_> = (0..number + 1).map(|event| format!("{number} {event} {large}")).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        one.publish(batch(one.end(), &texts)).await.unwrap();
    }
    let (there, contents) = (all(&gate).await, gate.contents().await.unwrap().unwrap());
    for from in 0..=there.len() {
        for bytes in [0, 1, 50 << 10, 100 << 10, 1 << 30] {
            let page = gate.read(u64::try_from(from).unwrap(), bytes).await.unwrap();
            assert_eq!(page, there[from..from + page.len()]);
            assert_eq!(page.is_empty(), from == there.len());
            let sizes: usize = page.iter().map(GateRecord::size).sum();
            assert!(page.len() <= 1 || sizes <= bytes.max(1), "{sizes} of {bytes} bytes");
        }
    }
    assert_eq!(gate.read(u64::MAX, 1 << 20).await.unwrap(), []);
    for events in 0..=contents.end.events + 1 {
        let mut reader = GateReader::new(gate.clone(), contents);
        let at = reader.seek(events).await.unwrap();
        let places = there.iter().map(|record| record.before).chain([contents.end]);
        let expected = places.filter(|place| place.events <= events).max_by_key(|place| place.records);
        assert_eq!(Some(at), expected);
        let mut rest = Vec::new();
        loop {
            match reader.next().await.unwrap() {
                page if page.is_empty() => break,
                page => rest.extend(page),
            }
        }
        assert_eq!(rest, there[usize::try_from(at.records).unwrap()..]);
    }
}
