//! Nodes that keep a log together, of which two do not hear each other while both hear the third one.

use std::sync::Arc;
use std::time::Duration;

use quipu_tests::{Ledger, Load, Node, Proxy, User, until};
use tokio::time::{Instant, sleep};

use crate::members::{Cluster, caught_up, cluster_of, member, more, promote, schedules, status};

const CLIENTS: usize = 8;
/// Longer than it takes a leader to ask what became of a voter of which it hears nothing, several times over.
const WATCHED: Duration = Duration::from_secs(14);

async fn term(node: &Node) -> Option<u64> {
    member(node).await["term"].as_u64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_do_not_hear_each_other_do_not_depose_each_other_for_ever() {
    let ways = [Proxy::start().await, Proxy::start().await];
    let told = |at: usize, launch: quipu_tests::Launch| match ways.get(at) {
        Some(way) => launch.set("HTTP_PROXY", way.url()),
        None => launch,
    };
    let Cluster { gateway: _gateway, folders, nodes, .. } = cluster_of(3, 1, told).await;
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(99));
    let processes = ledger.spawn(&nodes[0].client(), &user, 3).await;
    let load = Load::start(&ledger, &processes, CLIENTS);
    load.aim(nodes[0].client());
    more(&load, 50).await;
    for (at, way) in ways.iter().enumerate() {
        way.cut(nodes[1 - at].admin_address().port());
    }
    // Neither is the third one cut off, nor does the cut alone change anything.
    more(&load, 50).await;
    let done = promote(folders[1].path(), &nodes[1], &[]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("It schedules."), "{}", done.stdout);
    load.aim(nodes[1].client());
    more(&load, 50).await;
    let (led, since) = (term(&nodes[1]).await, Instant::now());
    while since.elapsed() < WATCHED {
        more(&load, 5).await;
        assert_eq!(term(&nodes[1]).await, led, "it was deposed, and leads again");
        sleep(Duration::from_millis(100)).await;
    }
    assert_ne!(status(&nodes[0]).await["role"], "leader");
    assert_eq!(nodes[0].client().post(user.message(processes[0], b"here").bytes).await.status, 503);
    ways.iter().for_each(Proxy::mend);
    // It may have what nobody else got before it was to lead no more.
    until("the one that led follows, or knows that its log is another one", async || {
        let follows = status(&nodes[0]).await["leader"]["state"] == "following";
        (follows || member(&nodes[0]).await["role"] == "apart").then_some(())
    })
    .await;
    more(&load, 20).await;
    load.stop().await;
    schedules(&nodes[1]).await;
    assert_eq!(term(&nodes[1]).await, led);
    for node in &nodes[1..] {
        caught_up(node, &nodes[1]).await;
        ledger.check(&node.client(), 4).await;
    }
}
