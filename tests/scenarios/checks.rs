//! Whether the check of histories, on which other scenarios rest, finds what is wrong with one.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use quipu_tests::{Account, Edge, Expected, Gateway, ItemJson, Launch, Ledger, User, check, read_history};

use crate::folder;

/// A way to spoil a history or what is known of it.
type Spoil = fn(&mut Vec<Edge>, &mut Account);

const SPOILT: &[(&str, Spoil)] = &[
    ("a gap", |edges, _| drop(edges.remove(4))),
    ("a lost end", |edges, _| drop(edges.pop())),
    ("a repetition", |edges, _| edges.insert(3, edges[3].clone())),
    ("another order", |edges, _| edges.swap(2, 3)),
    ("no beginning", |edges, _| drop(edges.remove(0))),
    ("another nonce", |edges, _| set(edges, 5, "Nonce", "6")),
    ("another time", |edges, _| set(edges, 5, "Timestamp", "1700000000000")),
    ("another height", |edges, _| set(edges, 5, "Block-Height", "000001500001")),
    ("another chain", |edges, _| {
        let chain = assignment(edges, 4).tag("Hash-Chain").unwrap().to_owned();
        set(edges, 5, "Hash-Chain", &chain);
    }),
    ("another message", |edges, _| edges[5].node.message = edges[4].node.message.clone()),
    ("other data", |edges, _| edges[5].node.message.as_mut().unwrap().data = Some("other".to_owned())),
    ("an assignment's id", |edges, _| assignment(edges, 5).id = assignment(edges, 4).id.clone()),
    ("an assignment's signature", |edges, _| {
        let other = assignment(edges, 4).clone();
        (assignment(edges, 10).signature, assignment(edges, 10).id) = (other.signature, other.id);
    }),
    ("an anchor", |edges, _| assignment(edges, 10).anchor = assignment(edges, 9).anchor.clone()),
    ("a tag too many", |edges, _| {
        let tag = assignment(edges, 10).tags[6].clone();
        assignment(edges, 10).tags.push(tag);
    }),
    ("something acknowledged that is not there", |_, account| {
        account.acknowledged.insert(User::new(9).process().id, 7);
    }),
    ("something acknowledged with another time", |_, account| {
        account.acknowledged.values_mut().for_each(|timestamp| *timestamp += 1);
    }),
    ("something that nobody posted", |edges, account| {
        account.posted.retain(|id, _| id.to_string() != edges[7].node.message.as_ref().unwrap().id);
    }),
];

#[tokio::test]
async fn whatever_is_wrong_with_a_history_is_found() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, ledger, user) = (node.client(), Ledger::default(), User::new(1));
    let process = ledger.spawn(&client, &user, 1).await[0];
    ledger.send(&client, &user, process, 10).await;
    let (history, scheduler) = (read_history(&client, process, 1000).await, client.address().await);
    let passes = |edges: &[Edge], account: &Account| {
        let Account { acknowledged, posted } = account;
        let expected = Expected { process, scheduler: &scheduler, acknowledged, posted, verify_every: 1 };
        catch_unwind(AssertUnwindSafe(|| check(edges, &expected))).is_ok()
    };
    assert!(passes(&history, &ledger.account(process)));
    let nobody = Expected {
        process,
        scheduler: "somebody else",
        acknowledged: &HashMap::new(),
        posted: &ledger.account(process).posted,
        verify_every: 1,
    };
    assert!(catch_unwind(AssertUnwindSafe(|| check(&history, &nobody))).is_err());
    for (what, spoil) in SPOILT {
        let (mut edges, mut account) = (history.clone(), ledger.account(process));
        spoil(&mut edges, &mut account);
        assert!(!passes(&edges, &account), "{what} passes for a history");
    }
}

fn assignment(edges: &mut [Edge], nonce: usize) -> &mut ItemJson {
    edges[nonce].node.assignment.as_mut().unwrap()
}

fn set(edges: &mut [Edge], nonce: usize, name: &str, value: &str) {
    let tags = &mut assignment(edges, nonce).tags;
    value.clone_into(&mut tags.iter_mut().find(|tag| tag.name == name).unwrap().value);
}
