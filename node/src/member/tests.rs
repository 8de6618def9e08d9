//! What a member does when it is asked, one that is driven by nobody else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use api::{MemberCallError, MemberCalls, MemberChange};
use log::{Fact, LogDigest, StoreMemory};
use replicator::{Acknowledgement, LogPlace, PromiseAnswer, PromiseRequest, StandingRole};
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::*;

mod elections;

const OTHER: &str = "http://127.0.0.1:1/";

struct Tried {
    node: Arc<MemberNode>,
    _folder: TempDir,
}

/// A member with an empty log, which nobody leads.
fn member() -> Tried {
    member_of(|_| Vec::new())
}

/// One whose log has this.
fn member_of(facts: impl FnOnce(NodeId) -> Vec<Fact>) -> Tried {
    let folder = TempDir::new().unwrap();
    let rocks = Rocks::open(folder.path().join("log"), &StoreMemory::default()).unwrap();
    let log = Arc::new(LocalLog::open(rocks, None).unwrap());
    let file = MemberFile::keep(folder.path(), StandingRole::Standby).unwrap();
    for fact in facts(file.node()) {
        log.enqueue(Term(1), vec![fact.append()]).unwrap().wait().unwrap();
    }
    log.hold(true).unwrap().wait().unwrap();
    let node = MemberNode::open(MemberParts {
        log,
        file,
        options: MemberOptions { acks: 1, ..MemberOptions::default() },
        writes: Writes::new(WriteSide::Unsure("it has just started".into()), None),
        follows: WriteSide::Closed("it follows".into()),
        takeover: None,
    });
    Tried { node: node.unwrap(), _folder: folder }
}

/// The same once it leads alone, on the word of a person.
fn leading() -> Tried {
    let tried = member();
    tried.node.with(|member| member.force("somebody")).unwrap().unwrap();
    while tried.node.with(|member| member.release().map(|()| member.leads())).unwrap().is_none() {
        std::thread::yield_now();
    }
    tried
}

fn other() -> NodeId {
    NodeId(Uuid::from_u128(7))
}

fn asks_for(term: u64) -> PromiseRequest {
    let end = LogPlace { events: 0, digest: LogDigest::EMPTY };
    PromiseRequest { term: Term(term), candidate: other(), end }
}

fn reason<T: std::fmt::Debug>(refused: Result<T, MemberCallError>) -> String {
    let MemberCallError::Refused(reason) = refused.unwrap_err() else { panic!("it is no refusal") };
    reason
}

#[tokio::test]
async fn who_has_no_wallet_or_another_store_takes_nothing_over() {
    let Tried { node, .. } = &spawn_blocking(member).await.unwrap();
    let named = node.take_over(Some(StoreId(Uuid::from_u128(9))), "somebody".to_owned()).await;
    assert!(reason(named).contains("--accept-loss names the store"));
    for word in [None, Some(node.store)] {
        assert!(reason(node.take_over(word, "somebody".to_owned()).await).contains("no wallet"));
    }
    let now = node.now();
    assert_eq!(
        (now.role.as_str(), now.events, node.term()),
        ("following", 0, Term(1)),
        "nothing was changed"
    );
}

#[test]
fn who_leads_alone_by_a_persons_word_waits_for_nobody() {
    let Tried { node, .. } = &leading();
    let now = node.now();
    assert_eq!((now.role.as_str(), now.term, now.voters.len()), ("leading", node.term().0, 1), "{now:?}");
    assert_eq!(now.released, now.events);
    assert!(node.is_in_lead());
    assert_eq!(node.waiting(Some(node.term())), None);
    node.handing_over.store(true, Ordering::SeqCst);
    assert!(node.waiting(Some(node.term())).unwrap().contains("about to lead"));
}

#[test]
fn a_promise_ends_what_it_led_and_says_whom_to_follow() {
    let Tried { node, .. } = &leading();
    let led = node.term();
    let answer = node.promise(asks_for(led.0), None).unwrap();
    assert!(matches!(answer, PromiseAnswer::Refused(promise) if promise.to == node.id), "{answer:?}");
    assert!(node.is_in_lead() && node.followed_now().is_none());
    let answer = node.promise(asks_for(led.0 + 1), Some(OTHER.to_owned())).unwrap();
    assert!(matches!(answer, PromiseAnswer::Promised { term, .. } if term > led), "{answer:?}");
    let now = node.now();
    assert_eq!((now.role.as_str(), now.promised_term), ("following", led.0 + 1));
    assert_eq!(now.promised_to, other().to_string());
    assert!(!node.is_in_lead());
    assert_eq!(node.followed_now().unwrap().as_str(), OTHER);
    let given = Acknowledgement { from: other(), term: led, events: 1, digest: None };
    let late = node.acknowledge(given, None);
    assert!(matches!(late, Err(MemberCallError::NotLeading(_))), "{late:?}");
}

#[test]
fn a_copy_of_another_log_is_told_and_one_that_is_right_again_is_not() {
    let Tried { node, .. } = &leading();
    let end = node.with(|member| member.standing()).unwrap().end;
    let given = |digest| Acknowledgement { from: other(), term: node.term(), events: end.events, digest };
    let differs = node.acknowledge(given(Some(LogDigest::from_bytes([1; 32]))), None);
    assert!(reason(differs).contains("the logs differ"));
    assert_eq!(node.heard()[&other()].differs, Some(end.events));
    node.acknowledge(given(Some(end.digest)), Some(OTHER.to_owned())).unwrap();
    let heard = node.heard()[&other()].clone();
    assert_eq!((heard.differs, heard.url.as_deref()), (None, Some(OTHER)));
}

#[tokio::test]
async fn members_are_changed_and_led_elsewhere_by_who_leads_alone() {
    let Tried { node, .. } = &spawn_blocking(member).await.unwrap();
    let changes = [
        MemberChange::Add(other(), None),
        MemberChange::Remove(other()),
        MemberChange::RemoveForced { node: other(), accept_loss: node.store, by: "somebody".to_owned() },
    ];
    for change in changes {
        reason(node.change_members(change).await);
    }
    assert!(reason(node.hand_over_to(other()).await).contains("does not lead"));
    let Tried { node, .. } = &spawn_blocking(leading).await.unwrap();
    assert!(reason(node.hand_over_to(other()).await).contains("no other voter"));
    assert_eq!(node.now().role, "leading");
}

#[tokio::test]
async fn what_waits_for_nothing_ends_at_once() {
    let Tried { node, .. } = &spawn_blocking(leading).await.unwrap();
    let began = Instant::now();
    node.drain().await;
    assert!(began.elapsed() < std::time::Duration::from_secs(4));
    assert!(node.handing_over.load(Ordering::SeqCst), "nothing new is taken");
}
