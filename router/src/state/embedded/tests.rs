#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::HashMap;

use ans104::{Address, Id};
use bytes::Bytes;
use location::PublicationState;
use log::Publication;
use protocol::Timestamp;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::list::{ListedScheduler, SchedulerFlags};

const STORE: StoreId = StoreId(Uuid::from_u128(1));

fn process(number: u64) -> ProcessId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes[8..16].copy_from_slice(&number.to_be_bytes());
    Id::from_bytes(bytes).into()
}

fn listed(url: &str) -> ListedScheduler {
    ListedScheduler { url: url.parse().unwrap(), flags: SchedulerFlags::default() }
}

async fn with_schedulers(folder: &TempDir) -> EmbeddedState {
    let state = EmbeddedState::open(folder.path(), STORE).unwrap();
    let list = vec![listed("http://su1:1"), listed("http://su2:1")];
    assert_eq!(state.change(FleetChange::Listed(list)).await.unwrap().len(), 2);
    state
}

#[tokio::test]
async fn one_that_is_not_closed_ends_all_the_same() {
    let folder = TempDir::new().unwrap();
    let state = with_schedulers(&folder).await;
    drop(state);
    // Nobody has it open any more.
    EmbeddedState::open(folder.path(), STORE).unwrap();
}

#[tokio::test]
async fn a_process_has_one_home_for_ever() {
    let folder = TempDir::new().unwrap();
    let state = Arc::new(with_schedulers(&folder).await);
    // At once, each for another scheduler.
    let settling = (0..200_u64).map(|number| {
        let state = state.clone();
        tokio::spawn(async move {
            let scheduler = SchedulerNumber(1 + u32::try_from(number % 2).unwrap());
            state.settle(process(number / 4), scheduler, HomeCause::Placed).await.unwrap()
        })
    });
    let mut homes: HashMap<u64, Home> = HashMap::new();
    let mut new = 0;
    for (number, homed) in futures_util::future::join_all(settling).await.into_iter().enumerate() {
        let homed = homed.unwrap();
        new += u64::from(homed.is_new);
        assert_eq!(*homes.entry(number as u64 / 4).or_insert(homed.home), homed.home);
    }
    assert_eq!(new, 50);
    state.close().await;
    assert!(matches!(
        state.settle(process(0), SchedulerNumber(1), HomeCause::Placed).await,
        Err(StateError::Closing)
    ));
    drop(state);

    let state = EmbeddedState::open(folder.path(), STORE).unwrap();
    for (number, home) in homes {
        assert_eq!(state.home(process(number)).await.unwrap(), Some(home));
        for scheduler in [1, 2].map(SchedulerNumber) {
            let again = state.settle(process(number), scheduler, HomeCause::Found).await.unwrap();
            assert_eq!(again, Homed { home, is_new: false });
        }
    }
    let schedulers = state.schedulers().await.unwrap();
    assert_eq!(schedulers.iter().map(|scheduler| scheduler.processes).sum::<u64>(), 50);
    let events = state.db.iterator_cf(table(&state.db, EVENTS).unwrap(), IteratorMode::Start).count();
    assert_eq!(events, 52, "two schedulers and fifty homes");
}

#[tokio::test]
async fn a_process_is_where_it_moved_last() {
    let folder = TempDir::new().unwrap();
    let state = with_schedulers(&folder).await;
    let [first, second] = [1, 2].map(SchedulerNumber);
    state.settle(process(1), first, HomeCause::Placed).await.unwrap();
    let at = |scheduler, version| Home { scheduler, version };
    // One that nobody has placed has a home as well.
    for (moved, to, found) in [
        (1, at(second, 1), at(second, 1)),
        (1, at(first, 1), at(second, 1)),
        (1, at(first, 3), at(first, 3)),
        (1, at(second, 2), at(first, 3)),
        (2, at(second, 1), at(second, 1)),
    ] {
        let homed = Homed { home: found, is_new: found == to };
        assert_eq!(state.move_home(process(moved), to).await.unwrap(), homed, "{moved} to {to:?}");
        let again = Homed { home: found, is_new: false };
        assert_eq!(state.move_home(process(moved), to).await.unwrap(), again, "{moved} to {to:?} again");
        assert_eq!(state.home(process(moved)).await.unwrap(), Some(found));
    }
    let homed = state.settle(process(1), second, HomeCause::Found).await.unwrap();
    assert_eq!(homed, Homed { home: at(first, 3), is_new: false });
    assert!(
        state.move_home(process(1), at(SchedulerNumber(9), 4)).await.is_err(),
        "there is no such scheduler"
    );
    state.close().await;
    drop(state);
    let state = EmbeddedState::open(folder.path(), STORE).unwrap();
    let mut shown = Vec::new();
    state.visit(9, &mut |process, home| shown.push((process, home))).await.unwrap();
    shown.sort_by_key(|(_, home)| home.version);
    assert_eq!(shown, [(process(2), at(second, 1)), (process(1), at(first, 3))]);
    let counted = state.schedulers().await.unwrap().iter().map(|known| known.processes).collect::<Vec<_>>();
    assert_eq!(counted, [1, 1]);
}

