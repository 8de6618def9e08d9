//! A node with a database that holds some of everything, and the same as a plain list to compare answers with.

use std::collections::HashMap;

use ans104::{Id, Item};
use bytes::Bytes;
use quipu_tests::{Client, Gateway, ItemJson, Launch, Node, Postgres, Signed, User, read_history};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::folder;
use crate::tables::caught_up;

const MESSAGES: usize = 120;
const NOBODY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Tags of all kinds, some of which look like each other.
pub const TAGS: [(&str, &str); 12] = [
    ("Action", "Eval"),
    ("Action", "Transfer"),
    ("Action", "\"quoted\" ' \\ \u{1f9f6} \n"),
    ("action", "Eval"),
    ("Colon", "a:b:c"),
    ("Colon:a", "b:c"),
    ("Empty", ""),
    ("Nul", "a\0b"),
    ("Nul\0", "b"),
    ("Größe", "1"),
    ("Name", "Action:Eval"),
    ("Percent", "100%25&tag=x+y"),
];

/// A node, and what is scheduled on it.
pub struct World {
    pub node: Node,
    pub client: Client,
    /// In the order of the log.
    pub known: Vec<Known>,
    pub users: Vec<User>,
    pub gateway: Gateway,
    _postgres: Postgres,
    _folder: tempfile::TempDir,
}

/// One event, as the client that caused it knows it, and as the node shows it elsewhere.
#[derive(Clone)]
pub struct Known {
    pub sequence: u64,
    pub process: Id,
    pub kind: &'static str,
    pub id: Id,
    /// The item; none for what is on chain.
    pub bytes: Option<Bytes>,
    pub timestamp: i64,
    pub height: u64,
    pub assignment: Option<ItemJson>,
}

impl World {
    /// Starts all that it needs and schedules processes of both kinds, messages, and something on chain, twice.
    pub async fn fill() -> Self {
        let (folder, gateway, postgres) = (folder(), Gateway::start(), Postgres::start());
        let launch = Launch::su(folder.path()).gateway(gateway.url()).set("DATABASE_URL", postgres.url());
        let users: Vec<_> = (1..=3).map(User::new).collect();
        let mut rng = StdRng::seed_from_u64(1);
        let mut filling = Filling { known: Vec::new() };

        let old = launch.clone().set("ENABLE_PROCESS_ASSIGNMENT", "false").start();
        let unassigned = spawn(&users[0], &[("Kind", "old")]);
        filling.schedule(&old.client(), "spawned", &unassigned, unassigned.id).await;
        let message =
            users[1].item(Some(unassigned.id), &[("Type", "Message"), ("Action", "Eval")], b"first");
        filling.schedule(&old.client(), "scheduled", &message, unassigned.id).await;
        let tail = status(&old).await["tail"].as_u64().unwrap();
        filling.known.iter_mut().for_each(|known| known.sequence += tail - 1);
        old.stop();

        let node = launch.start();
        let client = node.client();
        let mut processes = vec![unassigned.id];
        for number in 0..6 {
            let tags = [("Kind", if number % 2 == 0 { "token" } else { "chat" }), TAGS[number]];
            let process = spawn(&users[number % 3], &tags);
            filling.schedule(&client, "spawned", &process, process.id).await;
            processes.push(process.id);
        }
        let on_chain = users[0].message(processes[1], b"on chain");
        let arweave = Client::new(gateway.url());
        let sent =
            arweave.send(arweave.request(Method::POST, "/tx").body(on_chain.bytes.clone())).await.unwrap();
        assert_eq!(sent.status, 200);
        for number in 0..MESSAGES {
            let (process, user) = (*processes.choose(&mut rng).unwrap(), users.choose(&mut rng).unwrap());
            // Some come twice in one item.
            let mut tags = vec![("Type", "Message")];
            tags.extend((0..rng.random_range(0..4)).map(|_| *TAGS.choose(&mut rng).unwrap()));
            let message = user.item(Some(process), &tags, format!("message {number}").as_bytes());
            filling.schedule(&client, "scheduled", &message, process).await;
            if number % 50 == 10 {
                filling.assign(&client, processes[1 + number / 50], on_chain.id).await;
            }
        }
        filling.read_assignments(&client, &processes).await;
        caught_up(&node).await;
        let known = filling.known;
        assert_eq!(status(&node).await["tail"], known.last().unwrap().sequence);
        Self { node, client, known, users, gateway, _postgres: postgres, _folder: folder }
    }

    /// What the node should answer for the events that are asked for, in the order of the log.
    pub fn matching(&self, matches: impl Fn(&Known) -> bool) -> Vec<Known> {
        self.known.iter().filter(|known| matches(known)).cloned().collect()
    }

    /// All processes.
    pub fn processes(&self) -> Vec<Id> {
        self.matching(|known| known.kind == "spawned").iter().map(|known| known.id).collect()
    }
}

