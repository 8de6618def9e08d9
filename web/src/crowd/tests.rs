#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use futures_util::FutureExt;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::advance;

use super::*;
use crate::traffic::{AT_REST, UnderWay};

const UNFETCHED: Duration = Duration::from_secs(4);
/// A client that others are behind.
const PROXY: u8 = 9;

type Connection = (Arc<Traffic>, JoinHandle<()>);

fn crowd(connections: usize) -> Arc<Crowd> {
    let limits = Limits { connections, ..Limits::default() };
    Crowd::new(([127, 0, 0, 1], 80).into(), &limits)
}

/// A connection of this client, which ends when it is to give way; none if there is no place for it for too long.
async fn try_connect(crowd: &Arc<Crowd>, client: u8) -> Option<Connection> {
    let network = (client != PROXY).then_some([10, 0, 0, client].into());
    let traffic = Arc::new(Traffic::new(UNFETCHED, network));
    let room = crowd.waiting_room().await.unwrap();
    let place = crowd.enter(traffic.clone(), room).await?;
    let given = traffic.clone();
    let lives = tokio::spawn(async move {
        given.gives_way().await;
        drop(place);
    });
    yield_now().await;
    Some((traffic, lives))
}

async fn connect(crowd: &Arc<Crowd>, client: u8) -> Connection {
    try_connect(crowd, client).await.expect("there is a place")
}

/// The same one that may have to wait.
async fn begin_to_connect(crowd: &Arc<Crowd>, client: u8) -> JoinHandle<Option<Connection>> {
    let crowd = crowd.clone();
    let new = tokio::spawn(async move { try_connect(&crowd, client).await });
    yield_now().await;
    new
}

