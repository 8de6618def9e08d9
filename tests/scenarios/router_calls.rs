//! What nodes ask a router, and its answers held against what it says of itself.

use ans104::{Id, KeyType};
use quipu_tests::{
    Answer, Client, Gateway, Launch, Node, OpenApiDescription, Signed, User, free_port, until,
};
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::folder;
use crate::router::node;

const NOTHING: &str = "N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI";

/// Schedules an item as HyperBEAM's clients do.
async fn schedule(client: &Client, path: &str, item: &[u8]) -> Answer {
    let request = client.request(Method::POST, path).header("content-type", "application/ans104");
    client.send(request.body(item.to_vec())).await.unwrap()
}

/// Two nodes that ask the router that is at this port.
fn asking(gateway: &Gateway, router: u16) -> [(TempDir, Node); 2] {
    [(); 2].map(|()| {
        let folder = folder();
        let node = Launch::su(folder.path())
            .wallet(KeyType::Ed25519)
            .gateway(gateway.url())
            .set("ENABLE_ROUTER_CHECK", "true")
            .set("ROUTER_URL", format!("http://127.0.0.1:{router}"))
            .start();
        (folder, node)
    })
}

#[tokio::test]
async fn nodes_take_what_the_router_has_placed_with_them_and_nothing_else() {
    for mode in ["auto", "forward"] {
        let (folder, gateway, port) = (folder(), Gateway::start(), free_port());
        let nodes = asking(&gateway, port);
        let urls = [nodes[0].1.url(), nodes[1].1.url()];
        let router =
            Launch::router(folder.path(), &[&urls[0], &urls[1]]).port(port).set("ROUTER_MODE", mode).serve();
        let user = User::new(1);
        let process = user.process();
        // Past the router it belongs nowhere.
        assert_eq!(nodes[0].1.client().post(process.bytes.clone()).await.refusal(403), "forbidden", "{mode}");
        let other = user.process();
        for item in [&process, &other] {
            until("what was sought in vain is forgotten", async || {
                (router.client().post(item.bytes.clone()).await.status == 200).then_some(())
            })
            .await;
        }
        let home = crate::router::home(&router, process.id).await;
        let elsewhere = nodes.iter().find(|(_, node)| node.url() != home).unwrap();
        let refused = elsewhere.1.client().post(process.bytes.clone()).await;
        assert_eq!(refused.refusal(403), "forbidden", "{mode}: {}", refused.text());
        assert_ne!(crate::router::home(&router, other.id).await, home, "{mode}");
        router.client().schedule(&user.message(process.id, b"message")).await;
        router.stop();
    }
}

/// Holds an answer against the description of its listener.
fn hold(description: &OpenApiDescription, call: &str, answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{call}: {}", answer.text());
    if let Err(difference) = description.check(call, answer) {
        panic!("{call} answers {status} otherwise than described: {difference}\n{:.400}", answer.text());
    }
}

/// Paths of calls, what is asked for there, and what is answered.
fn public_reads(process: Id) -> Vec<(&'static str, String, u16)> {
    vec![
        ("GET /", "/".to_owned(), 200),
        ("GET /", format!("/?process-id={process}"), 200),
        ("GET /health", "/health".to_owned(), 200),
        ("GET /metrics", "/metrics".to_owned(), 200),
        ("GET /timestamp", format!("/timestamp?process-id={process}"), 200),
        ("GET /timestamp", "/timestamp".to_owned(), 400),
        ("GET /processes/{process}", format!("/processes/{process}"), 200),
        ("GET /processes/{process}", format!("/processes/{NOTHING}"), 404),
        ("GET /{process}/latest", format!("/{process}/latest"), 200),
        ("GET /{id}", format!("/{process}"), 200),
        ("GET /{id}", "/nothing".to_owned(), 400),
        ("GET /{process}/schedule", format!("/{process}/schedule?accept=application/aos-2"), 200),
        ("GET /{process}/schedule", "/~scheduler@1.0/schedule".to_owned(), 400),
        ("GET /{process}/slot", format!("/{process}/slot"), 200),
        ("GET /{process}/slot/current", format!("/{process}/slot/current"), 200),
    ]
}

#[tokio::test]
async fn answers_of_a_router_are_as_they_are_described() {
    let gateway = Gateway::start();
    let (_kept, node) = node(&gateway);
    let (user, message): (User, fn(&User, Id) -> Signed) =
        (User::new(1), |user, id| user.message(id, b"message"));
    let process = user.process();
    for mode in ["forward", "auto"] {
        // Each has a folder of its own: who is registered here and away would still be asked by the next.
        let folder = folder();
        let launch = Launch::router(folder.path(), &[&node.url()]).set("ENABLE_METRICS", "true");
        let router = launch.set("ROUTER_MODE", mode).serve();
        let client = router.client();
        let description = OpenApiDescription::of(&client).await;
        until("the router knows the address", async || (client.get("/").await.status == 200).then_some(()))
            .await;
        hold(&description, "POST /", &client.post(process.bytes.clone()).await, 200);
        hold(&description, "POST /", &client.post(message(&user, process.id).bytes).await, 200);
        hold(&description, "POST /", &client.post("no item".into()).await, 400);
        let path = format!("/{}/schedule", process.id);
        let placed = schedule(&client, &path, &message(&user, process.id).bytes).await;
        hold(&description, "POST /{process}/schedule", &placed, 200);
        for (call, path, status) in public_reads(process.id) {
            let answer = client.get(&path).await;
            // What a redirect led to is the node's to describe.
            if mode == "forward" || status != 200 {
                hold(&description, call, &answer, status);
            }
        }
        let admin = router.admin();
        let description = OpenApiDescription::of(&admin).await;
        for (call, path, status) in [
            ("GET /health", "/health".to_owned(), 200),
            ("GET /status", "/status".to_owned(), 200),
            ("GET /checks", "/checks".to_owned(), 200),
            ("GET /schedulers", "/schedulers".to_owned(), 200),
            ("GET /homes/{process}", format!("/homes/{}", process.id), 200),
            ("GET /homes/{process}", format!("/homes/{NOTHING}"), 404),
        ] {
            hold(&description, call, &admin.get(&path).await, status);
        }
        let store = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
        let registered = |url: &str, store: &str| json!({ "url": url, "store": store, "term": 1, "role": "leader", "version": "1" });
        let own = node.admin().get("/status").await.json::<serde_json::Value>();
        let own = own["store"].as_str().unwrap();
        for (path, form, status) in [
            ("/schedulers", json!({ "url": node.url() }), 200),
            ("/schedulers", json!({ "url": "nowhere" }), 400),
            ("/schedulers/register", registered(&node.url(), own), 200),
            // It is the URL of another, or of nobody.
            ("/schedulers/register", registered(&node.url(), store), 400),
            ("/schedulers/register", registered("http://127.0.0.1:1", store), 503),
            ("/schedulers/register", json!({ "url": "http://127.0.0.1:1" }), 400),
            ("/schedulers", json!({ "url": "http://127.0.0.1:1" }), 200),
            ("/schedulers/retire", json!({ "url": "http://127.0.0.1:1" }), 200),
            ("/schedulers/forget", json!({ "url": "http://127.0.0.1:1" }), 200),
            ("/schedulers/forget", json!({ "url": "http://127.0.0.1:2" }), 404),
            ("/schedulers/retire", json!({ "url": "http://127.0.0.1:2" }), 404),
        ] {
            let answer = admin.send(admin.request(Method::POST, path).json(&form)).await.unwrap();
            hold(&description, &format!("POST {path}"), &answer, status);
        }
        router.stop();
    }
}
