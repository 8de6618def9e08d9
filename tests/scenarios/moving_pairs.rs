//! A process moves from one pair of nodes to another, each of which loses its leader afterwards; and what routers that share
//! a database know of that.

use std::path::Path;
use std::sync::Arc;

use ans104::Id;
use quipu_tests::{Launch, Ledger, Node, Postgres, User, until};
use serde_json::Value;

use crate::folder;
use crate::members::{self, Cluster, TOKEN, id_of, member, schedules};
use crate::members_takeover::hand_over;
use crate::moving::{Pair, SOURCE, TARGET};
use crate::router::home;

/// Moves a process between the leaders of two pairs.
fn moves(process: Id, from: &Node, to: &Node) {
    let process = process.to_string();
    let (url, to_admin, admin) = (to.url(), to.admin_url(), from.admin_url());
    let words = ["move", &process, "--to", &url, "--to-admin", &to_admin, "--to-token", TOKEN];
    let words: Vec<&str> = words.into_iter().chain(["--admin", &admin, "--token", TOKEN]).collect();
    let finished = Launch::command(Path::new("/"), &words).run();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}

async fn leads_on(pair: &Cluster) {
    let [leader, voter] = &pair.nodes[..] else { panic!("two") };
    let done = hand_over(Path::new("/"), leader, &id_of(&member(voter).await));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    schedules(voter).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_moves_between_pairs_and_both_change_their_leaders() {
    let pairs = [members::cluster(2, 1).await, members::cluster(2, 1).await];
    let urls: Vec<String> = pairs.iter().flat_map(|pair| &pair.nodes).map(Node::url).collect();
    let kept = folder();
    let router = Launch::router(kept.path(), &urls.iter().map(String::as_str).collect::<Vec<_>>()).serve();
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
    let (source, target) = (&pairs[0].nodes, &pairs[1].nodes);
    let process = ledger.spawn(&source[0].client(), &user, 1).await[0];
    ledger.send(&source[0].client(), &user, process, 30).await;
    moves(process, &source[0], &target[0]);
    ledger.send(&target[0].client(), &user, process, 10).await;
    until("the router knows", async || (home(&router, process).await == target[0].url()).then_some(())).await;
    // The voters have the steps with the logs.
    for pair in &pairs {
        leads_on(pair).await;
    }
    let told: Value = members::operator(&source[1]).get(&format!("/moves/{process}")).await.json();
    assert_eq!((&told["state"], &told["version"]), (&"moved".into(), &1.into()));
    let told: Value = members::operator(&target[1]).get(&format!("/moves/{process}")).await.json();
    assert_eq!((&told["state"], &told["version"]), (&"here".into(), &1.into()));
    until("the router knows who leads", async || {
        (home(&router, process).await == target[1].url()).then_some(())
    })
    .await;
    ledger.send(&router.client(), &user, process, 10).await;
    assert_eq!(ledger.check(&router.client(), 5).await, 51);
    // On to where it came from it does not go: that store has ended it.
    let refused = source[1].client().post(user.message(process, b"late").bytes).await;
    assert_ne!(refused.status, 200, "{}", refused.text());
    router.stop();
    for pair in pairs {
        for (node, launch) in pair.nodes.into_iter().zip(&pair.launches) {
            node.stop();
            let verified = launch.verify(&[]);
            assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routers_of_one_database_know_where_a_process_has_moved() {
    let (mut pair, postgres) = (Pair::start(), Postgres::start());
    let folders = [folder(), folder()];
    let urls = [pair.url(SOURCE), pair.url(TARGET)];
    let launches = folders.each_ref().map(|folder| {
        let launch = Launch::router(folder.path(), &urls.each_ref().map(String::as_str));
        launch.set("DATABASE_URL", postgres.url())
    });
    let routers = launches.each_ref().map(Launch::serve);
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
    let source = pair.node(SOURCE).client();
    // One that the routers know, and one that they never heard of.
    let processes = ledger.spawn(&source, &user, 2).await;
    ledger.send(&routers[0].client(), &user, processes[0], 5).await;
    for process in &processes {
        pair.moves(*process);
    }
    for router in &routers {
        for process in &processes {
            until("each knows", async || (home(router, *process).await == pair.url(TARGET)).then_some(()))
                .await;
        }
    }
    // Who learns it later, or again, changes nothing.
    let rows = "select string_agg(scheduler || ' ' || version, ',') from quipu_router.homes";
    assert_eq!(postgres.sql("quipu", rows).trim(), "2 1,2 1");
    let counted = "select string_agg(processes::text, ',' order by number) from quipu_router.schedulers";
    assert_eq!(postgres.sql("quipu", counted).trim(), "0,2");
    let events = "select count(*) from quipu_router.events where kind = 'moved'";
    assert_eq!(postgres.sql("quipu", events).trim(), "2");
    routers.into_iter().for_each(|router| drop(router.kill()));
    // Where it was is nobody's to say any more.
    pair.nodes[SOURCE].take().unwrap().kill();
    let routers = launches.each_ref().map(Launch::serve);
    for router in &routers {
        for process in &processes {
            assert_eq!(home(router, *process).await, pair.url(TARGET));
            ledger.send(&router.client(), &user, *process, 3).await;
        }
    }
    ledger.check(&routers[0].client(), 2).await;
    routers.into_iter().for_each(|router| drop(router.stop()));
    pair.nodes[SOURCE] = Some(pair.launches[SOURCE].start());
    pair.verify();
}
