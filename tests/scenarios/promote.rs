//! A standby takes the place of a leader that is gone.

use std::path::Path;

use ans104::KeyType;
use quipu_tests::{Client, Gateway, Launch, Ledger, Node, Relay, User, until};
use serde_json::Value;

use crate::folder;

const TOKEN: &str = "a-token-of-the-test";

fn leader(folder: &Path, gateway: &Gateway) -> Launch {
    Launch::su(folder).gateway(gateway.url()).wallet(KeyType::Ed25519).set("ADMIN_TOKEN", TOKEN)
}

fn standby_of(leader: &Node, folder: &Path, gateway: &Gateway) -> Launch {
    Launch::standby(folder, &leader.admin_url())
        .gateway(gateway.url())
        .unset("UPLOAD_NODE_URL")
        .set("REPLICATE_TOKEN", TOKEN)
        .set("ADMIN_TOKEN", TOKEN)
}

fn promote(folder: &Path, words: &[&str]) -> Launch {
    let words: Vec<_> = std::iter::once("promote").chain(words.iter().copied()).collect();
    let launch = Launch::command(folder, &words).set("SU_DATA_DIR", folder.join("data"));
    // Which node other commands ask is not which one is to lead.
    launch.set("USER", "somebody").set("QUIPU_ADMIN_URL", "http://127.0.0.1:1")
}

async fn status(node: &Node) -> Value {
    Client::operator(&node.admin_url(), TOKEN).get("/status").await.json()
}

