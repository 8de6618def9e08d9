#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use futures_util::FutureExt;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::advance;

use super::*;
use crate::traffic::UnderWay;

const UNFETCHED: Duration = Duration::from_secs(4);

fn crowd(connections: usize) -> Arc<Crowd> {
    let limits = Limits { connections, ..Limits::default() };
    Arc::new(Crowd::new(([127, 0, 0, 1], 80).into(), &limits))
}

/// A connection of this client, which ends when it is to give way.
async fn connect(crowd: &Arc<Crowd>, client: u8) -> (Arc<Traffic>, JoinHandle<()>) {
    let traffic = Arc::new(Traffic::new(UNFETCHED));
    let member = crowd.enter([10, 0, 0, client].into(), traffic.clone()).await.unwrap();
    let given = traffic.clone();
    let lives = tokio::spawn(async move {
        given.gives_way().await;
        drop(member);
    });
    yield_now().await;
    (traffic, lives)
}

fn which_ended(all: &[(Arc<Traffic>, JoinHandle<()>)]) -> Vec<usize> {
    (0..all.len()).filter(|place| all[*place].1.is_finished()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_one_that_has_idled_for_longest_gives_way() {
    let crowd = crowd(3);
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(connect(&crowd, 1).await);
        advance(2 * YOUNG).await;
    }
    assert!(crowd.crowding.lately().is_none());
    // It has asked something since.
    drop(UnderWay::begin(&all[0].0));
    advance(2 * YOUNG).await;
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
        advance(2 * YOUNG).await;
    }
    all.push(connect(&crowd, 1).await);
    assert_eq!(which_ended(&all), [1], "the first one is older");
}

#[tokio::test(start_paused = true)]
async fn who_idles_goes_before_who_waits_and_who_waits_before_who_has_just_come() {
    let crowd = crowd(3);
    let waits = connect(&crowd, 1).await;
    let request = UnderWay::begin(&waits.0);
    request.asked().waits(Instant::now());
    advance(2 * YOUNG).await;
    let idles = connect(&crowd, 1).await;
    advance(2 * YOUNG).await;
    let mut all = vec![waits, idles, connect(&crowd, 1).await];
    for ended in [&[1][..], &[0, 1], &[0, 1, 2]] {
        advance(YOUNG / 10).await;
        all.push(connect(&crowd, 1).await);
        assert_eq!(which_ended(&all), ended);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_who_is_worked_for_gives_way() {
    let crowd = crowd(2);
    let all = [connect(&crowd, 1).await, connect(&crowd, 1).await];
    let first = [UnderWay::begin(&all[0].0), UnderWay::begin(&all[0].0)];
    let second = UnderWay::begin(&all[1].0);
    // One of two requests waits.
    first[0].asked().waits(Instant::now());
    let other = crowd.clone();
    let new = tokio::spawn(async move { connect(&other, 2).await });
    yield_now().await;
    advance(Duration::from_secs(30)).await;
    yield_now().await;
    assert!(!new.is_finished() && which_ended(&all).is_empty());
    let waits = crowd.crowding.lately().unwrap().waits.unwrap();
    assert!(waits >= Duration::from_secs(30));
    drop(second);
    advance(2 * LOOK_AGAIN).await;
    let new = timeout(Duration::from_secs(5), new).await.expect("there is room").unwrap();
    assert_eq!(which_ended(&all), [1]);
    assert!(!new.1.is_finished() && crowd.crowding.lately().unwrap().waits.is_none());
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn who_is_asked_to_give_way_and_works_again_does_not() {
    let traffic = Arc::new(Traffic::new(UNFETCHED));
    traffic.give_way();
    let request = UnderWay::begin(&traffic);
    assert!(traffic.gives_way().now_or_never().is_none());
    drop(request);
    assert!(traffic.gives_way().now_or_never().is_none(), "that was before");
    traffic.give_way();
    assert!(traffic.gives_way().now_or_never().is_some());
}

#[test]
fn a_network_of_ipv6_counts_as_one_address() {
    let [one, same, other, ipv4] = ["2001:db8::1", "2001:db8::2:0:0:1", "2001:db8:0:1::1", "192.0.2.1"]
        .map(|text| network(text.parse().unwrap()));
    assert_eq!((one, one), (same, "2001:db8::".parse::<IpAddr>().unwrap()));
    assert_ne!(one, other);
    assert_eq!(ipv4, "192.0.2.1".parse::<IpAddr>().unwrap());
}
