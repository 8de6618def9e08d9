//! The record that says where a scheduler is: published when no gateway has it, once, whatever gateways tell and however often
//! a node starts.

use std::path::Path;

use ans104::{Item, KeyType};
use quipu_tests::{
    Act, Answer, Client, Gateway, Launch, Node, OpenApiDescription, Postgres, ToldServer, UploadNode, User,
    until,
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::folder;
use crate::members::{self, at_one_place, id_of, joined, member, schedules};
use crate::members_takeover::hand_over;
use crate::standby::{TOKEN, leader, level, promote, standby};

const URL: &str = "https://su.example";
const NONE: &str = r#"{"data": {"transactions": {"edges": []}}}"#;
const RECORDS: &str = r#"query { transactions(tags: [{ name: "Type", values: ["Scheduler-Location"] }], first: 100)
    { edges { node { id owner { address key } tags { name value } block { height timestamp } } } } }"#;

/// The records that were uploaded, as GraphQL answers them.
async fn uploaded(gateway: &Gateway) -> Value {
    let client = Client::new(gateway.url());
    let asked = client.request(Method::POST, "/graphql").json(&json!({ "query": RECORDS }));
    client.send(asked).await.unwrap().json()
}

async fn count(gateway: &Gateway) -> usize {
    uploaded(gateway).await["data"]["transactions"]["edges"].as_array().unwrap().len()
}

/// Asks an operator's call, whose answer has to be as the node describes it.
async fn ask(node: &Node, method: Method, path: &str) -> Answer {
    let client = Client::operator(&node.admin_url(), TOKEN);
    let answer = client.send(client.request(method.clone(), path)).await.unwrap();
    let description = OpenApiDescription::of(&client).await;
    description
        .check(&format!("{method} {path}"), &answer)
        .unwrap_or_else(|difference| panic!("{difference}"));
    answer
}

/// What is known of the record, once it satisfies this.
async fn known(node: &Node, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    until(what, async || {
        let client = Client::operator(&node.admin_url(), TOKEN);
        Some(client.get("/location").await.json()).filter(|location: &Value| is_it(location))
    })
    .await
}

fn trouble(location: &Value) -> &str {
    location["trouble"].as_str().unwrap_or_default()
}

/// A node that asks this one for records and sends its own to that gateway.
fn located(folder: &Path, told: &ToldServer, gateway: &Gateway) -> Launch {
    leader(folder, gateway)
        .set("GRAPHQL_URL", told.url())
        .set("ARWEAVE_URL_LIST", "")
        .set("LOCATION_URL", URL)
}

fn quipu(node: &Node, words: &[&str]) -> Launch {
    let words: Vec<_> = std::iter::once("location").chain(words.iter().copied()).collect();
    Launch::command(Path::new("/"), &words).set("QUIPU_ADMIN_URL", node.admin_url()).set("ADMIN_TOKEN", TOKEN)
}

