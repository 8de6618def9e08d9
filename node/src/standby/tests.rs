//! How a leader is asked again, whatever it answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use log::{Log, StoreMemory, Term};
use replicator::wire::{Frame, HelloFrame};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::options::{NodeAccess, OtherNode};

/// A standby with an empty log, and somebody whom it asks.
struct Asking {
    leader: Leader,
    frames: taking::Frames,
    followed: Followed,
    listener: TcpListener,
    from: OtherNode,
    store: StoreId,
    thread: JoinHandle<()>,
    folder: TempDir,
}

async fn asking() -> Asking {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let from = OtherNode { url, access: NodeAccess::default() };
    let leader = Leader::new(&from, NodeId::random()).unwrap();
    let folder = TempDir::new().unwrap();
    let rocks = Rocks::open(folder.path().join("log"), &StoreMemory::default()).unwrap();
    let log = Arc::new(LocalLog::open(rocks, None).unwrap());
    let store = log.identity().store;
    let followed = Followed::new(from.url.to_string(), "127.0.0.1".to_owned(), None);
    let (taker, frames) = Taker::new(log, followed.clone(), None).unwrap();
    let thread = std::thread::spawn(move || taker.run());
    Asking { leader, from, frames, followed, listener, store, thread, folder }
}

/// A connection that has asked.
async fn asked(listener: &TcpListener) -> TcpStream {
    let (mut connection, _) = listener.accept().await.unwrap();
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        assert!(connection.read_buf(&mut asked).await.unwrap() > 0);
    }
    connection
}

/// Gives the next one who asks this answer.
async fn answer(listener: &TcpListener, status: &str, body: &[u8]) {
    let mut connection = asked(listener).await;
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(body).await.unwrap();
    connection.shutdown().await.unwrap();
}

/// A stream that ends with this reason as soon as it has begun.
fn ended(store: StoreId, reason: &str) -> Vec<u8> {
    let mut stream = greeting(store);
    stream.extend(Frame::Error(reason).encode().unwrap());
    stream
}

