//! Checkpoints of a node that takes messages meanwhile, fetched as a standby or a backup would.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use quipu_tests::{Answer, Client, Gateway, Launch, Ledger, Load, User, until};
use reqwest::Method;
use serde_json::Value;

use crate::folder;
use crate::namespace::Namespace;

const ALL: &str = "/replication/v1/checkpoints";

async fn make(admin: &Client) -> Value {
    let made = admin.send(admin.request(Method::POST, ALL)).await.unwrap();
    assert_eq!(made.status, 201, "{}", made.text());
    serde_json::from_slice(&made.body).unwrap()
}

async fn part(admin: &Client, path: &str, range: &str) -> Answer {
    admin.send(admin.request(Method::GET, path).header("range", range)).await.unwrap()
}

/// Fetches the files in two parts each.
async fn fetch(admin: &Client, checkpoint: &Value, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let id = checkpoint["id"].as_str().unwrap();
    for file in checkpoint["files"].as_array().unwrap() {
        let (name, size) = (file["name"].as_str().unwrap(), file["size"].as_u64().unwrap());
        let path = format!("{ALL}/{id}/files/{name}");
        let middle = size / 2;
        let mut bytes = Vec::new();
        if middle > 0 {
            let first = part(admin, &path, &format!("bytes=0-{}", middle - 1)).await;
            assert_eq!(first.status, 206);
            let range = format!("bytes 0-{}/{size}", middle - 1);
            assert_eq!(first.header("content-range"), Some(range.as_str()));
            bytes.extend_from_slice(&first.body);
        }
        bytes.extend_from_slice(&part(admin, &path, &format!("bytes={middle}-")).await.body);
        let hash: String = protocol::sha256(&[&bytes]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((bytes.len() as u64, Some(hash.as_str())), (size, file["sha256"].as_str()), "{name}");
        fs::write(to.join(name), bytes).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_of_a_busy_node_has_all_that_was_acknowledged_before() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let ledger = Arc::new(Ledger::default());
    let node = launch.start();
    let processes = ledger.spawn(&node.client(), &User::new(200), 3).await;
    let load = Load::start(&ledger, &processes, 8);
    load.aim(node.client());
    for round in 0..2 {
        let goal = load.acknowledged() + 60;
        until("messages are acknowledged", async || (load.acknowledged() >= goal).then_some(())).await;
        let before: Vec<_> = processes.iter().map(|process| (*process, ledger.account(*process))).collect();
        let checkpoint = make(&node.admin()).await;
        let copy = folder.path().join(format!("copy{round}"));
        fetch(&node.admin(), &checkpoint, &copy.join("data/log")).await;
        let launch = Launch::su(&copy).gateway(gateway.url());
        let verified = launch.verify(&[]);
        assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
        let reader = launch.start();
        let status: Value = reader.admin().get("/status").await.json();
        assert_eq!(status["store"], checkpoint["store"]);
        for (process, account) in before {
            for acknowledged in account.acknowledged.keys() {
                let found = reader.client().get(&format!("/{acknowledged}?process-id={process}")).await;
                assert_eq!(found.status, 200, "{acknowledged} was acknowledged before: {}", found.text());
            }
        }
        reader.stop();
    }
    load.stop().await;
    // A stop removes what there is, a start what a kill has left.
    assert_eq!(node.admin().get(ALL).await.json::<Vec<Value>>().len(), 2);
    node.kill();
    let left = || fs::read_dir(launch.data().join("checkpoints")).unwrap().count();
    assert_eq!(left(), 3, "two, and the mark of their folder");
    let node = launch.start();
    assert_eq!((left(), node.admin().get(ALL).await.json::<Vec<Value>>().len()), (1, 0));
    let second = make(&node.admin()).await;
    node.stop();
    assert_eq!(left(), 1, "{second}");
}

#[tokio::test]
async fn whoever_copies_the_log_needs_the_token() {
    let folder = folder();
    let node = Launch::su(folder.path()).serve();
    let checkpoint = make(&node.admin()).await;
    let stranger = Client::new(&node.admin_url());
    assert_eq!(stranger.get("/status").await.status, 200, "other calls that only read do not");
    let file = format!("{ALL}/{}/files/CURRENT", checkpoint["id"].as_str().unwrap());
    for (method, path) in [(Method::GET, ALL), (Method::POST, ALL), (Method::GET, &file)] {
        let answer = stranger.send(stranger.request(method.clone(), path)).await.unwrap();
        assert_eq!(answer.refusal(401), "forbidden", "{method} {path}");
    }
    node.stop();
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_made_is_refused_and_leaves_nothing() {
    let folder = folder();
    let launch = Launch::su(folder.path());
    let data = launch.data();
    let node = launch.serve();
    // Somebody's file is in its place.
    fs::write(data.join("checkpoints"), "mine").unwrap();
    let admin = node.admin();
    let refused = admin.send(admin.request(Method::POST, ALL)).await.unwrap();
    assert_eq!(refused.refusal(500), "internal");
    assert!(refused.text().contains("checkpoints"), "{}", refused.text());
    fs::remove_file(data.join("checkpoints")).unwrap();
    make(&admin).await;
    node.stop();
}

/// It would write all that is in memory to new files.
#[tokio::test]
async fn a_full_disk_gets_no_checkpoint_and_the_log_goes_on() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    fs::create_dir(launch.data()).unwrap();
    let namespace = Namespace::with_tmpfs(&launch.data(), 48);
    let node = launch.through(&namespace.enter()).set("ADMIN_TOKEN", "token").start();
    let process = User::new(1).process();
    node.client().schedule(&process).await;
    let admin = Client::operator(&node.admin_url(), "token");
    let refused = admin.send(admin.request(Method::POST, ALL)).await.unwrap();
    assert_eq!(refused.refusal(500), "internal");
    assert!(refused.text().contains("bytes left on the disk"), "{}", refused.text());
    node.client().schedule(&User::new(1).message(process.id, b"and on")).await;
    node.stop();
}

/// The log and the data folder are two mounts of one disk: there are no links from one to the other.
#[tokio::test]
async fn a_checkpoint_is_where_files_of_the_log_can_have_a_second_name() {
    let folder = folder();
    let launch = Launch::su(folder.path());
    fs::create_dir(launch.data()).unwrap();
    let namespace = Namespace::with_tmpfs(&launch.data(), 128);
    let log = launch.data().join("log");
    let path = log.to_str().unwrap();
    namespace.run(&["mkdir", path]);
    namespace.run(&["mount", "--bind", path, path]);
    let node = launch.through(&namespace.enter()).set("ADMIN_TOKEN", "token").serve();
    let made = make(&Client::operator(&node.admin_url(), "token")).await;
    let there = Path::new(made["folder"].as_str().unwrap());
    assert!(there.starts_with(log.join("checkpoints")), "{made}");
    node.stop();
}
