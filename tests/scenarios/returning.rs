//! A leader comes back after a standby took its place: it does not lead, what it alone has is listed, and it follows.

use std::fs;
use std::path::Path;

use ans104::Id;
use log::{LogDigest, Rocks, Seq, StoreView};
use quipu_tests::{Client, Finished, Gateway, Launch, Ledger, Node, Relay, User, until};
use serde_json::Value;

use crate::folder;
use crate::standby::{TOKEN, assert_whole, leader, level, promote, standby, status};

/// A command on the data folder in this one, about a node that listens there.
fn about(folder: &Path, words: &[&str], from: &str) -> Launch {
    let command = Launch::command(folder, words).set("SU_DATA_DIR", folder.join("data"));
    command.set("REPLICATE_FROM", from).set("REPLICATE_TOKEN", TOKEN)
}

fn assert_code(finished: &Finished, code: i32) {
    assert_eq!(finished.code, Some(code), "{}{}", finished.stdout, finished.stderr);
}

/// How many events are in a log that nobody writes to, and their digest.
fn contents(log: &Path) -> (u64, LogDigest) {
    let contents = Rocks::open_read_only(log).unwrap().contents().unwrap();
    (contents.events, contents.digest)
}

/// The items of a log from a place on.
fn items(log: &Path, from: u64) -> Vec<Option<Id>> {
    let (view, mut items) = (StoreView::new(Rocks::open_read_only(log).unwrap()).unwrap(), Vec::new());
    let scanned = view.scan(Seq::new(from), &mut |event| {
        items.push(event.item().map(|item| item.id()));
        std::ops::ControlFlow::Continue(())
    });
    scanned.unwrap();
    items
}

/// What `quipu divergence --json` lists: how many events are the same, and the others.
fn listed(finished: &Finished) -> (u64, Vec<Value>) {
    let mut lines = finished.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let head = lines.next().unwrap();
    (head["common"].as_u64().unwrap(), lines.collect())
}

fn aside(data: &Path, name: &str) -> std::path::PathBuf {
    let entries = fs::read_dir(data).unwrap().map(|entry| entry.unwrap());
    let found = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(name));
    found.map(|entry| entry.path()).next().expect("it was set aside")
}

/// A leader and its standby, which lacks what was sent last.
struct Parted {
    gateway: Gateway,
    ledger: Ledger,
    user: User,
    /// What is in both.
    common: u64,
    processes: Vec<Id>,
    store: String,
    old: Node,
    old_launch: Launch,
}

async fn parted(folders: [&Path; 2], more: usize) -> Parted {
    let gateway = Gateway::start();
    let (ledger, user) = (Ledger::default(), User::new(210));
    // What is on no chain has to be asked of nobody.
    let old_launch = leader(folders[0], &gateway).unset("UPLOAD_NODE_URL");
    let old = old_launch.start();
    let processes = ledger.spawn(&old.client(), &user, 2).await;
    for process in &processes {
        ledger.send(&old.client(), &user, *process, more).await;
    }
    let following = standby(folders[1], &gateway, &old.admin_url()).serve();
    let common = level(&following, &old).await + 1;
    following.stop();
    let store = status(&old).await["store"].as_str().unwrap().to_owned();
    Parted { gateway, ledger, user, common, processes, store, old, old_launch }
}

