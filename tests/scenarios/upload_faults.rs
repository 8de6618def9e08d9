//! Uploads to a node that refuses, fails, hangs and dies, from a node that is killed: at the end the upload node has
//! everything as it was signed, per process in order, and nothing again but what was under way.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ans104::{Id, Item};
use quipu_tests::{
    Act, Client, Finished, Gateway, Launch, Ledger, Load, Node, Signed, UploadNode, User, read_history, until,
};
use rand::Rng;
use serde_json::Value;
use tokio::time::sleep;

use crate::folder;

/// A node that uploads there, copies to the cache there and asks GraphQL there.
pub fn launch(folder: &tempfile::TempDir, gateway: &Gateway, uploads: &UploadNode) -> Launch {
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    ["UPLOAD_NODE_URL", "GRAPHQL_URL"]
        .into_iter()
        .fold(launch, |launch, name| launch.set(name, uploads.url()))
}

/// The ids of all items and assignments of a process, in their order.
pub async fn ids_of(client: &Client, process: Id) -> Vec<Id> {
    let edges = read_history(client, process, 500).await;
    let ids = edges.into_iter().flat_map(|edge| [edge.node.message, edge.node.assignment]);
    ids.flatten().map(|item| item.id.parse().unwrap()).collect()
}

/// Waits until all of these processes has arrived, and holds it against what was scheduled and signed.
async fn assert_uploaded(uploads: &UploadNode, client: &Client, ledger: &Ledger, processes: &[Id]) {
    for process in processes {
        let ids = ids_of(client, *process).await;
        until("all is uploaded", async || {
            let there: HashSet<_> = uploads.taken_of(*process).iter().map(|taken| taken.id).collect();
            ids.iter().all(|id| there.contains(id)).then_some(())
        })
        .await;
        let mut taken = uploads.taken_of(*process);
        let posted = ledger.account(*process).posted;
        for taken in &taken {
            // Everything there is as somebody signed it; of items it is known who, and what.
            assert!(
                posted.get(&taken.id).is_none_or(|bytes| *bytes == taken.bytes),
                "{} is another",
                taken.id
            );
        }
        // What came again came because its answer was lost: right behind itself, before anything else.
        taken.dedup_by_key(|taken| taken.id);
        assert_eq!(taken.iter().map(|taken| taken.id).collect::<Vec<_>>(), ids, "the order of {process}");
    }
}

const BACKLOG: &str = "quipu_upload_backlog_events";
const LAG: &str = "quipu_projection_lag_events{projection=\"uploads\"}";
const DEAD_LETTERS: &str = "quipu_upload_dead_letters";

/// How many uploads ended so.
async fn ended(node: &Node, outcome: &str) -> Option<f64> {
    gauge(node, &format!("quipu_gateway_uploads_total{{call=\"upload\",outcome=\"{outcome}\"}}")).await
}

