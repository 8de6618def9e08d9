#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{
    task::JoinSet,
    time::{advance, sleep},
};

use super::*;
use crate::Call;

const SLOW: Duration = Duration::from_secs(1);

fn id(number: u8) -> Id {
    Id::from_bytes([number; 32])
}

/// A question that takes a while, is counted when it is asked, and gets this answer.
fn question(asked: &Arc<AtomicUsize>, outcome: Outcome<u8>) -> impl Future<Output = Outcome<u8>> + 'static {
    let asked = asked.clone();
    async move {
        asked.fetch_add(1, Ordering::SeqCst);
        sleep(SLOW).await;
        outcome
    }
}

fn late() -> GatewayError {
    GatewayError::TimedOut { call: Call::Raw, url: "http://gateway".into(), after: SLOW }
}

async fn ask_at_once(flights: &Arc<Flights<u8>>, asked: &Arc<AtomicUsize>, outcome: Outcome<u8>) {
    let mut all = JoinSet::new();
    for _ in 0..40 {
        let (flights, question) = (flights.clone(), question(asked, outcome.clone()));
        all.spawn(async move { flights.ask(id(1), question).await });
    }
    for answer in all.join_all().await {
        assert_eq!(answer.ok(), outcome.as_ref().ok().copied());
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_being_asked_is_not_asked_again() {
    for outcome in [Ok(Some(7)), Ok(None), Err(late())] {
        let (flights, asked) = (Arc::new(Flights::new(|_| true)), Arc::default());
        ask_at_once(&flights, &asked, outcome.clone()).await;
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{outcome:?}");
        let other = flights.ask(id(2), question(&asked, Ok(Some(8)))).await;
        assert_eq!(other.unwrap(), Some(8), "about another id");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_remembered_for_a_moment_and_failures_are_not() {
    for (flights, outcome, again) in [
        (Flights::new(|_| true), Ok(Some(7)), 0),
        (Flights::new(|_| true), Ok(None), 0),
        (Flights::new(|_| true), Err(late()), 1),
        (Flights::new(|_| false), Ok(Some(7)), 1),
        (Flights::new(|_| false), Ok(None), 0),
    ] {
        let asked = Arc::default();
        let ask = async || flights.ask(id(1), question(&asked, outcome.clone())).await;
        assert_eq!(ask().await.ok(), outcome.as_ref().ok().copied());
        advance(REMEMBERED / 2).await;
        assert_eq!(ask().await.ok(), outcome.as_ref().ok().copied());
        assert_eq!(asked.load(Ordering::SeqCst), 1 + again, "{outcome:?}");
        advance(REMEMBERED).await;
        ask().await.ok();
        assert_eq!(asked.load(Ordering::SeqCst), 2 + again, "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_asked_first_may_go_and_the_last_to_go_ends_the_question() {
    let (flights, asked) = (Flights::new(|_| true), Arc::default());
    let mut first = Box::pin(flights.ask(id(1), question(&asked, Ok(Some(7)))));
    let mut second = Box::pin(flights.ask(id(1), question(&asked, Ok(Some(8)))));
    tokio::select! {
        biased;
        _ = &mut first => panic!("it takes a second"),
        _ = &mut second => panic!("it takes a second"),
        () = sleep(SLOW / 2) => {}
    }
    drop(first);
    assert_eq!(second.await.unwrap(), Some(7));
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    let held = Arc::new(());
    let holding = held.clone();
    let endless = async move {
        std::future::pending::<()>().await;
        drop(holding);
        Ok(None)
    };
    let asking = tokio::time::timeout(SLOW, flights.ask(id(2), endless)).await;
    assert!(asking.is_err());
    assert_eq!(Arc::strong_count(&held), 1, "nobody waits, and it goes on");
    assert_eq!(flights.ask(id(2), question(&asked, Ok(Some(9)))).await.unwrap(), Some(9));
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_bounded() {
    let flights = Flights::new(|_| true);
    let ids = |from: usize| {
        (from..from + REMEMBERED_MAX + 10).map(|number| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            Id::from_bytes(bytes)
        })
    };
    for id in ids(0) {
        flights.ask(id, async { Ok(Some(1)) }).await.unwrap();
    }
    assert_eq!(lock(&flights.inner).remembered.len(), REMEMBERED_MAX);
    advance(REMEMBERED).await;
    for id in ids(10_000_000) {
        flights.ask(id, async { Ok(Some(1)) }).await.unwrap();
    }
    assert_eq!(lock(&flights.inner).remembered.len(), REMEMBERED_MAX);
    assert!(lock(&flights.inner).asking.is_empty());
    let newer = ids(10_000_000).next().unwrap();
    assert!(lock(&flights.inner).remembered.contains_key(&newer), "what is over keeps its place");
}

#[tokio::test(start_paused = true)]
async fn questions_that_nobody_waits_for_take_no_room() {
    let flights = Flights::<u8>::new(|_| true);
    for number in 0..100 {
        let asking = flights.ask(id(number), std::future::pending());
        assert!(tokio::time::timeout(SLOW, asking).await.is_err(), "it is never answered");
    }
    assert_eq!(lock(&flights.inner).asking.len(), 1, "all but the last are forgotten");
}