/// It asks, and does not lead; nor does it follow as it is.
fn assert_does_not_lead(old: &Launch, folder: &Path, gateway: &Gateway, new: &Node) {
    let asking = old.clone().set("REPLICATE_PEERS", new.admin_url()).set("REPLICATE_TOKEN", TOKEN);
    let refused = asking.run();
    assert_code(&refused, 1);
    for told in ["quipu divergence", "quipu rejoin"] {
        assert!(refused.stderr.contains(told), "{told}: {}", refused.stderr);
    }
    let refused = standby(folder, gateway, &new.admin_url()).run();
    assert!(refused.code == Some(1) && refused.stderr.contains("quipu rejoin"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_comes_back_tells_what_it_alone_has_and_follows() {
    let folders = (folder(), folder());
    // So many that digests are kept in between.
    let Parted { gateway, ledger, user, common, processes, store, old, old_launch } =
        parted([folders.0.path(), folders.1.path()], 600).await;
    assert!(common > 1_024, "{common}");
    let mut lost = Vec::new();
    for number in 0..5 {
        let message = user.message(processes[number % 2], format!("lost {number}").as_bytes());
        old.client().schedule(&message).await;
        lost.push(message);
    }
    let spawned = user.process();
    old.client().schedule(&spawned).await;
    old.kill();
    promote(folders.1.path(), &store);
    let new_launch = leader(folders.1.path(), &gateway).unset("UPLOAD_NODE_URL");
    let new = new_launch.start();
    // One is sent again by its sender, and is at another place there.
    ledger.send(&new.client(), &user, processes[1], 3).await;
    ledger.schedule(&new.client(), processes[0], &lost[2]).await;

    assert_does_not_lead(&old_launch, folders.0.path(), &gateway, &new);
    let before = contents(&old_launch.data().join("log"));
    let found = about(folders.0.path(), &["divergence", "--json"], &new.admin_url()).run();
    assert_code(&found, 3);
    let (same, events) = listed(&found);
    assert_eq!(same, common);
    let expected: Vec<_> = lost.iter().map(|item| (item.id, item.id == lost[2].id)).collect();
    let expected = expected.into_iter().chain([(spawned.id, false)]);
    let told = events
        .iter()
        .map(|event| (event["item"].as_str().unwrap().parse().unwrap(), event["there"].as_bool().unwrap()));
    assert_eq!(told.collect::<Vec<(Id, bool)>>(), expected.collect::<Vec<_>>());
    let shown = about(folders.0.path(), &["divergence"], &new.admin_url()).run();
    assert_code(&shown, 3);
    assert!(shown.stderr.contains("6 events in this log are not in that of"), "{}", shown.stderr);

    let done = about(folders.0.path(), &["rejoin"], &new.admin_url()).run();
    assert_code(&done, 0);
    assert!(done.stdout.contains("quipu standby ") && done.stdout.contains("--from"), "{}", done.stdout);
    let set_aside = aside(&old_launch.data(), "log.aside-");
    assert_eq!(contents(&set_aside), before);
    aside(&old_launch.data(), "index.aside-");
    let refused = old_launch.run();
    assert!(refused.code == Some(1) && refused.stderr.contains("quipu standby"), "{}", refused.stderr);

    let follows = standby(folders.0.path(), &gateway, &new.admin_url());
    let following = follows.serve();
    level(&following, &new).await;
    ledger.send(&new.client(), &user, processes[0], 3).await;
    level(&following, &new).await;
    ledger.check(&following.client(), 64).await;
    // The list is to be had from what was set aside, too.
    let again = about(folders.0.path(), &["divergence", "--json"], &new.admin_url());
    let again = again.set("SU_FILE_DB_DIR", &set_aside).run();
    assert_code(&again, 3);
    assert_eq!(listed(&again), (common, events));
    let none = about(folders.0.path(), &["divergence"], &new.admin_url()).run();
    assert_code(&none, 0);
    assert!(none.stdout.contains("nothing is here that is not there"), "{}", none.stdout);
    following.stop();
    new.stop();
    let logs = [&follows, &new_launch].map(|launch| launch.data().join("log"));
    assert_eq!(contents(&logs[0]), contents(&logs[1]));
    assert_eq!(items(&logs[0], common), items(&logs[1], common));
    assert_whole(&follows);
    assert_whole(&new_launch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_frozen_across_a_promotion_stops_at_once() {
    let folders = (folder(), folder());
    let peer = Relay::to(1).await;
    let Parted { gateway, ledger, user, common, processes, store, old, old_launch } =
        parted([folders.0.path(), folders.1.path()], 3).await;
    old.stop();
    let old = old_launch.clone().set("REPLICATE_PEERS", peer.url()).set("REPLICATE_TOKEN", TOKEN).start();
    old.signal("STOP");
    promote(folders.1.path(), &store);
    let new_launch = leader(folders.1.path(), &gateway).unset("UPLOAD_NODE_URL");
    let new = new_launch.start();
    peer.lead_to(new.admin_address().port());
    ledger.send(&new.client(), &user, processes[0], 3).await;
    old.signal("CONT");
    // Until it has asked it may take something; that is told by `quipu divergence` then.
    let mut taken = Vec::new();
    until("it has heard of it", async || {
        let message = user.message(processes[1], format!("late {}", taken.len()).as_bytes());
        let answer = old.client().post(message.bytes).await;
        if answer.status == 200 {
            taken.push(message.id);
        }
        (answer.status != 200 && answer.text().contains("another node has taken the place")).then_some(())
    })
    .await;
    assert_eq!(status(&old).await["role"], "fenced");
    // While it runs.
    let found = about(folders.0.path(), &["divergence", "--json"], &new.admin_url()).run();
    let (same, events) = listed(&found);
    assert_eq!(same, common);
    let told: Vec<Id> = events.iter().map(|event| event["item"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(told, taken);
    assert_code(&found, if taken.is_empty() { 0 } else { 3 });
    assert!(events.iter().all(|event| event["there"] == false), "{events:?}");
    let refused = about(folders.0.path(), &["rejoin"], &new.admin_url()).run();
    assert!(refused.code == Some(1) && refused.stderr.contains("stop it first"), "{}", refused.stderr);
    old.stop();
    ledger.check(&new.client(), 1).await;
    assert_code(&about(folders.0.path(), &["rejoin"], &new.admin_url()).run(), 0);
    let follows = standby(folders.0.path(), &gateway, &new.admin_url());
    let following = follows.serve();
    level(&following, &new).await;
    ledger.check(&following.client(), 1).await;
    following.stop();
    let operator = Client::operator(&new.admin_url(), TOKEN).get("/status").await.json::<Value>();
    assert_eq!(operator["role"], "leader");
    new.stop();
    assert_whole(&follows);
}
