//! Backups of a node that takes messages meanwhile: killed, damaged, without room, and brought back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use ans104::Id;
use quipu_tests::{Account, Finished, Gateway, Launch, Ledger, Load, Node, Program, User, until};
use rand::Rng;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::folder;
use crate::namespace::Namespace;

const KILLS: usize = 20;

/// A node with some processes, and what clients know of them.
struct World {
    folder: TempDir,
    gateway: Gateway,
    launch: Launch,
    ledger: Arc<Ledger>,
    processes: Vec<Id>,
    node: Node,
}

impl World {
    async fn start() -> Self {
        let (folder, gateway) = (folder(), Gateway::start());
        let launch = Launch::su(folder.path()).gateway(gateway.url());
        let (ledger, node) = (Arc::new(Ledger::default()), launch.start());
        let processes = ledger.spawn(&node.client(), &User::new(200), 3).await;
        ledger.send(&node.client(), &User::new(1), processes[0], 10).await;
        Self { folder, gateway, launch, ledger, processes, node }
    }

    fn backups(&self) -> PathBuf {
        self.folder.path().join("backups")
    }

    /// `quipu backup` with these words, which are told of the node and of the folder.
    fn backup(&self, words: &[&str]) -> Launch {
        let admin = self.node.admin_url();
        let words: Vec<_> = ["backup"].iter().chain(words).copied().collect();
        Launch::command(self.folder.path(), &words)
            .set("QUIPU_ADMIN_URL", admin)
            .set("SU_DATA_DIR", self.launch.data())
    }

    fn create(&self) -> Value {
        let finished = self.backup(&["create", "backups", "--json"]).run();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        serde_json::from_str(&finished.stdout).unwrap()
    }

    fn accounts(&self) -> Vec<(Id, Account)> {
        self.processes.iter().map(|process| (*process, self.ledger.account(*process))).collect()
    }

    /// A node on what was restored.
    fn restored(&self, name: &str) -> Launch {
        Launch::su(self.folder.path())
            .gateway(self.gateway.url())
            .set("SU_DATA_DIR", self.folder.path().join(name))
    }
}

/// Everything that was acknowledged then is there.
async fn check_there(node: &Node, accounts: &[(Id, Account)]) {
    for (process, account) in accounts {
        for id in account.acknowledged.keys() {
            let found = node.client().get(&format!("/{id}?process-id={process}")).await;
            assert_eq!(found.status, 200, "{id} was acknowledged before: {}", found.text());
        }
    }
}

