//! Elections of one member of a pair, with another one that answers in one way or another.

use std::sync::atomic::AtomicUsize;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time;

use super::*;
use crate::member::looking::Lookout;

/// Answers as another member does; where that is. It is told the line that was asked for.
pub(super) async fn answers(told: impl Fn(&str) -> Value + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") && connection.read_buf(&mut asked).await.unwrap() > 0 {}
            let asked = String::from_utf8(asked).unwrap();
            let body = told(asked.lines().next().unwrap()).to_string();
            let head =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            connection.write_all((head + &body).as_bytes()).await.unwrap();
        }
    });
    url
}

/// What it says of a term that was asked for. It has nothing of the log.
fn promise(asked: &str, verdict: &str) -> Value {
    let (_, term) = asked.split_once("term=").unwrap();
    let term: u64 = term.split(['&', ' ']).next().unwrap().parse().unwrap();
    json!({
        "verdict": verdict, "from": other().to_string(), "term": term, "to": other().to_string(), "last_term": 0,
        "events": 0, "digest": LogDigest::EMPTY.to_string(), "continues": false,
    })
}

/// What it says of itself.
fn membership(role: &str, term: u64, events: u64) -> Value {
    json!({
        "node": other().to_string(), "role": role, "term": term, "promised_term": 0, "promised_to": other().to_string(),
        "events": events, "released": 0, "acks": 1, "waiting_seconds": null, "voters": [],
    })
}

/// One of a pair, of which so many others have to have each event.
async fn of_a_pair(acks: u32, other_url: String) -> Tried {
    let facts = move |own| {
        let members = Members { voters: [own, other()].into(), acks };
        vec![Fact::Members(members), Fact::MemberUrl { node: other(), url: other_url }]
    };
    spawn_blocking(move || member_of(facts)).await.unwrap()
}

#[tokio::test]
async fn who_has_another_log_than_the_one_that_leads_is_apart() {
    let url = answers(|_| membership("leading", 9, 5)).await;
    let Tried { node, .. } = &of_a_pair(1, url.clone()).await;
    node.log_differs().await;
    assert_eq!(node.now().role, "following", "it follows nobody");
    node.follow(Some(Url::parse(&url).unwrap()));
    node.log_differs().await;
    let now = node.now();
    assert_eq!((now.role.as_str(), now.promised_term), ("apart", 9), "{now:?}");
    // One that does not lead says nothing by that.
    let url = answers(|_| membership("following", 9, 5)).await;
    let Tried { node, .. } = &of_a_pair(1, url.clone()).await;
    node.follow(Some(Url::parse(&url).unwrap()));
    node.log_differs().await;
    assert_eq!(node.now().role, "following");
}

fn soon() -> time::Instant {
    time::Instant::now() + Duration::from_secs(8)
}

/// Says the first so many times something else.
fn at_first(times: usize, first: &'static str) -> impl Fn(&str) -> Value + Send + 'static {
    let asked = AtomicUsize::new(0);
    move |line| promise(line, if asked.fetch_add(1, Ordering::SeqCst) < times { first } else { "promised" })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_busy_is_asked_again_before_a_term_begins() {
    let Tried { node, .. } = &of_a_pair(1, answers(at_first(3, "busy")).await).await;
    let (_, gathered) = node.elect(soon(), Term(0), &[]).await.unwrap();
    assert!(gathered.has(&[node.id, other()]), "the term began without who was busy");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_promises_are_missing_they_are_asked_for_in_the_same_term() {
    let Tried { node, .. } = &of_a_pair(0, answers(at_first(5, "behind")).await).await;
    let (term, gathered) = node.elect(soon(), Term(0), &[]).await.unwrap();
    assert!(gathered.has(&[node.id, other()]));
    assert_eq!(term, Term(2), "terms were given up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_stands_by_itself_before_who_has_more_has_promised() {
    let url = answers(|line| {
        if line.contains("/members") { membership("following", 1, 99) } else { json!({ "error": "no room" }) }
    });
    let Tried { node, .. } = &of_a_pair(1, url.await).await;
    node.may_stand.store(true, Ordering::SeqCst);
    let mut lookout = Lookout::default();
    // Its own promise is enough for the term.
    timeout(Duration::from_secs(2), node.look_after(&mut lookout)).await.unwrap_err();
    assert!(!node.is_in_lead() && node.now().role == "promising", "{:?}", node.now());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leads_is_found_by_who_follows_nobody() {
    let url = answers(|_| membership("confirming", 9, 0)).await;
    let Tried { node, .. } = &of_a_pair(1, url.clone()).await;
    let (stop, stopping) = watch::channel(false);
    let task = tokio::spawn(node.clone().supervise(stopping));
    let mut target = node.target();
    let found =
        timeout(Duration::from_secs(8), target.wait_for(Option::is_some)).await.unwrap().unwrap().clone();
    assert_eq!(found.unwrap().as_str(), url);
    stop.send_replace(true);
    task.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persons_word_does_not_wait_for_an_election() {
    let Tried { node, .. } = &of_a_pair(0, answers(|line| promise(line, "behind")).await).await;
    let standing = tokio::spawn({
        let node = node.clone();
        async move { node.stand_again(Term(0)).await }
    });
    while node.now().role != "promising" {
        tokio::task::yield_now().await;
    }
    drop(timeout(Duration::from_secs(4), node.turn_by_word()).await.expect("the election goes on"));
    standing.await.unwrap();
    assert_eq!(node.now().role, "following");
}

#[tokio::test]
async fn who_was_taken_away_gets_no_promise() {
    let facts = |own| {
        let members =
            |voters: &[NodeId]| Fact::Members(Members { voters: voters.iter().copied().collect(), acks: 0 });
        vec![members(&[own, other()]), members(&[own])]
    };
    let Tried { node, .. } = &spawn_blocking(move || member_of(facts)).await.unwrap();
    let refused = reason(node.promise(asks_for(9), Some(OTHER.to_owned())));
    assert!(refused.contains("no more"), "{refused}");
    let now = node.now();
    assert_eq!((now.promised_term, node.followed_now()), (0, None));
}
