//! Nodes that keep a log together, one of which takes the place of another: what was acknowledged stays, and one schedules.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quipu_tests::{Client, Launch, Ledger, Load, Node, User, free_port, until};
use reqwest::Method;
use serde_json::Value;
use tokio::time::sleep;

use crate::folder;
use crate::members::{
    Cluster, at_one_place, caught_up, cluster, cluster_of, id_of, joined, member, more, operator, promote,
    schedules, status, voter,
};

const TOKEN: &str = "a-token-of-the-test";
const CLIENTS: usize = 8;
/// How often the leader of a pair is killed.
const ROUNDS: usize = 20;

/// Has a message accepted as soon as that can be; how long it took.
async fn first_accepted(ledger: &Ledger, client: &Client, user: &User, process: ans104::Id) -> Duration {
    let since = Instant::now();
    let message = user.message(process, b"the first one");
    ledger.post(process, &message);
    until("a message is accepted", async || {
        let answer = client.try_post(message.bytes.clone()).await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
    since.elapsed()
}

/// Whether a node refuses what is posted to it, and does not lead.
async fn leads_nothing(node: &Node, user: &User, process: ans104::Id) {
    until("it does not lead", async || {
        let status = status(node).await;
        (status["role"] != "leader").then_some(())
    })
    .await;
    assert_eq!(node.client().post(user.message(process, b"to the old one").bytes).await.status, 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_pair_the_one_that_is_left_has_all_that_was_acknowledged() {
    let Cluster { gateway, folders, nodes, store, .. } = cluster(2, 1).await;
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(99));
    let mut nodes: Vec<Node> = nodes;
    let processes = ledger.spawn(&nodes[0].client(), &user, 3).await;
    let load = Load::start(&ledger, &processes, CLIENTS);
    let mut kept = folders;
    for round in 0..ROUNDS {
        load.aim(nodes[0].client());
        more(&load, 40).await;
        nodes.remove(0).kill();
        let survivor = &nodes[0];
        let since = Instant::now();
        if round == 0 {
            // Its own promise is enough for the term, and not for what is scheduled in it.
            let asked = promote(kept[0].path(), survivor, &[]);
            assert_eq!(asked.code, Some(1), "{}", asked.stderr);
            assert!(asked.stdout.contains("does not schedule yet"), "{}", asked.stdout);
            assert!(asked.stdout.contains(&format!("--accept-loss {store}")), "{}", asked.stdout);
        }
        let asked = Instant::now();
        let done = promote(kept[0].path(), survivor, &["--accept-loss", &store]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert!(done.stdout.contains("It schedules."), "{}", done.stdout);
        let took = asked.elapsed();
        first_accepted(&ledger, &survivor.client(), &user, processes[0]).await;
        println!(
            "round {round}: promoted in {took:?}, a message accepted {:?} after the kill",
            since.elapsed()
        );
        caught_up(survivor, survivor).await;
        ledger.check(&survivor.client(), 8).await;
        let fresh = folder();
        let launch = at_one_place(voter(fresh.path(), &gateway, &survivor.admin_url(), 1));
        nodes.push(launch.start());
        kept.push(fresh);
        joined(&nodes[0], 2, 1).await;
    }
    load.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_one_is_promoted_by_two_and_the_old_leader_follows() {
    let mut cluster = cluster(3, 1).await;
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(99));
    let processes = ledger.spawn(&cluster.nodes[0].client(), &user, 3).await;
    let load = Load::start(&ledger, &processes, CLIENTS);
    load.aim(cluster.nodes[0].client());
    more(&load, 100).await;
    cluster.nodes.remove(0).kill();
    let since = Instant::now();
    let done = promote(cluster.folders[1].path(), &cluster.nodes[0], &[]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("2 promises") && done.stdout.contains("It schedules."), "{}", done.stdout);
    let new = &cluster.nodes[0];
    first_accepted(&ledger, &new.client(), &user, processes[0]).await;
    println!("three nodes: a message accepted {:?} after the promotion was asked for", since.elapsed());
    load.aim(new.client());
    more(&load, 50).await;
    load.stop().await;
    ledger.check(&new.client(), 8).await;
    caught_up(&cluster.nodes[1], new).await;
    ledger.check(&cluster.nodes[1].client(), 8).await;

    let old = cluster.launches[0].serve();
    leads_nothing(&old, &user, processes[0]).await;
    until("it knows who leads, or that its log is another one", async || {
        let role = member(&old).await["role"].clone();
        let leader = status(&old).await["leader"]["state"].clone();
        (leader == "following" || leader == "stopped" || role == "apart").then_some(())
    })
    .await;
    schedules(new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leaves_a_leader_that_slept_while_another_one_took_its_place() {
    let cluster = cluster(3, 1).await;
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(99));
    let [old, new, third] = &cluster.nodes[..] else { panic!("there are three") };
    let process = ledger.spawn(&old.client(), &user, 1).await[0];
    ledger.send(&old.client(), &user, process, 10).await;
    old.signal("STOP");
    // It gets this while it sleeps.
    let late = user.message(process, b"too late");
    let (client, bytes) = (old.client(), late.bytes.clone());
    let answer = tokio::spawn(async move { client.try_post(bytes).await });
    let done = promote(cluster.folders[1].path(), new, &[]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    ledger.send(&new.client(), &user, process, 10).await;
    old.signal("CONT");
    if let Ok(answer) = answer.await.unwrap() {
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
    leads_nothing(old, &user, process).await;
    for node in [new, third] {
        caught_up(node, new).await;
        ledger.check(&node.client(), 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_election_that_nobody_ends_does_not_end_the_writes() {
    let cluster = cluster(2, 1).await;
    let (ledger, user) = (Ledger::default(), User::new(99));
    let (leader, other) = (&cluster.nodes[0], &cluster.nodes[1]);
    let process = ledger.spawn(&leader.client(), &user, 1).await[0];
    // The other one asks for a promise, and is not heard of again.
    let term = member(leader).await["term"].as_u64().unwrap();
    let (candidate, digest) = (id_of(&member(other).await), "A".repeat(43));
    let asked = format!(
        "/replication/v1/promises?term={}&candidate={candidate}&events=0&digest={digest}&url={}",
        term + 1,
        other.admin_url(),
    );
    until("the promise is given", async || {
        let client = operator(leader);
        let answer = client.send(client.request(Method::POST, &asked)).await.expect("it answers");
        (answer.json::<Value>()["verdict"] == "promised").then_some(())
    })
    .await;
    assert_eq!(leader.client().post(user.message(process, b"meanwhile").bytes).await.status, 503);
    schedules(leader).await;
    assert!(member(leader).await["term"].as_u64() > Some(term + 1));
    joined(leader, 2, 1).await;
    ledger.send(&leader.client(), &user, process, 3).await;
    caught_up(other, leader).await;
    ledger.check(&other.client(), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_led_alone_asks_its_peers_before_it_leads_again() {
    // Also one that is started as a standby.
    for early in [0, 1] {
        led_alone(early).await;
    }
}

/// One of a pair led alone, then the other one does.
async fn led_alone(early: usize) {
    let mut cluster = cluster(2, 1).await;
    let late = 1 - early;
    let alone = |cluster: &Cluster, at: usize, node: &Node| {
        let done = promote(cluster.folders[at].path(), node, &["--accept-loss", &cluster.store]);
        assert!(done.stdout.contains("It schedules."), "{} {}", done.stdout, done.stderr);
    };
    cluster.nodes.remove(late).kill();
    let first = cluster.nodes.remove(0);
    alone(&cluster, early, &first);
    first.kill();
    let second = cluster.launches[late].serve();
    alone(&cluster, late, &second);
    let launch = cluster.launches[early].clone().set("REPLICATE_PEERS", second.admin_url());
    let refused = launch.run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("has taken the place of this one"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_to_lead_alone_while_it_runs_asks_its_peers_as_well() {
    let place = format!("127.0.0.1:{}", free_port());
    let peer = format!("http://{place}");
    let mut cluster = cluster_of(2, 1, |at, launch| match at {
        1 => launch.set("ADMIN_LISTEN", place.clone()),
        _ => launch,
    })
    .await;
    // It starts as one of two.
    let launch = cluster.launches[0].clone().set("REPLICATE_PEERS", peer);
    cluster.nodes.remove(0).stop();
    let first = launch.start();
    schedules(&first).await;
    let second = &cluster.nodes[0];
    let id = id_of(&member(second).await);
    second.signal("STOP");
    let admin = first.admin_url();
    let words =
        ["members", "remove", &id, "--admin", &admin, "--token", TOKEN, "--accept-loss", &cluster.store];
    let done = Launch::command(cluster.folders[0].path(), &words).run();
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    first.signal("STOP");
    second.signal("CONT");
    let done = promote(cluster.folders[1].path(), second, &["--accept-loss", &cluster.store]);
    assert!(done.stdout.contains("It schedules."), "{} {}", done.stdout, done.stderr);
    first.signal("CONT");
    first.said("another node has taken the place of this one");
    schedules(second).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promotions_may_follow_each_other_with_nothing_in_between() {
    let cluster = cluster(3, 1).await;
    let (ledger, user) = (Ledger::default(), User::new(99));
    let process = ledger.spawn(&cluster.nodes[0].client(), &user, 1).await[0];
    let mut term = 0;
    for number in [1, 2, 0] {
        let (node, folder) = (&cluster.nodes[number], cluster.folders[number].path());
        let done = promote(folder, node, &[]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert!(done.stdout.contains("It schedules."), "{}", done.stdout);
        let now = member(node).await["term"].as_u64().unwrap();
        assert!(now > term, "{now}");
        term = now;
    }
    ledger.send(&cluster.nodes[0].client(), &user, process, 5).await;
    for node in &cluster.nodes {
        caught_up(node, &cluster.nodes[0]).await;
        ledger.check(&node.client(), 1).await;
    }
    for number in [1, 2] {
        leads_nothing(&cluster.nodes[number], &user, process).await;
    }
    let Cluster { nodes, launches, .. } = cluster;
    nodes.into_iter().for_each(|node| drop(node.stop()));
    for launch in launches {
        let verified = launch.verify(&[]);
        assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_hands_over_and_nobody_is_refused_for_long() {
    let cluster = cluster(2, 1).await;
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(99));
    let process = ledger.spawn(&cluster.nodes[0].client(), &user, 1).await[0];
    let clients = [cluster.nodes[0].client(), cluster.nodes[1].client()];
    let (posting, stop) = (ledger.clone(), tokio::sync::watch::Sender::new(false));
    let stopped = stop.subscribe();
    // Tries either node until one takes the message; the longest that this took.
    let poster = tokio::spawn(async move {
        let (user, mut longest, mut at) = (User::new(98), Duration::ZERO, 0);
        for number in 0.. {
            if *stopped.borrow() {
                return (longest, number);
            }
            let message = user.message(process, format!("message {number}").as_bytes());
            posting.post(process, &message);
            let since = Instant::now();
            loop {
                let answer = clients[at].post(message.bytes.clone()).await;
                if matches!(answer.status, 200 | 409) {
                    break;
                }
                assert_eq!(answer.refusal(503), "unavailable");
                at = 1 - at;
                sleep(Duration::from_millis(10)).await;
            }
            longest = longest.max(since.elapsed());
        }
        unreachable!("it is stopped before")
    });
    sleep(Duration::from_millis(300)).await;
    let to = id_of(&member(&cluster.nodes[1]).await);
    let done = hand_over(cluster.folders[0].path(), &cluster.nodes[0], &to);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("It schedules."), "{}", done.stdout);
    sleep(Duration::from_millis(300)).await;
    stop.send_replace(true);
    let (longest, sent) = poster.await.unwrap();
    println!("handed over while {sent} messages were sent: the longest took {longest:?}");
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    schedules(&cluster.nodes[1]).await;
    leads_nothing(&cluster.nodes[0], &user, process).await;
    until("the old one follows", async || {
        (status(&cluster.nodes[0]).await["leader"]["state"] == "following").then_some(())
    })
    .await;
    for node in &cluster.nodes {
        caught_up(node, &cluster.nodes[1]).await;
        ledger.check(&node.client(), 4).await;
    }
    let nobody = hand_over(cluster.folders[0].path(), &cluster.nodes[0], &to);
    assert!(nobody.code == Some(1) && nobody.stderr.contains("does not lead"), "{}", nobody.stderr);
    let shown: Value = operator(&cluster.nodes[1]).get("/members").await.json();
    assert_eq!(shown["role"], "leading", "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voter_that_starts_with_its_old_leader_confirms_to_the_one_that_leads_now() {
    let mut cluster = cluster(3, 1).await;
    let (ledger, user) = (Ledger::default(), User::new(97));
    let process = ledger.spawn(&cluster.nodes[0].client(), &user, 1).await[0];
    let last = cluster.nodes.pop().unwrap();
    let id = id_of(&member(&last).await);
    last.stop();
    let to = id_of(&member(&cluster.nodes[1]).await);
    let done = hand_over(cluster.folders[0].path(), &cluster.nodes[0], &to);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    schedules(&cluster.nodes[1]).await;
    until("the old one follows", async || {
        (status(&cluster.nodes[0]).await["leader"]["state"] == "following").then_some(())
    })
    .await;
    ledger.send(&cluster.nodes[1].client(), &user, process, 10).await;
    // What it is told to follow has all there is, and does not lead.
    cluster.nodes.push(cluster.launches[2].start());
    until("the new leader hears of it", async || {
        let now = member(&cluster.nodes[1]).await;
        let voters = now["voters"].as_array()?;
        let voter = voters.iter().find(|voter| voter["node"] == *id)?;
        (voter["events"] == now["events"]).then_some(())
    })
    .await;
    ledger.check(&cluster.nodes[1].client(), 4).await;
    let Cluster { nodes, .. } = cluster;
    nodes.into_iter().for_each(|node| drop(node.stop()));
}

/// Has a leader hand over; what it says.
pub fn hand_over(folder: &Path, node: &Node, to: &str) -> quipu_tests::Finished {
    let admin = node.admin_url();
    Launch::command(folder, &["handover", "--to", to, "--admin", &admin, "--token", TOKEN]).run()
}