fn failed(finished: &Finished, text: &str) {
    assert_eq!(finished.code, Some(1), "{}{}", finished.stdout, finished.stderr);
    assert!(finished.stderr.contains(text), "{}", finished.stderr);
    assert!(finished.stderr.trim_end().lines().last().unwrap().starts_with("quipu: "), "{}", finished.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_of_a_busy_node_survive_kills_and_have_what_was_acknowledged() {
    let world = World::start().await;
    let load = Load::start(&world.ledger, &world.processes, 6);
    load.aim(world.node.client());
    for kill in 0..KILLS {
        let goal = load.acknowledged() + 10;
        until("messages are acknowledged", async || (load.acknowledged() >= goal).then_some(())).await;
        let mut creating = world.backup(&["create", "backups"]).program();
        // Any moment will do, and each run shall find others.
        sleep(Duration::from_micros(rand::rng().random_range(0..8_000) * (kill as u64 + 1))).await;
        creating.kill();
    }
    let before = world.accounts();
    let made = world.create();
    load.stop().await;
    let verified = world.backup(&["verify", "backups"]).run();
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    let left: Vec<Value> = world.node.admin().get("/replication/v1/checkpoints").await.json();
    assert!(left.is_empty(), "each command removes what the one before left: {left:?}");

    let (id, store) = (made["id"].to_string(), made["store"].as_str().unwrap());
    let restore = ["restore", "backups", &id, "--to", "restored"];
    failed(&world.backup(&restore).run(), "is alive");
    assert!(!world.folder.path().join("restored").exists());
    failed(&world.backup(&[&restore[..], &["--accept-loss", "another"]].concat()).run(), "is of store");
    let restored = world.backup(&[&restore[..], &["--accept-loss", store]].concat()).run();
    assert_eq!(restored.code, Some(0), "{}", restored.stderr);
    check_restored(&world, "restored", &before).await;
    world.node.terminate();
    until("the node is gone", async || world.node.admin().try_post(Vec::new().into()).await.err()).await;
    let restore = ["restore", "backups", &id, "--to", "again", "--json"];
    failed(&world.backup(&restore).run(), "does not show that it is gone");
    assert!(!world.folder.path().join("again").exists());
    let restore = [&restore[..], &["--accept-loss", store]].concat();
    let restored = world.backup(&restore).run();
    assert_eq!(restored.code, Some(0), "{}", restored.stderr);
    let told: Value = serde_json::from_str(&restored.stdout).unwrap();
    assert!(told["term"].as_u64() > Some(1_000_000) && told["store"].as_str() == Some(store), "{told}");
    failed(&world.backup(&restore).run(), "not used for a restored log");
}

async fn check_restored(world: &World, name: &str, before: &[(Id, Account)]) {
    let data = world.folder.path().join(name);
    let verified = Launch::command(world.folder.path(), &["verify", data.to_str().unwrap()]).run();
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    // A gateway that knows nothing of what was scheduled after the backup: else these nonces are not given again.
    let gateway = Gateway::start();
    let node = world.restored(name).gateway(gateway.url()).start();
    check_there(&node, before).await;
    let process = world.processes[0];
    node.client().schedule(&User::new(9).message(process, b"a new life")).await;
    let status: Value = node.admin().get("/status").await.json();
    assert!(status["term"].as_u64() > Some(1_000_000), "{status}");
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_comes_over_http_where_paths_do_not_reach() {
    let world = World::start().await;
    let token = fs::read_to_string(world.launch.data().join("admin-token")).unwrap();
    // An address of this machine that does not say so.
    let url = format!("http://[::ffff:127.0.0.1]:{}", world.node.admin_address().port());
    let remote = world.backup(&["create", "backups", "--json"]).set("QUIPU_ADMIN_URL", &url);
    failed(&remote.run(), "401");
    let made = remote.set("ADMIN_TOKEN", token.trim_end()).run();
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert_eq!(world.create()["copied_bytes"].as_u64().map(|bytes| bytes < 20_000), Some(true));
    let verified = world.backup(&["verify", "backups"]).run();
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_is_found_and_pruning_keeps_what_others_need() {
    let world = World::start().await;
    for _ in 0..3 {
        world.ledger.send(&world.node.client(), &User::new(1), world.processes[0], 5).await;
        world.create();
    }
    let pruned = world.backup(&["prune", "backups", "--keep", "2", "--json"]).run();
    let told: Value = serde_json::from_str(&pruned.stdout).unwrap();
    assert_eq!((pruned.code, &told["removed"]), (Some(0), &serde_json::json!([1])), "{}", pruned.stderr);
    let verified = world.backup(&["verify", "backups"]).run();
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    let listed = world.backup(&["list", "backups", "--json"]).run();
    assert_eq!(listed.stdout.lines().count(), 2, "{}", listed.stdout);

    let files = fs::read_dir(world.backups().join("files")).unwrap().map(|file| file.unwrap().path());
    let largest = files.max_by_key(|file| file.metadata().unwrap().len()).unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let at = rand::rng().random_range(0..bytes.len());
    bytes[at] ^= 1 << rand::rng().random_range(0..8);
    fs::write(&largest, bytes).unwrap();
    let verified = world.backup(&["verify", "backups"]).run();
    failed(&verified, "not what they should be");
    let name = largest.file_name().unwrap().to_str().unwrap();
    assert!(verified.stdout.contains(name), "byte {at}: {}", verified.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_room_or_the_right_to_write_nothing_is_half_done() {
    let world = World::start().await;
    let data: String = (0..600_000).map(|_| rand::rng().random_range('!'..='~')).collect();
    for turn in 0..4 {
        let message = User::new(turn).message(world.processes[0], data.as_bytes());
        world.node.client().schedule(&message).await;
    }
    fs::create_dir(world.backups()).unwrap();
    let small = Namespace::with_tmpfs(&world.backups(), 1);
    // The folder that a command begins in is outside.
    let (path, below) = (world.backups(), world.backups().join("x"));
    let (path, below) = (path.to_str().unwrap(), below.to_str().unwrap());
    let create = world.backup(&["create", path]).through(&small.enter());
    failed(&create.run(), "No space left");
    let list = world.backup(&["list", path]).through(&small.enter());
    assert_eq!(list.run().stdout.lines().count(), 1, "headings alone");
    small.resize(&world.backups(), 64);
    let made = create.run();
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    small.run(&["mount", "-o", "remount,ro", path]);
    failed(&create.run(), "Read-only file system");
    let verified = world.backup(&["verify", path]).through(&small.enter()).run();
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    let left: Vec<Value> = world.node.admin().get("/replication/v1/checkpoints").await.json();
    assert!(left.is_empty(), "{left:?}");
    let status: Value = world.node.admin().get("/status").await.json();
    let accepted = ["--accept-loss", status["store"].as_str().unwrap()];
    let restore = [&["restore", path, "1", "--to", below][..], &accepted].concat();
    failed(&world.backup(&restore).through(&small.enter()).run(), "Read-only file system");
}

#[tokio::test]
async fn a_stopped_node_is_backed_up_by_its_folder_and_others_are_left_alone() {
    let world = World::start().await;
    let from = world.launch.data();
    let create = |to: &str| world.backup(&["create", to, "--from", from.to_str().unwrap()]).run();
    failed(&create("backups"), "leave out --from");
    assert!(!world.backups().exists());
    world.node.terminate();
    until("the node is gone", async || world.node.admin().try_post(Vec::new().into()).await.err()).await;
    until("its files are closed", async || (create("backups").code == Some(0)).then_some(())).await;
    let verified = world.backup(&["verify", "backups"]).run();
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    let missing = world.backup(&["verify", "backups", "77"]).run();
    failed(&missing, "there is no backup 77");
    assert_eq!(missing.stdout, "");
    fs::create_dir(world.folder.path().join("photos")).unwrap();
    fs::write(world.folder.path().join("photos/1.jpg"), "mine").unwrap();
    failed(&create("photos"), "photos is not used for backups");
    failed(&world.backup(&["list", "photos"]).run(), "there are no backups");
    assert_eq!(count(&world.folder.path().join("photos")), 1);
    // A folder of backups is no data folder, and no log.
    let started = world.restored("backups").run();
    assert_eq!(started.code, Some(2), "{}", started.stderr);
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[tokio::test]
async fn help_has_examples() {
    for command in ["create", "list", "verify", "restore", "prune"] {
        let mut quipu = Command::new(quipu_tests::quipu());
        quipu.args(["backup", command, "--help"]);
        let told = Program::run(quipu);
        assert!(told.code == Some(0) && told.stdout.contains("Examples:"), "{}", told.stdout);
    }
}
