//! Nodes whose wallets are keys of each kind: clients need not care which.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ans104::{Address, KeyType, base64url};
use quipu_tests::{
    Client, Gateway, Launch, Ledger, Node, Postgres, User, read_history, until, wallet_file_of,
};
use serde_json::Value;
use sqlx::query_as;

use crate::folder;
use crate::tables::caught_up;

#[tokio::test]
async fn rsa_wallets_schedule() {
    schedules(KeyType::Rsa).await;
}

#[tokio::test]
async fn secp256k1_wallets_schedule() {
    schedules(KeyType::Secp256k1).await;
}

#[tokio::test]
async fn ed25519_wallets_schedule() {
    schedules(KeyType::Ed25519).await;
}

async fn schedules(key_type: KeyType) {
    let (folder, gateway, postgres) = (folder(), Gateway::start(), Postgres::start());
    let launch =
        Launch::su(folder.path()).wallet(key_type).gateway(gateway.url()).set("DATABASE_URL", postgres.url());
    let node = launch.start();
    let (ledger, user) = (Ledger::default(), User::new(1));
    let processes = ledger.spawn(&node.client(), &user, 2).await;
    for process in &processes {
        ledger.send(&node.client(), &user, *process, 10).await;
    }
    // Chains go on over a kill, and each signature verifies as clients see it.
    node.kill();
    let node = launch.start();
    for process in &processes {
        ledger.send(&node.client(), &user, *process, 5).await;
    }
    assert_eq!(ledger.check(&node.client(), 1).await, 32);
    assert_keys(&node.client(), processes[0], key_type).await;
    assert_followed(&node, &gateway, &postgres, processes[0], key_type).await;
    assert_measured(&node, folder.path(), key_type);
    node.stop();
    let verified = launch.verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

/// What clients do with the scheduler's key: hash it to the address that the node gives as its own.
async fn assert_keys(client: &Client, process: ans104::Id, key_type: KeyType) {
    let signature_type = key_type.signature_type();
    let address = client.address().await;
    for edge in read_history(client, process, 5).await {
        let assignment = edge.node.assignment.unwrap();
        let key = base64url::decode(&assignment.owner.key).unwrap();
        assert_eq!(key.len(), signature_type.owner_len());
        assert_eq!(Address::of_owner(&key).to_string(), assignment.owner.address);
        assert_eq!(assignment.owner.address, address);
        let signature = base64url::decode(&assignment.signature).unwrap();
        assert_eq!(signature.len(), signature_type.signature_len());
        let by_id: Value = client.get(&format!("/{}?process-id={process}", assignment.id)).await.json();
        assert_eq!(by_id["assignment"]["owner"]["key"], assignment.owner.key.as_str());
    }
}

/// What follows the log has the key and the assignments too.
async fn assert_followed(
    node: &Node,
    gateway: &Gateway,
    postgres: &Postgres,
    process: ans104::Id,
    key_type: KeyType,
) {
    caught_up(node).await;
    let client = node.client();
    let (pool, address) = (postgres.pool().await, client.address().await);
    let sql = "select length(o.key)::bigint, count(*), count(distinct length(a.signature)) from quipu.assignments a \
               join quipu.owners o on o.store = a.store and o.address = a.owner where o.address = $1 group by 1";
    let found: (i64, i64, i64) = query_as(sql).bind(&address).fetch_one(&pool).await.unwrap();
    assert_eq!(found, (key_type.signature_type().owner_len() as i64, 32, 1));
    let assignments = read_history(&client, process, 100).await.into_iter();
    let ids: Vec<_> = assignments.map(|edge| edge.node.assignment.unwrap().id).collect();
    until("the assignments are uploaded", async || gateway.has_all(&ids).then_some(())).await;
}

/// The benchmark finds nothing wrong, and takes the right kind of signature for its floor.
fn assert_measured(node: &Node, folder: &std::path::Path, key_type: KeyType) {
    let url = node.url();
    let few = ["--messages", "40", "--processes", "2", "--connections", "4", "--skip-read"];
    let words = [&["bench", "--url", &url, "--floor-seconds", "1", "--json"], &few[..]].concat();
    let measured = Launch::command(folder, &words).run();
    assert_eq!(measured.code, Some(0), "{}{}", measured.stdout, measured.stderr);
    let report: Value = serde_json::from_str(&measured.stdout).unwrap();
    assert_eq!(report["floor"]["key_type"], key_type.as_str(), "{report}");
    assert_eq!(report["check"]["signatures_verified"], 84, "{report}");
}

#[tokio::test]
async fn a_store_goes_on_with_its_own_wallet_alone_unless_it_is_told() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let [first, second] =
        [KeyType::Ed25519, KeyType::Secp256k1].map(|key_type| launch.clone().wallet(key_type));
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = first.start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    ledger.send(&node.client(), &user, process, 3).await;
    let one = node.client().address().await;
    node.stop();

    // Refused in words: both addresses, and what to do.
    let refused = second.run();
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    let two =
        refused.stderr.split("SU_WALLET_CHANGE_TO=").nth(1).expect("it says what to do")[..43].to_owned();
    for address in [&one, &two] {
        assert!(refused.stderr.contains(&**address), "{}", refused.stderr);
    }
    assert_ne!(one, two);
    // A change to any other wallet than that is none.
    let refused = second.clone().set("SU_WALLET_CHANGE_TO", &one).run();
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);

    let node = second.clone().set("SU_WALLET_CHANGE_TO", &two).start();
    assert_eq!(node.client().address().await, two);
    ledger.send(&node.client(), &user, process, 2).await;
    node.kill();
    // Said once, it is known.
    let node = second.start();
    ledger.send(&node.client(), &user, process, 1).await;
    let history = read_history(&node.client(), process, 100).await.into_iter();
    let signers: Vec<_> = history.map(|edge| edge.node.assignment.unwrap().owner.address).collect();
    assert_eq!(signers, [vec![one; 4], vec![two; 3]].concat());
    node.stop();
    assert_eq!(first.run().code, Some(2), "the wallet before signs on");
    let verified = launch.verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

#[tokio::test]
async fn a_wallet_that_others_can_read_is_named_with_its_mode_and_never_shown() {
    let folder = folder();
    let path = folder.path().join("su.json");
    fs::copy(wallet_file_of(KeyType::Secp256k1), &path).unwrap();
    for (mode, warned) in [(0o644, true), (0o640, true), (0o600, false), (0o400, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let node = Launch::su(folder.path()).set("SU_WALLET_PATH", &path).set("RUST_LOG", "trace").serve();
        let said = node.stop().stderr;
        let warning = said.lines().find(|line| line.contains("open to others"));
        assert_eq!(warning.is_some(), warned, "{mode:o}: {said}");
        assert!(warning.is_none_or(|line| line.contains(&format!("{mode:04o}"))), "{warning:?}");
        let key: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert!(!said.contains(key["d"].as_str().unwrap()), "the key is in the log");
    }
}