#[tokio::test]
async fn it_is_published_once_whatever_gateways_tell_and_however_often_a_node_starts() {
    let (folder, gateway, told) = (folder(), Gateway::start(), ToldServer::start());
    let launch = located(folder.path(), &told, &gateway);
    // Nobody answers, or in another language.
    for (status, text) in [(503, ""), (200, "<html>"), (200, "{}"), (404, "")] {
        told.answer(status, &[], text);
        let node = launch.serve();
        known(&node, "it is told", |now| trouble(now).contains("no gateway tells")).await;
        node.stop();
        assert_eq!(count(&gateway).await, 0, "{status} {text}");
    }
    told.answer(200, &[], NONE);
    let node = launch.serve();
    until("it is published", async || (count(&gateway).await == 1).then_some(())).await;
    let location = known(&node, "it is kept", |now| !now["last"].is_null()).await;
    assert_eq!((&location["url"], &location["last"]["nonce"]), (&json!(URL), &json!(0)));
    node.stop();
    for _ in 0..20 {
        let node = launch.serve();
        known(&node, "it is too early", |now| trouble(now).contains("another may be published from")).await;
        node.stop();
    }
    assert_eq!(count(&gateway).await, 1);
    // At last gateways tell it.
    told.answer(200, &[], &uploaded(&gateway).await.to_string());
    let node = launch.set("ENABLE_METRICS", "true").serve();
    let location = known(&node, "it is right", |now| !now["until_ms"].is_null()).await;
    assert_eq!((&location["trouble"], &location["gateways"][0]["trouble"]), (&Value::Null, &Value::Null));
    let checks: Value = Client::operator(&node.admin_url(), TOKEN).get("/checks").await.json();
    let check =
        checks["checks"].as_array().unwrap().iter().find(|check| check["name"] == "location").unwrap();
    assert_eq!(check["status"], "ok", "{check}");
    let ends = node.client().get("/metrics").await.text();
    let ends =
        ends.lines().find_map(|line| line.strip_prefix("quipu_location_end_timestamp_seconds ")).unwrap();
    assert!((ends.parse::<f64>().unwrap() * 1000.0 - location["until_ms"].as_f64().unwrap()).abs() < 1000.0);

    assert_eq!(ask(&node, Method::GET, "/location").await.status, 200);
    assert_eq!(ask(&node, Method::POST, "/location/publications").await.status, 409);
    let shown = quipu(&node, &["show"]).run();
    assert!(shown.code == Some(0) && shown.stdout.contains("as it should be"), "{}", shown.stdout);
    let refused = quipu(&node, &["publish"]).run();
    assert!(
        refused.code == Some(1) && refused.stderr.contains("another was published lately"),
        "{}",
        refused.stderr
    );
    node.stop();
    assert_eq!(count(&gateway).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_over_knows_what_was_published_and_a_standby_publishes_nothing() {
    let (folders, gateway, told) = ((folder(), folder()), Gateway::start(), ToldServer::start());
    told.answer(200, &[], NONE);
    let node = located(folders.0.path(), &told, &gateway).start();
    let following = standby(folders.1.path(), &gateway, &node.admin_url())
        .set("GRAPHQL_URL", told.url())
        .set("LOCATION_URL", URL);
    let following = following.set("UPLOAD_NODE_URL", gateway.url()).serve();
    following.said("LOCATION_URL has no effect here");
    known(&node, "it is kept", |now| !now["last"].is_null()).await;
    level(&following, &node).await;
    assert_eq!(ask(&following, Method::GET, "/location").await.status, 404);
    assert_eq!(ask(&following, Method::POST, "/location/publications").await.status, 404);
    let store = crate::standby::status(&node).await["store"].as_str().unwrap().to_owned();
    following.stop();
    node.kill();
    promote(folders.1.path(), &store);
    let node = located(folders.1.path(), &told, &gateway).serve();
    let location =
        known(&node, "it is too early", |now| trouble(now).contains("another may be published from")).await;
    assert_eq!(location["last"]["nonce"], 0);
    node.stop();
    assert_eq!(count(&gateway).await, 1);
}

#[tokio::test]
async fn behind_a_router_the_router_publishes_and_clients_are_led_there() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    // The router's port has to be known before.
    let port = quipu_tests::free_port();
    let url = format!("http://127.0.0.1:{port}");
    let node = leader(folders.0.path(), &gateway).set("ROUTER_URL", &url).start();
    let location = known(&node, "gateways are asked", |now| trouble(now) == "no gateway has one").await;
    assert_eq!((&location["url"], &location["publishes"]), (&json!(url), &json!(false)));
    let refused = quipu(&node, &["publish"]).run();
    assert!(refused.stderr.contains("published by the router"), "{}", refused.stderr);

    let list = json!([{ "url": node.url() }]).to_string();
    std::fs::write(folders.1.path().join("schedulers.json"), list).unwrap();
    let router = Launch::command(folders.1.path(), &["router", &port.to_string()])
        .set("SCHEDULER_LIST_PATH", folders.1.path().join("schedulers.json"))
        .set("ROUTER_DATA_DIR", folders.1.path().join("data"))
        .set("LOG_FORMAT", "json")
        .set("ADMIN_TOKEN", TOKEN)
        .wallet(KeyType::Ed25519)
        .gateway(gateway.url())
        .set("LOCATION_URL", &url);
    let running = router.serve();
    until("it is published", async || (count(&gateway).await == 1).then_some(())).await;
    running.stop();
    for _ in 0..3 {
        let running = router.serve();
        known(&running, "it is right", |now| !now["until_ms"].is_null()).await;
        running.stop();
    }
    assert_eq!(count(&gateway).await, 1);

    let running = router.serve();
    let user = User::new(3);
    let process = user.process();
    assert_eq!(running.client().post(process.bytes.clone()).await.status, 200);
    until("the router knows the address", async || {
        (running.client().get("/").await.status == 200).then_some(())
    })
    .await;
    let check = |words: &[&str]| {
        let words: Vec<_> = ["location", "check"].iter().chain(words).copied().collect();
        Launch::command(folders.1.path(), &words).gateway(gateway.url()).run()
    };
    let well = check(&[&url, "--process", &process.id.to_string()]);
    assert_eq!(well.code, Some(0), "{}{}", well.stdout, well.stderr);
    for reader in ["message unit", "scheduler-utils", "HyperBEAM"] {
        assert!(well.stdout.contains(&format!("ok     {reader}, which asks")), "{}", well.stdout);
    }
    // Where nobody answers, all that was found is said, and what is needed for more.
    let away = check(&["http://127.0.0.1:1"]);
    assert_eq!(away.code, Some(3), "{}{}", away.stdout, away.stderr);
    for line in ["ok     URL: ", "wrong  GET /: ", "wrong  records: "] {
        assert!(away.stdout.contains(line), "no {line:?} in {}", away.stdout);
    }
    // The node itself is not where the record leads.
    let wrong = check(&[&node.url()]);
    assert_eq!(wrong.code, Some(3), "{}{}", wrong.stdout, wrong.stderr);
    assert!(wrong.stdout.contains(&format!("leads to {url}")), "{}", wrong.stdout);
    running.stop();
    node.stop();
    // One that has published nothing yet may do so although nothing is wrong.
    let fresh = folder();
    let node = leader(fresh.path(), &gateway).set("LOCATION_URL", &url).serve();
    known(&node, "it is right", |now| !now["until_ms"].is_null()).await;
    let published: Value = ask(&node, Method::POST, "/location/publications").await.json();
    assert_eq!((&published["publication"]["nonce"], &published["trouble"]), (&json!(1), &Value::Null));
    node.stop();
    assert_eq!(count(&gateway).await, 2);
    // And by an operator's hand.
    for (nonce, json) in [(2, false), (3, true)] {
        let fresh = folder();
        let node = leader(fresh.path(), &gateway).set("LOCATION_URL", &url).serve();
        known(&node, "it is right", |now| !now["until_ms"].is_null()).await;
        let words = if json { &["publish", "--json"][..] } else { &["publish"] };
        let published = quipu(&node, words).run();
        assert_eq!(published.code, Some(0), "{}", published.stderr);
        let shown = quipu(&node, &["show", "--json"]).run();
        let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
        let (last, said) = (&shown["last"], &published.stdout);
        assert_eq!((&shown["url"], &last["nonce"], &last["url"]), (&json!(url), &json!(nonce), &json!(url)));
        if json {
            let said: Value = serde_json::from_str(said).unwrap();
            assert_eq!((&said["publication"], &said["trouble"]), (last, &Value::Null));
        } else {
            let id = last["id"].as_str().unwrap();
            let start = format!("published {id}, which leads to {url}, nonce {nonce}, ");
            assert!(said.starts_with(&start) && said.lines().count() == 1, "{said}");
        }
        node.stop();
    }
    assert_eq!(count(&gateway).await, 4);
}

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

#[tokio::test]
async fn a_router_publishes_nothing_for_a_wallet_that_signs_for_nobody_behind_it() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (_kept, node) = crate::router::node(&gateway);
    let launch = |wallet| {
        Launch::router(folder.path(), &[&node.url()])
            .set("ADMIN_TOKEN", TOKEN)
            .wallet(wallet)
            .gateway(gateway.url())
            .set("LOCATION_URL", "http://127.0.0.1:1")
    };
    let router = launch(KeyType::Secp256k1).serve();
    let is_told = |now: &Value| trouble(now).contains("SU_WALLET_PATH names the wallet");
    let location = known(&router, "the wallet is another", is_told).await;
    assert_eq!((&location["last"], &location["until_ms"]), (&Value::Null, &Value::Null));
    assert_eq!(ask(&router, Method::POST, "/location/publications").await.status, 503);
    let checks: Value = Client::operator(&router.admin_url(), TOKEN).get("/checks").await.json();
    let check = checks["checks"].as_array().unwrap().iter().find(|check| check["name"] == "location");
    assert_eq!(check.unwrap()["status"], "warn", "{checks}");
    router.stop();
    assert_eq!(count(&gateway).await, 0);
    let router = launch(KeyType::Ed25519).serve();
    until("it is published", async || (count(&gateway).await == 1).then_some(())).await;
    router.stop();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_those_who_keep_a_log_together_the_leader_publishes_it_and_whoever_leads_next_does_not_again() {
    let (folders, gateway, told) = ((folder(), folder()), Gateway::start(), ToldServer::start());
    told.answer(200, &[], NONE);
    let place = |launch: Launch| {
        let launch =
            launch.set("GRAPHQL_URL", told.url()).set("ARWEAVE_URL_LIST", "").set("LOCATION_URL", URL);
        at_one_place(launch.set("UPLOAD_NODE_URL", gateway.url()))
    };
    let node = place(members::leader(folders.0.path(), &gateway, 1)).start();
    let other = place(members::voter(folders.1.path(), &gateway, &node.admin_url(), 1)).start();
    joined(&node, 2, 1).await;
    let location = known(&node, "it is kept", |now| !now["last"].is_null()).await;
    assert_eq!((&location["url"], &location["last"]["nonce"]), (&json!(URL), &json!(0)));
    assert_eq!(ask(&other, Method::GET, "/location").await.status, 404);
    // There and back again, at once each time: what the one before kept open is closed by then.
    for (from, to) in [(&node, &other), (&other, &node), (&node, &other), (&other, &node)] {
        schedules(from).await;
        let id = id_of(&member(to).await);
        let done = hand_over(Path::new("/"), from, &id);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        schedules(to).await;
        let too_early = |now: &Value| trouble(now).contains("another may be published from");
        assert_eq!(known(to, "it is too early", too_early).await["last"]["nonce"], 0);
        assert_eq!(ask(from, Method::GET, "/location").await.status, 404);
        assert_eq!(ask(from, Method::POST, "/location/publications").await.status, 404);
    }
    assert_eq!(count(&gateway).await, 1);
    other.stop();
    node.stop();
}
