//! What schedulers say of themselves when they register: a router believes what their URL bears out.

use ans104::{Id, KeyType};
use quipu_tests::{Answer, Gateway, Launch, Node, ToldServer, User, free_port, until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::folder;
use crate::router::{home, member};

pub async fn register(router: &Node, form: &Value) -> Answer {
    let admin = router.admin();
    admin.send(admin.request(Method::POST, "/schedulers/register").json(form)).await.unwrap()
}

pub fn form(url: &str, store: &str, term: u64, role: &str) -> Value {
    json!({ "url": url, "store": store, "term": term, "role": role, "version": "1", "admin": "http://127.0.0.1:1" })
}

pub fn forget(router: &Node, url: &str) {
    let (admin, token) = (router.admin_url(), router.token());
    let words = ["router", "forget", url, "--admin", &admin, "--token", &token];
    let done = Launch::command(std::path::Path::new("/"), &words).run();
    assert!(done.code == Some(0) && done.stdout.contains("leads no store"), "{}{}", done.stdout, done.stderr);
}

/// It does not count what a scheduler that is forgotten tells of processes that came to it.
async fn came_to_nobody(router: &Node, evil: &ToldServer, store: &str, process: Id) {
    let moves = json!({ "moves": [{ "process": process.to_string(), "version": 9 }], "next": 1 });
    let led = [("quipu-store", store), ("quipu-term", "9"), ("quipu-role", "leader"), ("quipu-moves", "1")];
    evil.answer(200, &led, &moves.to_string());
    let asked = evil.asked();
    until("it is asked again", async || (evil.asked() > asked + 4).then_some(())).await;
    let told: Value = router.admin().get(&format!("/homes/{process}")).await.json();
    assert_eq!(told["version"], 0, "{told}");
}

#[tokio::test]
async fn what_a_scheduler_says_of_itself_leads_nobody_to_where_it_is_not() {
    let (folders, gateway) = ([folder(), folder()], Gateway::start());
    let launch = Launch::router(folders[0].path(), &[]).unset("SCHEDULER_LIST_PATH").port(free_port());
    let router = launch.serve();
    let one = Launch::su(folders[1].path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
    let one = one.wallet(KeyType::Ed25519).port(free_port()).registered_at(&router).start();
    let client = router.client();
    until("it has registered itself", async || (client.get("/health").await.status == 200).then_some(()))
        .await;
    let process = User::new(1).process();
    client.schedule(&process).await;
    let status: Value = one.admin().get("/status").await.json();
    let own = status["store"].as_str().unwrap();
    let admin = member(&router, &one.url()).await["admin"].clone();
    let other = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";

    // Another node with its URL, and its own standby.
    for _ in 0..15 {
        let refused = register(&router, &form(&one.url(), other, 1, "leader")).await;
        assert!(
            refused.refusal(400) == "invalid_parameter" && refused.text().contains("PUBLIC_URL"),
            "{}",
            refused.text()
        );
        let refused = register(&router, &form(&one.url(), own, 1, "standby")).await;
        assert!(
            refused.refusal(400) == "invalid_parameter" && refused.text().contains("PUBLIC_URL"),
            "{}",
            refused.text()
        );
        assert_eq!(client.get(&format!("/processes/{}", process.id)).await.status, 200);
    }
    assert_eq!(member(&router, &one.url()).await["admin"], admin);
    // Nobody, and somebody who is no node.
    let evil = ToldServer::start();
    let claimed = |url: &str| form(url, own, u64::MAX, "leader");
    register(&router, &claimed("http://127.0.0.1:1")).await.refusal(503);
    register(&router, &claimed(&evil.url())).await.refusal(400);
    assert_eq!(home(&router, process.id).await, one.url());
    let all: Vec<Value> = router.admin().get("/schedulers").await.json();
    assert_eq!(all.len(), 1, "{all:?}");

    // A copy of the store, which somebody has started: it leads until that is taken back.
    evil.answer(200, &[("quipu-store", own), ("quipu-term", "9"), ("quipu-role", "leader")], "");
    assert_eq!(register(&router, &claimed(&evil.url())).await.status, 200);
    assert_eq!(home(&router, process.id).await, evil.url());
    forget(&router, &evil.url());
    assert_eq!(home(&router, process.id).await, one.url());
    let refused = register(&router, &claimed(&evil.url())).await;
    assert!(
        refused.refusal(400) == "invalid_parameter" && refused.text().contains("counts no more"),
        "{}",
        refused.text()
    );
    router.stop();
    let router = launch.serve();
    // It is looked at, and tells what it told.
    let asked = evil.asked();
    until("it is asked again", async || (evil.asked() > asked + 2).then_some(())).await;
    assert_eq!(home(&router, process.id).await, one.url());
    came_to_nobody(&router, &evil, own, process.id).await;
    assert_eq!(home(&router, process.id).await, one.url());
    router.stop();
    one.stop();
}

#[tokio::test]
async fn an_admin_listener_counts_if_it_is_that_of_the_node() {
    let (folders, gateway) = ([folder(), folder(), folder()], Gateway::start());
    let router = Launch::router(folders[0].path(), &[]).unset("SCHEDULER_LIST_PATH");
    let router = router.set("FAILOVER", "auto").set("REPLICATE_TOKEN", "a-token-of-the-test").serve();
    let su = |which: usize| {
        let su = Launch::su(folders[which].path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
        su.wallet(KeyType::Ed25519).port(free_port())
    };
    let (one, two) = (su(1).registered_at(&router).start(), su(2).start());
    until("it has registered itself", async || {
        (router.client().get("/health").await.status == 200).then_some(())
    })
    .await;
    let run = async |node: &Node| {
        let answers = [node.client().get("/health").await, node.admin().get("/health").await];
        let [told, at_admin] = answers.map(|answer| answer.header("quipu-node").unwrap().to_owned());
        assert_eq!(told, at_admin);
        told
    };
    let status: Value = one.admin().get("/status").await.json();
    let own = status["store"].as_str().unwrap();
    for (node, admin, status, words) in [
        // A setting that was copied, and one that is wrong.
        (&two, two.admin_url(), 400, "another node than the one that registers itself"),
        (&one, two.admin_url(), 400, "is not the admin listener"),
        (&one, two.url(), 400, "is not the admin listener"),
        (&one, "http://127.0.0.1:1".to_owned(), 503, "does not answer this router"),
    ] {
        let mut form = form(&one.url(), own, 1, "leader");
        (form["admin"], form["node"]) = (admin.into(), run(node).await.into());
        let refused = register(&router, &form).await;
        refused.refusal(status);
        assert!(refused.text().contains(words), "{}", refused.text());
        assert_eq!(member(&router, &one.url()).await["admin"], one.admin_url().as_str());
    }
    for node in [router, one, two] {
        node.stop();
    }
}
