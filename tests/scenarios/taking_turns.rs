//! Leaders that are killed under load, and standbys that take their place, again and again: whatever clients were told is
//! there, or is on the list of what was lost.

use std::path::Path;
use std::sync::Arc;

use quipu_tests::{Gateway, Launch, Ledger, Load, Relay, User, until};
use serde_json::Value;

use crate::standby::{TOKEN, assert_whole, leader, level, more, standby, status};
use crate::{copy_folder, folder};

const PROCESSES: usize = 4;
const CLIENTS: usize = 8;
const ROUNDS: usize = 20;

fn about(folder: &Path, words: &[&str], from: &str) -> Launch {
    let command = Launch::command(folder, words).set("SU_DATA_DIR", folder.join("data"));
    command.set("REPLICATE_FROM", from).set("REPLICATE_TOKEN", TOKEN)
}

fn assert_done(launch: &Launch) {
    let done = launch.run();
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_but_what_is_listed_and_no_nonce_is_given_twice() {
    let (folders, gateway) = ([folder(), folder()], Gateway::start());
    let ledger = Arc::new(Ledger::default());
    let led = |at: usize| leader(folders[at].path(), &gateway).unset("UPLOAD_NODE_URL");
    let mut node = led(0).start();
    let processes = ledger.spawn(&node.client(), &User::new(200), PROCESSES).await;
    let store = status(&node).await["store"].as_str().unwrap().to_owned();
    let load = Load::start(&ledger, &processes, CLIENTS);
    let mut lost = 0;
    for round in 0..ROUNDS {
        let (old, new) = (round % 2, (round + 1) % 2);
        let second = standby(folders[new].path(), &gateway, &node.admin_url());
        let following = second.serve();
        load.aim(node.client());
        more(&load, 40).await;
        until("it follows", async || {
            (status(&following).await["leader"]["state"] == "following").then_some(())
        })
        .await;
        more(&load, 20).await;
        if round % 3 == 0 {
            // It lacks what comes now.
            following.kill();
            more(&load, 20).await;
            node.kill();
        } else {
            node.kill();
            following.stop();
        }
        assert_done(&about(folders[new].path(), &["promote", "--accept-loss", &store], ""));
        node = led(new).start();
        let listed = about(folders[old].path(), &["divergence", "--json"], &node.admin_url()).run();
        assert!(matches!(listed.code, Some(0 | 3)), "{}{}", listed.stdout, listed.stderr);
        for line in listed.stdout.lines().skip(1) {
            let event: Value = serde_json::from_str(line).unwrap();
            // What a node notes about itself was acknowledged to nobody.
            if event["kind"] == "fact" {
                continue;
            }
            let id = |name: &str| event[name].as_str().unwrap().parse().unwrap();
            assert_eq!(event["there"], false, "{event}");
            lost += usize::from(ledger.give_up(id("process"), id("item")));
        }
        ledger.check(&node.client(), 16).await;
        assert_done(&about(folders[old].path(), &["rejoin"], &node.admin_url()));
    }
    assert!(lost > 0, "nobody was told what is lost: nothing was tried");
    load.aim(node.client());
    more(&load, 20).await;
    load.stop().await;
    let last = standby(folders[(ROUNDS + 1) % 2].path(), &gateway, &node.admin_url());
    let following = last.serve();
    level(&following, &node).await;
    ledger.check(&following.client(), 1).await;
    assert_eq!(status(&following).await["term"].as_u64(), Some(1 + ROUNDS as u64));
    following.stop();
    node.stop();
    assert_whole(&last);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_copy_of_the_leaders_disk_does_not_schedule() {
    let (folders, gateway) = ((folder(), folder(), folder()), Gateway::start());
    let (ledger, user) = (Ledger::default(), User::new(220));
    let launch = leader(folders.0.path(), &gateway).unset("UPLOAD_NODE_URL");
    let node = launch.start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    node.stop();
    // Yesterday's, and what came since.
    let copied = folders.2.path().join("copy");
    copy_folder(&launch.data(), &copied.join("data"));
    let node = launch.start();
    let relay = Relay::to(node.admin_address().port()).await;
    let following = standby(folders.1.path(), &gateway, &relay.url()).serve();
    ledger.send(&node.client(), &user, process, 5).await;
    level(&following, &node).await;
    node.stop();
    let asking = |folder: &Path| {
        let launch = leader(folder, &gateway).unset("UPLOAD_NODE_URL");
        launch.set("REPLICATE_PEERS", following.admin_url()).set("REPLICATE_TOKEN", TOKEN)
    };
    let refused = asking(&copied).run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    for told in ["7 events", "2 are here", "an older copy"] {
        assert!(refused.stderr.contains(told), "{told}: {}", refused.stderr);
    }
    // It remembers that.
    let refused = asking(&copied).unset("REPLICATE_PEERS").run();
    assert!(refused.code == Some(1) && refused.stderr.contains("quipu rejoin"), "{}", refused.stderr);
    // The disk that has all goes on.
    let node = asking(folders.0.path()).start();
    relay.lead_to(node.admin_address().port());
    ledger.send(&node.client(), &user, process, 2).await;
    level(&following, &node).await;
    ledger.check(&following.client(), 1).await;
    following.stop();
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standbys_of_standbys_catch_up_whichever_of_them_is_killed() {
    let (folders, gateway) = ((folder(), folder(), folder()), Gateway::start());
    let node = leader(folders.0.path(), &gateway).start();
    let ledger = Arc::new(Ledger::default());
    let processes = ledger.spawn(&node.client(), &User::new(200), PROCESSES).await;
    let load = Load::start(&ledger, &processes, CLIENTS);
    load.aim(node.client());
    let second = standby(folders.1.path(), &gateway, &node.admin_url());
    let relay = Relay::to(1).await;
    let third = standby(folders.2.path(), &gateway, &relay.url());
    let serve_second = || {
        let following = second.serve();
        relay.lead_to(following.admin_address().port());
        following
    };
    let (mut following, mut behind) = (serve_second(), third.serve());
    for round in 0..8 {
        more(&load, 20).await;
        if round % 2 == 0 {
            following.kill();
            following = serve_second();
        }
        if round % 3 != 1 {
            behind.kill();
            behind = third.serve();
        }
    }
    // The disk of the one in between is lost, and another begins in its place.
    following.kill();
    std::fs::remove_dir_all(second.data()).unwrap();
    following = serve_second();
    more(&load, 20).await;
    load.stop().await;
    level(&following, &node).await;
    level(&behind, &node).await;
    ledger.check(&following.client(), 16).await;
    ledger.check(&behind.client(), 4).await;
    for node in [behind, following, node] {
        node.stop();
    }
    assert_whole(&third);
}
