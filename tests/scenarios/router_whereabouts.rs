//! What a router takes for the whereabouts of something, and whom it gives calls and processes to, while schedulers hang,
//! are dead, lie, or have taken over.

use ans104::KeyType;
use quipu_tests::{Client, Gateway, Launch, Ledger, Node, Postgres, ToldServer, User, free_port, until};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::folder;
use crate::members::{self, promote, schedules};
use crate::router::{has, home, member, node, spawned};
use crate::router_registration::{forget, form, register};

const NOTHING: &str = "N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI";
/// More than a router has on their way at once.
const MANY: usize = 600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduler_that_hangs_does_not_close_the_door_for_the_others() {
    let (folder, gateway) = (folder(), Gateway::start());
    let [(_kept, hung), (_kept_too, well)] = [node(&gateway), node(&gateway)];
    let router = Launch::router(folder.path(), &[&hung.url(), &well.url()]).serve();
    let (client, user) = (router.client(), User::new(1));
    let [there, here] = [user.process(), user.process()];
    hung.client().schedule(&there).await;
    well.client().schedule(&here).await;
    for process in [&there, &here] {
        client.schedule(&user.message(process.id, b"known")).await;
    }
    hung.signal("STOP");
    let mut waiting = JoinSet::new();
    for number in 0..MANY {
        let (client, message) =
            (Client::new(&router.url()), user.message(there.id, number.to_string().as_bytes()));
        waiting.spawn(async move { client.try_post(message.bytes).await.map(|answer| answer.status) });
    }
    // Some are refused, since too many wait.
    assert_eq!(waiting.join_next().await.unwrap().unwrap().unwrap(), 503);
    for number in 0..20 {
        client.schedule(&user.message(here.id, format!("meanwhile {number}").as_bytes())).await;
    }
    waiting.shutdown().await;
    hung.signal("CONT");
    until("it is back", async || {
        (client.post(user.message(there.id, b"again").bytes).await.status == 200).then_some(())
    })
    .await;
    router.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduler_that_is_frozen_keeps_nothing_that_is_sent_to_it() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (_kept, node) = node(&gateway);
    let router = Launch::router(folder.path(), &[&node.url()]).serve();
    let (client, user) = (router.client(), User::new(1));
    let process = spawned(&client, &user).await;
    node.signal("STOP");
    let message = user.message(process.id, b"before it is seen to be away");
    let unknown = client.post(message.bytes.clone()).await;
    assert_eq!(unknown.refusal(502), "gateway_error");
    assert!(unknown.text().contains("it is away; it is not known whether"), "{}", unknown.text());
    assert!(unknown.header("retry-after").is_some());
    assert_eq!(member(&router, &node.url()).await["reached"], false);
    let refused = client.post(user.message(process.id, b"after that").bytes).await;
    assert_eq!(refused.refusal(503), "unavailable");
    assert!(refused.header("retry-after").is_some());
    node.signal("CONT");
    // What was sent to it may be there, and is there once.
    until("it is back", async || {
        matches!(client.post(message.bytes.clone()).await.status, 200 | 409).then_some(())
    })
    .await;
    client.schedule(&user.message(process.id, b"again")).await;
    assert_eq!(node.client().newest(process.id).await, 2);
    router.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_to_a_leader_that_is_frozen_ends_when_another_one_leads() {
    let kept = folder();
    let mut cluster = members::cluster(3, 1).await;
    let urls: Vec<String> = cluster.nodes.iter().map(Node::url).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let router = Launch::router(kept.path(), &urls).serve();
    let (client, ledger, user) = (router.client(), Ledger::default(), User::new(1));
    until("the router knows all of them", async || {
        let all: Vec<Value> = router.admin().get("/schedulers").await.json();
        all.iter().all(|one| one["store"] == all[0]["store"] && !one["store"].is_null()).then_some(())
    })
    .await;
    let process = ledger.spawn(&client, &user, 1).await[0];
    let frozen = cluster.nodes.remove(0);
    frozen.signal("STOP");
    let message = user.message(process, b"to a leader that is frozen");
    ledger.post(process, &message);
    let posting = tokio::spawn({
        let (client, item) = (client.clone(), message.bytes.clone());
        async move { client.try_post(item).await }
    });
    let done = promote(cluster.folders[1].path(), &cluster.nodes[0], &[]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let ended = posting.await.unwrap().unwrap();
    assert_eq!(ended.refusal(502), "gateway_error");
    assert!(ended.header("retry-after").is_some());
    let again = until("it goes to the successor", async || {
        let answer = client.post(message.bytes.clone()).await;
        (answer.status == 200).then(|| answer.json::<quipu_tests::Scheduled>())
    });
    ledger.acknowledge(process, message.id, again.await.timestamp);
    ledger.send(&client, &user, process, 5).await;
    frozen.signal("CONT");
    ledger.send(&client, &user, process, 5).await;
    ledger.check(&client, 1).await;
    router.stop();
}

#[tokio::test]
async fn a_spawn_that_was_only_assigned_has_no_home_by_that() {
    let (folder, gateway) = (folder(), Gateway::start());
    let kept = crate::folder();
    let fuller = Launch::su(kept.path()).wallet(KeyType::Ed25519).gateway(gateway.url());
    let fuller = fuller.set("ENABLE_PROCESS_ASSIGNMENT", "true").start();
    let (_kept, emptier) = node(&gateway);
    let launch = Launch::router(folder.path(), &[&fuller.url(), &emptier.url()]);
    let (router, user) = (launch.serve(), User::new(1));
    let (process, other, spawn) = (user.process(), user.process(), user.process());
    for process in [&process, &other] {
        fuller.client().schedule(process).await;
        router.client().schedule(&user.message(process.id, b"known")).await;
    }
    let arweave = Client::new(gateway.url());
    let sent = arweave.request(Method::POST, "/tx").body(spawn.bytes.clone());
    assert_eq!(arweave.send(sent).await.unwrap().status, 200);
    let assign = format!("/?process-id={}&assign={}", process.id, spawn.id);
    let assigned = fuller.client();
    let assigned = assigned.send(assigned.request(Method::POST, &assign)).await.unwrap();
    assert_eq!(assigned.status, 200, "{}", assigned.text());
    assert_eq!(router.client().get(&format!("/{}", spawn.id)).await.status, 200);
    router.client().schedule(&spawn).await;
    let before = home(&router, spawn.id).await;
    assert_eq!(before, emptier.url(), "the one with the fewest");
    router.kill();
    let router = launch.serve();
    assert_eq!(home(&router, spawn.id).await, before);
    assert!(has(&emptier, spawn.id).await && !has(&fuller, spawn.id).await);
    router.stop();
}

#[tokio::test]
async fn a_page_of_somebody_else_is_no_home() {
    let (folder, gateway, page) = (folder(), Gateway::start(), ToldServer::start());
    let (_kept, node) = node(&gateway);
    let process = User::new(1).process();
    node.client().schedule(&process).await;
    page.answer(
        200,
        &[("content-type", "text/html")],
        &format!("<p>/processes/{} will be back soon", process.id),
    );
    let router = Launch::router(folder.path(), &[&page.url(), &node.url()]).serve();
    assert_eq!(home(&router, process.id).await, node.url());
    // Whether it has what nobody else has cannot be said.
    assert_eq!(router.client().get(&format!("/processes/{NOTHING}")).await.refusal(503), "unavailable");
    router.stop();
}

#[tokio::test]
async fn a_copy_that_is_dead_or_put_away_leaves_no_doubt() {
    let (folders, gateway, copy) = ([folder(), folder()], Gateway::start(), ToldServer::start());
    let launch = Launch::router(folders[0].path(), &[]).unset("SCHEDULER_LIST_PATH").port(free_port());
    let router = launch.serve();
    let registers = async |store: &str| {
        copy.answer(200, &[("quipu-store", store), ("quipu-term", "1"), ("quipu-role", "standby")], "");
        let answer = register(&router, &form(&copy.url(), store, 1, "standby")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    // The copy is known first.
    registers("1b4e28ba-2fa1-11d2-883f-0016d3cca427").await;
    let one = Launch::su(folders[1].path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
    let one: Node = one.wallet(KeyType::Ed25519).port(free_port()).registered_at(&router).start();
    let status: Value = one.admin().get("/status").await.json();
    let own = status["store"].as_str().unwrap();
    registers(own).await;
    let client = router.client();
    until("both are known", async || {
        let own = member(&router, &one.url()).await;
        (client.get("/health").await.status == 200 && own["role"] == "leader").then_some(())
    })
    .await;
    copy.answer(500, &[], "");
    assert_eq!(client.get(&format!("/processes/{NOTHING}")).await.refusal(404), "not_found");

    // Forgotten, and with an answer to everything: it is asked for nothing.
    forget(&router, &copy.url());
    let process = User::new(1).process();
    copy.answer(
        200,
        &[("quipu-store", own), ("quipu-term", "9"), ("quipu-role", "leader")],
        &json!({ "process_id": process.id.to_string() }).to_string(),
    );
    one.client().schedule(&process).await;
    assert_eq!(home(&router, process.id).await, one.url());
    until("what is put away is no trouble", async || {
        (router.admin().get("/checks").await.status == 200).then_some(())
    })
    .await;
    router.stop();
    one.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_is_found_while_nothing_can_be_kept() {
    let (kept, mut postgres) = (folder(), Postgres::start());
    let mut cluster = members::cluster(3, 1).await;
    let urls: Vec<String> = cluster.nodes.iter().map(Node::url).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let router = Launch::router(kept.path(), &urls).set("DATABASE_URL", postgres.url()).serve();
    let (ledger, user) = (Ledger::default(), User::new(1));
    until("the router knows all of them", async || {
        let all: Vec<Value> = router.admin().get("/schedulers").await.json();
        all.iter().all(|one| one["store"] == all[0]["store"] && !one["store"].is_null()).then_some(())
    })
    .await;
    let process = ledger.spawn(&router.client(), &user, 1).await[0];
    postgres.kill();
    cluster.nodes.remove(0).kill();
    let done = promote(cluster.folders[1].path(), &cluster.nodes[0], &[]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    schedules(&cluster.nodes[0]).await;
    until("it is found", async || {
        let message = user.message(process, b"found");
        ledger.post(process, &message);
        let answer = router.client().post(message.bytes).await;
        let scheduled: Option<Value> = (answer.status == 200).then(|| answer.json());
        scheduled.map(|scheduled| {
            ledger.acknowledge(process, message.id, scheduled["timestamp"].as_u64().unwrap())
        })
    })
    .await;
    ledger.send(&router.client(), &user, process, 5).await;
    postgres.restart();
    assert!(ledger.check(&router.client(), 5).await > 6);
    router.stop();
}

#[tokio::test]
async fn who_has_a_process_from_before_keeps_it() {
    let (folder, gateway) = (folder(), Gateway::start());
    let [(_kept, had), (_kept_too, other)] = [node(&gateway), node(&gateway)];
    let (user, ledger) = (User::new(1), Ledger::default());
    let process = user.process();
    let before = had.client().schedule(&process).await;
    had.client().schedule(&user.process()).await;
    let router = Launch::router(folder.path(), &[&other.url(), &had.url()]).serve();
    // Anybody can send it again: it is public.
    assert_eq!(router.client().schedule(&process).await.timestamp, before.timestamp);
    assert_eq!(home(&router, process.id).await, had.url());
    assert!(!has(&other, process.id).await);
    let new = ledger.spawn(&router.client(), &user, 1).await[0];
    assert_eq!(home(&router, new).await, other.url());
    router.stop();
}

#[tokio::test]
async fn nothing_is_placed_where_nobody_is() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (_kept, node) = node(&gateway);
    let dead = format!("http://127.0.0.1:{}", free_port());
    let router = Launch::router(folder.path(), &[&dead, &node.url()]).serve();
    let (client, user) = (router.client(), User::new(1));
    for _ in 0..3 {
        let process = user.process();
        // It is asked for until it is seen to be away.
        until("it is placed", async || {
            (client.post(process.bytes.clone()).await.status == 200).then_some(())
        })
        .await;
        assert_eq!(home(&router, process.id).await, node.url());
    }
    router.stop();
}

#[tokio::test]
async fn no_scheduler_takes_a_process_by_saying_that_it_has_come_to_it() {
    let (folder, gateway, liar) = (folder(), Gateway::start(), ToldServer::start());
    let (_kept, node) = node(&gateway);
    let router = Launch::router(folder.path(), &[&node.url()]).serve();
    let (client, user) = (router.client(), User::new(1));
    let process = spawned(&client, &user).await;
    let store = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
    let told = [("quipu-store", store), ("quipu-term", "1"), ("quipu-role", "leader"), ("quipu-moves", "1")];
    let came = json!({ "process": process.id.to_string(), "version": u64::MAX });
    liar.answer(200, &told, &json!({ "moves": [came], "next": 1 }).to_string());
    let added = router.admin().request(Method::POST, "/schedulers");
    let added = added.json(&json!({ "url": liar.url(), "no_route": true }));
    assert_eq!(router.admin().send(added).await.unwrap().status, 200);
    router.said("a scheduler says that a process came to it, and that is wrong");
    assert_eq!(home(&router, process.id).await, node.url());
    client.schedule(&user.message(process.id, b"as before")).await;
    router.stop();
}