fn which_ended(all: &[Connection]) -> Vec<usize> {
    (0..all.len()).filter(|place| all[*place].1.is_finished()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_one_that_has_idled_for_longest_gives_way() {
    let crowd = crowd(3);
    let mut all = Vec::new();
    for _ in 0..3 {
        advance(2 * AT_REST).await;
        all.push(connect(&crowd, 1).await);
    }
    assert!(crowd.crowding.lately().is_none());
    // It has asked something since.
    drop(UnderWay::begin(&all[0].0));
    advance(2 * AT_REST).await;
    all.push(connect(&crowd, 1).await);
    assert_eq!(which_ended(&all), [1]);
    let crowded = crowd.crowding.lately().expect("it is told");
    assert_eq!((crowded.connections, crowded.busiest.unwrap().1, crowded.waits), (3, 3, None));
    advance(2 * Duration::from_secs(60)).await;
    assert!(crowd.crowding.lately().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_address_with_most_connections_gives_way() {
    let crowd = crowd(5);
    let mut all = Vec::new();
    for client in [1, 2, 2, 2, 3] {
        all.push(connect(&crowd, client).await);
        advance(2 * AT_REST).await;
    }
    all.push(connect(&crowd, 1).await);
    assert_eq!(which_ended(&all), [1], "the first one is older");
    advance(2 * AT_REST).await;
    // Both have two now, and they are chosen anew each time.
    all.push(connect(&crowd, 3).await);
    assert_eq!(which_ended(&all), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn those_behind_a_proxy_are_no_crowd() {
    let crowd = crowd(6);
    let mut all = Vec::new();
    for client in [PROXY, PROXY, PROXY, PROXY, 1, 1] {
        all.push(connect(&crowd, client).await);
        advance(2 * AT_REST).await;
    }
    all.push(connect(&crowd, 2).await);
    assert_eq!(which_ended(&all), [4], "of its address there are two");
    assert_eq!(crowd.crowding.lately().unwrap().busiest.unwrap().1, 2);
    // All together they have no more places than there are.
    for ended in [&[0, 4][..], &[0, 1, 4]] {
        advance(2 * AT_REST).await;
        all.push(connect(&crowd, PROXY).await);
        assert_eq!(which_ended(&all), ended);
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_through_a_proxy_waits_behind_nobody_else_of_it() {
    let crowd = crowd(32);
    let mut all = Vec::new();
    for number in 0..crowd.places {
        all.push(connect(&crowd, if number % 2 == 0 { PROXY } else { 1 }).await);
    }
    let busy: Vec<_> = all.iter().map(|(traffic, _)| UnderWay::begin(traffic)).collect();
    let [direct, proxied] = [begin_to_connect(&crowd, 1).await, begin_to_connect(&crowd, PROXY).await];
    all[0].1.abort();
    assert!(timeout(LOOK_AGAIN, proxied).await.expect("it is next").unwrap().is_some());
    assert!(!direct.is_finished());
    drop(busy);
}

#[tokio::test(start_paused = true)]
async fn many_give_way_at_once_each_to_another() {
    let crowd = crowd(32);
    let mut all = Vec::new();
    for _ in 0..crowd.places {
        all.push(connect(&crowd, 1).await);
    }
    advance(2 * AT_REST).await;
    for new in 1..=crowd.places / 2 {
        let came = Instant::now();
        all.push(connect(&crowd, 2).await);
        assert!(came.elapsed() < LOOK_AGAIN);
        assert_eq!(which_ended(&all).len(), new);
    }
    assert!(
        which_ended(&all).iter().all(|place| *place < crowd.places),
        "they are of those that were there first"
    );
}

#[tokio::test(start_paused = true)]
async fn who_idles_goes_before_who_waits_and_nobody_who_was_used_just_now() {
    let crowd = crowd(3);
    let waits = connect(&crowd, 1).await;
    let request = UnderWay::begin(&waits.0);
    request.asked().waits(Instant::now());
    advance(2 * AT_REST).await;
    let idles = connect(&crowd, 1).await;
    advance(2 * AT_REST).await;
    let mut all = vec![waits, idles, connect(&crowd, 1).await];
    for ended in [&[1][..], &[0, 1]] {
        all.push(connect(&crowd, 1).await);
        assert_eq!(which_ended(&all), ended);
    }
    let came = Instant::now();
    all.push(connect(&crowd, 1).await);
    assert!(came.elapsed() >= AT_REST - 2 * LOOK_AGAIN && came.elapsed() <= AT_REST + 2 * LOOK_AGAIN);
    assert_eq!(which_ended(&all), [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn nobody_who_is_worked_for_gives_way() {
    let crowd = crowd(2);
    let all = [connect(&crowd, 1).await, connect(&crowd, 1).await];
    let first = [UnderWay::begin(&all[0].0), UnderWay::begin(&all[0].0)];
    let second = UnderWay::begin(&all[1].0);
    // One of two requests waits.
    first[0].asked().waits(Instant::now());
    let new = begin_to_connect(&crowd, 2).await;
    for _ in 0..600 {
        advance(LOOK_AGAIN).await;
        yield_now().await;
    }
    assert!(!new.is_finished() && which_ended(&all).is_empty());
    let waits = crowd.crowding.lately().unwrap().waits.unwrap();
    assert!(waits >= Duration::from_secs(30));
    drop(second);
    let new = timeout(2 * AT_REST, new).await.expect("there is room").unwrap().unwrap();
    assert_eq!(which_ended(&all), [1]);
    assert!(!new.1.is_finished() && crowd.crowding.lately().unwrap().waits.is_none());
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn whose_address_has_fewest_is_next() {
    let crowd = crowd(32);
    let mut all = Vec::new();
    for _ in 0..crowd.places {
        all.push(connect(&crowd, 1).await);
    }
    let busy: Vec<_> = all.iter().map(|(traffic, _)| UnderWay::begin(traffic)).collect();
    let [same, other] = [begin_to_connect(&crowd, 1).await, begin_to_connect(&crowd, 2).await];
    all[0].1.abort();
    let other = timeout(LOOK_AGAIN, other).await.expect("it is next").unwrap();
    assert!(other.is_some() && !same.is_finished());
    // Who does not wait any more gets none, and holds up nobody.
    same.abort();
    let third = begin_to_connect(&crowd, 3).await;
    all[1].1.abort();
    assert!(timeout(LOOK_AGAIN, third).await.expect("there is a place").unwrap().is_some());
    assert!(crowd.lock().waits().is_none());
    drop(busy);
}

#[tokio::test(start_paused = true)]
async fn who_waits_with_most_others_of_its_address_is_turned_away_when_no_more_can_wait() {
    let crowd = crowd(48);
    let mut all = Vec::new();
    for _ in 0..crowd.places {
        all.push(connect(&crowd, 1).await);
    }
    let busy: Vec<_> = all.iter().map(|(traffic, _)| UnderWay::begin(traffic)).collect();
    let many = [begin_to_connect(&crowd, 1).await, begin_to_connect(&crowd, 1).await];
    for _ in 0..60 {
        advance(LOOK_AGAIN).await;
        yield_now().await;
    }
    assert!(many.iter().all(|new| !new.is_finished()), "another one could wait");
    let other = begin_to_connect(&crowd, 2).await;
    for new in many {
        // As many as may were waiting, until one of the two went.
        if let Ok(entered) = timeout(2 * WAIT_MAX, new).await {
            assert!(entered.unwrap().is_none());
        }
    }
    assert!(!other.is_finished());
    assert!(begin_to_connect(&crowd, 3).await.now_or_never().is_none(), "there is room to wait again");
    drop(busy);
    assert!(timeout(2 * AT_REST, other).await.expect("there is a place").unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn who_is_asked_to_give_way_and_works_again_does_not() {
    let traffic = Arc::new(Traffic::new(UNFETCHED, None));
    advance(2 * AT_REST).await;
    traffic.give_way();
    assert!(traffic.rest().is_none(), "it is asked once");
    let request = UnderWay::begin(&traffic);
    assert!(traffic.gives_way().now_or_never().is_none());
    drop(request);
    assert!(traffic.gives_way().now_or_never().is_none(), "that was before");
    traffic.give_way();
    assert!(traffic.gives_way().now_or_never().is_none(), "it was used just now");
    advance(2 * AT_REST).await;
    assert!(traffic.rest().is_some());
    traffic.give_way();
    assert!(traffic.gives_way().now_or_never().is_some());
}
