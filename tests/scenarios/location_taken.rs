//! The record of where a scheduler is, on its way to the upload node: sent by one, sent on by whoever comes next, and published by
//! an operator's hand.

use std::path::Path;

use ans104::{Item, KeyType};
use quipu_tests::{Act, Client, Gateway, Launch, Node, Postgres, ToldServer, UploadNode, until};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::folder;
use crate::location::{NONE, URL, count, known, located, quipu, trouble, uploaded};
use crate::standby::{TOKEN, leader, level, promote, standby};

#[tokio::test]
async fn of_two_routers_that_share_what_they_know_one_publishes() {
    let (folders, gateway, told) = ([folder(), folder()], Gateway::start(), ToldServer::start());
    let (postgres, url, uploads) = (Postgres::start(), "https://router.example", UploadNode::start().await);
    let (_kept, node) = crate::router::node(&gateway);
    told.answer(200, &[], NONE);
    uploads.decide(|_| Act::Hang);
    let router = |folder: &TempDir| {
        Launch::router(folder.path(), &[&node.url()])
            .set("DATABASE_URL", postgres.url())
            .set("ADMIN_TOKEN", TOKEN)
            .wallet(KeyType::Ed25519)
            .gateway(gateway.url())
            .set("GRAPHQL_URL", told.url())
            .set("ARWEAVE_URL_LIST", "")
            .set("UPLOAD_NODE_URL", uploads.url())
            .set("LOCATION_URL", url)
    };
    let launches = folders.each_ref().map(router);
    let mut routers = launches.each_ref().map(Launch::serve).map(Some);
    // Both look at once; one publishes it and one sends it, while the other sees that.
    let is_waiting = async |router: &Node| {
        let now: Value = Client::operator(&router.admin_url(), TOKEN).get("/location").await.json();
        trouble(&now).contains("another router that shares the database sends the record")
    };
    let waiting = until("one of them waits for the other", async || {
        for (place, router) in routers.iter().enumerate() {
            if is_waiting(router.as_ref().unwrap()).await {
                return Some(place);
            }
        }
        None
    })
    .await;
    until("it is sent", async || (uploads.uploads() == 1).then_some(())).await;
    // Whoever sent it is gone, and its time is over: now the other sends the same record.
    routers[1 - waiting].take().unwrap().kill();
    let published = "select count(*), count(distinct sender) from quipu_router.locations";
    assert_eq!(postgres.sql("quipu", published).trim(), "1|1");
    uploads.decide(|_| Act::Take);
    postgres.sql("quipu", "update quipu_router.locations set sent_until = clock_timestamp()");
    let is_settled = |now: &Value| !now["last"].is_null() && trouble(now).contains("another may be");
    known(routers[waiting].as_ref().unwrap(), "it is taken", is_settled).await;
    routers[waiting].take().unwrap().stop();
    // And when they are started again they know of it.
    for _ in 0..3 {
        let routers = launches.each_ref().map(Launch::serve);
        for router in &routers {
            known(router, "it is published by one of them", is_settled).await;
        }
        routers.into_iter().for_each(|router| drop(router.stop()));
        assert_eq!((uploads.uploads(), uploads.taken().len()), (2, 1));
    }
    let taken =
        "select count(*) from quipu_router.locations where not record ? 'record' and record ? 'taken'";
    assert_eq!(postgres.sql("quipu", taken).trim(), "1");
    node.stop();
}

/// Killed between the two, as far as anybody can tell: nobody took what it sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_published_and_not_taken_is_sent_by_whoever_leads_next() {
    let (folders, gateway, told) = ((folder(), folder()), Gateway::start(), ToldServer::start());
    let refusing = ToldServer::start();
    told.answer(200, &[], NONE);
    let located = |folder: &Path| located(folder, &told, &gateway).set("UPLOAD_NODE_URL", refusing.url());
    let node = located(folders.0.path()).start();
    let following = standby(folders.1.path(), &gateway, &node.admin_url()).serve();
    let location = known(&node, "it is not taken", |now| trouble(now).contains("is not taken")).await;
    let record = location["last"]["id"].as_str().unwrap().to_owned();
    level(&following, &node).await;
    let store = crate::standby::status(&node).await["store"].as_str().unwrap().to_owned();
    following.stop();
    node.kill();
    promote(folders.1.path(), &store);
    for _ in 0..3 {
        let node = located(folders.1.path()).set("UPLOAD_NODE_URL", gateway.url()).serve();
        let is_taken = |now: &Value| trouble(now).contains("another may be published from");
        assert_eq!(known(&node, "it is taken", is_taken).await["last"]["id"], record.as_str());
        node.stop();
        let records = uploaded(&gateway).await;
        assert_eq!(records["data"]["transactions"]["edges"].as_array().unwrap().len(), 1);
        assert_eq!(records["data"]["transactions"]["edges"][0]["node"]["id"], record.as_str());
    }
}

