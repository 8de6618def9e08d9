//! What a member does when it is asked, one that is driven by nobody else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use api::{MemberCallError, MemberCalls, MemberChange};
use log::{Fact, LogDigest, StoreMemory};
use replicator::{Acknowledgement, LogPlace, PromiseAnswer, PromiseRequest, StandingRole};
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::*;

mod confirming;
mod elections;
mod tenures;

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
    made(facts, |_| None)
}

/// The same, which can schedule with this.
fn made(facts: impl FnOnce(NodeId) -> Vec<Fact>, takeover: impl FnOnce(&Path) -> Option<Takeover>) -> Tried {
    told(Some(1), facts, takeover)
}

/// The same, which is told that so many others have to have each event.
fn told(
    acks: Option<u32>,
    facts: impl FnOnce(NodeId) -> Vec<Fact>,
    takeover: impl FnOnce(&Path) -> Option<Takeover>,
) -> Tried {
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
        options: MemberOptions { acks, ..MemberOptions::default() },
        writes: Writes::new(WriteSide::Unsure("it has just started".into()), None),
        follows: WriteSide::Closed("it follows".into()),
        takeover: takeover(folder.path()),
        unverified: false,
    });
    Tried { node: node.unwrap(), _folder: folder }
}

/// The same once it leads alone, on the word of a person.
fn leading() -> Tried {
    led(member())
}

fn led(tried: Tried) -> Tried {
    tried.node.with(|member| member.force("somebody")).unwrap().unwrap();
    while tried.node.with(|member| member.release().map(|()| member.leads())).unwrap().is_none() {
        std::thread::yield_now();
    }
    tried
}

/// One that leads while another has to confirm what is written, which can be found nowhere.
fn paired() -> Tried {
    let tried = leading();
    let voters: BTreeSet<_> = [tried.node.id, other()].into();
    for acks in 0..2 {
        let to = Members { voters: voters.clone(), acks };
        tried.node.with(|member| member.change_members(to)).unwrap().unwrap();
        while !is_settled(&tried.node) {
            let _ = confirm(&tried.node);
        }
    }
    tried
}

/// Whether all that was written is on disk, and no change of the members waits.
fn is_settled(node: &MemberNode) -> bool {
    let is_quiet = node.log.is_quiet();
    node.with(|member| member.release().map(|()| member.members_settled())).unwrap() && is_quiet
}

/// The other one has all that is on disk here.
fn confirm(node: &MemberNode) -> Result<(), MemberCallError> {
    let end = node.with(|member| member.standing()).unwrap().end;
    let given =
        Acknowledgement { from: other(), term: node.term(), events: end.events, digest: Some(end.digest) };
    node.acknowledge(given, Some(OTHER.to_owned()))
}

