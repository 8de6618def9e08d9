//! Nodes in this process: what a role starts, what is left of it when it has ended, and when it did not start.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ans104::Ed25519Wallet;
use gateway::{Endpoints, parse_url};
use log::{LocalLog, Log, Rocks, StoreMemory};
use node::{
    DataFolderError, DataPaths, ListenOptions, NodeError, NodeOptions, PagesServed, PeerOptions, ReadOptions,
    RunningNode, WriteOptions, leader, reader,
};
use projections::{Progress, ProjectionError};
use serde_json::Value;
use tempfile::TempDir;
use testing::SampleUser;

/// What a node in this folder is told; it listens on any free ports.
fn options(folder: &Path) -> NodeOptions {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    NodeOptions {
        data: DataPaths { folder: folder.join("data"), log: folder.join("log"), index: folder.join("index") },
        memory: StoreMemory::default(),
        listen: ListenOptions {
            public: any,
            admin: vec![any],
            admin_token: None,
            admin_tls: None,
            metrics: false,
            max_read_memory: 1 << 20,
            max_client_memory: 64 << 20,
            clients: limits::ClientOptions::default(),
            pages: PagesServed { public: true, admin: true },
            registering: None,
        },
        endpoints: nowhere(),
        clock_jump_max: Duration::from_secs(300),
        postgres: None,
    }
}

/// There is no gateway, and uploads go nowhere.
fn nowhere() -> Endpoints {
    let nowhere = parse_url("nowhere", "http://127.0.0.1:1").unwrap();
    Endpoints {
        arweave: nowhere.clone(),
        graphql: nowhere.clone(),
        upload: Some(nowhere),
        cache: None,
        heads: vec![],
        redirect_hosts: vec![],
    }
}

/// The block height is known from before.
fn writing(folder: &Path) -> WriteOptions {
    fs::create_dir_all(folder.join("data")).unwrap();
    fs::write(folder.join("data/height.json"), "1500000").unwrap();
    WriteOptions {
        peers: PeerOptions::default(),
        members: node::MemberOptions::default(),
        gate: None,
        signer: Arc::new(Ed25519Wallet::from_seed([1; 32])),
        wallet_change_to: None,
        scheduling: scheduler::SchedulerOptions { workers: 1, ..scheduler::SchedulerOptions::default() },
        items: limits::ItemOptions::default(),
        location: None,
        uploads_rewind_max: 100,
    }
}

async fn start(options: NodeOptions, folder: &Path) -> Result<RunningNode, NodeError> {
    leader(options, writing(folder), &Arc::new(Progress::default())).await
}

fn spawn_item() -> Vec<u8> {
    SampleUser::new(2).process(&[], "").to_vec()
}

/// The status and the JSON of an answer.
async fn ask(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null))
}

async fn get(address: SocketAddr, path: &str) -> (u16, Value) {
    ask(reqwest::Client::new().get(format!("http://{address}{path}"))).await
}

async fn post(address: SocketAddr, path: &str, body: Vec<u8>) -> (u16, Value) {
    ask(reqwest::Client::new().post(format!("http://{address}{path}")).body(body)).await
}

/// Spawns a process; its id.
async fn spawn(node: &RunningNode) -> String {
    let (status, answer) = post(node.public(), "/", spawn_item()).await;
    assert_eq!(status, 200, "{answer}");
    answer["id"].as_str().unwrap().to_owned()
}