/// The beginning of a stream.
fn greeting(store: StoreId) -> Vec<u8> {
    let hello = HelloFrame {
        store: store.0.into_bytes(),
        node: [1; 16],
        term: Term(1).0,
        first_term: 1,
        wallet: [7; 32],
        tail: 0,
        released: 0,
        port: 1,
        writes: "",
    };
    Frame::Hello(hello).encode().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_greets_and_fails_is_asked_less_and_less() {
    const ASKED: u32 = 6;
    let Asking { from, mut frames, followed, listener, store, thread, folder, .. } = asking().await;
    let (_target, target) = watch::channel(Some(from.url));
    let whom = Whom { access: from.access, node: NodeId::random(), target, member: None };
    let (stop, stopping) = watch::channel(false);
    let began = Instant::now();
    let task = tokio::spawn({
        let (followed, folder) = (followed.clone(), folder.path().to_owned());
        async move { follow(whom, &mut frames, followed, stopping, &folder).await }
    });
    for _ in 0..ASKED {
        answer(&listener, "200 OK", &ended(store, "the disk is broken")).await;
    }
    // Pauses of 100, 200, 400, 800 and 1,600 ms, each cut by half at most.
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1_500), "asked {ASKED} times within {took:?}");
    stop.send_replace(true);
    task.await.unwrap();
    thread.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_leader_says_at_last_is_not_lost() {
    let Asking { leader, mut frames, listener, store, thread, folder: _folder, .. } = asking().await;
    for _ in 0..20 {
        let stream = ended(store, "the disk is broken");
        let (ended, ()) = tokio::join!(leader.follow(&mut frames), answer(&listener, "200 OK", &stream));
        let StreamEnd::Ended(reason) = ended else { panic!("{ended:?}") };
        assert!(reason.contains("the disk is broken"), "{reason}");
    }
    drop(frames);
    thread.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_less_is_asked_again_and_who_has_something_else_is_not() {
    let Asking { leader, mut frames, listener, thread, folder: _folder, .. } = asking().await;
    let body = br#"{"error": "why"}"#;
    let (ended, ()) = tokio::join!(leader.follow(&mut frames), answer(&listener, "410 Gone", body));
    let StreamEnd::Lost(reason) = ended else { panic!("{ended:?}") };
    assert!(reason.contains("410 Gone: why"), "{reason}");
    let (ended, ()) = tokio::join!(leader.follow(&mut frames), answer(&listener, "409 Conflict", body));
    let StreamEnd::Differs(reason) = ended else { panic!("{ended:?}") };
    assert!(reason.contains("409 Conflict: why"), "{reason}");
    drop(frames);
    thread.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_takes_connections_and_says_nothing_is_lost() {
    let Asking { mut leader, mut frames, listener, store, thread, folder: _folder, .. } = asking().await;
    leader.patience = Duration::from_millis(300);
    // It never answers.
    let (ended, _held) = tokio::join!(leader.follow(&mut frames), listener.accept());
    let StreamEnd::Lost(reason) = ended else { panic!("{ended:?}") };
    assert!(reason.contains("says nothing for 0.3 seconds"), "{reason}");
    // It answers, greets, and sends no more, not even a heartbeat.
    let mut stream = greeting(store);
    let greets = async {
        let mut connection = asked(&listener).await;
        let mut head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        head.append(&mut stream);
        connection.write_all(&head).await.unwrap();
        connection
    };
    let (ended, _held) = tokio::join!(leader.follow(&mut frames), greets);
    let StreamEnd::Lost(reason) = ended else { panic!("{ended:?}") };
    assert!(reason.contains("says nothing for 0.3 seconds"), "{reason}");
    drop(frames);
    thread.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_does_not_greet_is_not_waited_for_as_one_that_has_nothing_to_say() {
    let Asking { mut leader, mut frames, listener, thread, folder: _folder, .. } = asking().await;
    leader.greeting = Duration::from_millis(300);
    let (ended, _held) = tokio::join!(leader.follow(&mut frames), listener.accept());
    let StreamEnd::Lost(reason) = ended else { panic!("{ended:?}") };
    assert!(reason.contains("says nothing for 0.3 seconds"), "{reason}");
    // It answers, and says no more.
    let answers = async {
        let mut connection = asked(&listener).await;
        connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        connection
    };
    let (ended, _held) = tokio::join!(leader.follow(&mut frames), answers);
    let StreamEnd::Lost(reason) = ended else { panic!("{ended:?}") };
    assert!(reason.contains("says nothing for 0.3 seconds"), "{reason}");
    drop(frames);
    thread.join().unwrap();
}

/// By its rules all is taken.
struct TakesAll;

impl TakeEvents for TakesAll {
    fn take(&self, sent: &replicator::Events) -> Result<replicator::AppendVerdict, replicator::FollowError> {
        Ok(replicator::AppendVerdict::Follows(sent.from.events))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_led_meanwhile_follows_from_the_end_of_its_log() {
    let folder = TempDir::new().unwrap();
    let rocks = Rocks::open(folder.path().join("log"), &StoreMemory::default()).unwrap();
    let log = Arc::new(LocalLog::open(rocks, None).unwrap());
    let followed = Followed::new("http://leader".to_owned(), "leader".to_owned(), None);
    let (taker, mut frames) = Taker::new(log.clone(), followed, Some(Arc::new(TakesAll))).unwrap();
    let thread = std::thread::spawn(move || taker.run());
    assert_eq!(frames.begin().await.unwrap().0.events, 0);
    let alone = log::Members { voters: [NodeId::random()].into(), acks: 0 };
    let fact = log::Fact::Members(alone).append();
    log.enqueue(log.identity().term, vec![fact]).unwrap().await.unwrap();
    assert_eq!(frames.begin().await.unwrap().0.events, 1);
    drop(frames);
    thread.join().unwrap();
}
