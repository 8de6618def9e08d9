//! Real answers of every call of both listeners, held against the descriptions that the node gives of itself.

use std::collections::BTreeSet;

use ans104::Id;
use quipu_tests::{
    Act, Answer, Client, Gateway, Launch, Node, OpenApiDescription, Postgres, UploadNode, User, until,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::described_members::{kept_together, shipped};
use crate::described_moves::{moved, told_to_routers};
use crate::explored::{explored, lately};
use crate::folder;
use crate::tables::caught_up;
use crate::upload_faults::{launch, settled};

const TOKEN: &str = "the token of the test";
const NOBODY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A listener whose answers are held against its description.
pub struct Listener {
    pub client: Client,
    description: OpenApiDescription,
    token: Option<&'static str>,
    /// The calls that were answered with success.
    pub answered: BTreeSet<String>,
}

impl Listener {
    pub async fn of(client: Client, token: Option<&'static str>) -> Self {
        let description = OpenApiDescription::of(&client).await;
        Self { client, description, token, answered: BTreeSet::new() }
    }

    /// Asks for a path of a call; with a body the call is a POST of JSON, or of bytes.
    pub async fn ask(&mut self, call: &str, path: &str, body: Option<Value>, status: u16) -> Answer {
        let method = call.split_once(' ').unwrap().0.parse().unwrap();
        let request = self.client.request(method, path);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        self.send(call, request, status).await
    }

    pub async fn get(&mut self, path: &str, of: &str, status: u16) -> Answer {
        self.ask(&format!("GET {of}"), path, None, status).await
    }

    async fn send(&mut self, call: &str, request: reqwest::RequestBuilder, status: u16) -> Answer {
        let request = if let Some(token) = self.token { request.bearer_auth(token) } else { request };
        let answer = self.client.send(request).await.unwrap();
        self.hold(call, &answer, status);
        answer
    }

    pub fn hold(&mut self, call: &str, answer: &Answer, status: u16) {
        assert_eq!(answer.status, status, "{call}: {}", answer.text());
        if let Err(difference) = self.description.check(call, answer) {
            panic!("{call} answers {status} otherwise than described: {difference}\n{:.400}", answer.text());
        }
        if matches!(status, 200 | 201) {
            self.answered.insert(call.to_owned());
        }
    }

    /// Every call that is described was answered.
    fn assert_all_answered(&self) {
        let missing: Vec<_> = self.description.calls().difference(&self.answered).cloned().collect();
        assert!(missing.is_empty(), "no answer of these calls was looked at: {missing:?}");
    }
}

/// What is scheduled on the node, an assignment of what is on chain and a process without an assignment among it.
pub struct World {
    node: Node,
    pub process: Id,
    pub message: Id,
    pub assigned: String,
    pub unassigned: Id,
}

async fn post(listener: &mut Listener, item: &[u8], status: u16) -> Answer {
    let request = listener.client.request(Method::POST, "/").body(item.to_vec());
    listener.send("POST /", request, status).await
}

/// Starts a node with everything and schedules something of each kind.
async fn fill(launch: &Launch, gateway: &Gateway) -> World {
    let user = User::new(1);
    let spawn = |data: &[u8]| {
        let tags = [("Type", "Process"), ("Module", NOBODY), ("Scheduler", NOBODY)];
        user.item(None, &tags, data)
    };
    // What stands in for the upload node knows nothing that is on chain.
    let launch_to_fill = launch.clone().set("GRAPHQL_URL", gateway.url());
    let old = launch_to_fill.clone().set("ENABLE_PROCESS_ASSIGNMENT", "false").start();
    let unassigned = spawn(b"old");
    old.client().schedule(&unassigned).await;
    old.stop();

    let node = launch_to_fill.start();
    let client = node.client();
    let process = spawn(&[0xff, 0xfe]);
    client.schedule(&process).await;
    let message = user.message(process.id, b"a message");
    client.schedule(&message).await;
    let on_chain = user.message(process.id, b"on chain");
    let arweave = Client::new(gateway.url());
    let sent = arweave.request(Method::POST, "/tx").body(on_chain.bytes.clone());
    assert_eq!(arweave.send(sent).await.unwrap().status, 200);
    let assign = format!("/?process-id={}&assign={}", process.id, on_chain.id);
    let assigned = client.send(client.request(Method::POST, &assign)).await.unwrap();
    let assigned = assigned.json::<Value>()["id"].as_str().unwrap().to_owned();
    node.stop();
    World {
        node: launch.start(),
        process: process.id,
        message: message.id,
        assigned,
        unassigned: unassigned.id,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_as_they_are_described() {
    let (folder, gateway, uploads) = (folder(), Gateway::start(), UploadNode::start().await);
    let postgres = Postgres::start();
    let settings =
        launch(&folder, &gateway, &uploads).set("DATABASE_URL", postgres.url()).set("ENABLE_METRICS", "true");
    let world = fill(&settings, &gateway).await;
    settled(&world.node).await;
    caught_up(&world.node).await;
    let mut public = Listener::of(Client::unled(&world.node.url()), None).await;
    writes(&mut public, &world).await;
    reads(&mut public, &world).await;
    explored(&mut public, &world, "").await;
    hyperbeam(&mut public, &world).await;
    queries(&mut public, &world).await;
    told_to_routers(&mut public).await;
    public.assert_all_answered();
    caught_up(&world.node).await;
    settled(&world.node).await;

    let mut admin = Listener::of(world.node.admin(), None).await;
    states(&mut admin).await;
    explored(&mut admin, &world, "/public").await;
    dead_letters(&mut admin, &world, &uploads).await;
    replays(&mut admin, &world, &uploads).await;
    checkpoints(&mut admin).await;
    shipped(&mut admin).await;
    admin.answered.extend(kept_together().await);
    moved(&mut admin, &mut public, world.process).await;
    admin.assert_all_answered();
    world.node.stop();
}

async fn writes(public: &mut Listener, world: &World) {
    let user = User::new(2);
    let message = user.message(world.process, b"another");
    post(public, &message.bytes, 200).await;
    post(public, &message.bytes, 409).await;
    post(public, b"this is no item", 400).await;
    post(public, &vec![0; 11 << 20], 413).await;
    let assign = format!("/?process-id={}&assign={NOBODY}", world.process);
    public.ask("POST /", &assign, None, 404).await;
}

async fn reads(public: &mut Listener, world: &World) {
    let World { process, message, assigned, unassigned, .. } = world;
    public.get("/", "/", 200).await;
    public.get("/timestamp", "/timestamp", 200).await;
    public.get("/health", "/health", 200).await;
    public.get("/metrics", "/metrics", 200).await;
    for process in [process, unassigned] {
        public.get(&format!("/processes/{process}"), "/processes/{process}", 200).await;
        public.get(&format!("/{process}"), "/{id}", 200).await;
        public.get(&format!("/{process}?from-nonce=0&limit=1"), "/{id}", 200).await;
    }
    public.get(&format!("/processes/{NOBODY}"), "/processes/{process}", 404).await;
    public.get("/processes/abc", "/processes/{process}", 400).await;
    for path in [format!("/{process}/latest"), format!("/{process}/latest?show-anchor")] {
        public.get(&path, "/{process}/latest", 200).await;
    }
    let request = public.client.request(Method::GET, &format!("/{process}/stream"));
    let answer = public.client.send_until(request, b"}\n\n").await.unwrap();
    public.hold("GET /{process}/stream", &answer, 200);
    public.get("/abc/stream", "/{process}/stream", 400).await;
    public.get(&format!("/{NOBODY}/stream"), "/{process}/stream", 404).await;
    public.get("/abc/latest", "/{process}/latest", 400).await;
    public.get(&format!("/{unassigned}/latest"), "/{process}/latest", 404).await;
    for id in [message.to_string(), assigned.clone()] {
        public.get(&format!("/{id}"), "/{id}", 200).await;
    }
    public.get(&format!("/{process}?limit=0"), "/{id}", 400).await;
    public.get(&format!("/{NOBODY}"), "/{id}", 404).await;
}

async fn hyperbeam(public: &mut Listener, world: &World) {
    let World { process, assigned, .. } = world;
    let message = User::new(2).message(*process, b"for HyperBEAM").bytes;
    for of in ["/{process}/schedule", "/{process}/~scheduler@1.0/schedule"] {
        let (call, path) = (format!("POST {of}"), of.replace("{process}", &process.to_string()));
        // On the second path it is a repetition.
        for (kind, status) in [("application/ans104", 200), ("application/json", 422)] {
            let request = public.client.request(Method::POST, &path).body(message.clone());
            public.send(&call, request.header("content-type", kind), status).await;
        }
        for accept in ["application/aos-2", "application/json"] {
            public.get(&format!("{path}?accept={accept}"), of, 200).await;
        }
        public.get(&format!("{path}?accept=text/html"), of, 406).await;
        public.get(&format!("{path}?accept=application/aos-2&from=x"), of, 400).await;
    }
    public.get(&format!("/{assigned}/schedule?accept=application/aos-2"), "/{process}/schedule", 404).await;
    for of in ["/{process}/slot", "/{process}/slot/current"] {
        let path = of.replace("{process}", &process.to_string());
        public.get(&path, of, 200).await;
        public.ask(&format!("POST {of}"), &path, None, 200).await;
        public.get(&of.replace("{process}", assigned), of, 404).await;
    }
}

async fn queries(public: &mut Listener, world: &World) {
    let (message, assigned) = (&world.message, &world.assigned);
    for (path, of) in [
        ("/query/v1/processes?limit=1".to_owned(), "/query/v1/processes"),
        ("/query/v1/messages".into(), "/query/v1/messages"),
        ("/query/v1/messages?kind=assigned".into(), "/query/v1/messages"),
        (format!("/query/v1/items/{message}"), "/query/v1/items/{id}"),
        (format!("/query/v1/items/{assigned}"), "/query/v1/items/{id}"),
        ("/query/v1/totals".into(), "/query/v1/totals"),
        (format!("/query/v1/totals?process={NOBODY}"), "/query/v1/totals"),
        ("/graphql?query={transactions{edges{node{id,tags{name,value}}}}}".into(), "/graphql"),
    ] {
        public.get(&path, of, 200).await;
    }
    for (path, of, status) in [
        ("/query/v1/processes?limit=0".to_owned(), "/query/v1/processes", 400),
        ("/query/v1/messages?cursor=abc".into(), "/query/v1/messages", 400),
        ("/query/v1/messages?owners=abc".into(), "/query/v1/messages", 400),
        (format!("/query/v1/items/{NOBODY}"), "/query/v1/items/{id}", 404),
        ("/query/v1/totals?process=abc".into(), "/query/v1/totals", 400),
        ("/query/v1/totals?min-position=1000000".into(), "/query/v1/totals", 503),
        ("/graphql".into(), "/graphql", 400),
    ] {
        public.get(&path, of, status).await;
    }
    for (query, variables, status) in [
        (
            "{transactions(first: 2) {edges {cursor node {id}} pageInfo {hasNextPage}}}".to_owned(),
            Value::Null,
            200,
        ),
        ("query ($id: ID!) {transaction(id: $id) {id}}".into(), json!({ "id": message.to_string() }), 200),
        ("{transactions(after: \"x\") {count}}".into(), Value::Null, 200),
        ("{nothing}".into(), Value::Null, 200),
        (" ".into(), Value::Null, 400),
        ("x".repeat(300_000), Value::Null, 413),
    ] {
        let body = json!({ "query": query, "variables": variables });
        public.ask("POST /graphql", "/graphql", Some(body), status).await;
    }
}

async fn states(admin: &mut Listener) {
    for path in ["/status", "/health", "/projections", "/uploads"] {
        admin.get(path, path, 200).await;
    }
    lately(admin).await;
    // How full the disk of the tests is, is not theirs to say.
    let status = admin.client.get("/checks").await.status;
    assert!([200, 503].contains(&status), "{status}");
    admin.get("/checks", "/checks", status).await;
    // A record is published in scenarios of its own.
    admin.answered.extend(["GET /checks", "GET /location", "POST /location/publications"].map(str::to_owned));
}

async fn dead_letters(admin: &mut Listener, world: &World, uploads: &UploadNode) {
    uploads.decide(|_| Act::Answer(400));
    world.node.client().schedule(&User::new(3).message(world.process, b"refused")).await;
    settled(&world.node).await;
    let letters: Value =
        admin.get("/uploads/dead-letters?limit=1", "/uploads/dead-letters", 200).await.json();
    assert!(letters["dead_letters"].as_array().is_some_and(|letters| !letters.is_empty()), "{letters}");
    admin.get("/uploads/dead-letters?limit=0", "/uploads/dead-letters", 400).await;
    let (retry, reupload) = ("POST /uploads/dead-letters/retry", "POST /uploads/reupload");
    admin.ask(retry, "/uploads/dead-letters/retry", None, 200).await;
    uploads.lose(&[world.message]);
    let process = world.process.to_string();
    for body in [
        json!({ "process": process, "dry_run": true }),
        json!({ "process": process, "since_ms": 1 }),
        json!({ "process": process }),
    ] {
        let found: Value = admin.ask(reupload, "/uploads/reupload", Some(body), 200).await.json();
        assert!(found["missing"].as_array().is_some_and(|missing| !missing.is_empty()), "{found}");
    }
    uploads.decide(|_| Act::Take);
    admin.ask(retry, "/uploads/dead-letters/retry", None, 200).await;
    admin.ask(reupload, "/uploads/reupload", Some(json!({ "process": process })), 200).await;
    admin.ask(reupload, "/uploads/reupload", Some(json!({ "process": NOBODY })), 404).await;
    admin.ask(reupload, "/uploads/reupload", Some(json!({ "process": "abc" })), 400).await;
    admin.ask(reupload, "/uploads/reupload", None, 415).await;
}

async fn replays(admin: &mut Listener, world: &World, uploads: &UploadNode) {
    let start = |body| (Some(body), "/jobs", "POST /jobs");
    for (body, status) in [
        (json!({ "projection": "index" }), 200),
        (json!({ "projection": "nothing" }), 400),
        (json!({ "projection": 1 }), 400),
        (json!({ "projection": "x".repeat(100_000) }), 413),
    ] {
        let (body, path, call) = start(body);
        admin.ask(call, path, body, status).await;
    }
    admin.ask("POST /jobs", "/jobs", None, 415).await;
    // Uploads that get no answer are still being replayed when they are cancelled.
    uploads.decide(|_| Act::Hang);
    let replay = json!({ "projection": "uploads", "from": 0, "process": world.process.to_string() });
    let job: Value = admin.ask("POST /jobs", "/jobs", Some(replay.clone()), 200).await.json();
    admin.ask("POST /jobs", "/jobs", Some(replay), 409).await;
    let job = &job["id"];
    admin.get(&format!("/jobs/{job}"), "/jobs/{id}", 200).await;
    admin.ask("POST /jobs/{id}/cancel", &format!("/jobs/{job}/cancel"), None, 200).await;
    // Were they answered now, the replay might be done before it is cancelled.
    until("the replay has ended", async || {
        let told: Value = admin.client.get(&format!("/jobs/{job}")).await.json();
        (told["state"] != "running").then_some(())
    })
    .await;
    uploads.decide(|_| Act::Take);
    admin.ask("POST /jobs/{id}/cancel", &format!("/jobs/{job}/cancel"), None, 409).await;
    admin.ask("POST /jobs/{id}/resume", &format!("/jobs/{job}/resume"), None, 200).await;
    admin.get("/jobs", "/jobs", 200).await;
    admin.get("/jobs/1000", "/jobs/{id}", 404).await;
    admin.get("/jobs/x", "/jobs/{id}", 400).await;
    admin.ask("POST /jobs/{id}/resume", "/jobs/1000/resume", None, 404).await;
}

async fn checkpoints(admin: &mut Listener) {
    const ALL: &str = "/replication/v1/checkpoints";
    const ONE: &str = "/replication/v1/checkpoints/{id}";
    const FILE: &str = "/replication/v1/checkpoints/{id}/files/{name}";
    let (make, remove) = (format!("POST {ALL}"), format!("DELETE {ONE}"));
    let made = admin.ask(&make, ALL, None, 201).await;
    let made: Value = serde_json::from_slice(&made.body).unwrap();
    admin.ask(&make, &format!("{ALL}?id=x"), None, 400).await;
    admin.get(ALL, ALL, 200).await;
    let path = format!("{ALL}/{}", made["id"].as_str().unwrap());
    admin.get(&format!("{path}/files/CURRENT"), FILE, 200).await;
    for (range, status) in [("bytes=3-", 206), ("bytes=1000000-", 416)] {
        let request =
            admin.client.request(Method::GET, &format!("{path}/files/CURRENT")).header("range", range);
        admin.send(&format!("GET {FILE}"), request, status).await;
    }
    admin.get(&format!("{path}/files/passwd"), FILE, 404).await;
    admin.ask(&remove, &path, None, 200).await;
    admin.ask(&remove, &path, None, 404).await;
}

/// A node that lacks everything it can do without, and has a token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_of_a_node_that_lacks_much_are_as_they_are_described() {
    let folder = folder();
    let node = Launch::su(folder.path()).set("ADMIN_TOKEN", TOKEN).serve();
    let mut public = Listener::of(node.client(), None).await;
    for (path, of, status) in [
        ("/timestamp", "/timestamp", 503),
        ("/metrics", "/metrics", 404),
        ("/query/v1/processes", "/query/v1/processes", 503),
        ("/query/v1/messages", "/query/v1/messages", 503),
        ("/query/v1/totals", "/query/v1/totals", 503),
        ("/graphql?query={a}", "/graphql", 503),
    ] {
        public.get(path, of, status).await;
    }
    public.ask("POST /graphql", "/graphql", Some(json!({ "query": "{a}" })), 503).await;
    post(&mut public, &User::new(1).process().bytes, 503).await;

    let mut admin = Listener::of(node.admin(), Some(TOKEN)).await;
    admin.get("/status", "/status", 200).await;
    admin.get("/checks", "/checks", 503).await;
    admin.get("/uploads", "/uploads", 404).await;
    admin.get("/uploads/dead-letters", "/uploads/dead-letters", 404).await;
    admin.get("/uploads/stuck", "/uploads/stuck", 404).await;
    admin.ask("POST /uploads/dead-letters/retry", "/uploads/dead-letters/retry", None, 404).await;
    admin.ask("POST /uploads/reupload", "/uploads/reupload", Some(json!({ "process": NOBODY })), 404).await;
    admin.token = None;
    for call in admin.description.calls() {
        let status = if call == "GET /health" { 503 } else { 401 };
        let path = call.split_once(' ').unwrap().1.replace("{id}", "1");
        admin.ask(&call, &path, None, status).await;
    }
    node.stop();
}
