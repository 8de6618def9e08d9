#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use futures_util::stream;
use poem::error::ResponseError;
use tokio::time::{advance, sleep};

use super::*;

const MIB: usize = 1 << 20;

/// A body of so many pieces, one after each pause.
fn paced(pieces: usize, piece: &'static [u8], pause: Duration) -> RawBody {
    within(&Budget::default(), pieces, piece, pause)
}

fn within(budget: &Budget, pieces: usize, piece: &'static [u8], pause: Duration) -> RawBody {
    let pieces = stream::iter(0..pieces).then(move |_| async move {
        sleep(pause).await;
        Ok::<_, io::Error>(Bytes::from_static(piece))
    });
    raw(Body::from_bytes_stream(pieces), budget)
}

fn raw(body: Body, budget: &Budget) -> RawBody {
    let (body, budget) = (Some(body), budget.clone());
    RawBody { body, length: None, waits: false, passed_on: false, budget, call: None }
}

async fn status(body: RawBody, limit: usize) -> Result<usize, u16> {
    body.read(limit).await.map(|body| body.len()).map_err(|failure| failure.status().as_u16())
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_given_up() {
    let second = Duration::from_secs(1);
    let started = Instant::now();
    assert_eq!(status(paced(1000, b"x", second), 10_000).await, Err(408));
    assert!(started.elapsed() < 2 * GRACE);
    assert_eq!(status(paced(10, b"x", second), 10_000).await, Ok(10));
    assert_eq!(status(paced(1, b"x", Duration::MAX / 2), 10_000).await, Err(408));
    // What is steady and not too slow may take as long as it needs.
    assert_eq!(status(paced(1000, &[0; 20 << 10], second), 100 << 20).await, Ok(1000 * (20 << 10)));
}

#[tokio::test]
async fn the_limit_counts_all_pieces() {
    let now = Duration::ZERO;
    for (pieces, limit, expected) in [
        (0, 10, Ok(0)),
        (1, 5, Ok(5)),
        (1, 4, Err(413)),
        (2, 10, Ok(10)),
        (3, 14, Err(413)),
        (1, 0, Err(413)),
    ] {
        assert_eq!(status(paced(pieces, b"bytes", now), limit).await, expected, "{pieces} pieces, {limit}");
    }
    let mut announced = paced(0, b"", now);
    announced.length = Some(11);
    assert_eq!(status(announced, 10).await, Err(413));
}

#[tokio::test(start_paused = true)]
async fn a_body_holds_its_memory_until_the_last_clone_is_gone() {
    let budget = Budget::new(16 * MIB);
    let all = budget.share(Share::Large);
    let body = within(&budget, 100, &[0; 64 << 10], Duration::ZERO).read(10 * MIB).await;
    // As large as the next one would be, there is no more room for it.
    assert_eq!(body.unwrap_err().status().as_u16(), 503);
    assert!(budget.try_claim(Share::Large, all).is_some(), "what was refused holds nothing");
    let body = within(&budget, 50, &[0; 64 << 10], Duration::ZERO).read(10 * MIB).await.unwrap();
    assert!(budget.try_claim(Share::Large, all - body.len() + SMALL + 1).is_none());
    let part = body.slice(..1);
    drop(body);
    assert!(budget.try_claim(Share::Large, all).is_none());
    drop(part);
    assert!(budget.try_claim(Share::Large, all).is_some());
}

#[tokio::test(start_paused = true)]
async fn small_bodies_are_taken_while_slow_ones_hold_all_there_is() {
    let budget = Budget::new(16 * MIB);
    let small = budget.share(Share::Small) / SMALL;
    // Each is about to become larger than small, and none ever ends.
    let slow: Vec<_> = (0..2 * small)
        .map(|_| {
            let piece = Ok::<_, io::Error>(Bytes::from_static(&[0; SMALL]));
            let body = Body::from_bytes_stream(stream::iter([piece]).chain(stream::pending()));
            let (body, budget, call) = (Some(body), budget.clone(), None);
            tokio::spawn(status(
                RawBody { body, length: None, waits: false, passed_on: false, budget, call },
                10 * MIB,
            ))
        })
        .collect();
    let posted = || status(within(&budget, 2, &[0; 2000], Duration::ZERO), 10 * MIB);
    while budget.try_claim(Share::Small, 1).is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(posted().await, Err(503), "those that hold it have only just begun");
    advance(2 * GRACE_IN_NEED).await;
    for _ in 0..3 * small {
        assert_eq!(posted().await, Ok(4000));
    }
    // No more of them had to give way than were in it.
    assert!(slow.iter().filter(|slow| !slow.is_finished()).count() >= small - 2);
}

#[tokio::test(start_paused = true)]
async fn large_bodies_leave_room_for_small_ones_and_give_way_when_they_are_slow() {
    let budget = Budget::new(77 * MIB);
    let large = || within(&budget, 160, &[0; 64 << 10], Duration::from_millis(10));
    let now = Instant::now();
    let first: Vec<_> = (0..2).map(|_| tokio::spawn(status(large(), 10 * MIB))).collect();
    let begun = stream::iter([Ok::<_, io::Error>(Bytes::from_static(&[0; MIB]))]);
    let body = Body::from_bytes_stream(begun.chain(stream::pending()));
    let stuck = raw(body, &budget);
    let stuck = tokio::spawn(status(stuck, 10 * MIB));
    for first in first {
        assert_eq!(first.await.unwrap(), Ok(10 * MIB), "{:?}", now.elapsed());
    }
    let held = budget.try_claim(Share::Large, 23 * MIB).unwrap();
    assert_eq!(status(within(&budget, 1, &[0; SMALL], Duration::ZERO), 10 * MIB).await, Ok(SMALL));
    advance(2 * PAUSE_IN_NEED).await;
    assert_eq!(status(large(), 10 * MIB).await, Err(503));
    drop(held);
    assert_eq!(stuck.await.unwrap(), Err(503), "it gave way");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_gave_way_is_not_read_on() {
    let budget = Budget::new(16 * MIB);
    let held = Arc::new(());
    let kept = held.clone();
    let pieces = stream::once(async { Ok::<_, io::Error>(Bytes::from_static(&[0; 2 * SMALL])) });
    let endless = pieces.chain(stream::pending().inspect(move |_| drop(kept.clone())));
    let body = Body::from_bytes_stream(endless);
    let body = raw(body, &budget);
    let slow = tokio::spawn(status(body, MIB));
    tokio::task::yield_now().await;
    // What it does not hold is no reason to cut it off.
    let _answers = budget.try_claim(Share::Answers, budget.share(Share::Answers)).unwrap();
    advance(3 * PAUSE_IN_NEED).await;
    assert!(budget.claim(Share::Answers, 1).await.is_err());
    tokio::task::yield_now().await;
    assert!(!slow.is_finished());
    drop(budget.claim(Share::Large, budget.share(Share::Large)).await.unwrap());
    assert_eq!(slow.await.unwrap(), Err(503));
    assert_eq!(Arc::strong_count(&held), 1, "nobody reads it");
}
