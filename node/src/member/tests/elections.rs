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

/// What it says of itself, where it follows this one.
fn follower_of(leader: NodeId, term: u64, heard_seconds: f64) -> Value {
    let mut form = membership("following", 1, 0);
    form["promised_term"] = term.into();
    form["promised_to"] = leader.to_string().into();
    form["leader"] = leader.to_string().into();
    form["leader_term"] = term.into();
    form["leader_heard_seconds"] = heard_seconds.into();
    form
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
    timeout(Duration::from_secs(5), node.look_after(&mut lookout)).await.unwrap_err();
    assert!(!node.is_in_lead() && node.now().role == "promising", "{:?}", node.now());
}

fn third() -> NodeId {
    NodeId(Uuid::from_u128(8))
}

/// A node of three, of which one has to confirm, where the other one that is reached says this of the third.
async fn cut_from_the_third(told: impl Fn(&str) -> Value + Send + 'static) -> Tried {
    let url = answers(told).await;
    let facts = move |own| {
        let members = Members { voters: [own, other(), third()].into(), acks: 1 };
        vec![Fact::Members(members), Fact::MemberUrl { node: other(), url }]
    };
    spawn_blocking(move || member_of(facts)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_reach_the_leader_does_not_stand_while_another_one_follows_it() {
    // Also where it has promised that term itself, or just started.
    for (own_promise, heard, stands) in [(0, 0.5, false), (9, 0.5, false), (0, 7.0, true)] {
        let told = move |line: &str| match line.contains("/members") {
            true => follower_of(third(), 9, heard),
            false => promise(line, "promised"),
        };
        let Tried { node, .. } = &cut_from_the_third(told).await;
        if own_promise > 0 {
            let request = PromiseRequest { candidate: third(), ..asks_for(own_promise) };
            node.promise(request, None).unwrap();
        }
        node.may_stand.store(true, Ordering::SeqCst);
        let mut lookout = Lookout::default();
        node.look_after(&mut lookout).await;
        if stands {
            // It waits for a while first, since somebody has the promise of a later term.
            let promised = timeout(Duration::from_secs(20), async {
                while !node.is_in_lead() {
                    node.look_after(&mut lookout).await;
                    sleep(Duration::from_millis(20)).await;
                }
            });
            promised.await.expect("nobody leads, and it does not stand");
        } else {
            assert_eq!(node.now().promised_term, own_promise, "it stood");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leads_steps_down_where_a_silent_voter_follows_a_later_leader() {
    let Tried { node, .. } = &spawn_blocking(leading).await.unwrap();
    let term = node.term().0;
    let url = |told: Value| async move { Url::parse(&answers(move |_| told.clone()).await).unwrap() };
    // Of an earlier term it has not heard yet that it is over, and of this one it is itself.
    for told in [follower_of(third(), term - 1, 0.1), follower_of(node.id, term, 0.1)] {
        node.ask_silent(url(told).await).await;
        assert!(node.is_in_lead());
    }
    node.ask_silent(url(follower_of(third(), term + 1, 0.1)).await).await;
    let now = node.now();
    assert_eq!((now.role.as_str(), now.promised_term), ("following", term), "it stood again");
    assert_eq!(node.followed_now(), None);
}

#[tokio::test]
async fn whom_it_follows_is_told_with_how_long_ago_that_was_heard_of() {
    let Tried { node, .. } = &spawn_blocking(member).await.unwrap();
    assert!(node.now().follows(Duration::MAX).is_none());
    let from = LogPlace { events: 0, digest: LogDigest::EMPTY };
    let nothing = replicator::Events { term: Term(2), owner: other(), from, events: vec![], released: 0 };
    node.take(&nothing).unwrap();
    assert_eq!(node.now().follows(Duration::from_secs(60)), Some((other(), Term(2))));
    assert_eq!(node.now().follows(Duration::ZERO), None);
    node.promise(PromiseRequest { candidate: third(), ..asks_for(9) }, None).unwrap();
    assert!(node.now().follows(Duration::MAX).is_none(), "it follows that no more");
}

#[tokio::test]
async fn who_is_being_taken_away_is_asked_for_its_promise_as_well() {
    let Tried { node, .. } = &spawn_blocking(paired).await.unwrap();
    let three: BTreeSet<_> = [node.id, other(), third()].into();
    let change = |to: Members| node.with(|member| member.change_members(to)).unwrap().unwrap();
    change(Members { voters: three.clone(), acks: 1 });
    seen(|| {
        let _ = confirm(node);
        is_settled(node)
    })
    .await;
    change(Members { voters: [node.id, other()].into(), acks: 1 });
    seen(|| node.log.is_quiet()).await;
    node.with(|member| member.release()).unwrap();
    let asked = || node.others().unwrap().into_iter().map(|(node, _)| node).collect::<Vec<_>>();
    assert_eq!((node.now().voters.len(), asked()), (2, vec![other(), third()]));
    confirm(node).unwrap();
    seen(|| is_settled(node)).await;
    assert_eq!(asked(), [other()]);
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