#[tokio::test]
async fn all_homes_are_shown_once_or_as_many_as_are_wanted() {
    let folder = TempDir::new().unwrap();
    let state = with_schedulers(&folder).await;
    for number in 0..30 {
        state.settle(process(number), SchedulerNumber(2), HomeCause::Placed).await.unwrap();
    }
    for (most, expected) in [(0, 0), (1, 1), (29, 29), (30, 30), (1000, 30)] {
        let mut seen = HashMap::new();
        state
            .visit(most, &mut |process, home| {
                seen.insert(process, home);
            })
            .await
            .unwrap();
        assert_eq!(seen.len(), expected, "{most}");
        assert!(seen.values().all(|home| *home == Home::first(SchedulerNumber(2))));
    }
}

#[tokio::test]
async fn a_scheduler_that_is_not_there_is_nobodys_home() {
    let folder = TempDir::new().unwrap();
    let state = with_schedulers(&folder).await;
    let refused = state.settle(process(1), SchedulerNumber(7), HomeCause::Placed).await.unwrap_err();
    assert!(refused.to_string().contains("number 7"), "{refused}");
    assert_eq!(state.home(process(1)).await.unwrap(), None);
}

#[tokio::test]
async fn after_a_failed_write_nothing_is_placed_and_all_is_read() {
    let folder = TempDir::new().unwrap();
    let mut state = with_schedulers(&folder).await;
    state.settle(process(1), SchedulerNumber(1), HomeCause::Placed).await.unwrap();
    // As a disk that fails would have it.
    let (told, failure) = watch::channel(Some("no space left".to_owned()));
    let (orders, waiting) = mpsc::channel(8);
    let thread = Writer::open(state.db.clone(), told, Writing::default()).unwrap().start(waiting).unwrap();
    state.close().await;
    *state.thread.lock().unwrap() = Some(thread);
    state.orders = StateOrders::new(orders, failure);
    let refused = state.settle(process(2), SchedulerNumber(1), HomeCause::Placed).await.unwrap_err();
    assert!(refused.to_string().contains("no space left"), "{refused}");
    assert!(state.failure().is_some());
    let known = state.settle(process(1), SchedulerNumber(2), HomeCause::Placed).await.unwrap();
    assert_eq!(known, Homed { home: Home::first(SchedulerNumber(1)), is_new: false });
    assert_eq!(state.home(process(2)).await.unwrap(), None);
    state.close().await;
}

#[tokio::test]
async fn of_two_who_publish_at_once_one_does() {
    let folder = TempDir::new().unwrap();
    let state = with_schedulers(&folder).await;
    let record = |nonce| {
        let (at, id) = (Timestamp::new(7), Id::from_bytes([1; 32]));
        let publication = Publication { nonce, at, id, url: "https://router.example".to_owned() };
        let state = PublicationState::Sent(Bytes::from_static(b"its bytes"));
        KeptPublication { publication, wallet: Some(Address::from_bytes([3; 32])), state }
    };
    assert!(state.publish(record(3), None).await.unwrap());
    // Whoever does not know of it does not publish, whatever the nonce.
    for (nonce, after) in [(3, None), (4, None), (4, Some(2)), (3, Some(3)), (2, Some(3))] {
        assert!(!state.publish(record(nonce), after).await.unwrap(), "{nonce} after {after:?}");
    }
    assert!(state.publish(record(256), Some(3)).await.unwrap());
    state.close().await;
    drop(state);
    let state = EmbeddedState::open(folder.path(), STORE).unwrap();
    assert_eq!(state.publications().await.unwrap(), [record(3), record(256)]);
    // One of them is taken, and the other not by the id of none.
    let id = record(3).publication.id;
    for (nonce, id, at) in [(3, id, 9), (256, Id::from_bytes([2; 32]), 9), (4, id, 9), (3, id, 10)] {
        state.publication_taken(nonce, id, Timestamp::new(at)).await.unwrap();
    }
    let taken = KeptPublication { state: PublicationState::Taken(Timestamp::new(9)), ..record(3) };
    assert_eq!(state.publications().await.unwrap(), [taken, record(256)]);
    state.close().await;
}