/// Nobody has a hand on the store or on an address.
fn assert_nothing_is_left(folder: &Path, addresses: &[SocketAddr]) {
    let log =
        LocalLog::open(Rocks::open(folder.join("log"), &StoreMemory::default()).unwrap(), None).unwrap();
    log.seal();
    for address in addresses {
        drop(TcpListener::bind(address).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_starts_and_ends_as_often_as_one_likes() {
    let folder = TempDir::new().unwrap();
    let mut process = None;
    for _ in 0..3 {
        let node = start(options(folder.path()), folder.path()).await.unwrap();
        let spawned = spawn(&node).await;
        assert_eq!(*process.get_or_insert_with(|| spawned.clone()), spawned, "a spawn sent again");
        let names: Vec<_> = node.positions().iter().map(|position| position.name()).collect();
        assert_eq!(names, ["index", "uploads"]);
        let addresses = [node.public(), node.admin()];
        node.stop().await.unwrap();
        assert_nothing_is_left(folder.path(), &addresses);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_serves_what_a_leader_wrote_and_takes_no_writes() {
    let folder = TempDir::new().unwrap();
    let leading = start(options(folder.path()), folder.path()).await.unwrap();
    let process = spawn(&leading).await;
    let (_, written) = get(leading.public(), &format!("/{process}")).await;
    let (_, told) = get(leading.public(), "/").await;
    leading.stop().await.unwrap();

    let refusal = "this node only answers reads; its leader is at http://leader.example";
    let reading =
        ReadOptions { address: writing(folder.path()).signer.address(), refusal: refusal.to_owned() };
    let node = reader(options(folder.path()), reading, &Arc::new(Progress::default())).await.unwrap();
    let names: Vec<_> = node.positions().iter().map(|position| position.name()).collect();
    assert_eq!(names, ["index"], "nothing is uploaded");
    let (status, read) = get(node.public(), &format!("/{process}")).await;
    assert_eq!((status, &read), (200, &written));
    assert_eq!(read["edges"].as_array().unwrap().len(), 1);
    assert_eq!(get(node.public(), &format!("/{process}/latest")).await.0, 200);
    assert_eq!(get(node.public(), "/").await.1["address"], told["address"]);

    let assign = format!("/?process-id={process}&assign={}", "A".repeat(43));
    for (path, body) in [("/", spawn_item()), ("/", b"nonsense".to_vec()), (assign.as_str(), vec![])] {
        let (status, answer) = post(node.public(), path, body).await;
        assert_eq!((status, &answer["code"]), (503, &"unavailable".into()), "{path}: {answer}");
        assert_eq!(answer["error"], refusal, "{path}");
    }
    let (status, answer) = get(node.admin(), "/status").await;
    assert_eq!((status, &answer["tail"]), (200, &1.into()), "nothing was written: {answer}");
    let addresses = [node.public(), node.admin()];
    node.stop().await.unwrap();
    assert_nothing_is_left(folder.path(), &addresses);
    start(options(folder.path()), folder.path()).await.unwrap().stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_can_be_cancelled() {
    let folder = TempDir::new().unwrap();
    let progress = Arc::new(Progress::default());
    progress.cancel();
    let error = leader(options(folder.path()), writing(folder.path()), &progress).await.err().unwrap();
    assert!(matches!(error, NodeError::Projection(ProjectionError::Cancelled)), "{error:?}");
    assert_nothing_is_left(folder.path(), &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_fails_leaves_nothing_running() {
    type Spoil = fn(&Path, &mut NodeOptions);
    type IsIt = fn(&NodeError) -> bool;
    let spoilt: [(&str, Spoil, IsIt); 4] = [
        (
            "the admin token is a folder, which is seen when the log is open",
            |folder, _| fs::create_dir(folder.join("data/admin-token")).unwrap(),
            |error| matches!(error, NodeError::AdminToken(_)),
        ),
        (
            "the folder of uploads is a file",
            |folder, _| fs::write(folder.join("data/uploads"), "").unwrap(),
            |error| matches!(error, NodeError::DataFolder(DataFolderError::Uploads(_))),
        ),
        (
            "the data folder cannot be made",
            |folder, options| {
                fs::write(folder.join("file"), "").unwrap();
                options.data.folder = folder.join("file/data");
            },
            |error| matches!(error, NodeError::DataFolder(_)),
        ),
        (
            "the folder of the index is a file",
            |folder, _| fs::write(folder.join("index"), "").unwrap(),
            |error| matches!(error, NodeError::Index(_)),
        ),
    ];
    for (what, spoil, is_it) in spoilt {
        let folder = TempDir::new().unwrap();
        let (public, admin) = two_addresses(0);
        let mut options = options(folder.path());
        (options.listen.public, options.listen.admin) = (public, vec![admin]);
        drop(writing(folder.path()));
        spoil(folder.path(), &mut options);
        let error = start(options, folder.path()).await.err().unwrap();
        assert!(is_it(&error), "{what}: {error:?}");
        assert_nothing_is_left(folder.path(), &[public, admin]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_found_before_the_log_is_touched() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (public, _) = two_addresses(1);
    let mut options = options(folder.path());
    (options.listen.public, options.listen.admin) = (public, vec![taken.local_addr().unwrap()]);
    let error = start(options, folder.path()).await.err().unwrap();
    let NodeError::Listen { address, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*address, taken.local_addr().unwrap());
    assert!(!folder.path().join("log").exists(), "the log was opened");
    assert_nothing_is_left(folder.path(), &[public]);
}

/// Two addresses that nobody else takes: of this process alone, and below the ports that the system gives out.
fn two_addresses(test: u16) -> (SocketAddr, SocketAddr) {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let address = |port| SocketAddr::from((Ipv4Addr::new(127, 77, high, low), port));
    (address(20_000 + 2 * test), address(20_001 + 2 * test))
}