/// A number among the node's metrics.
async fn gauge(node: &Node, name: &str) -> Option<f64> {
    let metrics = node.client().get("/metrics").await.text();
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

pub async fn settled(node: &Node) {
    until("nothing is left to upload", async || {
        (node.admin().get("/uploads").await.json::<Value>()["backlog"] == 0).then_some(())
    })
    .await;
}

/// A command of an operator of this node.
pub fn operate(folder: &tempfile::TempDir, node: &Node, words: &[&str]) -> Finished {
    Launch::command(folder.path(), &[words, &["--admin", &node.admin_url()]].concat()).run()
}

fn is_about(item: &Item<'_>, process: Id) -> bool {
    let process_text = process.to_string();
    item.id() == process
        || item.target() == Some(process.as_bytes())
        || item.tag("Process") == Some(process_text.as_str())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_upload_node_does_everything_arrives() {
    let (folder, gateway, mut uploads) = (folder(), Gateway::start(), UploadNode::start().await);
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = launch(&folder, &gateway, &uploads).set("ENABLE_METRICS", "true").start();
    let processes = ledger.spawn(&node.client(), &user, 3).await;
    let acts: [fn(u32) -> Act; 6] = [
        |turn| if turn.is_multiple_of(2) { Act::Answer(500) } else { Act::Answer(503) },
        |turn| if turn.is_multiple_of(2) { Act::TakeInSilence } else { Act::Break },
        // No word about an item, but about the account and its credit, or the rate.
        |turn| if turn.is_multiple_of(2) { Act::Answer(402) } else { Act::Answer(429) },
        |_| Act::Hang,
        |turn| if turn.is_multiple_of(2) { Act::MixUp } else { Act::Break },
        |turn| if turn.is_multiple_of(3) { Act::Take } else { Act::Answer(502) },
    ];
    for act in acts {
        let turn = std::sync::atomic::AtomicU32::new(0);
        uploads.decide(move |_| act(turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed)));
        let before = uploads.uploads();
        for process in &processes {
            // Scheduling waits for none of it.
            ledger.send(&node.client(), &user, *process, 4).await;
        }
        until("some are tried", async || (uploads.uploads() >= before + 3).then_some(())).await;
        uploads.decide(|_| Act::Take);
        settled(&node).await;
    }
    for outcome in ["ok", "refused", "other_receipt", "transient"] {
        assert!(ended(&node, outcome).await.is_some_and(|times| times >= 1.0), "{outcome}");
    }
    uploads.kill();
    ledger.send(&node.client(), &user, processes[0], 4).await;
    until("the backlog is told", async || {
        let status: Value = node.admin().get("/status").await.json();
        let told =
            [status["uploads"]["backlog"].as_f64()?, gauge(&node, BACKLOG).await?, gauge(&node, LAG).await?];
        told.iter().all(|number| *number >= 4.0).then_some(())
    })
    .await;
    uploads.restart().await;
    assert_uploaded(&uploads, &node.client(), &ledger, &processes).await;
    settled(&node).await;
    until("metrics tell that all is there", async || {
        let told = [gauge(&node, BACKLOG).await?, gauge(&node, LAG).await?];
        (told == [0.0, 0.0]).then_some(())
    })
    .await;
    let told: Value = node.admin().get("/uploads").await.json();
    assert_eq!(
        (&told["dead_letters"], &told["standing"]),
        (&Value::from(0), &Value::from("following")),
        "{told}"
    );
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_stuck_holds_up_no_other() {
    let (folder, gateway, uploads) = (folder(), Gateway::start(), UploadNode::start().await);
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = launch(&folder, &gateway, &uploads).start();
    let processes = ledger.spawn(&node.client(), &user, 3).await;
    settled(&node).await;
    let stuck = processes[0];
    uploads.decide(move |item| if is_about(item, stuck) { Act::Answer(500) } else { Act::Take });
    // More than is held of one process.
    ledger.send(&node.client(), &user, stuck, 50).await;
    ledger.send(&node.client(), &user, processes[1], 5).await;
    ledger.send(&node.client(), &user, processes[2], 5).await;
    assert_uploaded(&uploads, &node.client(), &ledger, &processes[1..]).await;
    until("only that of one process is left", async || {
        (node.admin().get("/uploads").await.json::<Value>()["backlog"] == 50).then_some(())
    })
    .await;
    uploads.decide(|_| Act::Take);
    assert_uploaded(&uploads, &node.client(), &ledger, &processes).await;
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nothing_and_send_nothing_again_that_was_confirmed() {
    let (folder, gateway, mut uploads) = (folder(), Gateway::start(), UploadNode::start().await);
    let launch = launch(&folder, &gateway, &uploads);
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(200));
    let mut node = launch.start();
    let processes = ledger.spawn(&node.client(), &user, 4).await;
    let load = Load::start(&ledger, &processes, 8);
    for round in 0..6 {
        load.aim(node.client());
        let (more, delay_us) = (rand::rng().random_range(1..80), rand::rng().random_range(0..30_000));
        let goal = uploads.taken().len() + more;
        until("some are uploaded", async || (uploads.taken().len() >= goal).then_some(())).await;
        // Any moment will do, and each run shall find others.
        sleep(Duration::from_micros(delay_us)).await;
        if round % 2 == 1 {
            uploads.kill();
        }
        node.kill();
        if round % 2 == 1 {
            uploads.restart().await;
        }
        node = launch.start();
    }
    load.aim(node.client());
    let goal = load.acknowledged() + 20;
    until("messages are acknowledged", async || (load.acknowledged() >= goal).then_some(())).await;
    load.stop().await;
    // That no more than the last of a process came again is part of it.
    assert_uploaded(&uploads, &node.client(), &ledger, &processes).await;
    settled(&node).await;
    // And what is settled is settled.
    let before = uploads.uploads();
    node.kill();
    let node = launch.start();
    ledger.send(&node.client(), &user, processes[0], 1).await;
    assert_uploaded(&uploads, &node.client(), &ledger, &processes).await;
    assert_eq!(uploads.uploads(), before + 2);
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cache_gets_a_copy_of_each_once() {
    let (folder, gateway, uploads) = (folder(), Gateway::start(), UploadNode::start().await);
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = launch(&folder, &gateway, &uploads).set("CACHE_URL", uploads.url()).start();
    let turn = std::sync::atomic::AtomicU32::new(0);
    let fails = move || turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed).is_multiple_of(3);
    uploads.decide(move |_| if fails() { Act::Answer(503) } else { Act::Take });
    let processes = ledger.spawn(&node.client(), &user, 2).await;
    ledger.send(&node.client(), &user, processes[0], 5).await;
    ledger.send(&node.client(), &user, processes[1], 5).await;
    assert_uploaded(&uploads, &node.client(), &ledger, &processes).await;
    settled(&node).await;
    let mut ids = ids_of(&node.client(), processes[0]).await;
    ids.extend(ids_of(&node.client(), processes[1]).await);
    ids.sort();
    until("the copies are there", async || (uploads.copies().len() >= ids.len()).then_some(())).await;
    let mut copies = uploads.copies();
    copies.sort();
    assert_eq!(copies, ids);
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_a_dead_letter_until_it_is_taken() {
    let (folder, gateway, uploads) = (folder(), Gateway::start(), UploadNode::start().await);
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = launch(&folder, &gateway, &uploads).start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    assert!(operate(&folder, &node, &["dead-letters"]).stdout.contains("no dead letters"));
    let messages: Vec<Signed> = (0..6).map(|_| user.message(process, b"data")).collect();
    let (item, other) = (messages[1].id, messages[4].id.to_string());
    let refused = move |told: &Item<'_>| told.id() == item || told.tag("Message") == Some(other.as_str());
    uploads.decide(move |item| if refused(item) { Act::Answer(400) } else { Act::Take });
    for message in &messages {
        ledger.schedule(&node.client(), process, message).await;
    }
    settled(&node).await;
    let ids = ids_of(&node.client(), process).await;
    let dead = [ids[2 * 2], ids[2 * 5 + 1]];
    let rest: Vec<_> = ids.iter().copied().filter(|id| !dead.contains(id)).collect();
    assert_eq!(uploads.taken().iter().map(|taken| taken.id).collect::<Vec<_>>(), rest);

    let first: Value = node.admin().get("/uploads/dead-letters?limit=1").await.json();
    let letter = &first["dead_letters"][0];
    assert_eq!(letter["id"], dead[0].to_string());
    assert_eq!(
        (&letter["part"], &letter["nonce"], &letter["status"]),
        (&"item".into(), &2.into(), &400.into())
    );
    assert_eq!(
        (&letter["process"], &letter["reason"]),
        (&process.to_string().into(), &"not this one".into())
    );
    let path = format!("/uploads/dead-letters?after={}", first["next"]);
    let second: Value = node.admin().get(&path).await.json();
    let letter = &second["dead_letters"][0];
    assert_eq!((&letter["id"], &letter["part"]), (&dead[1].to_string().into(), &"assignment".into()));
    assert_eq!(second["next"], Value::Null);
    let checks: Value = node.admin().get("/checks").await.json();
    let check = checks["checks"].as_array().unwrap().iter().find(|check| check["name"] == "uploads").unwrap();
    assert_eq!(check["status"], "warn", "{check}");
    assert!(check["reason"].as_str().unwrap().contains("2 dead letters: `quipu dead-letters`"), "{check}");
    let status = operate(&folder, &node, &["status"]);
    assert!(status.stdout.contains("dead letters"), "{}", status.stdout);

    // They are known after a kill as well.
    node.kill();
    let node = launch(&folder, &gateway, &uploads).start();
    let shown = operate(&folder, &node, &["dead-letters"]);
    assert!(dead.iter().all(|id| shown.stdout.contains(&id.to_string())), "{}", shown.stdout);
    let again = operate(&folder, &node, &["dead-letters", "--retry"]);
    assert_eq!(
        (again.code, again.stdout.as_str()),
        (Some(1), "0 taken, 2 refused again"),
        "{}",
        again.stderr
    );
    uploads.decide(|_| Act::Answer(503));
    let again = operate(&folder, &node, &["dead-letters", "--retry"]);
    assert!(again.code == Some(1) && again.stderr.contains("503"), "{}", again.stderr);
    uploads.decide(|_| Act::Take);
    let again = operate(&folder, &node, &["dead-letters", "--retry"]);
    assert_eq!(
        (again.code, again.stdout.as_str()),
        (Some(0), "2 taken, 0 refused again"),
        "{}",
        again.stderr
    );
    assert_eq!(operate(&folder, &node, &["dead-letters", "--json"]).stdout, "");
    let there: HashSet<_> = uploads.taken().iter().map(|taken| taken.id).collect();
    assert_eq!((there, uploads.taken().len()), (ids.iter().copied().collect(), ids.len()));
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_dead_letters_also_after_a_kill() {
    let (folder, gateway, uploads) = (folder(), Gateway::start(), UploadNode::start().await);
    let (ledger, user) = (Ledger::default(), User::new(1));
    let launch = launch(&folder, &gateway, &uploads).set("ENABLE_METRICS", "true");
    let node = launch.start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    settled(&node).await;
    assert_eq!(gauge(&node, DEAD_LETTERS).await, Some(0.0));
    let message = user.message(process, b"data");
    let item = message.id;
    uploads.decide(move |told| if told.id() == item { Act::Answer(400) } else { Act::Take });
    ledger.schedule(&node.client(), process, &message).await;
    settled(&node).await;
    assert_eq!((gauge(&node, DEAD_LETTERS).await, ended(&node, "refused").await), (Some(1.0), Some(1.0)));
    node.kill();
    let node = launch.start();
    assert_eq!(gauge(&node, DEAD_LETTERS).await, Some(1.0));
    uploads.decide(|_| Act::Take);
    assert_eq!(operate(&folder, &node, &["dead-letters", "--retry"]).code, Some(0));
    assert_eq!(gauge(&node, DEAD_LETTERS).await, Some(0.0));
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_is_sent_again_goes_on_where_it_was_cancelled() {
    let (folder, gateway, uploads) = (folder(), Gateway::start(), UploadNode::start().await);
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = launch(&folder, &gateway, &uploads).start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    // In the second batch of what is sent again.
    let (from, batch, stuck, end) = (10, 256, 290, 300);
    ledger.send(&node.client(), &user, process, end).await;
    settled(&node).await;
    let ids = ids_of(&node.client(), process).await;
    let hung = ids[2 * stuck];
    uploads.decide(move |item| if item.id() == hung { Act::Hang } else { Act::Take });
    let before = uploads.uploads();
    // The wallet is recorded before everything else.
    let words = ["replay", "uploads", "--from", "11", "--admin", &node.admin_url()];
    let replaying = Launch::command(folder.path(), &words).program();
    let tried = before + 2 * (stuck - from) + 1;
    until("it hangs", async || (uploads.uploads() >= tried).then_some(())).await;
    assert_eq!(operate(&folder, &node, &["replay", "uploads", "--cancel"]).code, Some(0));
    let ended = replaying.finish();
    assert!(ended.code == Some(1) && ended.stderr.contains("is cancelled"), "{}", ended.stderr);
    uploads.decide(|_| Act::Take);
    let resumed = operate(&folder, &node, &["replay", "uploads", "--resume"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    let taken: Vec<_> = uploads.taken().iter().map(|taken| taken.id).collect();
    let times = |id: &Id| taken.iter().filter(|taken| *taken == id).count();
    for (place, id) in ids.iter().enumerate() {
        let sent = match place / 2 {
            event if event < from => 1,
            event if event < from + batch || event >= stuck => 2,
            _ => 3,
        };
        assert_eq!(times(id), sent, "event {}", place / 2);
    }
    node.stop();
}
