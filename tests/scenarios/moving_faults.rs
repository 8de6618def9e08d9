//! Moves during which a disk fills up, a leader is replaced or the routers' database is gone.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ans104::{Id, KeyType};
use quipu_tests::{Gate, GateSide, Gateway, Launch, Ledger, Node, Postgres, Program, User, until};

use crate::folder;
use crate::members::{self, TOKEN, promote, schedules};
use crate::moving::{Pair, SOURCE, TARGET};
use crate::namespace::Namespace;
use crate::router::home;

const MEGABYTES: u32 = 48;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_whose_disk_is_full_goes_on_when_there_is_room() {
    let (kept, gateway) = ([folder(), folder()], Gateway::start());
    let launch = |folder: &Path| {
        Launch::su(folder).gateway(gateway.url()).unset("UPLOAD_NODE_URL").wallet(KeyType::Ed25519)
    };
    let [from, to] = kept.each_ref().map(|folder| launch(folder.path()));
    fs::create_dir(to.data()).unwrap();
    let namespace = Namespace::with_tmpfs(&to.data(), MEGABYTES);
    let to = to.set("ADMIN_TOKEN", TOKEN).through(&namespace.enter());
    let (source, target) = (from.start(), to.start());
    let (ledger, user) = (Ledger::default(), User::new(1));
    let process = ledger.spawn(&source.client(), &user, 1).await[0];
    for _ in 0..MEGABYTES * 2 {
        // What cannot be made smaller.
        let text: String = (0..1 << 17).map(|_| format!("{:08x}", rand::random::<u32>())).collect();
        let message = user.message(process, text.as_bytes());
        ledger.post(process, &message);
        ledger.schedule(&source.client(), process, &message).await;
    }
    let told = with_token(process, &source, &source.admin_url(), &target).run();
    assert_eq!(told.code, Some(1), "{}{}", told.stdout, told.stderr);
    ledger.send(&source.client(), &user, process, 3).await;
    drop(target.kill());
    namespace.resize(&to.data(), MEGABYTES * 6);
    let target = to.start();
    let told = with_token(process, &source, &source.admin_url(), &target).run();
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.stderr);
    ledger.send(&target.client(), &user, process, 3).await;
    ledger.check(&target.client(), 4).await;
    for (node, launch) in [(source, from), (target, to)] {
        node.stop();
        let verified = launch.verify(&[]);
        assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    }
}

/// `quipu move` from a node, which the other one reaches this way, to one with the token of all members.
fn with_token(process: Id, from: &Node, way: &str, to: &Node) -> Launch {
    let process = process.to_string();
    let (url, to_admin, admin) = (to.url(), to.admin_url(), from.admin_url());
    let token = from.token();
    let words = ["move", &process, "--to", &url, "--to-admin", &to_admin, "--to-token", TOKEN];
    let words: Vec<&str> =
        words.into_iter().chain(["--admin", &admin, "--token", &token, "--from", way]).collect();
    Launch::command(Path::new("/"), &words)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_replaced_during_a_move_takes_nothing_with_it() {
    for (step, side) in [("/events", GateSide::Answer), ("POST /moves/", GateSide::Answer)] {
        let pair = Pair::start();
        let mut cluster = members::cluster(3, 1).await;
        let urls: Vec<String> = cluster.nodes.iter().map(Node::url).chain([pair.url(SOURCE)]).collect();
        let kept = folder();
        let router =
            Launch::router(kept.path(), &urls.iter().map(String::as_str).collect::<Vec<_>>()).serve();
        let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
        let source = pair.node(SOURCE);
        let process = ledger.spawn(&source.client(), &user, 1).await[0];
        ledger.send(&source.client(), &user, process, 30).await;
        let gate = Gate::to(pair.admin(SOURCE)).await;
        gate.stop_at(step, side);
        let command: Program = with_token(process, source, &gate.url(), &cluster.nodes[0]).program();
        gate.stopped().await;
        drop(command);
        cluster.nodes.remove(0).kill();
        gate.open(pair.admin(SOURCE));
        let done = promote(cluster.folders[1].path(), &cluster.nodes[0], &[]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        schedules(&cluster.nodes[0]).await;
        let told = with_token(process, source, &gate.url(), &cluster.nodes[0]).run();
        assert_eq!(told.code, Some(0), "{step}: {}{}", told.stdout, told.stderr);
        // Where it was ended already, the node that had it leads to who is gone, and that is said.
        assert_eq!(
            told.stdout.contains(&format!("is led to {}", urls[0])),
            step == "POST /moves/",
            "{}",
            told.stdout
        );
        let url = cluster.nodes[0].url();
        until("the router knows", async || (home(&router, process).await == url).then_some(())).await;
        ledger.send(&router.client(), &user, process, 10).await;
        assert_eq!(ledger.check(&router.client(), 5).await, 41);
        router.stop();
        pair.verify();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_moves_while_the_database_of_the_routers_is_gone() {
    let (mut pair, mut postgres) = (Pair::start(), Postgres::start());
    let (kept, urls) = (folder(), [pair.url(SOURCE), pair.url(TARGET)]);
    let launch = Launch::router(kept.path(), &urls.each_ref().map(String::as_str));
    let router = launch.set("DATABASE_URL", postgres.url()).serve();
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
    let process = ledger.spawn(&pair.node(SOURCE).client(), &user, 1).await[0];
    ledger.send(&router.client(), &user, process, 5).await;
    postgres.kill();
    pair.moves(process);
    // The router finds the way, and cannot keep it.
    ledger.send(&router.client(), &user, process, 5).await;
    // It is asked for it once: nobody waits again for the way, or for the node that leads there.
    pair.nodes[SOURCE].take().unwrap().kill();
    ledger.send(&router.client(), &user, process, 5).await;
    postgres.restart();
    let rows = "select string_agg(scheduler || ' ' || version, ',') from quipu_router.homes";
    until("it is kept", async || (postgres.sql("quipu", rows).trim() == "2 1").then_some(())).await;
    assert_eq!(ledger.check(&router.client(), 5).await, 16);
    pair.nodes[SOURCE] = Some(pair.launches[SOURCE].start());
    router.stop();
    pair.verify();
}