/// The upload node has it, and the node is killed before it knows: the same record is sent once more, and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_record_whose_receipt_is_lost_there_is_one_in_the_end() {
    let (folder, gateway, told) = (folder(), Gateway::start(), ToldServer::start());
    let uploads = UploadNode::start().await;
    told.answer(200, &[], NONE);
    let located = || located(folder.path(), &told, &gateway).set("UPLOAD_NODE_URL", uploads.url());
    let records = || {
        let taken = uploads.taken().into_iter();
        let is_record = |bytes: &[u8]| {
            Item::parse(bytes).is_ok_and(|item| item.tag("Type") == Some("Scheduler-Location"))
        };
        taken.map(|taken| taken.bytes).filter(|bytes| is_record(bytes)).collect::<Vec<_>>()
    };
    uploads.decide(|_| Act::TakeAndHang);
    let node = located().start();
    until("the upload node has it", async || (records().len() == 1).then_some(())).await;
    node.kill();
    uploads.decide(|_| Act::Take);
    for _ in 0..3 {
        let node = located().serve();
        let is_taken = |now: &Value| trouble(now).contains("another may be published from");
        assert_eq!(known(&node, "it is taken", is_taken).await["last"]["nonce"], 0);
        node.stop();
        let found = records();
        assert_eq!((found.len(), &found[0]), (2, &found[1]));
    }
}

/// Whoever goes by the exit code, or by the first word, does not take it for done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_is_told_that_nobody_took_it() {
    let (folder, told, gateway) = (folder(), ToldServer::start(), Gateway::start());
    let uploads = UploadNode::start().await;
    uploads.decide(|_| Act::Answer(400));
    told.answer(200, &[], NONE);
    let node = located(folder.path(), &told, &gateway).set("UPLOAD_NODE_URL", uploads.url()).serve();
    known(&node, "it is refused", |now| trouble(now).contains("the record is not taken")).await;
    for json in [false, true] {
        let words = if json { &["publish", "--json"][..] } else { &["publish"] };
        let refused = quipu(&node, words).run();
        assert_eq!(refused.code, Some(3), "{}", refused.stdout);
        let (said, line) = (&refused.stdout, &refused.stderr);
        assert!(
            line.contains("the record is not done with, and is tried again: the record is not taken"),
            "{line}"
        );
        match json {
            true => assert!(said.contains("\"trouble\":\"the record is not taken"), "{said}"),
            false => {
                assert!(said.starts_with("kept, and sent again: ") && said.lines().count() == 1, "{said}")
            }
        }
    }
    uploads.decide(|_| Act::Take);
    let published = quipu(&node, &["publish"]).run();
    assert!(published.code == Some(0) && published.stdout.starts_with("published "), "{}", published.stdout);
    node.stop();
}

#[tokio::test]
async fn an_operator_publishes_it_and_sees_what_is_known() {
    let gateway = Gateway::start();
    let is_right = |now: &Value| !now["until_ms"].is_null();
    let first = folder();
    let node = leader(first.path(), &gateway).set("LOCATION_URL", URL).serve();
    until("it is published", async || (count(&gateway).await == 1).then_some(())).await;
    node.stop();
    for (nonce, json) in [(1, false), (2, true)] {
        let fresh = folder();
        let node = leader(fresh.path(), &gateway).set("LOCATION_URL", URL).serve();
        known(&node, "it is right", is_right).await;
        let words = if json { &["publish", "--json"][..] } else { &["publish"] };
        let published = quipu(&node, words).run();
        assert_eq!(published.code, Some(0), "{}", published.stderr);
        let shown = quipu(&node, &["show", "--json"]).run();
        let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
        let (last, said) = (&shown["last"], &published.stdout);
        assert_eq!((&shown["url"], &last["nonce"], &last["url"]), (&json!(URL), &json!(nonce), &json!(URL)));
        if json {
            let said: Value = serde_json::from_str(said).unwrap();
            assert_eq!((&said["publication"], &said["trouble"]), (last, &Value::Null));
        } else {
            let id = last["id"].as_str().unwrap();
            let start = format!("published {id}, which leads to {URL}, nonce {nonce}, ");
            assert!(said.starts_with(&start) && said.lines().count() == 1, "{said}");
        }
        node.stop();
    }
    assert_eq!(count(&gateway).await, 3);
}
