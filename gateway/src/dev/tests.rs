#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{fs, path::Path};

use bytes::Bytes;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    chain::{Chain, unix_ms},
    *,
};
use crate::testing::{item, wallet};

mod control;

const HOUR: Duration = Duration::from_secs(3600);

struct World {
    dev: DevGateway,
    client: Client,
}

impl World {
    async fn start(store: &Path) -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        let options = DevOptions { listen, store: store.to_owned(), block_every: HOUR };
        Self { dev: DevGateway::start(options).await.unwrap(), client: Client::new() }
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.dev.addr()))
    }

    async fn json(&self, request: RequestBuilder) -> (StatusCode, Value) {
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}")))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, value) = self.json(self.call(Method::GET, path)).await;
        assert_eq!(status, 200, "{value}");
        value
    }

    async fn post(&self, path: &str, body: Bytes) -> (StatusCode, Value) {
        self.json(self.call(Method::POST, path).body(body)).await
    }

    async fn put_item(&self, tags: &[(&str, &str)], data: &[u8]) -> String {
        let (status, receipt) = self.post("/tx/arweave", item(tags, data)).await;
        assert_eq!(status, 200, "{receipt}");
        receipt["id"].as_str().unwrap().to_owned()
    }

    async fn query(&self, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let (status, answer) = self.post("/graphql", body.into()).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// The values of the tag `N` that come back for some arguments.
    async fn select(&self, arguments: &str) -> Vec<String> {
        let query =
            format!("{{ transactions({arguments}) {{ edges {{ node {{ tags {{ name value }} }} }} }} }}");
        numbers(&self.query(&query, json!({})).await)
    }
}

fn edges(answer: &Value) -> &Vec<Value> {
    answer["data"]["transactions"]["edges"].as_array().unwrap_or_else(|| panic!("{answer}"))
}

fn numbers(answer: &Value) -> Vec<String> {
    let number = |edge: &Value| edge["node"]["tags"][0]["value"].as_str().unwrap().to_owned();
    edges(answer).iter().map(number).collect()
}

