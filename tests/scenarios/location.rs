//! The record that says where a scheduler is: published when no gateway has it, once, whatever gateways tell and however often
//! a node starts.

use std::path::Path;

use ans104::KeyType;
use quipu_tests::{Answer, Client, Gateway, Launch, Node, OpenApiDescription, ToldServer, User, until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::folder;
use crate::members::{self, at_one_place, id_of, joined, member, schedules};
use crate::members_takeover::hand_over;
use crate::standby::{TOKEN, leader, level, promote, standby};

pub(crate) const URL: &str = "https://su.example";
pub(crate) const NONE: &str = r#"{"data": {"transactions": {"edges": []}}}"#;
const OF_OTHERS: &str = r#"{"data": {"transactions": {"edges": [{"node": {"id": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "owner": {"address": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}, "block": null,
    "tags": [{"name": "Data-Protocol", "value": "ao"}, {"name": "Type", "value": "Scheduler-Location"}]}}]}}}"#;
const RECORDS: &str = r#"query { transactions(tags: [{ name: "Type", values: ["Scheduler-Location"] }], first: 100)
    { edges { node { id owner { address key } tags { name value } block { height timestamp } } } } }"#;

/// The records that were uploaded, as GraphQL answers them.
pub(crate) async fn uploaded(gateway: &Gateway) -> Value {
    let client = Client::new(gateway.url());
    let asked = client.request(Method::POST, "/graphql").json(&json!({ "query": RECORDS }));
    client.send(asked).await.unwrap().json()
}

pub(crate) async fn count(gateway: &Gateway) -> usize {
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
pub(crate) async fn known(node: &Node, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    until(what, async || {
        let client = Client::operator(&node.admin_url(), TOKEN);
        Some(client.get("/location").await.json()).filter(|location: &Value| is_it(location))
    })
    .await
}

pub(crate) fn trouble(location: &Value) -> &str {
    location["trouble"].as_str().unwrap_or_default()
}

/// A node that asks this one for records and sends its own to that gateway.
pub(crate) fn located(folder: &Path, told: &ToldServer, gateway: &Gateway) -> Launch {
    leader(folder, gateway)
        .set("GRAPHQL_URL", told.url())
        .set("ARWEAVE_URL_LIST", "")
        .set("LOCATION_URL", URL)
}

pub(crate) fn quipu(node: &Node, words: &[&str]) -> Launch {
    let words: Vec<_> = std::iter::once("location").chain(words.iter().copied()).collect();
    Launch::command(Path::new("/"), &words).set("QUIPU_ADMIN_URL", node.admin_url()).set("ADMIN_TOKEN", TOKEN)
}

#[tokio::test]
async fn it_is_published_once_whatever_gateways_tell_and_however_often_a_node_starts() {
    let (folder, gateway, told) = (folder(), Gateway::start(), ToldServer::start());
    let launch = located(folder.path(), &told, &gateway);
    // Nobody answers, or in another language.
    let (huge, deep) = (" ".repeat(2 << 20) + NONE, "[".repeat(100_000));
    for (status, text) in [
        (503, ""),
        (200, "<html>"),
        (200, "{}"),
        (404, ""),
        (200, OF_OTHERS),
        (200, &huge),
        (200, &deep),
        // Where this leads to is a network of its own.
        (307, NONE),
    ] {
        told.answer(status, &[("location", "http://169.254.169.254/graphql")], text);
        let node = launch.serve();
        known(&node, "it is told", |now| trouble(now).contains("no gateway tells")).await;
        node.stop();
        assert_eq!(count(&gateway).await, 0, "{status} {}", text.get(..40).unwrap_or(text));
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
}

/// That a further gateway says that it has no such service is an answer, and that it says nothing is none.
#[tokio::test]
async fn a_check_tells_a_gateway_without_records_from_one_that_is_silent() {
    let (folder, gateway, further) = (folder(), Gateway::start(), ToldServer::start());
    let url = format!("http://127.0.0.1:{}", quipu_tests::free_port());
    let port = url.rsplit(':').next().unwrap();
    let node = Launch::command(folder.path(), &["su", port])
        .set("SU_DATA_DIR", folder.path().join("data"))
        .set("LOG_FORMAT", "json")
        .set("ADMIN_LISTEN", "127.0.0.1:0")
        .wallet(KeyType::Ed25519)
        .gateway(gateway.url())
        .set("LOCATION_URL", &url)
        .serve();
    until("it is published", async || (count(&gateway).await == 1).then_some(())).await;
    let process = User::new(3).process();
    assert_eq!(node.client().post(process.bytes.clone()).await.status, 200);
    for (status, code) in [(404, 0), (503, 3)] {
        further.answer(status, &[], "");
        let words = ["location", "check", &url, "--process", &process.id.to_string()];
        let checked = Launch::command(folder.path(), &words).gateway(gateway.url());
        let checked = checked.set("ARWEAVE_URL_LIST", further.url()).run();
        assert_eq!(checked.code, Some(code), "{}{}", checked.stdout, checked.stderr);
    }
    node.stop();
}

/// Each says which of its own settings is missing.
#[tokio::test]
async fn who_looks_after_no_record_says_why() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    let node = leader(folders.0.path(), &gateway).serve();
    let router = Launch::router(folders.1.path(), &[&node.url()]).set("ADMIN_TOKEN", TOKEN).serve();
    for (at, reason) in [
        (&node, "neither LOCATION_URL nor ROUTER_URL is set, or another node leads"),
        (&router, "LOCATION_URL of this router is not set"),
    ] {
        for (method, path) in [(Method::GET, "/location"), (Method::POST, "/location/publications")] {
            let told = ask(at, method, path).await;
            assert!(told.text().contains(&format!("looked after here: {reason}")), "{}", told.text());
            assert_eq!(told.refusal(404), "not_found");
        }
    }
    router.stop();
    node.stop();
}

/// Of two schedulers one has not told yet whose it is.
#[tokio::test]
async fn a_router_says_that_it_does_not_know_all_wallets_behind_it() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (_kept, node) = crate::router::node(&gateway);
    let router = Launch::router(folder.path(), &[&node.url(), "http://127.0.0.1:1"])
        .set("ADMIN_TOKEN", TOKEN)
        .wallet(KeyType::Secp256k1)
        .gateway(gateway.url())
        .set("LOCATION_URL", "http://127.0.0.1:1");
    let router = router.serve();
    let is_told = |now: &Value| trouble(now).ends_with("of 1 it is not known with which");
    known(&router, "one has not told", is_told).await;
    router.stop();
    node.stop();
    assert_eq!(count(&gateway).await, 0);
}

#[tokio::test]
async fn a_router_publishes_nothing_for_a_wallet_that_signs_for_nobody_behind_it() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (_kept, node) = crate::router::node(&gateway);
    let launch = |wallet| {
        Launch::router(folder.path(), &[&node.url()])
            .set("ADMIN_TOKEN", TOKEN)
            .set("ENABLE_METRICS", "true")
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
    // So that an alert tells of it.
    until("it is measured", async || {
        let metrics = router.client().get("/metrics").await.text();
        metrics.contains("quipu_check_status{check=\"location\"} 1\n").then_some(())
    })
    .await;
    router.stop();
    assert_eq!(count(&gateway).await, 0);
    let router = launch(KeyType::Ed25519).serve();
    until("it is published", async || (count(&gateway).await == 1).then_some(())).await;
    router.stop();
    node.stop();
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