/// What a node says of itself.
pub async fn status(node: &Node) -> Value {
    node.admin().get("/status").await.json()
}

/// A path with parameters.
pub fn link(path: &str, parameters: &[(&str, String)]) -> String {
    let url = Url::parse_with_params(&format!("http://node{path}"), parameters).unwrap();
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

fn spawn(user: &User, tags: &[(&str, &str)]) -> Signed {
    let needed = [("Type", "Process"), ("Module", NOBODY), ("Scheduler", NOBODY)];
    user.item(None, &[&needed, tags].concat(), b"a process")
}

struct Filling {
    known: Vec<Known>,
}

impl Filling {
    async fn schedule(&mut self, client: &Client, kind: &'static str, item: &Signed, process: Id) {
        let scheduled = client.schedule(item).await;
        self.note(kind, process, item.id, Some(item.bytes.clone()), scheduled.timestamp);
    }

    async fn assign(&mut self, client: &Client, process: Id, id: Id) {
        let path = format!("/?process-id={process}&assign={id}");
        let answer: Value = client.send(client.request(Method::POST, &path)).await.unwrap().json();
        self.note("assigned", process, id, None, answer["timestamp"].as_u64().unwrap());
    }

    fn note(&mut self, kind: &'static str, process: Id, id: Id, bytes: Option<Bytes>, timestamp: u64) {
        let sequence = self.known.last().map_or(0, |last| last.sequence + 1);
        let timestamp = timestamp as i64;
        self.known.push(Known { sequence, process, kind, id, bytes, timestamp, height: 0, assignment: None });
    }

    /// Adds what the wire protocol shows of assignments.
    async fn read_assignments(&mut self, client: &Client, processes: &[Id]) {
        let mut assignments = HashMap::new();
        for process in processes {
            for edge in read_history(client, *process, 1000).await {
                let assignment = edge.node.assignment.unwrap();
                let message = assignment.tag("Message").map(str::to_owned);
                assignments.insert((*process, message.unwrap_or_else(|| process.to_string())), assignment);
            }
        }
        for known in &mut self.known {
            known.assignment = assignments.remove(&(known.process, known.id.to_string()));
            known.height = match &known.assignment {
                Some(assignment) => assignment.number("Block-Height").unwrap(),
                None => {
                    let shown: Value = client.get(&format!("/processes/{}", known.process)).await.json();
                    shown["block"].as_str().unwrap().parse().unwrap()
                }
            };
        }
        assert!(assignments.is_empty(), "assigned, and not noted");
    }
}

impl Known {
    pub fn item(&self) -> Option<Item<'_>> {
        self.bytes.as_ref().map(|bytes| Item::parse(bytes).unwrap())
    }

    pub fn owner(&self) -> Option<String> {
        self.item().map(|item| item.address().to_string())
    }

    pub fn recipient(&self) -> Option<String> {
        self.item().and_then(|item| item.target().map(|target| ans104::base64url::encode(target)))
    }

    pub fn nonce(&self) -> Option<i64> {
        self.assignment.as_ref().and_then(|assignment| assignment.number("Nonce")).map(|nonce| nonce as i64)
    }

    pub fn tags(&self) -> Vec<(String, String)> {
        let Some(item) = self.item() else { return Vec::new() };
        item.tags().map(Result::unwrap).map(|tag| (tag.name.to_owned(), tag.value.to_owned())).collect()
    }

    pub fn has(&self, name: &str, value: &str) -> bool {
        self.tags().iter().any(|tag| tag.0 == name && tag.1 == value)
    }

    /// As `/query/v1` shows it.
    pub fn entry(&self) -> Value {
        let assignment = self.assignment.as_ref();
        let tags: Vec<_> =
            self.tags().into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        json!({
            "sequence": self.sequence,
            "process": self.process.to_string(),
            "nonce": self.nonce(),
            "kind": self.kind,
            "id": self.id.to_string(),
            "owner": self.owner(),
            "recipient": self.recipient(),
            "size": self.item().map(|item| item.data().len()),
            "tags": self.bytes.is_some().then_some(tags),
            "assignment": assignment.map(|assignment| assignment.id.clone()),
            "timestamp": self.timestamp,
            "block_height": self.height,
            "hash_chain": assignment.and_then(|assignment| assignment.tag("Hash-Chain")),
            "epoch": assignment.map(|_| 0),
        })
    }

    /// As a place of `/query/v1/items` shows it.
    pub fn place(&self, uploaded: Option<bool>) -> Value {
        json!({
            "sequence": self.sequence,
            "process": self.process.to_string(),
            "nonce": self.nonce(),
            "kind": self.kind,
            "message": self.id.to_string(),
            "assignment": self.assignment.as_ref().map(|assignment| assignment.id.clone()),
            "timestamp": self.timestamp,
            "uploaded": uploaded,
        })
    }
}