#[tokio::test]
async fn an_item_is_served_at_its_paths() {
    let store = TempDir::new().unwrap();
    let world = World::start(store.path()).await;
    let id = world.put_item(&[("content-type", "text/html")], b"<p>hello").await;
    for path in [format!("/{id}"), format!("/raw/{id}"), format!("/tx/{id}")] {
        let response = world.call(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/html", "{path}");
        assert_eq!(response.headers()["access-control-allow-origin"], "*", "{path}");
        assert_eq!(response.text().await.unwrap(), "<p>hello", "{path}");
        let response = world.call(Method::HEAD, &path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
    }
    let about = world.get("/").await;
    assert_eq!(about["items"], 1);
    let info = world.get("/info").await;
    assert_eq!((&info["network"], &info["height"]), (&json!("ao.dev"), &about["height"]));
    let status = world.get(&format!("/tx/{id}/status")).await;
    assert_eq!(status["block_height"], info["height"]);
    assert_eq!(status["number_of_confirmations"], 1);
}

#[tokio::test]
async fn what_is_not_there_is_a_404_for_any_origin() {
    let store = TempDir::new().unwrap();
    let world = World::start(store.path()).await;
    let id = "DFdbUxgkH-Fjr1vcIUEpwQxsqj-JoolbpWCnn_vBzqI";
    for path in
        [format!("/{id}"), format!("/raw/{id}"), format!("/tx/{id}/status"), "/x".into(), "/a/b/c".into()]
    {
        let response = world.call(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(response.headers()["access-control-allow-origin"], "*", "{path}");
        let body: Value = response.json().await.unwrap();
        assert!(body["error"].is_string(), "{body}");
    }
    let response = world.call(Method::OPTIONS, "/tx/arweave").send().await.unwrap();
    assert_eq!(response.status(), 204);
    assert_eq!(response.headers()["access-control-allow-headers"], "*");
}

#[tokio::test]
async fn every_signed_vector_is_taken_and_every_flawed_one_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/vectors");
    let manifest: Value = serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let store = TempDir::new().unwrap();
    let world = World::start(store.path()).await;
    let (mut taken, mut refused) = (0, 0);
    for vector in manifest.as_array().unwrap() {
        let file = vector["file"].as_str().unwrap();
        if file.starts_with("bundle.") {
            continue;
        }
        let bytes = fs::read(folder.join(file)).unwrap();
        let (status, answer) = world.post("/tx", bytes.into()).await;
        if vector["valid"] == true {
            assert_eq!((status.as_u16(), &answer["id"]), (200, &vector["id"]), "{file}: {answer}");
            taken += 1;
        } else {
            assert_eq!(status, 400, "{file}: {answer}");
            assert!(answer["error"].is_string(), "{file}: {answer}");
            refused += 1;
        }
    }
    assert!(taken > 0 && refused > 0);
    assert_eq!(world.get("/").await["items"], taken);
}

#[tokio::test]
async fn items_beyond_the_bound_are_refused() {
    let store = TempDir::new().unwrap();
    let world = World::start(store.path()).await;
    let (status, answer) = world.post("/id", vec![0; 16 * 1024 * 1024 + 1].into()).await;
    assert_eq!(status, 413, "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("16777216 bytes"), "{answer}");
}

#[tokio::test]
async fn an_item_sent_again_is_one_item() {
    let store = TempDir::new().unwrap();
    let world = World::start(store.path()).await;
    let first = world.put_item(&[], b"same").await;
    assert_eq!(world.put_item(&[], b"same").await, first);
    assert_eq!(world.get("/").await["items"], 1);
}

#[tokio::test]
async fn items_and_height_outlive_a_restart() {
    let store = TempDir::new().unwrap();
    let world = World::start(store.path()).await;
    let mut ids = Vec::new();
    for n in ["1", "2", "3"] {
        ids.push(world.put_item(&[("N", n)], n.as_bytes()).await);
    }
    let height = world.get("/info").await["height"].as_u64().unwrap();
    world.dev.shutdown().await.unwrap();

    // Five blocks go by, and a broken file turns up.
    let path = store.path().join("chain.json");
    let mut chain: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    chain["at_ms"] = json!(chain["at_ms"].as_u64().unwrap() - 5 * 3_600_000);
    fs::write(&path, chain.to_string()).unwrap();
    fs::write(store.path().join("items").join(&ids[0][..2]).join("broken"), "QUIPU").unwrap();

    let world = World::start(store.path()).await;
    assert_eq!(
        world.get("/").await,
        json!({
            "name": "Quipu development gateway", "items": 3, "height": height + 5,
        })
    );
    assert_eq!(world.get(&format!("/tx/{}/status", ids[0])).await["number_of_confirmations"], 6);
    let data = world.call(Method::GET, &format!("/raw/{}", ids[1])).send().await.unwrap();
    assert_eq!(data.text().await.unwrap(), "2");
    world.put_item(&[("N", "4")], b"4").await;
    assert_eq!(world.select("sort: HEIGHT_ASC").await, ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let store = TempDir::new().unwrap();
    let world = World::start(store.path()).await;
    let listen = world.dev.addr();
    let other = TempDir::new().unwrap();
    let options = DevOptions { listen, store: other.path().to_owned(), block_every: HOUR };
    let error = DevGateway::start(options).await.unwrap_err();
    assert!(error.to_string().contains(&listen.to_string()), "{error}");
}

#[test]
fn the_height_grows_with_time_and_never_falls() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("chain.json");
    let begin = |height: u64, ago_ms: u64, every_ms: u64| {
        let at_ms = unix_ms() - ago_ms;
        let kept = json!({ "height": height, "at_ms": at_ms, "block_every_ms": every_ms });
        fs::write(&path, kept.to_string()).unwrap();
    };
    let open = |every: Duration, highest| Chain::open(&path, every, highest).unwrap().height();
    let hour_ms = 3_600_000;

    assert_eq!(open(HOUR, 0), 1_000_000);
    begin(50, 3 * hour_ms, hour_ms);
    assert_eq!(open(HOUR, 0), 53);
    assert_eq!(open(HOUR, 0), 53, "opening it again changes nothing");
    begin(50, 3 * hour_ms, hour_ms);
    assert_eq!(open(HOUR * 24, 0), 53, "what went by counts in the blocks of its time");
    begin(50, 0, hour_ms);
    assert_eq!(open(HOUR, 60), 60, "it is never below an item's block");
    fs::write(&path, "{").unwrap();
    assert_eq!(open(HOUR, 2_000_000), 2_000_000, "a broken file is made anew");
    let error = Chain::open(&path, Duration::ZERO, 0).unwrap_err();
    assert!(matches!(error, DevError::BlockEvery(_)), "{error}");
}

#[tokio::test]
async fn transactions_are_found_by_every_condition() {
    let store = TempDir::new().unwrap();
    let world = World::start(store.path()).await;
    let mut ids = Vec::new();
    for (n, kind) in [("1", "a"), ("2", "b"), ("3", "a"), ("4", "c")] {
        ids.push(world.put_item(&[("N", n), ("Kind", kind)], b"").await);
    }
    let owner = ans104::Signer::address(&wallet());
    let recipient = ans104::base64url::encode(&[1; 32]);
    for (arguments, expected) in [
        ("first: 100".to_owned(), vec!["4", "3", "2", "1"]),
        ("sort: HEIGHT_ASC".to_owned(), vec!["1", "2", "3", "4"]),
        ("first: 2".to_owned(), vec!["4", "3"]),
        ("first: 0".to_owned(), vec![]),
        ("ids: []".to_owned(), vec!["4", "3", "2", "1"]),
        (format!("ids: [{:?}, {:?}]", ids[0], ids[2]), vec!["3", "1"]),
        (format!("sort: HEIGHT_ASC, ids: [{0:?}, {1:?}, {0:?}]", ids[2], ids[0]), vec!["1", "3"]),
        (format!("first: 1, ids: [{:?}, \"other\", {:?}]", ids[2], ids[0]), vec!["3"]),
        (format!("ids: [{:?}], tags: {{name: \"Kind\", values: \"b\"}}", ids[0]), vec![]),
        ("ids: [\"other\"]".to_owned(), vec![]),
        (format!("owners: [{:?}]", owner.to_string()), vec!["4", "3", "2", "1"]),
        ("owners: [\"other\"]".to_owned(), vec![]),
        (format!("recipients: [{recipient:?}]"), vec!["4", "3", "2", "1"]),
        ("recipients: [\"other\"]".to_owned(), vec![]),
        ("tags: [{name: \"Kind\", values: [\"a\", \"b\"]}]".to_owned(), vec!["3", "2", "1"]),
        ("tags: {name: \"Kind\", values: \"c\"}".to_owned(), vec!["4"]),
        ("tags: [{name: \"Kind\", values: [\"a\"]}, {name: \"N\", values: [\"3\"]}]".to_owned(), vec!["3"]),
    ] {
        assert_eq!(world.select(&arguments).await, expected, "{arguments}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_to_the_end() {
    let store = TempDir::new().unwrap();
    let world = World::start(store.path()).await;
    for n in ["1", "2", "3", "4", "5"] {
        world.put_item(&[("N", n)], b"").await;
    }
    let query = "query ($first: Int!, $after: String, $sort: SortOrder, $tags: [TagFilter!]) {
        transactions(first: $first, after: $after, sort: $sort, tags: $tags) {
            pageInfo { hasNextPage } edges { cursor node { tags { name value } } } } }";
    for (sort, expected) in
        [("HEIGHT_DESC", ["5", "4", "3", "2", "1"]), ("HEIGHT_ASC", ["1", "2", "3", "4", "5"])]
    {
        let (mut seen, mut after) = (Vec::new(), Value::Null);
        loop {
            let variables = json!({ "first": 2, "after": after, "sort": sort, "tags": [] });
            let answer = world.query(query, variables).await;
            seen.extend(numbers(&answer));
            if answer["data"]["transactions"]["pageInfo"]["hasNextPage"] == false {
                break;
            }
            assert_eq!(edges(&answer).len(), 2);
            after = edges(&answer)[1]["cursor"].clone();
        }
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn all_fields_are_told() {
    let store = TempDir::new().unwrap();
    let world = World::start(store.path()).await;
    let bytes = item(&[("Content-Type", "text/plain")], b"hello");
    let item = ans104::Item::parse(&bytes).unwrap();
    world.post("/tx", bytes.clone()).await;
    let query = "query One($id: ID!) { transaction(id: $id) { id anchor signature recipient
        owner { address key } tags { name value } data { size type } block { height timestamp id } } }";
    let mut answer = world.query(query, json!({ "id": item.id() })).await;
    let block = answer["data"]["transaction"]["block"].take();
    assert_eq!(block["height"], world.get("/info").await["height"]);
    assert_eq!(block["id"].as_str().unwrap().len(), 43);
    assert!(unix_ms() / 1000 - block["timestamp"].as_u64().unwrap() < 3600);
    let encode = ans104::base64url::encode;
    assert_eq!(
        answer["data"]["transaction"],
        json!({
            "id": item.id(), "anchor": encode(&[2; 32]), "signature": encode(item.signature()),
            "recipient": encode(&[1; 32]),
            "owner": { "address": item.address(), "key": encode(item.owner()) },
            "tags": [{ "name": "Content-Type", "value": "text/plain" }],
            "data": { "size": "5", "type": "text/plain" }, "block": null,
        })
    );
    let other = world.query(query, json!({ "id": "nothing" })).await;
    assert_eq!(other["data"]["transaction"], Value::Null);
}

#[tokio::test]
async fn bad_queries_are_errors_in_json() {
    let store = TempDir::new().unwrap();
    let world = World::start(store.path()).await;
    for query in ["{ transactions { none } }", "{", "{ transactions(after: \"x\") { edges { cursor } } }"] {
        let answer = world.query(query, json!({})).await;
        assert!(answer["errors"][0]["message"].is_string(), "{answer}");
    }
    let (status, answer) = world.post("/graphql", "no JSON".into()).await;
    assert_eq!(status, 400);
    assert!(answer["errors"][0]["message"].is_string(), "{answer}");
}
