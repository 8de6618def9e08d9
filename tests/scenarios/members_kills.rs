//! Nodes that keep a log together, one of which is killed in the middle of a change of who keeps it: whatever
//! was acknowledged is there, one schedules, and all are the same in the end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quipu_tests::{Launch, Ledger, Load, Node, User, until};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use crate::members::{Cluster, TOKEN, caught_up, cluster, id_of, member, more, status};

const CLIENTS: usize = 8;
/// After how many milliseconds somebody is killed.
const MOMENTS: [u64; 3] = [0, 4, 15];

/// What is under way.
#[derive(Clone, Copy, Debug)]
enum Change {
    Remove,
    Add,
}

fn asked(folder: &Path, words: &[&str], admin: &str) -> Launch {
    let access = ["--admin", admin, "--token", TOKEN];
    Launch::command(folder, &[words, &access[..]].concat())
}

/// Which of the nodes schedules, once one does.
pub async fn leader_of(nodes: &[Option<Node>]) -> usize {
    until("one of them schedules", async || {
        for (at, node) in nodes.iter().enumerate() {
            let Some(node) = node else { continue };
            let status = status(node).await;
            if status["role"] == "leader" && status["writes_refused"].is_null() {
                return Some(at);
            }
        }
        None
    })
    .await
}

/// Of three nodes the leader or another one is killed while this is under way, at some moments.
async fn kills(change: Change) {
    let Cluster { gateway: _gateway, folders, launches, nodes, .. } = cluster(3, 1).await;
    let mut nodes: Vec<_> = nodes.into_iter().map(Some).collect();
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(99));
    let client = nodes[0].as_ref().unwrap().client();
    let processes = ledger.spawn(&client, &user, 3).await;
    let load = Load::start(&ledger, &processes, CLIENTS);
    for (round, moment) in MOMENTS.into_iter().enumerate() {
        let leader = leader_of(&nodes).await;
        let (other, third) = ((leader + 1) % 3, (leader + 2) % 3);
        let node = |at: usize| nodes[at].as_ref().unwrap();
        load.aim(node(leader).client());
        more(&load, 20).await;
        let of_third = id_of(&member(node(third)).await);
        let (admin, folder) = (node(leader).admin_url(), folders[leader].path());
        let url = node(third).admin_url();
        if matches!(change, Change::Add) {
            let _ = beside(asked(folder, &["members", "remove", &of_third], &admin)).await;
        }
        let asking = match change {
            Change::Remove => asked(folder, &["members", "remove", &of_third], &admin),
            Change::Add => asked(folder, &["members", "add", &of_third, "--url", &url], &admin),
        };
        let asking = beside(asking);
        sleep(Duration::from_millis(moment)).await;
        let killed = if round % 2 == 0 { leader } else { other };
        nodes[killed].take().unwrap().kill();
        let _ = asking.await;
        nodes[killed] = Some(launches[killed].serve());
        let leader = leader_of(&nodes).await;
        load.aim(nodes[leader].as_ref().unwrap().client());
        more(&load, 20).await;
        // For the next round all three are there again.
        let leader = leader_of(&nodes).await;
        let admin = nodes[leader].as_ref().unwrap().admin_url();
        for at in 0..3 {
            let node = nodes[at].as_ref().unwrap();
            let (id, url) = (id_of(&member(node).await), node.admin_url());
            let added = beside(asked(folders[at].path(), &["members", "add", &id, "--url", &url], &admin));
            assert_eq!(added.await.unwrap().code, Some(0), "{change:?} {round}");
        }
        ledger.check(&nodes[leader].as_ref().unwrap().client(), 16).await;
    }
    load.stop().await;
    let leader = leader_of(&nodes).await;
    for node in nodes.iter().flatten() {
        caught_up(node, nodes[leader].as_ref().unwrap()).await;
        ledger.check(&node.client(), 16).await;
    }
    nodes.into_iter().flatten().for_each(|node| drop(node.stop()));
    for launch in launches {
        let verified = launch.verify(&[]);
        assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    }
}

/// Runs a command beside what the test does.
fn beside(launch: Launch) -> JoinHandle<quipu_tests::Finished> {
    spawn_blocking(move || launch.run())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_while_the_members_change_nothing_is_lost() {
    for change in [Change::Remove, Change::Add] {
        kills(change).await;
    }
}
