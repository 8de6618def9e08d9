//! Schedulers that were just added to a router, and such as never come or are none: whoever has not answered as a scheduler gets
//! no process, and one that is gone for good closes no door for ever.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quipu_tests::{Answer, Gateway, Launch, Ledger, Node, ToldServer, User, free_port, until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::folder;
use crate::router::{has, home, member, node, placed, spawn_on};
use crate::router_registration::forget;

const NOTHING: &str = "N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI";

/// What a router answers to a change of what it knows of a scheduler.
pub async fn asked(router: &Node, path: &str, url: &str) -> Answer {
    let admin = router.admin();
    admin.send(admin.request(Method::POST, path).json(&json!({ "url": url }))).await.unwrap()
}

/// Changes what the router knows of a scheduler; what it says of it then.
pub async fn change(router: &Node, path: &str, url: &str) -> Value {
    let answer = asked(router, path, url).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn who_has_not_answered_as_a_scheduler_gets_no_process() {
    let (folder, gateway, port) = (folder(), Gateway::start(), free_port());
    let (_kept, node) = node(&gateway);
    let router = Launch::router(folder.path(), &[&node.url()]).port(port).serve();
    let (user, ledger) = (User::new(1), Ledger::default());
    // Fuller than all that come.
    ledger.spawn(&router.client(), &user, 2).await;
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    let [willing, page] = [ToldServer::start(), ToldServer::start()];
    willing.answer(200, &[("content-type", "application/json")], "{}");
    page.answer(200, &[("content-type", "text/html")], "<p>It works!");
    for (url, trouble) in [
        (silent, ""),
        (format!("http://127.0.0.1:{}", free_port()), ""),
        (router.url(), "a router answers there"),
        // The same one by another name.
        (format!("http://localhost:{port}"), "a router answers there"),
        (router.admin_url(), "that is an admin listener"),
        (node.admin_url(), "that is an admin listener"),
        (willing.url(), "is no scheduler"),
        (page.url(), "is no scheduler"),
    ] {
        let added = change(&router, "/schedulers", &url).await;
        assert_eq!(added["open"], false, "{added}");
        assert!(added["trouble"].as_str().unwrap().contains(trouble), "{added}");
        for process in [user.process(), user.process()] {
            // Not before it is seen to be away.
            until("it is placed", async || {
                (router.client().post(process.bytes.clone()).await.status == 200).then_some(())
            })
            .await;
            assert_eq!(home(&router, process.id).await, node.url(), "{url}");
            assert!(has(&node, process.id).await);
        }
        assert_eq!(member(&router, &url).await["processes"], 0);
    }
    router.stop();
}

#[tokio::test]
async fn an_existing_scheduler_is_known_by_its_address() {
    let (folder, existing) = (folder(), ToldServer::start());
    let router = Launch::router(folder.path(), &[&existing.url()]).serve();
    existing.answer(200, &[], &json!({ "timestamp": "1735689600000", "address": NOTHING }).to_string());
    until("it is open", async || (member(&router, &existing.url()).await["open"] == true).then_some(()))
        .await;
    assert_eq!(member(&router, &existing.url()).await["address"], NOTHING);
    // Another service in its place.
    existing.answer(200, &[], "{}");
    until("it is none", async || {
        let now = member(&router, &existing.url()).await;
        (now["open"] == false && now["trouble"].as_str()?.contains("is no scheduler")).then_some(())
    })
    .await;
    router.stop();
}

#[tokio::test]
async fn a_list_that_names_somebody_new_has_them_asked_at_once() {
    let (folder, gateway) = (folder(), Gateway::start());
    let [(_kept, first), (_kept_too, second)] = [node(&gateway), node(&gateway)];
    let router = Launch::router(folder.path(), &[&first.url()]).serve();
    let (user, client) = (User::new(1), router.client());
    client.schedule(&user.process()).await;
    let list = json!([{ "url": first.url(), "no_route": true }, { "url": second.url() }]).to_string();
    std::fs::write(folder.path().join("schedulers.json"), list).unwrap();
    router.signal("HUP");
    until("the list is read", async || {
        let all: Vec<Value> = router.admin().get("/schedulers").await.json();
        (all.len() == 2).then_some(())
    })
    .await;
    // Nobody else takes it: it waits until the new one was asked.
    let process = user.process();
    client.schedule(&process).await;
    assert_eq!(home(&router, process.id).await, second.url());
    router.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_is_edited_under_load_gives_each_spawn_one_home() {
    let (folder, gateway) = (folder(), Gateway::start());
    let nodes = [node(&gateway), node(&gateway)];
    let [first, second] = [nodes[0].1.url(), nodes[1].1.url()];
    let router = Launch::router(folder.path(), &[&first]).serve();
    let (stop, list) = (Arc::new(AtomicBool::new(false)), folder.path().join("schedulers.json"));
    let spawning: Vec<_> =
        (1..=2).map(|user| tokio::spawn(spawn_on(router.url(), user, stop.clone()))).collect();
    let both = json!([{ "url": first, "no_route": true }, { "url": second }]).to_string();
    let one = json!([{ "url": first }]).to_string();
    let (both, one) = (both.as_str(), one.as_str());
    for text in [both, "[", &both[..both.len() / 2], "[]", both, one] {
        std::fs::write(&list, text).unwrap();
        router.signal("HUP");
        let before = placed(&router).await;
        until("processes are spawned", async || (placed(&router).await > before + 10).then_some(())).await;
    }
    stop.store(true, Ordering::Relaxed);
    for task in spawning {
        for process in task.await.unwrap() {
            let home = home(&router, process).await;
            for (_, node) in &nodes {
                assert_eq!(has(node, process).await, node.url() == home, "{process}, {home}");
            }
        }
    }
    assert!(member(&router, &second).await["processes"].as_u64() > Some(0));
    router.stop();
}

#[tokio::test]
async fn one_that_is_gone_for_good_leaves_no_doubt_once_it_is_retired() {
    let gateway = Gateway::start();
    let (_kept, node) = node(&gateway);
    let dead = format!("http://127.0.0.1:{}", free_port());
    for forgets in [false, true] {
        let folder = folder();
        let router = Launch::router(folder.path(), &[&node.url(), &dead]).serve();
        let (client, user) = (router.client(), User::new(1));
        let path = format!("/processes/{NOTHING}");
        let refused = client.get(&path).await;
        assert_eq!(refused.refusal(503), "unavailable");
        // Which one was not asked, and what can be done.
        for part in [&dead, "quipu router retire"] {
            assert!(refused.text().contains(part), "{}", refused.text());
        }
        let message = user.message(NOTHING.parse().unwrap(), b"to nobody");
        assert_eq!(client.post(message.bytes.clone()).await.refusal(503), "unavailable");
        if forgets {
            forget(&router, &dead);
        } else {
            change(&router, "/schedulers/retire", &dead).await;
        }
        until("it counts no more", async || {
            let answer = client.get(&path).await;
            (answer.status == 404).then(|| assert_eq!(answer.refusal(404), "not_found"))
        })
        .await;
        until("it counts no more", async || {
            let answer = client.post(message.bytes.clone()).await;
            (answer.status == 400).then(|| assert_eq!(answer.refusal(400), "unknown_process"))
        })
        .await;
        router.stop();
    }
}