/// Waits for this, for as long as is needed at most.
async fn seen(mut is_so: impl FnMut() -> bool) {
    let waited = async {
        while !is_so() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(Duration::from_secs(30), waited).await.expect("it does not come to that");
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
    let turn = node.handing_over.take();
    assert!(node.waiting(Some(node.term())).unwrap().contains("about to lead"));
    assert!(node.handing_over.take().is_none(), "one at a time");
    drop(turn);
    assert_eq!(node.waiting(Some(node.term())), None);
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
async fn what_is_not_verified_is_neither_promised_on_nor_led() {
    let Tried { node, .. } = &spawn_blocking(member).await.unwrap();
    let unverified = node.with(|member| {
        member.set_unverified(true);
        Ok::<_, MemberError>(())
    });
    unverified.unwrap();
    assert!(reason(node.check_verified()).contains("signatures"));
    let answer = node.promise(asks_for(9), Some(OTHER.to_owned())).unwrap();
    assert!(matches!(answer, PromiseAnswer::Behind(_)), "{answer:?}");
    node.verified();
    node.check_verified().unwrap();
    let answer = node.promise(asks_for(9), Some(OTHER.to_owned())).unwrap();
    assert!(matches!(answer, PromiseAnswer::Promised { .. }), "{answer:?}");
}

#[tokio::test]
async fn what_waits_for_nothing_ends_at_once() {
    let Tried { node, .. } = &spawn_blocking(leading).await.unwrap();
    let began = Instant::now();
    node.drain().await;
    assert!(began.elapsed() < std::time::Duration::from_secs(4));
    // Nor does one that follows wait for what its leader, which may be gone, has not released.
    let Tried { node: follower, .. } = &spawn_blocking(member).await.unwrap();
    let sent = node.with(|member| member.events_from(0, 9)).unwrap().expect("it leads");
    follower.take(&Events { released: 0, ..sent }).unwrap();
    seen(|| follower.log.unreleased_for().is_some()).await;
    let began = Instant::now();
    follower.drain().await;
    assert!(began.elapsed() < std::time::Duration::from_secs(4));
    assert!(node.waiting(Some(node.term())).unwrap().contains("shutting down"), "nothing new is taken");
}

#[tokio::test]
async fn a_handover_is_brought_to_its_end_also_when_whoever_asked_for_it_has_gone() {
    let Tried { node, .. } = &spawn_blocking(paired).await.unwrap();
    let next = Term(node.term().0 + 1);
    tokio::select! {
        biased;
        handed = node.hand_over(other()) => panic!("{handed:?}"),
        () = seen(|| node.handing_over.is_taken()) => {}
    }
    // The other one cannot be reached to lead: this one goes on, above the term that is sealed.
    seen(|| {
        let _ = confirm(node);
        let leads = node.with(|member| member.release().map(|()| member.leads())).unwrap();
        leads == Some(next) && !node.handing_over.is_taken()
    })
    .await;
    assert_eq!(node.waiting(Some(next)), None);
}

#[tokio::test]
async fn a_handover_does_not_keep_a_node_from_ending() {
    let Tried { node, .. } = &spawn_blocking(paired).await.unwrap();
    let ends = async {
        seen(|| node.handing_over.is_taken()).await;
        node.drain().await;
    };
    let (handed, ()) = tokio::join!(node.hand_over(other()), ends);
    assert!(reason(handed).contains("shutting down"));
}

#[tokio::test]
async fn the_leader_is_not_removed_and_nothing_is_raised_while_a_voter_is() {
    let Tried { node, .. } = &spawn_blocking(paired).await.unwrap();
    assert!(reason(node.change_members(MemberChange::Remove(node.id)).await).contains("handover"));
    let form = node.now();
    assert_eq!((form.acks, form.voters.len()), (1, 2), "{form:?}");
    let cared = async {
        let mut acks = vec![1];
        seen(|| {
            let _ = confirm(node);
            node.care_for_members().unwrap();
            let form = node.now();
            acks.push(form.acks);
            form.voters.len() == 1
        })
        .await;
        acks.dedup();
        acks
    };
    let (removed, acks) = tokio::join!(node.change_members(MemberChange::Remove(other())), cared);
    removed.unwrap();
    assert_eq!(acks, [1, 0], "it was raised meanwhile");
    node.change_members(MemberChange::Remove(other())).await.unwrap();
    let turn = node.changing.take();
    assert!(reason(node.change_members(MemberChange::Remove(other())).await).contains("under way"));
    drop(turn);
}

#[tokio::test]
async fn who_is_not_there_is_not_added_and_no_confirmation_more_is_asked_for() {
    let Tried { node, .. } = &spawn_blocking(leading).await.unwrap();
    let refused = reason(node.change_members(MemberChange::Add(other(), None)).await);
    assert!(refused.contains("confirms nothing"), "{refused}");
    assert_eq!(node.now().voters.len(), 1);
    // One that was added, and went away.
    let to = Members { voters: [node.id, other()].into(), acks: 0 };
    node.with(|member| member.change_members(to)).unwrap().unwrap();
    seen(|| is_settled(node)).await;
    node.care_for_members().unwrap();
    seen(|| is_settled(node)).await;
    assert_eq!(node.now().acks, 0);
    confirm(node).unwrap();
    node.care_for_members().unwrap();
    seen(|| {
        let _ = confirm(node);
        is_settled(node) && node.now().acks == 1
    })
    .await;
}

/// One of a pair that leads by its own promise, in a log that asks for one confirmation, and is told of so many.
async fn elected(acks: Option<u32>) -> Tried {
    let facts = |own| vec![Fact::Members(Members { voters: [own, other()].into(), acks: 1 })];
    let tried = spawn_blocking(move || told(acks, facts, |_| None)).await.unwrap();
    tried.node.elect(tokio::time::Instant::now() + Duration::from_secs(8), Term(0), &[]).await.unwrap();
    let leads = || tried.node.with(|member| member.release().map(|()| member.leads())).unwrap();
    seen(|| {
        let _ = confirm(&tried.node);
        leads().is_some()
    })
    .await;
    tried
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_fewer_others_than_was_set_nothing_is_taken_and_whoever_was_told_nothing_asks_for_as_many() {
    for (acks, refused, asked) in
        [(Some(2), true, 1), (Some(1), false, 1), (None, false, 1), (Some(0), false, 0)]
    {
        let Tried { node, .. } = &elected(acks).await;
        let waiting = node.waiting(Some(node.term()));
        assert_eq!(waiting.is_some(), refused, "{acks:?}: {waiting:?}");
        assert!(waiting.is_none_or(|waiting| waiting.contains("REPLICATION_ACKS=2")));
        node.care_for_members().unwrap();
        seen(|| {
            let _ = confirm(node);
            is_settled(node)
        })
        .await;
        let form = node.now();
        assert_eq!((form.acks, form.acks_set.0), (asked, acks));
    }
}

#[tokio::test]
async fn who_confirms_is_added() {
    let Tried { node, .. } = &spawn_blocking(leading).await.unwrap();
    let comes = async {
        sleep(Duration::from_millis(20)).await;
        confirm(node).unwrap();
        seen(|| is_settled(node) && node.now().voters.len() == 2).await;
    };
    let (added, ()) = tokio::join!(node.change_members(MemberChange::Add(other(), None)), comes);
    added.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_waits_for_a_disk_that_hangs_keeps_nobody_else_waiting() {
    let Tried { node, .. } = &spawn_blocking(member).await.unwrap();
    let ((hangs, is_hanging), (ends, ended)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
    let hanging = node.clone();
    let disk = std::thread::spawn(move || {
        hanging.with(|_| {
            hangs.send(()).unwrap();
            ended.recv().unwrap();
            Ok::<_, MemberError>(())
        })
    });
    is_hanging.recv().unwrap();
    let waiting = node.clone();
    let waits = tokio::spawn(async move { waiting.look_for_leader().await });
    // What it is, it says.
    assert_eq!(node.now().role, "following");
    timeout(Duration::from_secs(20), tokio::spawn(async {})).await.expect("the only worker waits").unwrap();
    assert!(!waits.is_finished());
    ends.send(()).unwrap();
    disk.join().unwrap().unwrap();
    assert_eq!(waits.await.unwrap(), None);
}