/// Waits until so many events are in the projection of a name.
async fn followed(node: &Node, name: &str, events: u64) {
    until("all of it is followed", async || {
        let status = status(node).await;
        let projections = status["projections"].as_array()?;
        let followed = projections.iter().find(|projection| projection["name"] == name)?;
        (followed["position"].as_u64() >= Some(events - 1)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_and_gives_no_nonce_that_is_on_chain() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    let (ledger, user) = (Ledger::default(), User::new(201));
    let node = leader(folders.0.path(), &gateway).start();
    let processes = ledger.spawn(&node.client(), &user, 2).await;
    for process in &processes {
        ledger.send(&node.client(), &user, *process, 3).await;
    }
    let standby = standby_of(&node, folders.1.path(), &gateway);
    let following = standby.serve();
    // The wallet, two processes and their messages.
    followed(&following, "index", 9).await;
    let store = status(&node).await["store"].as_str().unwrap().to_owned();
    let refused = promote(folders.1.path(), &["--accept-loss", &store]).run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("stop it first"), "{}", refused.stderr);
    following.stop();
    // What the standby does not have, and the chain has.
    let lost = user.message(processes[0], b"lost");
    assert_eq!(node.client().post(lost.bytes).await.status, 200);
    followed(&node, "uploads", 10).await;
    node.kill();

    let refused = promote(folders.1.path(), &[]).run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("quipu promote ")
            && refused.stderr.contains(&format!("--accept-loss {store}")),
        "{}",
        refused.stderr
    );
    for told in ["9 events up to term 1", "is lost", &store] {
        assert!(refused.stdout.contains(told), "{told}: {}", refused.stdout);
    }
    let other = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
    let refused = promote(folders.1.path(), &["--accept-loss", other]).run();
    assert!(refused.code == Some(1) && refused.stderr.contains("nothing was changed"), "{}", refused.stderr);
    let still = leader(folders.1.path(), &gateway).run();
    assert!(still.code == Some(1) && still.stderr.contains("quipu promote"), "{}", still.stderr);
    let done = promote(folders.1.path(), &["--accept-loss", &store]).run();
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("term 2 has begun with event 9"), "{}", done.stdout);

    let launch = leader(folders.1.path(), &gateway);
    let node = launch.start();
    assert_eq!(status(&node).await["store"], store.as_str());
    let refused = node.client().post(user.message(processes[0], b"next").bytes).await;
    assert_eq!(refused.refusal(503), "unavailable");
    assert!(refused.text().contains("nonce 4 on chain"), "{}", refused.text());
    ledger.send(&node.client(), &user, processes[1], 3).await;
    ledger.check(&node.client(), 1).await;
    // The old leader comes back, is told, and remembers it.
    let returned = leader(folders.0.path(), &gateway);
    let asking = returned.clone().set("REPLICATE_PEERS", node.admin_url()).set("REPLICATE_TOKEN", TOKEN);
    for (launch, told) in
        [(asking, "has the same store in term 2"), (returned, "another node has taken the place")]
    {
        let refused = launch.run();
        assert!(refused.code == Some(1) && refused.stderr.contains(told), "{told}: {}", refused.stderr);
    }
    node.stop();
    let verified = launch.verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    let standby = standby.run();
    assert!(standby.code == Some(1) && standby.stderr.contains("role leader"), "{}", standby.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_place_is_taken_while_it_runs_stops_scheduling() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    let (ledger, user) = (Ledger::default(), User::new(202));
    // Nobody is there yet.
    let peer = Relay::to(1).await;
    let launch = leader(folders.0.path(), &gateway);
    let old = launch.clone().set("REPLICATE_PEERS", peer.url()).set("REPLICATE_TOKEN", TOKEN).start();
    let process = ledger.spawn(&old.client(), &user, 1).await[0];
    let standby = standby_of(&old, folders.1.path(), &gateway);
    let following = standby.serve();
    followed(&following, "index", 2).await;
    following.stop();
    let store = status(&old).await["store"].as_str().unwrap().to_owned();
    let done = promote(folders.1.path(), &["--accept-loss", &store]).run();
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let new = leader(folders.1.path(), &gateway).unset("UPLOAD_NODE_URL").start();
    peer.lead_to(new.admin_address().port());

    let mut number = 0;
    let refused = until("the old leader hears of it", async || {
        number += 1;
        let text = format!("message {number}");
        let answer = old.client().post(user.message(process, text.as_bytes()).bytes).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert_eq!(refused.refusal(503), "unavailable");
    // It is told at the door what has happened, from the first one on that comes after.
    until("it is told why", async || {
        let answer = old.client().post(user.message(process, b"one more").bytes).await;
        answer.text().contains("another node has taken the place").then_some(())
    })
    .await;
    assert_eq!(status(&old).await["role"], "fenced");
    assert_eq!(old.client().get("/health").await.status, 503);
    assert_eq!(old.client().get(&format!("/{process}")).await.status, 200);
    old.stop();
    let again = launch.run();
    assert!(
        again.code == Some(1) && again.stderr.contains("another node has taken the place"),
        "{}",
        again.stderr
    );
    new.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_took_over_one_schedules() {
    let (folders, gateway) = ([folder(), folder(), folder()], Gateway::start());
    let (ledger, user) = (Ledger::default(), User::new(203));
    let node = leader(folders[0].path(), &gateway).start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    for folder in &folders[1..] {
        let standby = standby_of(&node, folder.path(), &gateway);
        let following = standby.serve();
        followed(&following, "index", 2).await;
        following.stop();
    }
    let store = status(&node).await["store"].as_str().unwrap().to_owned();
    node.kill();
    let take_over = |folder: &Path, term: &str| {
        let done = promote(folder, &["--accept-loss", &store]).run();
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert!(done.stdout.contains(&format!("{term} has begun")), "{}", done.stdout);
    };
    take_over(folders[1].path(), "term 2");
    take_over(folders[2].path(), "term 2");
    let first = leader(folders[1].path(), &gateway).unset("UPLOAD_NODE_URL").start();
    let second = leader(folders[2].path(), &gateway)
        .unset("UPLOAD_NODE_URL")
        .set("REPLICATE_PEERS", first.admin_url())
        .set("REPLICATE_TOKEN", TOKEN);
    // It remembers it, too.
    for (launch, told) in
        [(second.clone(), "in the same term 2"), (second.clone().unset("REPLICATE_PEERS"), "quipu promote")]
    {
        let refused = launch.run();
        assert!(refused.code == Some(1) && refused.stderr.contains(told), "{told}: {}", refused.stderr);
    }
    ledger.send(&first.client(), &user, process, 1).await;
    // Unless it is the one that is to go on.
    take_over(folders[2].path(), "term 3");
    let second = second.start();
    assert_eq!(status(&second).await["role"], "leader");
    first.stop();
    second.stop();
}