#[tokio::test]
async fn one_at_a_time_has_a_leader_replaced() {
    let folder = TempDir::new().unwrap();
    let state = Arc::new(with_schedulers(&folder).await);
    let pause = Duration::from_secs(600);
    let asking = (0..20).map(|_| {
        let state = state.clone();
        tokio::spawn(async move { state.take_turn(STORE, Term(3), pause).await.unwrap() })
    });
    let taken = futures_util::future::join_all(asking).await.into_iter().filter_map(Result::unwrap);
    assert_eq!(taken.collect::<Vec<_>>(), [PromotionTurn(1)]);
    // For another store it is another right, and events go on between them.
    let other = StoreId(Uuid::from_u128(2));
    assert_eq!(state.take_turn(other, Term(1), pause).await.unwrap(), Some(PromotionTurn(1)));
    state.settle(process(1), SchedulerNumber(1), HomeCause::Placed).await.unwrap();
    state.close().await;
    drop(state);

    let state = EmbeddedState::open(folder.path(), STORE).unwrap();
    assert_eq!(state.take_turn(STORE, Term(3), pause).await.unwrap(), None, "it was forgotten");
    state.give_turn_back(STORE, PromotionTurn(9), Duration::ZERO).await.unwrap();
    assert_eq!(state.take_turn(STORE, Term(3), pause).await.unwrap(), None, "nobody had that one");
    state.give_turn_back(STORE, PromotionTurn(1), Duration::ZERO).await.unwrap();
    assert_eq!(state.take_turn(STORE, Term(4), pause).await.unwrap(), Some(PromotionTurn(2)));
    assert_eq!(state.home(process(1)).await.unwrap(), Some(Home::first(SchedulerNumber(1))));
    state.close().await;
}

#[tokio::test]
async fn what_was_seen_of_a_store_rises_until_an_operator_takes_less() {
    let folder = TempDir::new().unwrap();
    let state = with_schedulers(&folder).await;
    let [first, second] = [STORE, StoreId(Uuid::from_u128(2))];
    let mark = |accepted, term, events| StoreMark { accepted, term: Term(term), events };
    let raise = async |state: &EmbeddedState, store, mark| {
        state.raise_marks(HashMap::from([(store, mark)])).await.unwrap();
        state.marks().await.unwrap()[&store]
    };
    assert!(state.marks().await.unwrap().is_empty());
    assert_eq!(raise(&state, first, mark(0, 2, 9)).await, mark(0, 2, 9));
    for less in [mark(0, 2, 8), mark(0, 1, 100)] {
        assert_eq!(raise(&state, first, less).await, mark(0, 2, 9));
    }
    assert_eq!(raise(&state, second, mark(0, 1, 5)).await, mark(0, 1, 5));
    let accepted = state.accept_mark(SchedulerNumber(1), first, (Term(2), 4)).await.unwrap();
    assert_eq!(accepted, mark(1, 2, 4));
    // A router that has not heard of that.
    assert_eq!(raise(&state, first, mark(0, 2, 10)).await, accepted);
    state.settle(process(1), SchedulerNumber(1), HomeCause::Placed).await.unwrap();
    state.close().await;
    drop(state);
    let state = EmbeddedState::open(folder.path(), STORE).unwrap();
    assert_eq!(state.marks().await.unwrap(), HashMap::from([(first, accepted), (second, mark(0, 1, 5))]));
    let events = state.db.iterator_cf(table(&state.db, EVENTS).unwrap(), IteratorMode::Start).count();
    assert_eq!(events, 4, "two schedulers, what was accepted and a home");
    state.close().await;
}
